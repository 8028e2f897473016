//! AVIF: the container by `tusou-avif`, its AV1 by rav1d in one thread, and colours to RGB.
//!
//! What the AV1 bytes promise is read before a decoder sees them, and the decoder refuses frames above
//! that. Colours are taken as their numbers say (matrix and range); as with the other formats, profiles
//! are not applied and high dynamic range is not mapped.

mod planes;
mod yuv;

use std::io::{Error as IoError, ErrorKind};

use image::error::{DecodingError, ImageFormatHint, UnsupportedError, UnsupportedErrorKind};
use image::metadata::Orientation;
use image::{DynamicImage, ImageError, RgbImage};
use tusou_avif::{Avif, Fault, Layer, Nclx, Stream};
use tusou_contract::ImageFormat;

use super::{DecodeError, Limits, Plan, over_white_pixel, turns};
use planes::Planes;

/// Frames of an item, hidden ones included. A still picture is one; layers are four at most.
const MAX_FRAMES: usize = 4;

/// A picture whose boxes and sequence headers were read, within the limits.
struct Opened<'a> {
    colour: Layer<'a>,
    alpha: Option<(Layer<'a>, bool)>,
    nclx: Option<Nclx>,
    width: u32,
    height: u32,
    orientation: Orientation,
    plan: Plan,
}

pub(super) fn inspect(bytes: &[u8], limits: &Limits) -> Result<Plan, DecodeError> {
    open(bytes, limits).map(|opened| opened.plan)
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<RgbImage, DecodeError> {
    let opened = open(bytes, limits)?;
    let (width, height) = (opened.width, opened.height);
    let mut pixels = RgbImage::new(width, height);
    for (position, tile) in opened.colour.tiles.iter().enumerate() {
        let planes = planes(tile, &opened.colour)?;
        let at = place(&opened.colour, position);
        let colours = yuv::Colours::of(&planes, opened.nclx).map_err(unsupported)?;
        yuv::paint(&planes, &colours, at, &mut pixels);
    }
    if let Some((layer, premultiplied)) = &opened.alpha {
        for (position, tile) in layer.tiles.iter().enumerate() {
            let planes = planes(tile, layer)?;
            let (left, top) = place(layer, position);
            let opaque = planes.full();
            for (y, row) in (top..height).zip(0..planes.height) {
                let values = planes.row(0, row);
                for (x, column) in (left..width).zip(0..planes.width as usize) {
                    let alpha = opaque.of(values.get(column));
                    let pixel = pixels.get_pixel_mut(x, y);
                    for value in &mut pixel.0 {
                        *value = if *premultiplied {
                            value.saturating_add(255 - alpha)
                        } else {
                            over_white_pixel(*value, alpha)
                        };
                    }
                }
            }
        }
    }
    let mut upright = DynamicImage::ImageRgb8(pixels);
    upright.apply_orientation(opened.orientation);
    Ok(upright.into_rgb8())
}

fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Opened<'a>, DecodeError> {
    let avif = Avif::read(bytes).map_err(of)?;
    let (width, height) = (avif.width, avif.height);
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
    let orientation = Orientation::from_exif(avif.orientation).unwrap_or(Orientation::NoTransforms);
    let (colour, alpha) = (avif.colour().map_err(of)?, avif.alpha().map_err(of)?);
    // One tile is decoded at a time, so the most that any takes is what all take.
    let mut tile_memory = 0;
    for layer in [Some(&colour), alpha.as_ref().map(|(layer, _)| layer)]
        .into_iter()
        .flatten()
    {
        for tile in &layer.tiles {
            tile_memory = tile_memory.max(memory(tile, layer)?);
        }
    }
    let pixels = u64::from(width) * u64::from(height);
    let turned = if turns(orientation) { pixels * 3 } else { 0 };
    let memory = (tile_memory + bytes.len() as u64).max(turned) + pixels * 3;
    if memory > limits.max_memory {
        return Err(DecodeError::TooMuchMemory {
            limit: limits.max_memory,
        });
    }
    let (across, down) = avif.upright();
    Ok(Opened {
        colour,
        alpha,
        nclx: avif.nclx(),
        width,
        height,
        orientation,
        plan: Plan {
            width: across,
            height: down,
            memory,
        },
    })
}

/// Bytes that decoding a tile takes: every frame that may be held, with film grain in a copy of the one
/// that is shown; what the decoder keeps of every block; and the bytes themselves once more.
fn memory(tile: &[u8], layer: &Layer<'_>) -> Result<u64, DecodeError> {
    let stream = Stream::read(tile).map_err(of)?;
    if (stream.width, stream.height) != (layer.tile_width, layer.tile_height) {
        return Err(broken("the AV1 bytes are of another size than the picture"));
    }
    if stream.frames > MAX_FRAMES {
        return Err(unsupported("a picture of that many frames"));
    }
    let blocks = 2
        * u64::from(stream.width.next_multiple_of(128))
        * u64::from(stream.height.next_multiple_of(128));
    let frames = stream.frames as u64 + 1;
    Ok(frames * stream.frame_bytes() + blocks + tile.len() as u64)
}

/// A tile's left upper corner.
fn place(layer: &Layer<'_>, position: usize) -> (u32, u32) {
    let position = u32::try_from(position).expect("tiles are few");
    let (column, row) = (position % layer.columns, position / layer.columns);
    (column * layer.tile_width, row * layer.tile_height)
}

fn planes(tile: &[u8], layer: &Layer<'_>) -> Result<Planes, DecodeError> {
    let planes = Planes::decode(
        tile.to_vec(),
        layer.tile_width.saturating_mul(layer.tile_height),
    )?;
    if (planes.width, planes.height) == (layer.tile_width, layer.tile_height) {
        Ok(planes)
    } else {
        Err(broken("a frame is of another size than the picture"))
    }
}

fn of(fault: Fault) -> DecodeError {
    match fault {
        Fault::Short => early_end(),
        Fault::Broken(what) => broken(what),
        Fault::Unsupported(what) => unsupported(what),
    }
}

const FORMAT: ImageFormat = ImageFormat::Avif;

fn hint() -> ImageFormatHint {
    ImageFormatHint::Exact(image::ImageFormat::Avif)
}

fn early_end() -> DecodeError {
    DecodeError::Truncated {
        format: FORMAT,
        cause: ImageError::IoError(IoError::from(ErrorKind::UnexpectedEof)),
    }
}

fn broken(what: &str) -> DecodeError {
    DecodeError::Broken {
        format: FORMAT,
        cause: ImageError::Decoding(DecodingError::new(hint(), what)),
    }
}

fn unsupported(what: &str) -> DecodeError {
    let kind = UnsupportedErrorKind::GenericFeature(what.to_owned());
    DecodeError::Unsupported {
        format: FORMAT,
        cause: ImageError::Unsupported(UnsupportedError::from_format_and_kind(hint(), kind)),
    }
}
