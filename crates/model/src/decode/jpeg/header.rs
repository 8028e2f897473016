//! The markers of a JPEG before its first scan: ITU-T T.81, JFIF, Exif, ICC.1 and Adobe's marker.

/// What is wrong with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end before the first scan.
    Short,
    /// They are no JPEG's.
    Broken(&'static str),
    /// They are a JPEG's that is not decoded here.
    Unsupported(&'static str),
}

/// A part of the picture's colours, and how many samples it has in a block of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Component {
    across: u64,
    down: u64,
}

/// What a JPEG says before its first scan.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    components: Vec<Component>,
    /// Whether all coefficients are kept until the last scan was read.
    in_many_scans: bool,
    /// The TIFF block, without its name.
    pub(super) exif: Option<&'a [u8]>,
    /// The parts of the ICC profile: number, count, bytes.
    profile: Vec<(u8, u8, &'a [u8])>,
    /// Where the first scan begins.
    data: usize,
    /// Segments from which a copy without oddities is made; none where there is nothing odd.
    odd: Option<Vec<Segment<'a>>>,
}

/// A marker and what follows it, its length left out.
type Segment<'a> = (u8, &'a [u8]);

const JFIF: u8 = 0xE0;
const EXIF: u8 = 0xE1;
const ICC: u8 = 0xE2;
const ADOBE: u8 = 0xEE;
const SCAN: u8 = 0xDA;

impl<'a> Header<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut reader = Reader {
            bytes,
            at: 2,
            skipped: false,
        };
        if bytes.len() < 2 {
            return Err(Fault::Short);
        }
        if !bytes.starts_with(&[0xFF, 0xD8]) {
            return Err(Fault::Broken("it begins as no JPEG does"));
        }
        let (mut segments, mut frame) = (Vec::new(), None);
        loop {
            let (marker, body) = reader.segment()?;
            segments.push((marker, body));
            match marker {
                0xC0..=0xC2 if frame.is_some() => return Err(Fault::Broken("it has two frames")),
                0xC0..=0xC2 => frame = Some((marker == 0xC2, body)),
                0xC3 => return Err(Fault::Unsupported("lossless coding")),
                0xC9 | 0xCA => return Err(Fault::Unsupported("arithmetic coding")),
                0xC5..=0xC7 | 0xCB | 0xCD..=0xCF => {
                    return Err(Fault::Unsupported("a lossless or hierarchical frame"));
                }
                SCAN => break,
                _ => {}
            }
        }
        let (progressive, frame) = frame.ok_or(Fault::Broken("a scan comes before its frame"))?;
        let [precision, h1, h0, w1, w0, count, rest @ ..] = frame else {
            return Err(Fault::Broken("the frame's segment is too short"));
        };
        match precision {
            8 => {}
            12 => return Err(Fault::Unsupported("values of 12 bits")),
            _ => return Err(Fault::Unsupported("values of other than 8 bits")),
        }
        let components = components(*count, rest)?;
        let scan = segments.last().and_then(|(_, body)| body.first());
        let mut header = Self {
            width: u16::from_be_bytes([*w1, *w0]).into(),
            height: u16::from_be_bytes([*h1, *h0]).into(),
            in_many_scans: progressive || scan != Some(count),
            components,
            exif: None,
            profile: Vec::new(),
            data: reader.at,
            odd: None,
        };
        let mut odd = reader.skipped;
        for (marker, body) in &segments {
            odd |= repaired(*marker, body, *count).is_some();
            match *marker {
                EXIF => {
                    let block = body.strip_prefix(b"Exif\0\0");
                    header.exif = header.exif.or(block);
                }
                ICC => {
                    if let Some([number, count, part @ ..]) = body.strip_prefix(b"ICC_PROFILE\0") {
                        header.profile.push((*number, *count, part));
                    }
                }
                _ => {}
            }
        }
        header.odd = odd.then_some(segments);
        Ok(header)
    }

    /// Whether colours are cyan, magenta, yellow and black.
    pub(super) fn is_cmyk(&self) -> bool {
        self.components.len() == 4
    }

    /// Whether there is but light and dark.
    pub(super) fn is_grey(&self) -> bool {
        self.components.len() == 1
    }

    /// The ICC profile, where each of its parts is there.
    pub(super) fn profile(&self) -> Option<Vec<u8>> {
        let mut parts = self.profile.clone();
        parts.sort_by_key(|(number, ..)| *number);
        let count = parts.len();
        let whole = parts
            .iter()
            .zip(1..)
            .all(|((number, of, _), expected)| *number == expected && usize::from(*of) == count);
        (count > 0 && whole).then(|| parts.iter().flat_map(|(.., part)| *part).copied().collect())
    }

    /// Bytes of memory that the decoder itself takes: two strips of each component in full size, and
    /// 16 bits for each coefficient where all are kept.
    pub(super) fn memory(&self) -> u64 {
        let most = |of: fn(&Component) -> u64| self.components.iter().map(of).max().unwrap_or(1);
        let (most_across, most_down) = (most(|part| part.across), most(|part| part.down));
        let blocks_across = u64::from(self.width).div_ceil(8 * most_across);
        let blocks_down = u64::from(self.height).div_ceil(8 * most_down);
        let strip = blocks_across * most_across * 8 * most_down * 8;
        let strips = 2 * strip * self.components.len() as u64;
        if !self.in_many_scans {
            return strips;
        }
        let coefficients: u64 = self
            .components
            .iter()
            .map(|part| blocks_across * part.across * blocks_down * part.down * 64)
            .sum();
        strips + 2 * coefficients
    }

    /// Whether the scans have an end. Within a scan no other marker can be mistaken for it.
    pub(super) fn has_end(&self, bytes: &[u8]) -> bool {
        bytes[self.data..]
            .windows(2)
            .any(|pair| pair == [0xFF, 0xD9])
    }

    /// The same picture with a header that has nothing odd, where this one has: the decoder
    /// takes none of what others pass over.
    pub(super) fn repaired(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let segments = self.odd.as_ref()?;
        let count = self.components.len() as u8;
        let mut copy = Vec::with_capacity(bytes.len());
        copy.extend([0xFF, 0xD8]);
        for (marker, body) in segments {
            let length = u16::try_from(body.len() + 2).expect("it was read from 16 bits");
            copy.extend([0xFF, *marker]);
            copy.extend(length.to_be_bytes());
            let begin = copy.len();
            copy.extend(*body);
            if let Some((at, value)) = repaired(*marker, body, count) {
                copy[begin + at] = value;
            }
        }
        copy.extend(&bytes[self.data..]);
        Some(copy)
    }
}

