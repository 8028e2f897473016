//! The best due URLs of a leased host.

use super::hosts::{Stamp, stored_address};
use super::{Bounded as _, Frontier, HostLease};
use crate::error::CrawlError;
use tusou_ingest::{Address, Rendering, Validators};
use tusou_platform::trace::TraceParent;

/// What a URL is expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A page, to be read for links and pictures.
    Page,
    /// A sitemap, to be read for pages: a row of the pages' table.
    Sitemap,
    /// A picture.
    Image,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Sitemap => "sitemap",
            Self::Image => "image",
        }
    }
}

/// A URL to fetch now.
#[derive(Debug, Clone)]
pub(crate) struct DueUrl {
    pub(crate) kind: Kind,
    /// `page_id` or `image_url_id`.
    pub(crate) id: i64,
    pub(crate) address: Address,
    /// Attempts made so far.
    pub(crate) attempts: u32,
    /// A picture's: where it is in the trace of a page that leads to it. While it is being fetched, of any kind: where
    /// that is in its trace.
    pub(crate) trace: Option<TraceParent>,
    pub(crate) due_at: Stamp,
    /// What its last answer lets the request say; none where its bytes are wanted whatever it is.
    pub(crate) validators: Validators,
    /// A page's or sitemap's, as it was last read.
    pub(crate) content_hash: Option<Vec<u8>>,
    /// A page's: what its seeds say of rendering it, the one that asks for the most.
    pub(crate) render: Rendering,
}

impl Frontier {
    /// Up to `limit` due pages and as many due pictures of the host, without those that are being
    /// fetched: the nearest pages and the oldest pictures first, one of each in turn.
    ///
    /// A picture's validators are left out where its row knows no image: whoever took it away wants
    /// to see the bytes.
    pub(crate) async fn due_urls(
        &self,
        lease: &HostLease,
        limit: u32,
        in_flight: &[(Kind, i64)],
    ) -> Result<Vec<DueUrl>, CrawlError> {
        let busy = |of_images: bool| -> Vec<i64> {
            in_flight
                .iter()
                .filter(|(kind, _)| (*kind == Kind::Image) == of_images)
                .map(|(_, id)| *id)
                .collect()
        };
        let pages: Vec<Row> = sqlx::query_as(
            "SELECT page_id, url, attempts, due_at, etag, last_modified, content_hash, kind, NULL::text,
                    (SELECT array_agg(DISTINCT render) FROM seed_pages JOIN seeds USING (seed_id)
                     WHERE seed_pages.page_id = pages.page_id)
             FROM pages
             WHERE host_id = $1 AND state = 'due' AND due_at <= now() AND page_id <> ALL($2)
             ORDER BY depth, page_id LIMIT $3",
        )
        .bind(lease.host_id)
        .bind(busy(false))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .bounded()
        .await?;
        let images: Vec<Row> = sqlx::query_as(
            "SELECT image_url_id, url, attempts, due_at,
                    CASE WHEN image_id IS NOT NULL THEN etag END,
                    CASE WHEN image_id IS NOT NULL THEN last_modified END, NULL::bytea, 'image', trace, NULL::text[]
             FROM image_urls WHERE host_id = $1 AND state = 'due' AND due_at <= now() AND image_url_id <> ALL($2)
             ORDER BY image_url_id LIMIT $3",
        )
        .bind(lease.host_id)
        .bind(busy(true))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .bounded()
        .await?;
        let (mut pages, mut images) = (pages.into_iter(), images.into_iter());
        let mut due = Vec::new();
        loop {
            let pair = (pages.next(), images.next());
            if pair.0.is_none() && pair.1.is_none() {
                return Ok(due);
            }
            due.extend(pair.0.map(due_url).transpose()?);
            due.extend(pair.1.map(due_url).transpose()?);
        }
    }
}

type Row = (
    i64,
    String,
    i32,
    Stamp,
    Option<String>,
    Option<String>,
    Option<Vec<u8>>,
    String,
    Option<String>,
    Option<Vec<String>>,
);

fn due_url(
    (id, url, attempts, due_at, etag, last_modified, content_hash, kind, trace, renders): Row,
) -> Result<DueUrl, CrawlError> {
    let kind = match kind.as_str() {
        "image" => Kind::Image,
        "sitemap" => Kind::Sitemap,
        _ => Kind::Page,
    };
    let attempts = u32::try_from(attempts).unwrap_or(0);
    Ok(DueUrl {
        kind,
        id,
        address: stored_address(&url)?,
        attempts,
        // Of another build, perhaps: a trace is nothing to fail for.
        trace: trace.and_then(|trace| trace.parse().ok()),
        due_at,
        validators: Validators {
            etag,
            last_modified,
        },
        content_hash,
        render: renders
            .unwrap_or_default()
            .iter()
            .filter_map(|word| word.parse().ok())
            .max()
            .unwrap_or_default(),
    })
}
