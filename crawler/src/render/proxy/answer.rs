//! What a browser's request is answered: from what is here, from the site by the crawler's own door,
//! rules and pace, or not at all.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode};
use reqwest::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN,
    REFERER,
};
use tusou_ingest::{Address, Scope};
use tusou_platform::door::{Answer, Limits};

use super::Visit;
use super::wanted::Wanted;
use crate::fetch::NotHad;
use crate::metrics;

/// What of a browser's request goes to a site; the door says who asks.
const ASKED: [HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, ORIGIN, REFERER];
/// What of a site's answer goes to the browser: what rules how it is read. Nothing is remembered,
/// so cookies are none of it.
const TOLD: [&str; 14] = [
    "content-type",
    "content-language",
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cache-control",
    "location",
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "link",
];
/// The smallest picture: one pixel that nothing is seen of.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

pub(super) type Reply = Response<Full<Bytes>>;

impl Visit {
    /// Answers one request of the page's browser.
    pub(super) async fn reply(&self, method: &Method, url: &str, headers: &HeaderMap) -> Reply {
        let _busy = self.trace.begin();
        let (reply, word) = self.judge(method, url, headers).await;
        metrics::render_request(word);
        tracing::trace!(page = %self.page, url, word, "a page's browser asked");
        reply
    }

    /// With one word for what was done.
    async fn judge(
        &self,
        method: &Method,
        url: &str,
        headers: &HeaderMap,
    ) -> (Reply, &'static str) {
        if method != Method::GET {
            return (
                refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET"),
                "method",
            );
        }
        let Ok(address) = Address::parse(url) else {
            return (refusal(StatusCode::FORBIDDEN, "no address"), "bad_url");
        };
        match Wanted::by(headers, &address) {
            Wanted::Page => match self.document(&address) {
                Some(document) => (told(document), "document"),
                None => {
                    // Nothing comes of it: the tab stays where it is.
                    if address != self.page {
                        self.trace.led(address);
                    }
                    (empty(StatusCode::NO_CONTENT), "navigation")
                }
            },
            Wanted::Picture => {
                self.trace.picture(address);
                (pixel(headers), "picture")
            }
            Wanted::Nothing => (empty(StatusCode::NOT_FOUND), "not_needed"),
            Wanted::Resource => self.resource(&address, headers).await,
            Wanted::Code => {
                let _turn = self.kept.turn(&address).await;
                self.resource(&address, headers).await
            }
        }
    }

    /// The page itself, once: the crawler has it already.
    fn document(&self, address: &Address) -> Option<Answer> {
        let mut document = self.document.lock().expect("no holder of this lock panics");
        document.take_if(|_| *address == self.page)
    }

    async fn resource(&self, address: &Address, headers: &HeaderMap) -> (Reply, &'static str) {
        let origin = headers
            .get(ORIGIN)
            .and_then(|origin| origin.to_str().ok())
            .unwrap_or_default();
        if let Some(kept) = self.kept.get(address, origin) {
            return (told(kept), "kept");
        }
        let left = self.trace.bytes_left(self.limits.traffic);
        if left == 0 || !self.trace.take_request(self.limits.requests) {
            return (
                refusal(StatusCode::TOO_MANY_REQUESTS, "this page's limit"),
                "limit",
            );
        }
        let own = Scope::Domain.contains(&self.page, address);
        let asked = self.ask(address, asked_headers(headers), left).await;
        let answer = match asked {
            Ok(answer) => answer,
            Err(NotHad::Refused(word)) => return (refusal(StatusCode::FORBIDDEN, word), word),
            Err(NotHad::ForNow(word)) => {
                self.trace.missing(own);
                return (refusal(StatusCode::SERVICE_UNAVAILABLE, word), word);
            }
        };
        self.trace.sent(answer.body.len());
        if matches!(answer.status, 408 | 425 | 429 | 500..) {
            self.trace.missing(own);
        }
        if answer
            .content_type()
            .is_some_and(|kind| kind.starts_with("image/"))
        {
            self.trace.picture(address.clone());
        }
        self.kept.put(address, origin, &answer);
        (told(answer), "asked")
    }

    /// Asks the site, while there is time.
    async fn ask(
        &self,
        address: &Address,
        headers: HeaderMap,
        left: u64,
    ) -> Result<Answer, NotHad> {
        let page = &self.fetcher.settings.page;
        let limits = Limits {
            max_bytes: page.max_bytes.min(left),
            ..*page
        };
        let (lease, rules) = (&self.lease, &self.rules);
        let asked = self
            .fetcher
            .resource(lease, rules, address, headers, &limits, self.until);
        asked.await
    }
}

fn asked_headers(headers: &HeaderMap) -> HeaderMap {
    let kept = ASKED.into_iter().filter_map(|name| {
        let value = headers.get(&name)?.clone();
        Some((name, value))
    });
    kept.collect()
}

/// A site's answer as the browser is told it.
fn told(answer: Answer) -> Reply {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    // Only redirects that lead somewhere may lead on, and each next hop comes here again.
    let status = if status.is_redirection() && !answer.headers.contains_key(LOCATION) {
        StatusCode::BAD_GATEWAY
    } else {
        status
    };
    let mut reply = empty(status);
    for name in TOLD {
        for value in answer.headers.get_all(name) {
            reply
                .headers_mut()
                .append(HeaderName::from_static(name), value.clone());
        }
    }
    *reply.body_mut() = Full::new(answer.body);
    reply
}

/// For whoever asks, from wherever.
fn pixel(headers: &HeaderMap) -> Reply {
    let mut reply = empty(StatusCode::OK);
    *reply.body_mut() = Full::new(Bytes::from_static(PIXEL));
    let origin = headers.get(ORIGIN).cloned();
    let told = [
        ("content-type", HeaderValue::from_static("image/gif")),
        ("cache-control", HeaderValue::from_static("no-store")),
        (
            "cross-origin-resource-policy",
            HeaderValue::from_static("cross-origin"),
        ),
        (
            "access-control-allow-credentials",
            HeaderValue::from_static("true"),
        ),
        (
            "access-control-allow-origin",
            origin.unwrap_or(HeaderValue::from_static("*")),
        ),
    ];
    for (name, value) in told {
        reply
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    reply
}

pub(super) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// Why nothing is answered; for whoever debugs a page.
pub(super) fn refusal(status: StatusCode, why: &str) -> Reply {
    let mut reply = empty(status);
    *reply.body_mut() = Full::new(Bytes::copy_from_slice(why.as_bytes()));
    let text = HeaderValue::from_static("text/plain");
    reply.headers_mut().insert(CONTENT_TYPE, text);
    reply
}
