//! The container of an AVIF: how large the picture is, how it is turned, and where the AV1 bytes
//! are that show it. Nothing is decoded.
//!
//! Read are the boxes of ISO/IEC 14496-12 and 23008-12 (HEIF) that an AVIF 1.1 still picture is made
//! of, single or as a grid of tiles, with its alpha, its colours as numbers, its EXIF and its XMP. Any
//! bytes may be given: what is read is bounded in size and count, and copied is nothing but an item
//! that lies in pieces.

mod boxes;
mod meta;
mod obu;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use meta::{Item, Meta, Property};
pub use obu::Stream;

/// The most tiles of a grid, of colour and of alpha each.
pub const MAX_TILES: usize = 256;

/// The longest side of a picture, in pixels: AV1's (specification 5.5.1).
const MAX_SIDE: u32 = 1 << 16;

/// Why an AVIF cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It may be one, once more of it has come.
    #[error("the bytes end early")]
    Short,
    /// It is none.
    #[error("{0}")]
    Broken(&'static str),
    /// It is one of a kind that is not read.
    #[error("{0}: that is not supported")]
    Unsupported(&'static str),
}

/// Colours as numbers (ITU-T H.273): they rule where the AV1 bytes say otherwise (MIAF 7.3.6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nclx {
    /// `ColourPrimaries`
    pub primaries: u16,
    /// `MatrixCoefficients`
    pub matrix: u16,
    /// Whether values use their whole range.
    pub full_range: bool,
}

/// AV1 bytes that make up a picture's colours, or its alpha: one tile or a grid of them, of the same
/// size each, row by row. Those at the right and at the bottom may reach beyond the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer<'a> {
    /// Tiles in a row.
    pub columns: u32,
    /// Pixels across, of one tile.
    pub tile_width: u32,
    /// Pixels down, of one tile.
    pub tile_height: u32,
    /// AV1 low-overhead bytes, a tile each.
    pub tiles: Vec<Cow<'a, [u8]>>,
}

/// A still picture's container.
#[derive(Debug)]
pub struct Avif<'a> {
    file: &'a [u8],
    meta: Meta<'a>,
    /// Pixels across, before it is turned.
    pub width: u32,
    /// Pixels down, before it is turned.
    pub height: u32,
    /// How it is to be turned upright, as EXIF numbers it: 1 to 8; from 5 on, the sides change places.
    pub orientation: u8,
}

impl<'a> Avif<'a> {
    /// Reads the boxes before the picture's own bytes, which need not have come. `file` is the file
    /// or its beginning.
    ///
    /// # Errors
    /// [`Fault`]; [`Fault::Short`] where a longer beginning may say more.
    pub fn read(file: &'a [u8]) -> Result<Self, Fault> {
        let meta = Meta::find(file)?;
        let primary = meta.item(meta.primary)?;
        let (width, height) = meta.extents(primary)?;
        let orientation = orientation(&meta, primary)?;
        Ok(Self {
            file,
            meta,
            width,
            height,
            orientation,
        })
    }

    /// Pixels across and down, once it is turned upright.
    pub fn upright(&self) -> (u32, u32) {
        if self.orientation >= 5 {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }

    /// The picture's colours.
    ///
    /// # Errors
    /// [`Fault`]
    pub fn colour(&self) -> Result<Layer<'a>, Fault> {
        self.layer(self.meta.item(self.meta.primary)?)
    }

    /// The picture's alpha, where it has one, and whether its colours are multiplied by it already.
    ///
    /// # Errors
    /// [`Fault`]
    pub fn alpha(&self) -> Result<Option<(Layer<'a>, bool)>, Fault> {
        const ALPHA: [&[u8]; 2] = [
            b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
            b"urn:mpeg:hevc:2015:auxid:1",
        ];
        let primary = self.meta.primary;
        let is_alpha = |property: &Property<'_>| matches!(property, Property::Auxiliary(kind) if ALPHA.contains(kind));
        for from in self.meta.referring(*b"auxl", primary) {
            let item = self.meta.item(from)?;
            if self.meta.properties(item).any(|(found, _)| is_alpha(found)) {
                let premultiplied = self.meta.refers(*b"prem", primary, from);
                return Ok(Some((self.layer(item)?, premultiplied)));
            }
        }
        Ok(None)
    }

    /// Its colours as numbers, where the container tells them.
    pub fn nclx(&self) -> Option<Nclx> {
        let primary = self.meta.item(self.meta.primary).ok()?;
        self.meta
            .properties(primary)
            .find_map(|(property, _)| match property {
                Property::Nclx(nclx) => Some(*nclx),
                _ => None,
            })
    }

