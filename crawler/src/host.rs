//! One leased host: its due URLs fetched at its pace, until none is left or its turn is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tusou_platform::Shutdown;

use crate::error::CrawlError;
use crate::fetch::{Fetcher, HostSays};
use crate::frontier::{DueUrl, HostLease, Kind};
use crate::pace::Pace;
use crate::robots::Robots;
use crate::rules::Rules;

/// How long a host is crawled before others get its place.
const TURN: Duration = Duration::from_secs(30);
/// How long fetches under way may go on once the end is asked for.
const DRAIN: Duration = Duration::from_secs(10);

type Fetched = (Kind, i64, Result<HostSays, CrawlError>);

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
    let turn = crawl_leased(fetcher, &lease, shutdown, &renewal.lost).await;
    drop(renewal);
    let rest = match &turn {
        Ok(rest) => *rest,
        // Whatever failed is likely to fail again at once.
        Err(_) => fetcher.settings.host_delay.max(Duration::from_secs(5)),
    };
    fetcher.frontier.release(&lease, rest).await?;
    turn.map(|_| ())
}

/// Returns how long the host is to be left alone.
async fn crawl_leased(
    fetcher: &Fetcher,
    lease: &HostLease,
    shutdown: &Shutdown,
    lost: &CancellationToken,
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
        in_flight: Vec::new(),
        fetches: JoinSet::new(),
    };
    turn.run(shutdown, lost).await
}

struct Turn {
    fetcher: Fetcher,
    lease: HostLease,
    robots: Arc<Robots>,
    pace: Pace,
    waiting: VecDeque<DueUrl>,
    in_flight: Vec<(Kind, i64)>,
    fetches: JoinSet<Fetched>,
}

impl Turn {
    async fn run(
        &mut self,
        shutdown: &Shutdown,
        lost: &CancellationToken,
    ) -> Result<Duration, CrawlError> {
        let started = Instant::now();
        let concurrency = self.fetcher.settings.host_concurrency;
        loop {
            if shutdown.is_requested() || started.elapsed() > TURN {
                return self.finish().await.map(|()| self.pace.delay());
            }
            if lost.is_cancelled() {
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
                    self.begin();
                    continue;
                }
                Some(fetched) = self.fetches.join_next(), if !self.fetches.is_empty() => {
                    self.ended(fetched)?
                }
                () = shutdown.requested() => continue,
            };
            if let HostSays::Rest(rest) = said {
                tracing::info!(
                    host = self.lease.origin,
                    rest_s = rest.as_secs(),
                    "host asks for rest"
                );
                return self.finish().await.map(|()| rest.max(self.pace.delay()));
            }
        }
    }

    async fn refill(&mut self) -> Result<(), CrawlError> {
        let limit = self.fetcher.settings.lease_urls;
        let due = self
            .fetcher
            .frontier
            .due_urls(&self.lease, limit, &self.in_flight)
            .await?;
        self.waiting.extend(due);
        Ok(())
    }

    fn begin(&mut self) {
        let Some(url) = self.waiting.pop_front() else {
            return;
        };
        self.in_flight.push((url.kind, url.id));
        let (fetcher, lease, robots) = (
            self.fetcher.clone(),
            self.lease.clone(),
            Arc::clone(&self.robots),
        );
        self.fetches.spawn(async move {
            let said = fetcher.fetch(&lease, &robots, &url).await;
            (url.kind, url.id, said)
        });
    }

    fn ended(
        &mut self,
        fetched: Result<Fetched, tokio::task::JoinError>,
    ) -> Result<HostSays, CrawlError> {
        let (kind, id, said) = fetched.expect("a fetch neither panics nor is aborted while joined");
        self.in_flight.retain(|url| *url != (kind, id));
        said
    }

    /// Lets fetches under way end, for a while.
    async fn finish(&mut self) -> Result<(), CrawlError> {
        let until = tokio::time::Instant::now() + DRAIN;
        while let Ok(Some(fetched)) = tokio::time::timeout_at(until, self.fetches.join_next()).await
        {
            self.ended(fetched)?;
        }
        self.fetches.abort_all();
        Ok(())
    }
}

/// Renews a lease until it is dropped; says when it was lost.
struct Renewal {
    lost: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Renewal {
    fn start(fetcher: Fetcher, lease: HostLease) -> Self {
        let lost = CancellationToken::new();
        let told = lost.clone();
        let task = tokio::spawn(async move {
            let period = fetcher.settings.lease / 3;
            loop {
                tokio::time::sleep(period).await;
                // An error may pass before the lease runs out; the token fences results anyway.
                if let Ok(false) = fetcher.frontier.renew(&lease).await {
                    told.cancel();
                    return;
                }
            }
        });
        Self { lost, task }
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.task.abort();
    }
}
