//! Bicubic resizing that gives the very bytes that Pillow gives.
//!
//! Models were trained, and reference embeddings are made, with Pillow's arithmetic: weights in
//! fixed point with 22 bits after the point, first along rows, then along columns, rounded to
//! bytes between (`Resample.c`). A resize that differs by one step of 255 here and there moves the
//! `lite` pack's embedding of a flat drawing to a cosine of 0.999, so none but the same will do.

use std::ops::Range;

use image::RgbImage;

/// Bits after the point: 32, less 8 for the byte and 2 for the weights that overshoot.
const POINT: u32 = 22;
const HALF: i32 = 1 << (POINT - 1);
/// Catmull-Rom reaches two pixels to each side.
const SUPPORT: f64 = 2.0;

/// One side of a resize of which only a part is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    /// Pixels of the source.
    pub(crate) from: u32,
    /// Pixels of the whole result.
    pub(crate) to: u64,
    /// Which of them are made.
    pub(crate) made: Range<u64>,
}

/// The source pixels that make one result pixel, and their weights.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

/// A part of the picture at another size.
pub(crate) fn resize(image: &RgbImage, across: &Side, down: &Side) -> RgbImage {
    let (columns, rows) = (windows(across), windows(down));
    let first = rows.iter().map(|window| window.start).min().unwrap_or(0);
    let end = rows
        .iter()
        .map(|window| window.start + window.weights.len())
        .max()
        .unwrap_or(0);
    let stride = columns.len() * 3;

    let mut narrowed = Vec::with_capacity((end - first) * stride);
    let source_stride = image.width() as usize * 3;
    for row in image
        .as_raw()
        .chunks_exact(source_stride)
        .take(end)
        .skip(first)
    {
        narrow(row, &columns, &mut narrowed);
    }
    let mut result = Vec::with_capacity(rows.len() * stride);
    for window in &rows {
        let used = &narrowed[(window.start - first) * stride..];
        mix(used, &window.weights, stride, &mut result);
    }
    RgbImage::from_raw(columns.len() as u32, rows.len() as u32, result)
        .expect("three bytes for each pixel")
}

/// One row, resized.
fn narrow(row: &[u8], columns: &[Window], into: &mut Vec<u8>) {
    let (pixels, _) = row.as_chunks::<3>();
    for window in columns {
        let mut sums = [HALF; 3];
        for (pixel, weight) in pixels[window.start..].iter().zip(&window.weights) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                add(sum, *value, *weight);
            }
        }
        into.extend(sums.map(to_byte));
    }
}

/// One row out of several.
fn mix(rows: &[u8], weights: &[i32], stride: usize, into: &mut Vec<u8>) {
    let mut sums = vec![HALF; stride];
    for (row, weight) in rows.chunks_exact(stride).zip(weights) {
        for (sum, value) in sums.iter_mut().zip(row) {
            add(sum, *value, *weight);
        }
    }
    into.extend(sums.into_iter().map(to_byte));
}

/// The weights' magnitudes sum up to less than 2^23, so the sum stays within 31 bits; saying that
/// it wraps lets the compiler use vectors.
fn add(sum: &mut i32, value: u8, weight: i32) {
    *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
}

fn to_byte(sum: i32) -> u8 {
    (sum >> POINT).clamp(0, 255) as u8
}

fn windows(side: &Side) -> Vec<Window> {
    let scale = f64::from(side.from) / side.to as f64;
    // Shrinking widens the filter over all the pixels that a result covers.
    let widening = scale.max(1.0);
    let support = SUPPORT * widening;
    let window = |position: u64| {
        let centre = (position as f64 + 0.5) * scale;
        let start = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(side.from as usize);
        let weight = |pixel: usize| catmull_rom((pixel as f64 - centre + 0.5) * (1.0 / widening));
        let weights: Vec<f64> = (start..end).map(weight).collect();
        let total: f64 = weights.iter().sum();
        Window {
            start,
            weights: weights
                .into_iter()
                .map(|weight| fixed(weight / total))
                .collect(),
        }
    };
    side.made.clone().map(window).collect()
}

/// To fixed point, halves away from zero.
fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << POINT);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

/// Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981), with a = -0.5.
fn catmull_rom(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(from: u32, to: u64) -> Side {
        Side {
            from,
            to,
            made: 0..to,
        }
    }

    /// What Pillow 13 gives for `picture(7, 5)` resized to 4 × 3, and to 11 × 6, with BICUBIC.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([
                (x * 37 + y * 101) as u8,
                (x * x * 29 + y * 7) as u8,
                255_u32.wrapping_sub(x * 11 * y) as u8,
            ])
        })
    }

    #[test]
    fn the_bytes_are_those_of_pillow() {
        let smaller = resize(&picture(7, 5), &whole(7, 4), &whole(5, 3));
        assert_eq!(smaller.as_raw().as_slice(), SMALLER);
        let larger = resize(&picture(7, 5), &whole(7, 11), &whole(5, 6));
        assert_eq!(larger.as_raw().as_slice(), LARGER);
    }

    #[test]
    fn a_part_is_cut_from_the_whole() {
        let (across, down) = (whole(40, 64), whole(30, 48));
        let all = resize(&picture(40, 30), &across, &down);
        let part = resize(
            &picture(40, 30),
            &Side {
                made: 10..30,
                ..across
            },
            &Side {
                made: 7..20,
                ..down
            },
        );
        assert_eq!(
            part,
            image::imageops::crop_imm(&all, 10, 7, 20, 13).to_image()
        );
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        assert_eq!(
            resize(&picture(9, 4), &whole(9, 9), &whole(4, 4)),
            picture(9, 4)
        );
    }

    const SMALLER: &[u8] = &[
        59, 18, 254, 123, 65, 247, 169, 160, 240, 140, 116, 233, 164, 30, 246, 106, 77, 209, 143,
        172, 169, 118, 128, 127, 125, 42, 239, 140, 89, 171, 100, 184, 92, 107, 140, 113,
    ];
    const LARGER: &[u8] = &[
        0, 0, 255, 9, 7, 255, 36, 35, 255, 60, 105, 255, 83, 77, 255, 107, 5, 255, 131, 136, 255,
        156, 229, 255, 187, 221, 255, 215, 100, 255, 231, 6, 255, 69, 3, 255, 84, 12, 252, 113, 40,
        246, 149, 110, 242, 178, 82, 237, 200, 10, 232, 240, 141, 227, 198, 234, 222, 66, 226, 217,
        70, 105, 211, 97, 11, 207, 175, 9, 255, 201, 18, 249, 209, 46, 236, 109, 116, 225, 80, 88,
        214, 116, 16, 203, 148, 147, 192, 137, 240, 181, 79, 232, 170, 104, 111, 157, 135, 17, 149,
        140, 15, 255, 165, 24, 245, 173, 52, 226, 72, 122, 209, 49, 94, 192, 94, 22, 175, 117, 153,
        158, 148, 246, 142, 186, 238, 125, 144, 117, 98, 104, 23, 80, 56, 21, 255, 71, 30, 242,
        100, 58, 216, 140, 128, 192, 146, 100, 169, 131, 28, 146, 152, 159, 123, 184, 252, 99, 209,
        244, 75, 102, 123, 84, 14, 29, 95, 149, 26, 255, 165, 35, 239, 193, 63, 207, 234, 133, 178,
        151, 105, 150, 0, 33, 122, 10, 164, 94, 44, 255, 58, 68, 249, 27, 101, 128, 160, 121, 34,
        255,
    ];
}
