//! Rows that pages, pictures and seeds become.
//!
//! Every transaction takes its locks in one order, so that none waits for another in a circle:
//! seeds, hosts (inserts), pages, seed pages, image URLs, page images, images, sightings, outbox,
//! and hosts (to wake them) last; within a table by key, pages and image URLs by URL.

pub(crate) mod again;
pub(crate) mod gone;
pub(crate) mod image;
pub(crate) mod outbox;
pub(crate) mod page;
pub mod pauses;
pub(crate) mod reach;
pub mod seeds;

/// Times that a transaction is run again where it met another one.
const TRIES: u32 = 10;

/// A deadlock or a serialization failure: the same transaction will do when run again.
fn is_collision(cause: &sqlx::Error) -> bool {
    let code = cause.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40P01" | "40001"))
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
