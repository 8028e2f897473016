//! The gate before every fetch: while it is shut none begins, anywhere in the process; what is in
//! flight ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tusou_platform::Shutdown;
use tusou_platform::backoff::Backoff;
use tusou_platform::blobs::{BlobError, BlobStore};
use tusou_platform::ops::Health;

use crate::metrics;

/// Between two looks at a store that works: a disk fills up by other hands too.
const LOOK: Duration = Duration::from_secs(15);

/// What shuts the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bolt {
    /// The outbox holds more messages than it may.
    Outbox,
    /// The crawl is paused.
    Paused,
    /// No blob can be written.
    Blobs,
}

impl Bolt {
    fn bit(self) -> u8 {
        1 << self as u8
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Outbox => "outbox",
            Self::Paused => "paused",
            Self::Blobs => "blobs",
        }
    }
}

/// Shut while at least one bolt is. Cheap to clone; all clones are one gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bolts: watch::Sender<u8>,
    outbox_limit: u32,
    /// Messages in the outbox when it was last counted, and those written here since.
    counted: AtomicU32,
    written: AtomicU32,
    /// Messages that outcomes may lead to which are fetched for or wait to be written.
    expected: AtomicU32,
}

/// Messages that are expected, until this is dropped: then they are written, or never will be.
#[derive(Debug)]
pub(crate) struct Expected {
    gate: Gate,
    messages: u32,
}

impl Drop for Expected {
    fn drop(&mut self) {
        let expected = &self.gate.0.expected;
        expected.fetch_sub(self.messages, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(outbox_limit: u32) -> Self {
        Self(Arc::new(Inner {
            bolts: watch::Sender::new(0),
            outbox_limit,
            counted: AtomicU32::new(0),
            written: AtomicU32::new(0),
            expected: AtomicU32::new(0),
        }))
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.0.bolts.borrow() == 0
    }

    /// Resolves once it is shut.
    pub(crate) async fn shut(&self) {
        let mut bolts = self.0.bolts.subscribe();
        // The sender lives as long as this clone does.
        let _ = bolts.wait_for(|bolts| *bolts != 0).await;
    }

    /// Shuts or opens a bolt; whether that changed it.
    pub(crate) fn set(&self, bolt: Bolt, shut: bool) -> bool {
        let bit = bolt.bit();
        let changed = self.0.bolts.send_if_modified(|bolts| {
            let before = *bolts;
            *bolts = if shut { before | bit } else { before & !bit };
            *bolts != before
        });
        if changed {
            metrics::waiting(bolt.as_str(), shut);
        }
        changed
    }

    /// The outbox was counted, up to a little above its limit.
    pub(crate) fn outbox_counted(&self, messages: u32) {
        self.0.counted.store(messages, Ordering::Relaxed);
        self.0.written.store(0, Ordering::Relaxed);
        self.set(Bolt::Outbox, self.outbox() > self.0.outbox_limit);
    }

    /// Messages were written to the outbox: what the relay took meanwhile is not known, so this
    /// shuts the gate rather too early than too late, until the next count.
    pub(crate) fn outbox_written(&self, messages: u64) {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.0.written.fetch_add(messages, Ordering::Relaxed);
        self.judge_outbox();
    }

    /// So many messages may come of what is fetched now, or was and waits to be written: hundreds
    /// of outcomes wait for one transaction.
    pub(crate) fn expect(&self, messages: usize) -> Expected {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX / 2);
        self.0.expected.fetch_add(messages, Ordering::Relaxed);
        self.judge_outbox();
        Expected {
            gate: self.clone(),
            messages,
        }
    }

    fn judge_outbox(&self) {
        if self.outbox() > self.0.outbox_limit {
            self.set(Bolt::Outbox, true);
        }
    }

    /// What the outbox may come to hold, as far as it is known here.
    fn outbox(&self) -> u32 {
        let parts = [&self.0.counted, &self.0.written, &self.0.expected];
        let parts = parts.map(|part| part.load(Ordering::Relaxed));
        parts.into_iter().fold(0, u32::saturating_add)
    }
}

/// Watches over the blob store until the end is asked for: shuts the gate when it cannot be written,
/// tries it with growing waits, and opens the gate when it can be.
pub(crate) async fn watch_blobs(gate: Gate, blobs: BlobStore, health: Health, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    loop {
        let probed = blobs.probe().await;
        if let Some(bytes) = blobs.free_bytes() {
            metrics::blobs_free(bytes);
        }
        match probed {
            Ok(()) => {
                blobs_work(&gate, &health);
                tokio::select! {
                    _ = shutdown.sleep(LOOK) => backoff.reset(),
                    // A trial is small: there may be room for it and not for a picture, which is
                    // not to be fetched again and again.
                    () = blobs_shut(&gate) => {
                        shutdown.sleep(backoff.next_wait()).await;
                    }
                }
            }
            Err(cause) => {
                blobs_fail(&gate, &health, &cause);
                shutdown.sleep(backoff.next_wait()).await;
            }
        }
        if shutdown.is_requested() {
            return;
        }
    }
}

async fn blobs_shut(gate: &Gate) {
    let mut bolts = gate.0.bolts.subscribe();
    // The sender lives as long as this clone does.
    let _ = bolts.wait_for(|bolts| bolts & Bolt::Blobs.bit() != 0).await;
}

/// A blob could not be written: no fetch begins until one can be.
pub(crate) fn blobs_fail(gate: &Gate, health: &Health, cause: &BlobError) {
    health.set("blobs", Err(cause.to_string()));
    if gate.set(Bolt::Blobs, true) {
        tracing::warn!(
            cause = cause as &dyn std::error::Error,
            "no blob can be written: fetching waits"
        );
    }
}

fn blobs_work(gate: &Gate, health: &Health) {
    health.set("blobs", Ok(()));
    if gate.set(Bolt::Blobs, false) {
        tracing::info!("blobs can be written again: fetching goes on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_open_only_while_no_bolt_is_shut() {
        let gate = Gate::new(10);
        assert!(gate.is_open());
        assert!(gate.set(Bolt::Paused, true) && gate.set(Bolt::Blobs, true));
        gate.shut().await;
        assert!(!gate.set(Bolt::Paused, true), "it was shut already");
        gate.set(Bolt::Paused, false);
        assert!(!gate.is_open());
        gate.set(Bolt::Blobs, false);
        assert!(gate.is_open());
    }

    #[test]
    fn what_is_written_between_two_counts_counts() {
        let gate = Gate::new(10);
        gate.outbox_counted(8);
        gate.outbox_written(2);
        assert!(gate.is_open(), "the limit itself may be reached");
        gate.outbox_written(1);
        assert!(!gate.is_open());
        gate.outbox_counted(11);
        assert!(!gate.is_open());
        gate.outbox_counted(10);
        assert!(gate.is_open());
    }

    #[test]
    fn what_is_expected_counts_until_it_is_there() {
        let gate = Gate::new(10);
        gate.outbox_counted(6);
        let expected = gate.expect(4);
        assert!(gate.is_open());
        let more = gate.expect(1);
        assert!(!gate.is_open());
        drop(more);
        gate.outbox_counted(6);
        assert!(gate.is_open(), "the next count opens it");
        gate.outbox_written(4);
        assert!(!gate.is_open(), "rather too early than too late");
        drop(expected);
        gate.outbox_counted(10);
        assert!(gate.is_open());
    }
}
