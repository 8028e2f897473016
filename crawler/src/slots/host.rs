//! One host whose lease this process holds: its places, its pace, and how it answered meanwhile.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use reqwest::Url;
use reqwest::header::HeaderMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tusou_platform::door::{Answer, Door, FetchError, Judge, Limits, Longer, TakeAll};

use super::{SlotLimits, SlotRefused};
use crate::error::CrawlError;
use crate::frontier::{HostLease, Leased, Parting};
use crate::pace::Pace;

/// Requests in a row without an answer after which the host counts as out of reach.
const OUT_OF_REACH: u32 = 3;
/// The longest rest that a host asks for by `Retry-After` and gets.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3600);
/// The longest rest that failures lead to.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);
/// How long a host that is given back waits for requests under way.
const DRAIN: Duration = Duration::from_secs(60);

/// A leased host.
#[derive(Debug)]
pub(crate) struct HostSlot {
    pub(crate) lease: HostLease,
    /// Held by whoever asks for the host's files, so that they are asked for once.
    pub(crate) files: tokio::sync::Mutex<()>,
    guest: bool,
    limits: SlotLimits,
    failures: u32,
    busy: u32,
    places: Arc<Semaphore>,
    closed: CancellationToken,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    pace: Pace,
    /// No request begins after this: the lease may be another's.
    valid_until: Instant,
    used: Instant,
    /// Whether any answer came under this lease.
    answered: bool,
    /// Requests in a row that brought none.
    unanswered: u32,
    /// Until when it wants to be left alone (429, 503).
    rests_until: Option<Instant>,
    /// Its robots.txt forbids everything, since it cannot be had.
    barred: bool,
    /// Its due URLs were given up.
    given_up: bool,
}

/// How a host does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It answers, or was not asked yet.
    Well,
    /// It wants to be left alone.
    Rests(Duration),
    /// Several requests in a row brought no answer.
    OutOfReach,
}

impl HostSlot {
    pub(super) fn new(leased: Leased, limits: SlotLimits, guest: bool) -> Self {
        let now = Instant::now();
        let mut pace = Pace::new(limits.pace, leased.delay);
        pace.rest_until(now + leased.wait);
        if let Some(since) = leased.crashed.and_then(|ago| now.checked_sub(ago)) {
            pace.asked_at(since);
        }
        Self {
            lease: leased.lease,
            files: tokio::sync::Mutex::default(),
            guest,
            limits,
            failures: leased.failures,
            busy: leased.busy,
            places: Arc::new(Semaphore::new(limits.pace.concurrency as usize)),
            closed: CancellationToken::new(),
            inner: Mutex::new(Inner {
                pace,
                valid_until: leased.asked_at + limits.lease,
                used: now,
                answered: false,
                unanswered: 0,
                rests_until: None,
                barred: false,
                given_up: false,
            }),
        }
    }

