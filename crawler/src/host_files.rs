//! The files that a host keeps for crawlers, robots.txt and tdmrep.json: from memory, from the
//! host's rows, or from the host itself, asked for once for all processes.
//!
//! Who asks holds the host's lease, as for every request, so no two processes do. A copy is used
//! for a day at most while the host answers; while it does not (5xx, 429, no answer at all) the last
//! copy goes on applying (RFC 9309 §2.3.1.4), and without one nothing may be fetched.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use tusou_ingest::Address;
use tusou_platform::door::{Door, FetchError, Limits, Longer};

use crate::config::Settings;
use crate::directives::tdm::Reservations;
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::frontier::{Frontier, HostFile};
use crate::robots::{MAX_BYTES, Robots};
use crate::slots::{HostSlot, SlotRefused, Slots, State};

/// How long this process trusts its own copy before it looks at the rows again.
const KEEP_IN_MEMORY: Duration = Duration::from_secs(60);
/// Copies in memory, at most, and the bytes of the files that they were read from.
const COPIES: usize = 10_000;
const COPIED_BYTES: usize = 64 << 20;
/// So many times the usual wait passes before a file is asked for again that is not needed to go on.
const DISPENSABLE: u32 = 10;
/// RFC 9309 §2.3.1.2: at least five redirects.
const REDIRECTS: usize = 5;

/// What a host's files say.
#[derive(Debug, Default)]
pub(crate) struct HostRules {
    pub(crate) robots: Robots,
    pub(crate) tdm: Reservations,
}

/// What is known of an origin's rules.
#[derive(Debug, Clone)]
pub(crate) enum Rules {
    /// They are these.
    Known(Arc<HostRules>),
    /// They were asked for and cannot be had: nothing may be fetched.
    Unreachable(Failure),
    /// They could not be had a short while ago, and it is too early to ask again.
    StillUnreachable,
    /// They cannot be asked for yet: the host rests, or another process has it.
    Wait(Duration),
    /// They lie beyond loopback, and the configuration does not say who asks.
    NoContact,
}

/// Hosts' files by origin.
#[derive(Debug)]
pub(crate) struct HostFiles {
    door: Door,
    frontier: Frontier,
    slots: Slots,
    limits: Limits,
    agent: String,
    max_crawl_delay: Duration,
    retry_after: Duration,
    obey_tdm: bool,
    copies: Mutex<Copies>,
}

#[derive(Debug, Default)]
struct Copies {
    rules: HashMap<String, (Instant, Arc<HostRules>)>,
    bytes: usize,
}

/// A file as it applies now.
enum File {
    /// This was its last answer, redirects followed.
    Copy(u16, Bytes),
    /// There is no copy, and it cannot be had: why, where it was asked for just now.
    None(Option<Failure>),
    /// As [`Rules::Wait`].
    Wait(Duration),
    /// As [`Rules::NoContact`].
    NoContact,
}

/// What came of asking.
enum Asked {
    Answer(u16, Bytes),
    Failed(Failure),
    Wait(Duration),
    NoContact,
}

impl HostFiles {
    pub(crate) fn new(door: Door, frontier: Frontier, slots: Slots, settings: &Settings) -> Self {
        Self {
            door,
            frontier,
            slots,
            limits: Limits {
                // One byte more tells a file that was cut from one that ends there.
                max_bytes: MAX_BYTES as u64 + 1,
                ..settings.page
            },
            agent: settings.agent.clone(),
            max_crawl_delay: settings.max_crawl_delay,
            retry_after: settings.retry_after,
            obey_tdm: settings.obey.tdm,
            copies: Mutex::default(),
        }
    }

    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    pub(crate) fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The rules of an origin.
    pub(crate) async fn of(&self, origin: &str) -> Result<Rules, CrawlError> {
        if let Some(rules) = self.copy(origin) {
            return Ok(Rules::Known(rules));
        }
        let (status, body) = match self.file(origin, HostFile::Robots).await? {
            File::Copy(status, body) => (status, body),
            File::None(Some(failure)) => return Ok(Rules::Unreachable(failure)),
            File::None(None) => return Ok(Rules::StillUnreachable),
            File::Wait(after) => return Ok(Rules::Wait(after)),
            File::NoContact => return Ok(Rules::NoContact),
        };
        let robots = Robots::from_status(Some(status), &body);
        let mut bytes = body.len();
        let mut tdm = Reservations::default();
        let well_known = HostFile::Tdm.path();
        if self.obey_tdm && robots.allows_path(&self.agent, well_known) {
            tdm = match self.file(origin, HostFile::Tdm).await? {
                File::Copy(status, body) => {
                    bytes += body.len();
                    Reservations::from_status(Some(status), &body)
                }
                // No reservation is known.
                File::None(_) => tdm,
                File::Wait(after) => return Ok(Rules::Wait(after)),
                File::NoContact => return Ok(Rules::NoContact),
            };
        }
        let rules = Arc::new(HostRules { robots, tdm });
        self.keep_copy(origin, &rules, bytes);
        Ok(Rules::Known(rules))
    }

    /// The `Crawl-delay` that is obeyed; none where the file asks for none.
    pub(crate) fn crawl_delay(&self, robots: &Robots) -> Duration {
        let asked = robots.crawl_delay(&self.agent).unwrap_or_default();
        asked.min(self.max_crawl_delay)
    }

    async fn file(&self, origin: &str, file: HostFile) -> Result<File, CrawlError> {
        if let Some(known) = self.known(origin, file).await? {
            return Ok(known);
        }
        let host = match self.slots.host(origin).await {
            Ok(host) => host,
            Err(SlotRefused::Busy(after)) => return Ok(File::Wait(after)),
            Err(SlotRefused::Failed(cause)) => return Err(cause),
        };
        let _asking = host.files.lock().await;
        // Again, with the lease held: whoever had it before may have asked meanwhile.
        if let Some(known) = self.known(origin, file).await? {
            return Ok(known);
        }
        self.refresh(&host, file).await
    }

