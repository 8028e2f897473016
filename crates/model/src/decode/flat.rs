//! Decoded pixels of every kind to opaque red, green and blue of 8 bits.

use image::{ColorType, DynamicImage, RgbImage, RgbaImage};

use super::profile;

/// The pixels in sRGB, over a white background. Of 16 bits the higher 8 are taken, as Pillow does with
/// colours; its own way with 16 bits of grey, to clip what is above 255, keeps nothing of a picture.
/// Eight-bit pixels are rewritten in place.
pub(super) fn over_white(image: DynamicImage, profile: Option<&[u8]>) -> RgbImage {
    let color = image.color();
    let grey = !color.has_color();
    let image = narrowed(image);
    if !color.has_alpha() {
        let mut rgb = image.into_rgb8();
        if let Some(profile) = profile {
            profile::to_srgb(profile, &mut rgb, grey);
        }
        return rgb;
    }
    let mut rgba = image.into_rgba8();
    if let Some(profile) = profile {
        profile::to_srgb_beside_alpha(profile, &mut rgba, grey);
    }
    opaque(rgba)
}

/// The same with 8 bits a value.
fn narrowed(image: DynamicImage) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    let higher = |values: &[u16]| values.iter().map(|value| (value >> 8) as u8).collect();
    let of = |color, bytes: Vec<u8>| match color {
        ColorType::La8 => {
            image::GrayAlphaImage::from_raw(width, height, bytes).map(DynamicImage::from)
        }
        ColorType::L8 => image::GrayImage::from_raw(width, height, bytes).map(DynamicImage::from),
        ColorType::Rgb8 => RgbImage::from_raw(width, height, bytes).map(DynamicImage::from),
        _ => RgbaImage::from_raw(width, height, bytes).map(DynamicImage::from),
    };
    let made = match &image {
        DynamicImage::ImageLuma16(pixels) => of(ColorType::L8, higher(pixels)),
        DynamicImage::ImageLumaA16(pixels) => of(ColorType::La8, higher(pixels)),
        DynamicImage::ImageRgb16(pixels) => of(ColorType::Rgb8, higher(pixels)),
        DynamicImage::ImageRgba16(pixels) => of(ColorType::Rgba8, higher(pixels)),
        _ => return image,
    };
    made.expect("a value for each value")
}

fn opaque(rgba: RgbaImage) -> RgbImage {
    let (width, height) = rgba.dimensions();
    let mut bytes = rgba.into_raw();
    let pixels = bytes.len() / 4;
    for pixel in 0..pixels {
        let alpha = bytes[pixel * 4 + 3];
        for channel in 0..3 {
            bytes[pixel * 3 + channel] = over_white_pixel(bytes[pixel * 4 + channel], alpha);
        }
    }
    bytes.truncate(pixels * 3);
    RgbImage::from_raw(width, height, bytes).expect("three bytes are left of each pixel")
}

/// A value with its alpha over white.
pub(super) fn over_white_pixel(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
