//! What AV1 bytes promise: the sequence header (AV1 specification, 5.5), and how many frames follow.
//!
//! A decoder allocates by these before it can be asked, so they are read first.

use crate::Fault;

/// Units of a picture, at most: a frame may come in as many tile groups.
const MAX_UNITS: usize = 4_096;

/// What a decoder is about to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Pixels across, of the largest frame.
    pub width: u32,
    /// Pixels down, of the largest frame.
    pub height: u32,
    /// 8, 10 or 12 bits of each value.
    pub bits: u8,
    /// Whether there is no chroma.
    pub monochrome: bool,
    /// How many times narrower and lower chroma is: 1 or 2 each.
    pub subsampling: (u32, u32),
    /// Frames, hidden ones and layers included: the most that are held at once, with the one that is
    /// shown.
    pub frames: usize,
}

impl Stream {
    /// Reads an item's bytes: units with their sizes (AV1 specification, 5.3).
    ///
    /// # Errors
    /// [`Fault`]
    pub fn read(mut bytes: &[u8]) -> Result<Self, Fault> {
        let mut stream: Option<Self> = None;
        let mut frames = 0;
        for _ in 0..MAX_UNITS {
            let Some((&head, rest)) = bytes.split_first() else {
                break;
            };
            let (kind, extended, sized) = ((head >> 3) & 15, head & 4 != 0, head & 2 != 0);
            let rest = if extended {
                rest.get(1..).ok_or(Fault::Short)?
            } else {
                rest
            };
            let (size, rest) = if sized {
                leb128(rest)?
            } else {
                (rest.len(), rest)
            };
            let (body, rest) = rest.split_at_checked(size).ok_or(Fault::Short)?;
            match kind {
                1 => {
                    let next = sequence(body)?;
                    // The decoder begins anew where it differs: what was read first no longer holds.
                    if stream.is_some_and(|stream| stream != next) {
                        return Err(Fault::Unsupported("a second sequence of frames"));
                    }
                    stream = Some(next);
                }
                // Frame headers, and frames with theirs.
                3 | 6 => frames += 1,
                _ => {}
            }
            bytes = rest;
        }
        if !bytes.is_empty() {
            return Err(Fault::Unsupported("that many units of AV1"));
        }
        let stream = stream.ok_or(Fault::Broken("there is no sequence header"))?;
        Ok(Self { frames, ..stream })
    }

    /// Bytes of a decoded frame: its planes, as the decoder sets them aside.
    pub fn frame_bytes(&self) -> u64 {
        // Planes are whole blocks of 128, and a little longer.
        let whole = |side: u32| u64::from(side.next_multiple_of(128)) + 64;
        let luma = whole(self.width) * whole(self.height);
        let (across, down) = self.subsampling;
        let chroma = match self.monochrome {
            true => 0,
            false => 2 * luma / u64::from(across * down),
        };
        (luma + chroma) * if self.bits > 8 { 2 } else { 1 }
    }
}

/// A number in up to eight bytes of seven bits (AV1 specification, 4.10.5).
fn leb128(bytes: &[u8]) -> Result<(usize, &[u8]), Fault> {
    let mut value = 0_u64;
    for (position, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            let size = usize::try_from(value).map_err(|_| Fault::Short)?;
            return Ok((size, &bytes[position + 1..]));
        }
    }
    Err(Fault::Short)
}

/// Bits, the highest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next up to 32 bits.
    fn read(&mut self, count: u32) -> Result<u32, Fault> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8);
            let byte = byte.ok_or(Fault::Broken("the sequence header ends early"))?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    fn flag(&mut self) -> Result<bool, Fault> {
        Ok(self.read(1)? == 1)
    }

    fn skip(&mut self, count: u32) {
        self.at += count as usize;
    }

    /// A number that tells its own length (4.10.3), not wanted.
    fn skip_uvlc(&mut self) -> Result<(), Fault> {
        for zeros in 0..32 {
            if self.flag()? {
                self.skip(zeros);
                return Ok(());
            }
        }
        Ok(())
    }
}

fn sequence(bytes: &[u8]) -> Result<Stream, Fault> {
    let mut bits = Bits { bytes, at: 0 };
    let profile = bits.read(3)?;
    bits.skip(1);
    let reduced = bits.flag()?;
    if reduced {
        bits.skip(5);
    } else {
        skip_operating_points(&mut bits)?;
    }
    let (across, down) = (bits.read(4)? + 1, bits.read(4)? + 1);
    let (width, height) = (bits.read(across)? + 1, bits.read(down)? + 1);
    if !reduced && bits.flag()? {
        // Lengths of frame ids.
        bits.skip(7);
    }
    // Large blocks, and two filters of prediction within a frame.
    bits.skip(3);
    if !reduced {
        skip_prediction(&mut bits)?;
    }
    // Super-resolution and two filters of what was decoded.
    bits.skip(3);
    let high = bits.flag()?;
    let twelve = profile == 2 && high && bits.flag()?;
    let monochrome = profile != 1 && bits.flag()?;
    let mut srgb = false;
    if bits.flag()? {
        let (primaries, transfer, matrix) = (bits.read(8)?, bits.read(8)?, bits.read(8)?);
        // BT.709's primaries, sRGB's curve and no matrix: always full chroma.
        srgb = (primaries, transfer, matrix) == (1, 13, 0);
    }
    let subsampling = match profile {
        _ if monochrome => (2, 2),
        _ if srgb => (1, 1),
        0 => (2, 2),
        1 => (1, 1),
        _ => {
            // The range of values stands before.
            bits.skip(1);
            if !twelve {
                (2, 1)
            } else if bits.flag()? {
                (2, if bits.flag()? { 2 } else { 1 })
            } else {
                (1, 1)
            }
        }
    };
    Ok(Stream {
        width,
        height,
        bits: match (high, twelve) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        },
        monochrome,
        subsampling,
        frames: 0,
    })
}

fn skip_operating_points(bits: &mut Bits<'_>) -> Result<(), Fault> {
    let mut delay_length = None;
    if bits.flag()? {
        bits.skip(64);
        if bits.flag()? {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            delay_length = Some(bits.read(5)? + 1);
            bits.skip(42);
        }
    }
    let shown_late = bits.flag()?;
    for _ in 0..=bits.read(5)? {
        bits.skip(12);
        if bits.read(5)? > 7 {
            bits.skip(1);
        }
        if let Some(length) = delay_length
            && bits.flag()?
        {
            bits.skip(2 * length + 1);
        }
        if shown_late && bits.flag()? {
            bits.skip(4);
        }
    }
    Ok(())
}

/// What frames may take from others.
fn skip_prediction(bits: &mut Bits<'_>) -> Result<(), Fault> {
    bits.skip(4);
    let ordered = bits.flag()?;
    if ordered {
        bits.skip(2);
    }
    let screen = bits.flag()? || bits.flag()?;
    if screen && !bits.flag()? {
        bits.skip(1);
    }
    if ordered {
        bits.skip(3);
    }
    Ok(())
}
