//! A best guess in words at what a picture shows: what the captions of the nearest pictures agree on.

use serde::Serialize;
use utoipa::ToSchema;

/// A best guess, with the votes that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Guess {
    /// The guess: the words of the first vote.
    pub(crate) words: String,
    /// What was said most, the weightiest first; at most 5.
    pub(crate) votes: Vec<Vote>,
}

/// Words that several of the nearest pictures are called by, or one that is nearly the same picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Vote {
    /// The words, as the nearest of these pictures has them.
    pub(crate) words: String,
    /// The share of these pictures in the weight of all, 0 to 1.
    pub(crate) weight: f32,
    /// How many pictures are called so.
    pub(crate) pictures: u32,
}

/// A guess from the captions of each near picture, the most said first, with the picture's cosine, the nearest
/// first. `None` where no two pictures agree and none is nearly the same.
pub(crate) fn guess(captions: &[(&[String], f32)]) -> Option<Guess> {
    let _ = captions;
    None
}
