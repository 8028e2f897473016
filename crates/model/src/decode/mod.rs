//! Foreign bytes to upright RGB pixels, within bounds.
//!
//! Headers are read first, and a picture's cost is refused before anything is allocated for it.
//! A decoder's panic is an error like others.
//!
//! Decoded whole, pictures are Pillow's: bit for bit JPEGs of every kind, inks included, PNGs, GIFs, WebPs
//! and BMPs; within 1 of 255 where a BMP has 5 or 6 bits a colour, within 2 where a profile leads to sRGB, 6
//! where it is of inks; within 3 AVIFs (`tests/decode.rs`, `tests/avif.rs`).

mod avif;
mod cost;
mod flat;
mod gif;
mod jpeg;
mod profile;

use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, RgbImage};
use tusou_contract::{Disposition, ImageFormat, Verdict};

/// What a picture may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most pixels.
    pub max_pixels: u64,
    /// The most bytes of memory that decoding may take, working memory included.
    pub max_memory: u64,
}

impl Limits {
    fn check_size(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if width == 0 || height == 0 {
            return Err(DecodeError::Empty);
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(DecodeError::TooManyPixels {
                width,
                height,
                limit: self.max_pixels,
            });
        }
        Ok(())
    }

    fn check_memory(&self, memory: u64) -> Result<(), DecodeError> {
        if memory > self.max_memory {
            return Err(DecodeError::TooMuchMemory {
                limit: self.max_memory,
            });
        }
        Ok(())
    }
}

/// How much of a picture's detail is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// All: every pixel is as the reference decodes it.
    Whole,
    /// At least so many pixels along each side, or all where there are fewer. A JPEG is then decoded at
    /// a half, a quarter or an eighth of its size, in less time and much less memory; other formats
    /// are decoded whole.
    Cover {
        /// Pixels along the shorter side.
        short: u32,
        /// Pixels along the longer side.
        long: u32,
    },
}

/// What the header of a picture promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Pixels across of the whole picture, after orientation.
    pub width: u32,
    /// Pixels down of the whole picture, after orientation.
    pub height: u32,
    /// Bytes of memory that decoding in the wanted detail takes at its worst, the result included.
    pub memory: u64,
}

/// A picture that cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before the picture does.
    #[error("the {format} picture ends early")]
    Truncated {
        /// What the bytes begin as.
        format: ImageFormat,
        /// The decoder's words.
        #[source]
        cause: ImageError,
    },
    /// The bytes are broken in another way.
    #[error("the {format} picture cannot be decoded")]
    Broken {
        /// What the bytes begin as.
        format: ImageFormat,
        /// The decoder's words.
        #[source]
        cause: ImageError,
    },
    /// The format allows it, and the decoder does not know it.
    #[error("the {format} picture uses a feature that is not supported")]
    Unsupported {
        /// What the bytes begin as.
        format: ImageFormat,
        /// The decoder's words.
        #[source]
        cause: ImageError,
    },
    /// More pixels than allowed.
    #[error("the picture has {width} × {height} pixels; {limit} are allowed")]
    TooManyPixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// What is allowed.
        limit: u64,
    },
    /// Decoding would take more memory than allowed.
    #[error("decoding the picture would take more than {limit} bytes of memory")]
    TooMuchMemory {
        /// What is allowed.
        limit: u64,
    },
    /// A width or height of nothing.
    #[error("the picture has no pixels")]
    Empty,
    /// The decoder panicked.
    #[error("the {format} decoder panicked: {message}")]
    Panicked {
        /// What the bytes begin as.
        format: ImageFormat,
        /// The panic's message.
        message: String,
    },
}

impl Verdict for DecodeError {
    fn disposition(&self) -> Disposition {
        Disposition::DeadLetter
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::Broken { .. } => "decode_failed",
            Self::Unsupported { .. } => "unsupported",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::TooMuchMemory { .. } => "too_much_memory",
            Self::Empty => "no_pixels",
            Self::Panicked { .. } => "decoder_panicked",
        }
    }
}

impl DecodeError {
    fn of(format: ImageFormat, limits: &Limits, cause: ImageError) -> Self {
        match &cause {
            ImageError::Limits(error) => match error.kind() {
                LimitErrorKind::Unsupported { .. } => Self::Unsupported { format, cause },
                _ => Self::TooMuchMemory {
                    limit: limits.max_memory,
                },
            },
            ImageError::Unsupported(_) => Self::Unsupported { format, cause },
            _ if is_early_end(&cause) => Self::Truncated { format, cause },
            _ => Self::Broken { format, cause },
        }
    }
}

