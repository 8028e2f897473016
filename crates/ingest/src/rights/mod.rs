//! What a picture's file says of its rights: XMP before IPTC before EXIF, field by field.
//!
//! Any bytes are read, nothing fails. Each block is read to [`MAX_BLOCK`] bytes, each text is one
//! line of at most [`MAX_TEXT`] characters, and addresses are those of the web.

mod exif;
mod iptc;
mod xmp;

use std::borrow::Cow;

use image::ImageDecoder;
use time::OffsetDateTime;
use tusou_avif::Avif;
use tusou_contract::{ImageFormat, SightingRights};

use crate::address::Address;
use crate::text::line;

/// The most bytes that are read of one block of metadata.
pub const MAX_BLOCK: usize = 256 * 1024;
/// The longest text, in characters.
pub const MAX_TEXT: usize = 1_000;

/// What a file says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Embedded {
    pub(crate) rights: SightingRights,
    pub(crate) taken_at: Option<OffsetDateTime>,
}

/// A picture's blocks of metadata; empty where there is none.
#[derive(Debug, Default)]
pub(crate) struct Blocks<'b> {
    /// As the container holds it.
    pub(crate) exif: Cow<'b, [u8]>,
    iptc: Cow<'b, [u8]>,
    xmp: Cow<'b, [u8]>,
}

impl<'b> Blocks<'b> {
    /// Finds them in a picture whose header `decoder` has read.
    pub(crate) fn of(
        bytes: &'b [u8],
        format: ImageFormat,
        decoder: &mut impl ImageDecoder,
    ) -> Self {
        match format {
            // The decoders would read the header anew for each block, or as much as a chunk claims.
            ImageFormat::Jpeg => Self::of_jpeg(bytes),
            ImageFormat::Webp => Self::of_webp(bytes),
            ImageFormat::Png | ImageFormat::Gif => {
                let block = |read: image::ImageResult<Option<Vec<u8>>>| {
                    let mut block = read.ok().flatten().unwrap_or_default();
                    block.truncate(MAX_BLOCK);
                    block
                };
                let iptc = block(decoder.iptc_metadata());
                Self {
                    exif: block(decoder.exif_metadata()).into(),
                    iptc: iptc::raw_profile(&iptc).unwrap_or_default().into(),
                    xmp: block(decoder.xmp_metadata()).into(),
                }
            }
            ImageFormat::Bmp | ImageFormat::Avif => Self::default(),
        }
    }

    /// The segments of a JPEG (ITU-T T.81, B.1.1) before its first scan. A segment holds less than
    /// 64 KiB, and Photoshop's resources may go on in the next one.
    fn of_jpeg(bytes: &'b [u8]) -> Self {
        let mut blocks = Self::default();
        let mut resources = Vec::new();
        for (marker, segment) in Segments(bytes.get(2..).unwrap_or_default()) {
            if marker == 0xE1 && segment.starts_with(b"Exif\0\0") {
                // Of several the last: by that one the decoder turns the picture.
                blocks.exif = segment[6..].into();
            } else if marker == 0xE1
                && blocks.xmp.is_empty()
                && let Some(packet) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0")
            {
                blocks.xmp = packet.into();
            } else if marker == 0xED
                && let Some(more) = segment.strip_prefix(b"Photoshop 3.0\0")
            {
                let room = MAX_BLOCK - resources.len();
                resources.extend_from_slice(&more[..more.len().min(room)]);
            }
        }
        blocks.iptc = resources.into();
        blocks
    }

    /// The chunks of a WebP (RFC 9649).
    fn of_webp(bytes: &'b [u8]) -> Self {
        let mut blocks = Self::default();
        for (name, chunk) in Chunks(bytes.get(12..).unwrap_or_default()) {
            let block = match name {
                b"EXIF" => &mut blocks.exif,
                b"XMP " => &mut blocks.xmp,
                _ => continue,
            };
            if block.is_empty() {
                *block = chunk[..chunk.len().min(MAX_BLOCK)].into();
            }
        }
        blocks
    }

    /// The items of an AVIF.
    pub(crate) fn of_avif(avif: &Avif<'b>) -> Self {
        let cut = |block: Option<Cow<'b, [u8]>>| match block.unwrap_or_default() {
            Cow::Borrowed(block) => block[..block.len().min(MAX_BLOCK)].into(),
            Cow::Owned(mut block) => {
                block.truncate(MAX_BLOCK);
                block.into()
            }
        };
        Self {
            exif: cut(avif.exif()),
            xmp: cut(avif.xmp()),
            ..Self::default()
        }
    }

    /// What they say.
    pub(crate) fn read(&self) -> Embedded {
        let mut embedded = Embedded::default();
        if !self.xmp.is_empty() {
            embedded.rights = xmp::read(&self.xmp);
        }
        if !self.iptc.is_empty() {
            embedded.rights.complete(iptc::read(&self.iptc));
        }
        if !self.exif.is_empty() {
            let (rights, taken_at) = exif::read(&self.exif);
            embedded.rights.complete(rights);
            embedded.taken_at = taken_at;
        }
        embedded
    }
}

/// Marker and content of each segment.
struct Segments<'b>(&'b [u8]);

impl<'b> Iterator for Segments<'b> {
    type Item = (u8, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            // Any number of fill bytes may come before a marker, and some writers leave others there.
            let start = self.0.iter().position(|byte| *byte == 0xFF)?;
            let marked = &self.0[start..];
            let fill = marked.iter().take_while(|byte| **byte == 0xFF).count();
            let (marker, rest) = marked[fill..].split_first()?;
            match marker {
                // The picture's own data, or its end.
                0xDA | 0xD9 => return None,
                // These have no content.
                0x00 | 0x01 | 0xD0..=0xD8 => self.0 = rest,
                _ => {
                    let (size, _) = rest.split_first_chunk::<2>()?;
                    let size = usize::from(u16::from_be_bytes(*size));
                    let content = rest.get(2..size)?;
                    self.0 = &rest[size..];
                    return Some((*marker, content));
                }
            }
        }
    }
}

/// Name and content of each chunk that is whole.
pub(crate) struct Chunks<'b>(pub(crate) &'b [u8]);

impl<'b> Iterator for Chunks<'b> {
    type Item = (&'b [u8; 4], &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.0.split_first_chunk::<4>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let content = rest.get(..size)?;
        // A content is padded to an even length, of which the last one's may lack.
        let next = size.checked_next_multiple_of(2)?;
        self.0 = rest.get(next..).unwrap_or_default();
        Some((name, content))
    }
}

/// A text of a file: one line, never empty.
fn text(words: &str) -> Option<String> {
    line(words, MAX_TEXT)
}

/// Several names, each once, as EXIF writes them in one.
fn joined(names: Vec<String>) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for name in names {
        if !told.contains(&name) && told.len() < 32 {
            told.push(name);
        }
    }
    text(&told.join("; "))
}

/// An address of the web, in its normal form.
fn web_url(words: &str) -> Option<String> {
    let address = Address::parse(words).ok()?;
    Some(address.as_str().to_owned())
}

/// Text without a declared character set: UTF-8 where it is that, else Latin-1. Texts in Latin-1 with
/// letters beyond ASCII are next to never UTF-8 by chance.
fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes
            .iter()
            .copied()
            .map(char::from)
            .collect::<String>()
            .into(),
    }
}
