//! Pictures by number: small, and each of other bytes and other pixels.

use std::io::Cursor;

pub use image::ImageFormat;
use image::{Rgb, RgbImage};

/// Blocks of one colour, this many pixels wide and high.
const BLOCK: u32 = 16;

/// The pixels of picture `number`: coloured blocks.
pub fn pixels(number: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let seed = number
            .wrapping_mul(0x9e37_79b1)
            .wrapping_add((x / BLOCK).wrapping_mul(0x85eb_ca6b))
            .wrapping_add((y / BLOCK).wrapping_mul(0xc2b2_ae35));
        let mixed = (seed ^ (seed >> 15)).wrapping_mul(0x2c1b_3c6d);
        let [red, green, blue, _] = (mixed ^ (mixed >> 12)).to_le_bytes();
        Rgb([red, green, blue])
    })
}

/// Picture `number`, 96 × 64, as PNG.
pub fn png(number: u32) -> Vec<u8> {
    compressed(&pixels(number, 96, 64), ImageFormat::Png)
}

/// Picture `number`, 96 × 64, as JPEG.
pub fn jpeg(number: u32) -> Vec<u8> {
    compressed(&pixels(number, 96, 64), ImageFormat::Jpeg)
}

/// The pixels in a format.
pub fn compressed(pixels: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    pixels
        .write_to(&mut bytes, format)
        .expect("a small picture fits in memory");
    bytes.into_inner()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_is_another_picture() {
        let made: HashSet<Vec<u8>> = (0..200).flat_map(|n| [png(n), jpeg(n)]).collect();
        assert_eq!(made.len(), 400);
        let seen: HashSet<Vec<u8>> = (0..200).map(|n| pixels(n, 96, 64).into_raw()).collect();
        assert_eq!(seen.len(), 200);
    }
}
