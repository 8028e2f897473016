//! Rows that pages, pictures and seeds become.
//!
//! Every transaction takes its locks in one order, so that none waits for another in a circle:
//! seeds, hosts (inserts), URL patterns, pages, seed pages, image counts, image URLs, page images, images, sightings, outbox,
//! lists, and hosts (to wake them) last; within a table by key, pages and image URLs by URL.

use tusou_contract::ImageId;

pub(crate) mod again;
pub(crate) mod budget;
pub(crate) mod image;
pub(crate) mod limits;
pub mod lists;
pub(crate) mod outbox;
pub(crate) mod page;
pub mod pauses;
pub(crate) mod reach;
pub mod removals;
pub mod seeds;
pub(crate) mod settle;
mod shown;
mod sightings;
pub(crate) mod sitemaps;
pub(crate) mod walk;

/// What an answer lets the next request say, so that nothing is sent again that has not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it was sent; at most 1,024 bytes.
    pub etag: Option<String>,
    /// `Last-Modified`, as it was sent; at most 64 bytes.
    pub last_modified: Option<String>,
}

/// What a column of image ids holds: 32 bytes, by its check.
fn image_id(digest: &[u8]) -> ImageId {
    ImageId::from_digest(digest).expect("the column holds 32 bytes by its check")
}

fn image_ids<'a, Ids: FromIterator<ImageId>>(rows: impl IntoIterator<Item = &'a Vec<u8>>) -> Ids {
    rows.into_iter().map(|digest| image_id(digest)).collect()
}

/// Times that a transaction is run again where it met another one.
const TRIES: u32 = 10;

/// A deadlock, a serialization failure, or a row that went with a removal while another one was being
/// written that refers to it: the same transaction will do when run again.
pub fn is_collision(cause: &sqlx::Error) -> bool {
    let code = cause.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40P01" | "40001" | "23503"))
}

/// Runs a transaction, again where it met another one.
async fn again_where_it_met<T>(
    mut run: impl AsyncFnMut() -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let mut tries = 0;
    loop {
        match run().await {
            Err(cause) if is_collision(&cause) && tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}
