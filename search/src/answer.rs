//! The shape of an answer, which the API, the page and the command line share.

use serde::Serialize;
use time::OffsetDateTime;
use tusou_contract::{ImageId, Rights, SightingContext, SightingRights};

/// The answer to a search.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    /// Milliseconds that the whole answer took.
    pub(crate) took_ms: u64,
    /// The nearest pictures, the nearest first.
    pub(crate) hits: Vec<Hit>,
}

/// A picture that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Hit {
    /// The picture.
    pub(crate) image_id: ImageId,
    /// Cosine similarity with the query, −1 to 1.
    pub(crate) score: f32,
    /// The file name of the earliest sighting.
    pub(crate) image_name: String,
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// The original's format.
    pub(crate) format: String,
    /// How often it is seen; `pages` shows the first few.
    pub(crate) sightings: u32,
    /// Path of its thumbnail.
    pub(crate) thumbnail: String,
    /// What pages say of it, the most said first.
    pub(crate) captions: Vec<String>,
    /// Whose it is: what pages tell most often, else its file.
    pub(crate) rights: Rights,
    /// Where it is seen: live ones first, the earliest first.
    pub(crate) pages: Vec<Sighting>,
}

/// A picture seen at a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Sighting {
    /// The page.
    pub(crate) page_url: String,
    /// The picture's own address.
    pub(crate) image_url: String,
    /// The text in its place.
    pub(crate) alt: String,
    /// Its title.
    pub(crate) title: String,
    /// The caption beside it.
    pub(crate) caption: String,
    /// The text around it.
    pub(crate) nearby: String,
    /// What else stands around it.
    pub(crate) context: SightingContext,
    /// The page's title.
    pub(crate) page_title: Option<String>,
    /// The page's language: a BCP 47 tag.
    pub(crate) page_lang: Option<String>,
    /// Whose it is: what the page says, else its file.
    pub(crate) rights: SightingRights,
    /// When it was first seen there.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) first_seen: OffsetDateTime,
    /// When it was last seen there.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) last_seen: OffsetDateTime,
    /// Since when it is no longer there.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) gone_since: Option<OffsetDateTime>,
}

/// The path of a picture's thumbnail.
pub(crate) fn thumbnail_path(id: &ImageId) -> String {
    format!("/v1/images/{id}/thumbnail")
}
