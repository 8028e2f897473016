//! Host leases, and what a host's row keeps of its pace.
//!
//! Time is the database's alone. While a host is leased its `next_due_at` is the lease's end, so
//! that a crashed holder needs nobody to clean up after it.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tusou_ingest::Address;

use super::{Bounded as _, DueUrl, Frontier, Kind, transaction};
use crate::error::CrawlError;

/// How long a host that redirects of other processes lead to is left to them after a turn.
const WINDOW: Duration = Duration::from_secs(3);
/// Resting hosts that are passed over in one look for a host to lease.
const PASSED_OVER: usize = 64;

/// A host that this process alone may fetch from, until the lease runs out.
#[derive(Debug, Clone)]
pub(crate) struct HostLease {
    pub(crate) host_id: i64,
    /// `http://example.org:8080`
    pub(crate) origin: String,
    /// The fencing token: results that come back under an older one are refused.
    pub(crate) token: i64,
}

/// A lease just taken, with what the host's row tells whoever asks it next.
#[derive(Debug, Clone)]
pub(crate) struct Leased {
    pub(crate) lease: HostLease,
    /// The lease ends a lease's length after this at the latest: no request begins then.
    pub(crate) asked_at: Instant,
    /// How long no request may begin.
    pub(crate) wait: Duration,
    /// Where the holder before crashed: how long ago its lease ended, until when it may have made
    /// requests.
    pub(crate) crashed: Option<Duration>,
    /// The delay that latency and errors have led to; zero for the configured one.
    pub(crate) delay: Duration,
    /// Turns in a row in which the host could not be reached.
    pub(crate) failures: u32,
    /// Turns in a row that the host ended by 429 or 503.
    pub(crate) busy: u32,
}

/// What becomes of an attempt to lease a certain host.
#[derive(Debug, Clone)]
pub(crate) enum Guest {
    /// It is this process's.
    Leased(Leased),
    /// It rests, is paused, or another process has it: worth another look after this.
    Busy(Duration),
}

/// What a host's row is to keep when its lease is given back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Parting {
    /// How long nobody may ask the host.
    pub(crate) wait: Duration,
    /// How long its next turn is to wait, where that is longer.
    pub(crate) rest: Duration,
    /// As [`Leased::delay`].
    pub(crate) delay: Duration,
    /// As [`Leased::failures`].
    pub(crate) failures: u32,
    /// As [`Leased::busy`].
    pub(crate) busy: u32,
}

/// What has become of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is held.
    Held,
    /// It is held, and others wait: hosts for a place, or another process for this host.
    Wanted,
    /// It is held, and the host is to be left alone.
    Paused,
    /// Another process has the host.
    Lost,
}

/// A host's row as it was before the lease.
#[derive(Debug, sqlx::FromRow)]
struct LeaseRow {
    host_id: i64,
    origin: String,
    lease_token: i64,
    rests: bool,
    wait: Option<f64>,
    crashed: Option<f64>,
    delay_ms: Option<i32>,
    failures: i32,
    busy: i32,
}

impl LeaseRow {
    fn leased(self, asked_at: Instant) -> Leased {
        let count = |count: i32| u32::try_from(count).unwrap_or(0);
        let delay = u64::try_from(self.delay_ms.unwrap_or(0)).unwrap_or(0);
        Leased {
            lease: HostLease {
                host_id: self.host_id,
                origin: self.origin,
                token: self.lease_token,
            },
            asked_at,
            wait: seconds(self.wait),
            crashed: self.crashed.map(|ago| seconds(Some(ago))),
            delay: Duration::from_millis(delay),
            failures: count(self.failures),
            busy: count(self.busy),
        }
    }
}

/// A wait as the database counts it; none for one that has passed.
fn seconds(seconds: Option<f64>) -> Duration {
    Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default()
}

