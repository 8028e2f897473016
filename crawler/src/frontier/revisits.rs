//! Settled URLs whose time to be looked at again has come.

use std::collections::BTreeSet;

use tusou_ingest::wake_hosts;

use super::urls::Kind;
use super::{Frontier, transaction};
use crate::error::CrawlError;

/// What a batch came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Revisits {
    /// URLs whose time had come.
    pub(crate) come: u64,
    /// Those of them that are due now.
    pub(crate) due: u64,
}

/// A URL that nobody wants now is put off: a seed or a page may want it again. What the last answer
/// lets a request say stays. (Subqueries with a limit: `EXISTS`
/// would be made into a table of all that seeds reach.)
macro_rules! revisit {
    ($table:literal, $key:literal, $wanted:literal) => {
        concat!(
            "WITH come AS (
                 SELECT ", $key, ", state <> 'due' AND ", $wanted, "
                        AND (state <> 'skipped' OR COALESCE(reason, '') NOT IN ('out_of_scope', 'seed_removed'))
                        AS again
                 FROM ", $table, " WHERE revisit_at <= now()
                 ORDER BY revisit_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE ", $table, " AS url SET
                    revisit_at = CASE WHEN NOT again AND url.state <> 'due'
                                      THEN now() + make_interval(secs => GREATEST(url.revisit_seconds, 1)) END,
                    state = CASE WHEN again THEN 'due' ELSE url.state END,
                    due_at = CASE WHEN again THEN now() ELSE url.due_at END,
                    attempts = CASE WHEN again THEN 0 ELSE url.attempts END,
                    reason = CASE WHEN again THEN NULL ELSE url.reason END
             FROM come WHERE url.", $key, " = come.", $key, "
             RETURNING host_id, again"
        )
    };
}

const PAGES: &str = revisit!(
    "pages",
    "page_id",
    "(SELECT page_id FROM seed_pages WHERE seed_pages.page_id = pages.page_id LIMIT 1) IS NOT NULL"
);

const IMAGE_URLS: &str = revisit!(
    "image_urls",
    "image_url_id",
    "(SELECT page_id FROM page_images LEFT JOIN seed_pages USING (page_id)
      WHERE page_images.image_url_id = image_urls.image_url_id
        AND (seed_id IS NOT NULL OR listed IS NOT NULL) LIMIT 1) IS NOT NULL"
);

impl Frontier {
    /// Makes up to `limit` URLs due whose time has come: pages that a seed reaches, and pictures that
    /// such a page shows or a list names. Rows that others hold are passed over.
    pub(crate) async fn revisit(&self, kind: Kind, limit: u32) -> Result<Revisits, CrawlError> {
        let statement = match kind {
            Kind::Page | Kind::Sitemap => PAGES,
            Kind::Image => IMAGE_URLS,
        };
        transaction!(self, |tx| {
            let come: Vec<(i64, bool)> = sqlx::query_as(statement)
                .bind(i64::from(limit))
                .fetch_all(&mut *tx)
                .await?;
            let due = come.iter().filter(|(_, again)| *again);
            let hosts: BTreeSet<i64> = due.clone().map(|(host, _)| *host).collect();
            let revisits = Revisits {
                come: come.len() as u64,
                due: due.count() as u64,
            };
            wake_hosts(tx, &hosts).await?;
            Ok(revisits)
        })
    }
}
