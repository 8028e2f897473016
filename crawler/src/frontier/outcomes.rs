//! What becomes of a URL that was fetched, or could not be.

use std::time::Duration;

use tusou_ingest::{
    Address, FetchedUrl, PageRecord, PageSummary, Scope, Seedling, StoredImage, VerifiedImage,
    image_url_gone, page_gone, reach_pages, record_image, record_page, wake_hosts,
};
use tusou_platform::blobs::BlobStore;

use super::hosts::{Stamp, stored_address};
use super::urls::{DueUrl, Kind};
use super::{Bounded as _, Frontier, HostLease, retry_wait, transaction};
use crate::error::CrawlError;

/// Why a URL brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may work later: another attempt, while there are some left.
    Retry {
        reason: &'static str,
        status: Option<u16>,
        /// What the server asked for, where it did.
        after: Option<Duration>,
    },
    /// It never works.
    Final { reason: String, status: Option<u16> },
    /// It is not to be fetched, or its answer not to be used.
    Skipped {
        reason: &'static str,
        status: Option<u16>,
    },
}

impl Failure {
    /// Whether the server gave an answer that is its last word.
    fn is_answer(&self) -> bool {
        match self {
            Self::Retry { .. } => false,
            Self::Final { status, .. } | Self::Skipped { status, .. } => status.is_some(),
        }
    }
}

/// A seed that a page belongs to.
#[derive(Debug, Clone)]
pub(crate) struct SeedOf {
    pub(crate) seed_id: i64,
    pub(crate) scope_url: Address,
    pub(crate) scope: Scope,
    /// The page's depth in this seed.
    pub(crate) depth: i32,
    pub(crate) max_depth: i32,
}

impl SeedOf {
    /// The link as the seed reaches it, if the seed follows it at all.
    pub(crate) fn follow(&self, link: &Address) -> Option<Seedling> {
        let depth = self.depth + 1;
        let follows = depth <= self.max_depth && self.scope.contains(&self.scope_url, link);
        follows.then(|| Seedling {
            seed_id: self.seed_id,
            depth,
            address: link.clone(),
        })
    }
}

impl Frontier {
    /// The seeds that a page belongs to.
    pub(crate) async fn seeds_of(&self, page_id: i64) -> Result<Vec<SeedOf>, CrawlError> {
        let rows: Vec<(i64, String, String, i32, i32)> = sqlx::query_as(
            "SELECT seed_id, scope_url, scope, depth, max_depth
             FROM seed_pages JOIN seeds USING (seed_id) WHERE page_id = $1 ORDER BY seed_id",
        )
        .bind(page_id)
        .fetch_all(&self.pool)
        .bounded()
        .await?;
        rows.into_iter()
            .map(|(seed_id, url, scope, depth, max_depth)| {
                let scope = scope.parse().map_err(CrawlError::Scope)?;
                Ok(SeedOf {
                    seed_id,
                    scope_url: stored_address(&url)?,
                    scope,
                    depth,
                    max_depth,
                })
            })
            .collect()
    }

