//! What was known of a URL that now answers otherwise: it shows nothing any more.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use time::Duration;
use tusou_contract::ImageId;

use super::page::{bump, image_ids};

/// A page has given an answer that shows nothing: its pictures are gone from it since now. Returns
/// how many images' documents change. Call it after the page's own row was written.
pub async fn page_gone(
    tx: &mut PgConnection,
    page_id: i64,
    coalesce: Duration,
) -> Result<u64, sqlx::Error> {
    // As in `record_page`: a picture's own transaction either sees this or is seen by it.
    sqlx::query(
        "SELECT FROM image_urls
         WHERE image_url_id IN (SELECT image_url_id FROM page_images WHERE page_id = $1)
         ORDER BY url FOR SHARE",
    )
    .bind(page_id)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM page_images WHERE page_id = $1")
        .bind(page_id)
        .execute(&mut *tx)
        .await?;
    let gone = part_page(tx, page_id).await?;
    bump(tx, gone, coalesce).await
}

/// An image URL has given an answer that is no picture: whatever was seen by it is gone since now.
/// Returns how many images' documents change. Call it after the URL's own row was written.
pub async fn image_url_gone(
    tx: &mut PgConnection,
    image_url_id: i64,
    coalesce: Duration,
) -> Result<u64, sqlx::Error> {
    // Or the next page that shows the URL would see the old picture there.
    sqlx::query("UPDATE image_urls SET image_id = NULL WHERE image_url_id = $1")
        .bind(image_url_id)
        .execute(&mut *tx)
        .await?;
    let gone = part_url(tx, image_url_id, None).await?;
    bump(tx, gone, coalesce).await
}

/// Ends the sightings of what a page no longer shows.
pub(super) async fn part_page(
    tx: &mut PgConnection,
    page_id: i64,
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    let gone: Vec<Vec<u8>> = sqlx::query_scalar(
        "UPDATE sightings SET gone_since = now()
         WHERE page_id = $1 AND gone_since IS NULL AND NOT EXISTS (
             SELECT FROM page_images
             WHERE page_images.page_id = $1 AND page_images.image_url_id = sightings.image_url_id)
         RETURNING image_id",
    )
    .bind(page_id)
    .fetch_all(tx)
    .await?;
    Ok(image_ids(gone))
}

/// Ends the sightings by a URL, but for those of the image that it shows now: one statement, for a
/// site's logo is shown by every page.
pub(super) async fn part_url(
    tx: &mut PgConnection,
    image_url_id: i64,
    now: Option<ImageId>,
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    let gone: Vec<Vec<u8>> = sqlx::query_scalar(
        "WITH gone AS (
             UPDATE sightings SET gone_since = now()
             WHERE gone_since IS NULL AND image_url_id = $1 AND image_id IS DISTINCT FROM $2
               AND page_id IN (SELECT page_id FROM page_images WHERE image_url_id = $1)
             RETURNING image_id)
         SELECT DISTINCT image_id FROM gone",
    )
    .bind(image_url_id)
    .bind(now.as_ref().map(|id| &id.as_bytes()[..]))
    .fetch_all(tx)
    .await?;
    Ok(image_ids(gone))
}
