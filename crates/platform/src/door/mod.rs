//! The one door for the outside: every request to a foreign address passes the address policy.
//!
//! A URL's literal address is judged before the request, a name's addresses after they are
//! resolved, and the connection is made to the very addresses that were judged: a name that turns
//! inside between check and use gains nothing. A connection kept for later stays one to its judged
//! address. No redirect is followed, no environment proxy used, no cookie kept, and what fails as
//! https is not asked again as http. Every wait, every head and every body is bounded.

mod answer;
mod body;
mod error;
mod judge;
mod policy;
mod ports;
mod resolve;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use tokio::time::timeout;
use url::{Host, Url};

use body::Body;

pub use answer::Answer;
pub use error::FetchError;
pub use judge::{Judge, Judged, TakeAll};
pub use policy::AddressPolicy;

use crate::config::Network;

/// Of an answer that is no success only the status and a little of the body matter.
const UNSUCCESSFUL_BODY: u64 = 64 * 1024;

/// Most headers of an answer; the parser of HTTP/1 holds 408 KiB of them at most.
const HEADERS: usize = 100;

/// Most bytes of an answer's headers in HTTP/2, as its RFC counts them.
const HEADER_BYTES: u32 = 64 * 1024;

/// How much of a header's value an error repeats, in characters.
const SHOWN: usize = 100;

/// Codings that say that a body cannot be read as it is. Servers also name character sets and
/// nonsense there, which browsers pass over.
const CODINGS: [&str; 8] = [
    "gzip",
    "x-gzip",
    "compress",
    "x-compress",
    "deflate",
    "br",
    "zstd",
    "dcz",
];

/// Idle connections kept for each host, and for how long: a crawl seldom comes back later.
const IDLE_CONNECTIONS: usize = 8;
const IDLE: Duration = Duration::from_secs(15);

/// Bounds of one fetch.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes of the body after decompression.
    pub max_bytes: u64,
    /// The longest silence.
    pub read_timeout: Duration,
    /// The longest whole fetch.
    pub total_timeout: Duration,
}

/// How far a door leads, within what the address policy permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everywhere.
    Anywhere,
    /// To this machine only: whoever asks does not say who they are.
    LoopbackOnly,
}

impl Reach {
    /// Whether this address is within reach.
    fn permits(self, address: IpAddr) -> bool {
        self == Self::Anywhere || address.to_canonical().is_loopback()
    }
}

/// An HTTP client for foreign addresses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Door {
    client: reqwest::Client,
    policy: AddressPolicy,
    reach: Reach,
    connect_timeout: Duration,
}

/// What to do with a body that is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Longer {
    /// [`FetchError::TooLarge`], and it is not read further.
    Refuse,
    /// What came so far is the body, and the rest is not read.
    Cut,
}

impl Door {
    /// A client that says `user_agent`, uses no environment proxy, follows no redirect and resolves
    /// only to permitted addresses within `reach`. `connect_timeout` bounds resolving, TCP and TLS
    /// together.
    ///
    /// It fails for a `user_agent` that cannot stand in a header, and where the system has no root
    /// certificates.
    pub fn new(
        network: &Network,
        user_agent: &str,
        connect_timeout: Duration,
        reach: Reach,
    ) -> Result<Self, reqwest::Error> {
        let policy = AddressPolicy::new(network);
        let resolver = resolve::Resolver::new(policy.clone(), reach);
        Self::resolving_by(resolver, policy, user_agent, connect_timeout, reach)
    }

