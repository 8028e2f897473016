//! Results to the broker: what finishes together is published together and confirmed together.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tusou_contract::ImageEmbedded;
use tusou_platform::backoff::Backoff;
use tusou_platform::broker::{BrokerError, Outgoing, Publisher, Unpublished};
use tusou_platform::trace::TraceParent;

use crate::metrics;

/// Results in one round of confirms.
const ROUND: usize = 64;

/// The broker did not take a result and the connection is of no more use; why is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result could not be published")]
pub(crate) struct NotPublished;

/// A way to the publisher. Cheap to clone; the publisher ends with the last.
#[derive(Debug, Clone)]
pub(crate) struct Results(mpsc::Sender<Letter>);

#[derive(Debug)]
struct Letter {
    message: Outgoing,
    confirmed: oneshot::Sender<()>,
}

impl Results {
    /// Starts publishing on a task of its own, so that a picture that is given up leaves the
    /// publisher whole.
    pub(crate) fn start(publisher: Publisher) -> Self {
        let (letters, queue) = mpsc::channel(ROUND);
        tokio::spawn(run(queue, publisher));
        Self(letters)
    }

    /// Publishes a result; returns when the broker has it. While the queue is full it waits.
    pub(crate) async fn publish(
        &self,
        result: &ImageEmbedded,
        trace: Option<TraceParent>,
    ) -> Result<(), NotPublished> {
        let (confirmed, stored) = oneshot::channel();
        let message = Outgoing {
            trace,
            ..Outgoing::of(result)
        };
        let letter = Letter { message, confirmed };
        self.0.send(letter).await.map_err(|_| NotPublished)?;
        stored.await.map_err(|_| NotPublished)
    }
}

async fn run(mut queue: mpsc::Receiver<Letter>, publisher: Publisher) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut letters = Vec::new();
    loop {
        // While some wait for room no more are taken: the queue's bound becomes this service's.
        if letters.is_empty() && queue.recv_many(&mut letters, ROUND).await == 0 {
            return;
        }
        letters = match publish(&publisher, letters).await {
            Ok(refused) => refused,
            Err(error) => {
                tracing::warn!(%error, "results could not be published; they will be made again");
                return;
            }
        };
        // Nobody waits for what was given up, as when the process ends.
        letters.retain(|letter| !letter.confirmed.is_closed());
        if letters.is_empty() {
            backoff.reset();
        } else {
            metrics::wait("images_embedded");
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }
}

/// Publishes all; returns those that a full queue refused.
async fn publish(publisher: &Publisher, letters: Vec<Letter>) -> Result<Vec<Letter>, BrokerError> {
    let started = Instant::now();
    let batch: Vec<Outgoing> = letters
        .iter()
        .map(|letter| letter.message.clone())
        .collect();
    let results = publisher.publish(&batch).await?;
    metrics::published(started.elapsed());
    let mut refused = Vec::new();
    for (letter, result) in letters.into_iter().zip(results) {
        match result {
            Ok(()) => {
                // Whoever published it may have been given up.
                let _ = letter.confirmed.send(());
            }
            Err(Unpublished::Full(_)) => refused.push(letter),
            // Connecting again declares the queue.
            Err(gone @ Unpublished::Unroutable(_)) => {
                return Err(BrokerError::Away(gone.to_string()));
            }
        }
    }
    Ok(refused)
}
