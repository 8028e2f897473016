//! Seeds that are there: other bounds, or none at all.

use sqlx::{PgConnection, PgPool};

use super::super::again_where_it_met;
use super::super::reach::wake_hosts;
use super::{limit_images, more_images, most_images, reach};
use crate::address::{Address, AddressError, Scope};
use crate::rendering::Rendering;

/// Pages whose scope is judged at once.
const BATCH: i64 = 10_000;

/// Other bounds for a seed; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeedChange {
    /// Which links are followed.
    pub scope: Option<Scope>,
    /// Links followed from the seed's page.
    pub max_depth: Option<u32>,
    /// The most pages that belong to the seed.
    pub max_pages: Option<u64>,
    /// The most picture URLs that become known by it; 0: no limit.
    pub max_images: Option<u64>,
    /// Whether its pages are rendered.
    pub render: Option<Rendering>,
}

/// What [`edit`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedEdited {
    /// The seed's URL.
    pub url: String,
    /// Its bounds now.
    pub scope: Scope,
    /// Its bounds now.
    pub max_depth: u32,
    /// Its bounds now.
    pub max_pages: u64,
    /// Its bounds now; 0: no limit.
    pub max_images: u64,
    /// Whether its pages are rendered now.
    pub render: Rendering,
    /// Pages that are read again, since links that were left out may now be followed, or rendering
    /// is another.
    pub due: u64,
    /// Pages that no longer belong to the seed.
    pub left: u64,
    /// Those of them that were due and that no seed reaches any more: skipped as `out_of_scope`.
    pub skipped: u64,
}

/// What [`remove`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedRemoved {
    /// The seed's URL.
    pub url: String,
    /// Due pages that belong to no seed any more: skipped as `seed_removed`.
    pub pages: u64,
    /// Due image URLs that only such pages show, and no list names: skipped likewise.
    pub image_urls: u64,
}

/// A seed cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// There is none of this number.
    #[error("there is no seed {0}; `tusou seed list` shows those that are there")]
    Unknown(i64),
    /// Another seed of the URL has the wanted scope.
    #[error("seed {other} crawls {url} within the scope {scope} already; remove one of the two")]
    Taken {
        /// The other one.
        other: i64,
        /// Their URL.
        url: String,
        /// The wanted scope.
        scope: Scope,
    },
    /// The row's URL is none.
    #[error(
        "seed {seed_id} holds a URL that is none; remove it with `tusou seed remove {seed_id}`"
    )]
    Row {
        /// Which seed.
        seed_id: i64,
        /// What is wrong with it.
        #[source]
        cause: AddressError,
    },
    /// A statement failed.
    #[error("Postgres failed to change a seed")]
    Database(#[from] sqlx::Error),
}

#[derive(sqlx::FromRow)]
struct Row {
    url: String,
    scope_url: String,
    scope: String,
    max_depth: i32,
    max_pages: i64,
    max_images: Option<i64>,
    render: String,
}

/// Changes a seed's bounds, in one transaction. Where they grew its pages are read again, as in
/// [`super::add`]; what lies outside of shrunken ones belongs to it no more, and comes back when a
/// seed reaches it again. A dry run writes nothing.
///
/// # Errors
/// [`SeedError`]
pub async fn edit(
    pool: &PgPool,
    seed_id: i64,
    change: SeedChange,
    dry_run: bool,
) -> Result<SeedEdited, SeedError> {
    again_where_it_met(async || edit_once(pool, seed_id, change, dry_run).await).await?
}

