//! What is known of one page by its address.

use tusou_ingest::{Address, removals};

use super::{Bounded as _, Frontier};
use crate::error::CrawlError;

/// What is known of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownPage {
    /// Nothing yet: it is due for the first time, or not even known.
    Unread,
    /// It was read, and shows pictures.
    Shows,
    /// It was asked for and shows none, or could not be read.
    ShowsNothing,
}

impl Frontier {
    pub(crate) async fn known_page(&self, address: &Address) -> Result<KnownPage, CrawlError> {
        let row: Option<(bool, bool)> = sqlx::query_as(
            "SELECT state = 'due' AND fetched_at IS NULL,
                    EXISTS (SELECT FROM page_images WHERE page_images.page_id = pages.page_id)
             FROM pages WHERE url = $1",
        )
        .bind(address.as_str())
        .fetch_optional(&self.pool)
        .bounded()
        .await?;
        Ok(match row {
            Some((_, true)) => KnownPage::Shows,
            None | Some((true, false)) => KnownPage::Unread,
            Some((false, false)) => KnownPage::ShowsNothing,
        })
    }

    /// Whether a removal keeps the address out.
    pub(crate) async fn is_kept_out(&self, address: &Address) -> Result<bool, CrawlError> {
        let kept = removals::kept_out_by(&self.pool, address).bounded().await?;
        Ok(kept.is_some())
    }
}
