//! The floors: the model alone on tensors that are ready, and decoding alone, by the libraries that the
//! encoder is made of. What it cannot be faster than.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use tusou_contract::ImageFormat;
use tusou_model::decode::{Detail, Limits, decode};
use tusou_model::{
    Batch as _, Crop, Device, Model as _, Pack, PictureBatch, PictureInput, RgbImage, Runtime,
    VisionModel, colors, phash, thumbnail,
};

use super::ours::runtime;

pub(crate) const LIMITS: Limits = Limits {
    max_pixels: 10_000_000,
    max_memory: 64 << 20,
};

/// Sessions of one pack, as many as run at once, and nothing else.
#[derive(Debug)]
pub(crate) struct Models {
    loaded: Vec<VisionModel>,
}

impl Models {
    /// Loads that many, each with one thread on the processor.
    pub(crate) fn load(pack: &Path, device: Device, sessions: usize) -> anyhow::Result<Self> {
        let (runtime, pack) = (Runtime::load(&runtime()?)?, Pack::open(pack)?);
        let loaded = (0..sessions).map(|_| VisionModel::load(&runtime, &pack, device, 1));
        let loaded = loaded.collect::<Result<_, _>>()?;
        Ok(Self { loaded })
    }

    /// How the model takes its pictures.
    pub(crate) fn input(&self) -> PictureInput {
        self.loaded[0].input().clone()
    }

    /// A batch of so many pictures, ready to be run.
    fn ready(&self, rows: usize) -> PictureBatch {
        let mut batch = self.loaded[0].batches(rows)();
        for row in 0..rows {
            batch.push(&self.crop(row));
        }
        batch
    }

    fn crop(&self, row: usize) -> Crop {
        let picture = RgbImage::from_fn(320, 240, |x, y| {
            let light = (x * 7 + y * 13 + row as u32 * 31) % 256;
            image::Rgb([light as u8, (x % 256) as u8, (y % 256) as u8])
        });
        self.loaded[0].input().crop(&picture)
    }

    /// Pictures a second of the first `sessions` of them at once, in batches of `rows`.
    pub(crate) fn rate(
        &mut self,
        sessions: usize,
        rows: usize,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let batches: Vec<_> = (0..sessions).map(|_| self.ready(rows)).collect();
        let running = self.loaded.iter_mut().zip(&batches);
        let works = running.map(|(model, batch)| {
            move || -> anyhow::Result<usize> { Ok(model.run(batch, 0..rows)?.len()) }
        });
        rate(works.collect(), time)
    }
}

/// JPEGs a second that so many threads decode, fit to the model and write into its tensor.
pub(crate) fn decoded(
    photos: &[Vec<u8>],
    model: &Models,
    threads: usize,
    rows: usize,
    time: Duration,
) -> anyhow::Result<f64> {
    let input = model.input();
    let detail = detail(&input);
    let works = (0..threads).map(|number| {
        let mut batch = model.loaded[0].batches(rows)();
        let mut photos = photos.iter().cycle().skip(number);
        let input = &input;
        move || -> anyhow::Result<usize> {
            let photo = photos.next().context("there are photographs")?;
            let picture = decode(photo, ImageFormat::Jpeg, &LIMITS, detail)?;
            if batch.rows() == rows {
                batch.clear();
            }
            batch.push(&input.crop(&picture));
            Ok(1)
        }
    });
    rate(works.collect(), time)
}

/// Pictures a second that one thread makes thumbnail, hash and colours of.
pub(crate) fn extras(
    photos: &[Vec<u8>],
    input: &PictureInput,
    time: Duration,
) -> anyhow::Result<f64> {
    let detail = detail(input);
    let decode = |photo: &Vec<u8>| decode(photo, ImageFormat::Jpeg, &LIMITS, detail);
    let pictures: Vec<RgbImage> = photos.iter().map(decode).collect::<Result<_, _>>()?;
    let mut pictures = pictures.iter().cycle();
    let work = move || -> anyhow::Result<usize> {
        let picture = pictures.next().context("there are photographs")?;
        let small = thumbnail::reduced(picture, thumbnail::LONGER_SIDE);
        let made = (
            thumbnail::jpeg(&small),
            phash::phash(&small),
            colors::main_colors(&small),
        );
        std::hint::black_box(made);
        Ok(1)
    };
    rate(vec![work], time)
}

/// As the encoder decodes: enough for the model and for the thumbnail.
fn detail(input: &PictureInput) -> Detail {
    input.preprocess().needed().and(thumbnail::NEEDED).into()
}

/// What pieces of work do in a second together, each on a thread of its own and each called once before
/// its clock starts.
fn rate<W>(works: Vec<W>, time: Duration) -> anyhow::Result<f64>
where
    W: FnMut() -> anyhow::Result<usize> + Send,
{
    thread::scope(|scope| {
        let run = |mut work: W| {
            move || -> anyhow::Result<f64> {
                work()?;
                let (began, mut done) = (Instant::now(), 0);
                while began.elapsed() < time {
                    done += work()?;
                }
                Ok(done as f64 / began.elapsed().as_secs_f64())
            }
        };
        let threads: Vec<_> = works
            .into_iter()
            .map(|work| scope.spawn(run(work)))
            .collect();
        let rates = threads.into_iter().map(|thread| {
            let rate = thread.join();
            rate.map_err(|_| anyhow!("a floor's thread panicked"))?
        });
        rates.sum()
    })
}