async fn edit_once(
    pool: &PgPool,
    seed_id: i64,
    change: SeedChange,
    dry_run: bool,
) -> Result<Result<SeedEdited, SeedError>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let Some(row) = lock(&mut tx, seed_id).await? else {
        return Ok(Err(SeedError::Unknown(seed_id)));
    };
    let addresses =
        Address::parse(&row.url).and_then(|url| Ok((url, Address::parse(&row.scope_url)?)));
    let (url, scope_url) = match addresses {
        Ok(addresses) => addresses,
        Err(cause) => return Ok(Err(SeedError::Row { seed_id, cause })),
    };
    let old_scope: Scope = row.scope.parse().unwrap_or_default();
    let scope = change.scope.unwrap_or(old_scope);
    let other: Option<i64> = sqlx::query_scalar(
        "SELECT seed_id FROM seeds WHERE url = $1 AND scope = $2 AND seed_id <> $3",
    )
    .bind(&row.url)
    .bind(scope.as_str())
    .bind(seed_id)
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(other) = other {
        let url = row.url;
        return Ok(Err(SeedError::Taken { other, url, scope }));
    }
    let max_depth = change.max_depth.map_or(row.max_depth, |depth| {
        i32::try_from(depth).unwrap_or(i32::MAX)
    });
    let max_pages = change.max_pages.map_or(row.max_pages, |pages| {
        i64::try_from(pages).unwrap_or(i64::MAX)
    });
    let old_render: Rendering = row.render.parse().unwrap_or_default();
    let render = change.render.unwrap_or(old_render);
    sqlx::query(
        "UPDATE seeds SET scope = $2, max_depth = $3, max_pages = $4, render = $5 WHERE seed_id = $1",
    )
    .bind(seed_id)
    .bind(scope.as_str())
    .bind(max_depth)
    .bind(max_pages)
    .bind(render.as_str())
    .execute(&mut *tx)
    .await?;
    let max_images = change.max_images.map_or(row.max_images, most_images);
    limit_images(&mut tx, seed_id, max_images).await?;

    let mut outside = Vec::new();
    if scope != old_scope || max_depth < row.max_depth {
        outside = beyond(&mut tx, seed_id, max_depth, (&scope_url, scope)).await?;
    }
    let (mut left, mut skipped) = leave(&mut tx, seed_id, &outside).await?;
    let surplus = surplus(&mut tx, seed_id, max_pages).await?;
    let more = leave(&mut tx, seed_id, &surplus).await?;
    (left, skipped) = (left + more.0, skipped + more.1);

    let grew = scope != old_scope
        || max_depth > row.max_depth
        || max_pages > row.max_pages
        || more_images(row.max_images, max_images);
    let anew = grew || render != old_render;
    let reached = reach(&mut tx, seed_id, &url, anew, anew).await?;
    wake_hosts(&mut tx, &reached.hosts).await?;
    if dry_run {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(Ok(SeedEdited {
        url: row.url,
        scope,
        max_depth: max_depth.unsigned_abs(),
        max_pages: max_pages.unsigned_abs(),
        max_images: max_images.map_or(0, i64::unsigned_abs),
        render,
        due: reached.due,
        left,
        skipped,
    }))
}

async fn lock(tx: &mut PgConnection, seed_id: i64) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as(
        "SELECT url, scope_url, scope, max_depth, max_pages, max_images, render FROM seeds
         WHERE seed_id = $1 FOR UPDATE",
    )
    .bind(seed_id)
    .fetch_optional(tx)
    .await
}

/// The seed's pages that lie outside of its bounds.
async fn beyond(
    tx: &mut PgConnection,
    seed_id: i64,
    max_depth: i32,
    (scope_url, scope): (&Address, Scope),
) -> Result<Vec<i64>, sqlx::Error> {
    let (mut beyond, mut last) = (Vec::new(), 0);
    loop {
        let rows: Vec<(i64, String, i32, bool)> = sqlx::query_as(
            "SELECT page_id, url, seed_pages.depth, kind = 'sitemap' FROM seed_pages JOIN pages USING (page_id)
             WHERE seed_id = $1 AND page_id > $2 ORDER BY page_id LIMIT $3",
        )
        .bind(seed_id)
        .bind(last)
        .bind(BATCH)
        .fetch_all(&mut *tx)
        .await?;
        let Some((end, ..)) = rows.last() else {
            return Ok(beyond);
        };
        last = *end;
        let outside = |(_, url, depth, is_sitemap): &(i64, String, i32, bool)| {
            // In no scope, and of use only where links are followed.
            if *is_sitemap {
                return *depth >= max_depth;
            }
            let within = Address::parse(url).is_ok_and(|url| scope.contains(scope_url, &url));
            *depth > 0 && (*depth > max_depth || !within)
        };
        beyond.extend(rows.iter().filter(|row| outside(row)).map(|row| row.0));
    }
}

/// The seed's pages beyond its limit: those that were read stay first, then the nearest.
async fn surplus(
    tx: &mut PgConnection,
    seed_id: i64,
    max_pages: i64,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT page_id FROM seed_pages JOIN pages USING (page_id) WHERE seed_id = $1 AND kind <> 'sitemap'
         ORDER BY seed_pages.depth > 0, fetched_at IS NULL, seed_pages.depth, page_id OFFSET $2",
    )
    .bind(seed_id)
    .bind(max_pages)
    .fetch_all(tx)
    .await
}

