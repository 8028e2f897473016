//! Dates as sitemaps write them.

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, UtcOffset};

/// A date in the W3C's profile of ISO 8601 (<https://www.w3.org/TR/NOTE-datetime>): a year, a month,
/// a day, or a time with its zone, in UTC where it has none. What is left out is the first.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    let (day, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(text[at + 1..].trim_start())),
        None => (text, None),
    };
    let date = date(day)?;
    let Some(rest) = rest else {
        return Some(date.midnight().assume_utc());
    };
    let (time, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, "Z"),
    };
    // The profile lets seconds be left out, and some write the zone without its colon.
    let seconds = if time.matches(':').count() == 1 {
        ":00"
    } else {
        ""
    };
    let offset = match offset.len() {
        5 if offset.is_ascii() => format!("{}:{}", &offset[..3], &offset[3..]),
        3 if offset.is_ascii() => format!("{offset}:00"),
        _ => offset.to_ascii_uppercase(),
    };
    let whole = format!("{date}T{time}{seconds}{offset}");
    let moment = OffsetDateTime::parse(&whole, &Rfc3339).ok();
    // A day with nonsense behind it is a day.
    moment
        .and_then(|moment| moment.checked_to_offset(UtcOffset::UTC))
        .or(Some(date.midnight().assume_utc()))
}

/// `2024`, `2024-02` or `2024-02-29`.
fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| match parts.next() {
        None => Some(None),
        Some(part) if part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()) => {
            part.parse::<u16>().ok().map(Some)
        }
        Some(_) => None,
    };
    let year = number(4)??;
    let month = number(2)?.unwrap_or(1);
    let day = number(2)?.unwrap_or(1);
    if number(0)?.is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn every_length_of_a_date_is_read() {
        let table = [
            ("2024", datetime!(2024-01-01 0:00 UTC)),
            ("2024-02", datetime!(2024-02-01 0:00 UTC)),
            (" 2024-02-29\n", datetime!(2024-02-29 0:00 UTC)),
            ("2024-02-29T13:05Z", datetime!(2024-02-29 13:05 UTC)),
            (
                "2024-02-29T13:05:07+01:00",
                datetime!(2024-02-29 13:05:07 +1),
            ),
            (
                "2024-02-29T13:05:07.5-0330",
                datetime!(2024-02-29 13:05:07.5 -3:30),
            ),
            ("2024-02-29 13:05:07", datetime!(2024-02-29 13:05:07 UTC)),
            ("2024-02-29Tsoon", datetime!(2024-02-29 0:00 UTC)),
        ];
        for (given, wanted) in table {
            assert_eq!(parse(given), Some(wanted), "{given}");
        }
        for nonsense in [
            "",
            "-",
            "24",
            "2024-2-9",
            "2023-02-29",
            "2024-13-01",
            "2024-01-01-01",
            "yesterday",
            "٢٠٢٤",
        ] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
