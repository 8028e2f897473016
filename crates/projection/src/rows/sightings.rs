//! An image's sightings, summed up in the database: one image may have 100,000.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::{Postgres, Transaction};
use time::OffsetDateTime;
use tusou_contract::Rights;
use tusou_contract::document::{MAX_CAPTIONS, MAX_HOSTS};

/// The longest caption that a document carries, in characters.
const MAX_CAPTION: i32 = 2_000;

/// What an image's sightings come to.
///
/// Captions, hosts and rights are those of live sightings; where all are gone, of those that were.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Sightings that are not gone.
    pub live: u32,
    /// The first of them.
    pub first_seen: OffsetDateTime,
    /// The latest of them.
    pub last_seen: OffsetDateTime,
    /// The image URL of the earliest sighting.
    pub earliest_url: String,
    /// Distinct alt texts, titles, captions and labels, the most seen first.
    pub captions: Vec<String>,
    /// Host names of pages and image URLs without port, the most seen first.
    pub hosts: Vec<String>,
    /// The rights that pages tell most often.
    pub rights: Rights,
}

/// Sums up the sightings of each image; an image without any is not in the answer.
pub(crate) async fn read(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[&[u8]],
) -> sqlx::Result<HashMap<Vec<u8>, Seen>> {
    let mut seen = spans(tx, ids).await?;
    let gone: Vec<Vec<u8>> = seen
        .iter()
        .filter(|(_, seen)| seen.live == 0)
        .map(|(id, _)| id.clone())
        .collect();
    for (id, caption) in captions(tx, ids, &gone).await? {
        if let Some(seen) = seen.get_mut(&id) {
            seen.captions.push(caption);
        }
    }
    for (id, host) in hosts(tx, ids, &gone).await? {
        if let Some(seen) = seen.get_mut(&id) {
            seen.hosts.push(host);
        }
    }
    for (id, rights) in rights(tx, ids, &gone).await? {
        if let Some(seen) = seen.get_mut(&id) {
            seen.rights = read_rights(&rights);
        }
    }
    Ok(seen)
}

async fn spans(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[&[u8]],
) -> sqlx::Result<HashMap<Vec<u8>, Seen>> {
    let rows: Vec<(Vec<u8>, i64, OffsetDateTime, OffsetDateTime, String)> = sqlx::query_as(
        "SELECT spans.image_id, live, first_seen, last_seen, url
         FROM (SELECT image_id, count(*) FILTER (WHERE gone_since IS NULL) AS live,
                      min(first_seen) AS first_seen, max(last_seen) AS last_seen
               FROM sightings WHERE image_id = ANY($1) GROUP BY image_id) AS spans
         JOIN (SELECT DISTINCT ON (image_id) image_id, image_url_id
               FROM sightings WHERE image_id = ANY($1)
               ORDER BY image_id, first_seen, page_id, image_url_id) AS earliest USING (image_id)
         JOIN image_urls USING (image_url_id)",
    )
    .bind(ids)
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(image_id, live, first_seen, last_seen, earliest_url)| {
            let seen = Seen {
                live: u32::try_from(live).unwrap_or(u32::MAX),
                first_seen,
                last_seen,
                earliest_url,
                captions: Vec::new(),
                hosts: Vec::new(),
                rights: Rights::default(),
            };
            (image_id, seen)
        })
        .collect())
}

async fn captions(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[&[u8]],
    gone: &[Vec<u8>],
) -> sqlx::Result<Vec<(Vec<u8>, String)>> {
    sqlx::query_as(
        r#"SELECT image_id, words
           FROM (SELECT image_id, words COLLATE "C" AS words,
                        row_number() OVER (PARTITION BY image_id ORDER BY count(*) DESC, words COLLATE "C") AS place
                 FROM sightings
                 CROSS JOIN LATERAL (SELECT DISTINCT left(btrim(given.words, E' \t\r\n'), $4) AS words
                                     FROM (VALUES (alt), (title), (caption), (context ->> 'label')) AS given (words)) AS said
                 WHERE image_id = ANY($1) AND words <> '' AND (gone_since IS NULL OR image_id = ANY($2))
                 GROUP BY image_id, words) AS ranked
           WHERE place <= $3
           ORDER BY image_id, place"#,
    )
    .bind(ids)
    .bind(gone)
    .bind(MAX_CAPTIONS as i64)
    .bind(MAX_CAPTION)
    .fetch_all(&mut **tx)
    .await
}

async fn hosts(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[&[u8]],
    gone: &[Vec<u8>],
) -> sqlx::Result<Vec<(Vec<u8>, String)>> {
    sqlx::query_as(
        r#"WITH shown AS (
               SELECT image_id, page_id, image_url_id FROM sightings
               WHERE image_id = ANY($1) AND (gone_since IS NULL OR image_id = ANY($2))),
           seen AS (
               SELECT shown.image_id, host_id, count(*) AS times FROM shown JOIN pages USING (page_id)
               GROUP BY shown.image_id, host_id
               UNION ALL
               SELECT shown.image_id, host_id, count(*) AS times FROM shown JOIN image_urls USING (image_url_id)
               GROUP BY shown.image_id, host_id),
           named AS (
               SELECT image_id, times,
                      regexp_replace(regexp_replace(origin, '^[a-z]+://', ''), ':[0-9]+$', '') COLLATE "C" AS name
               FROM seen JOIN hosts USING (host_id)
               -- Lists and folders are no hosts of the web.
               WHERE origin LIKE '%://%'),
           ranked AS (
               SELECT image_id, name,
                      row_number() OVER (PARTITION BY image_id ORDER BY sum(times) DESC, name) AS place
               FROM named GROUP BY image_id, name)
           SELECT image_id, name FROM ranked WHERE place <= $3 ORDER BY image_id, place"#,
    )
    .bind(ids)
    .bind(gone)
    .bind(MAX_HOSTS as i64)
    .fetch_all(&mut **tx)
    .await
}

async fn rights(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[&[u8]],
    gone: &[Vec<u8>],
) -> sqlx::Result<Vec<(Vec<u8>, Value)>> {
    sqlx::query_as(
        "SELECT DISTINCT ON (image_id) image_id, rights
         FROM (SELECT image_id, rights - 'acquire' AS rights FROM sightings
               WHERE image_id = ANY($1) AND rights <> '{}' AND (gone_since IS NULL OR image_id = ANY($2))) AS told
         WHERE rights <> '{}'
         GROUP BY image_id, rights ORDER BY image_id, count(*) DESC, rights",
    )
    .bind(ids)
    .bind(gone)
    .fetch_all(&mut **tx)
    .await
}

/// The four texts that a document has room for; whatever else was said is left out.
pub(crate) fn read_rights(rights: &Value) -> Rights {
    let text = |key: &str| {
        let text = rights.get(key)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    Rights {
        license: text("license"),
        creator: text("creator"),
        credit: text("credit"),
        copyright: text("copyright"),
    }
}