    /// Writes a page that was read.
    pub(crate) async fn page_done(
        &self,
        lease: &HostLease,
        record: &PageRecord,
    ) -> Result<PageSummary, CrawlError> {
        transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            Ok(record_page(tx, record.clone(), self.coalesce).await?)
        })
        .inspect(|summary: &PageSummary| self.gate.outbox_written(summary.images))
    }

    /// Writes a picture whose blob is durable; puts the blob again where it had been dropped.
    pub(crate) async fn image_done(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        status: u16,
        image: &VerifiedImage,
        blobs: &BlobStore,
    ) -> Result<StoredImage, CrawlError> {
        let fetched = FetchedUrl {
            image_url_id: url.id,
            due_at: url.due_at,
            status,
        };
        transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let stored = record_image(tx, fetched, image, self.coalesce).await?;
            if stored.restored {
                blobs.put(&image.blob_key(), image.bytes.clone()).await?;
            }
            Ok(stored)
        })
        .inspect(|_| self.gate.outbox_written(1))
    }

    /// Writes that a page is to be found at another address, which its seeds reach in its stead.
    ///
    /// A seed's own page may lead to another host of its domain (`example.org` to
    /// `www.example.org`): the seed's scope moves along. A chain that comes back to itself, or is
    /// longer than `max_redirects`, ends here with its reason, which is returned.
    pub(crate) async fn page_moved(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        status: u16,
        target: &Address,
    ) -> Result<&'static str, CrawlError> {
        let seeds = self.seeds_of(url.id).await?;
        transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let (redirects, looped) = redirects(tx, url, target).await?;
            if looped || redirects >= self.max_redirects {
                let reason = if looped {
                    "redirect_loop"
                } else {
                    "too_many_redirects"
                };
                settle(tx, url, "failed", Some(reason), Some(status)).await?;
                page_gone(tx, url.id, self.coalesce).await?;
                return Ok(reason);
            }
            let mut seedlings = Vec::new();
            for seed in &seeds {
                let within = seed.scope.contains(&seed.scope_url, target);
                let own = seed.depth == 0 && Scope::Domain.contains(&url.address, target);
                if own && !within {
                    sqlx::query("UPDATE seeds SET scope_url = $2 WHERE seed_id = $1")
                        .bind(seed.seed_id)
                        .bind(target.as_str())
                        .execute(&mut *tx)
                        .await?;
                }
                if own || within {
                    let address = target.clone();
                    seedlings.push(Seedling {
                        seed_id: seed.seed_id,
                        depth: seed.depth,
                        address,
                    });
                }
            }
            let mut reached = reach_pages(tx, seedlings).await?;
            sqlx::query("UPDATE pages SET redirects = $2 WHERE url = $1 AND fetched_at IS NULL")
                .bind(target.as_str())
                .bind(i32::try_from(redirects + 1).unwrap_or(i32::MAX))
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE pages SET moved_to = $2 WHERE page_id = $1")
                .bind(url.id)
                .bind(target.as_str())
                .execute(&mut *tx)
                .await?;
            settle(tx, url, "skipped", Some("redirected"), Some(status)).await?;
            let changed = page_gone(tx, url.id, self.coalesce).await?;
            self.gate.outbox_written(changed);
            reached.hosts.remove(&lease.host_id);
            wake_hosts(tx, &reached.hosts).await?;
            Ok("redirected")
        })
    }

    /// Writes why a URL brought nothing; whether it will be tried again. An answer replaces what was
    /// known of the URL; where none came, that stays.
    pub(crate) async fn url_failed(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        failure: &Failure,
    ) -> Result<bool, CrawlError> {
        transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            match failure {
                Failure::Retry {
                    reason,
                    status,
                    after,
                } if url.attempts + 1 < self.max_attempts => {
                    let wait = retry_wait(self.retry_after, url.attempts + 1)
                        .max(after.unwrap_or_default());
                    postpone(tx, url, reason, *status, wait).await?;
                    Ok(true)
                }
                Failure::Retry { reason, status, .. } => {
                    settle(tx, url, "failed", Some(reason), *status).await?;
                    Ok(false)
                }
                Failure::Final { reason, status } => {
                    settle(tx, url, "failed", Some(reason), *status).await?;
                    self.forget(tx, url, failure).await?;
                    Ok(false)
                }
                Failure::Skipped { reason, status } => {
                    settle(tx, url, "skipped", Some(reason), *status).await?;
                    self.forget(tx, url, failure).await?;
                    Ok(false)
                }
            }
        })
    }

    async fn forget(
        &self,
        tx: &mut sqlx::PgConnection,
        url: &DueUrl,
        failure: &Failure,
    ) -> Result<(), CrawlError> {
        if failure.is_answer() {
            let changed = match url.kind {
                Kind::Page => page_gone(tx, url.id, self.coalesce).await?,
                Kind::Image => image_url_gone(tx, url.id, self.coalesce).await?,
            };
            self.gate.outbox_written(changed);
        }
        Ok(())
    }

    /// Strikes every due URL of a host whose rules cannot be had: each loses an attempt, or all
    /// of them where trying again is of no use.
    pub(crate) async fn host_failed(
        &self,
        lease: &HostLease,
        failure: &Failure,
    ) -> Result<u64, CrawlError> {
        let (max_attempts, end) = match failure {
            Failure::Retry { .. } => (self.max_attempts, "failed"),
            Failure::Final { .. } => (1, "failed"),
            Failure::Skipped { .. } => (1, "skipped"),
        };
        transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let mut struck = 0;
            for table in ["pages", "image_urls"] {
                // The table's name is one of the two above.
                let statement = format!(
                    "UPDATE {table} SET attempts = attempts + 1, reason = $2, fetched_at = now(),
                        state = CASE WHEN attempts + 1 >= $3 THEN $5::url_state ELSE 'due' END,
                        due_at = now() + make_interval(secs => $4 * 2 ^ least(attempts, 16))
                     WHERE host_id = $1 AND state = 'due' AND due_at <= now()"
                );
                struck += sqlx::query(sqlx::AssertSqlSafe(statement))
                    .bind(lease.host_id)
                    .bind(failure.reason())
                    .bind(i32::try_from(max_attempts).unwrap_or(i32::MAX))
                    .bind(self.retry_after.as_secs_f64())
                    .bind(end)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            }
            Ok(struck)
        })
    }
}

