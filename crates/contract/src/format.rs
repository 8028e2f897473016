//! Picture formats, told by their first bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A picture format, as the document's `format` field names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG; an animated one counts as its default image.
    Png,
    /// WebP, lossy or lossless; an animated one counts as its first frame.
    Webp,
    /// GIF; its first frame.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// AVIF; an animated one counts as its still picture.
    Avif,
}

impl ImageFormat {
    /// Every format, in the order of the enum.
    pub const ALL: [Self; 6] = [
        Self::Jpeg,
        Self::Png,
        Self::Webp,
        Self::Gif,
        Self::Bmp,
        Self::Avif,
    ];

    /// The format that the bytes begin with, whatever a header or a file name claims.
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some(Self::Png),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(Self::Bmp),
            _ => is_avif(bytes).then_some(Self::Avif),
        }
    }

    /// The name in messages, rows and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Avif => "avif",
        }
    }

    /// The format of that name, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// The file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            other => other.as_str(),
        }
    }

    /// The media type for HTTP.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Avif => "image/avif",
        }
    }
}

/// Whether a file type box comes first that names AVIF among its brands (ISO/IEC 14496-12, 4.3): HEIC
/// and MP4 begin with such a box too.
fn is_avif(bytes: &[u8]) -> bool {
    /// The longest box that is looked at.
    const MAX_BRANDS: usize = 256;
    let Some((size, rest)) = bytes.split_first_chunk::<4>() else {
        return false;
    };
    let Some(body) = rest.strip_prefix(b"ftyp") else {
        return false;
    };
    let size = (u32::from_be_bytes(*size) as usize).clamp(8, MAX_BRANDS) - 8;
    let brands = body[..size.min(body.len())].chunks_exact(4);
    // The second is a version.
    let mut brands = brands.enumerate().filter(|(position, _)| *position != 1);
    brands.any(|(_, brand)| brand == b"avif" || brand == b"avis")
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for format in ImageFormat::ALL {
            assert_eq!(ImageFormat::from_name(format.as_str()), Some(format));
        }
    }

    #[test]
    fn html_and_emptiness_are_no_pictures() {
        for bytes in [
            &b""[..],
            b"<!doctype html>",
            b"BMW for sale",
            b"RIFF....WAVE",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            b"\0\0\0\x18ftypmif1avif....heic",
            b"\0\0\0\x10ftypmp42\0\0\0\0avif",
            b"\0\0\0\0ftypavif",
            b"\0\0\0\x18ftyp",
        ] {
            assert_eq!(ImageFormat::sniff(bytes), None);
        }
    }

    #[test]
    fn an_avif_is_told_by_any_of_its_brands() {
        for bytes in [
            &b"\0\0\0\x1cftypavif\0\0\0\0mif1miafMA1B"[..],
            b"\0\0\0\x18ftypavis\0\0\0\0msf1avis",
            b"\0\0\0\x18ftypmif1\0\0\0\0miafavif",
        ] {
            assert_eq!(ImageFormat::sniff(bytes), Some(ImageFormat::Avif));
        }
    }
}
