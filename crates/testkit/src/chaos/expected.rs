//! What a crawl of the site must come to.

use std::collections::{BTreeMap, BTreeSet};

use tusou_contract::ImageId;

/// What must be found at the end.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Live sightings: (image, page, image URL) with the words.
    pub(super) sightings: BTreeMap<(ImageId, String, String), String>,
    /// What is to be searchable, with its words and hosts.
    pub(super) documents: BTreeMap<ImageId, Expectation>,
    /// What is stored and cannot be decoded.
    pub(super) undecodable: BTreeSet<ImageId>,
    /// Pages that bring nothing, with their reasons.
    pub(super) pages: BTreeMap<String, String>,
    /// Every page that the site ever had, but for those.
    pub(super) live_pages: BTreeSet<String>,
    /// Image URLs that bring nothing, with their reasons.
    pub(super) files: BTreeMap<String, String>,
    /// Image URLs that a live page shows.
    pub(super) shown: BTreeSet<String>,
}

/// A document's words and hosts.
#[derive(Debug, Default)]
pub(super) struct Expectation {
    pub(super) sightings: u32,
    pub(super) captions: BTreeSet<String>,
}
