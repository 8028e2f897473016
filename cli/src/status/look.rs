//! Looking again and again, for whoever shows it: the terminal and the operator's page.
//!
//! What is cheap (queues, services, messages owed) is looked at every interval. Rows are counted in between, and never
//! more often than ten times as long as the last counting took, so that to look does not become the load.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sqlx::PgPool;
use tokio::sync::{Notify, watch};
use tusou_platform::config::Config;
use tusou_platform::telemetry::chain;
use tusou_platform::{Shutdown, database};

use super::PATIENCE;
use super::gather::{self, Outside};
use super::history::{History, Line, Sample};
use super::report::Status;
use crate::error::Error;
use crate::rows::Snapshot;
use crate::rows::hosts::{self, Ages, SlowHosts};

/// A counting is followed by as many times its own length without one.
const REST: u32 = 10;

/// What was seen last.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// With the rows of `counted_at`; where Postgres has never answered, without any.
    pub(crate) status: Status,
    pub(crate) hosts: SlowHosts,
    pub(crate) ages: Ages,
    /// When queues and services were looked at.
    pub(crate) at: SystemTime,
    /// When the rows were counted.
    pub(crate) counted_at: Option<SystemTime>,
    pub(crate) history: History,
    pub(crate) answers: Answers,
}

/// Which of the stores answered at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) broker: bool,
    pub(crate) elasticsearch: bool,
    pub(crate) database: bool,
}

#[cfg(test)]
impl Answers {
    pub(crate) const ALL: Self = Self {
        broker: true,
        elasticsearch: true,
        database: true,
    };
}

/// Looks, and keeps what it saw.
pub(crate) struct Looker {
    config: Config,
    interval: Duration,
    inner: Mutex<Inner>,
    told: watch::Sender<u64>,
    /// Whether what only a person mends ends the looking; otherwise it is shown, and tried again.
    strict: bool,
    /// Told where somebody wants everything looked at at once.
    again: [Notify; 2],
    /// Held while somebody looks into queues whose messages others may want at the same time.
    pub(crate) desk: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    outside: Option<Outside>,
    at: Option<SystemTime>,
    rows: Option<Rows>,
    ages: Ages,
    /// Why rows cannot be counted now.
    away: Option<String>,
    history: History,
}

#[derive(Clone)]
struct Rows {
    status: Status,
    hosts: SlowHosts,
    at: SystemTime,
}

impl Looker {
    pub(crate) fn new(config: &Config, interval: Duration, strict: bool) -> Arc<Self> {
        Arc::new(Self {
            config: config.clone(),
            interval,
            inner: Mutex::default(),
            told: watch::Sender::new(0),
            strict,
            again: Default::default(),
            desk: tokio::sync::Mutex::default(),
        })
    }

    /// What was seen last; `None` before the first look has ended.
    pub(crate) fn seen(&self) -> Option<Seen> {
        let inner = self.lock();
        let (outside, at) = (inner.outside.clone()?, inner.at?);
        let answers = Answers {
            broker: outside.broker_answers,
            elasticsearch: outside.elasticsearch_answers,
            database: inner.away.is_none(),
        };
        let status = match (&inner.rows, &inner.away) {
            (Some(rows), None) => gather::together(&self.config, outside, rows.status.clone()),
            (Some(rows), Some(why)) => {
                let mut status = gather::together(&self.config, outside, rows.status.clone());
                status.problems.insert(0, why.clone());
                status.done = false;
                status.time_left_seconds = None;
                status
            }
            (None, Some(why)) => gather::rowless(&self.config, outside, why.clone()),
            // Others have answered, and the first counting is under way.
            (None, None) => Status {
                done: false,
                time_left_seconds: None,
                ..gather::together(&self.config, outside, Status::default())
            },
        };
        Some(Seen {
            status,
            hosts: inner
                .rows
                .as_ref()
                .map(|rows| rows.hosts.clone())
                .unwrap_or_default(),
            ages: inner.ages,
            at,
            counted_at: inner.rows.as_ref().map(|rows| rows.at),
            history: inner.history.clone(),
            answers,
        })
    }

    /// Told at every change of what was seen.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// Has everything looked at and counted at once, whatever the pace: something was changed.
    pub(crate) fn again(&self) {
        self.again.iter().for_each(Notify::notify_one);
    }

    /// Looks until the end is asked for.
    ///
    /// # Errors
    /// What only a person mends: another schema, a wrong address.
    pub(crate) async fn run(&self, shutdown: &Shutdown) -> Result<(), Error> {
        let counting = async {
            let counted = self.count_on(shutdown).await;
            shutdown_on_error(counted, shutdown)
        };
        let (counted, ()) = tokio::join!(counting, self.look_on(shutdown));
        counted
    }

