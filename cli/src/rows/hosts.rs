//! Hosts that are slow or not asked at all, and how long the oldest of each stage waits.

use sqlx::PgPool;
use time::OffsetDateTime;

use super::{Snapshot, unsigned};
use crate::error::Error;
use crate::status::report::HostCounts;

/// Hosts that are told; the others are counted.
const TOLD: usize = 20;
/// Candidates whose due URLs are counted.
const LOOKED_AT: i64 = 500;
/// Due URLs of one kind are counted no further than this for one host.
const COUNTED: i64 = 10_000;

/// Why a host is not asked as fast as it could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// `tusou pause host`
    Paused,
    /// It could not be reached, so many turns in a row.
    Failing(u32),
    /// It answered 429 or 503, so many turns in a row.
    AskedToSlowDown(u32),
    /// Its robots.txt cannot be had.
    RobotsAway,
    /// Its robots.txt forbids so many pages.
    RobotsForbid(u64),
    /// Its latency has led to this delay between two requests, milliseconds.
    Slow(u32),
}

/// A host that is slow or not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlowHost {
    /// `https://example.org`
    pub(crate) origin: String,
    pub(crate) trouble: Trouble,
    /// In the words of whoever paused it.
    pub(crate) why: String,
    /// Pages and image URLs that are due; at most [`MOST_DUE`].
    pub(crate) due: u64,
    /// When it is asked next; `None` where it is paused, or has nothing that is due.
    pub(crate) next: Option<OffsetDateTime>,
}

/// From so many on, due URLs of a host are not counted.
pub(crate) const MOST_DUE: u64 = 2 * COUNTED.unsigned_abs();

/// Slow hosts, and how many more there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SlowHosts {
    /// Those with the most due URLs, the most first.
    pub(crate) hosts: Vec<SlowHost>,
    /// How many are not among them.
    pub(crate) more: u64,
}

/// How long the oldest thing of each stage has waited, seconds; `None` where nothing waits.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Ages {
    /// The host that has waited longest for its turn.
    pub(crate) host: Option<f64>,
    /// The oldest message that the crawler owes the broker.
    pub(crate) outbox: Option<f64>,
    /// The oldest picture that is stored and of which no encoder has said anything.
    pub(crate) to_encode: Option<f64>,
    /// The oldest picture that is encoded and not in the index at all.
    pub(crate) to_index: Option<f64>,
}

#[derive(sqlx::FromRow)]
struct HostRow {
    origin: String,
    paused: bool,
    why: String,
    failures: i32,
    busy: i32,
    robots_away: bool,
    forbidden: i64,
    delay_ms: i32,
    due: i64,
    next: Option<OffsetDateTime>,
    candidates: i64,
}