    /// A file that it is too early to ask for.
    async fn known(&self, origin: &str, file: HostFile) -> Result<Option<File>, CrawlError> {
        let row = self.frontier.host_file(origin, file).await?;
        Ok(row.filter(|row| row.fresh).map(|row| match row.copy() {
            Some((status, body)) => File::Copy(status, Bytes::copy_from_slice(body)),
            None => File::None(None),
        }))
    }

    async fn refresh(&self, host: &Arc<HostSlot>, file: HostFile) -> Result<File, CrawlError> {
        let origin = &host.lease.origin;
        let row = self.frontier.host_file(origin, file).await?;
        let last = row.as_ref().and_then(|row| row.copy());
        if file == HostFile::Robots
            && let Some((status, body)) = last
        {
            let robots = Robots::from_status(Some(status), body);
            host.ask_delay(self.crawl_delay(&robots));
        }
        let failure = match self.ask(origin, file).await? {
            Asked::Wait(after) => return Ok(File::Wait(after)),
            Asked::NoContact => return Ok(File::NoContact),
            Asked::Answer(status, body) => {
                tracing::debug!(
                    origin,
                    path = file.path(),
                    status,
                    bytes = body.len(),
                    "asked"
                );
                self.frontier
                    .keep_host_file(host.lease.host_id, file, status, &body)
                    .await?;
                if file == HostFile::Robots {
                    let robots = Robots::from_status(Some(status), &body);
                    host.ask_delay(self.crawl_delay(&robots));
                }
                return Ok(File::Copy(status, body));
            }
            Asked::Failed(failure) => failure,
        };
        tracing::debug!(
            origin,
            path = file.path(),
            reason = failure.reason(),
            copy = last.is_some(),
            "cannot be had"
        );
        // A host that may not be asked at all is not to be asked again: its URLs end by this.
        if !matches!(failure, Failure::Skipped { .. }) {
            let first = self.asked_again_after(host, file == HostFile::Tdm || last.is_some());
            self.frontier
                .host_file_failed(host.lease.host_id, file, first)
                .await?;
        }
        Ok(match last {
            Some((status, body)) => File::Copy(status, Bytes::copy_from_slice(body)),
            None => File::None(Some(failure)),
        })
    }

    /// When a file that could not be had is asked for again. Where the host may be crawled without
    /// it, well after the rest that a 429 or 503 led to, or every turn would begin with another one
    /// and end by it.
    fn asked_again_after(&self, host: &HostSlot, dispensable: bool) -> Duration {
        match host.state() {
            _ if !dispensable => self.retry_after,
            State::Rests(rest) => (2 * rest).max(DISPENSABLE * self.retry_after),
            State::Well | State::OutOfReach => DISPENSABLE * self.retry_after,
        }
    }

    /// The last answer, redirects followed. A chain too long or broken counts as 404: RFC 9309
    /// §2.3.1.2 lets the crawler assume that there is none.
    async fn ask(&self, origin: &str, file: HostFile) -> Result<Asked, CrawlError> {
        let nothing = || Asked::Answer(404, Bytes::new());
        let unavailable = || Asked::Failed(Failure::again("robots_unavailable"));
        let Ok(mut address) = Address::parse(&format!("{origin}{}", file.path())) else {
            return Ok(nothing());
        };
        for hop in 0..=REDIRECTS {
            let slot = match self.slots.start(address.origin()).await {
                Ok(slot) => slot,
                Err(SlotRefused::Busy(after)) => return Ok(Asked::Wait(after)),
                Err(SlotRefused::Failed(cause)) => return Err(cause),
            };
            let headers = HeaderMap::new();
            let answer = slot
                .ask(
                    &self.door,
                    address.url(),
                    headers,
                    &self.limits,
                    Longer::Cut,
                )
                .await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(FetchError::ContactUnset(_)) => return Ok(Asked::NoContact),
                // Where the host leads is not the host's own fault alone.
                Err(_) if hop > 0 => return Ok(unavailable()),
                Err(cause) => return Ok(Asked::Failed(Failure::from(&cause))),
            };
            match answer.status {
                200..=299 => return Ok(Asked::Answer(answer.status, answer.body)),
                300..=399 => {
                    let target = answer.redirect(address.url());
                    match target.map(|target| Address::parse(target.as_str())) {
                        Some(Ok(target)) => address = target,
                        _ => break,
                    }
                }
                429 => return Ok(unavailable()),
                400..=499 => return Ok(Asked::Answer(answer.status, Bytes::new())),
                _ => return Ok(unavailable()),
            }
        }
        Ok(nothing())
    }

    fn copy(&self, origin: &str) -> Option<Arc<HostRules>> {
        let copies = self.copies.lock().expect("no holder of this lock panics");
        let (since, rules) = copies.rules.get(origin)?;
        (since.elapsed() < KEEP_IN_MEMORY).then(|| Arc::clone(rules))
    }

    fn keep_copy(&self, origin: &str, rules: &Arc<HostRules>, bytes: usize) {
        let mut copies = self.copies.lock().expect("no holder of this lock panics");
        if copies.rules.len() >= COPIES || copies.bytes + bytes > COPIED_BYTES {
            *copies = Copies::default();
        }
        copies.bytes += bytes;
        let copy = (Instant::now(), Arc::clone(rules));
        copies.rules.insert(origin.to_owned(), copy);
    }
}
