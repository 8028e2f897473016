//! The only SQL of the indexer.

pub(crate) mod encodings;
pub(crate) mod generations;
pub(crate) mod images;
pub(crate) mod sightings;
