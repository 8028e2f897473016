//! The routes, and what every request passes on its way to one.

mod assets;
mod images;
mod observe;
mod page;
mod search;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::config::DRAINED_UPLOADS;
use crate::error::SearchError;
use crate::gate::Gate;
use crate::page::{Asked, Language, View};

/// Every route of the service, the operator's included.
pub(crate) fn router(app: Arc<App>, ops: Router) -> Router {
    let searches = Router::new()
        .route("/", get(page::show).post(page::by_picture))
        .route(
            "/v1/search",
            get(search::search).post(search::search_by_form),
        )
        .route("/v1/images/{id}", get(images::document))
        .route("/v1/images/{id}/similar", get(images::similar))
        .layer(from_fn_with_state(Arc::clone(&app), search_gate));
    let thumbnails = Router::new()
        .route("/v1/images/{id}/thumbnail", get(images::thumbnail))
        .layer(from_fn_with_state(Arc::clone(&app), thumbnail_gate));
    let most = app.settings.max_upload_bytes * DRAINED_UPLOADS;
    searches
        .merge(thumbnails)
        .merge(assets::router())
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
        .merge(ops)
        .layer(DefaultBodyLimit::max(most))
        .layer(from_fn(observe::observe))
}

async fn search_gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    pass(&app, &app.searches, request, next).await
}

async fn thumbnail_gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    pass(&app, &app.thumbnails, request, next).await
}

/// Lets a request through where the gate has a place, for no longer than a request may take.
async fn pass(app: &App, gate: &Gate, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let passed = match gate.enter() {
        Ok(_place) => tokio::time::timeout(app.settings.timeout, next.run(request))
            .await
            .map_err(|_| SearchError::Timeout),
        Err(busy) => Err(busy),
    };
    passed.unwrap_or_else(|error| refuse(&uri, &headers, error))
}

/// An error as the path's readers want it: a problem for programs, a page for people.
fn refuse(uri: &Uri, headers: &HeaderMap, error: SearchError) -> Response {
    if uri.path().starts_with("/v1/") {
        return error.into_response();
    }
    let language = Language::of(uri.query(), headers);
    crate::page::respond(language, View::Failed(Asked::Nothing, &error))
}

async fn unknown(uri: Uri, headers: HeaderMap) -> Response {
    let detail = "there is nothing at this address".to_owned();
    refuse(&uri, &headers, SearchError::NotFound(detail))
}

async fn wrong_method(uri: Uri, headers: HeaderMap) -> Response {
    let detail = match uri.path() {
        "/" | "/v1/search" => "this address takes GET and POST",
        _ => "this address takes GET only",
    };
    refuse(&uri, &headers, SearchError::Method(detail))
}