    /// Waits for a place and for the pace. Cancel-safe: a start that was not taken is not lost.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Slot, SlotRefused> {
        self.place().await?.start().await
    }

    /// Waits for a place.
    pub(crate) async fn place(self: &Arc<Self>) -> Result<Place, SlotRefused> {
        let permit = tokio::select! {
            permit = Arc::clone(&self.places).acquire_owned() => permit,
            () = self.closed.cancelled() => return Err(lost()),
        };
        Ok(Place {
            host: Arc::clone(self),
            permit: permit.expect("the semaphore is never closed"),
        })
    }

    /// Begins a request, or says how long that has to wait.
    fn try_start(&self, start: bool) -> Result<Option<Duration>, SlotRefused> {
        let now = Instant::now();
        let mut inner = self.inner();
        if self.closed.is_cancelled() || now >= inner.valid_until {
            return Err(lost());
        }
        if let Some(rest) = inner.rest(now) {
            return Err(SlotRefused::Busy(rest));
        }
        inner.used = now;
        if start {
            return Ok(inner.pace.start(now).err());
        }
        let wait = inner.pace.wait(now);
        Ok((!wait.is_zero()).then_some(wait))
    }

    async fn paced(&self, start: bool) -> Result<(), SlotRefused> {
        while let Some(wait) = self.try_start(start)? {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.closed.cancelled() => return Err(lost()),
            }
        }
        Ok(())
    }

    /// The host's `Crawl-delay`, capped.
    pub(crate) fn ask_delay(&self, delay: Duration) {
        self.inner().pace.ask(delay);
    }

    /// Whether the latest request brought an answer, or none was made.
    pub(crate) fn answers(&self) -> bool {
        self.inner().unanswered == 0
    }

    /// Its due URLs were given up: what it failed at before no longer counts.
    pub(crate) fn give_up(&self) {
        self.inner().given_up = true;
    }

    /// How it does.
    pub(crate) fn state(&self) -> State {
        let inner = self.inner();
        match inner.rest(Instant::now()) {
            Some(rest) => State::Rests(rest),
            None if inner.unanswered >= OUT_OF_REACH => State::OutOfReach,
            None => State::Well,
        }
    }

    /// Whether no answer came under this lease although it was asked.
    pub(crate) fn is_silent(&self) -> bool {
        let inner = self.inner();
        !inner.answered && inner.unanswered > 0
    }

    /// Nothing may be fetched, since its robots.txt cannot be had: it counts as out of reach.
    pub(crate) fn bar(&self) {
        self.inner().barred = true;
    }

    /// Turns in a row, this one included, in which it was out of reach.
    pub(crate) fn failures(&self) -> u32 {
        let inner = self.inner();
        let before = if inner.answered && !inner.barred {
            0
        } else {
            self.failures
        };
        before + u32::from(inner.is_out_of_reach())
    }

    /// The lease was renewed by a statement that began at `asked_at`.
    pub(crate) fn renewed(&self, asked_at: Instant) {
        self.inner().valid_until = asked_at + self.limits.lease;
    }

    pub(super) fn is_guest(&self) -> bool {
        self.guest
    }

    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Waits for the requests under way, once none begins any more.
    pub(super) async fn drained(&self) {
        // Their number is small and each is bounded by itself.
        let _ = timeout(
            DRAIN,
            self.places.acquire_many(self.limits.pace.concurrency),
        )
        .await;
    }

    pub(super) fn idle_for(&self) -> Duration {
        let asking = self.places.available_permits() < self.limits.pace.concurrency as usize;
        if asking {
            Duration::ZERO
        } else {
            self.inner().used.elapsed()
        }
    }

    /// How long until the next request may begin.
    pub(crate) fn wait(&self) -> Duration {
        self.inner().pace.wait(Instant::now())
    }

    /// What its row is to keep.
    pub(super) fn parting(&self, rest: Duration) -> Parting {
        let failures = self.failures();
        let inner = self.inner();
        let now = Instant::now();
        let mut wait = inner
            .pace
            .wait(now)
            .max(inner.rest(now).unwrap_or_default());
        if inner.is_out_of_reach() {
            wait = wait.max(doubled(self.limits.retry_after, failures.saturating_sub(1)));
        }
        let busy = match inner.rests_until {
            Some(_) => self.busy.saturating_add(1),
            None if inner.answered => 0,
            None => self.busy,
        };
        Parting {
            wait,
            rest,
            delay: inner.pace.adapted(),
            failures: if inner.given_up { 0 } else { failures },
            busy,
        }
    }

    fn ended(&self, began: Instant, head: Option<Instant>, outcome: &Result<Answer, FetchError>) {
        let now = Instant::now();
        let latency = head.unwrap_or(now).saturating_duration_since(began);
        let mut inner = self.inner();
        inner.used = now;
        match outcome {
            Ok(answer) => {
                inner.answers();
                if matches!(answer.status, 429 | 503) {
                    inner.pace.failed();
                    let rest = match answer.retry_after() {
                        Some(asked) => asked.min(LONGEST_REST),
                        None => doubled(self.limits.retry_after, self.busy),
                    };
                    inner.rests_until = inner.rests_until.max(Some(now + rest));
                } else {
                    inner.pace.answered(latency);
                }
            }
            Err(cause) if cause.is_unreached() || matches!(cause, FetchError::Timeout(_)) => {
                inner.unanswered = inner.unanswered.saturating_add(1);
                inner.pace.failed();
            }
            Err(FetchError::Broken(_)) => {
                inner.answers();
                inner.pace.failed();
            }
            // An answer began, and was not wanted as it was.
            Err(_) if head.is_some() => {
                inner.answers();
                inner.pace.answered(latency);
            }
            // It was not asked at all.
            Err(_) => {}
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl Inner {
    fn answers(&mut self) {
        self.answered = true;
        self.unanswered = 0;
    }

    fn rest(&self, now: Instant) -> Option<Duration> {
        let rest = self.rests_until?.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }

    fn is_out_of_reach(&self) -> bool {
        self.barred || self.unanswered >= OUT_OF_REACH || (self.unanswered > 0 && !self.answered)
    }
}

/// A wait that has doubled so often, at most an hour.
fn doubled(first: Duration, times: u32) -> Duration {
    first
        .saturating_mul(1 << times.min(16))
        .min(LONGEST_BACKOFF.max(first))
}

fn lost() -> SlotRefused {
    SlotRefused::Failed(CrawlError::LeaseLost)
}

/// One of the host's places, whose request has not begun.
#[derive(Debug)]
pub(crate) struct Place {
    host: Arc<HostSlot>,
    permit: OwnedSemaphorePermit,
}

impl Place {
    /// Waits until a request might begin.
    pub(crate) async fn due(&self) -> Result<(), SlotRefused> {
        self.host.paced(false).await
    }

    /// Waits until a request may begin, and begins it.
    pub(crate) async fn start(self) -> Result<Slot, SlotRefused> {
        self.host.paced(true).await?;
        Ok(Slot {
            host: self.host,
            _place: self.permit,
        })
    }
}

/// The leave to make one request of a host, now. Its place is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    host: Arc<HostSlot>,
    _place: OwnedSemaphorePermit,
}

impl Slot {
    /// Makes the request. How the host answers rules its pace, its rest, and whether it counts as
    /// out of reach.
    pub(crate) async fn ask(
        self,
        door: &Door,
        url: &Url,
        headers: HeaderMap,
        limits: &Limits,
        longer: Longer,
    ) -> Result<Answer, FetchError> {
        self.ask_judged(door, url, headers, limits, longer, &mut TakeAll)
            .await
    }

    /// As [`Slot::ask`], while `judge` looks at the answer as it comes.
    pub(crate) async fn ask_judged(
        self,
        door: &Door,
        url: &Url,
        headers: HeaderMap,
        limits: &Limits,
        longer: Longer,
        judge: &mut dyn Judge,
    ) -> Result<Answer, FetchError> {
        let began = Instant::now();
        self.host.inner().pace.asked_at(began);
        let mut head = None;
        let on_head = || {
            let now = Instant::now();
            head = Some(now);
            self.host.inner().pace.asked_at(now);
        };
        let outcome = door
            .ask_judged(url, headers, limits, longer, judge, on_head)
            .await;
        self.host.ended(began, head, &outcome);
        outcome
    }
}

#[cfg(test)]
mod tests;