/// Whether an error or one of its causes is an unexpected end of the bytes.
fn is_early_end(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        // `std::io::Error` hides the error that it wraps from `source`, but keeps its kind.
        let io = match error.downcast_ref::<ImageError>() {
            Some(ImageError::IoError(io)) => Some(io),
            _ => error.downcast_ref::<std::io::Error>(),
        };
        io.is_some_and(|io| io.kind() == ErrorKind::UnexpectedEof)
    })
}

/// Reads the header and refuses what is beyond the limits. It allocates little.
///
/// # Errors
/// Every [`DecodeError`].
pub fn inspect(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
    detail: Detail,
) -> Result<Plan, DecodeError> {
    guarded(format, || match codec(format) {
        Some(codec) => Opened::open(bytes, format, codec, limits).map(|opened| opened.plan),
        None if format == ImageFormat::Avif => avif::inspect(bytes, limits),
        None => jpeg::inspect(bytes, limits, detail),
    })
}

/// Decodes a picture: upright by its EXIF orientation, in sRGB where it carries a profile,
/// transparency over white, the first frame of an animation, 8 bits for each of red, green and blue. Of
/// 16 bits the higher 8 are taken.
///
/// # Errors
/// Every [`DecodeError`].
pub fn decode(
    bytes: &[u8],
    format: ImageFormat,
    limits: &Limits,
    detail: Detail,
) -> Result<RgbImage, DecodeError> {
    guarded(format, || {
        let Some(codec) = codec(format) else {
            return match format {
                ImageFormat::Avif => avif::decode(bytes, limits),
                _ => jpeg::decode(bytes, limits, detail),
            };
        };
        let Opened {
            mut decoder,
            orientation,
            ..
        } = Opened::open(bytes, format, codec, limits)?;
        // A BMP's is passed over, as elsewhere. A broken one says nothing.
        let profile = match format {
            ImageFormat::Bmp => None,
            _ => decoder.icc_profile().unwrap_or(None),
        };
        let mut decoded = DynamicImage::from_decoder(decoder)
            .map_err(|cause| DecodeError::of(format, limits, cause))?;
        if format == ImageFormat::Gif {
            gif::fill_around(bytes, &mut decoded);
        }
        let flat = flat::over_white(decoded, profile.as_deref());
        Ok(upright(flat, orientation))
    })
}

/// The picture turned as its orientation says.
fn upright(image: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut upright = DynamicImage::ImageRgb8(image);
    upright.apply_orientation(orientation);
    upright.into_rgb8()
}

/// A decoder that has read its header, within the limits.
struct Opened<D> {
    decoder: D,
    orientation: Orientation,
    plan: Plan,
}

impl<'a> Opened<Box<dyn ImageDecoder + 'a>> {
    fn open(
        bytes: &'a [u8],
        format: ImageFormat,
        codec: image::ImageFormat,
        limits: &Limits,
    ) -> Result<Self, DecodeError> {
        let failed = |cause| DecodeError::of(format, limits, cause);
        let mut reader = ImageReader::with_format(Cursor::new(bytes), codec);
        let mut allowed = image::Limits::default();
        allowed.max_alloc = Some(limits.max_memory);
        reader.limits(allowed);
        let mut decoder = reader.into_decoder().map_err(failed)?;
        let (width, height) = decoder.dimensions();
        limits.check_size(width, height)?;
        // A broken EXIF block says nothing; the picture stands as it is.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let memory = cost::memory(bytes, format, &decoder, turns(orientation));
        limits.check_memory(memory)?;
        let (width, height) = if turns(orientation) {
            (height, width)
        } else {
            (width, height)
        };
        Ok(Self {
            decoder: Box::new(decoder),
            orientation,
            plan: Plan {
                width,
                height,
                memory,
            },
        })
    }
}

/// Whether width and height change places.
fn turns(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(
        orientation,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    )
}

/// The format as the library names it, where that decodes it: JPEG and AVIF are decoded by others.
fn codec(format: ImageFormat) -> Option<image::ImageFormat> {
    Some(match format {
        ImageFormat::Png => image::ImageFormat::Png,
        ImageFormat::Webp => image::ImageFormat::WebP,
        ImageFormat::Gif => image::ImageFormat::Gif,
        ImageFormat::Bmp => image::ImageFormat::Bmp,
        ImageFormat::Jpeg | ImageFormat::Avif => return None,
    })
}

fn guarded<T>(
    format: ImageFormat,
    work: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    // Nothing outlives the closure but its result, so no broken state can be seen.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let message = message
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Err(DecodeError::Panicked { format, message })
    })
}

use flat::over_white_pixel;

#[cfg(test)]
mod tests;
