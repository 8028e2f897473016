//! Writing and deleting documents: bulks with an outcome for each item, as many and as large as the server takes.

mod job;
mod pace;
mod slots;

use std::collections::VecDeque;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tusou_platform::Shutdown;
use tusou_platform::elastic::{BulkEncoding, BulkItem, BulkOutcome, Elastic, ElasticError};
use tusou_projection::Holding;

use crate::error::Error;
use crate::metrics;
use crate::patience::Patience;

pub use job::Job;
use job::next_bulk;
pub(crate) use pace::Limits;
pub use pace::Most;
use slots::{Slot, Slots};

/// Batches that are read from Postgres, encoded or recorded while others are in flight.
const BATCHES_BESIDE: usize = 2;

/// Writes documents as the service does: encodes them off the threads that wait for sockets, and has as many bulks in
/// flight as make it faster.
///
/// One for a process, shared: what it found out about the server counts for all who write with it. To write at speed
/// call [`Writer::write`] several times at once, [`Writer::batches_at_once`] of them.
#[derive(Debug)]
pub struct Writer {
    elastic: Elastic,
    slots: Slots,
    shutdown: Shutdown,
}

/// What the jobs came to, in no certain order.
#[derive(Debug, Default)]
pub struct Written {
    /// What the indexes have now.
    pub holdings: Vec<Holding>,
    /// Why indexes took no document of ours, one for each index. Nothing is known of those documents: they are to be
    /// written when the index is mended.
    pub conflicts: Vec<Conflict>,
}

/// An index whose mapping our documents do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its row in the registry.
    pub generation_id: i64,
    /// The index.
    pub index: String,
    /// Elasticsearch's own words.
    pub reason: String,
}

/// What one bulk came to.
#[derive(Default)]
struct Sent {
    done: Written,
    /// To be sent again.
    again: Vec<Job>,
    /// Why it is better to wait before.
    why: Option<String>,
}

impl Writer {
    /// A writer that never goes beyond `most`. It waits for a busy server no longer than to the shutdown.
    pub fn new(elastic: Elastic, most: Most, shutdown: &Shutdown) -> Self {
        Self {
            elastic,
            slots: Slots::new(most),
            shutdown: shutdown.clone(),
        }
    }

    /// How many batches are worth writing at once now: each bulk in flight has its own, and some are on the way
    /// to one.
    pub fn batches_at_once(&self) -> usize {
        self.slots.limits().in_flight + BATCHES_BESIDE
    }

    /// Makes jobs on a thread for such work, and writes every one to its end. What Elasticsearch is too busy for is sent
    /// again, and nothing else; what it says of an older version is success; a document that it will never take is
    /// [`tusou_projection::Outcome::Refused`].
    ///
    /// # Errors
    /// [`Error::Elastic`] where it is away or stays too busy: some jobs may have been written, and
    /// writing them again does no harm. [`Error::IndexGone`] where an index is not there,
    /// [`Error::Panicked`] where `make` did.
    pub async fn write(
        &self,
        make: impl FnOnce(BulkEncoding) -> Vec<Job> + Send + 'static,
    ) -> Result<Written, Error> {
        let encoding = self.elastic.bulk_encoding().await?;
        let made = tokio::task::spawn_blocking(move || VecDeque::from(make(encoding)));
        let mut jobs = made
            .await
            .map_err(|error| Error::Panicked(error.to_string()))?;
        let mut written = Written::default();
        let mut bulks = FuturesUnordered::new();
        while !(jobs.is_empty() && bulks.is_empty()) {
            tokio::select! {
                Some(settled) = bulks.next() => written.add(settled?),
                slot = self.slots.take(), if !jobs.is_empty() => {
                    let bulk = next_bulk(&mut jobs, slot.limits());
                    bulks.push(self.settle(slot, bulk));
                }
            }
        }
        Ok(written)
    }

