//! Sitemaps: which seeds are to be given theirs, and what becomes of what they name.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use tusou_ingest::{
    Address, NamedSitemaps, SeedOf, reach_pages, reach_sitemaps, renew_pages, seeds_of, wake_hosts,
};

use super::outcomes::tell_left_out;
use super::{Bounded as _, DueUrl, Frontier, HostLease, transaction};
use crate::error::CrawlError;
use crate::metrics;

/// Seeds whose host's robots.txt they have not been told of.
#[derive(Debug)]
pub(crate) struct Untold {
    pub(crate) seeds: Vec<i64>,
    /// Status and body of the robots.txt.
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// When it was fetched.
    fetched_at: OffsetDateTime,
}

/// A row that names pages: who follows it, and how many indexes lead to it.
#[derive(Debug)]
pub(crate) struct NamingRow {
    pub(crate) seeds: Vec<SeedOf>,
    pub(crate) level: u32,
}

impl Frontier {
    /// The seeds of the leased host that follow links and have not been given the sitemaps of its
    /// robots.txt as it was fetched last; `None` where there are none.
    pub(crate) async fn untold(&self, lease: &HostLease) -> Result<Option<Untold>, CrawlError> {
        // The origin and a slash, up to what comes after the slash.
        let (from, to) = (format!("{}/", lease.origin), format!("{}0", lease.origin));
        let seeds: Vec<i64> = sqlx::query_scalar(
            r#"SELECT seed_id FROM seeds
               WHERE scope_url COLLATE "C" >= $2 AND scope_url COLLATE "C" < $3 AND max_depth > 0
                 AND (sitemaps_at IS NULL OR sitemaps_at < (
                     SELECT fetched_at FROM host_files WHERE host_id = $1 AND kind = 'robots'))
               ORDER BY seed_id"#,
        )
        .bind(lease.host_id)
        .bind(from)
        .bind(to)
        .fetch_all(&self.pool)
        .bounded()
        .await?;
        if seeds.is_empty() {
            return Ok(None);
        }
        let file: Option<(i32, Option<Vec<u8>>, OffsetDateTime)> = sqlx::query_as(
            "SELECT status, body, fetched_at FROM host_files
             WHERE host_id = $1 AND kind = 'robots' AND status IS NOT NULL AND fetched_at IS NOT NULL",
        )
        .bind(lease.host_id)
        .fetch_optional(&self.pool)
        .bounded()
        .await?;
        Ok(file.map(|(status, body, fetched_at)| Untold {
            seeds,
            status: u16::try_from(status).unwrap_or(0),
            body: body.unwrap_or_default(),
            fetched_at,
        }))
    }

    /// Makes a host's sitemaps due for its seeds, which are told by this; how many became due.
    pub(crate) async fn tell_seeds(
        &self,
        lease: &HostLease,
        untold: &Untold,
        sitemaps: &[Address],
    ) -> Result<u64, CrawlError> {
        let seeds: Vec<(i64, i32)> = untold.seeds.iter().map(|seed| (*seed, 0)).collect();
        let reached = transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let named = NamedSitemaps {
                seeds: &seeds,
                sitemaps,
                level: 0,
                most: self.max_sitemaps,
            };
            let mut reached = reach_sitemaps(tx, &named).await?;
            sqlx::query(
                "UPDATE seeds SET sitemaps_at = $2 WHERE seed_id IN (
                     SELECT seed_id FROM seeds WHERE seed_id = ANY($1) ORDER BY seed_id FOR NO KEY UPDATE)",
            )
            .bind(&untold.seeds)
            .bind(untold.fetched_at)
            .execute(&mut *tx)
            .await?;
            reached.hosts.remove(&lease.host_id);
            wake_hosts(tx, &reached.hosts).await?;
            Ok(reached)
        })?;
        metrics::left_out("sitemap_limit", reached.left_out);
        metrics::left_out("removed", reached.removed);
        Ok(reached.due)
    }

    /// Who follows what a row names. A row that is gone meanwhile has no seeds.
    pub(crate) async fn naming(&self, url: &DueUrl) -> Result<NamingRow, CrawlError> {
        let asked = async {
            let mut connection = self.pool.acquire().await?;
            let seeds = seeds_of(&mut connection, &[url.id]).await?;
            let level: Option<i32> =
                sqlx::query_scalar("SELECT sitemap_level FROM pages WHERE page_id = $1")
                    .bind(url.id)
                    .fetch_optional(&mut *connection)
                    .await?;
            Ok::<_, sqlx::Error>((seeds, level))
        };
        let (seeds, level) = asked.bounded().await?;
        Ok(NamingRow {
            seeds: seeds.into_iter().map(|(_, seed)| seed).collect(),
            level: level
                .and_then(|level| u32::try_from(level).ok())
                .unwrap_or(0),
        })
    }

    /// Makes pages known that a sitemap names, as its seeds follow them. Before the sitemap's own
    /// outcome, and as often as it is read: a part of it that was written before a crash is known then.
    pub(crate) async fn follow_named(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        pages: &[Address],
    ) -> Result<(), CrawlError> {
        let left_out = transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let seeds = seeds_of(tx, &[url.id]).await?;
            let follow = |page| seeds.iter().filter_map(move |(_, seed)| seed.follow(page));
            let seedlings = pages.iter().flat_map(follow).collect();
            let mut reached = reach_pages(tx, seedlings, self.terms.budgets).await?;
            reached.hosts.remove(&lease.host_id);
            wake_hosts(tx, &reached.hosts).await?;
            Ok(reached.left_out)
        })?;
        tell_left_out(&left_out);
        Ok(())
    }

    /// Makes pages due that a sitemap tells to have changed since they were fetched; how many.
    pub(crate) async fn renew_named(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        changed: &[(Address, OffsetDateTime)],
    ) -> Result<u64, CrawlError> {
        transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let (renewed, mut hosts): (u64, BTreeSet<i64>) =
                renew_pages(tx, url.id, changed).await?;
            hosts.remove(&lease.host_id);
            wake_hosts(tx, &hosts).await?;
            Ok(renewed)
        })
    }

    /// Makes further sitemaps known that an index names; how many were left out beyond a seed's bound.
    pub(crate) async fn follow_index(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        level: u32,
        sitemaps: &[Address],
    ) -> Result<u64, CrawlError> {
        let reached = transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let seeds = seeds_of(tx, &[url.id]).await?;
            let seeds: Vec<(i64, i32)> = seeds
                .iter()
                .map(|(_, seed)| (seed.seed_id, seed.depth))
                .collect();
            let named = NamedSitemaps {
                seeds: &seeds,
                sitemaps,
                level,
                most: self.max_sitemaps,
            };
            let mut reached = reach_sitemaps(tx, &named).await?;
            reached.hosts.remove(&lease.host_id);
            wake_hosts(tx, &reached.hosts).await?;
            Ok(reached)
        })?;
        metrics::left_out("sitemap_limit", reached.left_out);
        metrics::left_out("removed", reached.removed);
        Ok(reached.left_out)
    }
}
