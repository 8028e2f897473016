//! A host's turn: its due URLs are asked for as its pace and places allow, and written as they come.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _, OptionFuture};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tusou_platform::Shutdown;

use super::renewal::{Renewal, Says};
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::fetch::{Admission, Fetcher, HostSays, NO_CONTACT};
use crate::frontier::{DueUrl, Kind, Outcome};
use crate::host_files::{HostRules, Rules};
use crate::metrics;
use crate::slots::{HostSlot, SlotRefused, State};

/// How long a host is crawled before others get its place, where none waits for one.
const TURN: Duration = Duration::from_secs(30);
/// How long where others wait: one huge host does not starve a thousand small ones.
const SHORT_TURN: Duration = Duration::from_secs(5);
/// A host that may not be asked for longer than this needs no place meanwhile.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// How long fetches under way may go on once the end is asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// Fetches of a turn, those included whose outcome waits to be written.
const TASKS: usize = 256;

type Fetched = Result<(Id, Result<HostSays, CrawlError>), JoinError>;
type Filled = Result<Vec<DueUrl>, CrawlError>;

pub(super) struct Turn {
    fetcher: Fetcher,
    host: Arc<HostSlot>,
    waiting: VecDeque<DueUrl>,
    /// The next URL, which waits for the host's leave.
    admitting: Option<(DueUrl, BoxFuture<'static, Result<Admission, SlotRefused>>)>,
    fetches: JoinSet<Result<HostSays, CrawlError>>,
    in_flight: HashMap<Id, DueUrl>,
    /// URLs that the host was not reached for: theirs is the failure only if it answers others.
    held: Vec<(DueUrl, Failure)>,
    filling: Option<BoxFuture<'static, Filled>>,
    /// Whether the frontier had more due URLs than it was asked for.
    more: bool,
    /// Whether something was written since it was asked.
    stale: bool,
}

impl Turn {
    pub(super) fn new(fetcher: Fetcher, host: Arc<HostSlot>) -> Self {
        Self {
            fetcher,
            host,
            waiting: VecDeque::new(),
            admitting: None,
            fetches: JoinSet::new(),
            in_flight: HashMap::new(),
            held: Vec::new(),
            filling: None,
            more: true,
            stale: false,
        }
    }

    /// Returns how long the host's next turn is to wait at least.
    pub(super) async fn run(
        mut self,
        shutdown: &Shutdown,
        renewal: &Renewal,
    ) -> Result<Duration, CrawlError> {
        let says = &renewal.says;
        let origin = self.host.lease.origin.clone();
        let rules = tokio::select! {
            rules = self.fetcher.rules.of(&origin) => rules?,
            () = shutdown.requested() => return Ok(Duration::ZERO),
            () = says.lost.cancelled() => return Err(CrawlError::LeaseLost),
        };
        match rules {
            Rules::Known(rules) => {
                let delay = self.fetcher.rules.crawl_delay(&rules.robots);
                self.host.ask_delay(delay);
                self.crawl(&rules, shutdown, says).await
            }
            Rules::StillUnreachable => Ok(self.fetcher.settings.retry_after),
            Rules::Wait(after) => Ok(after),
            Rules::NoContact => {
                self.fetcher.lacks_contact(&origin);
                Ok(NO_CONTACT)
            }
            Rules::Unreachable(failure @ Failure::Skipped { .. }) => {
                let lease = &self.host.lease;
                self.fetcher.frontier.host_failed(lease, &failure).await?;
                tracing::info!(
                    host = origin,
                    reason = failure.reason(),
                    "host is not asked"
                );
                Ok(Duration::ZERO)
            }
            Rules::Unreachable(failure) => {
                self.host.bar();
                self.out_of_reach(failure.reason()).await
            }
        }
    }

