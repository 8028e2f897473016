//! The dead letters as they were looked at last.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;
use tusou_platform::Shutdown;
use tusou_platform::telemetry::chain;

use super::app::App;
use crate::dead::{self, Letters as Found};

/// Letters of a queue that are looked at.
const MOST: u32 = 500;
/// Where their number stays the same they are looked at again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// Between two looks at whether their number has changed.
const STEP: Duration = Duration::from_secs(1);
/// A look is followed by as many times its own length without one, unless it is asked for.
const REST: u32 = 10;
/// The longest look.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was found, and when; `Err` in words where it cannot be looked at.
pub(super) type Look = (Result<Found, String>, SystemTime);

/// Keeps them.
#[derive(Debug, Default)]
pub(super) struct Letters {
    last: Mutex<Option<Look>>,
    again: Notify,
}

impl Letters {
    /// As they were looked at last; `None` before the first look.
    pub(super) fn last(&self) -> Option<Look> {
        self.lock().clone()
    }

    /// Forgets what was seen of them: some were retried or dropped.
    pub(super) fn forget(&self) {
        *self.lock() = None;
        self.again.notify_one();
    }

    /// Looks whenever their number has changed, until the end is asked for.
    pub(super) async fn keep(&self, app: &App, shutdown: &Shutdown) {
        let (mut known, mut next, mut rested) = (None, Instant::now(), Instant::now());
        loop {
            let seen = app.looker.seen();
            let number = seen.map(|seen| {
                let dead = seen.status.queues.iter().filter(|queue| queue.is_dead());
                dead.map(|queue| queue.ready).sum::<u64>()
            });
            let asked_for = self.lock().is_none();
            let begun = Instant::now();
            let is_due = begun >= next || number != known && begun >= rested;
            if number.is_some() && (asked_for || is_due) {
                tokio::select! {
                    () = self.look(app) => {}
                    () = shutdown.requested() => return,
                }
                known = number;
                next = Instant::now() + AGAIN;
                // Whoever looks holds the letters meanwhile, and nobody else sees them.
                rested = Instant::now() + begun.elapsed() * REST;
            }
            tokio::select! {
                goes_on = shutdown.sleep(STEP) => if !goes_on { return },
                () = self.again.notified() => {}
            }
        }
    }

    async fn look(&self, app: &App) {
        let _desk = app.looker.desk.lock().await;
        let looked = tokio::time::timeout(PATIENCE, dead::letters(&app.config, MOST)).await;
        let found = match looked {
            Ok(found) => found.map_err(|error| chain(&error)),
            Err(_) => Err(format!(
                "RabbitMQ does not answer within {} s",
                PATIENCE.as_secs()
            )),
        };
        *self.lock() = Some((found, SystemTime::now()));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Look>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
