//! A photograph's way to a model's pixels: decoded and resized by us, and by `image`, on one thread.

use std::hint::black_box;
use std::io::Cursor;

use anyhow::{Context as _, ensure};
use image::imageops::{self, FilterType};
use image::{ImageReader, RgbImage};
use rustix::time::{ClockId, clock_gettime};
use tusou_contract::ImageFormat;
use tusou_model::decode::{Limits, decode};
use tusou_model::preprocess::{Interpolation, Preprocess, ResizeMode, Size};
use tusou_model::thumbnail;

use super::photos;
use crate::report::Figure;

const PHOTOS: u32 = 16;
const ROUNDS: usize = 4;
/// The side of the pixels that models of the shape ViT-B/32 take.
const SIDE: u32 = 224;
const LIMITS: Limits = Limits {
    max_pixels: 10_000_000,
    max_memory: 64 << 20,
};

/// Photographs a second of processor time.
pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let photos: Vec<Vec<u8>> = (0..PHOTOS).map(photos::photo).collect::<Result<_, _>>()?;
    let preprocess = Preprocess {
        size: Size {
            height: SIDE,
            width: SIDE,
        },
        resize: None,
        resize_mode: ResizeMode::Shortest,
        crop: None,
        interpolation: Interpolation::Bicubic,
        mean: [0.5; 3],
        std: [0.5; 3],
    };
    // As the encoder decodes: enough for the model and for the thumbnail.
    let detail = preprocess.needed().and(thumbnail::NEEDED).into();
    let (mut ours, mut theirs) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        for photo in &photos {
            let began = processor_seconds();
            let image = decode(black_box(photo), ImageFormat::Jpeg, &LIMITS, detail)?;
            let here = black_box(preprocess.crop(&image));
            let between = processor_seconds();
            let there = black_box(by_image(black_box(photo))?);
            ours += between - began;
            theirs += processor_seconds() - between;
            ensure!(
                apart(&here, &there) < 4.0,
                "the two ways show different pictures"
            );
        }
    }
    let rate = |seconds: f64| (photos.len() * ROUNDS) as f64 / seconds;
    Ok(vec![Figure::rate(
        "encoder.preprocess_vs_image",
        rate(ours),
        rate(theirs),
        "photographs/s and core",
        4.0,
    )])
}

/// The same by the crate `image`: decoded whole, the square in the middle cut out before it is resized.
fn by_image(photo: &[u8]) -> anyhow::Result<RgbImage> {
    let reader = ImageReader::with_format(Cursor::new(photo), image::ImageFormat::Jpeg);
    let image = reader.decode().context("a photograph is a JPEG")?;
    let image = image.into_rgb8();
    let (width, height) = image.dimensions();
    let short = width.min(height);
    let (left, top) = ((width - short) / 2, (height - short) / 2);
    let square = imageops::crop_imm(&image, left, top, short, short);
    let filter = FilterType::CatmullRom;
    Ok(imageops::resize(&*square, SIDE, SIDE, filter))
}

/// How far two pictures are apart on average, of 255.
fn apart(one: &RgbImage, other: &RgbImage) -> f64 {
    let pairs = one.as_raw().iter().zip(other.as_raw());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.as_raw().len() as f64
}

/// What this thread has used of the processor.
fn processor_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
