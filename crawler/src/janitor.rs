//! Drops originals that `blobs.keep_originals` does not keep, a few at a time, and blobs of removed
//! images: those that an interrupted `tusou forget` left, and thumbnails that came after it.

use std::time::Duration;

use bytes::Bytes;
use sqlx::PgPool;
use tusou_contract::BlobKey;
use tusou_ingest::removals;
use tusou_platform::Shutdown;
use tusou_platform::blobs::BlobStore;
use tusou_platform::config::KeepOriginals;

use crate::error::CrawlError;
use crate::frontier::Bounded as _;
use crate::frontier::originals::{self, Turn};
use crate::metrics;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(20);
/// Originals dropped with one pair of transactions.
const BATCH: usize = 100;
/// Batches of one look: the turn is let go after so many.
const BATCHES: usize = 50;

/// Drops until the end is asked for.
pub(crate) async fn run(pool: PgPool, blobs: BlobStore, keep: KeepOriginals, shutdown: Shutdown) {
    let days = match keep {
        KeepOriginals::Always => None,
        KeepOriginals::None => Some(0),
        KeepOriginals::Days(days) => Some(days),
    };
    while !shutdown.is_requested() {
        match forget(&pool, &blobs, &shutdown).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "the blobs of removed images are gone"),
            Err(cause) => tracing::warn!(
                cause = &cause as &dyn std::error::Error,
                "the blobs of removed images stay for now"
            ),
        }
        let tidied = match days {
            Some(days) => tidy(&pool, &blobs, days, &shutdown).await,
            None => Ok(0),
        };
        match tidied {
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

/// Deletes the blobs of images that went with a removal; of how many images. Whoever does it at the
/// same time waits for the rows, and finds them done.
async fn forget(pool: &PgPool, blobs: &BlobStore, shutdown: &Shutdown) -> Result<u64, CrawlError> {
    let mut images = 0;
    for _ in 0..BATCHES {
        if shutdown.is_requested() {
            break;
        }
        let Some(batch) = removals::next_blobs(pool).bounded().await? else {
            break;
        };
        for mark in batch.marks() {
            // Without it, as on a full disk, a message under way becomes a dead letter: no more.
            if let Err(cause) = blobs.put(mark, Bytes::new()).await {
                tracing::debug!(%mark, %cause, "a removal is not marked");
            }
        }
        for key in batch.keys() {
            match BlobKey::try_from(key.to_owned()) {
                Ok(key) => blobs.delete(&key).await?,
                Err(cause) => tracing::warn!(%cause, "a row names a blob by no key"),
            }
        }
        images += batch.gone().bounded().await?;
    }
    Ok(images)
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