    async fn crawl(
        &mut self,
        rules: &Arc<HostRules>,
        shutdown: &Shutdown,
        says: &Says,
    ) -> Result<Duration, CrawlError> {
        let began = Instant::now();
        loop {
            let length = if says.wanted.is_cancelled() {
                SHORT_TURN
            } else {
                TURN
            };
            let over = began.elapsed() >= length || says.paused.is_cancelled();
            if says.lost.is_cancelled() {
                return Err(CrawlError::LeaseLost);
            }
            if over || shutdown.is_requested() || !self.fetcher.gate.is_open() {
                return self.finish(shutdown).await.map(|()| Duration::ZERO);
            }
            match self.host.state() {
                State::Well => {}
                State::Rests(rest) => {
                    let (host, rest_s) = (&self.host.lease.origin, rest.as_secs());
                    tracing::info!(host, rest_s, "host asks for rest");
                    return self.finish(shutdown).await.map(|()| Duration::ZERO);
                }
                State::OutOfReach => return self.give_back(shutdown).await,
            }
            self.settle_held();
            self.fill();
            self.admit(rules);
            if self.fetches.is_empty() && self.filling.is_none() {
                if self.admitting.is_none() {
                    return self.end(shutdown).await;
                }
                if self.host.wait() > LONG_WAIT {
                    return Ok(Duration::ZERO);
                }
            }
            let filling = OptionFuture::from(self.filling.as_mut());
            let admitting = OptionFuture::from(self.admitting.as_mut().map(|(_, leave)| leave));
            tokio::select! {
                Some(filled) = filling => {
                    self.filling = None;
                    self.filled(filled?);
                }
                Some(admitted) = admitting => self.admitted(admitted, rules)?,
                Some(fetched) = self.fetches.join_next_with_id() => self.ended(fetched).await?,
                () = tokio::time::sleep_until(began + length) => {}
                () = says.wanted.cancelled(), if !says.wanted.is_cancelled() => {}
                () = says.lost.cancelled() => {}
                () = says.paused.cancelled() => {}
                () = shutdown.requested() => {}
                () = self.fetcher.gate.shut() => {}
            }
        }
    }

    /// Asks for more due URLs before the list runs dry.
    fn fill(&mut self) {
        let limit = self.fetcher.settings.lease_urls;
        let wanted = if self.more {
            self.waiting.len() <= limit as usize / 2
        } else {
            self.stale && self.waiting.is_empty()
        };
        if !wanted || self.filling.is_some() {
            return;
        }
        (self.more, self.stale) = (false, false);
        let known = self.waiting.iter().chain(self.in_flight.values());
        let known = known.chain(self.held.iter().map(|(url, _)| url));
        let known = known.chain(self.admitting.iter().map(|(url, _)| url));
        let busy: Vec<(Kind, i64)> = known.map(|url| (url.kind, url.id)).collect();
        let (fetcher, lease) = (self.fetcher.clone(), self.host.lease.clone());
        let filling = async move {
            // Each time: seeds are added while a host is crawled, and no turn may follow this one.
            fetcher.tell_seeds(&lease).await?;
            fetcher.frontier.due_urls(&lease, limit, &busy).await
        };
        self.filling = Some(filling.boxed());
    }

    fn filled(&mut self, due: Vec<DueUrl>) {
        self.more = due.len() >= self.fetcher.settings.lease_urls as usize;
        self.waiting.extend(due);
    }

    /// Lets the next URL wait for the host's leave; those that its rules forbid need none.
    fn admit(&mut self, rules: &Arc<HostRules>) {
        let agent = self.fetcher.settings.agent.clone();
        while self.admitting.is_none() && self.fetches.len() < TASKS {
            let Some(url) = self.waiting.pop_front() else {
                return;
            };
            if !self.wants(&url) {
                self.write(url, Failure::skipped("pattern"));
            } else if rules.robots.allows(&agent, &url.address) {
                let (host, kind) = (Arc::clone(&self.host), url.kind);
                let leave = self.fetcher.clone().admit(host, kind).boxed();
                self.admitting = Some((url, leave));
            } else {
                self.write(url, Failure::skipped("robots"));
            }
        }
    }

    /// Whether a URL is still asked for: patterns may have changed since it became known.
    fn wants(&self, url: &DueUrl) -> bool {
        let pictures = &self.fetcher.settings.terms.pictures;
        url.kind == Kind::Page || pictures.allow(&url.address)
    }

