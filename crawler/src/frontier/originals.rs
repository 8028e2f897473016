//! Originals that need not be kept: `blobs.keep_originals`.
//!
//! An original is dropped in two steps. First its row says so and that is committed; then, under the
//! row's lock, its blob is deleted. A crash in between leaves a blob that no row claims, which
//! `tusou gc` finds, and never a row that claims a blob which is not there. Whoever claims it again
//! (`tusou_ingest::record_images`) holds the same lock while it puts the blob.

use sqlx::{PgPool, Postgres, Transaction};
use tusou_contract::{BlobKey, ImageId};
use tusou_platform::blobs::BlobStore;

use super::Bounded as _;
use crate::error::CrawlError;

/// Held by the one process that drops originals: `keep` in ASCII.
const LOCK: i64 = 0x6b_65_65_70;

/// How long the original of an image that was given up is kept at least, in days.
const GIVEN_UP_DAYS: i32 = 7;

/// The right to drop originals, until it is let go.
pub(crate) struct Turn(Transaction<'static, Postgres>);

impl Turn {
    /// `None` where another process has it.
    pub(crate) async fn take(pool: &PgPool) -> Result<Option<Self>, CrawlError> {
        let mut tx = pool.begin().bounded().await?;
        let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *tx)
            .bounded()
            .await?;
        Ok(taken.then_some(Self(tx)))
    }

    pub(crate) async fn end(self) -> Result<(), CrawlError> {
        self.0.rollback().bounded().await
    }
}

/// Says of up to `limit` originals older than `days` that they are not kept; which ones.
///
/// Those of images that every written index has the embeddings for (a model that failed a week ago is not
/// waited for), or that were given up and whose
/// failure and original are both a week old: `tusou dead retry` and a new attempt find it until then.
/// Pictures of an imported folder stay: nobody could fetch them again. So do those that were fetched again for a
/// model, until they are encoded.
pub(crate) async fn disclaim(
    pool: &PgPool,
    days: u32,
    limit: i64,
) -> Result<Vec<ImageId>, CrawlError> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "UPDATE images SET original_dropped_at = now() WHERE image_id IN (
             SELECT image_id FROM images JOIN encodings USING (image_id)
             WHERE original_dropped_at IS NULL AND relative_path IS NULL AND NOT encode_again
               AND stored_at <= now() - make_interval(days => $1)
               AND ((failure IS NOT NULL
                     AND GREATEST(encoded_at, stored_at) <= now() - make_interval(days => $3)) OR (
                   EXISTS (SELECT FROM embeddings WHERE embeddings.image_id = images.image_id)
                   AND NOT EXISTS (
                       SELECT FROM generations, jsonb_array_elements(models) AS wanted (entry)
                       WHERE state <> 'retired' AND NOT EXISTS (
                           SELECT FROM embeddings
                           WHERE embeddings.image_id = images.image_id
                             AND digest = entry ->> 'digest')
                         AND NOT EXISTS (
                           SELECT FROM model_failures
                           WHERE model_failures.image_id = images.image_id AND digest = entry ->> 'digest'
                             AND failed_at <= now() - make_interval(days => $3)))))
             ORDER BY stored_at LIMIT $2 FOR NO KEY UPDATE OF images SKIP LOCKED)
         RETURNING image_id",
    )
    .bind(i32::try_from(days).unwrap_or(i32::MAX))
    .bind(limit)
    .bind(GIVEN_UP_DAYS)
    .fetch_all(pool)
    .bounded()
    .await?;
    let id = |row: &Vec<u8>| ImageId::from_digest(row).expect("the column holds 32 bytes");
    Ok(rows.iter().map(id).collect())
}

/// Whether any image's original is said to be stored.
pub(crate) async fn are_stored(pool: &PgPool) -> Result<bool, CrawlError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM images WHERE original_dropped_at IS NULL AND relative_path IS NULL)",
    )
    .fetch_one(pool)
    .bounded()
    .await
}

/// Deletes the blobs of disclaimed originals, but for those that were claimed again; how many.
pub(crate) async fn delete(
    pool: &PgPool,
    blobs: &BlobStore,
    ids: &[ImageId],
) -> Result<u64, CrawlError> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
    let mut tx = pool.begin().bounded().await?;
    let keys: Vec<String> = sqlx::query_scalar(
        "SELECT blob_key FROM images WHERE image_id = ANY($1) AND original_dropped_at IS NOT NULL
         ORDER BY image_id FOR NO KEY UPDATE",
    )
    .bind(ids)
    .fetch_all(&mut *tx)
    .bounded()
    .await?;
    let mut deleted = 0;
    for key in keys {
        match BlobKey::try_from(key) {
            Ok(key) => {
                blobs.delete(&key).await?;
                deleted += 1;
            }
            Err(cause) => tracing::warn!(%cause, "a row names a blob by no key"),
        }
    }
    tx.commit().bounded().await?;
    Ok(deleted)
}
