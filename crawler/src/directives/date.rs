//! Times as people write them in `unavailable_after`.
//!
//! Google's documentation allows "a widely adopted format including, but not limited to, RFC 822,
//! RFC 850, and ISO 8601", so any order of a day, a month's name, a year, a time and a zone is read.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// The longest text that may be a time.
const MAX_LENGTH: usize = 64;

/// The time that a text names; without a zone in UTC, without an hour the day's beginning.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    if text.len() > MAX_LENGTH || !text.is_ascii() {
        return None;
    }
    let mut parts = Parts::default();
    for word in text.split(|c: char| c.is_ascii_whitespace() || c == ',') {
        if !word.is_empty() {
            parts.word(word)?;
        }
    }
    parts.finish()
}

#[derive(Default)]
struct Parts {
    day: Option<u8>,
    month: Option<Month>,
    year: Option<i32>,
    time: Option<Time>,
    zone: Option<UtcOffset>,
}

impl Parts {
    /// None where the word is no part of a time, or one too many.
    fn word(&mut self, word: &str) -> Option<()> {
        if let Some((date, time)) = iso(word) {
            return self.iso(date, time);
        }
        if word.contains(':') && self.time.is_none() {
            return self.time(word);
        }
        if self.time.is_some() && matches!(word.as_bytes()[0], b'+' | b'-') {
            return set(&mut self.zone, offset(word)?);
        }
        if word.contains('-') {
            // RFC 850 writes `25-Jun-10`.
            return word.split('-').try_for_each(|part| self.piece(part));
        }
        self.piece(word)
    }

    fn piece(&mut self, word: &str) -> Option<()> {
        if word.is_empty() {
            return None;
        }
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = word.parse::<u16>().ok()?;
            return match word.len() {
                1 | 2 if self.day.is_none() => set(&mut self.day, u8::try_from(number).ok()?),
                2 => set(&mut self.year, century(number)),
                4 => set(&mut self.year, i32::from(number)),
                _ => None,
            };
        }
        if is_weekday(word) {
            return Some(());
        }
        if let Some(month) = month(word) {
            return set(&mut self.month, month);
        }
        set(&mut self.zone, zone(word)?)
    }

    fn iso(&mut self, date: &str, time: &str) -> Option<()> {
        let mut numbers = date.split('-').map(|part| part.parse::<u16>().ok());
        set(&mut self.year, i32::from(numbers.next()??))?;
        let month = u8::try_from(numbers.next()??).ok()?;
        set(&mut self.month, Month::try_from(month).ok()?)?;
        set(&mut self.day, u8::try_from(numbers.next()??).ok()?)?;
        if time.is_empty() {
            Some(())
        } else {
            self.time(time)
        }
    }

    /// `15:00`, `15:00:00` or `15:00:00.000`, and a zone that follows at once.
    fn time(&mut self, text: &str) -> Option<()> {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')))
            .unwrap_or(text.len());
        let (clock, zone_text) = text.split_at(end);
        let mut parts = clock.split(':');
        let hour = parts.next()?.parse().ok()?;
        let minute = parts.next()?.parse().ok()?;
        let second: u8 = match parts.next() {
            // A fraction of a second is nobody's wish.
            Some(second) => second.split('.').next()?.parse().ok()?,
            None => 0,
        };
        if parts.next().is_some() {
            return None;
        }
        // 60 is a leap second.
        let time = Time::from_hms(hour, minute, second.min(59)).ok()?;
        set(&mut self.time, time)?;
        match zone_text.as_bytes() {
            [] => Some(()),
            [b'+' | b'-', ..] => set(&mut self.zone, offset(zone_text)?),
            _ => set(&mut self.zone, zone(zone_text)?),
        }
    }

    fn finish(self) -> Option<OffsetDateTime> {
        // Years at the calendar's ends cannot be brought to another zone.
        let year = self.year.filter(|year| (1..=9_998).contains(year))?;
        let date = Date::from_calendar_date(year, self.month?, self.day?).ok()?;
        let time = self.time.unwrap_or(Time::MIDNIGHT);
        let offset = self.zone.unwrap_or(UtcOffset::UTC);
        Some(PrimitiveDateTime::new(date, time).assume_offset(offset))
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

/// A word that begins as `2010-06-25`: its date, and the time after a `T`, which may be empty.
fn iso(word: &str) -> Option<(&str, &str)> {
    let date = word.get(..10)?;
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let rest = &word[10..];
    let time = match rest.as_bytes().first() {
        None => "",
        Some(b'T' | b't') => &rest[1..],
        Some(_) => return None,
    };
    is_date.then_some((date, time))
}

/// Two digits of a year, as RFC 6265 §5.1.1 reads them.
fn century(year: u16) -> i32 {
    i32::from(year) + if year < 70 { 2000 } else { 1900 }
}

fn is_weekday(word: &str) -> bool {
    ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .iter()
        .any(|day| begins(word, day))
}

fn month(word: &str) -> Option<Month> {
    const NAMES: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let place = NAMES.iter().position(|name| begins(word, name))?;
    Month::try_from(u8::try_from(place + 1).ok()?).ok()
}

fn begins(word: &str, name: &str) -> bool {
    word.get(..3)
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// `+0100`, `+01:00` or `+01`.
fn offset(text: &str) -> Option<UtcOffset> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i8 = digits[..2].parse().ok()?;
    let minutes: i8 = digits.get(2..4).unwrap_or("0").parse().ok()?;
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

/// The zones of RFC 822 §5.1, and those of Europe; a time in an unknown one is taken as UTC.
fn zone(name: &str) -> Option<UtcOffset> {
    const HOURS: [(&str, i8); 16] = [
        ("est", -5),
        ("edt", -4),
        ("cst", -6),
        ("cdt", -5),
        ("mst", -7),
        ("mdt", -6),
        ("pst", -8),
        ("pdt", -7),
        ("wet", 0),
        ("west", 1),
        ("bst", 1),
        ("cet", 1),
        ("cest", 2),
        ("eet", 2),
        ("eest", 3),
        ("jst", 9),
    ];
    if !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return None;
    }
    let known = HOURS
        .iter()
        .find(|(zone, _)| zone.eq_ignore_ascii_case(name));
    UtcOffset::from_hms(known.map_or(0, |(_, hours)| *hours), 0, 0).ok()
}
