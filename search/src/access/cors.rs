//! Which pages of other origins may call the API from a browser.
//!
//! Source: the Fetch standard, <https://fetch.spec.whatwg.org/#http-cors-protocol>.

use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::keys::API_KEY;

/// How long a browser may keep what a preflight answered.
const KEPT: Duration = Duration::from_secs(3_600);

/// What tells browsers so; `None` where no origin is configured. It answers preflights by itself, so they need no
/// key and take no place.
pub(crate) fn layer(origins: &[String]) -> Option<CorsLayer> {
    let origin = match origins {
        [] => return None,
        [any] if any == "*" => AllowOrigin::any(),
        origins => {
            let values = origins.iter().map(HeaderValue::try_from);
            AllowOrigin::list(values.filter_map(Result::ok))
        }
    };
    let exposed = [
        "x-request-id",
        "ratelimit",
        "ratelimit-policy",
        "www-authenticate",
    ];
    let exposed = exposed.into_iter().map(HeaderName::from_static);
    Some(
        CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
            .allow_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE, API_KEY])
            .expose_headers(exposed.chain([RETRY_AFTER]).collect::<Vec<_>>())
            .max_age(KEPT),
    )
}
