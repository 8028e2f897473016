//! Spans of time as people type them: `24h`, `90s`, `15min`, `7d`.

use std::time::Duration;

/// The longest span: longer ones are slips.
const LONGEST: Duration = Duration::from_secs(3_650 * 86_400);

/// Reads a whole number with its unit: `s`, `min`, `h` or `d`.
///
/// # Errors
/// What is wrong, and an example.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1,
        "min" | "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("give a whole number with s, min, h or d, like 24h".into()),
    };
    number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(seconds))
        .map(Duration::from_secs)
        .filter(|span| *span <= LONGEST)
        .ok_or_else(|| "give 0s to 3650d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("60s", 60),
            ("5min", 300),
            ("5m", 300),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "24",
            "h",
            "1.5h",
            "-1s",
            "1 h",
            "4000d",
            "99999999999999999999s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
