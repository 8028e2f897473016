//! Prepared pictures to batches, by count and by time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tusou_contract::Embedding;
use tusou_model::Stopped;

use crate::config::Settings;
use crate::error::PictureError;
use crate::models::{Embedded, Models, Tensors};

/// A way to the batches. Cheap to clone; the batcher ends with the last.
#[derive(Debug, Clone)]
pub(crate) struct Batcher(mpsc::Sender<Item>);

#[derive(Debug)]
struct Item {
    tensors: Tensors,
    alone: bool,
    reply: oneshot::Sender<Embedded>,
}

impl Batcher {
    /// Starts the batcher: as many batches run at once as there are sessions.
    pub(crate) fn start(settings: &Settings, models: Arc<Models>) -> Self {
        let (items, queue) = mpsc::channel(settings.batch);
        tokio::spawn(run(queue, settings.clone(), models));
        Self(items)
    }

    /// Embeds a picture in the next batch, or in one of its own where it is to be `alone`.
    pub(crate) async fn embed(
        &self,
        tensors: Tensors,
        alone: bool,
    ) -> Result<Vec<Embedding>, PictureError> {
        let (reply, embedded) = oneshot::channel();
        self.0
            .send(Item {
                tensors,
                alone,
                reply,
            })
            .await
            .map_err(|_| Stopped)?;
        embedded.await.map_err(|_| Stopped)?
    }
}

async fn run(queue: mpsc::Receiver<Item>, settings: Settings, models: Arc<Models>) {
    let sessions = Arc::new(Semaphore::new(settings.sessions));
    let mut collector = Collector { queue, next: None };
    loop {
        // First a session, then a batch: while all are busy the batch can still fill.
        let session = Arc::clone(&sessions)
            .acquire_owned()
            .await
            .expect("it is never closed");
        let batch = collector
            .collect(settings.batch, settings.batch_wait, |item| item.alone)
            .await;
        if batch.is_empty() {
            return;
        }
        let models = Arc::clone(&models);
        tokio::spawn(async move {
            run_batch(&models, batch).await;
            drop(session);
        });
    }
}

async fn run_batch(models: &Models, batch: Vec<Item>) {
    let (tensors, replies): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|item| (item.tensors, item.reply))
        .unzip();
    match models.embed(tensors).await {
        Ok(results) => {
            for (reply, result) in replies.into_iter().zip(results) {
                // Whoever asked may have been given up.
                let _ = reply.send(result);
            }
        }
        // The dropped replies tell of it.
        Err(Stopped) => {
            tracing::error!(images = replies.len(), "the model's thread died of a batch")
        }
    }
}

/// Collects items of a channel into batches.
#[derive(Debug)]
struct Collector<T> {
    queue: mpsc::Receiver<T>,
    /// An item that is to be alone, held back while the batch before it is closed.
    next: Option<T>,
}

impl<T> Collector<T> {
    /// A batch of at most `most` items, closed `wait` after its first; empty when there are no
    /// more. An item for which `alone` holds has its batch for itself, at once.
    async fn collect(&mut self, most: usize, wait: Duration, alone: impl Fn(&T) -> bool) -> Vec<T> {
        let first = match self.next.take() {
            Some(item) => Some(item),
            None => self.queue.recv().await,
        };
        let Some(first) = first else {
            return Vec::new();
        };
        if alone(&first) {
            return vec![first];
        }
        let deadline = Instant::now() + wait;
        let mut batch = vec![first];
        while batch.len() < most {
            match timeout_at(deadline, self.queue.recv()).await {
                Ok(Some(item)) if alone(&item) => {
                    self.next = Some(item);
                    break;
                }
                Ok(Some(item)) => batch.push(item),
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So long that a test which waits for it hangs.
    const NEVER: Duration = Duration::from_secs(3_600);

    fn collector(items: impl IntoIterator<Item = i32>) -> (mpsc::Sender<i32>, Collector<i32>) {
        let (sender, queue) = mpsc::channel(64);
        for item in items {
            sender.try_send(item).expect("the channel has room");
        }
        (sender, Collector { queue, next: None })
    }

    /// Negative numbers want to be alone.
    async fn collect(collector: &mut Collector<i32>, most: usize, wait: Duration) -> Vec<i32> {
        collector.collect(most, wait, |item| *item < 0).await
    }

    #[tokio::test]
    async fn a_full_batch_waits_for_nothing() {
        let (_open, mut collector) = collector(1..=9);
        assert_eq!(collect(&mut collector, 4, NEVER).await, [1, 2, 3, 4]);
        assert_eq!(collect(&mut collector, 4, NEVER).await, [5, 6, 7, 8]);
    }

    #[tokio::test]
    async fn the_deadline_closes_a_batch_that_does_not_fill() {
        let (_open, mut collector) = collector(1..=2);
        assert_eq!(
            collect(&mut collector, 4, Duration::from_millis(5)).await,
            [1, 2]
        );
    }

    #[tokio::test]
    async fn a_suspect_runs_alone_and_keeps_its_place() {
        let (_open, mut collector) = collector([1, 2, -3, 4, -5]);
        assert_eq!(collect(&mut collector, 4, NEVER).await, [1, 2]);
        assert_eq!(collect(&mut collector, 4, NEVER).await, [-3]);
        assert_eq!(collect(&mut collector, 4, NEVER).await, [4]);
        assert_eq!(collect(&mut collector, 4, NEVER).await, [-5]);
    }

    #[tokio::test]
    async fn the_end_of_the_channel_closes_the_last_batch() {
        let (sender, mut collector) = collector([7]);
        drop(sender);
        assert_eq!(collect(&mut collector, 4, NEVER).await, [7]);
        assert!(collect(&mut collector, 4, NEVER).await.is_empty());
    }
}
