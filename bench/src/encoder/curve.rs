//! Pictures a second by the size of a batch: from blobs, and of the model alone, both on all cores.

use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use tokio::task::block_in_place;
use tusou_model::Device;

use super::alone::Models;
use super::gallery::Gallery;
use super::ours::{Ours, Setting};
use crate::report::Figure;

const BATCHES: [usize; 6] = [1, 2, 4, 8, 16, 32];
const MODEL_TIME: Duration = Duration::from_millis(2_500);

/// A figure for each size, over the first `pictures` of the gallery, of which each session gets as many.
pub(crate) async fn measure(
    name: &str,
    pack: &Path,
    gallery: &Gallery,
    pictures: usize,
    goal: f64,
) -> anyhow::Result<Vec<Figure>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut models = block_in_place(|| Models::load(pack, Device::Cpu, cores))?;
    let mut figures = Vec::new();
    for batch in BATCHES {
        let alone = block_in_place(|| models.rate(cores, batch, MODEL_TIME))?;
        let setting = Setting {
            batch,
            ..Setting::DEFAULT
        };
        let ours = Ours::open(gallery, pack, setting).await?;
        gallery.forget_thumbnails()?;
        let spent = ours.run(&gallery.messages[..pictures]).await?;
        let name = format!("{name}_{batch}");
        figures.push(Figure::rate(&name, spent.rate(), alone, "pictures/s", goal));
    }
    Ok(figures)
}
