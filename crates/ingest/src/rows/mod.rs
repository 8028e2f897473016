//! Rows that pages, pictures and seeds become.
//!
//! Every transaction takes its locks in one order, so that none waits for another in a circle:
//! seeds, hosts (inserts), pages, seed pages, image URLs, page images, images, sightings, outbox,
//! and hosts (to wake them) last; within a table by key.

pub(crate) mod image;
pub(crate) mod outbox;
pub(crate) mod page;
pub(crate) mod reach;
pub mod seeds;
