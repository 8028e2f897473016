//! The only SQL here.

pub(crate) mod generations;
pub(crate) mod images;
pub(crate) mod sightings;
pub(crate) mod walk;
