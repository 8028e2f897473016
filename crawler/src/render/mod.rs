//! Pages that need JavaScript: rendered by a local Chromium through spider's `chrome` support.
//!
//! The browser is started with the first such page, replaced after many, and ended where it dies or
//! holds too much memory; pages wait for one of its tabs. Everything that it asks for goes through
//! [`proxy`], by the crawler's rules and pace. What is taken of a page is its markup when it has
//! been loaded and scrolled through, and the addresses of the pictures that it wanted.

mod browser;
mod kept;
mod need;
mod processes;
mod proxy;
mod tab;
mod trace;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tusou_ingest::{Address, Rendering};
use tusou_platform::backoff::Backoff;
use tusou_platform::config::Render;
use tusou_platform::door::Answer;
use tusou_platform::ops::Health;
use tusou_platform::telemetry::chain;

use self::browser::{Running, Terms};
use self::kept::Kept;
use self::proxy::{Certificate, Proxy, Visit, VisitLimits};
use self::tab::NotTaken;
use self::trace::{Summary, Trace};
use crate::config::Settings;
use crate::error::CrawlError;
use crate::extract::Extracted;
use crate::fetch::Fetcher;
use crate::frontier::{DueUrl, HostLease};
use crate::host_files::HostRules;
use crate::metrics;

/// Pages that wait for each tab, at most: they hold what was fetched of them, and their hosts.
const LINE: usize = 4;
/// Origins remembered, at most.
const NEEDY: usize = 10_000;
/// The longest that a page waits for a tab.
const PATIENCE: Duration = Duration::from_secs(60);
/// When to come again where there is no room, or no browser.
const LATER: Duration = Duration::from_secs(30);
/// Beyond a page's own time, the longest that the browser is waited for with one command.
const SLACK: Duration = Duration::from_secs(30);
/// How long the browser's end is waited for when the process ends.
const END: Duration = Duration::from_secs(10);

/// Why a page is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its seed or its host says so.
    Told,
    /// It shows nothing otherwise.
    Empty,
}

/// A page as a browser shows it.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// Its markup, as an answer for the document's address.
    pub(crate) answer: Answer,
    /// The document's address, which scripts may have changed within its origin.
    pub(crate) address: Address,
    /// Pictures that it wanted beside those that its elements show.
    pub(crate) pictures: Vec<Address>,
    /// Where its scripts tried to go.
    pub(crate) led: Vec<Address>,
    /// Something of its own site could not be had for now: it may be less than it should be.
    pub(crate) own_missing: bool,
    /// Something of another site.
    pub(crate) other_missing: bool,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotRendered {
    /// No browser is configured.
    Off,
    /// No tab is free, or the browser does not start: not the page's doing.
    Later(Duration),
    /// The page ended its browser, or its own process.
    Crashed,
    /// The page let nothing be done in its time.
    TimedOut,
}

/// Renders pages. Cheap to clone; all clones share one browser.
#[derive(Debug, Clone)]
pub(crate) struct Renderer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Render,
    /// None where no browser is configured.
    tools: Option<Tools>,
    health: Health,
    /// Places in line, those in a tab included.
    line: Semaphore,
    tabs: Semaphore,
    kept: Kept,
    /// Origins of pages that showed nothing otherwise.
    needy: Mutex<HashSet<String>>,
    /// Held while it is started.
    browser: tokio::sync::Mutex<Slot>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Tools {
    terms: Terms,
    certificate: Certificate,
}

#[derive(Debug)]
struct Slot {
    running: Option<Arc<Running>>,
    pages: u32,
    backoff: Backoff,
    /// Not started again before that.
    not_before: Instant,
}

/// What of the outcome of one try leads to another.
enum Tried {
    Rendered(Box<Rendered>),
    Not(NotRendered),
    /// The browser ended while other pages were open too: nobody knows whose doing it was.
    DiedWithOthers,
}

/// The page to render.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) lease: &'a HostLease,
    pub(crate) rules: &'a Arc<HostRules>,
    pub(crate) page: &'a Address,
    /// What the crawler was answered for it.
    pub(crate) answer: &'a Answer,
}