impl Snapshot {
    /// Hosts that have something due, and those of them that cannot be reached.
    pub(crate) async fn hosts_due(&mut self) -> Result<HostCounts, Error> {
        let (due, out_of_reach): (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE failures > 0)
             FROM hosts WHERE next_due_at IS NOT NULL AND paused_at IS NULL",
        )
        .fetch_one(&mut *self.0)
        .await
        .map_err(Error::query("count the hosts that have something due"))?;
        Ok(HostCounts {
            due: unsigned(due),
            out_of_reach: unsigned(out_of_reach),
        })
    }

    /// Hosts that are paused, rest after errors, were asked to leave alone, or are slow: a delay of more than
    /// `slow_ms` is slow.
    pub(crate) async fn slow_hosts(&mut self, slow_ms: u32) -> Result<SlowHosts, Error> {
        let rows: Vec<HostRow> = sqlx::query_as(
            "WITH forbidden AS (
                 SELECT host_id, count(*) AS pages FROM pages WHERE state = 'skipped' AND reason = 'robots' GROUP BY host_id),
             away AS (SELECT host_id FROM host_files WHERE kind = 'robots' AND failed_at IS NOT NULL),
             troubled AS (
                 SELECT hosts.host_id, origin, paused_at IS NOT NULL AS paused, paused_why AS why, failures, busy,
                        away.host_id IS NOT NULL AS robots_away, coalesce(forbidden.pages, 0) AS forbidden,
                        coalesce(delay_ms, 0) AS delay_ms,
                        CASE WHEN paused_at IS NULL THEN greatest(next_due_at, not_before) END AS next,
                        next_due_at IS NOT NULL AS waits
                 FROM hosts LEFT JOIN forbidden USING (host_id) LEFT JOIN away USING (host_id)
                 WHERE paused_at IS NOT NULL OR failures > 0 OR busy > 0 OR away.host_id IS NOT NULL
                    OR forbidden.host_id IS NOT NULL OR delay_ms > $1),
             chosen AS (
                 SELECT *, count(*) OVER () AS candidates FROM troubled
                 ORDER BY paused DESC, waits DESC, failures + busy DESC, forbidden DESC, host_id LIMIT $2)
             SELECT origin, paused, why, failures, busy, robots_away, forbidden, delay_ms, candidates,
                    CASE WHEN waits THEN next END AS next,
                    (SELECT count(*) FROM (SELECT FROM pages WHERE pages.host_id = chosen.host_id AND state = 'due'
                                           LIMIT $3) AS due)
                  + (SELECT count(*) FROM (SELECT FROM image_urls WHERE image_urls.host_id = chosen.host_id
                                           AND state = 'due' LIMIT $3) AS due) AS due
             FROM chosen ORDER BY due DESC, forbidden DESC, origin",
        )
        .bind(i32::try_from(slow_ms).unwrap_or(i32::MAX))
        .bind(LOOKED_AT)
        .bind(COUNTED)
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("look for slow hosts"))?;
        let all = rows.first().map_or(0, |row| unsigned(row.candidates));
        let hosts: Vec<SlowHost> = rows.into_iter().take(TOLD).map(SlowHost::from).collect();
        let more = all.saturating_sub(hosts.len() as u64);
        Ok(SlowHosts { hosts, more })
    }

    /// How long the oldest of each stage waits. `generation_id` is the index that searches ask.
    pub(crate) async fn ages(&mut self, generation_id: Option<i64>) -> Result<Ages, Error> {
        let (to_encode, to_index): (Option<f64>, Option<f64>) = sqlx::query_as(
            "SELECT (SELECT extract(epoch FROM now() - min(stored_at))::float8 FROM images
                     WHERE NOT EXISTS (SELECT FROM encodings WHERE encodings.image_id = images.image_id)),
                    (SELECT extract(epoch FROM now() - min(encoded_at))::float8 FROM encodings
                     WHERE failure IS NULL AND NOT EXISTS (
                         SELECT FROM indexed WHERE generation_id = $1 AND indexed.image_id = encodings.image_id)
                       AND EXISTS (SELECT FROM sightings WHERE sightings.image_id = encodings.image_id
                                   AND gone_since IS NULL))",
        )
        .bind(generation_id)
        .fetch_one(&mut *self.0)
        .await
        .map_err(Error::query("look for the oldest pictures that wait"))?;
        Ok(Ages {
            to_encode,
            to_index,
            ..Ages::default()
        })
    }
}

/// What can be asked often, by indexes alone: messages owed, the age of the oldest, and the age of the host that
/// has waited longest for its turn.
pub(crate) async fn waiting(pool: &PgPool) -> Result<(u64, Ages), Error> {
    let (owed, outbox, host): (i64, Option<f64>, Option<f64>) = sqlx::query_as(
        "SELECT count(*), extract(epoch FROM now() - min(created_at))::float8,
                (SELECT extract(epoch FROM now() - min(next_due_at))::float8 FROM hosts
                 WHERE next_due_at <= now() AND paused_at IS NULL) FROM outbox",
    )
    .fetch_one(pool)
    .await
    .map_err(Error::query("look what waits"))?;
    let ages = Ages {
        host,
        outbox,
        ..Ages::default()
    };
    Ok((unsigned(owed), ages))
}

impl From<HostRow> for SlowHost {
    fn from(row: HostRow) -> Self {
        let trouble = match &row {
            row if row.paused => Trouble::Paused,
            row if row.busy > 0 => Trouble::AskedToSlowDown(row.busy.unsigned_abs()),
            row if row.failures > 0 => Trouble::Failing(row.failures.unsigned_abs()),
            row if row.robots_away => Trouble::RobotsAway,
            row if row.forbidden > 0 => Trouble::RobotsForbid(unsigned(row.forbidden)),
            row => Trouble::Slow(row.delay_ms.unsigned_abs()),
        };
        Self {
            origin: row.origin,
            trouble,
            why: row.why,
            due: unsigned(row.due),
            next: row.next,
        }
    }
}
