//! What a GIF shows around its first frame, where that is smaller than the whole.

use image::DynamicImage;

/// The blocks of a GIF up to its first frame (GIF89a specification).
struct First<'a> {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    /// The first colour of the frame's table.
    colour: &'a [u8],
    transparent: bool,
}

/// Gives what lies around the first frame the first colour of its table, as Pillow does; where the frame
/// has a transparent colour, it is transparent, and stays so.
pub(super) fn fill_around(bytes: &[u8], image: &mut DynamicImage) {
    let (Some(first), DynamicImage::ImageRgba8(image)) = (First::read(bytes), image) else {
        return;
    };
    let [red, green, blue] = *first.colour else {
        return;
    };
    if first.transparent {
        return;
    }
    let across = first.left..first.left + first.width;
    let down = first.top..first.top + first.height;
    let width = image.width() as usize;
    if across.contains(&0)
        && across.end >= width
        && down.contains(&0)
        && down.end >= image.height() as usize
    {
        return;
    }
    let colour = [red, green, blue, 255];
    for (y, row) in image.chunks_exact_mut(width * 4).enumerate() {
        let (pixels, _) = row.as_chunks_mut::<4>();
        if down.contains(&y) {
            let begin = across.start.min(width);
            let end = across.end.min(width);
            pixels[..begin].fill(colour);
            pixels[end..].fill(colour);
        } else {
            pixels.fill(colour);
        }
    }
}

impl<'a> First<'a> {
    /// Nothing where the blocks are broken: the decoder judges that.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let flags = *bytes.get(10)?;
        let mut at = 13;
        let mut table = table(bytes, &mut at, flags)?;
        let mut transparent = false;
        loop {
            match *bytes.get(at)? {
                0x21 => {
                    // A graphic control extension, of four bytes of which the first holds flags.
                    if let [0xF9, 4, flags, ..] = bytes.get(at + 1..)? {
                        transparent = flags & 1 == 1;
                    }
                    at += 2;
                    loop {
                        let length = usize::from(*bytes.get(at)?);
                        at += 1 + length;
                        if length == 0 {
                            break;
                        }
                    }
                }
                0x2C => break,
                _ => return None,
            }
        }
        let (head, _) = bytes.get(at + 1..)?.split_first_chunk::<9>()?;
        let number = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        at += 10;
        if head[8] & 0x80 != 0 {
            table = self::table(bytes, &mut at, head[8])?;
        }
        Some(Self {
            left: number(0),
            top: number(2),
            width: number(4),
            height: number(6),
            colour: table.get(..3)?,
            transparent,
        })
    }
}

/// The colours that follow, if the flags say that any do.
fn table<'a>(bytes: &'a [u8], at: &mut usize, flags: u8) -> Option<&'a [u8]> {
    if flags & 0x80 == 0 {
        return Some(&[]);
    }
    let length = 3 << ((flags & 7) + 1);
    let table = bytes.get(*at..*at + length)?;
    *at += length;
    Some(table)
}