    async fn look_on(&self, shutdown: &Shutdown) {
        loop {
            let begun = Instant::now();
            let looking = async {
                let _desk = self.desk.lock().await;
                gather::outside(&self.config).await
            };
            let outside = tokio::select! {
                outside = looking => outside,
                () = shutdown.requested() => return,
            };
            {
                let mut inner = self.lock();
                inner.outside = Some(outside);
                inner.at = Some(SystemTime::now());
                self.sample(&mut inner);
            }
            self.told.send_modify(|times| *times += 1);
            let rest = self.interval.saturating_sub(begun.elapsed());
            tokio::select! {
                goes_on = shutdown.sleep(rest) => if !goes_on { return },
                () = self.again[0].notified() => {}
            }
        }
    }

    /// One sample of everything that is known now. What is old is not said again: a gap is more honest.
    fn sample(&self, inner: &mut Inner) {
        let mut sample = Sample::at(SystemTime::now());
        if let Some(outside) = &inner.outside {
            sample = sample.with_queues(outside.queues());
        }
        if let (Some(rows), None) = (&inner.rows, &inner.away) {
            sample = sample
                .with(Line::Outbox, rows.status.outbox as f64)
                .with_ages(&inner.ages)
                .with_rates(&rows.status.rates);
        }
        inner.history.push(sample);
    }

    async fn count_on(&self, shutdown: &Shutdown) -> Result<(), Error> {
        let mut pool: Option<PgPool> = None;
        let mut next = Instant::now();
        loop {
            let begun = Instant::now();
            let looked = tokio::select! {
                looked = self.look_into(&mut pool, begun >= next) => looked,
                () = shutdown.requested() => return Ok(()),
            };
            match looked {
                Ok(true) => next = begun + begun.elapsed() * REST,
                Ok(false) => {}
                Err(error) if self.strict && !error.may_pass() => return Err(error),
                Err(error) => {
                    pool = None;
                    self.lock().away = Some(chain(&error));
                }
            }
            self.told.send_modify(|times| *times += 1);
            let rest = self.interval.saturating_sub(begun.elapsed());
            tokio::select! {
                goes_on = shutdown.sleep(rest) => if !goes_on { return Ok(()) },
                () = self.again[1].notified() => next = Instant::now(),
            }
        }
    }

    /// Whether everything was counted, or only what is cheap.
    async fn look_into(&self, pool: &mut Option<PgPool>, whole: bool) -> Result<bool, Error> {
        let pool = match pool {
            Some(pool) => pool,
            None => pool.insert(connected(&self.config).await?),
        };
        let slow = || Error::Slow {
            seconds: PATIENCE.as_secs(),
        };
        let cheap = tokio::time::timeout(PATIENCE, hosts::waiting(pool)).await;
        let (owed, ages) = cheap.map_err(|_| slow())??;
        let known = {
            let mut inner = self.lock();
            let was = inner.ages;
            inner.ages = Ages {
                to_encode: was.to_encode,
                to_index: was.to_index,
                ..ages
            };
            if let Some(rows) = &mut inner.rows {
                rows.status.outbox = owed;
            }
            inner.away = inner.away.take().filter(|_| inner.rows.is_none());
            inner.outside.as_ref().map(|outside| outside.behind.clone())
        };
        // Before others have answered it is not known which index is searched.
        let Some(behind) = known.filter(|_| whole) else {
            return Ok(false);
        };
        let status = gather::counted(&self.config, pool, &behind).await?;
        let counted = tokio::time::timeout(gather::COUNTING, self.others(pool, &behind)).await;
        let (hosts, ages) = counted.map_err(|_| slow())??;
        let mut inner = self.lock();
        inner.rows = Some(Rows {
            status,
            hosts,
            at: SystemTime::now(),
        });
        inner.ages.to_encode = ages.to_encode;
        inner.ages.to_index = ages.to_index;
        inner.away = None;
        Ok(true)
    }

    async fn others(&self, pool: &PgPool, behind: &[String]) -> Result<(SlowHosts, Ages), Error> {
        let mut rows = Snapshot::open(pool).await?;
        let live = rows.generations().await?;
        let searched = gather::searched(&live, behind);
        let generation_id = searched.map(|generation| generation.generation_id);
        // Twice what is asked for, and two seconds at least: a site that is merely polite is not slow.
        let delay = self
            .config
            .crawler
            .host_delay_ms
            .saturating_mul(2)
            .max(2_000);
        let slow_ms = u32::try_from(delay).unwrap_or(u32::MAX);
        Ok((
            rows.slow_hosts(slow_ms).await?,
            rows.ages(generation_id).await?,
        ))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is behind the lock is whole after every statement, so a panic elsewhere spoils nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where counting ends for good, so does looking.
fn shutdown_on_error(counted: Result<(), Error>, shutdown: &Shutdown) -> Result<(), Error> {
    if counted.is_err() {
        shutdown.request();
    }
    counted
}

/// A pool, within a bounded time.
pub(super) async fn connected(config: &Config) -> Result<PgPool, Error> {
    let opened = tokio::time::timeout(PATIENCE, database::connect(&config.database)).await;
    let opened = opened.map_err(|_| Error::Slow {
        seconds: PATIENCE.as_secs(),
    })?;
    Ok(opened?)
}
