//! Seeds: where a crawl begins and how far it goes.

mod change;

use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::again_where_it_met;
use super::budget::Budgets;
use super::reach::{Reached, Seedling, reach_pages, wake_hosts};
use crate::address::{Address, Scope};
use crate::rendering::Rendering;

pub use change::{SeedChange, SeedEdited, SeedError, SeedRemoved, edit, remove};

/// A seed to add.
#[derive(Debug, Clone)]
pub struct NewSeed {
    /// The page where the crawl begins.
    pub url: Address,
    /// Which links are followed.
    pub scope: Scope,
    /// Links followed from the seed's page: 0 reads that page alone.
    pub max_depth: u32,
    /// The most pages that belong to the seed.
    pub max_pages: u64,
    /// The most picture URLs that become known by it; 0: no limit.
    pub max_images: u64,
    /// Whether its pages are rendered.
    pub render: Rendering,
}

/// What [`add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedAdded {
    /// The seed's number.
    pub seed_id: i64,
    /// Whether a seed of this URL and scope was there; its bounds are now the new ones.
    pub known: bool,
}

/// A seed as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct SeedRow {
    /// The seed's number.
    pub seed_id: i64,
    /// The page where the crawl begins.
    pub url: String,
    /// `host`, `domain` or `prefix`.
    pub scope: String,
    /// Links followed from the seed's page.
    pub max_depth: i32,
    /// The most pages that belong to the seed.
    pub max_pages: i64,
    /// The most picture URLs that become known by it; none: no limit.
    pub max_images: Option<i64>,
    /// How many pages belong to it.
    pub pages: i64,
    /// How many of them are due.
    pub due: i64,
    /// Whether its pages are rendered: `auto`, `always` or `never`.
    pub render: String,
    /// When it was added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// Every seed, the oldest first.
pub async fn list(pool: &PgPool) -> Result<Vec<SeedRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT seed_id, url, scope, max_depth, max_pages, max_images, seeds.pages, render, created_at,
                (SELECT count(*) FROM seed_pages JOIN pages USING (page_id)
                 WHERE seed_pages.seed_id = seeds.seed_id AND state = 'due' AND kind <> 'sitemap') AS due
         FROM seeds ORDER BY seed_id",
    )
    .fetch_all(pool)
    .await
}

/// Whether there is a seed of this number.
pub async fn exists(pool: &PgPool, seed_id: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM seeds WHERE seed_id = $1)")
        .bind(seed_id)
        .fetch_one(pool)
        .await
}

/// Adds a seed and makes its page due.
///
/// Adding a known seed again changes its bounds. Where they grew, its pages are read again, since
/// links that were left out may now be followed, and likewise where rendering is another; a page of it that had failed is tried again.
pub async fn add(pool: &PgPool, seed: &NewSeed) -> Result<SeedAdded, sqlx::Error> {
    again_where_it_met(async || add_once(pool, seed).await).await
}

async fn add_once(pool: &PgPool, seed: &NewSeed) -> Result<SeedAdded, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let depth = i32::try_from(seed.max_depth).unwrap_or(i32::MAX);
    let pages = i64::try_from(seed.max_pages).unwrap_or(i64::MAX);
    let images = most_images(seed.max_images);
    let before: Option<(i64, i32, i64, Option<i64>, String)> = sqlx::query_as(
        "SELECT seed_id, max_depth, max_pages, max_images, render FROM seeds
         WHERE url = $1 AND scope = $2 FOR NO KEY UPDATE",
    )
    .bind(seed.url.as_str())
    .bind(seed.scope.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let seed_id: i64 = sqlx::query_scalar(
        "INSERT INTO seeds (url, scope_url, scope, max_depth, max_pages, render) VALUES ($1, $1, $2, $3, $4, $5)
         ON CONFLICT (url, scope) DO UPDATE SET max_depth = EXCLUDED.max_depth,
             max_pages = EXCLUDED.max_pages, render = EXCLUDED.render
         RETURNING seed_id",
    )
    .bind(seed.url.as_str())
    .bind(seed.scope.as_str())
    .bind(depth)
    .bind(pages)
    .bind(seed.render.as_str())
    .fetch_one(&mut *tx)
    .await?;
    limit_images(&mut tx, seed_id, images).await?;
    // What is rendered now, or no longer, may show other pictures.
    let again = before
        .as_ref()
        .is_some_and(|(_, old_depth, old_pages, old_images, render)| {
            depth > *old_depth
                || pages > *old_pages
                || more_images(*old_images, images)
                || render != seed.render.as_str()
        });
    let reached = reach(&mut tx, seed_id, &seed.url, before.is_some(), again).await?;
    wake_hosts(&mut tx, &reached.hosts).await?;
    tx.commit().await?;
    Ok(SeedAdded {
        seed_id,
        known: before.is_some(),
    })
}

/// What a row holds of a limit of which 0 is none.
fn most_images(most: u64) -> Option<i64> {
    (most > 0).then(|| i64::try_from(most).unwrap_or(i64::MAX))
}

/// Whether a limit of pictures lets more in than the one before.
fn more_images(before: Option<i64>, now: Option<i64>) -> bool {
    before.is_some_and(|before| now.is_none_or(|now| now > before))
}

/// Limits the pictures of a seed, whose row is locked. Those that its pages show already count: they were
/// not counted while there was no limit.
async fn limit_images(
    tx: &mut PgConnection,
    seed_id: i64,
    most: Option<i64>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE seeds SET max_images = $2,
                images = CASE WHEN $2 IS NULL OR max_images IS NOT NULL THEN images ELSE (
                    SELECT count(DISTINCT image_url_id) FROM seed_pages JOIN page_images USING (page_id)
                    WHERE seed_pages.seed_id = seeds.seed_id) END
         WHERE seed_id = $1 AND max_images IS DISTINCT FROM $2",
    )
    .bind(seed_id)
    .bind(most)
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes a seed's own page due; of a seed that was there its failed pages too, and of one that is
/// another now all those that were read. The hosts are still to be woken.
async fn reach(
    tx: &mut PgConnection,
    seed_id: i64,
    url: &Address,
    known: bool,
    anew: bool,
) -> Result<Reached, sqlx::Error> {
    let start = Seedling {
        seed_id,
        depth: 0,
        address: url.clone(),
    };
    let mut reached = reach_pages(&mut *tx, vec![start], Budgets::UNBOUNDED).await?;
    if known {
        let again: Vec<i64> = sqlx::query_scalar(
            "UPDATE pages SET state = 'due', due_at = now(), attempts = 0, reason = NULL, revisit_at = NULL,
                    etag = NULL, last_modified = NULL, content_hash = NULL
             WHERE page_id IN (
                 SELECT page_id FROM pages JOIN seed_pages USING (page_id)
                 WHERE seed_id = $1 AND (state = 'failed' OR ($2 AND state = 'done'))
                 ORDER BY url FOR NO KEY UPDATE OF pages)
             RETURNING host_id",
        )
        .bind(seed_id)
        .bind(anew)
        .fetch_all(&mut *tx)
        .await?;
        reached.due += again.len() as u64;
        reached.hosts.extend(again);
    }
    Ok(reached)
}
