//! URLs that were settled and are to be fetched once more.

use std::collections::BTreeSet;

use sqlx::{PgConnection, PgPool};
use tusou_contract::ImageId;

use super::again_where_it_met;
use super::reach::wake_hosts;
use crate::address::Address;

/// Rows of one transaction: locks are held shortly, and what is interrupted is done so far.
const BATCH: i64 = 5_000;

/// What to fetch again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// The pages of a seed, and the image URLs that they show.
    Seed(i64),
    /// One URL, as a page, as a picture or as both.
    Url(Address),
    /// The pages of every seed, and the image URLs that they show or that a list names.
    All,
}

/// What [`recrawl`] made due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DueAgain {
    /// Pages.
    pub pages: u64,
    /// Image URLs.
    pub image_urls: u64,
}

#[derive(Debug, Clone, Copy)]
enum Table {
    Pages,
    ImageUrls,
}

/// Makes settled URLs due again, with all their attempts, and wakes their hosts.
///
/// Whatever became of them: done, failed, or skipped for what was so then (robots.txt, a redirect).
/// Only what was left out on purpose (`out_of_scope`, `seed_removed`) stays so. A URL that is due
/// already is due anew: an answer that is under way may be from before what this is called for. What its last answer was known
/// by is forgotten: the bytes are sent again though they have not changed. In batches of a transaction
/// each; a dry run writes nothing.
pub async fn recrawl(pool: &PgPool, again: &Again, dry_run: bool) -> Result<DueAgain, sqlx::Error> {
    match again {
        Again::Url(address) => one(pool, address, dry_run).await,
        Again::Seed(seed) => Ok(DueAgain {
            pages: all(pool, Table::Pages, Some(*seed), dry_run).await?,
            image_urls: all(pool, Table::ImageUrls, Some(*seed), dry_run).await?,
        }),
        Again::All => Ok(DueAgain {
            pages: all(pool, Table::Pages, None, dry_run).await?,
            image_urls: all(pool, Table::ImageUrls, None, dry_run).await?,
        }),
    }
}

/// Makes the image URLs of dropped originals due again, for a model that wants the pixels; how many
/// URLs. Once their bytes are back they are encoded, whatever indexes hold. One that is due to be asked whether it
/// has changed is due for its bytes instead. An original that no URL shows any more cannot come back.
pub async fn refetch(pool: &PgPool, ids: &[ImageId]) -> Result<u64, sqlx::Error> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| &id.as_bytes()[..]).collect();
    let urls: Vec<i64> = sqlx::query_scalar(
        "SELECT image_url_id FROM image_urls JOIN images USING (image_id)
         WHERE image_id = ANY($1) AND original_dropped_at IS NOT NULL AND url NOT LIKE 'folder:%'
           AND (state <> 'due' OR etag IS NOT NULL OR last_modified IS NOT NULL)",
    )
    .bind(&ids)
    .fetch_all(pool)
    .await?;
    again_where_it_met(async || {
        let mut tx = pool.begin().await?;
        sqlx::query(
            "UPDATE images SET encode_again = true WHERE image_id IN (
                 SELECT image_id FROM images
                 WHERE image_id = ANY($1) AND original_dropped_at IS NOT NULL AND NOT encode_again
                 ORDER BY image_id FOR NO KEY UPDATE)",
        )
        .bind(&ids)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut tx = pool.begin().await?;
        let made = make_due(&mut tx, Table::ImageUrls, &urls).await?;
        tx.commit().await?;
        Ok(made)
    })
    .await
}

async fn one(pool: &PgPool, address: &Address, dry_run: bool) -> Result<DueAgain, sqlx::Error> {
    let mut made = [0; 2];
    for (table, made) in [Table::Pages, Table::ImageUrls].into_iter().zip(&mut made) {
        let statement = match table {
            Table::Pages => "SELECT page_id FROM pages WHERE url = $1",
            Table::ImageUrls => "SELECT image_url_id FROM image_urls WHERE url = $1",
        };
        let ids: Vec<i64> = sqlx::query_scalar(statement)
            .bind(address.as_str())
            .fetch_all(pool)
            .await?;
        *made = batch(pool, table, &ids, dry_run).await?;
    }
    let [pages, image_urls] = made;
    Ok(DueAgain { pages, image_urls })
}

async fn all(
    pool: &PgPool,
    table: Table,
    seed: Option<i64>,
    dry_run: bool,
) -> Result<u64, sqlx::Error> {
    let statement = match table {
        Table::Pages => {
            "SELECT page_id FROM pages
             WHERE page_id > $1
               AND (state <> 'skipped' OR reason NOT IN ('out_of_scope', 'seed_removed'))
               AND EXISTS (
                   SELECT FROM seed_pages
                   WHERE seed_pages.page_id = pages.page_id AND ($2::bigint IS NULL OR seed_id = $2))
             ORDER BY page_id LIMIT $3"
        }
        Table::ImageUrls => {
            "SELECT image_url_id FROM image_urls
             WHERE image_url_id > $1
               AND (state <> 'skipped' OR reason NOT IN ('out_of_scope', 'seed_removed'))
               AND EXISTS (
                   SELECT FROM page_images LEFT JOIN seed_pages USING (page_id)
                   WHERE page_images.image_url_id = image_urls.image_url_id
                     AND CASE WHEN $2::bigint IS NULL THEN seed_id IS NOT NULL OR listed IS NOT NULL
                              ELSE seed_id = $2 END)
             ORDER BY image_url_id LIMIT $3"
        }
    };
    let (mut made, mut last) = (0, 0);
    loop {
        let ids: Vec<i64> = sqlx::query_scalar(statement)
            .bind(last)
            .bind(seed)
            .bind(BATCH)
            .fetch_all(pool)
            .await?;
        let Some(end) = ids.last() else {
            return Ok(made);
        };
        last = *end;
        made += batch(pool, table, &ids, dry_run).await?;
    }
}

async fn batch(
    pool: &PgPool,
    table: Table,
    ids: &[i64],
    dry_run: bool,
) -> Result<u64, sqlx::Error> {
    if dry_run {
        return Ok(ids.len() as u64);
    }
    again_where_it_met(async || {
        let mut tx = pool.begin().await?;
        let made = make_due(&mut tx, table, ids).await?;
        tx.commit().await?;
        Ok(made)
    })
    .await
}

async fn make_due(tx: &mut PgConnection, table: Table, ids: &[i64]) -> Result<u64, sqlx::Error> {
    let statement = match table {
        Table::Pages => {
            "UPDATE pages SET state = 'due', due_at = clock_timestamp(), attempts = 0, reason = NULL,
                    revisit_at = NULL, etag = NULL, last_modified = NULL, content_hash = NULL
             WHERE page_id IN (SELECT page_id FROM pages WHERE page_id = ANY($1) ORDER BY url FOR NO KEY UPDATE)
             RETURNING host_id"
        }
        Table::ImageUrls => {
            "UPDATE image_urls SET state = 'due', due_at = clock_timestamp(), attempts = 0, reason = NULL,
                    revisit_at = NULL, etag = NULL, last_modified = NULL
             WHERE image_url_id IN (
                 SELECT image_url_id FROM image_urls WHERE image_url_id = ANY($1) ORDER BY url FOR NO KEY UPDATE)
             RETURNING host_id"
        }
    };
    let hosts: Vec<i64> = sqlx::query_scalar(statement)
        .bind(ids)
        .fetch_all(&mut *tx)
        .await?;
    let made = hosts.len() as u64;
    wake_hosts(tx, &BTreeSet::from_iter(hosts)).await?;
    Ok(made)
}
