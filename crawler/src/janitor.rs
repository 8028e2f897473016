//! Drops originals that `blobs.keep_originals` does not keep, a few at a time.

use std::time::Duration;

use sqlx::PgPool;
use tusou_platform::Shutdown;
use tusou_platform::blobs::BlobStore;
use tusou_platform::config::KeepOriginals;

use crate::error::CrawlError;
use crate::frontier::originals::{self, Turn};
use crate::metrics;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(20);
/// Originals dropped with one pair of transactions.
const BATCH: usize = 100;
/// Batches of one look: the turn is let go after so many.
const BATCHES: usize = 50;

/// Drops originals until the end is asked for; at once idle where all are kept.
pub(crate) async fn run(pool: PgPool, blobs: BlobStore, keep: KeepOriginals, shutdown: Shutdown) {
    let days = match keep {
        KeepOriginals::Always => return,
        KeepOriginals::None => 0,
        KeepOriginals::Days(days) => days,
    };
    while !shutdown.is_requested() {
        match tidy(&pool, &blobs, days, &shutdown).await {
            Ok(0) => {}
            Ok(dropped) => tracing::info!(dropped, "originals are no longer kept"),
            Err(cause) => tracing::warn!(
                cause = &cause as &dyn std::error::Error,
                "originals stay for now"
            ),
        }
        shutdown.sleep(LOOK).await;
    }
}

async fn tidy(
    pool: &PgPool,
    blobs: &BlobStore,
    days: u32,
    shutdown: &Shutdown,
) -> Result<u64, CrawlError> {
    let Some(turn) = Turn::take(pool).await? else {
        return Ok(0);
    };
    let mut dropped = 0;
    for _ in 0..BATCHES {
        let ids = originals::disclaim(pool, days, BATCH as i64).await?;
        let deleted = originals::delete(pool, blobs, &ids).await?;
        metrics::dropped(deleted);
        dropped += deleted;
        if ids.len() < BATCH || shutdown.is_requested() {
            break;
        }
    }
    turn.end().await?;
    Ok(dropped)
}
