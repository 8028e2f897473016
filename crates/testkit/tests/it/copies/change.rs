//! What is done to a picture before it is shown elsewhere.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use tusou_contract::ImageFormat;

use super::decoded;

/// Five dots across and seven down for each letter, the topmost first.
const LETTERS: [[u8; 7]; 5] = [T, U, S, O, U];
const T: [u8; 7] = [31, 4, 4, 4, 4, 4, 4];
const U: [u8; 7] = [17, 17, 17, 17, 17, 17, 14];
const S: [u8; 7] = [15, 16, 16, 14, 1, 1, 30];
const O: [u8; 7] = [14, 17, 17, 17, 17, 17, 14];
/// Dots of the word and of the space between its letters.
const DOTS: (u32, u32) = (29, 7);

/// What becomes of a picture in a copy.
pub(super) type Change = fn(&RgbImage) -> RgbImage;

/// The kinds of copies, fixed before anything was measured.
pub(super) const KINDS: [(&str, Change); 7] = [
    ("half the size", half),
    ("JPEG q30", squeezed),
    ("70 % of each side", cropped),
    ("watermarked", watermarked),
    ("mirrored", imageops::flip_horizontal),
    ("grey", grey),
    ("captioned", captioned),
];

fn half(picture: &RgbImage) -> RgbImage {
    let (width, height) = (picture.width() / 2, picture.height() / 2);
    imageops::resize(picture, width, height, FilterType::CatmullRom)
}

fn squeezed(picture: &RgbImage) -> RgbImage {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 30);
    encoder
        .encode_image(picture)
        .expect("a picture of this size is a JPEG");
    decoded(&bytes, ImageFormat::Jpeg)
}

/// The middle.
fn cropped(picture: &RgbImage) -> RgbImage {
    let part = |side: u32| side * 7 / 10;
    let (width, height) = (part(picture.width()), part(picture.height()));
    let (x, y) = (
        (picture.width() - width) / 2,
        (picture.height() - height) / 2,
    );
    imageops::crop_imm(picture, x, y, width, height).to_image()
}

/// A word through the middle, two thirds of the width, half transparent.
fn watermarked(picture: &RgbImage) -> RgbImage {
    let mut marked = picture.clone();
    let dot = (picture.width() * 2 / 3 / DOTS.0).max(1);
    let at = (
        picture.width().saturating_sub(dot * DOTS.0) / 2,
        picture.height().saturating_sub(dot * DOTS.1) / 2,
    );
    word(&mut marked, at, dot, |pixel| {
        pixel.0 = pixel.0.map(|value| value / 2 + 64);
    });
    marked
}

fn grey(picture: &RgbImage) -> RgbImage {
    let grey = imageops::grayscale(picture);
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        Rgb([grey.get_pixel(x, y).0[0]; 3])
    })
}

/// A white band below with a word in black.
fn captioned(picture: &RgbImage) -> RgbImage {
    let (width, height) = picture.dimensions();
    let band = (height / 8).max(DOTS.1 + 2);
    let mut captioned = RgbImage::from_pixel(width, height + band, Rgb([255; 3]));
    imageops::replace(&mut captioned, picture, 0, 0);
    let dot = (band / (DOTS.1 + 2)).max(1);
    word(&mut captioned, (dot, height + dot), dot, |pixel| {
        pixel.0 = [0; 3];
    });
    captioned
}

fn word(picture: &mut RgbImage, at: (u32, u32), dot: u32, ink: impl Fn(&mut Rgb<u8>)) {
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (Some(x), Some(y)) = (x.checked_sub(at.0), y.checked_sub(at.1)) else {
            continue;
        };
        let (column, row) = (x / dot, y / dot);
        let letter = LETTERS.get((column / 6) as usize);
        let dots = letter.and_then(|letter| letter.get(row as usize));
        if column % 6 < 5 && dots.is_some_and(|dots| dots >> (4 - column % 6) & 1 == 1) {
            ink(pixel);
        }
    }
}
