//! A picture whose bytes came: its image, and the sightings at every page that shows its URL.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use tusou_contract::{ImageFetched, ImageId, Queue};

use super::gone::part_url;
use super::outbox::{Owed, owe};
use super::page::bump;
use crate::verify::VerifiedImage;

/// An image URL as it was fetched.
#[derive(Debug, Clone, Copy)]
pub struct FetchedUrl {
    /// Its row.
    pub image_url_id: i64,
    /// When it was due, as the lease read it. A URL that became due again meanwhile stays due.
    pub due_at: OffsetDateTime,
    /// HTTP status.
    pub status: u16,
}

/// What [`record_image`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredImage {
    /// The image.
    pub id: ImageId,
    /// Whether its bytes were new to the store.
    pub new: bool,
    /// Whether its original had been dropped and is kept again. The image's row is locked: put the
    /// blob before the transaction commits, since it may have been deleted after an earlier put.
    pub restored: bool,
}

/// Writes the image that a URL's bytes are, its sightings, and what is owed to the broker.
///
/// The blob must be durable before this is called, and is to be put again where
/// [`StoredImage::restored`] says so. Where the URL showed another image before, that image's
/// sightings by this URL are gone since now.
pub async fn record_image(
    tx: &mut PgConnection,
    url: FetchedUrl,
    image: &VerifiedImage,
    coalesce: Duration,
) -> Result<StoredImage, sqlx::Error> {
    let (id, image_url_id) = (image.id, url.image_url_id);
    // The URL's row is locked before its pages are read: see `upsert_image_urls`.
    sqlx::query("SELECT FROM image_urls WHERE image_url_id = $1 FOR NO KEY UPDATE")
        .bind(image_url_id)
        .execute(&mut *tx)
        .await?;
    let new = insert_image(tx, image).await?;
    let restored = !new && restore(tx, id).await?;
    sqlx::query(
        "UPDATE image_urls SET state = CASE WHEN due_at = $4 THEN 'done' ELSE state END,
                attempts = attempts + 1, reason = NULL, status = $2, image_id = $3, fetched_at = now()
         WHERE image_url_id = $1",
    )
    .bind(image_url_id)
    .bind(i32::from(url.status))
    .bind(&id.as_bytes()[..])
    .bind(url.due_at)
    .execute(&mut *tx)
    .await?;
    let mut changed = see(tx, image_url_id, id).await?;
    changed.extend(part_url(tx, image_url_id, Some(id)).await?);
    if new {
        // The message of a new image brings its sightings along: a second one would say nothing.
        changed.remove(&id);
    }
    bump(tx, changed, coalesce).await?;
    let fetched = ImageFetched {
        image_id: id,
        blob_key: image.blob_key(),
        format: image.format,
    };
    if new {
        owe(tx, vec![Owed::now(&fetched)]).await?;
    } else if (restored || was_missing(tx, id).await?) && lacks_an_embedding(tx, id).await? {
        owe(tx, vec![Owed::by(Queue::ImagesReencode, &fetched)]).await?;
    }
    Ok(StoredImage { id, new, restored })
}

/// Claims an original again that had been dropped, and locks the image's row where that is so. It
/// is as old as this: a failure from before says nothing of what is to come.
async fn restore(tx: &mut PgConnection, id: ImageId) -> Result<bool, sqlx::Error> {
    let restored = sqlx::query(
        "UPDATE images SET original_dropped_at = NULL, stored_at = now()
         WHERE image_id = $1 AND original_dropped_at IS NOT NULL",
    )
    .bind(&id.as_bytes()[..])
    .execute(tx)
    .await?;
    Ok(restored.rows_affected() > 0)
}

/// Whether the encoder gave the image up because its original was lost, which has come back now.
async fn was_missing(tx: &mut PgConnection, id: ImageId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM encodings WHERE image_id = $1 AND failure = 'blob_missing')",
    )
    .bind(&id.as_bytes()[..])
    .fetch_one(tx)
    .await
}

/// Whether an index that is written wants an embedding which the image does not have; so too where
/// there is no index yet.
async fn lacks_an_embedding(tx: &mut PgConnection, id: ImageId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM generations WHERE state <> 'retired')
             OR EXISTS (
                 SELECT FROM generations, jsonb_array_elements(models) AS wanted (entry)
                 WHERE state <> 'retired' AND NOT EXISTS (
                     SELECT FROM embeddings WHERE image_id = $1 AND digest = entry ->> 'digest'))",
    )
    .bind(&id.as_bytes()[..])
    .fetch_one(tx)
    .await
}

async fn insert_image(tx: &mut PgConnection, image: &VerifiedImage) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (image_id) DO NOTHING",
    )
    .bind(&image.id.as_bytes()[..])
    .bind(image.format.as_str())
    .bind(i32::try_from(image.width).unwrap_or(i32::MAX))
    .bind(i32::try_from(image.height).unwrap_or(i32::MAX))
    .bind(i64::try_from(image.bytes.len()).unwrap_or(i64::MAX))
    .bind(image.blob_key().as_str())
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Sees the image at every page that shows the URL.
async fn see(
    tx: &mut PgConnection,
    image_url_id: i64,
    id: ImageId,
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    let seen = sqlx::query(
        "INSERT INTO sightings (image_id, page_id, image_url_id, alt, title, caption, nearby, rights)
         SELECT $2, page_id, image_url_id, alt, title, caption, nearby, rights
         FROM page_images WHERE image_url_id = $1 ORDER BY page_id
         ON CONFLICT (image_id, page_id, image_url_id)
            DO UPDATE SET alt = EXCLUDED.alt, title = EXCLUDED.title, caption = EXCLUDED.caption,
                          nearby = EXCLUDED.nearby, rights = EXCLUDED.rights,
                          last_seen = now(), gone_since = NULL",
    )
    .bind(image_url_id)
    .bind(&id.as_bytes()[..])
    .execute(tx)
    .await?;
    Ok(if seen.rows_affected() > 0 {
        BTreeSet::from([id])
    } else {
        BTreeSet::new()
    })
}