    /// Sends a bulk, and what is to be sent again of it, until all is settled.
    async fn settle<'a>(
        &'a self,
        mut slot: Slot<'a>,
        mut bulk: Vec<Job>,
    ) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut patience = Patience::new(&self.shutdown);
        let mut jobs = VecDeque::new();
        loop {
            let Sent { done, again, why } = self.send(slot, bulk).await?;
            if !done.holdings.is_empty() {
                patience.progress();
            }
            written.add(done);
            for job in again.into_iter().rev() {
                jobs.push_front(job);
            }
            if let Some(why) = why {
                tracing::debug!(items = jobs.len(), why, "Elasticsearch is busy");
                metrics::wait("elasticsearch");
                if !patience.wait().await {
                    return Err(ElasticError::Away(format!("it stays too busy: {why}")).into());
                }
            }
            if jobs.is_empty() {
                return Ok(written);
            }
            slot = self.slots.take().await;
            bulk = next_bulk(&mut jobs, slot.limits());
        }
    }

    /// One bulk.
    async fn send(&self, slot: Slot<'_>, mut jobs: Vec<Job>) -> Result<Sent, Error> {
        let items: Vec<BulkItem> = jobs.iter().map(|job| job.item.clone()).collect();
        let started = Instant::now();
        let answer = self.elastic.bulk(&items).await;
        metrics::bulk(started.elapsed());
        match answer {
            Ok(outcomes) => self.sort(slot, jobs, outcomes),
            Err(ElasticError::Overloaded(why)) => {
                slot.overloaded();
                Ok(Sent {
                    again: jobs,
                    why: Some(why),
                    ..Sent::default()
                })
            }
            Err(ElasticError::TooLarge(why)) => {
                slot.too_large(jobs.iter().map(Job::bytes).sum());
                // It is too large by itself: the server's limit, which no waiting changes.
                let alone = if jobs.len() == 1 { jobs.pop() } else { None };
                let mut sent = Sent {
                    again: jobs,
                    ..Sent::default()
                };
                sent.done
                    .holdings
                    .extend(alone.map(|job| refused(job, 413, why)));
                Ok(sent)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What each item's outcome means.
    fn sort(
        &self,
        slot: Slot<'_>,
        jobs: Vec<Job>,
        outcomes: Vec<BulkOutcome>,
    ) -> Result<Sent, Error> {
        let mut sent = Sent::default();
        let mut too_much = false;
        let count = jobs.len();
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let is_document = job.item.source.is_some();
            match outcome {
                BulkOutcome::Written => {
                    metrics::document(if is_document { "written" } else { "deleted" });
                    sent.done.holdings.push(job.holding(None));
                }
                BulkOutcome::Superseded => {
                    metrics::document("superseded");
                    sent.done.holdings.push(job.holding(None));
                }
                BulkOutcome::Busy { overloaded, reason } => {
                    too_much |= overloaded;
                    sent.why = Some(reason);
                    sent.again.push(job);
                }
                BulkOutcome::Conflict { reason } => {
                    metrics::document("conflict");
                    sent.done.conflict(Conflict {
                        generation_id: job.generation_id,
                        index: job.item.index,
                        reason,
                    });
                }
                // A document that is not there answers a delete as superseded: the index itself is gone.
                BulkOutcome::Refused { status: 404, .. } => {
                    return Err(Error::IndexGone(job.item.index));
                }
                BulkOutcome::Refused { status, reason } => {
                    sent.done.holdings.push(refused(job, status, reason));
                }
            }
        }
        if too_much {
            slot.overloaded();
        } else {
            slot.answered(count);
        }
        Ok(sent)
    }
}

impl Written {
    fn add(&mut self, mut other: Self) {
        self.holdings.append(&mut other.holdings);
        for conflict in other.conflicts {
            self.conflict(conflict);
        }
    }

    fn conflict(&mut self, conflict: Conflict) {
        if !self.conflicts_with(conflict.generation_id) {
            self.conflicts.push(conflict);
        }
    }

    /// Whether documents did not fit this index.
    pub(crate) fn conflicts_with(&self, generation_id: i64) -> bool {
        let mut known = self.conflicts.iter();
        known.any(|known| known.generation_id == generation_id)
    }
}

fn refused(job: Job, status: u16, reason: String) -> Holding {
    metrics::document("refused");
    tracing::warn!(image_id = %job.image_id, index = job.item.index, status, reason, "document refused");
    job.holding(Some(reason))
}
