//! The page's own files, built into the binary. Their addresses hold a digest of their bytes, so
//! that they can be kept for ever and a new build is seen at once.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::page::assets::{ICON, SCRIPTS, STYLE};

const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The routes of the files.
pub(super) fn router() -> Router<Arc<App>> {
    let mut routes = Router::new();
    for (name, text) in SCRIPTS {
        let script = async move || file("text/javascript", text);
        routes = routes.route(&format!("/assets/{name}"), get(script));
    }
    routes
        .route("/assets/style.css", get(async || file("text/css", STYLE)))
        .route(
            "/assets/icon.svg",
            get(async || file("image/svg+xml", ICON)),
        )
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, FOR_EVER)];
    (headers, text).into_response()
}
