//! Host leases and robots.txt as the host's row keeps it.
//!
//! Time is the database's alone. While a host is leased its `next_due_at` is the lease's end, so
//! that a crashed holder needs nobody to clean up after it.

use std::time::Duration;

use time::OffsetDateTime;
use tusou_ingest::Address;

use super::{Bounded as _, Frontier, transaction};
use crate::error::CrawlError;

/// A host that this process alone may fetch from, until the lease runs out.
#[derive(Debug, Clone)]
pub(crate) struct HostLease {
    pub(crate) host_id: i64,
    /// `http://example.org:8080`
    pub(crate) origin: String,
    /// The fencing token: results that come back under an older one are refused.
    pub(crate) token: i64,
}

/// What has become of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is held.
    Held,
    /// It is held, and the host is to be left alone.
    Paused,
    /// Another process has the host.
    Lost,
}

/// robots.txt as it was last fetched.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct RobotsRow {
    /// HTTP status; null where no answer came.
    pub(crate) robots_status: Option<i32>,
    pub(crate) robots_body: Option<Vec<u8>>,
    pub(crate) fresh: bool,
}

impl Frontier {
    /// Leases the host that has been due longest, if there is one.
    pub(crate) async fn lease_host(&self) -> Result<Option<HostLease>, CrawlError> {
        let row: Option<(i64, String, i64)> = sqlx::query_as(
            "UPDATE hosts SET lease_token = lease_token + 1, leased_by = $1,
                    leased_until = now() + make_interval(secs => $2),
                    next_due_at = now() + make_interval(secs => $2)
             WHERE host_id = (
                 SELECT host_id FROM hosts
                 WHERE next_due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
                   AND paused_at IS NULL AND NOT EXISTS (SELECT FROM pauses WHERE stage = 'crawl')
                 ORDER BY next_due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
             RETURNING host_id, origin, lease_token",
        )
        .bind(&self.worker)
        .bind(self.lease.as_secs_f64())
        .fetch_optional(&self.pool)
        .bounded()
        .await?;
        Ok(row.map(|(host_id, origin, token)| HostLease {
            host_id,
            origin,
            token,
        }))
    }

    /// Keeps the lease; `false` where it was lost to another process.
    pub(crate) async fn renew(&self, lease: &HostLease) -> Result<bool, CrawlError> {
        let renewed = sqlx::query(
            "UPDATE hosts SET leased_until = now() + make_interval(secs => $3),
                    next_due_at = now() + make_interval(secs => $3)
             WHERE host_id = $1 AND lease_token = $2",
        )
        .bind(lease.host_id)
        .bind(lease.token)
        .bind(self.lease.as_secs_f64())
        .execute(&self.pool)
        .bounded()
        .await?;
        Ok(renewed.rows_affected() > 0)
    }

    /// Whether the lease is held still, and the host not paused.
    pub(crate) async fn standing(&self, lease: &HostLease) -> Result<Standing, CrawlError> {
        let row: Option<(i64, bool)> = sqlx::query_as(
            "SELECT lease_token, paused_at IS NOT NULL FROM hosts WHERE host_id = $1",
        )
        .bind(lease.host_id)
        .fetch_optional(&self.pool)
        .bounded()
        .await?;
        Ok(match row {
            Some((token, paused)) if token == lease.token => {
                if paused {
                    Standing::Paused
                } else {
                    Standing::Held
                }
            }
            _ => Standing::Lost,
        })
    }

    /// Gives the host back; it is next due with its earliest URL, but not within `rest`.
    pub(crate) async fn release(
        &self,
        lease: &HostLease,
        rest: Duration,
    ) -> Result<(), CrawlError> {
        transaction!(self, |tx| {
            // The lock first, the look in a statement of its own: URLs that were committed while
            // we waited for the lock are seen, and whoever comes later wakes the host itself.
            let held = sqlx::query(
                "SELECT FROM hosts WHERE host_id = $1 AND lease_token = $2 FOR NO KEY UPDATE",
            )
            .bind(lease.host_id)
            .bind(lease.token)
            .execute(&mut *tx)
            .await?;
            if held.rows_affected() == 0 {
                return Ok(());
            }
            sqlx::query(
                "UPDATE hosts SET leased_until = NULL, leased_by = NULL, next_due_at = GREATEST(
                     now() + make_interval(secs => $2),
                     LEAST((SELECT min(due_at) FROM pages WHERE host_id = $1 AND state = 'due'),
                           (SELECT min(due_at) FROM image_urls WHERE host_id = $1 AND state = 'due')))
                 WHERE host_id = $1",
            )
            .bind(lease.host_id)
            .bind(rest.as_secs_f64())
            .execute(&mut *tx)
            .await?;
            // GREATEST passes over nulls: a host with nothing due is due never.
            sqlx::query(
                "UPDATE hosts SET next_due_at = NULL WHERE host_id = $1
                 AND NOT EXISTS (SELECT FROM pages WHERE host_id = $1 AND state = 'due')
                 AND NOT EXISTS (SELECT FROM image_urls WHERE host_id = $1 AND state = 'due')",
            )
            .bind(lease.host_id)
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// robots.txt of an origin as it was last fetched; `None` for one that was never asked.
    pub(crate) async fn robots(&self, origin: &str) -> Result<Option<RobotsRow>, CrawlError> {
        sqlx::query_as(
            "SELECT robots_status, robots_body, robots_expires_at > now() AS fresh
             FROM hosts WHERE origin = $1 AND robots_expires_at IS NOT NULL",
        )
        .bind(origin)
        .fetch_optional(&self.pool)
        .bounded()
        .await
    }

    /// Keeps robots.txt for `keep`.
    pub(crate) async fn store_robots(
        &self,
        origin: &str,
        status: Option<u16>,
        body: &[u8],
        keep: Duration,
    ) -> Result<(), CrawlError> {
        sqlx::query(
            "INSERT INTO hosts (origin, robots_status, robots_body, robots_fetched_at, robots_expires_at)
             VALUES ($1, $2, $3, now(), now() + make_interval(secs => $4))
             ON CONFLICT (origin) DO UPDATE SET robots_status = EXCLUDED.robots_status,
                robots_body = EXCLUDED.robots_body, robots_fetched_at = EXCLUDED.robots_fetched_at,
                robots_expires_at = EXCLUDED.robots_expires_at",
        )
        .bind(origin)
        .bind(status.map(i32::from))
        .bind(body)
        .bind(keep.as_secs_f64())
        .execute(&self.pool)
        .bounded()
        .await?;
        Ok(())
    }

    /// Messages that wait in the outbox, counted up to `limit + 1`, and why the crawl is paused,
    /// where it is.
    pub(crate) async fn look(&self, limit: u32) -> Result<(u32, Option<String>), CrawlError> {
        let (rows, paused): (i64, Option<String>) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS waiting),
                    (SELECT why FROM pauses WHERE stage = 'crawl')",
        )
        .bind(i64::from(limit) + 1)
        .fetch_one(&self.pool)
        .bounded()
        .await?;
        Ok((u32::try_from(rows).unwrap_or(u32::MAX), paused))
    }

    /// Refuses a result that comes back under an old token.
    pub(super) async fn fence(
        tx: &mut sqlx::PgConnection,
        lease: &HostLease,
    ) -> Result<(), CrawlError> {
        let token: Option<i64> =
            sqlx::query_scalar("SELECT lease_token FROM hosts WHERE host_id = $1")
                .bind(lease.host_id)
                .fetch_optional(tx)
                .await?;
        if token == Some(lease.token) {
            Ok(())
        } else {
            Err(CrawlError::LeaseLost)
        }
    }
}

/// A URL as its row has it, with what a result must still find there.
pub(super) fn stored_address(url: &str) -> Result<Address, CrawlError> {
    Address::parse(url).map_err(|cause| CrawlError::Row {
        url: url.to_owned(),
        cause,
    })
}

/// The database's time stamps.
pub(super) type Stamp = OffsetDateTime;
