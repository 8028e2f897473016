//! Host slots: who may ask which host, and when. Every request passes one, whatever it is for: a
//! page, a picture, a redirect's next hop, robots.txt.
//!
//! A process asks only hosts whose lease it holds: those whose turn it is, and, for redirects that
//! lead elsewhere, those that it leases as a guest for a moment. All that it asks of one host goes
//! through one pace. What the next holder must know (when it may ask, at what delay) is written
//! with the end of the lease, so the pace holds across turns and processes.

mod guest;
mod host;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::TaskTracker;

pub(crate) use host::{HostSlot, Slot, State};

use crate::config::Settings;
use crate::error::CrawlError;
use crate::frontier::{Frontier, Guest, Leased};
use crate::pace::PaceLimits;

/// The longest that a request to a host that has no turn here waits for its start.
const PATIENCE: Duration = Duration::from_secs(10);
/// When to look again for a host that another process has.
const BUSY: Duration = Duration::from_secs(2);
/// Locks for leasing guests, by origin: more of them only let more begin at once.
const STRIPES: usize = 16;

/// Why a request may not begin.
#[derive(Debug)]
pub(crate) enum SlotRefused {
    /// The host rests or another process has it: not a failure, and worth another try after this.
    Busy(Duration),
    /// The lease was lost, or Postgres is away.
    Failed(CrawlError),
}

impl SlotRefused {
    /// A host that was given back meanwhile, or lost, may be had again. (Whose turn it is learns of
    /// a loss by its renewal.)
    fn or_later(self) -> Self {
        match self {
            Self::Failed(CrawlError::LeaseLost) => Self::Busy(BUSY),
            refused => refused,
        }
    }
}

impl From<CrawlError> for SlotRefused {
    fn from(cause: CrawlError) -> Self {
        Self::Failed(cause)
    }
}

/// What hosts' slots are made by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotLimits {
    pub(crate) pace: PaceLimits,
    /// How long a lease lasts without renewal.
    pub(crate) lease: Duration,
    /// How long a host is left alone that is too busy or out of reach, the first time.
    pub(crate) retry_after: Duration,
}

impl SlotLimits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            pace: PaceLimits {
                least: settings.host_delay,
                most: settings.max_host_delay,
                concurrency: u32::try_from(settings.host_concurrency).unwrap_or(u32::MAX),
            },
            lease: settings.lease,
            retry_after: settings.retry_after,
        }
    }
}

/// The hosts whose leases this process holds. Cheap to clone; all clones are one registry.
#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    frontier: Frontier,
    limits: SlotLimits,
    hosts: Mutex<HashMap<String, Arc<HostSlot>>>,
    /// Held while a guest is leased, so that its other users wait and do not find it taken.
    leasing: [tokio::sync::Mutex<()>; STRIPES],
    hasher: RandomState,
    guests: TaskTracker,
}

impl Slots {
    pub(crate) fn new(frontier: Frontier, limits: SlotLimits) -> Self {
        Self(Arc::new(Inner {
            frontier,
            limits,
            hosts: Mutex::default(),
            leasing: Default::default(),
            hasher: RandomState::new(),
            guests: TaskTracker::new(),
        }))
    }

    /// Waits until a request to this origin may begin. A host without a turn here is leased as a
    /// guest, and given back when nobody has asked for it for a while.
    pub(crate) async fn start(&self, origin: &str) -> Result<Slot, SlotRefused> {
        let host = self.host(origin).await?;
        host.begin().await.map_err(SlotRefused::or_later)
    }

    /// As [`Slots::start`], for a host that a URL of another one leads to, whose `Crawl-delay` is
    /// known: its start is not waited for however long that takes.
    pub(crate) async fn start_elsewhere(
        &self,
        origin: &str,
        crawl_delay: Duration,
    ) -> Result<Slot, SlotRefused> {
        let host = self.host(origin).await?;
        host.ask_delay(crawl_delay);
        match timeout(PATIENCE, host.begin()).await {
            Ok(began) => began.map_err(SlotRefused::or_later),
            Err(_) => Err(SlotRefused::Busy(host.wait().max(BUSY))),
        }
    }

    /// The slot of a host, leased as a guest where this process does not hold it.
    pub(crate) async fn host(&self, origin: &str) -> Result<Arc<HostSlot>, SlotRefused> {
        if let Some(host) = self.held(origin) {
            return Ok(host);
        }
        let stripe = self.0.hasher.hash_one(origin) as usize % STRIPES;
        let _leasing = self.0.leasing[stripe].lock().await;
        if let Some(host) = self.held(origin) {
            return Ok(host);
        }
        match self.0.frontier.lease_guest(origin, PATIENCE).await? {
            Guest::Busy(after) => Err(SlotRefused::Busy(after.max(BUSY))),
            Guest::Leased(leased) => {
                let host = self.enter(leased, true);
                let keeper = guest::keep(self.clone(), Arc::clone(&host));
                self.0.guests.spawn(keeper);
                Ok(host)
            }
        }
    }

    /// Enters a host whose turn it is here.
    pub(crate) fn adopt(&self, leased: Leased) -> Arc<HostSlot> {
        self.enter(leased, false)
    }

    fn enter(&self, leased: Leased, guest: bool) -> Arc<HostSlot> {
        let host = Arc::new(HostSlot::new(leased, self.0.limits, guest));
        let before = self
            .hosts()
            .insert(host.lease.origin.clone(), Arc::clone(&host));
        if let Some(before) = before {
            // Its lease was lost, or this one could not have been taken.
            before.close();
        }
        host
    }

    /// Gives a host back: no request begins any more, those under way end, and the row learns when
    /// and how the next one may. Not before `rest` has its turn another.
    pub(crate) async fn part(
        &self,
        host: &Arc<HostSlot>,
        rest: Duration,
    ) -> Result<(), CrawlError> {
        host.close();
        host.drained().await;
        let parting = host.parting(rest);
        let released = self.0.frontier.release(&host.lease, &parting).await;
        self.forget(host);
        released
    }

    /// Gives all guests back.
    pub(crate) async fn close(&self) {
        for host in self.hosts().values() {
            host.close();
        }
        self.0.guests.close();
        self.0.guests.wait().await;
    }

    /// As [`Slots::part`], after a turn that broke.
    pub(crate) async fn part_origin(&self, origin: &str, rest: Duration) -> Result<(), CrawlError> {
        let host = self.hosts().get(origin).cloned();
        match host.filter(|host| !host.is_guest()) {
            Some(host) => self.part(&host, rest).await,
            None => Ok(()),
        }
    }

    fn held(&self, origin: &str) -> Option<Arc<HostSlot>> {
        let host = self.hosts().get(origin).cloned()?;
        (!host.is_closed()).then_some(host)
    }

    fn forget(&self, host: &Arc<HostSlot>) {
        let mut hosts = self.hosts();
        if hosts
            .get(&host.lease.origin)
            .is_some_and(|held| Arc::ptr_eq(held, host))
        {
            hosts.remove(&host.lease.origin);
        }
    }

    fn hosts(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<HostSlot>>> {
        self.0.hosts.lock().expect("no holder of this lock panics")
    }
}
