//! How many frames a picture's file has: counted by its blocks, none of which is decoded.

use tusou_contract::ImageFormat;

use crate::rights::Chunks;

/// The frames of a picture; of a file that is cut off those that begin in it. None for AVIF, whose
/// sequences are not looked into.
pub(crate) fn count(bytes: &[u8], format: ImageFormat) -> Option<u32> {
    let frames = match format {
        ImageFormat::Jpeg | ImageFormat::Bmp => 1,
        ImageFormat::Gif => gif(bytes),
        ImageFormat::Webp => {
            let chunks = Chunks(bytes.get(12..).unwrap_or_default());
            chunks.filter(|(name, _)| *name == b"ANMF").count()
        }
        ImageFormat::Png => png(bytes),
        ImageFormat::Avif => return None,
    };
    Some(u32::try_from(frames.max(1)).unwrap_or(u32::MAX))
}

/// The images among a GIF's blocks (GIF89a, 16 and 20 to 26).
fn gif(bytes: &[u8]) -> usize {
    let table = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3_usize << ((flags & 7) + 1),
    };
    let flags = bytes.get(10).copied().unwrap_or_default();
    let mut at = 13 + table(flags);
    let mut frames = 0;
    loop {
        match bytes.get(at) {
            Some(0x2C) => {
                let Some(flags) = bytes.get(at + 9) else {
                    return frames;
                };
                frames += 1;
                // Its descriptor, its colours, and the size of its first codes.
                at += 10 + table(*flags) + 1;
            }
            Some(0x21) => at += 2,
            // The end, or nothing that a GIF holds.
            _ => return frames,
        }
        while let Some(length) = bytes.get(at) {
            at += 1 + usize::from(*length);
            if *length == 0 {
                break;
            }
        }
    }
}

/// The frames of an animated PNG (PNG 11.3.6): its control chunk comes before the pixels, or it is none.
fn png(bytes: &[u8]) -> usize {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let (mut animated, mut frames) = (false, 0);
    while let Some(([a, b, c, d, name @ ..], after)) = rest.split_first_chunk::<8>() {
        match name {
            b"acTL" => animated = true,
            b"fcTL" => frames += 1,
            b"IDAT" if !animated => return 1,
            _ => {}
        }
        // Its bytes, and their checksum.
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    if animated { frames } else { 1 }
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;
    use image::{Delay, Frame, RgbaImage};

    use super::*;

    fn animated_gif(frames: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = GifEncoder::new(&mut bytes);
        for number in 0..frames {
            let pixels = RgbaImage::from_pixel(30, 20, image::Rgba([number as u8, 7, 9, 255]));
            let frame = Frame::from_parts(pixels, 0, 0, Delay::from_numer_denom_ms(50, 1));
            encoder.encode_frame(frame).expect("it compresses");
        }
        drop(encoder);
        bytes
    }

    #[test]
    fn a_gifs_images_are_counted() {
        for frames in [1, 2, 25] {
            let bytes = animated_gif(frames);
            assert_eq!(count(&bytes, ImageFormat::Gif), Some(frames));
        }
        let bytes = animated_gif(3);
        let mut counts: Vec<u32> = (0..bytes.len())
            .map(|end| count(&bytes[..end], ImageFormat::Gif).expect("a count"))
            .collect();
        assert!(counts.is_sorted());
        counts.dedup();
        assert_eq!(counts, [1, 2, 3]);
    }

    #[test]
    fn an_animated_webps_frames_are_counted() {
        let chunk = |name: &[u8], body: &[u8]| {
            let length = (body.len() as u32).to_le_bytes();
            [name, &length, body].concat()
        };
        let still = chunk(b"VP8L", b"....");
        let frame = chunk(b"ANMF", b"......");
        let head = b"RIFF\0\0\0\0WEBP";
        let of = |chunks: &[&[u8]]| {
            let bytes = [&[&head[..]], chunks].concat().concat();
            count(&bytes, ImageFormat::Webp)
        };
        assert_eq!(of(&[&still]), Some(1));
        assert_eq!(
            of(&[&chunk(b"ANIM", b"......"), &frame, &frame, &frame]),
            Some(3)
        );
    }

    #[test]
    fn an_animated_pngs_frames_are_counted() {
        let chunk = |name: &[u8], body: &[u8]| {
            let length = (body.len() as u32).to_be_bytes();
            [&length, name, body, b"crc."].concat()
        };
        let of = |names: &[&[u8]]| {
            let chunks: Vec<u8> = names.iter().flat_map(|name| chunk(name, b"..")).collect();
            count(
                &[&b"\x89PNG\r\n\x1a\n"[..], &chunks].concat(),
                ImageFormat::Png,
            )
        };
        assert_eq!(of(&[b"IHDR", b"IDAT", b"IEND"]), Some(1));
        assert_eq!(of(&[b"IHDR", b"IDAT", b"acTL", b"fcTL", b"fcTL"]), Some(1));
        let frames: &[&[u8]] = &[
            b"IHDR", b"acTL", b"fcTL", b"IDAT", b"fcTL", b"fdAT", b"IEND",
        ];
        assert_eq!(of(frames), Some(2));
    }
}
