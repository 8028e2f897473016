//! Seeds: where a crawl begins and how far it goes.

use sqlx::PgPool;

use super::reach::{Seedling, reach_pages, wake_hosts};
use crate::address::{Address, Scope};

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
}

/// What [`add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedAdded {
    /// The seed's number.
    pub seed_id: i64,
    /// Whether a seed of this URL and scope was there; its bounds are now the new ones.
    pub known: bool,
}

/// Adds a seed and makes its page due.
///
/// Adding a known seed again changes its bounds. Where they grew, its pages are read again, since
/// links that were left out may now be followed; a page of it that had failed is tried again.
pub async fn add(pool: &PgPool, seed: &NewSeed) -> Result<SeedAdded, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let depth = i32::try_from(seed.max_depth).unwrap_or(i32::MAX);
    let pages = i64::try_from(seed.max_pages).unwrap_or(i64::MAX);
    let before: Option<(i64, i32, i64)> = sqlx::query_as(
        "SELECT seed_id, max_depth, max_pages FROM seeds WHERE url = $1 AND scope = $2 FOR UPDATE",
    )
    .bind(seed.url.as_str())
    .bind(seed.scope.as_str())
    .fetch_optional(&mut *tx)
    .await?;
    let seed_id: i64 = sqlx::query_scalar(
        "INSERT INTO seeds (url, scope_url, scope, max_depth, max_pages) VALUES ($1, $1, $2, $3, $4)
         ON CONFLICT (url, scope) DO UPDATE SET max_depth = EXCLUDED.max_depth, max_pages = EXCLUDED.max_pages
         RETURNING seed_id",
    )
    .bind(seed.url.as_str())
    .bind(seed.scope.as_str())
    .bind(depth)
    .bind(pages)
    .fetch_one(&mut *tx)
    .await?;
    let start = Seedling {
        seed_id,
        depth: 0,
        address: seed.url.clone(),
    };
    let mut reached = reach_pages(&mut tx, vec![start]).await?;
    if let Some((_, old_depth, old_pages)) = before {
        let grew = depth > old_depth || pages > old_pages;
        let again: Vec<i64> = sqlx::query_scalar(
            "UPDATE pages SET state = 'due', due_at = now(), attempts = 0, reason = NULL
             WHERE page_id IN (
                 SELECT page_id FROM pages JOIN seed_pages USING (page_id)
                 WHERE seed_id = $1 AND (state = 'failed' OR ($2 AND state = 'done'))
                 ORDER BY page_id FOR UPDATE OF pages)
             RETURNING host_id",
        )
        .bind(seed_id)
        .bind(grew)
        .fetch_all(&mut *tx)
        .await?;
        reached.hosts.extend(again);
    }
    wake_hosts(&mut tx, &reached.hosts).await?;
    tx.commit().await?;
    Ok(SeedAdded {
        seed_id,
        known: before.is_some(),
    })
}
