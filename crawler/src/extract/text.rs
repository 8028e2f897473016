//! Texts of a page: one line, bounded, safe to store.

pub(crate) use tusou_ingest::text::line;

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

    /// As [`Text::finish`]; the text begins anew.
    pub(super) fn take(&mut self, limit: usize) -> Option<String> {
        let found = line(&String::from_utf8_lossy(&self.bytes), limit);
        self.bytes.clear();
        found
    }

    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
