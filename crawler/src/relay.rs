//! The relay: outbox rows become messages that the broker has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future;
use sqlx::PgPool;
use tokio::sync::Notify;
use tusou_contract::Queue;
use tusou_platform::Shutdown;
use tusou_platform::backoff::Backoff;
use tusou_platform::broker::{Broker, Outgoing, Publisher};
use tusou_platform::config::Amqp;
use tusou_platform::ops::Health;
use tusou_platform::telemetry::chain;

use crate::error::CrawlError;
use crate::frontier::{Bounded as _, outbox};
use crate::metrics;

/// A full queue holds up its own lanes alone. The two that the crawl fills have two each: while the
/// broker writes one batch to its disk, Postgres hands out the other.
const LANES: [Queue; 7] = [
    Queue::ImagesFetched,
    Queue::ImagesFetched,
    Queue::ImagesChanged,
    Queue::ImagesChanged,
    Queue::ImagesEmbedded,
    Queue::ImagesReencode,
    Queue::ImagesReindex,
];

/// Rows taken, published and deleted together.
const BATCH: i64 = 500;
/// The look-out for rows. A lane that took all there was waits for the next one, so that a steady
/// trickle travels in few batches: one costs about as much for a row as for fifty.
const LOOK: Duration = Duration::from_millis(200);
/// The look-out for room in a full queue.
const FULL: Duration = Duration::from_secs(1);
/// The look-out for messages to queues that this build does not know.
const STRANGERS: Duration = Duration::from_secs(60);

/// Relays until the end is asked for, through every outage of broker and database.
pub(crate) async fn run(pool: PgPool, amqp: Amqp, health: Health, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while !shutdown.is_requested() {
        let ended = session(&pool, &amqp, &health, &shutdown, &mut backoff).await;
        if let Err(cause) = ended {
            let wait = backoff.next_wait();
            // Only what is at fault: the crawl itself says when Postgres is well again.
            let part = match cause {
                CrawlError::Broker(_) => "broker",
                _ => "database",
            };
            health.set(part, Err(chain(&cause)));
            tracing::warn!(
                cause = &cause as &dyn std::error::Error,
                wait_ms = wait.as_millis() as u64,
                "the relay pauses"
            );
            shutdown.sleep(wait).await;
        }
    }
}

async fn session(
    pool: &PgPool,
    amqp: &Amqp,
    health: &Health,
    shutdown: &Shutdown,
    backoff: &mut Backoff,
) -> Result<(), CrawlError> {
    let broker = Broker::connect(amqp, "tusou-crawler").await?;
    let mut lanes = Vec::new();
    for queue in LANES {
        lanes.push((queue, broker.publisher().await?));
    }
    health.set("broker", Ok(()));
    let (worked, bells) = (AtomicBool::new(false), Bells::default());
    let lanes = lanes.iter().map(|(queue, publisher)| {
        lane(pool, *queue, publisher, shutdown, &worked, bells.of(*queue))
    });
    let ended = future::try_join3(
        future::try_join_all(lanes),
        look(pool, shutdown, &bells),
        leave_strangers(pool, shutdown),
    )
    .await;
    if worked.into_inner() {
        backoff.reset();
    }
    ended?;
    broker.close().await;
    Ok(())
}

/// Wakes a queue's lanes, one a ring.
#[derive(Default)]
struct Bells([Notify; Queue::ALL.len()]);

impl Bells {
    fn of(&self, queue: Queue) -> &Notify {
        let position = Queue::ALL.iter().position(|other| *other == queue);
        &self.0[position.expect("ALL holds every queue")]
    }
}

/// Looks for rows that are ready, for all lanes at once, and wakes one of each queue that has some.
async fn look(pool: &PgPool, shutdown: &Shutdown, bells: &Bells) -> Result<(), CrawlError> {
    while !shutdown.is_requested() {
        for queue in outbox::ready(pool).bounded().await? {
            bells.of(queue).notify_one();
        }
        shutdown.sleep(LOOK).await;
    }
    Ok(())
}

/// Says once of messages to queues that this build does not know: they stay.
async fn leave_strangers(pool: &PgPool, shutdown: &Shutdown) -> Result<(), CrawlError> {
    while !shutdown.is_requested() {
        if let Some(queue) = outbox::stranger(pool).bounded().await? {
            tracing::warn!(
                queue,
                "the outbox holds messages for a queue that this build does not know: they stay \
                 until the crawler of the build that wrote them runs"
            );
            return Ok(());
        }
        shutdown.sleep(STRANGERS).await;
    }
    Ok(())
}

/// Relays batch after batch of one queue while its batches are full, then waits for the bell. Rows
/// that another lane or process holds are passed over.
async fn lane(
    pool: &PgPool,
    queue: Queue,
    publisher: &Publisher,
    shutdown: &Shutdown,
    worked: &AtomicBool,
    bell: &Notify,
) -> Result<(), CrawlError> {
    loop {
        tokio::select! {
            () = bell.notified() => {}
            () = shutdown.requested() => return Ok(()),
        }
        while !shutdown.is_requested() {
            let relayed = relay_batch(pool, queue, publisher).await?;
            worked.store(true, Ordering::Relaxed);
            if relayed.refused {
                shutdown.sleep(FULL).await;
            } else if relayed.taken < BATCH as usize {
                break;
            } else {
                // There may be more than one lane's work.
                bell.notify_one();
            }
        }
    }
}

struct Relayed {
    taken: usize,
    /// A queue was full: the stage behind it makes this one wait.
    refused: bool,
}

/// Takes rows, publishes them, and deletes those that the broker has, in one transaction: a row
/// is locked until its message is confirmed, and a crash in between sends it twice, never not.
async fn relay_batch(
    pool: &PgPool,
    queue: Queue,
    publisher: &Publisher,
) -> Result<Relayed, CrawlError> {
    let mut tx = pool.begin().bounded().await?;
    let rows = outbox::take(&mut tx, queue, BATCH).bounded().await?;
    let batch: Vec<Outgoing> = rows
        .iter()
        .map(|row| Outgoing {
            queue,
            id: row.id_hex(),
            body: row.body.clone(),
            trace: row.trace(),
        })
        .collect();
    if batch.is_empty() {
        return Ok(Relayed {
            taken: 0,
            refused: false,
        });
    }
    let confirms = publisher.publish(&batch).await?;
    let mut sent = Vec::new();
    let mut refused = false;
    for (row, confirm) in rows.iter().zip(confirms) {
        match confirm {
            Ok(()) => {
                metrics::relayed(queue.name(), 1);
                sent.push(row);
            }
            Err(cause) => {
                if !refused {
                    tracing::warn!(%cause, "a message stays in the outbox");
                }
                refused = true;
            }
        }
    }
    metrics::waiting("queue", refused);
    outbox::delete(&mut tx, &sent).bounded().await?;
    tx.commit().bounded().await?;
    Ok(Relayed {
        taken: rows.len(),
        refused,
    })
}
