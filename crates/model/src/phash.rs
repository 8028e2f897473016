//! A 64-bit perceptual hash: pictures that look alike differ in few bits.
//!
//! The DCT hash of pHash (Zauner, "Implementation and Benchmarking of Perceptual Image Hash
//! Functions", 2010): luma at 32 × 32, discrete cosine transform, the 8 × 8 lowest frequencies
//! without the zeroth row and column, and one bit for each: above their median or not.

use std::f64::consts::PI;
use std::sync::LazyLock;

use image::RgbImage;

use crate::resample::resize_whole;

const SIDE: usize = 32;
const KEPT: usize = 8;

/// `COSINES[k][x]`: the DCT-II's basis for the frequencies 1 to 8. Scaling does not matter to the bits.
static COSINES: LazyLock<[[f64; SIDE]; KEPT]> = LazyLock::new(|| {
    std::array::from_fn(|k| {
        std::array::from_fn(|x| (PI / SIDE as f64 * (x as f64 + 0.5) * (k + 1) as f64).cos())
    })
});

/// The hash as 16 hex digits, the lowest frequencies first.
pub fn phash(image: &RgbImage) -> String {
    format!("{:016x}", hash_bits(image))
}

/// The hash of the picture's mirror image, but for the few bits that lie at the median: left and right
/// exchanged turn the sign of every other horizontal frequency, beginning with the first.
pub fn mirrored(hash: u64) -> u64 {
    hash ^ 0xaaaa_aaaa_aaaa_aaaa
}

fn hash_bits(image: &RgbImage) -> u64 {
    let small = resize_whole(image, SIDE as u32, SIDE as u32);
    // ITU-R BT.601 luma.
    let luma = |pixel: &[u8]| {
        0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2])
    };
    let luma: Vec<f64> = small.as_raw().chunks_exact(3).map(luma).collect();
    // Rows first, then columns.
    let rows: Vec<[f64; KEPT]> = luma
        .chunks_exact(SIDE)
        .map(|row| {
            COSINES.map(|cosines| {
                row.iter()
                    .zip(cosines)
                    .map(|(value, cosine)| value * cosine)
                    .sum()
            })
        })
        .collect();
    let mut coefficients = Vec::with_capacity(KEPT * KEPT);
    for cosines in COSINES.iter() {
        for u in 0..KEPT {
            coefficients.push(
                rows.iter()
                    .zip(cosines)
                    .map(|(row, cosine)| row[u] * cosine)
                    .sum::<f64>(),
            );
        }
    }
    let mut sorted = coefficients.clone();
    sorted.sort_by(f64::total_cmp);
    let median = f64::midpoint(sorted[sorted.len() / 2 - 1], sorted[sorted.len() / 2]);
    coefficients
        .iter()
        .fold(0, |bits, value| bits << 1 | u64::from(*value > median))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blobs of light at places that the seed chooses.
    fn scene(seed: u32, width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let (x, y) = (
                f64::from(x) / f64::from(width),
                f64::from(y) / f64::from(height),
            );
            let light: f64 = (0..6)
                .map(|blob| {
                    let spread = f64::from((seed * 7 + blob * 13) % 17) / 17.0;
                    let (cx, cy) = (
                        (spread * 3.7 + f64::from(blob) * 0.31).fract(),
                        (spread * 5.3 + f64::from(blob) * 0.17).fract(),
                    );
                    (-((x - cx).powi(2) + (y - cy).powi(2)) * 30.0).exp()
                })
                .sum();
            image::Rgb([
                (light * 160.0).min(255.0) as u8,
                (light * 200.0).min(255.0) as u8,
                90,
            ])
        })
    }

    fn distance(a: &RgbImage, b: &RgbImage) -> u32 {
        (hash_bits(a) ^ hash_bits(b)).count_ones()
    }

    #[test]
    fn copies_are_near_and_others_far() {
        let original = scene(1, 400, 300);
        let smaller = scene(1, 200, 150);
        let darker = RgbImage::from_fn(400, 300, |x, y| {
            original.get_pixel(x, y).0.map(|v| v / 2).into()
        });
        let compressed = crate::thumbnail::jpeg(&crate::thumbnail::reduced(&original, 320));
        let compressed = crate::decode::decode(
            &compressed,
            tusou_contract::ImageFormat::Jpeg,
            &crate::Limits {
                max_pixels: 1 << 20,
                max_memory: 1 << 24,
            },
            crate::decode::Detail::Whole,
        )
        .expect("a thumbnail is a JPEG");
        for (name, copy) in [
            ("smaller", &smaller),
            ("darker", &darker),
            ("compressed", &compressed),
        ] {
            assert!(
                distance(&original, copy) <= 6,
                "{name}: {}",
                distance(&original, copy)
            );
        }
        for seed in 2..8 {
            assert!(
                distance(&original, &scene(seed, 400, 300)) >= 16,
                "scene {seed}"
            );
        }
    }

    #[test]
    fn it_has_sixteen_digits() {
        assert_eq!(phash(&RgbImage::new(1, 1)).len(), 16);
        assert_eq!(phash(&scene(3, 50, 50)).len(), 16);
    }

    #[test]
    fn a_mirror_s_hash_is_known_without_it() {
        for seed in 1..20 {
            let original = scene(seed, 300, 200);
            let mirror = image::imageops::flip_horizontal(&original);
            let told = mirrored(hash_bits(&original)) ^ hash_bits(&mirror);
            assert!(told.count_ones() <= 8, "{seed}: {}", told.count_ones());
        }
    }
}
