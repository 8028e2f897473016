//! Which of Tux Paint's stamps are looked at, and how: for the test of recall, and for the benchmarks.

use image::RgbImage;

/// The kinds of stamps that are pictures of things.
pub(crate) const KINDS: [&str; 10] = [
    "animals",
    "food",
    "household",
    "vehicles",
    "clothes",
    "plants",
    "hobbies",
    "sports",
    "military",
    "seasonal",
];

/// A stamp in the middle of a white square 1.1 times its longer side, rounded down.
pub(crate) fn squared(stamp: &RgbImage) -> RgbImage {
    let side = stamp.width().max(stamp.height()) * 11 / 10;
    let mut square = RgbImage::from_pixel(side, side, image::Rgb([255; 3]));
    let (x, y) = ((side - stamp.width()) / 2, (side - stamp.height()) / 2);
    image::imageops::replace(&mut square, stamp, x.into(), y.into());
    square
}
