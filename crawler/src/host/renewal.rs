//! A lease kept while its turn lasts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::fetch::Fetcher;
use crate::frontier::Standing;
use crate::slots::HostSlot;

/// Between two looks at the host's row.
const LOOK: Duration = Duration::from_secs(2);

/// Renews a lease until it is dropped, and says what has become of it meanwhile.
pub(super) struct Renewal {
    pub(super) says: Says,
    task: tokio::task::JoinHandle<()>,
}

/// What a turn is told while it lasts.
#[derive(Clone, Default)]
pub(super) struct Says {
    /// Another process has the host.
    pub(super) lost: CancellationToken,
    /// The host is to be left alone.
    pub(super) paused: CancellationToken,
    /// Other hosts wait for a place.
    pub(super) wanted: CancellationToken,
}

impl Renewal {
    pub(super) fn start(fetcher: Fetcher, host: Arc<HostSlot>) -> Self {
        let says = Says::default();
        let told = says.clone();
        let task = tokio::spawn(async move {
            let period = fetcher.settings.lease / 3;
            let mut renewed = Instant::now();
            loop {
                tokio::time::sleep(LOOK.min(period)).await;
                // An error may pass before the lease runs out; the token fences results anyway.
                match fetcher.frontier.standing(&host.lease).await {
                    Ok(Standing::Lost) => return told.lost.cancel(),
                    Ok(Standing::Paused) => told.paused.cancel(),
                    Ok(Standing::Wanted) => told.wanted.cancel(),
                    Ok(Standing::Held) | Err(_) => {}
                }
                if renewed.elapsed() >= period {
                    let asked_at = Instant::now();
                    match fetcher.frontier.renew(&host.lease).await {
                        Ok(true) => {
                            host.renewed(asked_at);
                            renewed = asked_at;
                        }
                        Ok(false) => return told.lost.cancel(),
                        Err(_) => {}
                    }
                }
            }
        });
        Self { says, task }
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.task.abort();
    }
}
