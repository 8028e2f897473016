//! A picture whose bytes came: its image, and the sightings at every page that shows its URL.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use time::Duration;
use tusou_contract::{ImageFetched, ImageId};

use super::outbox::{Owed, owe};
use super::page::{bump, image_ids};
use crate::verify::VerifiedImage;

/// What [`record_image`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredImage {
    /// The image.
    pub id: ImageId,
    /// Whether its bytes were new to the store.
    pub new: bool,
}

/// Writes the image that a URL's bytes are, its sightings, and what is owed to the broker.
///
/// The blob must be durable before this is called. Where the URL showed another image before,
/// that image's sightings by this URL are gone since now.
pub async fn record_image(
    tx: &mut PgConnection,
    image_url_id: i64,
    status: u16,
    image: &VerifiedImage,
    coalesce: Duration,
) -> Result<StoredImage, sqlx::Error> {
    let id = image.id;
    // The URL's row is locked before its pages are read: see `upsert_image_urls`.
    sqlx::query("SELECT FROM image_urls WHERE image_url_id = $1 FOR NO KEY UPDATE")
        .bind(image_url_id)
        .execute(&mut *tx)
        .await?;
    let new = insert_image(tx, image).await?;
    sqlx::query(
        "UPDATE image_urls SET state = 'done', attempts = attempts + 1, reason = NULL, status = $2,
                image_id = $3, fetched_at = now()
         WHERE image_url_id = $1",
    )
    .bind(image_url_id)
    .bind(i32::from(status))
    .bind(&id.as_bytes()[..])
    .execute(&mut *tx)
    .await?;
    let mut changed = see(tx, image_url_id, id).await?;
    changed.extend(part(tx, image_url_id, id).await?);
    if new {
        // The message of a new image brings its sightings along: a second one would say nothing.
        changed.remove(&id);
    }
    bump(tx, changed, coalesce).await?;
    if new {
        let fetched = ImageFetched {
            image_id: id,
            blob_key: image.blob_key(),
            format: image.format,
        };
        owe(tx, vec![Owed::now(&fetched)]).await?;
    }
    Ok(StoredImage { id, new })
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

/// Ends the sightings of other images by this URL.
async fn part(
    tx: &mut PgConnection,
    image_url_id: i64,
    id: ImageId,
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    let gone: Vec<Vec<u8>> = sqlx::query_scalar(
        "UPDATE sightings SET gone_since = now()
         WHERE gone_since IS NULL AND image_url_id = $1 AND image_id <> $2
           AND page_id IN (SELECT page_id FROM page_images WHERE image_url_id = $1)
         RETURNING image_id",
    )
    .bind(image_url_id)
    .bind(&id.as_bytes()[..])
    .fetch_all(tx)
    .await?;
    Ok(image_ids(gone))
}
