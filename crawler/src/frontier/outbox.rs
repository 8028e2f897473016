//! The outbox as the relay takes it.

use sqlx::PgConnection;
use tusou_contract::{ImageId, Queue};

/// A message that is owed.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct OutboxRow {
    pub(crate) queue: String,
    image_id: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl OutboxRow {
    /// The image's id as messages carry it.
    pub(crate) fn id_hex(&self) -> String {
        ImageId::from_digest(&self.image_id)
            .map(|id| id.to_string())
            .unwrap_or_default()
    }
}

/// Which messages are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Queues {
    /// Those for one queue.
    One(Queue),
    /// Those for every queue but these.
    Others([Queue; 2]),
}

/// Locks up to `limit` rows that are ready and that nobody else holds.
pub(crate) async fn take(
    tx: &mut PgConnection,
    queues: Queues,
    limit: i64,
) -> Result<Vec<OutboxRow>, sqlx::Error> {
    match queues {
        Queues::One(queue) => sqlx::query_as(
            "SELECT queue, image_id, body FROM outbox WHERE queue = $1 AND ready_at <= now()
             ORDER BY ready_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        )
        .bind(queue.name()),
        Queues::Others(queues) => sqlx::query_as(
            "SELECT queue, image_id, body FROM outbox WHERE queue <> ALL($1) AND ready_at <= now()
             ORDER BY ready_at LIMIT $2 FOR UPDATE SKIP LOCKED",
        )
        .bind(queues.map(Queue::name).to_vec()),
    }
    .bind(limit)
    .fetch_all(tx)
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
