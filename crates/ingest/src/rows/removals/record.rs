//! The record of what is kept out, since when and why.

use serde::Serialize;
use sqlx::PgPool;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::{Removed, Subject};
use crate::address::Address;

/// One removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct KeptOut {
    /// `image`, `url` or `host`.
    pub kind: String,
    /// The image's id, the normalised URL or the host's name.
    pub subject: String,
    /// The reason that was given; empty where none was.
    pub why: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub removed_at: OffsetDateTime,
    /// What was taken out then.
    #[sqlx(json)]
    pub removed: Removed,
}

/// Everything that is kept out, the latest first, at most `limit`.
pub async fn list(pool: &PgPool, limit: i64) -> Result<Vec<KeptOut>, sqlx::Error> {
    sqlx::query_as(
        "SELECT kind, subject, why, removed_at, removed FROM removals
         ORDER BY removed_at DESC, removal_id DESC LIMIT $1",
    )
    .bind(limit)
    .fetch_all(pool)
    .await
}

/// The removal that keeps the URL out: its own, or else its host's.
pub async fn kept_out_by(pool: &PgPool, address: &Address) -> Result<Option<KeptOut>, sqlx::Error> {
    sqlx::query_as(
        "SELECT kind, subject, why, removed_at, removed FROM removals
         WHERE (kind = 'url' AND subject = $1) OR (kind = 'host' AND subject = $2)
         ORDER BY kind DESC LIMIT 1",
    )
    .bind(address.as_str())
    .bind(address.host_name())
    .fetch_optional(pool)
    .await
}

/// What is recorded of a subject.
pub(super) async fn of(pool: &PgPool, subject: &Subject) -> Result<Option<KeptOut>, sqlx::Error> {
    sqlx::query_as(
        "SELECT kind, subject, why, removed_at, removed FROM removals
         WHERE kind = $1 AND subject = $2",
    )
    .bind(subject.kind())
    .bind(subject.text())
    .fetch_optional(pool)
    .await
}

/// Lets a subject in again, from the next crawl on; what was recorded of it. `None` where it was
/// not kept out. A dry run writes nothing.
pub async fn undo(
    pool: &PgPool,
    subject: &Subject,
    dry_run: bool,
) -> Result<Option<KeptOut>, sqlx::Error> {
    if dry_run {
        return of(pool, subject).await;
    }
    sqlx::query_as(
        "DELETE FROM removals WHERE kind = $1 AND subject = $2
         RETURNING kind, subject, why, removed_at, removed",
    )
    .bind(subject.kind())
    .bind(subject.text())
    .fetch_optional(pool)
    .await
}

/// Adds to what was taken out with a removal.
pub(super) async fn add(
    tx: &mut sqlx::PgConnection,
    removal_id: i64,
    more: Removed,
) -> Result<(), sqlx::Error> {
    let before: Option<Json<Removed>> =
        sqlx::query_scalar("SELECT removed FROM removals WHERE removal_id = $1 FOR UPDATE")
            .bind(removal_id)
            .fetch_optional(&mut *tx)
            .await?;
    // Undone meanwhile: nothing is left to be said of it.
    let Some(Json(mut removed)) = before else {
        return Ok(());
    };
    removed += more;
    sqlx::query("UPDATE removals SET removed = $2 WHERE removal_id = $1")
        .bind(removal_id)
        .bind(Json(removed))
        .execute(tx)
        .await?;
    Ok(())
}