impl Frontier {
    /// Leases the host that has been due longest, if there is one. A host that rests is due when it
    /// has rested, whoever woke it meanwhile.
    pub(crate) async fn lease_host(&self) -> Result<Option<Leased>, CrawlError> {
        for _ in 0..PASSED_OVER {
            let asked_at = Instant::now();
            let row: Option<LeaseRow> = sqlx::query_as(
                "WITH host AS (
                     SELECT host_id, leased_until, not_before,
                            COALESCE(not_before > now() + interval '250 milliseconds', false) AS rests
                     FROM hosts
                     WHERE next_due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
                       AND paused_at IS NULL AND NOT EXISTS (SELECT FROM pauses WHERE stage = 'crawl')
                     ORDER BY next_due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
                 UPDATE hosts SET lease_token = lease_token + CASE WHEN rests THEN 0 ELSE 1 END,
                        leased_by = CASE WHEN rests THEN hosts.leased_by ELSE $1 END,
                        leased_until = CASE WHEN rests THEN hosts.leased_until
                                            ELSE now() + make_interval(secs => $2) END,
                        next_due_at = CASE WHEN rests THEN host.not_before
                                           ELSE now() + make_interval(secs => $2) END
                 FROM host WHERE hosts.host_id = host.host_id
                 RETURNING hosts.host_id, origin, lease_token, rests,
                     extract(epoch FROM host.not_before - now())::float8 AS wait,
                     extract(epoch FROM now() - host.leased_until)::float8 AS crashed,
                     delay_ms, failures, busy",
            )
            .bind(&self.worker)
            .bind(self.lease.as_secs_f64())
            .fetch_optional(&self.pool)
            .bounded()
            .await?;
            match row {
                None => return Ok(None),
                Some(row) if row.rests => {}
                Some(row) => return Ok(Some(row.leased(asked_at))),
            }
        }
        Ok(None)
    }

    /// Leases the host of this origin, which is made known where it is new, for requests that URLs
    /// of other hosts lead to. `patience` is the longest rest that is waited for with the lease held.
    pub(crate) async fn lease_guest(
        &self,
        origin: &str,
        patience: Duration,
    ) -> Result<Guest, CrawlError> {
        sqlx::query(
            "INSERT INTO hosts (origin) SELECT $1 WHERE NOT EXISTS (SELECT FROM hosts WHERE origin = $1)
             ON CONFLICT (origin) DO NOTHING",
        )
        .bind(origin)
        .execute(&self.pool)
        .bounded()
        .await?;
        let asked_at = Instant::now();
        let row: Option<LeaseRow> = sqlx::query_as(
            "WITH host AS (
                 SELECT host_id, leased_until, not_before FROM hosts
                 WHERE origin = $1 AND (leased_until IS NULL OR leased_until <= now())
                   AND paused_at IS NULL
                   AND (not_before IS NULL OR not_before <= now() + make_interval(secs => $4))
                 FOR NO KEY UPDATE SKIP LOCKED)
             UPDATE hosts SET lease_token = lease_token + 1, leased_by = $2, wanted_at = NULL,
                    leased_until = now() + make_interval(secs => $3),
                    next_due_at = now() + make_interval(secs => $3)
             FROM host WHERE hosts.host_id = host.host_id
             RETURNING hosts.host_id, origin, lease_token, false AS rests,
                 extract(epoch FROM host.not_before - now())::float8 AS wait,
                 extract(epoch FROM now() - host.leased_until)::float8 AS crashed,
                 delay_ms, failures, busy",
        )
        .bind(origin)
        .bind(&self.worker)
        .bind(self.lease.as_secs_f64())
        .bind(patience.as_secs_f64())
        .fetch_optional(&self.pool)
        .bounded()
        .await?;
        if let Some(row) = row {
            return Ok(Guest::Leased(row.leased(asked_at)));
        }
        let after: Option<f64> = sqlx::query_scalar(
            "UPDATE hosts SET wanted_at = CASE WHEN leased_until > now() THEN now() ELSE wanted_at END
             WHERE origin = $1
             RETURNING CASE WHEN paused_at IS NOT NULL THEN 60
                            ELSE extract(epoch FROM not_before - now())::float8 END",
        )
        .bind(origin)
        .fetch_optional(&self.pool)
        .bounded()
        .await?
        .flatten();
        Ok(Guest::Busy(seconds(after)))
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

