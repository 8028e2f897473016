//! Photographs of 1280 × 960, as cameras compress them: quality 88, chroma at a quarter.

use anyhow::Context as _;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

pub(crate) const WIDTH: u32 = 1_280;
pub(crate) const HEIGHT: u32 = 960;
const QUALITY: i32 = 88;
/// Shapes of each size have half the strength of those twice as large, as in photographs.
const OCTAVES: u32 = 8;
/// The largest shapes, in pixels.
const LARGEST: u32 = 512;
/// The strongest grain, of 256 steps of brightness.
const GRAIN: i32 = 9;

/// Photograph `number`: shapes of every size with soft edges, under grain; some 300 KiB.
pub(crate) fn photo(number: u32) -> anyhow::Result<Vec<u8>> {
    let (width, height) = (WIDTH as usize, HEIGHT as usize);
    let mut light = [0; 3].map(|_: i32| vec![128.0_f32; width * height]);
    for octave in 0..OCTAVES {
        let cell = LARGEST >> octave;
        let strength = 90.0 / (1 << octave) as f32;
        for (channel, plane) in light.iter_mut().enumerate() {
            // Colours differ in large shapes; small ones are light and dark.
            let seed = number * 64 + octave * 4 + if octave < 4 { channel as u32 } else { 3 };
            add_shapes(plane, cell, strength, seed);
        }
    }
    let mut pixels = vec![0; width * height * 3];
    for (at, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let grain = (hash(number, at as u32, 77) % (2 * GRAIN as u32 + 1)) as i32 - GRAIN;
        for (value, plane) in pixel.iter_mut().zip(&light) {
            *value = (plane[at] as i32 + grain).clamp(0, 255) as u8;
        }
    }
    let image = Image {
        pixels: pixels.as_slice(),
        width,
        pitch: width * 3,
        height,
        format: PixelFormat::RGB,
    };
    let mut compressor = Compressor::new()?;
    compressor.set_quality(QUALITY)?;
    compressor.set_subsamp(Subsamp::Sub2x2)?;
    let jpeg = compressor.compress_to_vec(image);
    jpeg.context("a photograph cannot be compressed")
}

/// Values at the corners of cells, and between them a smooth way from one to the next.
fn add_shapes(plane: &mut [f32], cell: u32, strength: f32, seed: u32) {
    let corner = |x: u32, y: u32| (hash(seed, x, y) & 0xFFFF) as f32 / 32_768.0 - 1.0;
    for y in 0..HEIGHT {
        let (row, down) = (y / cell, smooth((y % cell) as f32 / cell as f32));
        let line = &mut plane[(y * WIDTH) as usize..][..WIDTH as usize];
        for (column, values) in (0..).zip(line.chunks_mut(cell as usize)) {
            let [a, b, c, d] = [(0, 0), (1, 0), (0, 1), (1, 1)]
                .map(|(right, below)| corner(column + right, row + below));
            let (left, right) = (a + (c - a) * down, b + (d - b) * down);
            for (x, value) in values.iter_mut().enumerate() {
                let across = smooth(x as f32 / cell as f32);
                *value += strength * (left + (right - left) * across);
            }
        }
    }
}

fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// Bits without a pattern (the finalizer of MurmurHash3).
fn hash(seed: u32, x: u32, y: u32) -> u32 {
    let mut bits = seed
        .wrapping_mul(0x9e37_79b1)
        .wrapping_add(x.wrapping_mul(0x85eb_ca6b))
        .wrapping_add(y.wrapping_mul(0xc2b2_ae35));
    bits = (bits ^ bits >> 16).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ bits >> 13).wrapping_mul(0xc2b2_ae35);
    bits ^ bits >> 16
}
