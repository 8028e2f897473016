//! What benchmarks measure of the crawler from within: its own statements.

use sqlx::PgPool;
use tusou_platform::Config;

use crate::config::Settings;
use crate::error::CrawlError;
use crate::frontier::{Frontier, Parting};
use crate::gate::Gate;

/// Leases the host that has been due longest, reads its due URLs as a turn would, and gives it back
/// with nothing fetched: how many URLs there were, `None` where no host is due.
///
/// # Errors
/// [`CrawlError`], where the settings cannot be used or Postgres fails.
pub async fn lease_once(pool: &PgPool, config: &Config) -> Result<Option<usize>, CrawlError> {
    let settings = Settings::new(config)?;
    let gate = Gate::new(settings.outbox_limit);
    let frontier = Frontier::new(pool.clone(), &settings, gate);
    let Some(leased) = frontier.lease_host().await? else {
        return Ok(None);
    };
    let lease = &leased.lease;
    let urls = frontier.due_urls(lease, settings.lease_urls, &[]).await?;
    frontier.release(lease, &Parting::default()).await?;
    Ok(Some(urls.len()))
}
