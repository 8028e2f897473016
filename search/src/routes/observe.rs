//! What every request is given: an id, a line in the log, its metrics, and headers that keep its
//! answer to itself.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::metrics::{self, InFlight};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID: usize = 64;

/// For answers that are no page: nothing in them may load, run or be framed.
const CLOSED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// Marks an answer to a request that was one too many.
#[derive(Debug, Clone, Copy)]
pub(super) struct TurnedAway;

/// Whether a route is worth a line for each request: what people ask, not what pages load beside it.
fn is_search(route: &str) -> bool {
    route == "/"
        || route.starts_with("/v1/")
            && !matches!(route, "/v1/images/{id}/thumbnail" | "/v1/openapi.json")
}

/// Runs the request under its id and completes the answer's headers.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _in_flight = InFlight::enter();
    let id = given_id(&request).unwrap_or_else(new_id);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let method = request.method().clone();
    // What was asked stays out of the log: words and pictures are the asker's own.
    let client = tracing::field::Empty;
    let span = tracing::info_span!("request", id, %method, route, client);
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = started.elapsed();
    metrics::request(&route, status, took);
    let took_ms = took.as_secs_f64() * 1e3;
    let said = format!("answered {status} in {took_ms:.1} ms");
    let _entered = span.enter();
    // A line for each of those that are turned away would cost more than turning them away does.
    let refused = response.extensions().get::<TurnedAway>().is_some();
    if is_search(&route) && !refused {
        tracing::info!(status, took_ms, "{said}");
    } else {
        tracing::debug!(status, took_ms, "{said}");
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(CLOSED);
    response
}

/// The id that a proxy or client gave, where it is short and plain.
fn given_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (!id.is_empty() && id.len() <= MAX_REQUEST_ID && id.bytes().all(plain)).then(|| id.to_owned())
}

/// An id that no other request of this or another process is likely to have. It is no secret.
fn new_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    format!("{:016x}", KEYS.hash_one((count, now)))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn with_id(id: &'static str) -> Request {
        Request::builder()
            .header(REQUEST_ID, id)
            .body(Body::empty())
            .expect("a request")
    }

    #[test]
    fn plain_ids_are_kept_and_others_replaced() {
        assert_eq!(
            given_id(&with_id("abc-1.2_3")).as_deref(),
            Some("abc-1.2_3")
        );
        for id in ["", "a b", "<script>", &"x".repeat(65)] {
            let id: &'static str = Box::leak(id.to_owned().into_boxed_str());
            assert_eq!(given_id(&with_id(id)), None, "{id}");
        }
        assert_ne!(new_id(), new_id());
    }
}
