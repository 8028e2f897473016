//! Pages, image URLs and seeds.

use std::collections::BTreeMap;

use super::{Snapshot, unsigned};
use crate::error::Error;
use crate::status::{Discovered, SeedStatus, UrlCounts};

/// Counts of a state and a reason, of one seed or (`None`) of all.
type Counted = (Option<i64>, String, Option<String>, i64);

impl Snapshot {
    /// Pages that are fetched: what stands for lists and folders is counted by itself.
    pub(crate) async fn pages(&mut self) -> Result<UrlCounts, Error> {
        let counted = self
            .by_state("SELECT NULL::bigint, state::text, reason, count(*) FROM pages WHERE kind = 'page' GROUP BY state, reason")
            .await?;
        Ok(counted.into_values().next().unwrap_or_default())
    }

    /// Sitemaps by state, and what sitemaps and feeds name.
    pub(crate) async fn discovered(&mut self) -> Result<Discovered, Error> {
        let counted = self
            .by_state(
                "SELECT NULL::bigint, state::text, reason, count(*) FROM pages WHERE kind = 'sitemap'
                 GROUP BY state, reason",
            )
            .await?;
        let (feeds, named, left_out, cut): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE is_feed AND kind <> 'sitemap'), coalesce(sum(named), 0)::bigint,
                    coalesce(sum(left_out), 0)::bigint,
                    count(*) FILTER (WHERE state = 'done' AND reason IS NOT NULL)
             FROM pages WHERE kind = 'sitemap' OR is_feed",
        )
        .fetch_one(&mut *self.0)
        .await
        .map_err(Error::query("count what sitemaps and feeds name"))?;
        Ok(Discovered {
            sitemaps: counted.into_values().next().unwrap_or_default(),
            feeds: unsigned(feeds),
            named: unsigned(named),
            left_out: unsigned(left_out),
            cut: unsigned(cut),
        })
    }

    pub(crate) async fn image_urls(&mut self) -> Result<UrlCounts, Error> {
        let counted = self
            .by_state("SELECT NULL::bigint, state::text, reason, count(*) FROM image_urls GROUP BY state, reason")
            .await?;
        Ok(counted.into_values().next().unwrap_or_default())
    }

    /// Addresses on pages that are no URLs.
    pub(crate) async fn unparsable_urls(&mut self) -> Result<u64, Error> {
        let statement = "SELECT coalesce(sum(unparsable), 0)::bigint FROM pages";
        self.count(statement, "count the addresses that are no URLs")
            .await
    }

    /// Pictures that pages show and that are not taken, by why.
    pub(crate) async fn pictures_left(&mut self) -> Result<BTreeMap<String, u64>, Error> {
        let counted: Vec<(String, i64)> = sqlx::query_as(
            "SELECT told.why, sum(told.times::bigint)::bigint FROM pages, jsonb_each_text(pictures_left) AS told (why, times)
             WHERE pictures_left <> '{}' GROUP BY told.why",
        )
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("count the pictures that are not taken"))?;
        let counts = counted.into_iter();
        Ok(counts
            .map(|(reason, count)| (reason, unsigned(count)))
            .collect())
    }

    /// Every seed with its pages, and the image URLs that those pages show.
    pub(crate) async fn seeds(&mut self) -> Result<Vec<SeedStatus>, Error> {
        let mut pages = self
            .by_state(
                "SELECT seed_id, state::text, reason, count(*)
                 FROM seed_pages JOIN pages USING (page_id) WHERE kind <> 'sitemap'
                 GROUP BY seed_id, state, reason",
            )
            .await?;
        let mut image_urls = self
            .by_state(
                "SELECT seed_id, state::text, reason, count(*)
                 FROM (SELECT DISTINCT seed_id, image_url_id FROM seed_pages JOIN page_images USING (page_id)) AS shown
                 JOIN image_urls USING (image_url_id) GROUP BY seed_id, state, reason",
            )
            .await?;
        let seeds: Vec<(i64, String, String, i32, i64)> = sqlx::query_as(
            "SELECT seed_id, url, scope, max_depth, max_pages FROM seeds ORDER BY seed_id",
        )
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("read the seeds"))?;
        let status = |(seed_id, url, scope, max_depth, max_pages): (i64, _, _, i32, i64)| {
            let pages = pages.remove(&Some(seed_id)).unwrap_or_default();
            let image_urls = image_urls.remove(&Some(seed_id)).unwrap_or_default();
            SeedStatus {
                seed_id,
                url,
                scope,
                max_depth: max_depth.unsigned_abs(),
                max_pages: unsigned(max_pages),
                done: pages.due == 0 && image_urls.due == 0,
                pages,
                image_urls,
            }
        };
        Ok(seeds.into_iter().map(status).collect())
    }

    pub(super) async fn by_state(
        &mut self,
        statement: &'static str,
    ) -> Result<BTreeMap<Option<i64>, UrlCounts>, Error> {
        let rows: Vec<Counted> = sqlx::query_as(statement)
            .fetch_all(&mut *self.0)
            .await
            .map_err(Error::query("count URLs by state"))?;
        let mut counts: BTreeMap<_, UrlCounts> = BTreeMap::new();
        for (seed_id, state, reason, count) in rows {
            let counts = counts.entry(seed_id).or_default();
            let reason = reason.unwrap_or_else(|| "unknown".into());
            let count = unsigned(count);
            match state.as_str() {
                "due" => counts.due += count,
                "done" => counts.done += count,
                "failed" => *counts.failed.entry(reason).or_default() += count,
                _ => *counts.skipped.entry(reason).or_default() += count,
            }
        }
        Ok(counts)
    }
}
