//! Places in flight, as many as [`Pace`] allows now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::pace::{Limits, Most, Pace, Ticket};
use crate::metrics;

#[derive(Debug)]
pub(super) struct Slots {
    pace: Mutex<Pace>,
    /// A place is free, or there are more of them.
    freed: Notify,
}

/// A place; free again when it is dropped.
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    ticket: Ticket,
}

impl Slots {
    pub(super) fn new(most: Most) -> Self {
        let pace = Pace::new(most);
        metrics::bulk_limits(pace.limits());
        Self {
            pace: Mutex::new(pace),
            freed: Notify::new(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.lock().limits()
    }

    /// Waits for a place. Cancel-safe.
    pub(super) async fn take(&self) -> Slot<'_> {
        loop {
            let freed = self.freed.notified();
            if let Some(ticket) = self.lock().start() {
                return Slot {
                    slots: self,
                    ticket,
                };
            }
            freed.await;
        }
    }

    /// Changes the pace, tells of it, and wakes those who wait: there are few.
    fn change(&self, change: impl FnOnce(&mut Pace)) {
        let (before, now) = {
            let mut pace = self.lock();
            let before = pace.limits();
            change(&mut pace);
            (before, pace.limits())
        };
        if now != before {
            tracing::debug!(?now, "bulks have other limits");
            metrics::bulk_limits(now);
        }
        self.freed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Pace> {
        // It is whole after every call, and any limits are good ones.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot<'_> {
    /// What the bulk in this place may have.
    pub(super) fn limits(&self) -> Limits {
        self.slots.limits()
    }

    pub(super) fn answered(self, documents: usize) {
        let (ticket, now) = (self.ticket, Instant::now());
        self.slots
            .change(|pace| pace.answered(ticket, documents, now));
    }

    pub(super) fn overloaded(self) {
        let ticket = self.ticket;
        metrics::overload();
        self.slots.change(|pace| pace.overloaded(ticket));
    }

    pub(super) fn too_large(self, bytes: usize) {
        self.slots.change(|pace| pace.too_large(bytes));
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.change(Pace::end);
    }
}
