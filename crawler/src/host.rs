//! One leased host: its due URLs fetched at its pace, until none is left or its turn is over.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tusou_platform::Shutdown;

use crate::error::CrawlError;
use crate::fetch::{Fetcher, HostSays};
use crate::frontier::{DueUrl, Failure, HostLease, Kind, Standing};
use crate::metrics;
use crate::pace::Pace;
use crate::robots::Robots;
use crate::rules::Rules;

/// How long a host is crawled before others get its place.
const TURN: Duration = Duration::from_secs(30);
/// How long fetches under way may go on once the end is asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// Between two looks at the host's row.
const LOOK: Duration = Duration::from_secs(2);

type Fetched = Result<(Id, Result<HostSays, CrawlError>), JoinError>;

/// Crawls a leased host and gives it back.
///
/// # Errors
/// What made it stop early; the host is given back all the same, where that is possible.
pub(crate) async fn crawl(
    fetcher: &Fetcher,
    lease: HostLease,
    shutdown: &Shutdown,
) -> Result<(), CrawlError> {
    let renewal = Renewal::start(fetcher.clone(), lease.clone());
    let turn = crawl_leased(fetcher, &lease, shutdown, &renewal).await;
    drop(renewal);
    let rest = match &turn {
        Ok(rest) => *rest,
        // Whatever failed is likely to fail again at once.
        Err(_) => fetcher.settings.host_delay.max(Duration::from_secs(5)),
    };
    fetcher.frontier.release(&lease, rest).await?;
    turn.map(|_| ())
}

/// After a turn that panicked: every due URL of the host loses an attempt, since nobody knows which
/// of them it was, or the host would be leased and break for ever.
pub(crate) async fn strike(fetcher: &Fetcher, lease: &HostLease) -> Result<(), CrawlError> {
    let failure = Failure::again("panicked");
    fetcher.frontier.host_failed(lease, &failure).await?;
    let rest = fetcher.settings.retry_after;
    fetcher.frontier.release(lease, rest).await
}

/// Returns how long the host is to be left alone.
async fn crawl_leased(
    fetcher: &Fetcher,
    lease: &HostLease,
    shutdown: &Shutdown,
    renewal: &Renewal,
) -> Result<Duration, CrawlError> {
    let settings = &fetcher.settings;
    let robots = match fetcher.rules.of(&lease.origin).await? {
        Rules::Known(robots) => robots,
        Rules::Wait => return Ok(settings.retry_after),
        Rules::Unreachable(failure) => {
            let struck = fetcher.frontier.host_failed(lease, &failure).await?;
            tracing::info!(
                host = lease.origin,
                reason = failure.reason(),
                urls = struck,
                "host cannot be reached"
            );
            return Ok(settings.host_delay);
        }
    };
    let asked = robots.crawl_delay(&settings.agent).unwrap_or_default();
    let mut turn = Turn {
        fetcher: fetcher.clone(),
        lease: lease.clone(),
        robots,
        pace: Pace::new(settings.host_delay.max(asked.min(settings.max_crawl_delay))),
        waiting: VecDeque::new(),
        in_flight: HashMap::new(),
        fetches: JoinSet::new(),
    };
    turn.run(shutdown, renewal).await
}

struct Turn {
    fetcher: Fetcher,
    lease: HostLease,
    robots: Arc<Robots>,
    pace: Pace,
    waiting: VecDeque<DueUrl>,
    in_flight: HashMap<Id, DueUrl>,
    fetches: JoinSet<Result<HostSays, CrawlError>>,
}

