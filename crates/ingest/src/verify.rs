//! What bytes really are, whatever the URL, the extension or a header claims.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageReader};
use time::OffsetDateTime;
use tusou_avif::Avif;
use tusou_contract::{BlobKey, ImageFormat, ImageId, SightingRights};

use crate::frames;
use crate::rights::{Blocks, Embedded};

/// Bytes that begin as a picture of bounded size. Whether they decode to the end is the encoder's
/// to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedImage {
    /// The SHA-256 of the bytes.
    pub id: ImageId,
    /// Told by the first bytes.
    pub format: ImageFormat,
    /// Pixels across, after orientation.
    pub width: u32,
    /// Pixels down, after orientation.
    pub height: u32,
    /// How many frames it has, where that is counted: AVIF's are not.
    pub frames: Option<u32>,
    /// What the file says of its rights (EXIF, IPTC, XMP).
    pub rights: SightingRights,
    /// When it was taken, by its own account.
    pub taken_at: Option<OffsetDateTime>,
    /// The bytes themselves.
    pub bytes: Bytes,
}

impl VerifiedImage {
    /// Where the bytes are kept.
    pub fn blob_key(&self) -> BlobKey {
        BlobKey::original(&self.id, self.format)
    }
}

/// Bytes that are not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// No bytes at all.
    #[error("the body is empty")]
    Empty,
    /// The first bytes are of no format that is taken.
    #[error("the bytes are of no picture format that is taken (JPEG, PNG, WebP, GIF, BMP, AVIF)")]
    NotAPicture,
    /// The format's header cannot be read.
    #[error("the {format} header cannot be read: {detail}")]
    BadHeader {
        /// What the first bytes say.
        format: ImageFormat,
        /// The decoder's words.
        detail: String,
    },
    /// More pixels than allowed, or none.
    #[error("{width} × {height} pixels; between 1 and {limit} are allowed")]
    Pixels {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The most that are allowed.
        limit: u64,
    },
}

impl Reject {
    /// A short word for rows and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty_body",
            Self::NotAPicture => "not_a_picture",
            Self::BadHeader { .. } => "bad_header",
            Self::Pixels { width: 0, .. } | Self::Pixels { height: 0, .. } => "no_pixels",
            Self::Pixels { .. } => "too_many_pixels",
        }
    }
}

/// Tells what the bytes are by their first bytes and header; hashes them. CPU-bound: about 1 ms a
/// megabyte.
///
/// # Errors
/// [`Reject`], when they are no picture within `max_pixels`.
pub fn verify(bytes: Bytes, max_pixels: u64) -> Result<VerifiedImage, Reject> {
    if bytes.is_empty() {
        return Err(Reject::Empty);
    }
    let format = ImageFormat::sniff(&bytes).ok_or(Reject::NotAPicture)?;
    let (width, height, embedded) = header(&bytes, format)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > max_pixels {
        return Err(Reject::Pixels {
            width,
            height,
            limit: max_pixels,
        });
    }
    Ok(VerifiedImage {
        id: ImageId::of(&bytes),
        format,
        width,
        height,
        frames: frames::count(&bytes, format),
        rights: embedded.rights,
        taken_at: embedded.taken_at,
        bytes,
    })
}

/// Width and height after orientation, and what the file says of itself: from the header alone.
fn header(bytes: &Bytes, format: ImageFormat) -> Result<(u32, u32, Embedded), Reject> {
    let bad = |detail: String| Reject::BadHeader { format, detail };
    // Decoders are known to panic on hostile headers; a panic there is that picture's failure.
    let read = catch_unwind(AssertUnwindSafe(|| -> Result<_, String> {
        let Some(library) = library_format(format) else {
            return avif(bytes);
        };
        let reader = ImageReader::with_format(Cursor::new(bytes), library);
        let mut decoder = reader.into_decoder().map_err(|cause| cause.to_string())?;
        let (width, height) = decoder.dimensions();
        // A picture is taken, whatever its metadata are.
        let metadata = catch_unwind(AssertUnwindSafe(|| {
            let blocks = Blocks::of(bytes, format, &mut decoder);
            let orientation = Orientation::from_exif_chunk(&blocks.exif);
            (orientation, blocks.read())
        }));
        let (orientation, embedded) = metadata.unwrap_or_default();
        Ok(match orientation.unwrap_or(Orientation::NoTransforms) {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (height, width, embedded),
            _ => (width, height, embedded),
        })
    }));
    match read {
        Ok(Ok(header)) => Ok(header),
        Ok(Err(detail)) => Err(bad(detail)),
        Err(_) => Err(bad("the decoder panicked".to_owned())),
    }
}

/// An AVIF says itself how it is turned; what its EXIF says of that does not count.
fn avif(bytes: &[u8]) -> Result<(u32, u32, Embedded), String> {
    let avif = Avif::read(bytes).map_err(|fault| fault.to_string())?;
    let (width, height) = avif.upright();
    let metadata = catch_unwind(AssertUnwindSafe(|| Blocks::of_avif(&avif).read()));
    Ok((width, height, metadata.unwrap_or_default()))
}

/// The format as the library names it, where that reads it.
pub(crate) fn library_format(format: ImageFormat) -> Option<image::ImageFormat> {
    Some(match format {
        ImageFormat::Jpeg => image::ImageFormat::Jpeg,
        ImageFormat::Png => image::ImageFormat::Png,
        ImageFormat::Webp => image::ImageFormat::WebP,
        ImageFormat::Gif => image::ImageFormat::Gif,
        ImageFormat::Bmp => image::ImageFormat::Bmp,
        ImageFormat::Avif => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(format: image::ImageFormat) -> Bytes {
        let mut out = Cursor::new(Vec::new());
        image::DynamicImage::new_rgb8(8, 5)
            .write_to(&mut out, format)
            .expect("it compresses");
        out.into_inner().into()
    }

    #[test]
    fn every_format_is_told_by_its_bytes() {
        for format in ImageFormat::ALL {
            let Some(library) = library_format(format) else {
                continue;
            };
            let bytes = picture(library);
            let verified = verify(bytes.clone(), 40).expect("a good picture");
            assert_eq!(
                (verified.format, verified.width, verified.height),
                (format, 8, 5)
            );
            assert_eq!(verified.id, ImageId::of(&bytes));
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_with_its_reason() {
        let png = picture(image::ImageFormat::Png);
        let mut huge = png.to_vec();
        huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
        // The header's checksum, so that only the dimensions are at fault.
        huge[29..33].copy_from_slice(&0xE945_6FED_u32.to_be_bytes());
        let reason = |bytes: &[u8]| {
            verify(Bytes::copy_from_slice(bytes), 1_000_000)
                .unwrap_err()
                .reason()
        };
        assert_eq!(reason(b""), "empty_body");
        assert_eq!(
            reason(b"<!doctype html><title>404</title>"),
            "not_a_picture"
        );
        assert_eq!(reason(&png[..12]), "bad_header");
        assert_eq!(reason(&huge), "too_many_pixels");
        assert_eq!(verify(png, 39).unwrap_err().reason(), "too_many_pixels");
    }

    proptest! {
        #[test]
        fn no_bytes_panic_it(format in 0..5usize, tail in prop::collection::vec(any::<u8>(), 0..400)) {
            let library = library_format(ImageFormat::ALL[format]).expect("the library reads the first five");
            let mut bytes = picture(library).to_vec();
            let keep = bytes.len().min(20);
            bytes.truncate(keep);
            bytes.extend(tail);
            let _ = verify(bytes.into(), 1 << 20);
        }
    }
}
