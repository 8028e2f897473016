//! What happens to the candidates of a search once the index has named them: lists are fused, sorted,
//! counted, grouped and kept for further pages. Nothing here does I/O.
//!
//! The order: [`fuse`], then [`group`], then [`sort`] by the groups' best copies, [`facets`] over all where they are
//! asked for, then a page at the place of a [`cursor`]. The digest of a list is that of its candidates as fused.

pub(crate) mod cursor;
pub(crate) mod facets;
pub(crate) mod fuse;
pub(crate) mod group;
pub(crate) mod kept;
pub(crate) mod sort;

use tusou_contract::ImageId;
use tusou_contract::document::{aspect, pixels};

/// The most candidates of a search.
pub(crate) const MOST: usize = 1_000;

/// A picture that may be an answer, with what order and groups need of it. A thousand of them are read and kept for
/// each search, so what is shown of a page's pictures is read for that page, and what is counted when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// The picture.
    pub(crate) image_id: ImageId,
    /// Cosine similarity with the query, −1 to 1; none where only words found it.
    pub(crate) cosine: Option<f32>,
    /// What orders the list: more is better. Its scale is the list's own.
    pub(crate) relevance: f64,
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// Size of the original.
    pub(crate) bytes: u64,
    /// The first sighting, in milliseconds since 1970 (UTC).
    pub(crate) first_seen_ms: i64,
    /// The perceptual hash, as a number.
    pub(crate) phash: Option<u64>,
}

impl Candidate {
    /// How many pixels it has.
    pub(crate) fn pixels(&self) -> u64 {
        pixels(self.width, self.height)
    }

    /// Pixels across over pixels down.
    pub(crate) fn aspect(&self) -> f32 {
        aspect(self.width, self.height)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A plain candidate whose id is made of its name.
    pub(crate) fn candidate(name: &str) -> Candidate {
        Candidate {
            image_id: ImageId::of(name.as_bytes()),
            cosine: None,
            relevance: 0.0,
            width: 640,
            height: 480,
            bytes: 50_000,
            first_seen_ms: 0,
            phash: None,
        }
    }
}
