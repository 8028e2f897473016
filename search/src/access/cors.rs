//! Which pages of other origins may call the API from a browser.
//!
//! Source: the Fetch standard, <https://fetch.spec.whatwg.org/#http-cors-protocol>.

use std::time::Duration;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::keys::API_KEY;
use super::rates::{POLICY, STATE};
use crate::routes::REQUEST_ID;

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
    let exposed = [REQUEST_ID, STATE, POLICY, WWW_AUTHENTICATE, RETRY_AFTER];
    Some(
        CorsLayer::new()
            .allow_origin(origin)
            .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
            .allow_headers([ACCEPT, AUTHORIZATION, CONTENT_TYPE, API_KEY])
            .expose_headers(exposed)
            .max_age(KEPT),
    )
}
