//! Texts of a page: one line, bounded, safe to store.

/// A text that grows as the page is read: white space is collapsed and the memory is bounded from the first byte on.
#[derive(Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
}

/// A character has at most four bytes of UTF-8.
const BYTES_PER_CHARACTER: usize = 4;

impl Text {
    /// Adds bytes of the page, of which at most `limit` characters will be kept.
    pub(super) fn push(&mut self, bytes: &[u8], limit: usize) {
        for &byte in bytes {
            if byte.is_ascii_whitespace() {
                self.space();
            } else if self.bytes.len() < limit.saturating_mul(BYTES_PER_CHARACTER) {
                self.bytes.push(byte);
            } else {
                return;
            }
        }
    }

    /// Adds one space, where the page has a line break or a new block.
    pub(super) fn space(&mut self) {
        if self.bytes.last().is_some_and(|byte| *byte != b' ') {
            self.bytes.push(b' ');
        }
    }

    /// The text, by the rules of [`line`].
    pub(super) fn finish(self, limit: usize) -> Option<String> {
        line(&String::from_utf8_lossy(&self.bytes), limit)
    }
}

/// `text` as one line of at most `limit` characters, or none where nothing is left: white space
/// of every kind is collapsed to single spaces, and control characters (which Postgres refuses
/// or a terminal would obey) are dropped.
pub(super) fn line(text: &str, limit: usize) -> Option<String> {
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

    #[test]
    fn a_growing_text_stays_small_and_may_be_cut_anywhere() {
        let mut text = Text::default();
        for byte in "猫 \n".repeat(1_000_000).as_bytes() {
            text.push(&[*byte], 100);
        }
        assert!(text.bytes.capacity() <= 1_024, "{}", text.bytes.capacity());
        let found = text.finish(100).expect("a text");
        assert!(
            found.starts_with("猫 猫") && found.chars().count() <= 100,
            "{found}"
        );
    }
}
