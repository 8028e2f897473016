//! The relay: outbox rows become messages that the broker has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future;
use sqlx::PgPool;
use tusou_contract::Queue;
use tusou_platform::Shutdown;
use tusou_platform::backoff::Backoff;
use tusou_platform::broker::{Broker, Outgoing, Publisher};
use tusou_platform::config::Amqp;
use tusou_platform::ops::Health;

use crate::error::CrawlError;
use crate::frontier::outbox::{self, Queues};
use crate::metrics;

/// A full queue holds up its own lanes alone. The two that the crawl fills have two each: while the
/// broker writes one batch to its disk, Postgres hands out the other.
const LANES: [Queues; 5] = [
    Queues::One(Queue::ImagesFetched),
    Queues::One(Queue::ImagesFetched),
    Queues::One(Queue::ImagesChanged),
    Queues::One(Queue::ImagesChanged),
    Queues::Others([Queue::ImagesFetched, Queue::ImagesChanged]),
];

/// Rows taken, published and deleted together.
const BATCH: i64 = 500;
/// The look-out for rows while there are none.
const IDLE: Duration = Duration::from_millis(200);
/// The look-out for room in a full queue.
const FULL: Duration = Duration::from_secs(1);

/// Relays until the end is asked for, through every outage of broker and database.
pub(crate) async fn run(pool: PgPool, amqp: Amqp, health: Health, shutdown: Shutdown) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    while !shutdown.is_requested() {
        let ended = session(&pool, &amqp, &health, &shutdown, &mut backoff).await;
        if let Err(cause) = ended {
            let wait = backoff.next_wait();
            health.set("broker", Err(cause.to_string()));
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
    for queues in LANES {
        lanes.push((queues, broker.publisher().await?));
    }
    health.set("broker", Ok(()));
    let worked = AtomicBool::new(false);
    let lanes = lanes
        .iter()
        .map(|(queues, publisher)| lane(pool, *queues, publisher, shutdown, &worked));
    let ended = future::try_join_all(lanes).await;
    if worked.into_inner() {
        backoff.reset();
    }
    ended?;
    broker.close().await;
    Ok(())
}

/// Relays batch after batch. Rows that another lane or process holds are passed over.
async fn lane(
    pool: &PgPool,
    queues: Queues,
    publisher: &Publisher,
    shutdown: &Shutdown,
    worked: &AtomicBool,
) -> Result<(), CrawlError> {
    while !shutdown.is_requested() {
        let relayed = relay_batch(pool, queues, publisher).await?;
        worked.store(true, Ordering::Relaxed);
        if relayed.refused {
            shutdown.sleep(FULL).await;
        } else if relayed.taken == 0 {
            shutdown.sleep(IDLE).await;
        }
    }
    Ok(())
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
    queues: Queues,
    publisher: &Publisher,
) -> Result<Relayed, CrawlError> {
    let mut tx = pool.begin().await?;
    let rows = outbox::take(&mut tx, queues, BATCH).await?;
    let mut batch = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(queue) = Queue::from_name(&row.queue) else {
            return Err(CrawlError::Config(format!(
                "the outbox holds a message for `{}`, which is no queue of this build: run the crawler of the build that wrote it",
                row.queue
            )));
        };
        batch.push(Outgoing {
            queue,
            id: row.id_hex(),
            body: row.body.clone(),
        });
    }
    if batch.is_empty() {
        return Ok(Relayed {
            taken: 0,
            refused: false,
        });
    }
    let confirms = publisher.publish(&batch).await?;
    let mut sent = Vec::new();
    let mut refused = false;
    for ((row, message), confirm) in rows.iter().zip(&batch).zip(confirms) {
        match confirm {
            Ok(()) => {
                metrics::relayed(message.queue.name(), 1);
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
    outbox::delete(&mut tx, &sent).await?;
    tx.commit().await?;
    Ok(Relayed {
        taken: rows.len(),
        refused,
    })
}
