//! The encoder's engine over stored pictures: from blobs to embeddings, hashes, colours and thumbnails.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use rustix::time::{ClockId, clock_gettime};
use tusou_contract::{Encoding, ImageFetched};
use tusou_encoder::Engine;
use tusou_platform::Config;
use tusou_platform::config::Device;

use super::gallery::Gallery;
use crate::peer::root;

/// Pictures in work at once: `encoder.prefetch` as it is where nothing is said.
const AT_ONCE: usize = 64;

/// What may be set. 0 is what the encoder chooses by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) device: Device,
    pub(crate) sessions: usize,
    pub(crate) decode_threads: usize,
    pub(crate) batch: usize,
}

/// The batch where nothing is said.
pub(crate) const BATCH: usize = 8;

impl Setting {
    /// As the encoder is without a word: a model run and a decoder for each core.
    pub(crate) const DEFAULT: Self = Self {
        device: Device::Cpu,
        sessions: 0,
        decode_threads: 0,
        batch: BATCH,
    };

    /// The model has one core and the decoder has another.
    pub(crate) const SPLIT: Self = Self {
        sessions: 1,
        decode_threads: 1,
        ..Self::DEFAULT
    };
}

/// A loaded engine.
#[derive(Debug)]
pub(crate) struct Ours {
    engine: Engine,
    /// Pictures in work at once.
    at_once: usize,
}

/// What encoding took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) pictures: usize,
    pub(crate) seconds: f64,
    /// Of the whole process.
    pub(crate) cpu: f64,
    /// Of the models' threads.
    pub(crate) model_cpu: f64,
}

impl Spent {
    /// Pictures a second.
    pub(crate) fn rate(&self) -> f64 {
        self.pictures as f64 / self.seconds
    }

    /// Milliseconds of processor time that a picture takes outside the models.
    pub(crate) fn overhead(&self) -> f64 {
        (self.cpu - self.model_cpu) * 1_000.0 / self.pictures as f64
    }
}

impl Ours {
    /// Loads a pack for a gallery's pictures.
    pub(crate) async fn open(
        gallery: &Gallery,
        pack: &Path,
        setting: Setting,
    ) -> anyhow::Result<Self> {
        let mut config = Config {
            blobs: gallery.blobs(),
            ..Config::default()
        };
        config.models.runtime = runtime()?;
        config.models.device = setting.device;
        config.models.packs = vec![pack.to_owned()];
        config.encoder.sessions = setting.sessions;
        config.encoder.decode_threads = setting.decode_threads;
        config.encoder.batch = setting.batch;
        let engine = Engine::open(&config).await?;
        let at_once = AT_ONCE.max(4 * setting.batch);
        Ok(Self { engine, at_once })
    }

    /// Encodes these, and says what it took.
    pub(crate) async fn run(&self, pictures: &[ImageFetched]) -> anyhow::Result<Spent> {
        self.measure(stream::iter(pictures)).await
    }

    /// Encodes these again and again, until the time is over.
    pub(crate) async fn run_for(
        &self,
        pictures: &[ImageFetched],
        time: Duration,
    ) -> anyhow::Result<Spent> {
        let end = Instant::now() + time;
        let again = pictures.iter().cycle();
        self.measure(stream::iter(again.take_while(|_| Instant::now() < end)))
            .await
    }

    async fn measure(
        &self,
        pictures: impl futures::Stream<Item = &ImageFetched>,
    ) -> anyhow::Result<Spent> {
        let (began, cpu, model_cpu) = (Instant::now(), process_seconds(), model_seconds()?);
        let encoded = pictures
            .map(|picture| self.encode(picture))
            .buffer_unordered(self.at_once)
            .try_fold(0, async |count, _| Ok(count + 1));
        let pictures = encoded.await?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(Spent {
            pictures,
            seconds,
            cpu: process_seconds() - cpu,
            model_cpu: model_seconds()? - model_cpu,
        })
    }

    /// The embeddings of these, in their order.
    pub(crate) async fn embeddings(
        &self,
        pictures: &[ImageFetched],
    ) -> anyhow::Result<Vec<Vec<f32>>> {
        let encoded = stream::iter(pictures)
            .map(|picture| self.encode(picture))
            .buffered(self.at_once);
        encoded
            .map_ok(|mut encoding| encoding.embeddings.swap_remove(0).vector)
            .try_collect()
            .await
    }

    async fn encode(&self, picture: &ImageFetched) -> anyhow::Result<Encoding> {
        let encoding = self.engine.try_encode(picture).await;
        let encoding = encoding.map_err(|error| anyhow!("{}: {error}", picture.image_id))?;
        ensure!(
            encoding.embeddings.len() == 1 && encoding.thumbnail.is_some(),
            "{} lacks its embedding or its thumbnail",
            picture.image_id
        );
        Ok(encoding)
    }
}

/// ONNX Runtime's library: the one that is named, or the local stack's.
pub(crate) fn runtime() -> anyhow::Result<PathBuf> {
    let named = std::env::var_os("TUSOU_MODELS_RUNTIME").map(PathBuf::from);
    let path = named.unwrap_or_else(|| root().join(".stack/onnxruntime/libonnxruntime.so"));
    ensure!(
        path.exists(),
        "{} is not there: set TUSOU_MODELS_RUNTIME to a libonnxruntime.so, or run `make ready`",
        path.display()
    );
    Ok(path)
}

/// What this process has used of the processor.
pub(crate) fn process_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// What the threads in which models run have used of it: they are named for that, and the first number
/// of `schedstat` is nanoseconds on a processor (the kernel's `Documentation/scheduler/sched-stats.rst`).
fn model_seconds() -> anyhow::Result<f64> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // A thread may end while we look.
        let Ok(name) = std::fs::read_to_string(task.join("comm")) else {
            continue;
        };
        if name.starts_with("model ") {
            let text = std::fs::read_to_string(task.join("schedstat"))?;
            let first = text.split(' ').next().and_then(|text| text.parse().ok());
            nanoseconds += first.unwrap_or(0_u64);
        }
    }
    ensure!(
        nanoseconds > 0,
        "the kernel does not count what threads use: /proc/self/task/*/schedstat is empty"
    );
    Ok(nanoseconds as f64 / 1e9)
}
