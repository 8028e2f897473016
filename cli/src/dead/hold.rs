//! Holding dead letters while they are looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use tusou_contract::{ImageId, Queue};
use tusou_platform::Config;
use tusou_platform::broker::{Broker, BrokerError, DeadLetter, DeadQueue};

/// The longest wait for the broker to have back what it was given, and between two looks.
const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(50);

/// Every dead letter, held: nobody else sees them meanwhile. Where the process ends before they are
/// given back, the broker has them back all the same.
pub(super) struct Held {
    broker: Broker,
    pub(super) queues: Vec<HeldQueue>,
}

/// One dead queue with what is held of it, the oldest first.
pub(super) struct HeldQueue {
    pub(super) queue: DeadQueue,
    pub(super) letters: Vec<DeadLetter>,
    /// Beyond the bound of what is held.
    pub(super) unseen: u64,
}

impl Held {
    /// Takes what is in the dead queues now, at most as many of each as a queue may hold: what dies
    /// meanwhile is left for the next time.
    pub(super) async fn take(config: &Config, only: Option<Queue>) -> Result<Self, BrokerError> {
        Self::take_first(config, only, config.amqp.queue_limit).await
    }

    /// The same, but no more than `most` of each.
    pub(super) async fn take_first(
        config: &Config,
        only: Option<Queue>,
        most: u32,
    ) -> Result<Self, BrokerError> {
        let broker = Broker::connect(&config.amqp, "tusou").await?;
        let mut queues = Vec::new();
        for queue in Queue::ALL {
            if only.is_some_and(|only| only != queue) {
                continue;
            }
            let ready = broker.ready(&queue.dead_name()).await?;
            let wanted = ready.min(most);
            let mut held = HeldQueue {
                queue: broker.dead(queue).await?,
                letters: Vec::new(),
                unseen: u64::from(ready - wanted),
            };
            for _ in 0..wanted {
                let Some(letter) = held.queue.next().await? else {
                    break;
                };
                held.letters.push(letter);
            }
            queues.push(held);
        }
        Ok(Self { broker, queues })
    }

    /// Every image that one of them names.
    pub(super) fn images(&self) -> Vec<ImageId> {
        let letters = self.queues.iter().flat_map(|queue| &queue.letters);
        let mut images: Vec<ImageId> = letters.filter_map(DeadLetter::image_id).collect();
        images.sort();
        images.dedup();
        images
    }

    /// How many of which queue are beyond the bound, where there are any.
    pub(super) fn unseen(&self) -> BTreeMap<&'static str, u64> {
        let unseen = self.queues.iter().filter(|held| held.unseen > 0);
        unseen
            .map(|held| (held.queue.queue().name(), held.unseen))
            .collect()
    }

    /// Puts back what is still held, in its order, and waits until the broker has it: it takes it back when it comes
    /// to it, and the next command would miss what is still on its way.
    pub(super) async fn give_back(self) -> Result<(), BrokerError> {
        let mut given = Vec::new();
        let mut queues = self.queues;
        for held in &mut queues {
            let name = held.queue.queue().dead_name();
            given.push((name, held.letters.len()));
            for letter in std::mem::take(&mut held.letters) {
                held.queue.give_back(letter).await?;
            }
        }
        let there = async {
            for (name, count) in given.iter().filter(|(_, count)| *count > 0) {
                while (self.broker.ready(name).await? as usize) < *count {
                    tokio::time::sleep(AGAIN).await;
                }
            }
            Ok(())
        };
        // Somebody else may have taken some meanwhile, and then as many are never there.
        let waited = tokio::time::timeout(PATIENCE, there).await;
        // Dropped channels close by themselves. What is asked after them is answered after them: a connection that ends
        // in their midst calls that an error.
        drop(queues);
        let _ = self.broker.ready(&Queue::ImagesFetched.dead_name()).await;
        self.broker.close().await;
        waited.unwrap_or(Ok(()))
    }
}
