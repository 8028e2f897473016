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
        // A progressive JPEG keeps two bytes of coefficients for each of up to four components.
        ImageFormat::Jpeg if is_progressive(bytes) => pixels * 8,
        // An AVIF's cost is told by its own sequence headers, and not here.
        ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Bmp | ImageFormat::Avif => 0,
        // The canvas and the frame of an animation, or planes of luma and chroma.
        ImageFormat::Webp => pixels * 8,
        ImageFormat::Gif => pixels * 4,
    };
    // The JPEG and WebP decoders copy the compressed bytes.
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

/// Whether a JPEG's frame is progressive; said of one whose frame is not found, too, since that
/// costs more.
fn is_progressive(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xFF, marker, rest @ ..]) = bytes.get(at..) {
        match marker {
            0xC0 | 0xC1 => return false,
            0xC2 => return true,
            // Fill bytes and markers that stand alone.
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 => at += 2,
            _ => match rest {
                [high, low, ..] => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => return true,
            },
        }
    }
    true
}
