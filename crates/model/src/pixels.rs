//! Fast resizing.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// The whole picture at another size, filtered over the pixels that each result pixel covers. It is
/// fast, and within 2 of 255 of [`crate::bicubic`]: for what people look at and for hashes, not for
/// models.
pub(crate) fn resize(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    let source = ImageRef::new(
        image.width(),
        image.height(),
        image.as_raw(),
        PixelType::U8x3,
    )
    .expect("an RgbImage holds three bytes for each pixel");
    let mut target = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    Resizer::new()
        .resize(&source, &mut target, &options)
        .expect("both pictures have the same pixel type and neither is empty");
    RgbImage::from_raw(width, height, target.into_vec()).expect("three bytes for each pixel")
}