/// The byte that is put in place of one that the decoder complains of, in a picture of `count`
/// components: it then does what it would have done anyway.
fn repaired(marker: u8, body: &[u8], count: u8) -> Option<(usize, u8)> {
    match (marker, body) {
        // Only the first major version exists.
        (JFIF, [b'J', b'F', b'I', b'F', 0, major, ..]) if *major != 1 => Some((5, 1)),
        // How colours were transformed: not at all, to YCbCr, to YCCK. Others are taken as the one
        // that fits.
        (
            ADOBE,
            [
                b'A',
                b'd',
                b'o',
                b'b',
                b'e',
                _,
                _,
                _,
                _,
                _,
                _,
                transform,
                ..,
            ],
        ) => {
            let usual = if count == 4 { 2 } else { 1 };
            (*transform != 0 && *transform != usual).then_some((11, usual))
        }
        _ => None,
    }
}

fn components(count: u8, specification: &[u8]) -> Result<Vec<Component>, Fault> {
    if !matches!(count, 1 | 3 | 4) {
        return Err(Fault::Unsupported(
            "a number of colours that is not 1, 3 or 4",
        ));
    }
    let (each, rest) = specification.as_chunks::<3>();
    if each.len() != usize::from(count) || !rest.is_empty() {
        return Err(Fault::Broken("the frame's segment has another length"));
    }
    let components: Vec<Component> = each
        .iter()
        .map(|[_, sampling, _]| Component {
            across: (sampling >> 4).into(),
            down: (sampling & 15).into(),
        })
        .collect();
    let fits = |part: &Component| (1..=4).contains(&part.across) && (1..=4).contains(&part.down);
    if components.iter().all(fits) {
        Ok(components)
    } else {
        Err(Fault::Broken("a sampling factor is not 1 to 4"))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether bytes that belong to nothing were skipped.
    skipped: bool,
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Short)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next marker and what belongs to it.
    fn segment(&mut self) -> Result<Segment<'a>, Fault> {
        loop {
            while self.byte()? != 0xFF {
                self.skipped = true;
            }
            let mut marker = self.byte()?;
            while marker == 0xFF {
                marker = self.byte()?;
            }
            match marker {
                // A stuffed byte belongs to nothing here.
                0 => self.skipped = true,
                // They stand alone, and are passed over.
                0x01 | 0xD0..=0xD7 => {}
                0xD8 => return Err(Fault::Broken("a picture begins within its header")),
                0xD9 => return Err(Fault::Broken("it ends before its first scan")),
                _ => break self.body().map(|body| (marker, body)),
            }
        }
    }

    fn body(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::from(u16::from_be_bytes([self.byte()?, self.byte()?]));
        let length = length
            .checked_sub(2)
            .ok_or(Fault::Broken("a segment's length is less than itself"))?;
        let body = self.bytes.get(self.at..self.at + length);
        self.at += length;
        body.ok_or(Fault::Short)
    }
}
