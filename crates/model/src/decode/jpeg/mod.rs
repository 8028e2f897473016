//! JPEG by libjpeg-turbo, at the largest reduction that still shows what is wanted.
//!
//! Without a reduction the pixels are Pillow's, bit for bit, since Pillow uses the same library in the
//! same way. As there, a picture whose bytes end before their end marker is truncated, and what is
//! odd or damaged within is passed over.

mod header;

use std::io::{Error as IoError, ErrorKind};

use image::error::{DecodingError, ImageFormatHint, UnsupportedError, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{ImageError, RgbImage};
use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor};
use tusou_contract::ImageFormat;

use super::{DecodeError, Detail, Limits, Plan, profile, turns, upright};
use header::{Fault, Header};

/// The most scans of a progressive picture: a few bytes may ask for a pass over all coefficients.
const MAX_SCANS: u32 = 100;

/// A header that was read, within the limits.
struct Opened<'a> {
    header: Header<'a>,
    orientation: Orientation,
    scale: ScalingFactor,
    plan: Plan,
}

pub(super) fn inspect(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Plan, DecodeError> {
    open(bytes, limits, detail).map(|opened| opened.plan)
}

pub(super) fn decode(
    bytes: &[u8],
    limits: &Limits,
    detail: Detail,
) -> Result<RgbImage, DecodeError> {
    let opened = open(bytes, limits, detail)?;
    let header = &opened.header;
    let repaired = header.repaired(bytes);
    let (width, height) = (
        opened.scale.scale(header.width as usize),
        opened.scale.scale(header.height as usize),
    );
    let format = if header.is_cmyk() {
        PixelFormat::CMYK
    } else {
        PixelFormat::RGB
    };
    let pitch = width * format.size();
    let mut pixels = vec![0; pitch * height];
    let target = Image {
        pixels: pixels.as_mut_slice(),
        width,
        pitch,
        height,
        format,
    };
    let decompressed = Decompressor::new().and_then(|mut decompressor| {
        decompressor.set_scan_limit(MAX_SCANS)?;
        decompressor.set_scaling_factor(opened.scale)?;
        decompressor.decompress(repaired.as_deref().unwrap_or(bytes), target)
    });
    if let Err(error) = decompressed {
        judge(error, || header.has_end(bytes))?;
    }
    drop(repaired);
    let profile = header.profile();
    let profile = profile.as_deref();
    if header.is_cmyk() {
        profile::cmyk_to_rgb(profile, &mut pixels);
    } else if let Some(profile) = profile {
        profile::to_srgb(profile, &mut pixels, header.is_grey());
    }
    let image = RgbImage::from_raw(width as u32, height as u32, pixels)
        .expect("three bytes for each pixel");
    Ok(upright(image, opened.orientation))
}

fn open<'a>(bytes: &'a [u8], limits: &Limits, detail: Detail) -> Result<Opened<'a>, DecodeError> {
    let header = Header::read(bytes).map_err(of)?;
    limits.check_size(header.width, header.height)?;
    // A broken EXIF block says nothing; the picture stands as it is.
    let orientation = header.exif.and_then(Orientation::from_exif_chunk);
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let scale = scale(header.width, header.height, detail);
    let pixels =
        scale.scale(header.width as usize) as u64 * scale.scale(header.height as usize) as u64;
    let values = if header.is_cmyk() { 4 } else { 3 };
    let turned = if turns(orientation) { pixels * 3 } else { 0 };
    // A copy of the bytes, where the header is repaired.
    let at_decode = pixels * values + header.memory() + bytes.len() as u64;
    let memory = at_decode.max(pixels * values + turned);
    limits.check_memory(memory)?;
    let (width, height) = if turns(orientation) {
        (header.height, header.width)
    } else {
        (header.width, header.height)
    };
    Ok(Opened {
        header,
        orientation,
        scale,
        plan: Plan {
            width,
            height,
            memory,
        },
    })
}

/// The smallest of a whole, a half, a quarter and an eighth that covers what is wanted.
fn scale(width: u32, height: u32, detail: Detail) -> ScalingFactor {
    let Detail::Cover { short, long } = detail else {
        return ScalingFactor::ONE;
    };
    let covers = |scale: &ScalingFactor| {
        let enough =
            |side: u32, wanted: u32| scale.scale(side as usize) >= side.min(wanted) as usize;
        enough(width.min(height), short) && enough(width.max(height), long)
    };
    [
        ScalingFactor::ONE_EIGHTH,
        ScalingFactor::ONE_QUARTER,
        ScalingFactor::ONE_HALF,
    ]
    .into_iter()
    .find(covers)
    .unwrap_or(ScalingFactor::ONE)
}

/// Beginnings of what libjpeg-turbo says of pictures that it decodes all the same (`jerror.h`,
/// `JWRN_*`).
const COMPLAINTS: [&str; 7] = [
    "Corrupt JPEG data: ",
    "Premature end of JPEG file",
    "Inconsistent progression sequence",
    "Invalid SOS parameters for sequential JPEG",
    "Unknown Adobe color transform code",
    "Warning: unknown JFIF revision number",
    "Application transferred too many scanlines",
];

/// Whether the pixels may be used although the library complained.
fn judge(error: turbojpeg::Error, has_end: impl Fn() -> bool) -> Result<(), DecodeError> {
    let turbojpeg::Error::TurboJpegError(message) = &error else {
        return Err(broken(error));
    };
    let complains = COMPLAINTS.iter().any(|begin| message.starts_with(begin));
    if complains && has_end() {
        return Ok(());
    }
    if complains {
        return Err(of(Fault::Short));
    }
    if message.starts_with("Progressive JPEG image has more than") {
        return Err(of(Fault::Unsupported("more than 100 scans")));
    }
    Err(broken(error))
}

const FORMAT: ImageFormat = ImageFormat::Jpeg;

fn hint() -> ImageFormatHint {
    ImageFormatHint::Exact(image::ImageFormat::Jpeg)
}

fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DecodeError {
    DecodeError::Broken {
        format: FORMAT,
        cause: ImageError::Decoding(DecodingError::new(hint(), cause)),
    }
}

fn of(fault: Fault) -> DecodeError {
    match fault {
        Fault::Short => DecodeError::Truncated {
            format: FORMAT,
            cause: ImageError::IoError(IoError::from(ErrorKind::UnexpectedEof)),
        },
        Fault::Broken(what) => broken(what),
        Fault::Unsupported(what) => {
            let kind = UnsupportedErrorKind::GenericFeature(what.to_owned());
            DecodeError::Unsupported {
                format: FORMAT,
                cause: ImageError::Unsupported(UnsupportedError::from_format_and_kind(
                    hint(),
                    kind,
                )),
            }
        }
    }
}
