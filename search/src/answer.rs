//! The shape of an answer, which the API, the page and the command line share.

use serde::Serialize;
use time::OffsetDateTime;
use tusou_contract::{ImageId, Rights, SightingContext, SightingRights};
use utoipa::ToSchema;

use crate::candidates::facets::Facets;
use crate::guess::Guess;

/// The answer to a search.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Answer {
    /// Milliseconds that the whole answer took.
    pub(crate) took_ms: u64,
    /// In which sense pictures were found: `same`, `looks` or `means`.
    pub(crate) mode: &'static str,
    /// The pictures of this page, the best first. None at all is an answer too.
    pub(crate) hits: Vec<Hit>,
    /// What the answer was chosen from, and its limits.
    pub(crate) considered: Considered,
    /// How many of the candidates have which property.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) facets: Option<Facets>,
    /// What a picture that was asked with shows, in the words of its like; of the first page only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) best_guess: Option<Guess>,
    /// The `cursor` of the next page, where there is one.
    pub(crate) next: Option<String>,
}

/// What an answer was chosen from.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Considered {
    /// The most pictures that one search considers: those beyond are not sorted, counted or paged through.
    pub(crate) limit: usize,
    /// How many pictures are answers.
    pub(crate) found: usize,
    /// How many hits they make, near-duplicates being one.
    pub(crate) hits: usize,
    /// How many pictures were considered and are too unlike to be answers; `all=on` shows them.
    pub(crate) below: usize,
    /// The least cosine of an answer; null where none is known for the model.
    pub(crate) cut_off: Option<f32>,
}

/// A picture that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Hit {
    /// The picture.
    #[schema(value_type = String)]
    pub(crate) image_id: ImageId,
    /// Cosine similarity with the query, −1 to 1; null where captions or hashes alone found it.
    pub(crate) score: Option<f32>,
    /// What the order by relevance goes by; comparable within one answer only.
    pub(crate) relevance: f64,
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
    #[schema(value_type = Object)]
    pub(crate) rights: Rights,
    /// Where it is seen: live ones first, the earliest first.
    pub(crate) pages: Vec<Sighting>,
    /// Near-duplicates that stand under it: the first few.
    pub(crate) copies: Vec<Copy>,
    /// How many there are.
    pub(crate) copies_total: usize,
}

/// A near-duplicate of a hit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Copy {
    /// The picture.
    #[schema(value_type = String)]
    pub(crate) image_id: ImageId,
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// The original's format.
    pub(crate) format: String,
    /// Path of its thumbnail.
    pub(crate) thumbnail: String,
}

/// A picture seen at a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
    #[schema(value_type = Object)]
    pub(crate) context: SightingContext,
    /// The page's title.
    pub(crate) page_title: Option<String>,
    /// The page's language: a BCP 47 tag.
    pub(crate) page_lang: Option<String>,
    /// Whose it is: what the page says, else its file.
    #[schema(value_type = Object)]
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

/// A page of a picture's sightings, the oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sightings {
    /// Where it is seen; `gone_since` says where it no longer is.
    pub(crate) sightings: Vec<Sighting>,
    /// How many sightings are live; counted as far as 10,000.
    pub(crate) live: u32,
    /// How many are gone; counted as far as 10,000.
    pub(crate) gone: u32,
    /// The `cursor` of the next page, where there is one.
    pub(crate) next: Option<String>,
}

/// The path of a picture's thumbnail.
pub(crate) fn thumbnail_path(id: &ImageId) -> String {
    format!("/v1/images/{id}/thumbnail")
}