    /// Whether the lease is held still, the host not paused, and nobody else in want: no other host
    /// that has been due for a second, and no redirect of another process that leads to this one.
    pub(crate) async fn standing(&self, lease: &HostLease) -> Result<Standing, CrawlError> {
        let row: Option<(i64, bool, bool)> = sqlx::query_as(
            "SELECT lease_token, paused_at IS NOT NULL,
                    COALESCE(wanted_at > now() - interval '10 seconds', false)
                    OR EXISTS (SELECT FROM hosts AS other
                            WHERE other.next_due_at <= now() - interval '1 second'
                              AND (other.leased_until IS NULL OR other.leased_until <= now())
                              AND (other.not_before IS NULL OR other.not_before <= now())
                              AND other.paused_at IS NULL)
             FROM hosts WHERE host_id = $1",
        )
        .bind(lease.host_id)
        .fetch_optional(&self.pool)
        .bounded()
        .await?;
        Ok(match row {
            Some((token, ..)) if token != lease.token => Standing::Lost,
            Some((_, true, _)) => Standing::Paused,
            Some((_, false, true)) => Standing::Wanted,
            Some((_, false, false)) => Standing::Held,
            None => Standing::Lost,
        })
    }

    /// Gives the host back; it is next due with its earliest URL, but not before it has rested.
    pub(crate) async fn release(
        &self,
        lease: &HostLease,
        parting: &Parting,
    ) -> Result<(), CrawlError> {
        let wait = parting.wait.as_secs_f64();
        let delay = i32::try_from(parting.delay.as_millis()).unwrap_or(i32::MAX);
        let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
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
            // Of a host with millions of due URLs only one that is due now is looked for. Times are
            // those of the statement: the transaction may have waited for the lock.
            sqlx::query(
                "UPDATE hosts SET leased_until = NULL, leased_by = NULL,
                     not_before = statement_timestamp() + make_interval(secs => $2),
                     delay_ms = NULLIF($4, 0), failures = $5, busy = $6,
                     next_due_at = CASE WHEN due.at IS NOT NULL THEN
                         GREATEST(due.at, statement_timestamp() + make_interval(secs => GREATEST($2, $3,
                             CASE WHEN wanted_at > now() - interval '10 seconds' THEN $7 ELSE 0 END))) END
                 FROM (SELECT CASE
                     WHEN EXISTS (SELECT FROM pages WHERE host_id = $1 AND state = 'due' AND due_at <= now())
                       OR EXISTS (SELECT FROM image_urls WHERE host_id = $1 AND state = 'due' AND due_at <= now())
                     THEN now()
                     ELSE LEAST((SELECT min(due_at) FROM pages WHERE host_id = $1 AND state = 'due'),
                                (SELECT min(due_at) FROM image_urls WHERE host_id = $1 AND state = 'due'))
                     END AS at) AS due
                 WHERE host_id = $1",
            )
            .bind(lease.host_id)
            .bind(wait)
            .bind(parting.rest.as_secs_f64())
            .bind(delay)
            .bind(count(parting.failures))
            .bind(count(parting.busy))
            .bind(WINDOW.as_secs_f64())
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// Puts a URL off that could not be asked for reasons that are not its own: it keeps its
    /// attempts.
    pub(crate) async fn put_off(&self, url: &DueUrl, wait: Duration) -> Result<(), CrawlError> {
        let statement = match url.kind {
            Kind::Page | Kind::Sitemap => {
                "UPDATE pages SET due_at = now() + make_interval(secs => $3)
                 WHERE page_id = $1 AND state = 'due' AND due_at = $2"
            }
            Kind::Image => {
                "UPDATE image_urls SET due_at = now() + make_interval(secs => $3)
                 WHERE image_url_id = $1 AND state = 'due' AND due_at = $2"
            }
        };
        sqlx::query(statement)
            .bind(url.id)
            .bind::<Stamp>(url.due_at)
            .bind(wait.as_secs_f64())
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
