//! How large a picture is, by its first bytes: as soon as its header has come.
//!
//! Decoders ask for whole pictures or take what is cut off for broken. Here a beginning that does not
//! tell yet is no error, and nothing is allocated. Sources: ITU-T T.81 B.2.2, PNG 11.2.1, RFC 9649,
//! GIF89a 18, Microsoft's BITMAPINFOHEADER, and `tusou-avif`.

use tusou_avif::Avif;
use tusou_contract::ImageFormat;

/// Pixels across and down, as the header has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether what comes later may still turn the picture, so that the two change places.
    pub may_turn: bool,
}

/// The size of the picture of this format that begins so; none where that cannot be told of this
/// beginning, or of none.
pub fn size(beginning: &[u8], format: ImageFormat) -> Option<Size> {
    let (width, height) = match format {
        ImageFormat::Jpeg => jpeg(beginning),
        ImageFormat::Png => png(beginning),
        ImageFormat::Webp => webp(beginning),
        ImageFormat::Gif => gif(beginning),
        ImageFormat::Bmp => bmp(beginning),
        ImageFormat::Avif => Some(Avif::read(beginning).ok()?.upright()),
    }?;
    Some(Size {
        width,
        height,
        may_turn: matches!(
            format,
            ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::Webp
        ),
    })
}

/// So many bytes from a position on.
fn at<const N: usize>(bytes: &[u8], position: usize) -> Option<[u8; N]> {
    bytes.get(position..)?.first_chunk().copied()
}

fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut position = 2;
    loop {
        let [mark, marker] = at(bytes, position)?;
        match marker {
            _ if mark != 0xFF => return None,
            // Fill bytes, and markers that stand alone.
            0xFF => position += 1,
            0x01 | 0xD0..=0xD8 => position += 2,
            // A frame's header; not Huffman tables, extensions, or arithmetic conditions.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                let height = u16::from_be_bytes(at(bytes, position + 5)?);
                let width = u16::from_be_bytes(at(bytes, position + 7)?);
                // No lines: their number comes after the first scan.
                return (height > 0).then_some((width.into(), height.into()));
            }
            // The first scan, or the end.
            0xD9 | 0xDA => return None,
            _ => {
                let length = u16::from_be_bytes(at(bytes, position + 2)?);
                position += 2 + usize::from(length.max(2));
            }
        }
    }
}

fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let is_header = at(bytes, 12)? == *b"IHDR";
    let side = |position| at(bytes, position).map(u32::from_be_bytes);
    is_header.then_some((side(16)?, side(20)?))
}

fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    match &at::<4>(bytes, 12)? {
        b"VP8 " if at(bytes, 23)? == [0x9D, 0x01, 0x2A] => {
            let side =
                |position| Some(u32::from(u16::from_le_bytes(at(bytes, position)?) & 0x3FFF));
            Some((side(26)?, side(28)?))
        }
        b"VP8L" if at(bytes, 20)? == [0x2F] => {
            let both = u32::from_le_bytes(at(bytes, 21)?);
            Some(((both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1))
        }
        b"VP8X" => {
            let side = |position| {
                let [low, middle, high] = at(bytes, position)?;
                Some(u32::from_le_bytes([low, middle, high, 0]) + 1)
            };
            Some((side(24)?, side(27)?))
        }
        _ => None,
    }
}

fn gif(bytes: &[u8]) -> Option<(u32, u32)> {
    let side = |position| Some(u32::from(u16::from_le_bytes(at(bytes, position)?)));
    Some((side(6)?, side(8)?))
}

fn bmp(bytes: &[u8]) -> Option<(u32, u32)> {
    match u32::from_le_bytes(at(bytes, 14)?) {
        12 => {
            let side = |position| Some(u32::from(u16::from_le_bytes(at(bytes, position)?)));
            Some((side(18)?, side(20)?))
        }
        // A height below zero: the first row comes first.
        40.. => {
            let side = |position| Some(i32::from_le_bytes(at(bytes, position)?).unsigned_abs());
            Some((side(18)?, side(22)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::verify::library_format;

    #[test]
    fn it_is_told_as_soon_as_it_has_come_and_not_before() {
        for format in ImageFormat::ALL {
            let Some(library) = library_format(format) else {
                continue;
            };
            let mut bytes = Cursor::new(Vec::new());
            image::DynamicImage::new_rgb8(300, 200)
                .write_to(&mut bytes, library)
                .expect("it compresses");
            let bytes = bytes.into_inner();
            let known = |end: usize| {
                let size = size(&bytes[..end], format);
                size.map(|size| (size.width, size.height))
            };
            let first = (0..bytes.len()).find(|end| known(*end).is_some());
            let first = first.expect("the header tells it");
            assert!(first < 700, "{format} told it after {first} bytes");
            for end in first..bytes.len() {
                assert_eq!(known(end), Some((300, 200)), "{format}, {end} bytes");
            }
        }
    }

    #[test]
    fn a_jpegs_segments_are_passed_over() {
        let frame = [0xFF, 0xC2, 0, 11, 8, 0, 20, 0, 30, 1, 1, 0x11, 0];
        let told = |segments: &[u8]| {
            let bytes = [&[0xFF, 0xD8][..], segments, &frame].concat();
            size(&bytes, ImageFormat::Jpeg).map(|size| (size.width, size.height))
        };
        assert_eq!(told(&[]), Some((30, 20)));
        assert_eq!(told(&[0xFF, 0xE1, 0, 4, 0xFF, 0xC0]), Some((30, 20)));
        assert_eq!(told(&[0xFF, 0xFF, 0xFF, 0xC4, 0, 2]), Some((30, 20)));
        // Lengths that say nothing, a scan before the frame, no marker.
        assert_eq!(told(&[0xFF, 0xE0, 0, 0]), Some((30, 20)));
        assert_eq!(told(&[0xFF, 0xDA, 0, 2]), None);
        assert_eq!(told(&[0x00]), None);
    }

    #[test]
    fn a_bitmap_may_stand_on_its_head() {
        let bytes = |head: &[u8]| [&b"BM\0\0\0\0\0\0\0\0\0\0\0\0"[..], head].concat();
        let told = |head: &[u8]| {
            let size = size(&bytes(head), ImageFormat::Bmp);
            size.map(|size| (size.width, size.height))
        };
        assert_eq!(
            told(&[40, 0, 0, 0, 7, 0, 0, 0, 0xFB, 0xFF, 0xFF, 0xFF]),
            Some((7, 5))
        );
        assert_eq!(told(&[12, 0, 0, 0, 7, 0, 5, 0]), Some((7, 5)));
        assert_eq!(told(&[16, 0, 0, 0, 7, 0, 5, 0, 0, 0, 0, 0]), None);
    }
}
