//! The only SQL of this service, with what is below it: where the pictures of an answer are seen. It only reads.

pub(crate) mod oldest;

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgPool, Row as _};
use tusou_contract::{ImageId, SightingContext, SightingRights};

use crate::answer::Sighting;
use crate::error::SearchError;

/// The first `limit` sightings of each image: live ones first, the earliest first. One round trip,
/// however many images; an image without sightings is not in the map.
pub(crate) async fn sightings(
    pool: &PgPool,
    images: &[ImageId],
    limit: i64,
) -> Result<HashMap<ImageId, Vec<Sighting>>, SearchError> {
    let ids: Vec<Vec<u8>> = images.iter().map(|id| id.as_bytes().to_vec()).collect();
    // The inner query picks before it joins: an image may have 100,000 sightings.
    let rows = sqlx::query(
        "SELECT seen.*, COALESCE(context ->> 'page', pages.url) AS page_url, \
                shown.title AS page_title, shown.lang AS page_lang, \
                image_urls.url AS image_url, images.rights || seen.told AS rights \
         FROM unnest($1::bytea[]) AS wanted (id) \
         CROSS JOIN LATERAL ( \
             SELECT image_id, page_id, image_url_id, alt, title, caption, nearby, context, rights AS told, \
                    first_seen, last_seen, gone_since \
             FROM sightings WHERE sightings.image_id = wanted.id \
             ORDER BY gone_since IS NOT NULL, first_seen, page_id, image_url_id \
             LIMIT $2 \
         ) AS seen \
         JOIN pages USING (page_id) \
         LEFT JOIN pages AS shown ON shown.url = COALESCE(context ->> 'page', pages.url) \
         JOIN image_urls USING (image_url_id) \
         JOIN images ON images.image_id = seen.image_id \
         ORDER BY seen.image_id, seen.gone_since IS NOT NULL, seen.first_seen, \
                  seen.page_id, seen.image_url_id",
    )
    .bind(&ids)
    .bind(limit)
    .fetch_all(pool)
    .await
    .map_err(away)?;
    let mut seen: HashMap<ImageId, Vec<Sighting>> = HashMap::new();
    for row in rows {
        let read = || -> Result<(ImageId, Sighting), sqlx::Error> {
            let id = ImageId::from_digest(row.try_get("image_id")?)
                .map_err(|cause| sqlx::Error::Decode(cause.into()))?;
            Ok((id, sighting(&row)?))
        };
        let (id, sighting) = read().map_err(SearchError::internal)?;
        seen.entry(id).or_default().push(sighting);
    }
    Ok(seen)
}

/// A row of a query that joins a sighting with its page and addresses.
fn sighting(row: &PgRow) -> Result<Sighting, sqlx::Error> {
    Ok(Sighting {
        page_url: row.try_get("page_url")?,
        image_url: row.try_get("image_url")?,
        alt: row.try_get("alt")?,
        title: row.try_get("title")?,
        caption: row.try_get("caption")?,
        nearby: row.try_get("nearby")?,
        context: row.try_get::<Json<SightingContext>, _>("context")?.0,
        page_title: row.try_get("page_title")?,
        page_lang: row.try_get("page_lang")?,
        rights: row.try_get::<Json<SightingRights>, _>("rights")?.0,
        first_seen: row.try_get("first_seen")?,
        last_seen: row.try_get("last_seen")?,
        gone_since: row.try_get("gone_since")?,
    })
}

/// Asks the database for nothing, to see whether it answers.
pub(crate) async fn ping(pool: &PgPool) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT 1").execute(pool).await.map(drop)
}

fn away(error: sqlx::Error) -> SearchError {
    if tusou_platform::database::is_transient(&error) {
        SearchError::Away {
            what: "the database",
            cause: error.into(),
        }
    } else {
        SearchError::internal(error)
    }
}
