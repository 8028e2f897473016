//! How much memory a decoder will take, told from the header.

use image::{ColorType, ImageDecoder};
use tusou_contract::ImageFormat;

/// Bytes at the worst moment: the decoder's result, its working memory, and the conversion to
/// upright RGB.
pub(super) fn memory(
    bytes: &[u8],
    format: ImageFormat,
    decoder: &impl ImageDecoder,
    turns: bool,
) -> u64 {
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    let working = match format {
        // A JPEG's and an AVIF's cost is told by their own headers, and not here.
        ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Bmp | ImageFormat::Avif => 0,
        // The canvas and the frame of an animation, or planes of luma and chroma.
        ImageFormat::Webp => pixels * 8,
        ImageFormat::Gif => pixels * 4,
    };
    // The WebP decoder copies the compressed bytes.
    let copied = bytes.len() as u64;
    let converted = match decoder.color_type() {
        // As it is, or rewritten in place.
        ColorType::Rgb8 | ColorType::Rgba8 => 0,
        color if color.has_alpha() => pixels * 4,
        _ => pixels * 3,
    };
    let turned = if turns { pixels * 3 } else { 0 };
    let at_decode = decoder.total_bytes().saturating_add(working + copied);
    // Working memory is free again when the pixels are converted and turned.
    let at_conversion = decoder.total_bytes().saturating_add(converted);
    at_decode.max(at_conversion).max(turned + pixels * 4)
}
