//! Variants of pictures, and their embeddings.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::anyhow;
use image::imageops::crop_imm;
use tusou_model::{Crop, Device, Pack, RgbImage, Runtime, VisionModel};

use super::SEED;
use super::sources::Sources;
use crate::dice::Dice;
use crate::report;

const BATCH: usize = 8;
/// A crop's sides, as shares of the picture's.
const SMALLEST: f32 = 0.3;
/// How much of a colour a tint leaves, and how much it gives.
const TINT: (f32, f32) = (0.6, 1.3);

/// So many embeddings: of every picture itself, then of a variant of every picture, and so on.
pub(super) fn embed(
    pack: &Pack,
    runtime: &Runtime,
    sources: &Sources,
    count: usize,
) -> anyhow::Result<Vec<f32>> {
    let (dimension, pictures) = (pack.dimension(), sources.count());
    let rows = Mutex::new(vec![0.0; count * dimension]);
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<()> {
        let mut model = VisionModel::load(runtime, pack, Device::Cpu, 1)?;
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= pictures {
                return Ok(());
            }
            if place.is_multiple_of(100) {
                report::note(&format!("search: picture {place} of {pictures}"));
            }
            let whole = sources.decoded(place)?;
            let numbers: Vec<usize> = (place..count).step_by(pictures).collect();
            for some in numbers.chunks(BATCH) {
                let crops: Vec<Crop> = some
                    .iter()
                    .map(|number| {
                        model
                            .input()
                            .crop(&variant(&whole, *number, number / pictures))
                    })
                    .collect();
                let vectors = model.embed_crops(&crops)?;
                let mut rows = rows.lock().map_err(|_| anyhow!("another thread failed"))?;
                for (number, vector) in some.iter().zip(vectors) {
                    rows[number * dimension..][..dimension].copy_from_slice(&vector);
                }
            }
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(|thread| {
            let ended = thread.join();
            ended.map_err(|_| anyhow!("a thread panicked"))?
        });
        ended.collect::<anyhow::Result<()>>()
    })?;
    let rows = rows.into_inner();
    rows.map_err(|_| anyhow!("a thread failed"))
}

/// The picture itself as the first, else a part of it in other colours.
fn variant(whole: &RgbImage, number: usize, of_picture: usize) -> RgbImage {
    if of_picture == 0 {
        return whole.clone();
    }
    let mut dice = Dice::new(SEED << 32 | number as u64);
    let mut side = |long: u32| {
        let part = (long as f32 * dice.between(SMALLEST, 1.0)).ceil() as u32;
        let start = dice.below((long - part.min(long)) as usize + 1) as u32;
        (start, part.min(long))
    };
    let ((x, width), (y, height)) = (side(whole.width()), side(whole.height()));
    let mut part = crop_imm(whole, x, y, width, height).to_image();
    let tint = [0; 3].map(|_: u8| dice.between(TINT.0, TINT.1));
    for pixel in part.pixels_mut() {
        for (value, share) in pixel.0.iter_mut().zip(tint) {
            *value = (f32::from(*value) * share).min(255.0) as u8;
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_parts_in_other_colours_and_the_same_in_every_run() {
        let whole = RgbImage::from_fn(100, 80, |x, y| image::Rgb([x as u8, y as u8, 200]));
        assert!(variant(&whole, 7, 0) == whole);
        let part = variant(&whole, 7, 1);
        assert!(part == variant(&whole, 7, 1) && part != variant(&whole, 8, 1));
        assert!((30..=100).contains(&part.width()) && (24..=80).contains(&part.height()));
        assert_ne!(part.get_pixel(0, 0).0[2], 200);
    }
}
