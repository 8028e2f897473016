//! Room in memory for what is kept of a page.

/// How many bytes of references and texts may still be kept.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Whether so many bytes have room; if so, they take it.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes);
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }

    /// The text, where it has room.
    pub(super) fn text(&mut self, text: Option<String>) -> Option<String> {
        text.filter(|text| self.take(text.len()))
    }
}
