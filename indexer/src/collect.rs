//! Collecting deliveries into batches of distinct images.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;
use tusou_contract::mapping::ModelField;
use tusou_contract::{ImageId, Queue};
use tusou_platform::broker::{Broker, BrokerError, Subscription};

use crate::config::Settings;
use crate::error::Error;
use crate::work::Work;

/// The queues whose messages become documents.
pub(crate) const QUEUES: [Queue; 3] = [
    Queue::ImagesEmbedded,
    Queue::ImagesChanged,
    Queue::ImagesReindex,
];

/// Came back so often, a message is handled alone. Every restart, of this process or of the broker,
/// brings back a thousand innocent ones, and one by one they would take minutes.
pub(crate) const SUSPECTED: u32 = 3;

/// Takes deliveries of all queues and joins those that lie close together. A back-fill's queue takes
/// its turn beside those of live changes, with fewer messages in hand: it never keeps them waiting.
#[derive(Debug)]
pub(crate) struct Collector {
    embedded: Subscription,
    changed: Subscription,
    reindex: Subscription,
    models: Vec<ModelField>,
    gathering: Gathering<Work>,
}

impl Collector {
    pub(crate) async fn subscribe(
        broker: &Broker,
        settings: &Settings,
    ) -> Result<Self, BrokerError> {
        Ok(Self {
            embedded: broker
                .subscribe(Queue::ImagesEmbedded, settings.prefetch)
                .await?,
            changed: broker
                .subscribe(Queue::ImagesChanged, settings.prefetch)
                .await?,
            reindex: broker
                .subscribe(Queue::ImagesReindex, settings.backfill_prefetch)
                .await?,
            models: settings.wanted.models.clone(),
            gathering: Gathering::new(settings.bulks.documents, settings.bulk_wait),
        })
    }

    /// The next batch: full, or waited for long enough, or a message alone that came back so often
    /// that it may be what kills the process. Cancel-safe: what is collected stays here.
    pub(crate) async fn next(&mut self) -> Result<Vec<Work>, BrokerError> {
        loop {
            if self.gathering.is_full() {
                return Ok(self.gathering.take());
            }
            let delivery = tokio::select! {
                delivery = self.embedded.next() => delivery?,
                delivery = self.changed.next() => delivery?,
                delivery = self.reindex.next() => delivery?,
                () = until(self.gathering.deadline()) => return Ok(self.gathering.take()),
            };
            let alone = delivery.deliveries() >= SUSPECTED;
            let work = Work::of(delivery, &self.models);
            if alone {
                return Ok(vec![work]);
            }
            self.gathering.add(work.image_id(), work);
        }
    }

    /// Gives back what is collected and not yet in a batch; what was given back so often that it
    /// would soon be taken for a killer goes by the retry queue.
    pub(crate) async fn give_back(&mut self) -> Result<(), BrokerError> {
        let stopped = Err(Error::Stopped);
        for work in self.gathering.take() {
            work.delivery.settle(&stopped).await?;
        }
        Ok(())
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A batch that is still open: many messages of one image count as one.
#[derive(Debug)]
struct Gathering<T> {
    most_images: usize,
    wait: Duration,
    items: Vec<T>,
    images: HashSet<ImageId>,
    unreadable: usize,
    since: Option<Instant>,
}

impl<T> Gathering<T> {
    fn new(most_images: usize, wait: Duration) -> Self {
        Self {
            most_images,
            wait,
            items: Vec::new(),
            images: HashSet::new(),
            unreadable: 0,
            since: None,
        }
    }

    fn add(&mut self, image_id: Option<ImageId>, item: T) {
        self.since.get_or_insert_with(Instant::now);
        self.items.push(item);
        match image_id {
            Some(image_id) => drop(self.images.insert(image_id)),
            None => self.unreadable += 1,
        }
    }

    fn is_full(&self) -> bool {
        self.images.len() + self.unreadable >= self.most_images
    }

    fn deadline(&self) -> Option<Instant> {
        self.since.map(|since| since + self.wait)
    }

    fn take(&mut self) -> Vec<T> {
        self.since = None;
        self.unreadable = 0;
        self.images.clear();
        std::mem::take(&mut self.items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_messages_of_one_image_are_one_image() {
        let mut gathering = Gathering::new(2, Duration::from_millis(500));
        assert_eq!(gathering.deadline(), None);
        gathering.add(Some(ImageId::of(b"logo")), 0);
        // The wait counts from the first message: a steady trickle cannot put it off.
        let deadline = gathering.deadline();
        for number in 1..1_000 {
            gathering.add(Some(ImageId::of(b"logo")), number);
        }
        assert!(!gathering.is_full());
        gathering.add(Some(ImageId::of(b"other")), 1_000);
        assert!(gathering.is_full());
        assert!(deadline.is_some() && gathering.deadline() == deadline);
        assert_eq!(gathering.take().len(), 1_001);
        assert!(!gathering.is_full() && gathering.deadline().is_none());
    }

    #[test]
    fn unreadable_messages_fill_a_batch_too() {
        let mut gathering = Gathering::new(3, Duration::ZERO);
        for number in 0..3 {
            assert!(!gathering.is_full());
            gathering.add(None, number);
        }
        assert!(gathering.is_full());
    }
}
