//! What stands around a page's pictures: the heading before them, the link that they stand in, and
//! the words of their block.

use super::super::text::{Text, line};

/// The most pictures that one link or block of text is kept for.
const MAX_PICTURES: usize = 64;
/// The longest text kept from around a picture, in characters; half of it comes before the picture.
const NEARBY: usize = 300;
/// A character has at most four bytes of UTF-8.
const HALF_BYTES: usize = NEARBY / 2 * 4;

/// The headings of the page: those that a picture stands under.
#[derive(Debug, Default)]
pub(super) struct Headings {
    kept: Vec<String>,
    /// Whether a picture stands under the last one.
    is_used: bool,
    open: bool,
    text: Text,
}

impl Headings {
    pub(super) fn start(&mut self) {
        self.text.clear();
        self.open = true;
    }

    pub(super) fn end(&mut self, max_text: usize) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        if let Some(heading) = self.text.take(max_text) {
            if !std::mem::take(&mut self.is_used) {
                self.kept.pop();
            }
            self.kept.push(heading);
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], max_text: usize) {
        if self.open {
            self.text.push(bytes, max_text);
        }
    }

    pub(super) fn space(&mut self) {
        if self.open {
            self.text.space();
        }
    }

    /// The place of the heading that a picture at this point stands under.
    pub(super) fn current(&mut self) -> Option<usize> {
        let place = self.kept.len().checked_sub(1)?;
        self.is_used = true;
        Some(place)
    }

    pub(super) fn finish(self) -> Vec<String> {
        self.kept
    }
}

/// The open link.
#[derive(Debug, Default)]
pub(super) struct Link {
    open: bool,
    text: Text,
    /// What it is called where it has no words.
    label: Option<String>,
    /// Places of the pictures that stand in it or that it leads to.
    pictures: Vec<usize>,
}

impl Link {
    pub(super) fn start(&mut self, label: Option<String>) {
        self.text.clear();
        self.pictures.clear();
        self.label = label;
        self.open = true;
    }

    /// Its text and its pictures, where it has both.
    pub(super) fn end(&mut self, max_text: usize) -> Option<(String, Vec<usize>)> {
        if !std::mem::take(&mut self.open) || self.pictures.is_empty() {
            return None;
        }
        let text = self.text.take(max_text).or(self.label.take())?;
        Some((text, std::mem::take(&mut self.pictures)))
    }

    pub(super) fn push(&mut self, bytes: &[u8], max_text: usize) {
        if self.open {
            self.text.push(bytes, max_text);
        }
    }

    pub(super) fn space(&mut self) {
        if self.open {
            self.text.space();
        }
    }

    pub(super) fn picture(&mut self, place: usize) {
        if self.open && self.pictures.len() < MAX_PICTURES {
            self.pictures.push(place);
        }
    }
}

/// The block of text that is being read. A picture that is alone in its block gets the words of the
/// next block that has some, unless another picture comes before them.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Its bytes, of which those long before any picture are forgotten.
    bytes: Vec<u8>,
    /// How many of them stand before the first picture that waits.
    before: usize,
    has_words: bool,
    /// Places of the pictures that wait for their words.
    pictures: Vec<usize>,
    /// Whether they stand in a block before this one.
    are_above: bool,
}

impl Block {
    pub(super) fn picture(&mut self, place: usize) {
        if std::mem::take(&mut self.are_above) {
            self.pictures.clear();
        }
        if self.pictures.is_empty() {
            self.forget();
            self.before = self.bytes.len();
        }
        if self.pictures.len() < MAX_PICTURES && self.pictures.last() != Some(&place) {
            self.pictures.push(place);
        }
    }

    /// Adds some of the block's text. Where the pictures that wait have enough, they get it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<(String, Vec<usize>)> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            self.space();
            return None;
        }
        self.has_words = true;
        if self.pictures.is_empty() {
            let kept = bytes.len().min(HALF_BYTES);
            self.bytes.extend_from_slice(&bytes[bytes.len() - kept..]);
            if self.bytes.len() > 4 * HALF_BYTES {
                self.forget();
            }
            return None;
        }
        let full = self.before + 2 * HALF_BYTES;
        let room = full.saturating_sub(self.bytes.len());
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() < room {
            return None;
        }
        let found = self.words();
        let rest = &bytes[room..];
        self.bytes
            .extend_from_slice(&rest[rest.len() - rest.len().min(HALF_BYTES)..]);
        self.forget();
        found
    }

    pub(super) fn space(&mut self) {
        if self.bytes.last().is_some_and(|byte| *byte != b' ') {
            self.bytes.push(b' ');
        }
    }

    /// The block has ended.
    pub(super) fn end(&mut self) -> Option<(String, Vec<usize>)> {
        let found = if self.has_words {
            self.words()
        } else {
            self.are_above = !self.pictures.is_empty();
            None
        };
        self.bytes.clear();
        self.before = 0;
        self.has_words = false;
        found
    }

    /// The words around the pictures that wait.
    fn words(&mut self) -> Option<(String, Vec<usize>)> {
        self.are_above = false;
        if self.pictures.is_empty() {
            return None;
        }
        let pictures = std::mem::take(&mut self.pictures);
        let (before, after) = self.bytes.split_at(self.before.min(self.bytes.len()));
        let before = String::from_utf8_lossy(whole(before));
        let before = line(&before, usize::MAX).unwrap_or_default();
        let length = before.chars().count();
        let mut text: String = before
            .chars()
            .skip(length.saturating_sub(NEARBY / 2))
            .collect();
        text.push(' ');
        text.push_str(&String::from_utf8_lossy(after));
        Some((line(&text, NEARBY)?, pictures))
    }

    /// Keeps no more than the end of what was read.
    fn forget(&mut self) {
        let much = self.bytes.len().saturating_sub(HALF_BYTES);
        self.bytes.drain(..much);
    }
}

/// Without the rest of a character that was cut.
fn whole(bytes: &[u8]) -> &[u8] {
    let cut = bytes.iter().take_while(|byte| **byte & 0xC0 == 0x80);
    &bytes[cut.count()..]
}
