//! What repairs write: messages owed, and addresses that are due again. All of it may be repeated.

use std::collections::BTreeSet;

use sqlx::PgPool;
use tusou_contract::{BlobKey, ImageChanged, ImageFetched, ImageFormat, ImageId, Queue};
use tusou_ingest::{Owed, owe, wake_hosts};

use super::digests;
use crate::error::Error;

/// Messages that wait in the outbox.
pub(crate) async fn outbox(pool: &PgPool) -> Result<u64, Error> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(pool)
        .await
        .map_err(Error::query("count the outbox"))?;
    Ok(count.unsigned_abs())
}

/// Owes the indexer a new look at these images, which may have no row any more.
pub(crate) async fn owe_changed(
    pool: &PgPool,
    queue: Queue,
    ids: &BTreeSet<ImageId>,
) -> Result<u64, Error> {
    let message = |&image_id: &ImageId| Owed::by(queue, &ImageChanged { image_id });
    commit(pool, ids.iter().map(message).collect()).await
}

/// Owes the encoder these images by this queue, as far as they have a row and an original.
pub(crate) async fn owe_fetched(
    pool: &PgPool,
    queue: Queue,
    ids: &BTreeSet<ImageId>,
) -> Result<u64, Error> {
    let rows: Vec<(Vec<u8>, String, String)> = sqlx::query_as(
        "SELECT image_id, blob_key, format FROM images
         WHERE image_id = ANY($1) AND original_dropped_at IS NULL",
    )
    .bind(digests(ids))
    .fetch_all(pool)
    .await
    .map_err(Error::query("read images to be encoded"))?;
    let message = |(id, key, format): (Vec<u8>, String, String)| {
        let fetched = ImageFetched {
            image_id: ImageId::from_digest(&id).ok()?,
            blob_key: BlobKey::try_from(key).ok()?,
            format: ImageFormat::from_name(&format)?,
        };
        Some(Owed::by(queue, &fetched))
    };
    commit(pool, rows.into_iter().filter_map(message).collect()).await
}

async fn commit(pool: &PgPool, owed: Vec<Owed>) -> Result<u64, Error> {
    let failed = Error::query("owe messages");
    let count = owed.len() as u64;
    let mut tx = pool.begin().await.map_err(&failed)?;
    owe(&mut tx, owed).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)?;
    Ok(count)
}

/// Makes the addresses due again that the images came from; the images that have one. One that was
/// imported has none.
pub(crate) async fn fetch_again(
    pool: &PgPool,
    ids: &BTreeSet<ImageId>,
) -> Result<BTreeSet<ImageId>, Error> {
    let failed = Error::query("make addresses of pictures due again");
    let mut tx = pool.begin().await.map_err(&failed)?;
    let urls: Vec<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT image_url_id, host_id, image_id FROM image_urls
         WHERE image_id = ANY($1) AND url NOT LIKE 'folder:%'
         ORDER BY url FOR NO KEY UPDATE",
    )
    .bind(digests(ids))
    .fetch_all(&mut *tx)
    .await
    .map_err(&failed)?;
    // All of an image's, since any of them may answer something else by now.
    let due: Vec<i64> = urls.iter().map(|(url, _, _)| *url).collect();
    sqlx::query(
        "UPDATE image_urls SET state = 'due', due_at = clock_timestamp(), attempts = 0, reason = NULL
         WHERE image_url_id = ANY($1) AND state <> 'due'",
    )
    .bind(&due)
    .execute(&mut *tx)
    .await
    .map_err(&failed)?;
    let hosts: BTreeSet<i64> = urls.iter().map(|(_, host, _)| *host).collect();
    wake_hosts(&mut tx, &hosts).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)?;
    let images = urls.iter().map(|(_, _, image)| image);
    Ok(images
        .filter_map(|id| ImageId::from_digest(id).ok())
        .collect())
}

/// Those of the images whose original is no longer kept, and to which no address leads: nothing can
/// encode them.
pub(crate) async fn beyond(
    pool: &PgPool,
    ids: &BTreeSet<ImageId>,
) -> Result<BTreeSet<ImageId>, Error> {
    let beyond: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM images WHERE image_id = ANY($1) AND original_dropped_at IS NOT NULL
         AND NOT EXISTS (SELECT FROM image_urls
                         WHERE image_urls.image_id = images.image_id AND url NOT LIKE 'folder:%')",
    )
    .bind(digests(ids))
    .fetch_all(pool)
    .await
    .map_err(Error::query("look for images that nothing can encode"))?;
    let beyond = beyond.iter();
    Ok(beyond
        .filter_map(|id| ImageId::from_digest(id).ok())
        .collect())
}
