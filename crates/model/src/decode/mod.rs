//! Foreign bytes to upright RGB pixels, within bounds.
//!
//! Headers are read first, and a picture's cost is refused before anything is allocated for it.
//! A decoder's panic is an error like others.

mod avif;
mod cost;

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

/// What the header of a picture promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Pixels across, after orientation.
    pub width: u32,
    /// Pixels down, after orientation.
    pub height: u32,
    /// Bytes of memory that decoding takes at its worst, the result included.
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
pub fn inspect(bytes: &[u8], format: ImageFormat, limits: &Limits) -> Result<Plan, DecodeError> {
    guarded(format, || match codec(format) {
        Some(codec) => Opened::open(bytes, format, codec, limits).map(|opened| opened.plan),
        None => avif::inspect(bytes, limits),
    })
}

/// Decodes a picture: upright by its EXIF orientation, transparency over white, the first frame of
/// an animation, 8 bits for each of red, green and blue.
///
/// # Errors
/// Every [`DecodeError`].
pub fn decode(bytes: &[u8], format: ImageFormat, limits: &Limits) -> Result<RgbImage, DecodeError> {
    guarded(format, || {
        let Some(codec) = codec(format) else {
            return avif::decode(bytes, limits);
        };
        let Opened {
            decoder,
            orientation,
            ..
        } = Opened::open(bytes, format, codec, limits)?;
        let decoded = DynamicImage::from_decoder(decoder)
            .map_err(|cause| DecodeError::of(format, limits, cause))?;
        let mut upright = DynamicImage::ImageRgb8(over_white(decoded));
        upright.apply_orientation(orientation);
        Ok(upright.into_rgb8())
    })
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
        if width == 0 || height == 0 {
            return Err(DecodeError::Empty);
        }
        if u64::from(width) * u64::from(height) > limits.max_pixels {
            return Err(DecodeError::TooManyPixels {
                width,
                height,
                limit: limits.max_pixels,
            });
        }
        // A broken EXIF block says nothing; the picture stands as it is.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let memory = cost::memory(bytes, format, &decoder, turns(orientation));
        if memory > limits.max_memory {
            return Err(DecodeError::TooMuchMemory {
                limit: limits.max_memory,
            });
        }
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

/// The format as the library names it, where that decodes it: AVIF is decoded here.
fn codec(format: ImageFormat) -> Option<image::ImageFormat> {
    Some(match format {
        ImageFormat::Jpeg => image::ImageFormat::Jpeg,
        ImageFormat::Png => image::ImageFormat::Png,
        ImageFormat::Webp => image::ImageFormat::WebP,
        ImageFormat::Gif => image::ImageFormat::Gif,
        ImageFormat::Bmp => image::ImageFormat::Bmp,
        ImageFormat::Avif => return None,
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

/// The pixels over a white background. Eight-bit pixels are rewritten in place.
fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
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
fn over_white_pixel(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests;
