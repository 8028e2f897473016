//! The seeds that pages belong to, and which links they follow.

use sqlx::PgConnection;

use super::reach::Seedling;
use crate::address::{Address, Scope};

/// A seed that a page belongs to.
#[derive(Debug, Clone)]
pub struct SeedOf {
    /// The seed.
    pub seed_id: i64,
    /// What its scope is measured from.
    pub scope_url: Address,
    /// How far it goes.
    pub scope: Scope,
    /// The page's depth in this seed.
    pub depth: i32,
    /// Links followed from the seed's page.
    pub max_depth: i32,
    /// Whether it takes no more than a number of pictures.
    pub limits_images: bool,
}

impl SeedOf {
    /// The link as the seed reaches it, if the seed follows it at all.
    pub fn follow(&self, link: &Address) -> Option<Seedling> {
        let depth = self.depth + 1;
        let follows = depth <= self.max_depth && self.scope.contains(&self.scope_url, link);
        follows.then(|| Seedling {
            seed_id: self.seed_id,
            depth,
            address: link.clone(),
        })
    }

    /// Another address of the same page as the seed reaches it, if it lies in the seed's scope.
    pub fn stay(&self, address: &Address) -> Option<Seedling> {
        let within = self.scope.contains(&self.scope_url, address);
        within.then(|| Seedling {
            seed_id: self.seed_id,
            depth: self.depth,
            address: address.clone(),
        })
    }
}

/// The seeds of pages, each with the page's id. A seed whose row this build cannot read (a scope of
/// a later build's) is left out: it follows nothing until that build runs.
pub async fn seeds_of(
    tx: &mut PgConnection,
    page_ids: &[i64],
) -> Result<Vec<(i64, SeedOf)>, sqlx::Error> {
    let rows: Vec<(i64, i64, String, String, i32, i32, bool)> = sqlx::query_as(
        "SELECT page_id, seed_id, scope_url, scope, depth, max_depth, max_images IS NOT NULL
         FROM seed_pages JOIN seeds USING (seed_id) WHERE page_id = ANY($1) ORDER BY page_id, seed_id",
    )
    .bind(page_ids)
    .fetch_all(tx)
    .await?;
    let seed = |(page_id, seed_id, url, scope, depth, max_depth, limits_images): (
        _,
        _,
        String,
        String,
        _,
        _,
        _,
    )| {
        let seed = SeedOf {
            seed_id,
            scope_url: Address::parse(&url).ok()?,
            scope: scope.parse().ok()?,
            depth,
            max_depth,
            limits_images,
        };
        Some((page_id, seed))
    };
    Ok(rows.into_iter().filter_map(seed).collect())
}
