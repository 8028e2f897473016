//! The only SQL of the indexer that is not the projection's.

pub(crate) mod encodings;
mod failures;
pub(crate) mod pauses;
pub(crate) mod removals;
