//! One URL: fetched, read or verified, and its outcome written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tusou_ingest::{Address, PagePicture, PageRecord, verify};
use tusou_platform::blobs::BlobStore;
use tusou_platform::door::{Answer, Door, FetchError, Limits};
use tusou_platform::ops::Health;

use crate::config::Settings;
use crate::error::CrawlError;
use crate::extract::{self, Extracted};
use crate::frontier::{DueUrl, Failure, Frontier, HostLease, Kind};
use crate::gate::{self, Gate};
use crate::metrics;
use crate::robots::Robots;
use crate::rules::{RuleBook, Rules};

/// Bodies in memory at once, in MiB: what a crawler process may hold whatever servers send.
const BODIES_MIB: u32 = 384;

/// Fetches URLs of leased hosts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    pub(crate) settings: Arc<Settings>,
    pub(crate) door: Door,
    pub(crate) blobs: BlobStore,
    pub(crate) frontier: Frontier,
    pub(crate) rules: Arc<RuleBook>,
    pub(crate) gate: Gate,
    health: Health,
    bodies: Arc<Semaphore>,
    /// Parsing is bound by the processor and holds a tree many times the page: one a core.
    parsers: Arc<Semaphore>,
}

/// What a fetch says of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostSays {
    /// Go on.
    GoOn,
    /// It is too busy (429 or 503): leave it alone for this long.
    Rest(Duration),
}

