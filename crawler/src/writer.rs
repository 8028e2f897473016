//! The one writer of a process: outcomes that come in while it writes are the next transaction.
//!
//! A transaction costs about as much for one outcome as for fifty. So whoever has an outcome hands
//! it over and waits for the batch that it goes into; pages and pictures go by lanes of their own,
//! since each of their transactions takes its locks in one order, and the two orders differ.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tusou_platform::blobs::BlobStore;
use tusou_platform::ops::Health;

use crate::error::CrawlError;
use crate::failure::Failure;
use crate::frontier::{DueUrl, Frontier, HostLease, Job, Kind, Outcome, REFUSED, Written};
use crate::gate::{self, Gate};
use crate::metrics;

/// The most outcomes of a transaction.
const MOST: usize = 128;
/// The most links and pictures of a transaction, but for those of one page.
const MOST_ROWS: usize = 8_192;
/// Outcomes that wait for a lane; whoever has a further one waits with it.
const QUEUE: usize = 2 * MOST;
/// From the beginning of one transaction to that of the next, unless it is full: the first outcome
/// after a rest is written at once, and a busy crawler writes few large transactions, not many small.
const PACE: Duration = Duration::from_millis(20);

/// Writes outcomes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    frontier: Frontier,
    pages: mpsc::Sender<Waiting>,
    images: mpsc::Sender<Waiting>,
}

/// The lanes of a writer.
pub(crate) struct Lanes {
    ended: CancellationToken,
    lanes: [JoinHandle<()>; 2],
}

impl Lanes {
    /// Writes what waits, and ends.
    pub(crate) async fn end(self) {
        self.ended.cancel();
        for lane in self.lanes {
            lane.await.expect("a lane does not panic");
        }
    }
}

/// An outcome, and who waits for it to be written.
#[derive(Debug)]
struct Waiting {
    job: Job,
    reply: oneshot::Sender<Result<Option<Written>, CrawlError>>,
}

impl Writer {
    pub(crate) fn start(
        frontier: Frontier,
        blobs: BlobStore,
        gate: Gate,
        health: Health,
    ) -> (Self, Lanes) {
        let ended = CancellationToken::new();
        let lane = |kind| {
            let (sender, waiting) = mpsc::channel(QUEUE);
            let hand = Hand {
                kind,
                frontier: frontier.clone(),
                blobs: blobs.clone(),
                gate: gate.clone(),
                health: health.clone(),
            };
            let lane = tokio::spawn(run(Arc::new(hand), waiting, ended.clone()));
            (sender, lane)
        };
        let (pages, images) = (lane(Kind::Page), lane(Kind::Image));
        let writer = Self {
            frontier: frontier.clone(),
            pages: pages.0,
            images: images.0,
        };
        let lanes = [pages.1, images.1];
        (writer, Lanes { ended, lanes })
    }

    /// Writes what a fetch brought; returns once it is durable. A picture's blob must be so before.
    ///
    /// # Errors
    /// [`CrawlError::LeaseLost`] where another process has the host: nothing was written. Any other
    /// where nothing could be written now.
    pub(crate) async fn write(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        outcome: Outcome,
    ) -> Result<Written, CrawlError> {
        if let Outcome::Moved { status, target } = &outcome {
            // Few, and each reaches pages of its own accord: by themselves.
            let word = self.frontier.page_moved(lease, url, *status, target);
            return Ok(Written::Moved(word.await?));
        }
        let lane = match url.kind {
            Kind::Page | Kind::Sitemap => &self.pages,
            Kind::Image => &self.images,
        };
        let (reply, written) = oneshot::channel();
        let job = Job {
            lease: lease.clone(),
            url: url.clone(),
            outcome,
        };
        // The lanes outlive whoever fetches; a batch that panicked answers nobody.
        let gone = || CrawlError::Database(sqlx::Error::WorkerCrashed);
        let handed = lane.send(Waiting { job, reply }).await;
        handed.map_err(|_| gone())?;
        let written = written.await.map_err(|_| gone())??;
        written.ok_or(CrawlError::LeaseLost)
    }
}

/// Writes batch after batch, until the end is asked for and nothing waits.
async fn run(hand: Arc<Hand>, mut waiting: mpsc::Receiver<Waiting>, ended: CancellationToken) {
    let mut left = None;
    loop {
        let first = match left.take() {
            Some(first) => first,
            None => {
                let next = tokio::select! {
                    biased;
                    next = waiting.recv() => next,
                    () = ended.cancelled() => None,
                };
                let Some(next) = next else {
                    return;
                };
                next
            }
        };
        let began = Instant::now();
        let batch;
        (batch, left) = gather(first, &mut waiting);
        let outcomes = batch.len();
        let hand = Arc::clone(&hand);
        let kind = hand.kind;
        if let Err(broken) = tokio::spawn(async move { hand.write(batch).await }).await {
            tracing::error!(%broken, outcomes, "writing outcomes panicked");
        }
        metrics::written(kind, outcomes, began.elapsed());
        if left.is_none() && waiting.len() < MOST && !ended.is_cancelled() {
            tokio::time::sleep_until(began + PACE).await;
        }
    }
}

