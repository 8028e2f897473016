//! The answer to use for a URL: rules obeyed, redirects followed, errors told apart.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use tusou_ingest::Address;
use tusou_platform::door::{Answer, FetchError, Judge, Limits, Longer, TakeAll};

use super::Fetcher;
use super::sieve::Sieve;
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::frontier::{DueUrl, HostLease, Kind};
use crate::host_files::{HostRules, Rules};
use crate::slots::{Slot, SlotRefused};
use crate::{metrics, revisit};

/// The answer to use.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) answer: Answer,
    /// Who gave it: the URL's own address, or where its redirects lead.
    pub(super) address: Address,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// It is the URL's failure.
    Failed(Failure),
    /// The leased host could not be reached: whether that is the URL's failure is seen by how the
    /// host does with others.
    Unreached(Failure),
    /// A host that it leads to rests, or another process has it.
    Later(Duration),
    /// It leads beyond loopback, and the configuration does not say who asks.
    NoContact,
}

impl NoAnswer {
    /// As a failure of the URL.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure) | Self::Unreached(failure) => failure,
            Self::Later(_) => Failure::again("host_busy"),
            Self::NoContact => Failure::again("contact_unset"),
        }
    }
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask<'a> {
    pub(super) address: &'a Address,
    /// What it is expected to be, as counts name it.
    pub(super) kind: &'static str,
    pub(super) accept: &'static str,
    /// What the first request says of the bytes that are here.
    pub(super) conditions: HeaderMap,
    /// Whether redirects are followed, or are an answer.
    pub(super) follows: bool,
    /// What becomes of a body beyond the bound.
    pub(super) longer: Longer,
    /// Whether it is looked at as it comes, and left where it is a picture that is not wanted.
    pub(super) sieved: bool,
}

impl<'a> From<&'a DueUrl> for Ask<'a> {
    fn from(url: &'a DueUrl) -> Self {
        Self {
            address: &url.address,
            kind: url.kind.as_str(),
            accept: match url.kind {
                Kind::Page => "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1",
                Kind::Sitemap => "application/xml,text/xml,text/plain;q=0.9,*/*;q=0.1",
                Kind::Image => {
                    "image/avif,image/webp,image/png,image/jpeg,image/gif,image/bmp,*/*;q=0.1"
                }
            },
            conditions: revisit::conditions(url),
            follows: url.kind != Kind::Page,
            longer: match url.kind {
                // What is beyond the bound is left out.
                Kind::Sitemap => Longer::Cut,
                Kind::Page | Kind::Image => Longer::Refuse,
            },
            sieved: url.kind == Kind::Image,
        }
    }
}

/// How a request to another host may go on.
pub(super) enum Next {
    Go(Slot),
    No(NoAnswer),
}

impl Fetcher {
    /// As [`Fetcher::answer_in`], once the host may be asked.
    pub(super) async fn answer(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        asked: Ask<'_>,
        limits: &Limits,
    ) -> Result<Result<Answered, NoAnswer>, CrawlError> {
        match self.start(lease, rules, asked.address).await? {
            Next::Go(slot) => self.answer_in(slot, lease, rules, asked, limits).await,
            Next::No(none) => Ok(Err(none)),
        }
    }

