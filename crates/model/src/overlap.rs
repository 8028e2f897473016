//! Whether one picture shows a part of the other: what decides where vectors and hashes leave a doubt.
//!
//! The smaller view is laid over the larger one, at every place and at 16 sizes, as it is and mirrored, on grids
//! of 40 cells; what counts is the greatest normalised cross-correlation of their light.
//!
//! Source: Lewis, "Fast Normalized Cross-Correlation" (1995), here without its transform: on grids this
//! small sums are faster.

use image::RgbImage;

use crate::resample::resize_whole;

/// Cells along the longer side of the picture that the other is laid over.
const GRID: u32 = 40;
/// Cells along the longer side of what windows are made of: enough for the largest window.
const SHARP: u32 = 2 * GRID;
/// Sizes of the window, of the largest that fits down to [`SMALLEST`] of it.
const SIZES: i32 = 16;
const SMALLEST: f64 = 0.55;
/// A window with a shorter side says nothing.
const LEAST: u32 = 8;
/// Light that varies less than this, in steps of 256, has no shape to compare.
const FLAT: f32 = 1.0;

/// How well one picture fits into the other: 1 where it is a part of it, near 0 where they have nothing in
/// common; the same for both orders. Some 2 ms for two thumbnails.
pub fn overlap(one: &RgbImage, other: &RgbImage) -> f32 {
    within(one, other).max(within(other, one))
}

/// The best fit of `part` inside `whole`.
fn within(part: &RgbImage, whole: &RgbImage) -> f32 {
    let whole = Light::of(whole, GRID);
    let part = reduced(part, SHARP);
    let sums = Sums::of(&whole);
    let (width, height) = (f64::from(part.width()), f64::from(part.height()));
    let largest = (f64::from(whole.width) / width).min(f64::from(whole.height) / height);
    let step = SMALLEST.powf(1.0 / f64::from(SIZES - 1));
    let mut best = 0.0_f32;
    let mut before = (0, 0);
    for size in 0..SIZES {
        let scale = largest * step.powi(size);
        let fit = |side: f64, most: u32| ((side * scale).round() as u32).min(most);
        let window = (fit(width, whole.width), fit(height, whole.height));
        if window.0.min(window.1) < LEAST {
            break;
        }
        if window == before {
            continue;
        }
        before = window;
        let mut window = Light::from_pixels(&resize_whole(&part, window.0, window.1));
        if !window.centre() {
            continue;
        }
        best = best.max(sums.best(&whole, &window));
        window.mirror();
        best = best.max(sums.best(&whole, &window));
    }
    best
}

/// Smaller, so that the longer side has so many pixels. It is enlarged where it has fewer: both grids are
/// to be of one kind.
fn reduced(image: &RgbImage, longer: u32) -> RgbImage {
    let ratio = f64::from(longer) / f64::from(image.width().max(image.height()));
    let fit = |side: u32| (f64::from(side) * ratio).round().max(1.0) as u32;
    resize_whole(image, fit(image.width()), fit(image.height()))
}

/// A picture's light, row by row.
#[derive(Debug)]
struct Light {
    values: Vec<f32>,
    width: u32,
    height: u32,
}

impl Light {
    fn of(image: &RgbImage, longer: u32) -> Self {
        Self::from_pixels(&reduced(image, longer))
    }

    fn from_pixels(image: &RgbImage) -> Self {
        // ITU-R BT.601 luma.
        let luma = |pixel: &image::Rgb<u8>| {
            let [red, green, blue] = pixel.0.map(f32::from);
            0.299 * red + 0.587 * green + 0.114 * blue
        };
        Self {
            values: image.pixels().map(luma).collect(),
            width: image.width(),
            height: image.height(),
        }
    }

    /// Takes the mean away and brings the length to 1; false where there is nothing but the mean.
    fn centre(&mut self) -> bool {
        let count = self.values.len() as f32;
        let mean = self.values.iter().sum::<f32>() / count;
        for value in &mut self.values {
            *value -= mean;
        }
        let length = self
            .values
            .iter()
            .map(|value| value * value)
            .sum::<f32>()
            .sqrt();
        for value in &mut self.values {
            *value /= length.max(f32::MIN_POSITIVE);
        }
        length > FLAT * count.sqrt()
    }

