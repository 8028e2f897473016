//! Pages that are to be found elsewhere.

use tusou_ingest::{
    Address, End, Ended, PageBatch, PageSummary, Scope, Seedling, reach_pages, record_pages,
    seeds_of, wake_hosts,
};

use super::super::{Frontier, HostLease, transaction};
use super::tell_left_out;
use crate::error::CrawlError;
use crate::frontier::DueUrl;

impl Frontier {
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
        let (word, summary) = transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            let Some((redirects, looped)) = redirects(tx, url, target).await? else {
                return Ok(("removed", PageSummary::default()));
            };
            if looped || redirects >= self.max_redirects {
                let reason = if looped {
                    "redirect_loop"
                } else {
                    "too_many_redirects"
                };
                let ended = shows_nothing(url, status, End::Failed, reason);
                return Ok((reason, record_pages(tx, &ended, &self.terms).await?));
            }
            let mut seedlings = Vec::new();
            for (_, seed) in seeds_of(tx, &[url.id]).await? {
                let within = seed.scope.contains(&seed.scope_url, target);
                let own = seed.depth == 0 && Scope::Domain.contains(&url.address, target);
                if own && !within {
                    sqlx::query(
                        "UPDATE seeds SET scope_url = $2, sitemaps_at = NULL WHERE seed_id = $1",
                    )
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
            let mut reached = reach_pages(tx, seedlings, self.terms.budgets).await?;
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
            let ended = shows_nothing(url, status, End::Skipped, "redirected");
            let mut summary = record_pages(tx, &ended, &self.terms).await?;
            summary.left_out.add(reached.left_out);
            reached.hosts.remove(&lease.host_id);
            wake_hosts(tx, &reached.hosts).await?;
            Ok(("redirected", summary))
        })?;
        self.gate.outbox_written(summary.images);
        tell_left_out(&summary.left_out);
        Ok(word)
    }
}

fn shows_nothing(url: &DueUrl, status: u16, end: End, reason: &str) -> PageBatch<'static> {
    PageBatch {
        read: Vec::new(),
        ended: vec![Ended {
            id: url.id,
            due_at: url.due_at,
            status: Some(status),
            reason: Some(reason.to_owned()),
            end,
            gone: true,
        }],
    }
}

/// How many redirects led to the page, and whether its target's known redirects lead back to it;
/// `None` where the page's row is there no more.
async fn redirects(
    tx: &mut sqlx::PgConnection,
    url: &DueUrl,
    target: &Address,
) -> Result<Option<(u32, bool)>, sqlx::Error> {
    let (redirects, looped): (Option<i32>, bool) = sqlx::query_as(
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
    Ok(redirects.map(|redirects| (u32::try_from(redirects).unwrap_or(0), looped)))
}
