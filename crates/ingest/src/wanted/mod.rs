//! Which pictures are taken, by the operator's choice: told by an answer's headers, by the first bytes
//! of its body, and in the end by the whole picture.
//!
//! What the beginning does not tell for certain is left to the end: nothing is turned away that would be
//! wanted.

mod patterns;

use tusou_contract::ImageFormat;

pub use patterns::Patterns;

use crate::header;
use crate::verify::VerifiedImage;

/// So much of a body tells what it is; what says nothing of itself until then is no picture.
const TELLING: usize = 1024;
/// So much of a picture is searched for its size; one with more before it is fetched whole.
const MAX_HEADER: usize = 512 * 1024;

/// Which pictures are taken. Zero is no limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Formats.
    pub types: Vec<ImageFormat>,
    /// The fewest bytes.
    pub min_bytes: u64,
    /// The most bytes.
    pub max_bytes: u64,
    /// The fewest pixels across, of the upright picture.
    pub min_width: u32,
    /// The fewest pixels down, of the upright picture.
    pub min_height: u32,
    /// The most times that the longer side is as long as the shorter one.
    pub max_aspect: f64,
    /// The most pixels; above it no picture is one.
    pub max_pixels: u64,
}

/// Why a picture is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwanted {
    /// It is SVG, which is not decoded.
    Svg,
    /// It is TIFF, which is not decoded.
    Tiff,
    /// It is of a format that is not wanted.
    Type(ImageFormat),
    /// It has too few bytes.
    FewBytes,
    /// It has too many bytes.
    ManyBytes,
    /// It is not wide enough.
    Narrow,
    /// It is not high enough.
    Low,
    /// One side is too long for the other.
    Long,
    /// It has more pixels than are ever decoded.
    Pixels,
    /// It is no picture.
    NoPicture,
}

impl Unwanted {
    /// A short word for rows and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Tiff => "tiff",
            Self::Type(ImageFormat::Jpeg) => "type_jpeg",
            Self::Type(ImageFormat::Png) => "type_png",
            Self::Type(ImageFormat::Webp) => "type_webp",
            Self::Type(ImageFormat::Gif) => "type_gif",
            Self::Type(ImageFormat::Bmp) => "type_bmp",
            Self::Type(ImageFormat::Avif) => "type_avif",
            Self::FewBytes => "too_few_bytes",
            Self::ManyBytes => "too_many_bytes",
            Self::Narrow => "too_narrow",
            Self::Low => "too_low",
            Self::Long => "too_long",
            Self::Pixels => "too_many_pixels",
            Self::NoPicture => "not_a_picture",
        }
    }

    /// Whether another choice of the operator's would take it.
    pub fn is_choice(reason: &str) -> bool {
        ![Self::Pixels.reason(), Self::NoPicture.reason()].contains(&reason)
    }
}

/// What the beginning of a picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Nothing yet.
    More,
    /// That all is well but the number of its bytes, which is still to be seen.
    Count,
    /// That the whole of it is to be looked at.
    Take,
    /// That it is not taken.
    Leave(Unwanted),
}

impl Default for Wanted {
    /// Everything that is decoded.
    fn default() -> Self {
        Self {
            types: ImageFormat::ALL.to_vec(),
            min_bytes: 0,
            max_bytes: 0,
            min_width: 0,
            min_height: 0,
            max_aspect: 0.0,
            max_pixels: u64::MAX,
        }
    }
}

impl Wanted {
    /// By how many bytes it has.
    pub fn bytes(&self, bytes: u64) -> Result<(), Unwanted> {
        if bytes < self.min_bytes {
            Err(Unwanted::FewBytes)
        } else if self.max_bytes > 0 && bytes > self.max_bytes {
            Err(Unwanted::ManyBytes)
        } else {
            Ok(())
        }
    }

    /// By the bytes that it begins with, and what its server calls it (`Content-Type`). Asked again
    /// with every beginning that is longer.
    pub fn beginning(&self, bytes: &[u8], media_type: Option<&str>) -> Beginning {
        let Some(format) = ImageFormat::sniff(bytes) else {
            return if bytes.len() < TELLING && !is_tiff(bytes) {
                Beginning::More
            } else {
                Beginning::Leave(no_picture(bytes, media_type))
            };
        };
        if !self.types.contains(&format) {
            return Beginning::Leave(Unwanted::Type(format));
        }
        if self.max_bytes > 0 && bytes.len() as u64 > self.max_bytes {
            return Beginning::Leave(Unwanted::ManyBytes);
        }
        let Some(size) = header::size(bytes, format) else {
            return if bytes.len() < MAX_HEADER {
                Beginning::More
            } else {
                Beginning::Take
            };
        };
        match self.size(size.width, size.height) {
            Ok(()) if self.max_bytes > 0 => Beginning::Count,
            Ok(()) => Beginning::Take,
            Err(_) if size.may_turn && self.size(size.height, size.width).is_ok() => {
                Beginning::Take
            }
            Err(unwanted) => Beginning::Leave(unwanted),
        }
    }

    /// By the whole picture.
    pub fn whole(&self, image: &VerifiedImage) -> Result<(), Unwanted> {
        if !self.types.contains(&image.format) {
            return Err(Unwanted::Type(image.format));
        }
        self.bytes(image.bytes.len() as u64)?;
        self.size(image.width, image.height)
    }

    fn size(&self, width: u32, height: u32) -> Result<(), Unwanted> {
        let (shorter, longer) = (width.min(height), width.max(height));
        if u64::from(width) * u64::from(height) > self.max_pixels {
            Err(Unwanted::Pixels)
        } else if width < self.min_width {
            Err(Unwanted::Narrow)
        } else if height < self.min_height {
            Err(Unwanted::Low)
        } else if self.max_aspect > 0.0 && f64::from(longer) > f64::from(shorter) * self.max_aspect
        {
            Err(Unwanted::Long)
        } else {
            Ok(())
        }
    }
}

/// What bytes are that begin as no picture that is decoded.
pub fn no_picture(bytes: &[u8], media_type: Option<&str>) -> Unwanted {
    let media_type = media_type.unwrap_or_default();
    let is_called = |name: &str| {
        let called = media_type.split(';').next().unwrap_or_default().trim();
        called.eq_ignore_ascii_case(name)
    };
    let beginning = &bytes[..bytes.len().min(TELLING)];
    let is_markup = beginning.trim_ascii_start().starts_with(b"<")
        || beginning.starts_with(b"\xEF\xBB\xBF<")
        || beginning.starts_with(b"\x1F\x8B");
    let has_svg = || {
        let mut windows = beginning.windows(5);
        windows.any(|name| name[..4] == *b"<svg" && !name[4].is_ascii_alphanumeric())
    };
    // A page that shows one in its text is none.
    if is_markup && (is_called("image/svg+xml") || (has_svg() && !is_called("text/html"))) {
        Unwanted::Svg
    } else if is_tiff(bytes) {
        Unwanted::Tiff
    } else {
        Unwanted::NoPicture
    }
}

/// TIFF 6.0, section 2, and BigTIFF.
fn is_tiff(bytes: &[u8]) -> bool {
    let Some(head) = bytes.first_chunk::<4>() else {
        return false;
    };
    [b"II\x2A\0", b"MM\0\x2A", b"II\x2B\0", b"MM\0\x2B"].contains(&head)
}

#[cfg(test)]
mod tests;
