//! The routes, and what every request passes on its way to one.

mod assets;
mod images;
mod observe;
mod openapi;
mod page;
mod search;

use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

pub(crate) use self::observe::REQUEST_ID;
use self::observe::TurnedAway;
use crate::access::linger::linger;
use crate::access::{self, Access, cors, deadline};
use crate::app::App;
use crate::config::DRAINED_UPLOADS;
use crate::error::SearchError;
use crate::gate::Gate;
use crate::page::{Asked, Language, View};
use crate::{metrics, problem};

/// Routes of the API, and their paths beside them: a router cannot be asked for what it has.
#[derive(Debug, Default)]
struct Routes {
    router: Router<Arc<App>>,
    paths: Vec<&'static str>,
}

impl Routes {
    fn route(mut self, path: &'static str, methods: MethodRouter<Arc<App>>) -> Self {
        self.paths.push(path);
        self.router = self.router.route(path, methods);
        self
    }
}

/// What is asked of the index.
fn searches() -> Routes {
    Routes::default()
        .route(
            "/v1/search",
            get(search::search).post(search::search_by_form),
        )
        .route("/v1/images/{id}", get(images::document))
        .route("/v1/images/{id}/similar", get(images::similar))
        .route("/v1/images/{id}/sightings", get(images::sightings))
}

/// What pages show beside it. No `<img>` can send a key.
fn thumbnails() -> Routes {
    Routes::default().route("/v1/images/{id}/thumbnail", get(images::thumbnail))
}

/// What is said of the API itself.
fn about() -> Routes {
    Routes::default().route("/v1/openapi.json", get(openapi::openapi))
}

/// The path of each route of the API.
#[cfg(test)]
fn paths() -> Vec<&'static str> {
    [searches().paths, thumbnails().paths, about().paths].concat()
}

/// Every route of the service, the operator's included.
pub(crate) fn router(app: Arc<App>, ops: Router) -> Router {
    let access = Arc::new(Access::new(&app.settings));
    let search_gate = || from_fn_with_state(Arc::clone(&app), search_gate);
    let thumbnail_gate = from_fn_with_state(Arc::clone(&app), thumbnail_gate);
    let with_key = from_fn_with_state(Arc::clone(&access), access::with_key);
    let without_key = from_fn_with_state(access, access::without_key);

    let mut routes = searches()
        .router
        .layer(search_gate())
        .layer(with_key)
        .merge(thumbnails().router.layer(thumbnail_gate))
        .merge(about().router)
        // Beneath the layer that answers preflights, above those that ask for keys and places.
        .method_not_allowed_fallback(wrong_method);
    if let Some(cors) = cors::layer(&app.settings.cors_origins) {
        routes = routes.layer(cors);
    }
    if app.settings.page {
        let page = get(page::show).post(page::by_picture);
        let page = Router::new()
            .route("/", page)
            .route("/image/{id}", get(page::one))
            .layer(search_gate());
        let page = page.layer(without_key).merge(assets::router());
        routes = routes.merge(page.method_not_allowed_fallback(wrong_method));
    }
    let most = app.settings.max_upload_bytes * DRAINED_UPLOADS;
    routes
        .fallback(unknown)
        .with_state(app)
        .layer(from_fn(told))
        .layer(from_fn(access::readable))
        .merge(ops)
        .layer(DefaultBodyLimit::max(most))
        .layer(from_fn_with_state(most, linger))
        .layer(from_fn(observe::observe))
}

async fn search_gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = pass(&app, &app.searches, request, next).await;
    metrics::places(app.searches.open());
    response
}

async fn thumbnail_gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    pass(&app, &app.thumbnails, request, next).await
}

/// Lets a request through where the gate has a place, for no longer than a request may take.
async fn pass(app: &App, gate: &Gate, request: Request, next: Next) -> Response {
    let (uri, headers) = (request.uri().clone(), request.headers().clone());
    let arrives_later = !request.body().is_end_stream() || names_a_picture(&uri);
    let work = next.run(request);
    let passed = deadline::pass(gate, app.settings.timeout, arrives_later, work).await;
    passed.unwrap_or_else(|error| refuse(&uri, &headers, error))
}

/// Whether a picture is to be fetched before there is anything to search for.
fn names_a_picture(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.starts_with("url="))
}

/// An error as the path's readers want it: a problem for programs, a page for people.
pub(crate) fn refuse(uri: &Uri, headers: &HeaderMap, error: SearchError) -> Response {
    let one_too_many = matches!(error, SearchError::Busy | SearchError::RateLimited { .. });
    let mut response = if uri.path().starts_with("/v1/") {
        error.into_response()
    } else {
        let language = Language::of(uri.query(), headers);
        crate::page::respond(language, View::Failed(Asked::NOTHING, &error))
    };
    if one_too_many {
        response.extensions_mut().insert(TurnedAway);
    }
    response
}

/// Sees to it that every error of the API is a problem, also those that a library answers.
async fn told(path: Option<MatchedPath>, uri: Uri, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if !uri.path().starts_with("/v1/") {
        return response;
    }
    let has_id = path.is_some_and(|path| path.as_str().contains("{id}"));
    problem::of_words(response, has_id.then_some("id")).await
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
