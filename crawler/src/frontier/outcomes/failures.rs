//! URLs that brought nothing, and hosts that cannot be reached.

use time::OffsetDateTime;
use tusou_ingest::{End, Ended};

use super::super::{Bounded as _, Frontier, HostLease, retry_wait, transaction};
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::frontier::DueUrl;

/// URLs that are struck in one transaction.
const BATCH: u64 = 10_000;

impl Frontier {
    /// Whether the URL is to be tried again after this failure.
    pub(super) fn comes_again(&self, url: &DueUrl, failure: &Failure) -> bool {
        matches!(failure, Failure::Retry { .. }) && url.attempts + 1 < self.max_attempts
    }

    /// What becomes of its row. An answer replaces what was known of the URL; where none came, that
    /// stays.
    pub(super) fn failed(&self, url: &DueUrl, failure: &Failure) -> Ended {
        let (end, status) = match failure {
            Failure::Retry { status, after, .. } if self.comes_again(url, failure) => {
                let wait = retry_wait(self.retry_after, url.attempts + 1);
                (End::Postponed(wait.max(after.unwrap_or_default())), *status)
            }
            Failure::Retry { status, .. } | Failure::Final { status, .. } => (End::Failed, *status),
            Failure::Skipped { status, .. } => (End::Skipped, *status),
        };
        Ended {
            id: url.id,
            due_at: url.due_at,
            status,
            reason: Some(failure.reason().to_owned()),
            end,
            gone: failure.is_answer(),
        }
    }

    /// Strikes every due URL of a host whose rules cannot be had: each loses an attempt, or all
    /// of them where trying again is of no use. Those that end so are looked at again as others are:
    /// the host may come back. A huge host's go batch by batch, so that no transaction is long; what
    /// is left when the lease is lost is struck by the next turn.
    pub(crate) async fn host_failed(
        &self,
        lease: &HostLease,
        failure: &Failure,
    ) -> Result<u64, CrawlError> {
        let asked = sqlx::query_scalar("SELECT now()").fetch_one(&self.pool);
        let asked: OffsetDateTime = asked.bounded().await?;
        let mut struck = 0;
        for (table, key) in [("pages", "page_id"), ("image_urls", "image_url_id")] {
            loop {
                let batch = self.strike(lease, failure, (table, key), asked).await?;
                struck += batch;
                if batch < BATCH {
                    break;
                }
            }
        }
        Ok(struck)
    }

    /// A batch of those that were due when it was asked.
    async fn strike(
        &self,
        lease: &HostLease,
        failure: &Failure,
        (table, key): (&'static str, &'static str),
        asked: OffsetDateTime,
    ) -> Result<u64, CrawlError> {
        let (max_attempts, end) = match failure {
            Failure::Retry { .. } => (self.max_attempts, "failed"),
            Failure::Final { .. } => (1, "failed"),
            Failure::Skipped { .. } => (1, "skipped"),
        };
        let seconds = |seconds| i32::try_from(seconds).unwrap_or(i32::MAX / 2);
        let (min, max) = (
            seconds(self.terms.revisit_min_seconds),
            seconds(self.terms.revisit_max_seconds),
        );
        // As `next_look` of the other outcomes has it.
        let next = "LEAST(GREATEST(COALESCE(revisit_seconds * 2, 604800), $6), $7)";
        transaction!(self, |tx| {
            Self::fence(tx, lease).await?;
            // The table's name and its key are two of those above.
            let statement = format!(
                "UPDATE {table} SET attempts = attempts + 1, reason = $2, fetched_at = now(),
                    state = CASE WHEN attempts + 1 >= $3 THEN $5::url_state ELSE 'due' END,
                    due_at = now() + make_interval(secs => $4 * 2 ^ least(attempts, 16)),
                    revisit_seconds = CASE WHEN attempts + 1 >= $3 AND $7 > 0 THEN {next} ELSE revisit_seconds END,
                    revisit_at = CASE WHEN attempts + 1 >= $3 AND $7 > 0
                                      THEN now() + make_interval(secs => {next}) END
                 WHERE {key} IN (
                     SELECT {key} FROM {table} WHERE host_id = $1 AND state = 'due' AND due_at <= $8
                     LIMIT $9 FOR NO KEY UPDATE)"
            );
            let struck = sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(lease.host_id)
                .bind(failure.reason())
                .bind(i32::try_from(max_attempts).unwrap_or(i32::MAX))
                .bind(self.retry_after.as_secs_f64())
                .bind(end)
                .bind(min)
                .bind(max)
                .bind(asked)
                .bind(i64::try_from(BATCH).unwrap_or(i64::MAX))
                .execute(&mut *tx)
                .await?;
            Ok(struck.rows_affected())
        })
    }
}