    fn mirror(&mut self) {
        for row in self.values.chunks_exact_mut(self.width as usize) {
            row.reverse();
        }
    }

    fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width as usize..][..self.width as usize]
    }
}

/// Sums of the light and of its squares above and left of each place.
#[derive(Debug)]
struct Sums {
    light: Vec<f64>,
    squares: Vec<f64>,
    stride: usize,
}

impl Sums {
    fn of(light: &Light) -> Self {
        let stride = light.width as usize + 1;
        let zeros = vec![0.0; stride * (light.height as usize + 1)];
        let mut sums = Self {
            light: zeros.clone(),
            squares: zeros,
            stride,
        };
        for y in 0..light.height as usize {
            let (mut sum, mut square) = (0.0, 0.0);
            for (x, value) in light.row(y).iter().enumerate() {
                let value = f64::from(*value);
                sum += value;
                square += value * value;
                let at = (y + 1) * stride + x + 1;
                sums.light[at] = sums.light[at - stride] + sum;
                sums.squares[at] = sums.squares[at - stride] + square;
            }
        }
        sums
    }

    /// The best correlation of a window, centred and of length 1, with a place of the light that it fits.
    fn best(&self, light: &Light, window: &Light) -> f32 {
        let (width, height) = (window.width as usize, window.height as usize);
        let count = (width * height) as f64;
        let mut best = 0.0_f32;
        for y in 0..=light.height as usize - height {
            for x in 0..=light.width as usize - width {
                let sum = self.inside(&self.light, (x, y), (width, height));
                let squares = self.inside(&self.squares, (x, y), (width, height));
                let spread = squares - sum * sum / count;
                if spread <= f64::from(FLAT * FLAT) * count {
                    continue;
                }
                // The window's mean is 0, so that of the place does not matter.
                let product: f32 = (0..height)
                    .map(|row| dot(&light.row(y + row)[x..][..width], window.row(row)))
                    .sum();
                best = best.max(product / spread.sqrt() as f32);
            }
        }
        best
    }

    fn inside(&self, sums: &[f64], (x, y): (usize, usize), (width, height): (usize, usize)) -> f64 {
        let at = |x: usize, y: usize| sums[y * self.stride + x];
        at(x + width, y + height) - at(x, y + height) - at(x + width, y) + at(x, y)
    }
}

/// In eight lanes: one sum would wait for itself.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use image::imageops;

    use super::*;

    /// Soft shapes that differ with the seed.
    fn scene(seed: u32) -> RgbImage {
        let seed = f64::from(seed);
        RgbImage::from_fn(300, 200, |x, y| {
            let (x, y) = (f64::from(x) / 40.0, f64::from(y) / 40.0);
            let light = (x * (1.0 + seed * 0.37) + seed).sin()
                + (y * (1.3 + seed * 0.21) - seed).cos()
                + ((x + y * 0.7) * 0.9 + seed * 1.7).sin();
            image::Rgb([(light * 40.0 + 128.0) as u8; 3])
        })
    }

    #[test]
    fn parts_sizes_and_mirrors_fit_and_others_do_not() {
        let whole = scene(1);
        let part = imageops::crop_imm(&whole, 60, 20, 200, 150).to_image();
        let small = resize_whole(&whole, 120, 80);
        let mirrored = imageops::flip_horizontal(&part);
        for (what, copy) in [("part", part), ("small", small), ("mirrored", mirrored)] {
            let fit = overlap(&whole, &copy);
            assert!(fit > 0.9, "{what}: {fit}");
            assert!((fit - overlap(&copy, &whole)).abs() < 1e-6, "{what}");
            let other = overlap(&scene(10), &copy);
            assert!(other < 0.85, "{what}: {other}");
        }
    }

    #[test]
    fn what_has_no_shape_fits_nothing() {
        let plain = RgbImage::from_pixel(50, 50, image::Rgb([200; 3]));
        assert_eq!(overlap(&plain, &scene(1)), 0.0);
        assert_eq!(overlap(&plain, &plain), 0.0);
        // A line of one pixel has no window that says anything.
        let line = RgbImage::from_fn(500, 1, |x, _| image::Rgb([(x % 256) as u8; 3]));
        assert_eq!(overlap(&line, &scene(2)), 0.0);
        assert_eq!(overlap(&RgbImage::new(1, 1), &line), 0.0);
    }
}