impl Fetcher {
    pub(crate) fn new(
        settings: Arc<Settings>,
        door: Door,
        blobs: BlobStore,
        frontier: Frontier,
        rules: Arc<RuleBook>,
        gate: Gate,
        health: Health,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            settings,
            door,
            blobs,
            frontier,
            rules,
            gate,
            health,
            bodies: Arc::new(Semaphore::new(BODIES_MIB as usize)),
            parsers: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Fetches a URL and writes its outcome.
    pub(crate) async fn fetch(
        &self,
        lease: &HostLease,
        robots: &Robots,
        url: &DueUrl,
    ) -> Result<HostSays, CrawlError> {
        let limits = match url.kind {
            Kind::Page => &self.settings.page,
            Kind::Image => &self.settings.image,
        };
        let mib = u32::try_from(limits.max_bytes.div_ceil(1 << 20)).unwrap_or(BODIES_MIB);
        let _room = self
            .bodies
            .acquire_many(mib.clamp(1, BODIES_MIB))
            .await
            .expect("the semaphore is never closed");
        if !self.gate.is_open() {
            // It waited for room, and the gate was shut meanwhile: the URL stays due.
            return Ok(HostSays::GoOn);
        }
        let outcome = match self.answer(lease, robots, url, limits).await? {
            Err(failure) => Err(failure),
            Ok(answer) => match url.kind {
                Kind::Page => self.page(lease, url, answer).await?,
                Kind::Image => self.image(lease, url, answer).await?,
            },
        };
        match outcome {
            Ok(word) => {
                metrics::outcome(url.kind, word);
                Ok(HostSays::GoOn)
            }
            Err(failure) => self.failed(lease, url, &failure).await,
        }
    }

    async fn failed(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        failure: &Failure,
    ) -> Result<HostSays, CrawlError> {
        let again = self.frontier.url_failed(lease, url, failure).await?;
        let word = failure.reason();
        metrics::outcome(url.kind, word);
        tracing::debug!(url = %url.address, reason = word, again, "brought nothing");
        Ok(match failure {
            Failure::Retry {
                status: Some(429 | 503),
                after,
                ..
            } => HostSays::Rest(after.unwrap_or(self.settings.retry_after)),
            _ => HostSays::GoOn,
        })
    }

    /// The answer to use: robots.txt obeyed, a picture's redirects followed, errors told apart.
    async fn answer(
        &self,
        lease: &HostLease,
        robots: &Robots,
        url: &DueUrl,
        limits: &Limits,
    ) -> Result<Result<Answer, Failure>, CrawlError> {
        if !robots.allows(&self.settings.agent, &url.address) {
            return Ok(Err(Failure::skipped("robots")));
        }
        let mut address = url.address.clone();
        let mut passed = Vec::new();
        loop {
            let started = Instant::now();
            let answer = match self
                .door
                .get(address.url(), headers(url.kind), limits)
                .await
            {
                Ok(answer) => answer,
                Err(cause) => return Ok(Err(Failure::from(&cause))),
            };
            metrics::fetched(url.kind, started.elapsed(), answer.body.len());
            if !(300..400).contains(&answer.status) || url.kind == Kind::Page {
                return Ok(judge(answer));
            }
            let target = match target(&answer, &address) {
                Ok(target) => target,
                Err(failure) => return Ok(Err(failure)),
            };
            passed.push(address);
            if passed.contains(&target) {
                return Ok(Err(Failure::end("redirect_loop", answer.status)));
            }
            if passed.len() > self.settings.max_redirects as usize {
                return Ok(Err(Failure::end("too_many_redirects", answer.status)));
            }
            if let Some(failure) = self.may_follow(lease, robots, &target).await? {
                return Ok(Err(failure));
            }
            address = target;
        }
    }

    async fn may_follow(
        &self,
        lease: &HostLease,
        robots: &Robots,
        target: &Address,
    ) -> Result<Option<Failure>, CrawlError> {
        let agent = &self.settings.agent;
        if target.origin() == lease.origin {
            return Ok((!robots.allows(agent, target)).then(|| Failure::skipped("robots")));
        }
        Ok(match self.rules.of(target.origin()).await? {
            Rules::Known(robots) if robots.allows(agent, target) => None,
            Rules::Known(_) => Some(Failure::skipped("robots")),
            Rules::Unreachable(failure) => Some(failure),
            Rules::Wait => Some(Failure::again("robots_unavailable")),
        })
    }

    async fn page(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        answer: Answer,
    ) -> Result<Result<&'static str, Failure>, CrawlError> {
        if (300..400).contains(&answer.status) {
            let target = match target(&answer, &url.address) {
                Ok(target) => target,
                Err(failure) => return Ok(Err(failure)),
            };
            return Ok(Ok(self
                .frontier
                .page_moved(lease, url, answer.status, &target)
                .await?));
        }
        if !is_html(&answer) {
            return Ok(Err(Failure::not_used("not_html", answer.status)));
        }
        let status = answer.status;
        let extracted = self.parse(url.address.clone(), answer).await;
        let Some(extracted) = extracted else {
            // Ours to mend: what was known of the page stays.
            return Ok(Err(Failure::Final {
                reason: "parser_failed".to_owned(),
                status: None,
            }));
        };
        let seeds = self.frontier.seeds_of(url.id).await?;
        let mut links = Vec::new();
        if !extracted.directives.nofollow {
            for link in &extracted.links {
                links.extend(seeds.iter().filter_map(|seed| seed.follow(link)));
            }
        }
        let shown = !extracted.directives.noindex && !extracted.directives.noimageindex;
        let record = PageRecord {
            page_id: url.id,
            due_at: url.due_at,
            host_id: lease.host_id,
            status,
            title: extracted.title,
            unparsable: extracted.unparsable_links,
            links,
            pictures: if shown {
                extracted.pictures.into_iter().map(page_picture).collect()
            } else {
                Vec::new()
            },
        };
        let summary = self.frontier.page_done(lease, &record).await?;
        tracing::debug!(
            url = %url.address,
            pages = summary.pages,
            image_urls = summary.image_urls,
            "page"
        );
        Ok(Ok("done"))
    }

    /// Parses on a thread of its own; `None` where the parser panicked.
    async fn parse(&self, page: Address, answer: Answer) -> Option<Extracted> {
        let _turn = self
            .parsers
            .acquire()
            .await
            .expect("the semaphore is never closed");
        spawn_blocking(move || {
            let kind = answer.content_type();
            extract::extract(&answer.body, kind, &page, &extract::Limits::default())
        })
        .await
        .ok()
    }