fn table(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Page => ("pages", "page_id"),
        Kind::Image => ("image_urls", "image_url_id"),
    }
}

/// Ends a URL, unless it became due anew while it was fetched.
async fn settle(
    tx: &mut sqlx::PgConnection,
    url: &DueUrl,
    state: &str,
    reason: Option<&str>,
    status: Option<u16>,
) -> Result<(), sqlx::Error> {
    let (table, key) = table(url.kind);
    let statement = format!(
        "UPDATE {table} SET state = CASE WHEN due_at = $5 THEN $2::url_state ELSE state END, reason = $3,
                status = $4, attempts = attempts + 1, fetched_at = now()
         WHERE {key} = $1"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(url.id)
        .bind(state)
        .bind(reason)
        .bind(status.map(i32::from))
        .bind::<Stamp>(url.due_at)
        .execute(tx)
        .await?;
    Ok(())
}

async fn postpone(
    tx: &mut sqlx::PgConnection,
    url: &DueUrl,
    reason: &str,
    status: Option<u16>,
    wait: Duration,
) -> Result<(), sqlx::Error> {
    let (table, key) = table(url.kind);
    let statement = format!(
        "UPDATE {table} SET attempts = attempts + 1, reason = $2, status = $3, fetched_at = now(),
                due_at = now() + make_interval(secs => $4)
         WHERE {key} = $1 AND state = 'due'"
    );
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(url.id)
        .bind(reason)
        .bind(status.map(i32::from))
        .bind(wait.as_secs_f64())
        .execute(tx)
        .await?;
    Ok(())
}

/// How many redirects led to the page, and whether its target's known redirects lead back to it.
async fn redirects(
    tx: &mut sqlx::PgConnection,
    url: &DueUrl,
    target: &Address,
) -> Result<(u32, bool), sqlx::Error> {
    let (redirects, looped): (i32, bool) = sqlx::query_as(
        "WITH RECURSIVE chain (url, hops) AS (
             SELECT $2::text, 1
             UNION ALL
             SELECT pages.moved_to, hops + 1 FROM chain JOIN pages USING (url)
             WHERE pages.moved_to IS NOT NULL AND pages.state = 'skipped' AND hops < 50)
         SELECT (SELECT redirects FROM pages WHERE page_id = $1),
                EXISTS (SELECT FROM chain WHERE url = $3)",
    )
    .bind(url.id)
    .bind(target.as_str())
    .bind(url.address.as_str())
    .fetch_one(tx)
    .await?;
    Ok((u32::try_from(redirects).unwrap_or(0), looped))
}
