//! Images seen at pages: seen, seen still, and gone.
//!
//! Whoever writes a sighting holds its page's row, or its image URL's row against all others: two
//! transactions never write the same one at once.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use tusou_contract::ImageId;

use super::image_ids;

/// `page_id`, `image_url_id`
pub(super) type Place = (i64, i64);

/// An image, and where it is seen.
pub(super) type Sight = (ImageId, Place);

/// Writes sightings as `page_images` has them, but for those that would not change by it.
macro_rules! see_statement {
    ($from:literal, $rest:literal) => {
        concat!(
            "WITH seen AS (
                 INSERT INTO sightings (image_id, page_id, image_url_id, alt, title, caption, nearby, rights, context)
                 SELECT at.image_id, shown.page_id, shown.image_url_id, alt, title, caption, nearby, rights, context
                 FROM ", $from, "
                 WHERE NOT EXISTS (
                     SELECT FROM sightings AS old
                     WHERE old.image_id = at.image_id AND old.page_id = shown.page_id
                       AND old.image_url_id = shown.image_url_id AND old.gone_since IS NULL", $rest, "
                       AND (old.alt, old.title, old.caption, old.nearby, old.rights, old.context)
                           IS NOT DISTINCT FROM
                           (shown.alt, shown.title, shown.caption, shown.nearby, shown.rights, shown.context))
                 ORDER BY at.image_id, shown.page_id, shown.image_url_id
                 ON CONFLICT (image_id, page_id, image_url_id)
                    DO UPDATE SET alt = EXCLUDED.alt, title = EXCLUDED.title, caption = EXCLUDED.caption,
                                  nearby = EXCLUDED.nearby, rights = EXCLUDED.rights, context = EXCLUDED.context,
                                  last_seen = now(), gone_since = NULL
                 RETURNING image_id)
             SELECT DISTINCT image_id FROM seen"
        )
    };
}

/// Sees images at pages that were read: those whose sightings are new, come back, say something else
/// or were last seen more than a day ago.
pub(super) async fn see_at_pages(
    tx: &mut PgConnection,
    seen: &[Sight],
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    if seen.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<&[u8]> = seen.iter().map(|(id, _)| &id.as_bytes()[..]).collect();
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(see_statement!(
        "unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS at (image_id, page_id, image_url_id)
         JOIN page_images AS shown
           ON shown.page_id = at.page_id AND shown.image_url_id = at.image_url_id",
        " AND old.last_seen > now() - interval '1 day'"
    ))
    .bind(ids)
    .bind(seen.iter().map(|(_, place)| place.0).collect::<Vec<_>>())
    .bind(seen.iter().map(|(_, place)| place.1).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(image_ids(&rows))
}

/// Sees images at every page that shows a URL which they were fetched from.
pub(super) async fn see_by_urls(
    tx: &mut PgConnection,
    fetched: &[(i64, ImageId)],
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    if fetched.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<&[u8]> = fetched.iter().map(|(_, id)| &id.as_bytes()[..]).collect();
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(see_statement!(
        "unnest($1::bigint[], $2::bytea[]) AS at (image_url_id, image_id)
         JOIN page_images AS shown ON shown.image_url_id = at.image_url_id",
        ""
    ))
    .bind(fetched.iter().map(|(url, _)| *url).collect::<Vec<_>>())
    .bind(ids)
    .fetch_all(tx)
    .await?;
    Ok(image_ids(&rows))
}

/// Ends the sightings of what pages no longer show.
pub(super) async fn part(
    tx: &mut PgConnection,
    parted: &[Place],
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    if parted.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "WITH gone AS (
             UPDATE sightings SET gone_since = now()
             FROM unnest($1::bigint[], $2::bigint[]) AS parted (page_id, image_url_id)
             WHERE sightings.page_id = parted.page_id AND sightings.image_url_id = parted.image_url_id
               AND gone_since IS NULL
             RETURNING image_id)
         SELECT DISTINCT image_id FROM gone",
    )
    .bind(parted.iter().map(|place| place.0).collect::<Vec<_>>())
    .bind(parted.iter().map(|place| place.1).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(image_ids(&rows))
}

/// Ends the sightings by URLs, but for those of the image that each shows now: one statement, for a
/// site's logo is shown by every page.
pub(super) async fn part_urls(
    tx: &mut PgConnection,
    urls: &[(i64, Option<ImageId>)],
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    if urls.is_empty() {
        return Ok(BTreeSet::new());
    }
    let now = urls.iter().map(|(_, now)| now.as_ref());
    let now: Vec<Option<&[u8]>> = now.map(|id| id.map(|id| &id.as_bytes()[..])).collect();
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "WITH gone AS (
             UPDATE sightings SET gone_since = now()
             FROM unnest($1::bigint[], $2::bytea[]) AS other (image_url_id, image_id)
             WHERE sightings.image_url_id = other.image_url_id
               AND sightings.image_id IS DISTINCT FROM other.image_id AND gone_since IS NULL
             RETURNING sightings.image_id)
         SELECT DISTINCT image_id FROM gone",
    )
    .bind(urls.iter().map(|(url, _)| *url).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(tx)
    .await?;
    Ok(image_ids(&rows))
}