    /// The EXIF block, from its TIFF header on.
    pub fn exif(&self) -> Option<Cow<'a, [u8]>> {
        let block = self.block(|item| item.kind == *b"Exif")?;
        // Where the header begins after this number (ISO/IEC 23008-12, A.2.1).
        let offset = u32::from_be_bytes(*block.first_chunk()?);
        let begin = usize::try_from(offset).ok()?.checked_add(4)?;
        (begin <= block.len()).then(|| match block {
            Cow::Borrowed(block) => Cow::Borrowed(&block[begin..]),
            Cow::Owned(mut block) => Cow::Owned(block.split_off(begin)),
        })
    }

    /// The XMP packet.
    pub fn xmp(&self) -> Option<Cow<'a, [u8]>> {
        self.block(|item| item.kind == *b"mime" && item.mime == b"application/rdf+xml")
    }

    fn block(&self, is_it: impl Fn(&Item<'_>) -> bool) -> Option<Cow<'a, [u8]>> {
        let mut items = self.meta.items.values();
        let item = items.find(|item| is_it(item))?;
        self.meta.data(self.file, item).ok()
    }

    fn layer(&self, item: &Item<'a>) -> Result<Layer<'a>, Fault> {
        let (width, height) = self.meta.extents(item)?;
        if (width, height) != (self.width, self.height) {
            return Err(Fault::Unsupported("an alpha of another size"));
        }
        match &item.kind {
            b"av01" => Ok(Layer {
                columns: 1,
                tile_width: width,
                tile_height: height,
                tiles: vec![self.meta.data(self.file, item)?],
            }),
            b"grid" => self.grid(item),
            _ => Err(Fault::Unsupported("a picture that is no AV1")),
        }
    }

    /// The tiles of a grid (ISO/IEC 23008-12, 6.6.2.3).
    fn grid(&self, item: &Item<'a>) -> Result<Layer<'a>, Fault> {
        let described = self.meta.data(self.file, item)?;
        let (columns, rows, width, height) = boxes::grid(&described)?;
        let tiles: Vec<u32> = self.meta.referred(*b"dimg", item.id).collect();
        if tiles.len() > MAX_TILES {
            return Err(Fault::Unsupported("a grid of that many tiles"));
        }
        if (width, height) != (self.width, self.height)
            || tiles.len() != columns as usize * rows as usize
        {
            return Err(Fault::Broken("the grid is not as its box says"));
        }
        let mut layer = Layer {
            columns,
            tile_width: 0,
            tile_height: 0,
            tiles: Vec::with_capacity(tiles.len()),
        };
        for id in tiles {
            let tile = self.meta.item(id)?;
            let (across, down) = self.meta.extents(tile)?;
            if layer.tiles.is_empty() {
                (layer.tile_width, layer.tile_height) = (across, down);
            }
            if tile.kind != *b"av01" || (across, down) != (layer.tile_width, layer.tile_height) {
                return Err(Fault::Broken("a grid's tile is not as the others"));
            }
            layer.tiles.push(self.meta.data(self.file, tile)?);
        }
        // Every tile is seen, and no pixel is left without one.
        let fits = |side: u32, tile: u32, count: u32| {
            let whole = u64::from(tile) * u64::from(count);
            whole >= side.into() && whole - u64::from(tile) < side.into()
        };
        if fits(width, layer.tile_width, columns) && fits(height, layer.tile_height, rows) {
            Ok(layer)
        } else {
            Err(Fault::Broken("the grid's tiles do not make up its picture"))
        }
    }
}

/// A quarter turn anticlockwise `irot` times, then `imir` (MIAF 7.3.6.7), as EXIF numbers it.
fn orientation(meta: &Meta<'_>, item: &Item<'_>) -> Result<u8, Fault> {
    let (mut turns, mut mirror) = (0, None);
    for (property, essential) in meta.properties(item) {
        match property {
            Property::Turn(quarters) => turns = *quarters,
            Property::Mirror(axis) => mirror = Some(*axis),
            Property::Other if essential => {
                return Err(Fault::Unsupported("an essential property of another kind"));
            }
            _ => {}
        }
    }
    Ok(match (turns, mirror) {
        (0, None) => 1,
        (0, Some(1)) => 2,
        (0, Some(_)) => 4,
        (1, None) => 8,
        (1, Some(1)) => 7,
        (1, Some(_)) => 5,
        (2, None) => 3,
        (2, Some(1)) => 4,
        (2, Some(_)) => 2,
        (_, None) => 6,
        (_, Some(1)) => 5,
        (_, Some(_)) => 7,
    })
}
