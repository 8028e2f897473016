//! Having images encoded that no message is about any more.

use std::collections::BTreeSet;

use tokio::sync::OnceCell;
use tusou_contract::{ImageId, Queue};
use tusou_platform::Config;
use tusou_platform::broker::management::Management;
use tusou_platform::broker::{Broker, BrokerError};

use super::report::Report;
use crate::error::Error;
use crate::outbox::Room;
use crate::rows::repair;

/// The most messages owed in one transaction.
const BATCH: usize = 1_000;

/// The queues on an image's way to its encoding and from there into Postgres.
pub(super) const ON_THE_WAY: &[Queue] = &[
    Queue::ImagesFetched,
    Queue::ImagesReencode,
    Queue::ImagesEmbedded,
];

/// Owes encodings, where none waits that would be owed twice.
pub(super) struct Encoder<'a> {
    config: &'a Config,
    room: Room<'a>,
    writes: bool,
    /// The queues whose messages may be about the very images.
    on_the_way: &'static [Queue],
    /// Asked once, before the first message is owed: from then on the queues hold this run's own.
    waiting: OnceCell<Vec<String>>,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(
        config: &'a Config,
        room: Room<'a>,
        writes: bool,
        on_the_way: &'static [Queue],
    ) -> Self {
        Self {
            config,
            room,
            writes,
            on_the_way,
            waiting: OnceCell::new(),
        }
    }

    /// Owes the encoder these images by this queue, and has dropped originals fetched first; none
    /// where any message waits that may be about them.
    pub(super) async fn encode(
        &self,
        queue: Queue,
        ids: &BTreeSet<ImageId>,
        report: &mut Report,
    ) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let pool = self.room.pool;
        let beyond = repair::beyond(pool, ids).await?;
        report.beyond_repair.add(&beyond);
        let ids: Vec<ImageId> = ids.difference(&beyond).copied().collect();
        let waiting = self
            .waiting
            .get_or_try_init(|| waiting(self.config, self.on_the_way));
        let waiting = waiting.await?;
        if !waiting.is_empty() {
            report.held_back += ids.len() as u64;
            report.held_back_by.clone_from(waiting);
            return Ok(());
        }
        if !self.writes {
            report.owed += ids.len() as u64;
            return Ok(());
        }
        for ids in ids.chunks(BATCH) {
            self.room.wait().await?;
            let these = ids.iter().copied().collect();
            report.owed += repair::owe_fetched(pool, queue, &these).await?;
            // An original that is no longer kept is fetched first, and its encoding is then owed.
            let due = tusou_ingest::refetch(pool, ids).await;
            report.owed += due.map_err(Error::query(
                "make addresses of dropped originals due again",
            ))?;
        }
        Ok(())
    }
}

/// The queues on the way that are not empty, with their retry queues. The management API counts what
/// a consumer holds too, a few seconds late; the broker counts what is ready now.
async fn waiting(config: &Config, on_the_way: &[Queue]) -> Result<Vec<String>, BrokerError> {
    let depths = Management::new(config)?.queues().await?;
    let broker = Broker::connect(&config.amqp, "tusou reconcile").await?;
    let mut waiting = Vec::new();
    for name in on_the_way
        .iter()
        .flat_map(|queue| [queue.name().to_owned(), queue.retry_name()])
    {
        let depth = depths.iter().find(|depth| depth.name == name);
        let held = depth.is_some_and(|depth| depth.ready + depth.unacknowledged > 0);
        if held || broker.ready(&name).await? > 0 {
            waiting.push(name);
        }
    }
    broker.close().await;
    Ok(waiting)
}
