//! Messages that a transaction owes the broker.

use sqlx::PgConnection;
use time::Duration;
use tusou_contract::{ImageChanged, ImageId, Message, Queue};

/// A message to be sent once the transaction has committed.
#[derive(Debug, Clone)]
pub struct Owed {
    queue: &'static str,
    image_id: ImageId,
    body: Vec<u8>,
    delay: Duration,
}

impl Owed {
    /// A message to send as soon as may be.
    pub fn now<M: Message>(message: &M) -> Self {
        Self::by(M::QUEUE, message)
    }

    /// A message to send as soon as may be by another queue than its own: one of the back-fill's.
    pub fn by<M: Message>(queue: Queue, message: &M) -> Self {
        Self::after(queue, message, Duration::ZERO)
    }

    /// "This image has changed", after a rest in which further changes join it.
    pub fn changed(image_id: ImageId, coalesce: Duration) -> Self {
        Self::after(Queue::ImagesChanged, &ImageChanged { image_id }, coalesce)
    }

    fn after<M: Message>(queue: Queue, message: &M, delay: Duration) -> Self {
        Self {
            queue: queue.name(),
            image_id: message.image_id(),
            body: message.to_body(),
            delay,
        }
    }
}

/// Writes the messages into the outbox, at most one for a queue and image; how many that are.
///
/// A message that waits already is locked by the update, so the relay cannot send it before this
/// transaction's changes are visible.
pub async fn owe(tx: &mut PgConnection, mut owed: Vec<Owed>) -> Result<u64, sqlx::Error> {
    if owed.is_empty() {
        return Ok(0);
    }
    owed.sort_by(|a, b| (a.queue, a.image_id).cmp(&(b.queue, b.image_id)));
    owed.dedup_by(|a, b| (a.queue, a.image_id) == (b.queue, b.image_id));
    let queues: Vec<&str> = owed.iter().map(|owed| owed.queue).collect();
    let ids: Vec<&[u8]> = owed
        .iter()
        .map(|owed| &owed.image_id.as_bytes()[..])
        .collect();
    let bodies: Vec<&[u8]> = owed.iter().map(|owed| &owed.body[..]).collect();
    let delays: Vec<f64> = owed
        .iter()
        .map(|owed| owed.delay.as_seconds_f64())
        .collect();
    sqlx::query(
        "INSERT INTO outbox (queue, image_id, body, ready_at)
         SELECT queue, image_id, body, now() + make_interval(secs => delay)
         FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::float8[])
              AS owed (queue, image_id, body, delay)
         ORDER BY queue, image_id
         ON CONFLICT (queue, image_id) DO UPDATE SET body = EXCLUDED.body",
    )
    .bind(queues)
    .bind(ids)
    .bind(bodies)
    .bind(delays)
    .execute(tx)
    .await?;
    Ok(owed.len() as u64)
}
