//! EXIF (CIPA DC-008): who made a picture, whose it is, and when it was taken.

use ::exif::{DateTime, Exif, In, Reader, Tag, Value};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};
use tusou_contract::SightingRights;

use super::{decoded, text};

/// The year of the oldest photograph that is left: an earlier date is a clock that was never set.
const FIRST_YEAR: i32 = 1826;

/// Reads a block from its TIFF header on.
pub(super) fn read(block: &[u8]) -> (SightingRights, Option<OffsetDateTime>) {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block).to_vec();
    let read = Reader::new().continue_on_error(true).read_raw(block);
    let Ok(exif) = read.or_else(|broken| broken.distill_partial_result(|_| ())) else {
        return Default::default();
    };
    let mut rights = SightingRights::default();
    rights.rights.creator = line(&exif, Tag::Artist);
    rights.rights.copyright = line(&exif, Tag::Copyright);
    (rights, taken_at(&exif))
}

fn ascii(exif: &Exif, tag: Tag) -> &[Vec<u8>] {
    match exif.get_field(tag, In::PRIMARY).map(|field| &field.value) {
        Some(Value::Ascii(texts)) => texts,
        _ => &[],
    }
}

/// The first text that says something: a copyright has two, of which the photographer's may be blank.
fn line(exif: &Exif, tag: Tag) -> Option<String> {
    let mut texts = ascii(exif, tag).iter();
    texts.find_map(|bytes| text(&decoded(bytes)))
}

/// The moment of `DateTimeOriginal`; where the offset is not told, as if the clock showed UTC.
fn taken_at(exif: &Exif) -> Option<OffsetDateTime> {
    let mut told = DateTime::from_ascii(ascii(exif, Tag::DateTimeOriginal).first()?).ok()?;
    if let Some(offset) = ascii(exif, Tag::OffsetTimeOriginal).first() {
        // What is no offset leaves it untold.
        let _ = told.parse_offset(offset);
    }
    let month = Month::try_from(told.month).ok()?;
    let date = Date::from_calendar_date(told.year.into(), month, told.day).ok()?;
    let time = Time::from_hms(told.hour, told.minute, told.second).ok()?;
    let offset = i32::from(told.offset.unwrap_or_default()) * 60;
    let offset = UtcOffset::from_whole_seconds(offset).ok()?;
    PrimitiveDateTime::new(date, time)
        .assume_offset(offset)
        .checked_to_offset(UtcOffset::UTC)
        .filter(|taken| taken.year() >= FIRST_YEAR)
}
