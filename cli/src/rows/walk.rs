//! What is still owed, and images that no encoder has said anything of.

use std::collections::BTreeSet;

use sqlx::PgPool;
use tusou_contract::ImageId;

use super::{digests, image_ids, unsigned};
use crate::error::Error;

/// The next images without any outcome of their encoding, in the order of their ids.
pub(crate) async fn unencoded(
    pool: &PgPool,
    after: Option<ImageId>,
    most: usize,
) -> Result<BTreeSet<ImageId>, Error> {
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM images
         WHERE image_id > $1 AND NOT EXISTS (SELECT FROM encodings WHERE encodings.image_id = images.image_id)
         ORDER BY image_id LIMIT $2",
    )
    .bind(after.map_or(Vec::new(), |id| id.as_bytes().to_vec()))
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
    .map_err(Error::query("look for images that were not encoded"))?;
    Ok(image_ids(ids))
}

/// Those of the images that still have a row and no outcome of their encoding.
pub(crate) async fn still_unencoded(
    pool: &PgPool,
    ids: &BTreeSet<ImageId>,
) -> Result<BTreeSet<ImageId>, Error> {
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM images WHERE image_id = ANY($1)
         AND NOT EXISTS (SELECT FROM encodings WHERE encodings.image_id = images.image_id)",
    )
    .bind(digests(ids))
    .fetch_all(pool)
    .await
    .map_err(Error::query("look again for images that were not encoded"))?;
    Ok(image_ids(ids))
}

/// Those of the images that a message in the outbox is about.
pub(crate) async fn owed(
    pool: &PgPool,
    ids: &BTreeSet<ImageId>,
) -> Result<BTreeSet<ImageId>, Error> {
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT DISTINCT image_id FROM outbox WHERE image_id = ANY($1)")
            .bind(digests(ids))
            .fetch_all(pool)
            .await
            .map_err(Error::query("look for images in the outbox"))?;
    Ok(image_ids(ids))
}

/// How many messages wait in the outbox, how many of them could have gone ten minutes ago, and the
/// age in seconds of the oldest.
pub(crate) async fn outbox(pool: &PgPool) -> Result<(u64, u64, Option<u64>), Error> {
    let (waiting, old, age): (i64, i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE ready_at < now() - interval '10 minutes'),
                extract(epoch FROM now() - min(created_at))::bigint
         FROM outbox",
    )
    .fetch_one(pool)
    .await
    .map_err(Error::query("look at the outbox"))?;
    Ok((unsigned(waiting), unsigned(old), age.map(unsigned)))
}

/// How many images there are, and how many have an outcome of their encoding.
pub(crate) async fn images(pool: &PgPool) -> Result<(u64, u64), Error> {
    let (images, encodings): (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM images), (SELECT count(*) FROM encodings)")
            .fetch_one(pool)
            .await
            .map_err(Error::query("count the images"))?;
    Ok((unsigned(images), unsigned(encodings)))
}
