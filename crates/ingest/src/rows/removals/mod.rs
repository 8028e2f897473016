//! Removals: what is taken out of the rows on somebody's request, and kept out from then on.
//!
//! In three steps, each of which may be repeated. First a row in `removals` says what is kept out;
//! nothing that was under way can be written past it, since whoever writes holds a lock for share
//! that the new row waits for (`kept_out_urls`). Then the rows go, a thousand at a time, each
//! batch with the messages that it owes the indexer. Last the blobs go (`removed_images` lists
//! them), under the lock of their row there, so that bytes that come in again meanwhile by another
//! URL are put after they were deleted (`come_back`). What is interrupted is finished by doing it
//! again.

mod batch;
mod blobs;
mod keep_out;
mod locks;
mod named;
mod preview;
mod record;
mod subject;

pub use batch::Removing;
pub use blobs::{BlobsToGo, next_blobs};
pub(crate) use keep_out::{come_back, kept_out_images, kept_out_urls, turn_away};
pub use preview::{Preview, SeedThere, preview};
pub use record::{KeptOut, kept_out_by, list, undo};
pub use subject::Subject;

use serde::{Deserialize, Serialize};

/// What was taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Removed {
    /// Pages of the frontier.
    pub pages: u64,
    /// Image URLs of the frontier.
    pub image_urls: u64,
    /// Sightings.
    pub sightings: u64,
    /// Images that went wholly, with their embeddings, documents, originals and thumbnails.
    pub images: u64,
    /// The size of their originals.
    pub bytes: u64,
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, more: Self) {
        self.pages += more.pages;
        self.image_urls += more.image_urls;
        self.sightings += more.sightings;
        self.images += more.images;
        self.bytes += more.bytes;
    }
}
