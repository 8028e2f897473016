//! `tusou-bench encoder-gpu PACK PICTURES SECONDS cuda|cpu`: ours, for `bench/gpu/run.sh`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use tokio::task::block_in_place;
use tusou_model::Device;

use super::alone::Models;
use super::gallery::Gallery;
use super::ours::{Ours, Setting};

/// The program's first argument for it.
pub(crate) const ARGUMENT: &str = "encoder-gpu";

const USAGE: &str = "`encoder-gpu` takes PACK PICTURES SECONDS cuda|cpu";

/// Batches in flight: one is copied to the card while another runs.
const IN_FLIGHT: usize = 2;
const ON_CARD: &[usize] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];
const ON_PROCESSOR: &[usize] = &[1, 2];

/// What `bench/gpu/peers.py` reads.
#[derive(Debug, Serialize)]
struct Report {
    /// Pictures a second by batch.
    tensors: BTreeMap<usize, f64>,
    jpeg: Jpeg,
}

#[derive(Debug, Serialize)]
struct Jpeg {
    images: usize,
    seconds: f64,
    images_per_second: f64,
    /// Of the whole process.
    cpu_seconds: f64,
    /// Pictures in a batch: the size that was best from tensors.
    batch: usize,
}

/// Measures, and prints the report as the last line.
#[expect(clippy::print_stdout, reason = "whoever started it reads the report")]
pub(crate) async fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let arguments: Vec<String> = arguments.collect();
    let [pack, pictures, seconds, device] = arguments.as_slice() else {
        bail!(USAGE);
    };
    let (pack, pictures) = (PathBuf::from(pack), PathBuf::from(pictures));
    let seconds = seconds.parse().ok().filter(|seconds| *seconds > 0.0);
    let time = Duration::try_from_secs_f64(seconds.context(USAGE)?).context(USAGE)?;
    let (device, batches) = match device.as_str() {
        "cuda" => (Device::Cuda, ON_CARD),
        "cpu" => (Device::Cpu, ON_PROCESSOR),
        _ => bail!(USAGE),
    };
    let tensors = block_in_place(|| tensors(&pack, device, batches, time))?;
    let best = tensors.iter().max_by(|a, b| a.1.total_cmp(b.1));
    let batch = *best.context("there are batches")?.0;
    let setting = Setting {
        device,
        batch,
        ..Setting::DEFAULT
    };
    let jpeg = Box::pin(jpeg(&pack, &pictures, setting, time)).await?;
    let report = serde_json::to_string(&Report { tensors, jpeg })?;
    println!("{report}");
    Ok(())
}

/// From tensors in the host's memory (pinned, for a card), the way to the card and back included.
fn tensors(
    pack: &Path,
    device: Device,
    batches: &[usize],
    time: Duration,
) -> anyhow::Result<BTreeMap<usize, f64>> {
    let mut models = Models::load(pack, device, IN_FLIGHT)?;
    let rates = batches.iter().map(|batch| {
        let rate = models.rate(IN_FLIGHT, *batch, time)?;
        Ok((*batch, rate))
    });
    rates.collect()
}

/// From JPEG blobs, through the encoder's engine.
async fn jpeg(
    pack: &Path,
    pictures: &Path,
    setting: Setting,
    time: Duration,
) -> anyhow::Result<Jpeg> {
    let gallery = Gallery::of_folder(pictures).await?;
    let ours = Ours::open(&gallery, pack, setting).await?;
    // What is made once, buffers and a card's plans, is made before the clock starts.
    ours.run(&gallery.messages).await?;
    gallery.forget_thumbnails()?;
    let spent = ours.run_for(&gallery.messages, 2 * time).await?;
    Ok(Jpeg {
        images: spent.pictures,
        seconds: spent.seconds,
        images_per_second: spent.rate(),
        cpu_seconds: spent.cpu,
        batch: setting.batch,
    })
}
