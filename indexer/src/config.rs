//! What the indexer takes from the configuration, checked once at the start.

use std::time::Duration;

use tusou_contract::mapping::IndexOptions;
use tusou_platform::Config;
use tusou_projection::Wanted;

use crate::bulk::Most;
use crate::error::Error;

/// Live changes may have this many times as many messages in hand as a back-fill.
const BACKFILL_SHARE: u16 = 8;

/// The indexer's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The alias, the models of `models.packs` in their order, and how a new index is made.
    pub wanted: Wanted,
    /// Unacknowledged messages allowed, a queue of live changes.
    pub prefetch: u16,
    /// Unacknowledged messages of a back-fill allowed.
    pub backfill_prefetch: u16,
    /// The most bulks in flight, and documents and bytes of one; as many distinct images are in a batch.
    pub bulks: Most,
    /// The longest that a changed image waits for its batch to fill.
    pub bulk_wait: Duration,
    /// Whether an image that no page shows any more keeps its document.
    pub keep_gone: bool,
    /// Messages waiting, and documents that an index has fewer of, for its first load; 0 for never.
    pub first_load_backlog: u64,
    /// The longest that a first load lasts.
    pub first_load: Duration,
}

impl Settings {
    /// Reads the manifests of the packs in `models.packs`, and takes the rest as it is.
    ///
    /// # Errors
    /// [`Error::Projection`], which names `models.packs` and the remedy.
    pub fn of(config: &Config) -> Result<Self, Error> {
        let prefetch = config.indexer.prefetch.max(1);
        Ok(Self {
            wanted: Wanted {
                alias: config.elasticsearch.alias.clone(),
                models: tusou_projection::models(&config.models.packs)?,
                options: IndexOptions::from(&config.elasticsearch),
            },
            prefetch,
            backfill_prefetch: (prefetch / BACKFILL_SHARE).max(1),
            bulks: Most {
                in_flight: config.indexer.bulks_in_flight.max(1),
                documents: config.indexer.bulk_documents.max(1),
                bytes: config.indexer.bulk_bytes,
            },
            bulk_wait: Duration::from_millis(config.indexer.bulk_wait_ms),
            keep_gone: config.indexer.keep_gone,
            first_load_backlog: config.indexer.first_load_backlog,
            first_load: Duration::from_secs(config.indexer.first_load_seconds),
        })
    }
}