/// What waits, as far as it fits into one transaction, which has each URL once; and what did not
/// fit.
fn gather(
    first: Waiting,
    waiting: &mut mpsc::Receiver<Waiting>,
) -> (Vec<Waiting>, Option<Waiting>) {
    let (mut rows, mut urls) = (first.job.rows(), HashSet::from([first.job.url.id]));
    let mut batch = vec![first];
    while batch.len() < MOST {
        let Ok(next) = waiting.try_recv() else {
            return (batch, None);
        };
        rows += next.job.rows();
        if rows > MOST_ROWS || !urls.insert(next.job.url.id) {
            return (batch, Some(next));
        }
        batch.push(next);
    }
    (batch, None)
}

/// What a lane writes with.
struct Hand {
    kind: Kind,
    frontier: Frontier,
    blobs: BlobStore,
    gate: Gate,
    health: Health,
}

impl Hand {
    async fn write(&self, mut batch: Vec<Waiting>) {
        // Whoever waited was told to end: the URL stays due.
        batch.retain(|waiting| !waiting.reply.is_closed());
        match self.together(&batch).await {
            Ok(written) => self.tell(batch, written).await,
            Err(cause) if is_away(&cause) => {
                let cause = Arc::new(cause);
                for Waiting { reply, .. } in batch {
                    // Whoever is gone needs no telling.
                    let _ = reply.send(Err(CrawlError::Together(Arc::clone(&cause))));
                }
            }
            Err(cause) => {
                tracing::warn!(
                    outcomes = batch.len(),
                    cause = &cause as &dyn std::error::Error,
                    "one of these outcomes cannot be written: each by itself"
                );
                for waiting in batch {
                    self.alone(waiting).await;
                }
            }
        }
    }

    async fn together(&self, batch: &[Waiting]) -> Result<Vec<Option<Written>>, CrawlError> {
        let jobs: Vec<&Job> = batch.iter().map(|waiting| &waiting.job).collect();
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let written = self.frontier.write_together(self.kind, &jobs, &self.blobs);
        written.await.inspect_err(|cause| {
            if let CrawlError::Blob(cause) = cause {
                gate::blobs_fail(&self.gate, &self.health, cause);
            }
        })
    }

    /// Writes one outcome; where Postgres does not take its rows, writes that instead, or its URL
    /// would be fetched again for ever.
    async fn alone(&self, mut waiting: Waiting) {
        let cause = match self.together(std::slice::from_ref(&waiting)).await {
            Ok(written) => return self.tell(vec![waiting], written).await,
            Err(cause) => cause,
        };
        if matches!(cause, CrawlError::Blob(_)) || is_away(&cause) {
            let _ = waiting.reply.send(Err(cause));
            return;
        }
        tracing::error!(
            url = %waiting.job.url.address,
            cause = &cause as &dyn std::error::Error,
            "Postgres does not take the rows of this URL: it is given up"
        );
        waiting.job.outcome = Outcome::Failed(Failure::Final {
            reason: REFUSED.to_owned(),
            status: None,
        });
        let written = match self.together(std::slice::from_ref(&waiting)).await {
            Ok(written) => Ok(written.first().copied().flatten().map(|_| Written::Refused)),
            Err(_) => Err(cause),
        };
        let _ = waiting.reply.send(written);
    }

    /// Tells those who wait. What nobody waits for any more is written all the same: its host may
    /// have been given back meanwhile, and know nothing of what is due there since.
    async fn tell(&self, batch: Vec<Waiting>, written: Vec<Option<Written>>) {
        let mut hosts = BTreeSet::new();
        for (Waiting { job, reply }, written) in batch.into_iter().zip(written) {
            if reply.send(Ok(written)).is_err() {
                hosts.insert(job.lease.host_id);
            }
        }
        if let Err(cause) = self.frontier.wake(&hosts).await {
            tracing::warn!(
                cause = &cause as &dyn std::error::Error,
                "hosts are not woken; they come up with their next URL"
            );
        }
    }
}

/// Whether Postgres is away or busy: no outcome is to blame.
fn is_away(cause: &CrawlError) -> bool {
    matches!(cause, CrawlError::Database(_)) && cause.is_transient()
}
