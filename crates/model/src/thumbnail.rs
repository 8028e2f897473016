//! Small JPEGs for result pages. They carry pixels only: no EXIF, no profile.

use image::RgbImage;
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::preprocess::Needed;
use crate::resample::resize_whole;

/// The longer side of the thumbnails that the encoder stores, in pixels.
pub const LONGER_SIDE: u32 = 320;
/// What a decoded picture must still have for its thumbnail.
pub const NEEDED: Needed = Needed {
    short: 1,
    long: LONGER_SIDE,
};
const QUALITY: i32 = 80;

/// The picture at a size whose longer side has at most `longer_side` pixels. It is never enlarged.
pub fn reduced(image: &RgbImage, longer_side: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let longer = width.max(height);
    if longer <= longer_side {
        return image.clone();
    }
    let ratio = f64::from(longer_side) / f64::from(longer);
    let fit = |side: u32| (f64::from(side) * ratio).round().max(1.0) as u32;
    resize_whole(image, fit(width), fit(height))
}

/// A small picture as a JPEG.
///
/// # Panics
/// Where a side is longer than a JPEG's may be, 65,535 pixels.
pub fn jpeg(small: &RgbImage) -> Vec<u8> {
    let (width, height) = (small.width() as usize, small.height() as usize);
    let pixels = Image {
        pixels: small.as_raw().as_slice(),
        width,
        pitch: width * 3,
        height,
        format: PixelFormat::RGB,
    };
    let compressed = Compressor::new().and_then(|mut compressor| {
        compressor.set_quality(QUALITY)?;
        compressor.set_subsamp(Subsamp::Sub2x2)?;
        compressor.compress_to_vec(pixels)
    });
    compressed.expect("a small RGB picture can be written as JPEG to memory")
}

#[cfg(test)]
mod tests {
    use image::ImageReader;

    use super::*;

    fn size_of(jpeg: &[u8]) -> (u32, u32) {
        let reader = ImageReader::with_format(std::io::Cursor::new(jpeg), image::ImageFormat::Jpeg);
        reader.into_dimensions().expect("it is a JPEG")
    }

    #[test]
    fn the_longer_side_is_bounded_and_small_pictures_stay() {
        let cases = [
            ((640, 480), (320, 240)),
            ((100, 900), (36, 320)),
            ((20, 10), (20, 10)),
            ((100_000, 1), (320, 1)),
        ];
        for ((width, height), expected) in cases {
            let image = RgbImage::from_pixel(width, height, image::Rgb([9, 99, 199]));
            assert_eq!(size_of(&jpeg(&reduced(&image, LONGER_SIDE))), expected);
        }
    }
}
