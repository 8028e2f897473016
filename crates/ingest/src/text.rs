//! Texts from outside: one line, bounded, safe to store and to show.

/// `text` as one line of at most `limit` characters, or none where nothing is left: white space
/// of every kind is collapsed to single spaces, and control characters (which Postgres refuses
/// or a terminal would obey) are dropped.
pub fn line(text: &str, limit: usize) -> Option<String> {
    let mut line = String::with_capacity(text.len().min(limit));
    let mut left = limit;
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() {
            gap = !line.is_empty();
        } else if !character.is_control() {
            let needed = 1 + usize::from(gap);
            if left < needed {
                break;
            }
            left -= needed;
            if std::mem::take(&mut gap) {
                line.push(' ');
            }
            line.push(character);
        }
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_bounded_line() {
        let table = [
            ("", None),
            (" \n\t ", None),
            ("\0\u{7}", None),
            ("  a \r\n b\u{a0}\u{3000}c  ", Some("a b c")),
            ("a\0b", Some("ab")),
            ("0123456789abc", Some("0123456789")),
            ("12345678 ab", Some("12345678 a")),
            ("123456789 ab", Some("123456789")),
            ("猫猫猫猫猫猫猫猫猫猫猫", Some("猫猫猫猫猫猫猫猫猫猫")),
        ];
        for (given, wanted) in table {
            assert_eq!(line(given, 10).as_deref(), wanted, "{given:?}");
        }
    }
}