    fn resolving_by(
        resolver: resolve::Resolver,
        policy: AddressPolicy,
        user_agent: &str,
        connect_timeout: Duration,
        reach: Reach,
    ) -> Result<Self, reqwest::Error> {
        crate::telemetry::install_tls();
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(connect_timeout)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE)
            .http1_max_headers(HEADERS)
            .http2_max_header_list_size(HEADER_BYTES)
            .dns_resolver(Arc::new(resolver))
            .build()?;
        Ok(Self {
            client,
            policy,
            reach,
            connect_timeout,
        })
    }

    /// One GET.
    ///
    /// A body longer than `limits.max_bytes` is [`FetchError::TooLarge`], and is not read further.
    /// Of an answer outside 200 to 299 at most 64 KiB of the body are kept, and a body that breaks
    /// is kept as far as it came: its status counts.
    pub async fn get(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: &Limits,
    ) -> Result<Answer, FetchError> {
        self.ask(url, headers, limits, Longer::Refuse, || {}).await
    }

    /// As [`Door::get`], but a body longer than `limits.max_bytes` is cut there and the rest is not
    /// read: for robots.txt, of which RFC 9309 wants the first 500 KiB at least.
    pub async fn get_prefix(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: &Limits,
    ) -> Result<Answer, FetchError> {
        self.ask(url, headers, limits, Longer::Cut, || {}).await
    }

    /// As [`Door::get`], with a choice of what becomes of a longer body. `on_head` is called when
    /// the answer's status and headers have come: from then on the server is known to have been
    /// asked, and how long it took.
    pub async fn ask(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: &Limits,
        longer: Longer,
        on_head: impl FnOnce(),
    ) -> Result<Answer, FetchError> {
        self.ask_judged(url, headers, limits, longer, &mut TakeAll, on_head)
            .await
    }

    /// As [`Door::ask`], while `judge` looks at a successful answer as it comes. What it does not want
    /// is [`FetchError::Stopped`], and the rest is not fetched: the connection is closed, unless so
    /// little is left that another one would cost more.
    pub async fn ask_judged(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: &Limits,
        longer: Longer,
        judge: &mut dyn Judge,
        on_head: impl FnOnce(),
    ) -> Result<Answer, FetchError> {
        let started = Instant::now();
        self.check(url)?;
        let request = self.client.get(url.clone()).headers(headers).send();
        let patience = self.connect_timeout.saturating_add(limits.read_timeout);
        let patience = patience.min(limits.total_timeout);
        let response = match timeout(patience, request).await {
            Ok(sent) => sent.map_err(|error| FetchError::of(url, error))?,
            Err(_) if patience == limits.total_timeout => {
                return Err(FetchError::Timeout("whole fetch"));
            }
            Err(_) => return Err(FetchError::Timeout("silence")),
        };
        on_head();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = if response.status().is_success() {
            if let Some(coding) = left_coding(&headers) {
                return Err(FetchError::Encoding(coding));
            }
            let mut body = Body::of(url, response, limits, started);
            let judged = judge.head(&headers, body.length);
            body.read_judged(longer, judged, judge).await?
        } else {
            let limits = Limits {
                max_bytes: limits.max_bytes.min(UNSUCCESSFUL_BODY),
                ..*limits
            };
            let mut body = Body::of(url, response, &limits, started);
            match body.read(Longer::Cut).await {
                Ok(body) => body,
                Err(_) => body.come.freeze(),
            }
        };
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Judges a URL and its literal address; the resolver judges a name's.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        self.policy.check_url(url)?;
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.reach.permits(literal) {
            Ok(())
        } else {
            Err(FetchError::ContactUnset(literal.to_string()))
        }
    }
}

/// How a body is still compressed after what the client undid, which takes its header away: layers
/// upon layers, or a coding that nobody asked for.
fn left_coding(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(CONTENT_ENCODING).into_iter();
    let left = values.find(|value| {
        let mut codings = value.as_bytes().split(|byte| *byte == b',');
        codings.any(|coding| {
            let coding = coding.trim_ascii();
            CODINGS
                .iter()
                .any(|known| coding.eq_ignore_ascii_case(known.as_bytes()))
        })
    });
    let text = String::from_utf8_lossy(left?.as_bytes()).into_owned();
    Some(text.chars().take(SHOWN).collect())
}
