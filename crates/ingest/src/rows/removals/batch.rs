//! The rows of a removal, a batch and a transaction at a time.

use std::collections::{BTreeSet, VecDeque};

use sqlx::{PgConnection, PgPool};
use time::Duration;
use tusou_contract::{ImageId, Queue};

use super::keep_out::KEEP_OUT_LOCK;
use super::locks::{lock_images, lock_pages};
use super::{Removed, Subject, named, record};
use crate::rows::outbox::{Owed, owe};
use crate::rows::page::bump;
use crate::rows::sightings::Place;
use crate::rows::{again_where_it_met, image_ids};

/// Pages or image URLs of one transaction.
const BATCH: usize = 1_000;
/// Ids that are looked through at once for those of a host, by the primary key.
const WINDOW: i64 = 20_000;
/// One batch of all removals at a time: of two that each take one of an image's last two sightings,
/// the later one sees that it is the last.
const BATCH_LOCK: i64 = KEEP_OUT_LOCK + 1;
/// Images that stay are written once for many batches.
const COALESCE: Duration = Duration::seconds(2);

/// A removal at work: it is kept out since [`Removing::begin`], and its rows go with each
/// [`Removing::step`].
#[derive(Debug)]
pub struct Removing {
    removal_id: i64,
    work: Work,
}

#[derive(Debug)]
enum Work {
    Image(ImageId),
    Rows {
        pages: Rows,
        image_urls: Rows,
        hosts: Vec<i64>,
        /// What other files say that pages show which go.
        places: Vec<Place>,
    },
    Done,
}

/// Rows of one table that are still to go.
#[derive(Debug, Default)]
struct Rows {
    found: VecDeque<i64>,
    /// Up to which id of the table was looked, and where it ends.
    last: i64,
    end: i64,
}

/// A batch: rows of both tables.
#[derive(Debug, Default)]
struct Batch {
    pages: Vec<i64>,
    image_urls: Vec<i64>,
    places: Vec<Place>,
}

impl Removing {
    /// Keeps the subject out from now on. Where it is already, the record stays, with the new reason
    /// unless that is empty.
    pub async fn begin(pool: &PgPool, subject: &Subject, why: &str) -> Result<Self, sqlx::Error> {
        let mut tx = pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(KEEP_OUT_LOCK)
            .execute(&mut *tx)
            .await?;
        let removal_id = sqlx::query_scalar(
            "INSERT INTO removals (kind, subject, why) VALUES ($1, $2, $3)
             ON CONFLICT (kind, subject) DO UPDATE
                SET why = CASE WHEN EXCLUDED.why = '' THEN removals.why ELSE EXCLUDED.why END
             RETURNING removal_id",
        )
        .bind(subject.kind())
        .bind(subject.text())
        .bind(why)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        let work = match subject {
            Subject::Image(id) => Work::Image(*id),
            Subject::Url(address) => of_url(pool, address.as_str()).await?,
            Subject::Host(name) => of_host(pool, name).await?,
        };
        Ok(Self { removal_id, work })
    }

    /// Takes the next rows out, in one transaction, with the messages owed for them; `None` where
    /// none is left.
    pub async fn step(&mut self, pool: &PgPool) -> Result<Option<Removed>, sqlx::Error> {
        let id = self.removal_id;
        let removed = match &mut self.work {
            Work::Done => return Ok(None),
            Work::Image(image) => {
                let image = *image;
                let removed =
                    again_where_it_met(async || take_image(pool, id, image).await).await?;
                self.work = Work::Done;
                return Ok(Some(removed));
            }
            Work::Rows {
                pages,
                image_urls,
                hosts,
                places,
            } => {
                let mut batch = Batch {
                    pages: next_pages(pool, pages, hosts).await?,
                    image_urls: Vec::new(),
                    places: places.split_off(places.len().saturating_sub(BATCH)),
                };
                if batch.pages.len() < BATCH {
                    batch.image_urls = next_image_urls(pool, image_urls, hosts).await?;
                }
                if batch.is_empty() {
                    let hosts = std::mem::take(hosts);
                    self.work = Work::Done;
                    forget_patterns(pool, &hosts).await?;
                    return Ok(None);
                }
                again_where_it_met(async || take(pool, id, &batch).await).await?
            }
        };
        Ok(Some(removed))
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.image_urls.is_empty() && self.places.is_empty()
    }
}