    async fn image(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        answer: Answer,
    ) -> Result<Result<&'static str, Failure>, CrawlError> {
        let Answer { status, body, .. } = answer;
        let max_pixels = self.settings.max_image_pixels;
        let verified = spawn_blocking(move || verify::verify(body, max_pixels)).await;
        let image = match verified {
            Ok(Ok(image)) => image,
            Ok(Err(reject)) => return Ok(Err(Failure::end(reject.reason(), status))),
            Err(_) => return Ok(Err(Failure::again("panicked"))),
        };
        let key = image.blob_key();
        self.blobs
            .put(&key, image.bytes.clone())
            .await
            .inspect_err(|cause| gate::blobs_fail(&self.gate, &self.health, cause))?;
        let stored = self
            .frontier
            .image_done(lease, url, status, &image, &self.blobs)
            .await
            .inspect_err(|cause| {
                if let CrawlError::Blob(cause) = cause {
                    gate::blobs_fail(&self.gate, &self.health, cause);
                }
            })?;
        if stored.new {
            metrics::stored();
            tracing::debug!(url = %url.address, image = %stored.id, "new image");
        }
        Ok(Ok("done"))
    }
}

fn page_picture(picture: extract::Picture) -> PagePicture {
    PagePicture {
        address: picture.address,
        alt: picture.alt.unwrap_or_default(),
        title: picture.title.unwrap_or_default(),
        caption: picture.caption.unwrap_or_default(),
    }
}

fn headers(kind: Kind) -> HeaderMap {
    let accept = match kind {
        Kind::Page => "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1",
        Kind::Image => "image/webp,image/png,image/jpeg,image/gif,image/bmp,*/*;q=0.1",
    };
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
}

/// A redirect's target, if it is one that can be asked.
fn target(answer: &Answer, base: &Address) -> Result<Address, Failure> {
    let target = answer
        .redirect(base.url())
        .and_then(|target| Address::parse(target.as_str()).ok())
        .ok_or(Failure::end("bad_redirect", answer.status))?;
    if target == *base {
        return Err(Failure::end("redirect_loop", answer.status));
    }
    Ok(target)
}

/// Tells a status that brings something from one that does not.
fn judge(answer: Answer) -> Result<Answer, Failure> {
    let status = answer.status;
    match status {
        200..=299 if answer.body.is_empty() => Err(Failure::end("empty_body", status)),
        200..=399 => Ok(answer),
        408 | 425 | 429 | 500.. => Err(Failure::Retry {
            reason: if status == 429 {
                "http_429"
            } else {
                "http_5xx"
            },
            status: Some(status),
            after: answer.retry_after(),
        }),
        _ => Err(Failure::Final {
            reason: format!("http_{status}"),
            status: Some(status),
        }),
    }
}

/// A page says so by its type, or, without one, by its first bytes.
fn is_html(answer: &Answer) -> bool {
    match answer.content_type() {
        Some(kind) => {
            let kind = kind
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            kind == "text/html" || kind == "application/xhtml+xml"
        }
        None => {
            let head = &answer.body[..answer.body.len().min(512)];
            let text = String::from_utf8_lossy(head).to_ascii_lowercase();
            let text = text.trim_start();
            text.starts_with("<!doctype html") || text.contains("<html") || text.contains("<head")
        }
    }
}

impl Failure {
    fn end(reason: &str, status: u16) -> Self {
        Self::Final {
            reason: reason.to_owned(),
            status: Some(status),
        }
    }

    fn skipped(reason: &'static str) -> Self {
        Self::Skipped {
            reason,
            status: None,
        }
    }

    fn not_used(reason: &'static str, status: u16) -> Self {
        Self::Skipped {
            reason,
            status: Some(status),
        }
    }

    pub(crate) fn again(reason: &'static str) -> Self {
        Self::Retry {
            reason,
            status: None,
            after: None,
        }
    }

    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Retry { reason, .. } | Self::Skipped { reason, .. } => reason,
            Self::Final { reason, .. } => reason,
        }
    }
}

impl From<&FetchError> for Failure {
    fn from(cause: &FetchError) -> Self {
        let reason = cause.reason();
        match cause {
            FetchError::AddressRefused(_) => Self::skipped(reason),
            _ if cause.is_transient() => Self::again(reason),
            _ => Self::Final {
                reason: reason.to_owned(),
                status: None,
            },
        }
    }
}