/// Takes pages from a seed: how many left it, and how many of them were due and are skipped, since
/// no other seed reaches them.
async fn leave(
    tx: &mut PgConnection,
    seed_id: i64,
    pages: &[i64],
) -> Result<(u64, u64), sqlx::Error> {
    if pages.is_empty() {
        return Ok((0, 0));
    }
    // The locks first, the look in a statement of its own: a seed that reaches a page meanwhile is
    // seen, or finds it skipped and makes it due.
    sqlx::query("SELECT FROM pages WHERE page_id = ANY($1) ORDER BY url FOR UPDATE")
        .bind(pages)
        .execute(&mut *tx)
        .await?;
    let left: Vec<bool> = sqlx::query_scalar(
        "DELETE FROM seed_pages USING pages
         WHERE seed_id = $1 AND seed_pages.page_id = ANY($2) AND pages.page_id = seed_pages.page_id
         RETURNING kind = 'sitemap'",
    )
    .bind(seed_id)
    .bind(pages)
    .fetch_all(&mut *tx)
    .await?;
    let sitemaps = left.iter().filter(|is_sitemap| **is_sitemap).count();
    let left = left.len() - sitemaps;
    let skipped: Vec<bool> = sqlx::query_scalar(
        "UPDATE pages SET state = 'skipped', reason = 'out_of_scope'
         WHERE page_id = ANY($1) AND state = 'due'
           AND NOT EXISTS (SELECT FROM seed_pages WHERE seed_pages.page_id = pages.page_id)
         RETURNING kind = 'sitemap'",
    )
    .bind(pages)
    .fetch_all(&mut *tx)
    .await?;
    let skipped = skipped.iter().filter(|is_sitemap| !**is_sitemap).count();
    // A seed that let its sitemaps go is given them again once it follows links.
    sqlx::query(
        "UPDATE seeds SET pages = greatest(pages - $2, 0), sitemaps = greatest(sitemaps - $3, 0),
                sitemaps_at = CASE WHEN $3 > 0 THEN NULL ELSE sitemaps_at END
         WHERE seed_id = $1",
    )
    .bind(seed_id)
    .bind(i64::try_from(left).unwrap_or(i64::MAX))
    .bind(i64::try_from(sitemaps).unwrap_or(i64::MAX))
    .execute(tx)
    .await?;
    Ok((left as u64, skipped as u64))
}

/// Removes a seed, in one transaction. What was found by it stays; due pages and due image URLs
/// that belong to no seed any more are skipped. A dry run writes nothing.
///
/// # Errors
/// [`SeedError`]
pub async fn remove(pool: &PgPool, seed_id: i64, dry_run: bool) -> Result<SeedRemoved, SeedError> {
    again_where_it_met(async || remove_once(pool, seed_id, dry_run).await)
        .await?
        .ok_or(SeedError::Unknown(seed_id))
}

async fn remove_once(
    pool: &PgPool,
    seed_id: i64,
    dry_run: bool,
) -> Result<Option<SeedRemoved>, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let Some(row) = lock(&mut tx, seed_id).await? else {
        return Ok(None);
    };
    // Locks first, as in `leave`: a page that is just being read has written what it shows, or finds
    // itself without a seed.
    let pages: Vec<i64> = sqlx::query_scalar(
        "SELECT page_id FROM pages JOIN seed_pages USING (page_id)
         WHERE seed_id = $1 AND state = 'due' ORDER BY url FOR UPDATE OF pages",
    )
    .bind(seed_id)
    .fetch_all(&mut *tx)
    .await?;
    let image_urls: Vec<i64> = sqlx::query_scalar(
        "SELECT image_url_id FROM image_urls
         WHERE state = 'due' AND EXISTS (
             SELECT FROM page_images JOIN seed_pages USING (page_id)
             WHERE page_images.image_url_id = image_urls.image_url_id AND seed_id = $1)
         ORDER BY url FOR UPDATE",
    )
    .bind(seed_id)
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM seeds WHERE seed_id = $1")
        .bind(seed_id)
        .execute(&mut *tx)
        .await?;
    let skipped = sqlx::query(
        "UPDATE pages SET state = 'skipped', reason = 'seed_removed'
         WHERE page_id = ANY($1) AND state = 'due'
           AND NOT EXISTS (SELECT FROM seed_pages WHERE seed_pages.page_id = pages.page_id)",
    )
    .bind(&pages)
    .execute(&mut *tx)
    .await?;
    let skipped_urls = sqlx::query(
        "UPDATE image_urls SET state = 'skipped', reason = 'seed_removed'
         WHERE image_url_id = ANY($1) AND state = 'due' AND NOT EXISTS (
             SELECT FROM page_images LEFT JOIN seed_pages USING (page_id)
             WHERE page_images.image_url_id = image_urls.image_url_id
               AND (seed_id IS NOT NULL OR listed IS NOT NULL))",
    )
    .bind(&image_urls)
    .execute(&mut *tx)
    .await?;
    if dry_run {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(Some(SeedRemoved {
        url: row.url,
        pages: skipped.rows_affected(),
        image_urls: skipped_urls.rows_affected(),
    }))
}
