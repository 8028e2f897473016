//! One leased host: its due URLs fetched at its pace, until none is left or its turn is over.

mod renewal;
mod turn;

use std::time::Duration;

use tusou_platform::Shutdown;

use self::renewal::Renewal;
use self::turn::Turn;
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::fetch::Fetcher;
use crate::frontier::{HostLease, Leased};

/// The rest after a turn that failed: whatever failed is likely to fail again at once.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// Crawls a leased host and gives it back.
///
/// # Errors
/// What made it stop early; the host is given back all the same, where that is possible.
pub(crate) async fn crawl(
    fetcher: &Fetcher,
    leased: Leased,
    shutdown: &Shutdown,
) -> Result<(), CrawlError> {
    let host = fetcher.slots.adopt(leased);
    let renewal = Renewal::start(fetcher.clone(), host.clone());
    let turn = Turn::new(fetcher.clone(), host.clone())
        .run(shutdown, &renewal)
        .await;
    drop(renewal);
    let rest = match &turn {
        Ok(rest) => *rest,
        Err(_) => fetcher.settings.host_delay.max(AFTER_ERROR),
    };
    fetcher.slots.part(&host, rest).await?;
    turn.map(|_| ())
}

/// After a turn that panicked: every due URL of the host loses an attempt, since nobody knows which
/// of them it was, or the host would be leased and break for ever.
pub(crate) async fn strike(fetcher: &Fetcher, lease: &HostLease) -> Result<(), CrawlError> {
    let failure = Failure::again("panicked");
    fetcher.frontier.host_failed(lease, &failure).await?;
    let rest = fetcher.settings.retry_after;
    fetcher.slots.part_origin(&lease.origin, rest).await
}