async fn of_url(pool: &PgPool, url: &str) -> Result<Work, sqlx::Error> {
    let pages: Vec<i64> = sqlx::query_scalar("SELECT page_id FROM pages WHERE url = $1")
        .bind(url)
        .fetch_all(pool)
        .await?;
    let image_urls: Vec<i64> =
        sqlx::query_scalar("SELECT image_url_id FROM image_urls WHERE url = $1")
            .bind(url)
            .fetch_all(pool)
            .await?;
    let rows = |found: Vec<i64>| Rows {
        found: found.into(),
        ..Rows::default()
    };
    Ok(Work::Rows {
        pages: rows(pages),
        image_urls: rows(image_urls),
        hosts: Vec::new(),
        places: named::at_page(pool, url).await?,
    })
}

async fn of_host(pool: &PgPool, name: &str) -> Result<Work, sqlx::Error> {
    let hosts: Vec<i64> = sqlx::query_scalar(
        "SELECT host_id FROM hosts
         WHERE regexp_replace(origin, '^https?://|:[0-9]+$', '', 'g') = $1 ORDER BY host_id",
    )
    .bind(name)
    .fetch_all(pool)
    .await?;
    // Rows of the host that come after these are none: it is kept out.
    let (pages, image_urls): (i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT max(page_id) FROM pages), 0),
                coalesce((SELECT max(image_url_id) FROM image_urls), 0)",
    )
    .fetch_one(pool)
    .await?;
    let rows = |end: i64| Rows {
        end: if hosts.is_empty() { 0 } else { end },
        ..Rows::default()
    };
    Ok(Work::Rows {
        pages: rows(pages),
        image_urls: rows(image_urls),
        hosts,
        places: named::at_host(pool, name).await?,
    })
}

async fn next_pages(
    pool: &PgPool,
    rows: &mut Rows,
    hosts: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    let statement = "SELECT page_id FROM pages
         WHERE host_id = ANY($1) AND page_id > $2 AND page_id <= $3 ORDER BY page_id";
    next(pool, rows, hosts, statement).await
}

async fn next_image_urls(
    pool: &PgPool,
    rows: &mut Rows,
    hosts: &[i64],
) -> Result<Vec<i64>, sqlx::Error> {
    let statement = "SELECT image_url_id FROM image_urls
         WHERE host_id = ANY($1) AND image_url_id > $2 AND image_url_id <= $3 ORDER BY image_url_id";
    next(pool, rows, hosts, statement).await
}

/// Up to a batch of rows: neither table has an index of all rows by host, so the ids are looked
/// through in windows, once from the beginning to the end.
async fn next(
    pool: &PgPool,
    rows: &mut Rows,
    hosts: &[i64],
    statement: &'static str,
) -> Result<Vec<i64>, sqlx::Error> {
    while rows.found.len() < BATCH && rows.last < rows.end {
        let found: Vec<i64> = sqlx::query_scalar(statement)
            .bind(hosts)
            .bind(rows.last)
            .bind(rows.last + WINDOW)
            .fetch_all(pool)
            .await?;
        rows.last += WINDOW;
        rows.found.extend(found);
    }
    let most = rows.found.len().min(BATCH);
    Ok(rows.found.drain(..most).collect())
}

async fn forget_patterns(pool: &PgPool, hosts: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM url_patterns WHERE host_id = ANY($1)")
        .bind(hosts)
        .execute(pool)
        .await?;
    Ok(())
}

