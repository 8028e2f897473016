//! The `meta` box: items, their properties, their references, and where their bytes lie.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::boxes::{self, Head, Reader};
use crate::{Fault, MAX_SIDE, Nclx};

/// The largest `meta` box. One of 256 tiles has about 20 KiB; EXIF and XMP lie outside.
const MAX_META: u64 = 1 << 20;
/// Boxes before it that are passed over.
const MAX_BOXES: usize = 64;
/// Items, properties, and properties or extents of an item, at most.
const MAX_ITEMS: usize = 2_048;
const MAX_PROPERTIES: usize = 2_048;
const MAX_PARTS: usize = 64;
/// References from an item to another.
const MAX_REFERENCES: usize = 8_192;

/// What the box says.
#[derive(Debug, Default)]
pub(crate) struct Meta<'a> {
    pub(crate) primary: u32,
    pub(crate) items: BTreeMap<u32, Item<'a>>,
    properties: Vec<Property<'a>>,
    /// Kind, from, to.
    references: Vec<([u8; 4], u32, u32)>,
    idat: &'a [u8],
}

#[derive(Debug, Default)]
pub(crate) struct Item<'a> {
    pub(crate) id: u32,
    pub(crate) kind: [u8; 4],
    /// The media type of one of the kind `mime`.
    pub(crate) mime: &'a [u8],
    /// Positions from 1, and whether whoever does not know the property must not show the item.
    properties: Vec<(u16, bool)>,
    /// Whether the extents are of the `idat` box.
    in_idat: bool,
    /// Begin and length; without a length to the end.
    extents: Vec<(u64, u64)>,
}

#[derive(Debug)]
pub(crate) enum Property<'a> {
    Extents(u32, u32),
    /// Quarter turns anticlockwise.
    Turn(u8),
    /// 0: top and bottom change places; 1: left and right.
    Mirror(u8),
    Nclx(Nclx),
    /// What the item is beside another one.
    Auxiliary(&'a [u8]),
    /// One that changes nothing here: the decoder's configuration, ICC profiles, layers, a clean
    /// aperture (which other decoders leave to their callers, too).
    Known,
    Other,
}

impl<'a> Meta<'a> {
    /// Finds the box among those that a file begins with.
    pub(crate) fn find(file: &'a [u8]) -> Result<Self, Fault> {
        let mut at = 0_usize;
        for _ in 0..MAX_BOXES {
            let rest = file.get(at..).ok_or(Fault::Short)?;
            let Head { kind, length, size } = boxes::head(rest)?.ok_or(Fault::Short)?;
            if at == 0 && kind != *b"ftyp" {
                return Err(Fault::Broken("the file begins with no `ftyp` box"));
            }
            if kind == *b"meta" {
                let size = size.unwrap_or(rest.len() as u64);
                if size > MAX_META {
                    return Err(Fault::Unsupported("a `meta` box above 1 MiB"));
                }
                let body = rest.get(length..size as usize).ok_or(Fault::Short)?;
                return Self::read(Reader(body));
            }
            let size = size.ok_or(Fault::Broken("there is no `meta` box"))?;
            let size = usize::try_from(size).map_err(|_| Fault::Short)?;
            at = at.checked_add(size).ok_or(Fault::Short)?;
        }
        Err(Fault::Unsupported("that many boxes before `meta`"))
    }

    fn read(mut body: Reader<'a>) -> Result<Self, Fault> {
        let mut meta = Self::default();
        body.version()?;
        let mut handler = None;
        while let Some(found) = body.next_box()? {
            let mut inner = found.body;
            match &found.kind {
                b"hdlr" => {
                    inner.take(8)?;
                    handler = Some(inner.four()?);
                }
                b"pitm" => {
                    let (version, _) = inner.version()?;
                    meta.primary = id(&mut inner, version >= 1)?;
                }
                b"iinf" => meta.infos(inner)?,
                b"iloc" => meta.locations(inner)?,
                b"iref" => meta.refer(inner)?,
                b"iprp" => meta.describe(inner)?,
                b"idat" => meta.idat = inner.0,
                _ => {}
            }
        }
        match handler {
            Some(kind) if kind == *b"pict" => Ok(meta),
            _ => Err(Fault::Broken("the `meta` box is not about a picture")),
        }
    }

