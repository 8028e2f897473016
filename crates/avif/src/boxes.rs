//! Numbers and boxes of a slice of bytes.

use crate::{Fault, Nclx};

/// The first bytes of a slice that is taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

/// A box within another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inner<'a> {
    pub(crate) kind: [u8; 4],
    pub(crate) body: Reader<'a>,
}

const TOO_SHORT: Fault = Fault::Broken("a box is too short for what it holds");

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(TOO_SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    /// An unsigned number of so many bytes, eight at most; 0 of none.
    pub(crate) fn uint(&mut self, bytes: usize) -> Result<u64, Fault> {
        let number = self.take(bytes)?.iter();
        Ok(number.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.uint(2)
            .map(|number| u16::try_from(number).expect("two bytes"))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.uint(4)
            .map(|number| u32::try_from(number).expect("four bytes"))
    }

    pub(crate) fn four(&mut self) -> Result<[u8; 4], Fault> {
        Ok(*self.take(4)?.first_chunk().expect("four were taken"))
    }

    /// A text up to its zero, or to the end.
    pub(crate) fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (text, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        text
    }

    /// The version and the flags that a full box begins with.
    pub(crate) fn version(&mut self) -> Result<(u8, u32), Fault> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00FF_FFFF))
    }

    /// The next of the boxes that fill a box.
    pub(crate) fn next_box(&mut self) -> Result<Option<Inner<'a>>, Fault> {
        if self.is_empty() {
            return Ok(None);
        }
        let Head { kind, length, size } = head(self.0)?.ok_or(TOO_SHORT)?;
        let size = size.unwrap_or(self.0.len() as u64);
        let size = usize::try_from(size).map_err(|_| TOO_SHORT)?;
        let body = Reader(&self.take(size)?[length..]);
        Ok(Some(Inner { kind, body }))
    }
}

/// What a box begins with.
pub(crate) struct Head {
    pub(crate) kind: [u8; 4],
    /// Its own length.
    pub(crate) length: usize,
    /// The whole box's length; `None` where that goes on to the end.
    pub(crate) size: Option<u64>,
}

/// A box's head; `None` where it is cut.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    let Some([a, b, c, d, kind @ ..]) = bytes.first_chunk::<8>() else {
        return Ok(None);
    };
    let size = u32::from_be_bytes([*a, *b, *c, *d]);
    let (length, size) = match size {
        0 => (8, None),
        1 => match bytes[8..].first_chunk() {
            Some(long) => (16, Some(u64::from_be_bytes(*long))),
            None => return Ok(None),
        },
        size => (8, Some(size.into())),
    };
    if size.is_some_and(|size| size < length as u64) {
        return Err(Fault::Broken("a box is shorter than its head"));
    }
    Ok(Some(Head {
        kind: *kind,
        length,
        size,
    }))
}

/// Columns, rows, width and height of a grid.
pub(crate) fn grid(described: &[u8]) -> Result<(u32, u32, u32, u32), Fault> {
    let mut reader = Reader(described);
    let version = reader.u8()?;
    let large = reader.u8()? & 1 == 1;
    if version != 0 {
        return Err(Fault::Unsupported("a grid of that version"));
    }
    let (rows, columns) = (u32::from(reader.u8()?) + 1, u32::from(reader.u8()?) + 1);
    let mut side = || match large {
        true => reader.u32(),
        false => reader.u16().map(u32::from),
    };
    Ok((columns, rows, side()?, side()?))
}

/// A `colr` box that holds numbers; an ICC profile is none.
pub(crate) fn colr(mut body: Reader<'_>) -> Result<Option<Nclx>, Fault> {
    if body.four()? != *b"nclx" {
        return Ok(None);
    }
    let (primaries, _transfer, matrix) = (body.u16()?, body.u16()?, body.u16()?);
    Ok(Some(Nclx {
        primaries,
        matrix,
        full_range: body.u8()? & 0x80 != 0,
    }))
}
