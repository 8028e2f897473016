//! IPTC's Information Interchange Model, version 4, as Photoshop's image resources carry it.

use tusou_contract::{Rights, SightingRights};

use super::{decoded, joined, text};

/// The resource that holds the records.
const IPTC_RESOURCE: u16 = 0x0404;
/// The first byte of each data set.
const TAG_MARKER: u8 = 0x1C;
/// Escape sequence of 1:90 for UTF-8.
const UTF_8: &[u8] = b"\x1B%G";

/// Reads Photoshop's resources, or the records alone.
pub(super) fn read(block: &[u8]) -> SightingRights {
    let records = if block.first() == Some(&TAG_MARKER) {
        Some(block)
    } else {
        resource(block, IPTC_RESOURCE)
    };
    let mut is_utf_8 = false;
    let (mut by_lines, mut credit, mut copyright) = (Vec::new(), None, None);
    for (record, number, value) in DataSets(records.unwrap_or_default()) {
        let line = || {
            text(&if is_utf_8 {
                String::from_utf8_lossy(value)
            } else {
                decoded(value)
            })
        };
        match (record, number) {
            (1, 90) => is_utf_8 = value == UTF_8,
            (2, 80) => by_lines.extend(line()),
            (2, 110) => credit = credit.or_else(line),
            (2, 116) => copyright = copyright.or_else(line),
            _ => {}
        }
    }
    SightingRights {
        rights: Rights {
            license: None,
            creator: joined(by_lines),
            credit,
            copyright,
        },
        acquire: None,
    }
}

/// The content of one of Photoshop's resources: `8BIM`, a number, a name and a content, both
/// padded to an even length.
fn resource(mut block: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let rest = block.strip_prefix(b"8BIM")?;
        let (number, rest) = rest.split_first_chunk::<2>()?;
        let name = 1 + usize::from(*rest.first()?);
        let (size, rest) = rest
            .get(name.next_multiple_of(2)..)?
            .split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        if u16::from_be_bytes(*number) == wanted {
            // A content that is cut still says what comes first.
            return Some(&rest[..size.min(rest.len())]);
        }
        block = rest.get(size.checked_next_multiple_of(2)?..)?;
    }
}

/// Record, number and value of each data set. An extended one (longer than 32,767 bytes) ends them.
struct DataSets<'b>(&'b [u8]);

impl<'b> Iterator for DataSets<'b> {
    type Item = (u8, u8, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[marker, record, number, high, low], rest) = self.0.split_first_chunk::<5>()?;
        let size = usize::from(u16::from_be_bytes([high, low]));
        if marker != TAG_MARKER || size > rest.len() || high & 0x80 != 0 {
            return None;
        }
        let (value, rest) = rest.split_at(size);
        self.0 = rest;
        Some((record, number, value))
    }
}

/// The bytes of a "raw profile" in a PNG's text: a name, a length, and digits.
pub(super) fn raw_profile(profile: &[u8]) -> Option<Vec<u8>> {
    let mut lines = profile.trim_ascii_start().splitn(3, |byte| *byte == b'\n');
    let digits = lines.nth(2)?;
    let mut halves = digits.iter().filter_map(|byte| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    });
    let mut bytes = Vec::new();
    while let (Some(high), Some(low)) = (halves.next(), halves.next()) {
        bytes.push(high << 4 | low);
    }
    Some(bytes)
}