    fn entry(&mut self, id: u32) -> Result<&mut Item<'a>, Fault> {
        if self.items.len() >= MAX_ITEMS && !self.items.contains_key(&id) {
            return Err(Fault::Unsupported("that many items"));
        }
        let item = self.items.entry(id).or_default();
        item.id = id;
        Ok(item)
    }

    /// `iinf`: what each item is.
    fn infos(&mut self, mut body: Reader<'a>) -> Result<(), Fault> {
        let (version, _) = body.version()?;
        body.take(if version == 0 { 2 } else { 4 })?;
        while let Some(found) = body.next_box()? {
            let mut info = found.body;
            let (version, _) = info.version()?;
            if found.kind != *b"infe" || version < 2 {
                continue;
            }
            let id = id(&mut info, version >= 3)?;
            let protected = info.u16()? != 0;
            let kind = info.four()?;
            let item = self.entry(id)?;
            if !protected {
                item.kind = kind;
            }
            if kind == *b"mime" {
                let _name = info.text();
                item.mime = info.text();
            }
        }
        Ok(())
    }

    /// `iloc`: where each item's bytes lie.
    fn locations(&mut self, mut body: Reader<'a>) -> Result<(), Fault> {
        let (version, _) = body.version()?;
        if version > 2 {
            return Err(Fault::Unsupported("an `iloc` box of that version"));
        }
        let sizes = body.u16()?;
        let size = |shift: u32| usize::from((sizes >> shift) & 15);
        let (offset, length, base) = (size(12), size(8), size(4));
        let index = if version >= 1 { size(0) } else { 0 };
        if [offset, length, base, index]
            .iter()
            .any(|size| ![0, 4, 8].contains(size))
        {
            return Err(Fault::Broken("the `iloc` box has numbers of no size"));
        }
        let count = id(&mut body, version == 2)?;
        for _ in 0..count {
            let id = id(&mut body, version == 2)?;
            let method = if version >= 1 { body.u16()? & 15 } else { 0 };
            let elsewhere = body.u16()? != 0 || method > 1;
            let base = body.uint(base)?;
            let extents = body.u16()?;
            let item = self.entry(id)?;
            item.in_idat = method == 1;
            item.extents.clear();
            if usize::from(extents) > MAX_PARTS {
                return Err(Fault::Unsupported("an item of that many pieces"));
            }
            for _ in 0..extents {
                body.take(index)?;
                let begin = base.checked_add(body.uint(offset)?);
                let begin = begin.ok_or(Fault::Broken("an item lies beyond all files"))?;
                let length = body.uint(length)?;
                // One that lies in another file, or in another item, has no bytes here.
                if !elsewhere {
                    item.extents.push((begin, length));
                }
            }
        }
        Ok(())
    }

    /// `iref`: which item refers to which.
    fn refer(&mut self, mut body: Reader<'a>) -> Result<(), Fault> {
        let (version, _) = body.version()?;
        while let Some(found) = body.next_box()? {
            let mut inner = found.body;
            let from = id(&mut inner, version >= 1)?;
            for _ in 0..inner.u16()? {
                let to = id(&mut inner, version >= 1)?;
                if self.references.len() >= MAX_REFERENCES {
                    return Err(Fault::Unsupported("that many references"));
                }
                self.references.push((found.kind, from, to));
            }
        }
        Ok(())
    }

    /// `iprp`: the properties, and whose they are.
    fn describe(&mut self, mut body: Reader<'a>) -> Result<(), Fault> {
        while let Some(found) = body.next_box()? {
            match &found.kind {
                b"ipco" => self.keep_properties(found.body)?,
                b"ipma" => self.associate(found.body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn keep_properties(&mut self, mut body: Reader<'a>) -> Result<(), Fault> {
        while let Some(found) = body.next_box()? {
            if self.properties.len() >= MAX_PROPERTIES {
                return Err(Fault::Unsupported("that many properties"));
            }
            let mut inner = found.body;
            self.properties.push(match &found.kind {
                b"ispe" => {
                    inner.version()?;
                    Property::Extents(inner.u32()?, inner.u32()?)
                }
                b"irot" => Property::Turn(inner.u8()? & 3),
                b"imir" => Property::Mirror(inner.u8()? & 1),
                b"colr" => boxes::colr(inner)?.map_or(Property::Known, Property::Nclx),
                b"auxC" => {
                    inner.version()?;
                    Property::Auxiliary(inner.text())
                }
                b"av1C" | b"pixi" | b"pasp" | b"clap" | b"a1op" | b"lsel" | b"a1lx" | b"clli"
                | b"mdcv" => Property::Known,
                _ => Property::Other,
            });
        }
        Ok(())
    }

    fn associate(&mut self, mut body: Reader<'a>) -> Result<(), Fault> {
        let (version, flags) = body.version()?;
        for _ in 0..body.u32()? {
            let id = id(&mut body, version >= 1)?;
            let count = body.u8()?;
            let item = self.entry(id)?;
            for _ in 0..count {
                let (position, essential) = if flags & 1 == 1 {
                    let word = body.u16()?;
                    (word & 0x7FFF, word & 0x8000 != 0)
                } else {
                    let byte = body.u8()?;
                    (u16::from(byte & 0x7F), byte & 0x80 != 0)
                };
                if item.properties.len() >= MAX_PARTS {
                    return Err(Fault::Unsupported("an item of that many properties"));
                }
                item.properties.push((position, essential));
            }
        }
        Ok(())
    }

    pub(crate) fn item(&self, id: u32) -> Result<&Item<'a>, Fault> {
        self.items
            .get(&id)
            .ok_or(Fault::Broken("an item is missing"))
    }

    /// An item's properties, and whether each is essential.
    pub(crate) fn properties(
        &self,
        item: &Item<'a>,
    ) -> impl Iterator<Item = (&Property<'a>, bool)> {
        item.properties.iter().filter_map(|(position, essential)| {
            let position = usize::from(*position).checked_sub(1)?;
            Some((self.properties.get(position)?, *essential))
        })
    }

    /// Pixels across and down, as the item's bytes have them.
    pub(crate) fn extents(&self, item: &Item<'a>) -> Result<(u32, u32), Fault> {
        let found = self
            .properties(item)
            .find_map(|(property, _)| match property {
                Property::Extents(width, height) => Some((*width, *height)),
                _ => None,
            });
        let (width, height) = found.ok_or(Fault::Broken("a picture's size is missing"))?;
        if width > MAX_SIDE || height > MAX_SIDE {
            return Err(Fault::Broken("a picture is larger than AV1 allows"));
        }
        Ok((width, height))
    }

    /// Items that refer to one.
    pub(crate) fn referring(&self, kind: [u8; 4], to: u32) -> impl Iterator<Item = u32> {
        let of_kind = self.references.iter().filter(move |found| found.0 == kind);
        of_kind
            .filter(move |found| found.2 == to)
            .map(|found| found.1)
    }

    /// Items that one refers to, in its order.
    pub(crate) fn referred(&self, kind: [u8; 4], from: u32) -> impl Iterator<Item = u32> {
        let of_kind = self.references.iter().filter(move |found| found.0 == kind);
        of_kind
            .filter(move |found| found.1 == from)
            .map(|found| found.2)
    }

    pub(crate) fn refers(&self, kind: [u8; 4], from: u32, to: u32) -> bool {
        self.references.contains(&(kind, from, to))
    }

    /// An item's bytes: at most as many as the file has.
    pub(crate) fn data(&self, file: &'a [u8], item: &Item<'a>) -> Result<Cow<'a, [u8]>, Fault> {
        let whole = if item.in_idat { self.idat } else { file };
        let piece = |(begin, length): &(u64, u64)| {
            let begin = usize::try_from(*begin).map_err(|_| Fault::Short)?;
            let rest = whole.get(begin..).ok_or(Fault::Short)?;
            match usize::try_from(*length) {
                Ok(0) => Ok(rest),
                Ok(length) => rest.get(..length).ok_or(Fault::Short),
                Err(_) => Err(Fault::Short),
            }
        };
        match item.extents.as_slice() {
            [] => Err(Fault::Broken("an item has no bytes")),
            [only] => Ok(Cow::Borrowed(piece(only)?)),
            pieces => {
                let mut bytes = Vec::new();
                for found in pieces {
                    bytes.extend_from_slice(piece(found)?);
                    if bytes.len() > file.len() {
                        return Err(Fault::Broken("an item is longer than its file"));
                    }
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

fn id(reader: &mut Reader<'_>, long: bool) -> Result<u32, Fault> {
    if long {
        reader.u32()
    } else {
        reader.u16().map(u32::from)
    }
}