impl Turn {
    async fn run(
        &mut self,
        shutdown: &Shutdown,
        renewal: &Renewal,
    ) -> Result<Duration, CrawlError> {
        let started = Instant::now();
        let concurrency = self.fetcher.settings.host_concurrency;
        loop {
            let over = started.elapsed() > TURN || renewal.paused.is_cancelled();
            if shutdown.is_requested() || over || !self.fetcher.gate.is_open() {
                return self.finish(shutdown).await.map(|()| self.pace.delay());
            }
            if renewal.lost.is_cancelled() {
                return Err(CrawlError::LeaseLost);
            }
            if self.waiting.is_empty() && self.in_flight.len() < concurrency {
                self.refill().await?;
            }
            if self.waiting.is_empty() && self.fetches.is_empty() {
                return Ok(self.pace.delay());
            }
            let free = self.fetches.len() < concurrency && !self.waiting.is_empty();
            let said = tokio::select! {
                () = self.pace.wait(), if free => {
                    if self.fetcher.gate.is_open() {
                        self.begin();
                    }
                    continue;
                }
                Some(fetched) = self.fetches.join_next_with_id(), if !self.fetches.is_empty() => {
                    self.ended(fetched).await?
                }
                () = shutdown.requested() => continue,
                () = renewal.paused.cancelled() => continue,
                () = self.fetcher.gate.shut() => continue,
            };
            if let HostSays::Rest(rest) = said {
                tracing::info!(
                    host = self.lease.origin,
                    rest_s = rest.as_secs(),
                    "host asks for rest"
                );
                return self
                    .finish(shutdown)
                    .await
                    .map(|()| rest.max(self.pace.delay()));
            }
        }
    }

    async fn refill(&mut self) -> Result<(), CrawlError> {
        let limit = self.fetcher.settings.lease_urls;
        let busy: Vec<(Kind, i64)> = self
            .in_flight
            .values()
            .map(|url| (url.kind, url.id))
            .collect();
        let due = self
            .fetcher
            .frontier
            .due_urls(&self.lease, limit, &busy)
            .await?;
        self.waiting.extend(due);
        Ok(())
    }

    fn begin(&mut self) {
        let Some(url) = self.waiting.pop_front() else {
            return;
        };
        let (fetcher, lease, robots) = (
            self.fetcher.clone(),
            self.lease.clone(),
            Arc::clone(&self.robots),
        );
        let fetched = url.clone();
        let task = self
            .fetches
            .spawn(async move { fetcher.fetch(&lease, &robots, &fetched).await });
        self.in_flight.insert(task.id(), url);
    }

    async fn ended(&mut self, fetched: Fetched) -> Result<HostSays, CrawlError> {
        match fetched {
            Ok((task, said)) => {
                self.in_flight.remove(&task);
                said
            }
            Err(broken) => {
                if let Some(url) = self.in_flight.remove(&broken.id()) {
                    // Or the URL would be due for ever, and break every turn of its host.
                    tracing::error!(url = %url.address, %broken, "a fetch panicked");
                    let failure = Failure::again("panicked");
                    let frontier = &self.fetcher.frontier;
                    frontier.url_failed(&self.lease, &url, &failure).await?;
                    metrics::outcome(url.kind, failure.reason());
                }
                Ok(HostSays::GoOn)
            }
        }
    }

    /// Lets fetches under way end; only for a while once the end is asked for. Each is bounded by
    /// itself, and one that was cut off would be fetched from its beginning again.
    async fn finish(&mut self, shutdown: &Shutdown) -> Result<(), CrawlError> {
        let drained = async {
            shutdown.requested().await;
            tokio::time::sleep(DRAIN).await;
        };
        tokio::pin!(drained);
        loop {
            let fetched = tokio::select! {
                fetched = self.fetches.join_next_with_id() => fetched,
                () = &mut drained => None,
            };
            let Some(fetched) = fetched else {
                break;
            };
            self.ended(fetched).await?;
        }
        self.fetches.abort_all();
        Ok(())
    }
}

/// Renews a lease until it is dropped; says when it was lost, or the host paused.
struct Renewal {
    lost: CancellationToken,
    paused: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Renewal {
    fn start(fetcher: Fetcher, lease: HostLease) -> Self {
        let (lost, paused) = (CancellationToken::new(), CancellationToken::new());
        let told = (lost.clone(), paused.clone());
        let task = tokio::spawn(async move {
            let period = fetcher.settings.lease / 3;
            let mut renewed = Instant::now();
            loop {
                tokio::time::sleep(LOOK.min(period)).await;
                // An error may pass before the lease runs out; the token fences results anyway.
                match fetcher.frontier.standing(&lease).await {
                    Ok(Standing::Lost) => return told.0.cancel(),
                    Ok(Standing::Paused) => told.1.cancel(),
                    Ok(Standing::Held) | Err(_) => {}
                }
                if renewed.elapsed() >= period {
                    renewed = Instant::now();
                    if let Ok(false) = fetcher.frontier.renew(&lease).await {
                        return told.0.cancel();
                    }
                }
            }
        });
        Self { lost, paused, task }
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.task.abort();
    }
}
