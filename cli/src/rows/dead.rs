//! What is known of images whose messages died.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;
use tusou_contract::ImageId;

use crate::error::Error;

/// What the database knows of an image.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Known {
    pub(crate) format: String,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) bytes: i64,
    pub(crate) blob_key: String,
    /// RFC 3339, to the second.
    pub(crate) stored_at: String,
    /// Its original is no longer kept.
    pub(crate) dropped: bool,
    pub(crate) rev: i64,
    /// The encoder has answered.
    pub(crate) tried: bool,
    pub(crate) failure: Option<String>,
    pub(crate) detail: Option<String>,
    /// Model and digest.
    pub(crate) embeddings: Vec<String>,
    /// Model, digest and reason of models that failed while others may have worked.
    pub(crate) model_failures: Vec<String>,
    /// Live ones.
    pub(crate) sightings: i64,
    /// Index, revision there, and its refusal.
    pub(crate) indexed: Vec<String>,
}

/// What the database knows of an image; `None` where it has no row.
pub(crate) async fn known(pool: &PgPool, image: &ImageId) -> Result<Option<Known>, Error> {
    sqlx::query_as(
        "SELECT format, width, height, bytes, blob_key, rev,
                to_char(stored_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS stored_at,
                original_dropped_at IS NOT NULL AS dropped,
                encodings.image_id IS NOT NULL AS tried, failure, detail,
                ARRAY(SELECT model || ' ' || left(digest, 12) FROM embeddings
                      WHERE embeddings.image_id = images.image_id ORDER BY 1) AS embeddings,
                ARRAY(SELECT model || ' ' || left(digest, 12) || ': ' || reason FROM model_failures
                      WHERE model_failures.image_id = images.image_id ORDER BY 1) AS model_failures,
                (SELECT count(*) FROM sightings
                 WHERE sightings.image_id = images.image_id AND gone_since IS NULL) AS sightings,
                ARRAY(SELECT index_name || ' at rev ' || indexed.rev || coalesce(', refused: ' || refusal, '')
                      FROM indexed JOIN generations USING (generation_id)
                      WHERE indexed.image_id = images.image_id ORDER BY 1) AS indexed
         FROM images LEFT JOIN encodings ON encodings.image_id = images.image_id
         WHERE images.image_id = $1",
    )
    .bind(image.as_bytes().as_slice())
    .fetch_optional(pool)
    .await
    .map_err(Error::query("look an image up"))
}

/// Where each image was seen: hosts of its pages and of the picture itself, without the scheme.
pub(crate) async fn hosts(
    pool: &PgPool,
    images: &[ImageId],
) -> Result<BTreeMap<ImageId, BTreeSet<String>>, Error> {
    let ids: Vec<&[u8]> = images.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
        "SELECT image_id, origin FROM hosts JOIN (
             SELECT image_id, host_id FROM sightings JOIN pages USING (page_id) WHERE image_id = ANY($1)
             UNION SELECT image_id, host_id FROM image_urls WHERE image_id = ANY($1)
         ) AS seen USING (host_id)",
    )
    .bind(&ids)
    .fetch_all(pool)
    .await
    .map_err(Error::query("look hosts up"))?;
    let mut hosts: BTreeMap<ImageId, BTreeSet<String>> = BTreeMap::new();
    for (id, origin) in rows {
        let id = ImageId::from_digest(&id).expect("the schema checks the length");
        let name = origin.split_once("://").map_or(&*origin, |(_, name)| name);
        hosts.entry(id).or_default().insert(name.to_owned());
    }
    Ok(hosts)
}