impl Renderer {
    /// # Errors
    /// [`CrawlError::Config`] where the configured browser is no program.
    pub(crate) fn new(settings: &Settings, health: Health) -> Result<Self, CrawlError> {
        let config = settings.render.clone();
        let program = config.chromium.clone();
        let tools = if program.as_os_str().is_empty() {
            None
        } else if browser::is_program(&program) {
            let certificate =
                Certificate::new().map_err(|cause| CrawlError::Config(chain(&cause)))?;
            let terms = Terms {
                program,
                user_agent: settings.user_agent.clone(),
                fingerprint: certificate.fingerprint.clone(),
                max_memory: config.max_memory_bytes,
                patience: Duration::from_millis(config.timeout_ms) + SLACK,
            };
            Some(Tools { terms, certificate })
        } else {
            return Err(CrawlError::Config(format!(
                "`render.chromium` = {program:?} is no program; give the path of Chromium's, or leave it empty to render nothing"
            )));
        };
        Ok(Self(Arc::new(Inner {
            tools,
            health,
            line: Semaphore::new(config.tabs * (LINE + 1)),
            tabs: Semaphore::new(config.tabs),
            kept: Kept::default(),
            needy: Mutex::default(),
            browser: tokio::sync::Mutex::new(Slot {
                running: None,
                pages: 0,
                backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(60)),
                not_before: Instant::now(),
            }),
            keepers: Mutex::default(),
            config,
        })))
    }

    /// Whether a URL is rendered whatever it shows.
    pub(crate) fn is_told(&self, url: &DueUrl) -> bool {
        match url.render {
            Rendering::Never => false,
            Rendering::Always => true,
            Rendering::Auto => {
                let host = url.address.url().host_str().unwrap_or_default();
                need::is_named(host, &self.0.config.hosts)
            }
        }
    }

    /// Whether a page is to be rendered, and why.
    pub(crate) fn wants(&self, url: &DueUrl, page: &Extracted, markup: &[u8]) -> Option<Why> {
        if self.is_told(url) {
            return Some(Why::Told);
        }
        let may = self.0.config.auto && url.render == Rendering::Auto;
        if !may || !need::shows_nothing(page, markup) {
            return None;
        }
        let mut needy = self.0.needy();
        if needy.len() >= NEEDY {
            needy.clear();
        }
        needy.insert(url.address.origin().to_owned());
        Some(Why::Empty)
    }

    /// Whether a page is not worth a fetch now, since it would have to be rendered, as far as can be
    /// known before, and too many wait for that.
    pub(crate) fn is_full_for(&self, url: &DueUrl) -> bool {
        let is_full = self.0.tools.is_some() && self.0.line.available_permits() == 0;
        let is_needy = || self.0.needy().contains(url.address.origin());
        is_full && (self.is_told(url) || (url.render == Rendering::Auto && is_needy()))
    }

    /// Renders a page, once there is a tab.
    pub(crate) async fn render(&self, job: Job<'_>) -> Result<Rendered, NotRendered> {
        let inner = &*self.0;
        let Some(tools) = &inner.tools else {
            return Err(NotRendered::Off);
        };
        let Ok(_place) = inner.line.try_acquire() else {
            return Err(NotRendered::Later(LATER));
        };
        let tab = inner.tabs(1).await?;
        let began = Instant::now();
        let mut tried = self.try_once(tools, job).await;
        drop(tab);
        if matches!(tried, Tried::DiedWithOthers) {
            // Alone it shows whether it was its doing.
            let _tabs = inner.tabs(inner.config.tabs).await?;
            tried = self.try_once(tools, job).await;
        }
        let (outcome, word) = match tried {
            Tried::Rendered(rendered) => (Ok(*rendered), "rendered"),
            Tried::Not(NotRendered::TimedOut) => (Err(NotRendered::TimedOut), "timeout"),
            Tried::Not(NotRendered::Later(after)) => (Err(NotRendered::Later(after)), "put_off"),
            Tried::Not(_) | Tried::DiedWithOthers => (Err(NotRendered::Crashed), "crashed"),
        };
        metrics::rendered(word, began.elapsed());
        outcome
    }

    async fn try_once(&self, tools: &Tools, job: Job<'_>) -> Tried {
        let inner = &*self.0;
        let running = match self.running(tools).await {
            Ok(running) => running,
            Err(wait) => return Tried::Not(NotRendered::Later(wait)),
        };
        let visit = Arc::new(Visit {
            fetcher: job.fetcher.clone(),
            lease: job.lease.clone(),
            rules: Arc::clone(job.rules),
            page: job.page.clone(),
            document: Mutex::new(Some(job.answer.clone())),
            limits: VisitLimits {
                requests: inner.config.max_requests,
                traffic: inner.config.max_traffic_bytes,
            },
            kept: inner.kept.clone(),
            trace: Trace::new(),
            until: Instant::now() + Duration::from_millis(inner.config.timeout_ms),
        });
        let certificate = tools.certificate.clone();
        let proxy = match Proxy::start(Arc::clone(&visit), certificate, running.group).await {
            Ok(proxy) => proxy,
            Err(cause) => {
                tracing::warn!(%cause, "a page's proxy cannot listen");
                return Tried::Not(NotRendered::Later(LATER));
            }
        };
        let taken = tab::take(&running, &visit, proxy.address).await;
        drop(proxy);
        match taken {
            Ok(taken) => {
                inner.browser.lock().await.backoff.reset();
                let address = Address::parse(&taken.url).ok();
                let address = address.filter(|address| address.origin() == job.page.origin());
                let address = address.unwrap_or_else(|| job.page.clone());
                let rendered = rendered(taken.markup, address, visit.trace.summary());
                let shown = taken
                    .shown
                    .iter()
                    .filter_map(|url| Address::parse(url).ok());
                let shown: HashSet<Address> = shown.collect();
                Tried::Rendered(Box::new(Rendered {
                    // What the markup's elements show is told by them, and in which of its sizes it is taken.
                    pictures: rendered
                        .pictures
                        .into_iter()
                        .filter(|picture| !shown.contains(picture))
                        .collect(),
                    ..rendered
                }))
            }
            Err(NotTaken::TimedOut) => Tried::Not(NotRendered::TimedOut),
            Err(NotTaken::Broke(cause)) => {
                tracing::debug!(page = %job.page, %cause, "a page broke in its browser");
                Tried::Not(NotRendered::Crashed)
            }
            Err(NotTaken::Died) => {
                let alone = running.life.died_with_one();
                tracing::info!(page = %job.page, alone, "the browser ended while it rendered");
                if alone {
                    Tried::Not(NotRendered::Crashed)
                } else {
                    Tried::DiedWithOthers
                }
            }
        }
    }

    /// The browser, started where there is none; else how long to leave it alone.
    async fn running(&self, tools: &Tools) -> Result<Arc<Running>, Duration> {
        let inner = &*self.0;
        let mut slot = inner.browser.lock().await;
        if let Some(running) = &slot.running {
            let is_well = !running.life.died.is_cancelled();
            if is_well && slot.pages < inner.config.pages_per_browser {
                let running = Arc::clone(running);
                slot.pages += 1;
                return Ok(running);
            }
            if !is_well {
                slot.not_before = Instant::now() + slot.backoff.next_wait();
            }
            // Pages that are still open in it keep it until they end.
            slot.running = None;
        }
        // A browser that died is waited for here: the page has its tab.
        let wait = slot.not_before.saturating_duration_since(Instant::now());
        tokio::time::sleep(wait.min(PATIENCE)).await;
        match Running::start(&tools.terms).await {
            Ok((running, keeper)) => {
                let running = Arc::new(running);
                slot.running = Some(Arc::clone(&running));
                slot.pages = 1;
                let mut keepers = inner.keepers.lock().expect("no holder of this lock panics");
                keepers.retain(|keeper| !keeper.is_finished());
                keepers.push(keeper);
                inner.health.set("chromium", Ok(()));
                Ok(running)
            }
            Err(cause) => {
                let reason = chain(&cause);
                tracing::warn!(reason, "no browser: pages that need one wait");
                inner.health.set("chromium", Err(reason));
                slot.not_before = Instant::now() + slot.backoff.next_wait();
                Err(LATER)
            }
        }
    }

    /// Ends the browser, and waits for that.
    pub(crate) async fn close(&self) {
        self.0.browser.lock().await.running = None;
        let keepers = {
            let mut keepers = self
                .0
                .keepers
                .lock()
                .expect("no holder of this lock panics");
            std::mem::take(&mut *keepers)
        };
        let _ = timeout(END, futures::future::join_all(keepers)).await;
    }
}

impl Inner {
    fn needy(&self) -> MutexGuard<'_, HashSet<String>> {
        self.needy.lock().expect("no holder of this lock panics")
    }

    async fn tabs(&self, tabs: usize) -> Result<SemaphorePermit<'_>, NotRendered> {
        let tabs = u32::try_from(tabs).unwrap_or(u32::MAX);
        let Ok(permit) = timeout(PATIENCE, self.tabs.acquire_many(tabs)).await else {
            return Err(NotRendered::Later(LATER));
        };
        Ok(permit.expect("the semaphore is never closed"))
    }
}

fn rendered(markup: String, address: Address, summary: Summary) -> Rendered {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    Rendered {
        answer: Answer {
            status: 200,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: Bytes::from(markup),
        },
        address,
        pictures: summary.pictures,
        led: summary.led,
        own_missing: summary.own_missing,
        other_missing: summary.other_missing,
    }
}
