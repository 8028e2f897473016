//! Waiting for room in the outbox, which the crawler's relay empties.

use std::time::Duration;

use sqlx::PgPool;

use crate::error::Error;
use crate::rows::repair;

/// Between two looks.
const STEP: Duration = Duration::from_secs(1);

/// Looks without any message leaving, before the wait is given up: nobody relays.
const PATIENCE: u32 = 60;

/// The outbox's bound.
#[derive(Clone, Copy)]
pub(crate) struct Room<'a> {
    pub(crate) pool: &'a PgPool,
    /// `crawler.outbox_limit`
    pub(crate) limit: u32,
}

impl Room<'_> {
    /// Waits while the outbox is full.
    ///
    /// # Errors
    /// [`Error::OutboxFull`] where it stays full for a minute.
    pub(crate) async fn wait(&self) -> Result<(), Error> {
        let mut least = u64::MAX;
        let mut idle = 0;
        loop {
            let waiting = repair::outbox(self.pool).await?;
            if waiting < u64::from(self.limit) {
                return Ok(());
            }
            idle = if waiting < least { 0 } else { idle + 1 };
            least = least.min(waiting);
            if idle >= PATIENCE {
                return Err(Error::OutboxFull { waiting });
            }
            tokio::time::sleep(STEP).await;
        }
    }
}