async fn one_at_a_time(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(BATCH_LOCK)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes pages and image URLs out, and the images that nothing shows any more. Locks are taken in
/// the order that `rows/mod.rs` gives.
async fn take(pool: &PgPool, removal_id: i64, batch: &Batch) -> Result<Removed, sqlx::Error> {
    let mut tx = pool.begin().await?;
    one_at_a_time(&mut tx).await?;
    let (naming, named): (Vec<i64>, Vec<i64>) = batch.places.iter().copied().unzip();
    lock_pages(&mut tx, &batch.pages, &naming).await?;
    let touched: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM sightings WHERE page_id = ANY($1) OR image_url_id = ANY($2)
         UNION SELECT image_id FROM sightings
               JOIN unnest($3::bigint[], $4::bigint[]) AS place (page_id, image_url_id) USING (page_id, image_url_id)
         UNION SELECT image_id FROM image_urls WHERE image_url_id = ANY($2) AND image_id IS NOT NULL",
    )
    .bind(&batch.pages)
    .bind(&batch.image_urls)
    .bind(&naming)
    .bind(&named)
    .fetch_all(&mut *tx)
    .await?;
    let may_go: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM images WHERE image_id = ANY($3) AND relative_path IS NULL
         AND NOT EXISTS (
             SELECT FROM sightings WHERE sightings.image_id = images.image_id
              AND page_id <> ALL($1) AND image_url_id <> ALL($2)
              AND (page_id, image_url_id) NOT IN (SELECT * FROM unnest($4::bigint[], $5::bigint[])))",
    )
    .bind(&batch.pages)
    .bind(&batch.image_urls)
    .bind(&touched)
    .bind(&naming)
    .bind(&named)
    .fetch_all(&mut *tx)
    .await?;
    lock_images(&mut tx, &batch.image_urls, &may_go).await?;
    let sightings = sqlx::query(
        "DELETE FROM sightings WHERE page_id = ANY($1) OR image_url_id = ANY($2)
            OR (page_id, image_url_id) IN (SELECT * FROM unnest($3::bigint[], $4::bigint[]))",
    )
    .bind(&batch.pages)
    .bind(&batch.image_urls)
    .bind(&naming)
    .bind(&named)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "DELETE FROM page_images USING unnest($1::bigint[], $2::bigint[]) AS place (page_id, image_url_id)
         WHERE page_images.page_id = place.page_id AND page_images.image_url_id = place.image_url_id",
    )
    .bind(&naming)
    .bind(&named)
    .execute(&mut *tx)
    .await?;
    // Asked again under the locks: another page may show it since.
    let go: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM images WHERE image_id = ANY($1)
         AND NOT EXISTS (SELECT FROM sightings WHERE sightings.image_id = images.image_id)",
    )
    .bind(&may_go)
    .fetch_all(&mut *tx)
    .await?;
    let go: BTreeSet<ImageId> = image_ids(&go);
    let gone = delete_pages(&mut tx, &batch.pages).await?;
    let image_urls = sqlx::query("DELETE FROM image_urls WHERE image_url_id = ANY($1)")
        .bind(&batch.image_urls)
        .execute(&mut *tx)
        .await?;
    // The URLs that are left showed it on pages that are no more: what they show now is not known.
    sqlx::query(
        "UPDATE image_urls SET image_id = NULL, etag = NULL, last_modified = NULL
         WHERE image_id = ANY($1)",
    )
    .bind(digests(&go))
    .execute(&mut *tx)
    .await?;
    let bytes = delete_images(&mut tx, &go).await?;
    let mut stay: BTreeSet<ImageId> = image_ids(&touched);
    stay.retain(|id| !go.contains(id));
    bump(&mut tx, stay, COALESCE).await?;
    let removed = Removed {
        pages: gone.len() as u64,
        image_urls: image_urls.rows_affected(),
        sightings: sightings.rows_affected(),
        images: go.len() as u64,
        bytes,
    };
    record::add(&mut tx, removal_id, removed).await?;
    count_out(&mut tx, &gone).await?;
    tx.commit().await?;
    Ok(removed)
}

/// Takes one image out. Its URLs stay: they are skipped, unless they are due, and show another
/// picture one day.
async fn take_image(
    pool: &PgPool,
    removal_id: i64,
    image: ImageId,
) -> Result<Removed, sqlx::Error> {
    let mut tx = pool.begin().await?;
    one_at_a_time(&mut tx).await?;
    let id = &image.as_bytes()[..];
    lock_images(&mut tx, &[], &[id.to_vec()]).await?;
    let sightings = sqlx::query("DELETE FROM sightings WHERE image_id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "UPDATE image_urls SET image_id = NULL, etag = NULL, last_modified = NULL,
                reason = CASE WHEN state = 'done' THEN 'removed' ELSE reason END,
                state = CASE WHEN state = 'done' THEN 'skipped' ELSE state END
         WHERE image_id = $1",
    )
    .bind(id)
    .execute(&mut *tx)
    .await?;
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM images WHERE image_id = $1)")
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
    let go: BTreeSet<ImageId> = known.then_some(image).into_iter().collect();
    let bytes = delete_images(&mut tx, &go).await?;
    let removed = Removed {
        sightings: sightings.rows_affected(),
        images: go.len() as u64,
        bytes,
        ..Removed::default()
    };
    record::add(&mut tx, removal_id, removed).await?;
    tx.commit().await?;
    Ok(removed)
}

