//! Pixels to a tensor.

use image::RgbImage;
use serde::Deserialize;

use crate::bicubic::{Side, resize};

/// How a pack wants its pictures: open_clip's keys, and `resize`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Preprocess {
    /// Width and height of the model's input.
    pub size: u32,
    /// The short side before the centre crop; `size` where it is not said.
    pub resize: Option<u32>,
    /// How the sides are fitted.
    pub resize_mode: ResizeMode,
    /// The filter.
    pub interpolation: Interpolation,
    /// Taken off each of red, green and blue, which run from 0 to 1.
    pub mean: [f32; 3],
    /// What they are then divided by.
    pub std: [f32; 3],
}

/// How a picture's sides are fitted to the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResizeMode {
    /// The short side is resized, and the centre is cut out.
    Shortest,
}

/// The filter of the resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// As Pillow has it: Catmull-Rom, widened when shrinking.
    Bicubic,
}

/// A picture as a model takes it: f32, channel by channel, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor(Vec<f32>);

impl Tensor {
    /// `3 × size × size` values.
    pub fn values(&self) -> &[f32] {
        &self.0
    }
}

impl Preprocess {
    /// What is wrong with the numbers, if anything is.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(1..=4_096).contains(&self.size) {
            return Err(format!("`size` is {}, and 1 to 4096 is wanted", self.size));
        }
        if self.short_side() < self.size || self.short_side() > 8_192 {
            return Err(format!(
                "`resize` is {}, and `size` ({}) to 8192 is wanted",
                self.short_side(),
                self.size
            ));
        }
        if self.std.iter().any(|value| !value.is_normal())
            || self.mean.iter().any(|value| !value.is_finite())
        {
            return Err("`mean` and `std` must be finite, and `std` not zero".into());
        }
        Ok(())
    }

    fn short_side(&self) -> u32 {
        self.resize.unwrap_or(self.size)
    }

    /// The tensor of a picture. Its cost depends on the model's size and one pass over the pixels
    /// that are used, however long and thin the picture is.
    pub fn tensor(&self, image: &RgbImage) -> Tensor {
        let (width, height) = image.dimensions();
        let short = width.min(height);
        let picture = resize(image, &self.side(width, short), &self.side(height, short));
        let plane = (self.size * self.size) as usize;
        let mut values = vec![0.0; 3 * plane];
        for channel in 0..3 {
            let scale = 1.0 / (255.0 * self.std[channel]);
            let shift = -self.mean[channel] / self.std[channel];
            let plane = &mut values[channel * plane..][..plane];
            for (value, pixel) in plane.iter_mut().zip(picture.as_raw().chunks_exact(3)) {
                *value = f32::from(pixel[channel]) * scale + shift;
            }
        }
        Tensor(values)
    }

    /// A side of the resize, of which only the centre is made: the same pixels as resizing the
    /// whole and cutting then, and the whole may be too long to be made.
    fn side(&self, side: u32, short: u32) -> Side {
        // Python's `round` and `//`, as the models' own preprocessing has them.
        let scaled = f64::from(side) * (f64::from(self.short_side()) / f64::from(short));
        let to = (scaled.round_ties_even() as u64).max(self.size.into());
        let start = (to - u64::from(self.size)) / 2;
        Side {
            from: side,
            to,
            made: start..start + u64::from(self.size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preprocess() -> Preprocess {
        Preprocess {
            size: 224,
            resize: Some(256),
            resize_mode: ResizeMode::Shortest,
            interpolation: Interpolation::Bicubic,
            mean: [127.0 / 255.0; 3],
            std: [128.0 / 255.0; 3],
        }
    }

    #[test]
    fn a_plain_picture_becomes_a_plain_tensor() {
        let tensor =
            preprocess().tensor(&RgbImage::from_pixel(640, 480, image::Rgb([255, 127, 0])));
        assert_eq!(tensor.values().len(), 3 * 224 * 224);
        for (plane, expected) in
            tensor
                .values()
                .chunks_exact(224 * 224)
                .zip([1.0, 0.0, -127.0 / 128.0])
        {
            assert!(
                plane.iter().all(|value| (value - expected).abs() < 1e-5),
                "{} for {expected}",
                plane[0]
            );
        }
    }

    #[test]
    fn the_centre_is_used() {
        // 512 × 256 keeps its size: columns 144 to 368 of rows 16 to 240 are used.
        let side = preprocess().side(512, 256);
        assert_eq!((side.to, side.made), (512, 144..368));
        let image = RgbImage::from_fn(512, 256, |x, _| {
            image::Rgb([if (144..368).contains(&x) { 255 } else { 0 }; 3])
        });
        let tensor = preprocess().tensor(&image);
        assert!(
            tensor
                .values()
                .iter()
                .all(|value| (value - 1.0).abs() < 1e-5),
            "nothing dark is within"
        );
    }

    #[test]
    fn extreme_pictures_cost_no_more() {
        for (width, height) in [(1, 1), (1, 200_000), (200_000, 1), (3, 5), (224, 225)] {
            let tensor =
                preprocess().tensor(&RgbImage::from_pixel(width, height, image::Rgb([200; 3])));
            let expected = (200.0 - 127.0) / 128.0;
            assert!(
                tensor
                    .values()
                    .iter()
                    .all(|value| (value - expected).abs() < 1e-2),
                "{width} × {height}"
            );
        }
    }

    #[test]
    fn bad_numbers_are_refused() {
        assert_eq!(preprocess().check(), Ok(()));
        let bad = [
            Preprocess {
                size: 0,
                ..preprocess()
            },
            Preprocess {
                resize: Some(100),
                ..preprocess()
            },
            Preprocess {
                std: [0.5, 0.0, 0.5],
                ..preprocess()
            },
            Preprocess {
                mean: [f32::NAN; 3],
                ..preprocess()
            },
        ];
        assert!(bad.iter().all(|preprocess| preprocess.check().is_err()));
    }
}
