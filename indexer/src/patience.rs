//! How long a batch waits in hand for a dependency.

use std::time::Duration;

use tokio::time::Instant;
use tusou_platform::Shutdown;
use tusou_platform::backoff::Backoff;

/// Held messages are given back after this: RabbitMQ closes a channel whose messages stay
/// unacknowledged for half an hour.
const HOLD: Duration = Duration::from_secs(60);

/// Waits longer after each failure in a row, for [`HOLD`] in all and never past a shutdown.
#[derive(Debug)]
pub(crate) struct Patience {
    backoff: Backoff,
    until: Option<Instant>,
    shutdown: Shutdown,
}

impl Patience {
    pub(crate) fn new(shutdown: &Shutdown) -> Self {
        Self {
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)),
            until: None,
            shutdown: shutdown.clone(),
        }
    }

    /// Waits before one more try; `false` when none is left.
    pub(crate) async fn wait(&mut self) -> bool {
        let until = *self.until.get_or_insert_with(|| Instant::now() + HOLD);
        let wait = self.backoff.next_wait();
        Instant::now() + wait < until && self.shutdown.sleep(wait).await
    }

    /// Something went forward: the next failure is the first again.
    pub(crate) fn progress(&mut self) {
        self.backoff.reset();
        self.until = None;
    }
}