/// Deletes pages and what hangs on them, and counts them out of their seeds; the host of each, and
/// whether it was a sitemap.
async fn delete_pages(
    tx: &mut PgConnection,
    pages: &[i64],
) -> Result<Vec<(i64, bool)>, sqlx::Error> {
    sqlx::query(
        "WITH gone AS (
             DELETE FROM seed_pages USING pages
             WHERE seed_pages.page_id = ANY($1) AND pages.page_id = seed_pages.page_id
             RETURNING seed_id, kind = 'sitemap' AS is_sitemap)
         UPDATE seeds SET pages = greatest(seeds.pages - counted.pages, 0),
                sitemaps = greatest(seeds.sitemaps - counted.sitemaps, 0)
         FROM (SELECT seed_id, count(*) FILTER (WHERE NOT is_sitemap) AS pages,
                      count(*) FILTER (WHERE is_sitemap) AS sitemaps
               FROM gone GROUP BY seed_id) AS counted
         WHERE seeds.seed_id = counted.seed_id",
    )
    .bind(pages)
    .execute(&mut *tx)
    .await?;
    sqlx::query_as("DELETE FROM pages WHERE page_id = ANY($1) RETURNING host_id, kind = 'sitemap'")
        .bind(pages)
        .fetch_all(tx)
        .await
}

/// Counts pages out of their hosts, where sitemaps are not counted.
async fn count_out(tx: &mut PgConnection, gone: &[(i64, bool)]) -> Result<(), sqlx::Error> {
    let hosts = gone.iter().filter(|(_, is_sitemap)| !is_sitemap);
    let hosts: Vec<i64> = hosts.map(|(host, _)| *host).collect();
    sqlx::query(
        "UPDATE url_patterns SET pages = greatest(url_patterns.pages - counted.pages, 0)
         FROM (SELECT host_id, count(*) AS pages FROM unnest($1::bigint[]) AS gone (host_id)
               GROUP BY host_id) AS counted
         WHERE url_patterns.host_id = counted.host_id AND pattern = ''",
    )
    .bind(hosts)
    .execute(tx)
    .await?;
    Ok(())
}

/// Deletes images, with their embeddings and encodings, and owes the indexer a message for each, for
/// what has no row has no document. The bytes of their originals.
async fn delete_images(
    tx: &mut PgConnection,
    images: &BTreeSet<ImageId>,
) -> Result<u64, sqlx::Error> {
    if images.is_empty() {
        return Ok(0);
    }
    let ids = digests(images);
    sqlx::query(
        "INSERT INTO removed_images (image_id, blob_key, thumbnail_key)
         SELECT image_id, blob_key, thumbnail_key
         FROM images LEFT JOIN encodings USING (image_id)
         WHERE image_id = ANY($1) ORDER BY image_id
         ON CONFLICT (image_id) DO UPDATE
            SET blob_key = EXCLUDED.blob_key, thumbnail_key = EXCLUDED.thumbnail_key,
                removed_at = EXCLUDED.removed_at, blobs_gone_at = NULL",
    )
    .bind(&ids)
    .execute(&mut *tx)
    .await?;
    let bytes: Vec<i64> =
        sqlx::query_scalar("DELETE FROM images WHERE image_id = ANY($1) RETURNING bytes")
            .bind(&ids)
            .fetch_all(&mut *tx)
            .await?;
    // What has not left yet need not be encoded.
    sqlx::query("DELETE FROM outbox WHERE queue = ANY($1) AND image_id = ANY($2)")
        .bind([Queue::ImagesFetched.name(), Queue::ImagesReencode.name()])
        .bind(&ids)
        .execute(&mut *tx)
        .await?;
    let owed = images
        .iter()
        .map(|id| Owed::changed(*id, Duration::ZERO))
        .collect();
    owe(tx, owed).await?;
    Ok(bytes.iter().map(|bytes| bytes.unsigned_abs()).sum())
}

fn digests(ids: &BTreeSet<ImageId>) -> Vec<&[u8]> {
    ids.iter().map(|id| &id.as_bytes()[..]).collect()
}