    fn admitted(
        &mut self,
        admitted: Result<Admission, SlotRefused>,
        rules: &Arc<HostRules>,
    ) -> Result<(), CrawlError> {
        let Some((url, _)) = self.admitting.take() else {
            return Ok(());
        };
        let admission = match admitted {
            Ok(admission) => admission,
            // It rests: the loop sees that, and the URL stays due.
            Err(SlotRefused::Busy(_)) => return Ok(()),
            Err(SlotRefused::Failed(cause)) => return Err(cause),
        };
        if !self.fetcher.gate.is_open() {
            return Ok(());
        }
        let (fetcher, host, rules) = (
            self.fetcher.clone(),
            Arc::clone(&self.host),
            Arc::clone(rules),
        );
        let fetched = url.clone();
        let fetch = async move {
            fetcher
                .fetch(admission, &host.lease, &rules, &fetched)
                .await
        };
        let task = self.fetches.spawn(fetch);
        self.in_flight.insert(task.id(), url);
        Ok(())
    }

    async fn ended(&mut self, fetched: Fetched) -> Result<(), CrawlError> {
        self.stale = true;
        match fetched {
            Ok((task, said)) => {
                let url = self.in_flight.remove(&task);
                if let (HostSays::Unreached(failure), Some(url)) = (said?, url) {
                    self.held.push((url, failure));
                }
            }
            Err(broken) => {
                if let Some(url) = self.in_flight.remove(&broken.id()) {
                    // Or the URL would be due for ever, and break every turn of its host.
                    tracing::error!(url = %url.address, %broken, "a fetch panicked");
                    let outcome = Outcome::Failed(Failure::again("panicked"));
                    let lease = &self.host.lease;
                    self.fetcher.write(lease, &url, outcome).await?;
                }
            }
        }
        Ok(())
    }

    /// The host answers others: what it was not reached for is the URLs' own failure.
    fn settle_held(&mut self) {
        if !self.held.is_empty() && self.host.answers() {
            for (url, failure) in std::mem::take(&mut self.held) {
                self.write(url, failure);
            }
        }
    }

    fn write(&mut self, url: DueUrl, failure: Failure) {
        let (fetcher, host) = (self.fetcher.clone(), Arc::clone(&self.host));
        let written = url.clone();
        let task = self.fetches.spawn(async move {
            let outcome = Outcome::Failed(failure);
            fetcher.write(&host.lease, &written, outcome).await?;
            Ok(HostSays::GoOn)
        });
        self.in_flight.insert(task.id(), url);
    }

    /// Nothing is left to fetch.
    async fn end(&mut self, shutdown: &Shutdown) -> Result<Duration, CrawlError> {
        if self.host.is_silent() {
            return self.give_back(shutdown).await;
        }
        for (url, failure) in std::mem::take(&mut self.held) {
            self.write(url, failure);
        }
        self.finish(shutdown).await.map(|()| Duration::ZERO)
    }

    /// The host cannot be reached: it rests, and its URLs keep their attempts.
    async fn give_back(&mut self, shutdown: &Shutdown) -> Result<Duration, CrawlError> {
        self.finish(shutdown).await?;
        let held = self.held.last();
        let reason = held
            .map_or("timeout", |(_, failure)| failure.reason())
            .to_owned();
        self.out_of_reach(&reason).await
    }

    /// Gives the host's due URLs up where it could not be reached in too many turns in a row. (How
    /// long it rests is seen to where its slot is given back.)
    async fn out_of_reach(&mut self, reason: &str) -> Result<Duration, CrawlError> {
        let failures = self.host.failures();
        let host = &self.host.lease.origin;
        metrics::host_failed(reason);
        if failures < self.fetcher.settings.host_attempts {
            tracing::info!(host, reason, failures, "host cannot be reached");
            return Ok(Duration::ZERO);
        }
        let failure = Failure::Final {
            reason: reason.to_owned(),
            status: None,
        };
        let lease = &self.host.lease;
        let urls = self.fetcher.frontier.host_failed(lease, &failure).await?;
        metrics::given_up(reason, urls);
        tracing::info!(
            host,
            reason,
            failures,
            urls,
            "host cannot be reached: given up"
        );
        self.host.give_up();
        Ok(Duration::ZERO)
    }

    /// Lets fetches under way end; only for a while once the end is asked for. Each is bounded by
    /// itself, and one that was cut off would be fetched from its beginning again.
    async fn finish(&mut self, shutdown: &Shutdown) -> Result<(), CrawlError> {
        // What waits for leave stays due.
        self.admitting = None;
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