    /// The answer to use, asked for in a slot of its host: robots.txt obeyed, redirects followed where
    /// they are to be, each in a slot of its host, errors told apart.
    pub(super) async fn answer_in(
        &self,
        slot: Slot,
        lease: &HostLease,
        rules: &HostRules,
        asked: Ask<'_>,
        limits: &Limits,
    ) -> Result<Result<Answered, NoAnswer>, CrawlError> {
        let mut slot = slot;
        let mut address = asked.address.clone();
        let mut headers = headers(asked.accept);
        headers.extend(asked.conditions);
        let mut passed = Vec::new();
        loop {
            let started = Instant::now();
            let mut sieve = Sieve::new(&self.settings.wanted);
            let looking: &mut dyn Judge = if asked.sieved {
                &mut sieve
            } else {
                &mut TakeAll
            };
            let (at, longer) = (address.url(), asked.longer);
            let answer = slot
                .ask_judged(&self.door, at, headers, limits, longer, looking)
                .await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(FetchError::ContactUnset(_)) => return Ok(Err(NoAnswer::NoContact)),
                Err(cause) => {
                    if let FetchError::Stopped {
                        reason,
                        came,
                        saved,
                        ..
                    } = &cause
                    {
                        metrics::stopped(asked.kind, started.elapsed(), *came, reason, *saved);
                    }
                    let failure = Failure::from(&cause);
                    let own = address.origin() == lease.origin;
                    return Ok(Err(if own && cause.is_unreached() {
                        NoAnswer::Unreached(failure)
                    } else {
                        NoAnswer::Failed(failure)
                    }));
                }
            };
            metrics::fetched(asked.kind, started.elapsed(), answer.body.len());
            let redirected = (300..400).contains(&answer.status) && answer.status != 304;
            if !redirected || !asked.follows {
                let judged = judge(answer).map_err(NoAnswer::Failed);
                return Ok(judged.map(|answer| Answered { answer, address }));
            }
            let failed = |failure| Ok(Err(NoAnswer::Failed(failure)));
            let target = match target(&answer, &address) {
                Ok(target) => target,
                Err(failure) => return failed(failure),
            };
            passed.push(address);
            if passed.contains(&target) {
                return failed(Failure::end("redirect_loop", answer.status));
            }
            if passed.len() > self.settings.max_redirects as usize {
                return failed(Failure::end("too_many_redirects", answer.status));
            }
            // What owners had taken out is not asked for by a way round, either.
            if self.frontier.is_kept_out(&target).await? {
                return failed(Failure::not_used("removed", answer.status));
            }
            slot = match self.start(lease, rules, &target).await? {
                Next::Go(slot) => slot,
                Next::No(none) => return Ok(Err(none)),
            };
            address = target;
            // What is known of the URL's own bytes is nothing to another address.
            headers = self::headers(asked.accept);
        }
    }

    /// Waits for leave to ask an address, which its host's rules must give too.
    pub(super) async fn start(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        target: &Address,
    ) -> Result<Next, CrawlError> {
        let agent = &self.settings.agent;
        let forbidden = || Ok(Next::No(NoAnswer::Failed(Failure::skipped("robots"))));
        let origin = target.origin();
        let started = if origin == lease.origin {
            if !rules.robots.allows(agent, target) {
                return forbidden();
            }
            self.slots.start(origin).await
        } else {
            let rules = match self.rules.of(origin).await? {
                Rules::Known(rules) => rules,
                Rules::Unreachable(failure) => return Ok(Next::No(NoAnswer::Failed(failure))),
                Rules::StillUnreachable => {
                    let failure = Failure::again("robots_unavailable");
                    return Ok(Next::No(NoAnswer::Failed(failure)));
                }
                Rules::Wait(after) => return Ok(Next::No(NoAnswer::Later(after))),
                Rules::NoContact => return Ok(Next::No(NoAnswer::NoContact)),
            };
            if !rules.robots.allows(agent, target) {
                return forbidden();
            }
            let delay = self.rules.crawl_delay(&rules.robots);
            self.slots.start_elsewhere(origin, delay).await
        };
        match started {
            Ok(slot) => Ok(Next::Go(slot)),
            Err(SlotRefused::Busy(after)) => Ok(Next::No(NoAnswer::Later(after))),
            Err(SlotRefused::Failed(cause)) => Err(cause),
        }
    }
}

fn headers(accept: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))])
}

/// A redirect's target, if it is one that can be asked.
pub(super) fn target(answer: &Answer, base: &Address) -> Result<Address, Failure> {
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
