//! The outbox as the relay takes it.

use sqlx::{PgConnection, PgPool};
use tusou_contract::{ImageId, Queue};
use tusou_platform::trace::TraceParent;

/// A message that is owed.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct OutboxRow {
    queue: String,
    image_id: Vec<u8>,
    pub(crate) body: Vec<u8>,
    trace: Option<String>,
}

impl OutboxRow {
    /// Where it is in its trace, if somebody follows it.
    pub(crate) fn trace(&self) -> Option<TraceParent> {
        self.trace.as_ref()?.parse().ok()
    }

    /// The image's id as messages carry it.
    pub(crate) fn id_hex(&self) -> String {
        ImageId::from_digest(&self.image_id)
            .map(|id| id.to_string())
            .unwrap_or_default()
    }
}

/// Locks up to `limit` rows of a queue that are ready and that nobody else holds.
pub(crate) async fn take(
    tx: &mut PgConnection,
    queue: Queue,
    limit: i64,
) -> Result<Vec<OutboxRow>, sqlx::Error> {
    sqlx::query_as(
        "SELECT queue, image_id, body, trace FROM outbox WHERE queue = $1 AND ready_at <= now()
         ORDER BY ready_at LIMIT $2 FOR UPDATE SKIP LOCKED",
    )
    .bind(queue.name())
    .bind(limit)
    .fetch_all(tx)
    .await
}

/// The queues that have rows which are ready.
pub(crate) async fn ready(pool: &PgPool) -> Result<Vec<Queue>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT known.queue FROM unnest($1::text[]) AS known (queue)
         WHERE EXISTS (SELECT FROM outbox WHERE outbox.queue = known.queue AND ready_at <= now())",
    )
    .bind(Queue::ALL.map(Queue::name).to_vec())
    .fetch_all(pool)
    .await?;
    let queues = Queue::ALL.into_iter();
    Ok(queues
        .filter(|queue| names.iter().any(|name| name == queue.name()))
        .collect())
}

/// A queue that rows are for and that this build does not know.
pub(crate) async fn stranger(pool: &PgPool) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT queue FROM outbox WHERE queue <> ALL($1) LIMIT 1")
        .bind(Queue::ALL.map(Queue::name).to_vec())
        .fetch_optional(pool)
        .await
}

/// Deletes rows whose messages the broker has.
pub(crate) async fn delete(tx: &mut PgConnection, rows: &[&OutboxRow]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM outbox USING unnest($1::text[], $2::bytea[]) AS sent (queue, image_id)
         WHERE outbox.queue = sent.queue AND outbox.image_id = sent.image_id",
    )
    .bind(
        rows.iter()
            .map(|row| row.queue.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(rows.iter().map(|row| &row.image_id[..]).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}
