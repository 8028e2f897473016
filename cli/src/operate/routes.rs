//! The routes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::Markup;
use url::form_urlencoded;

use super::act;
use super::app::App;
use super::ask::{Deed, Form, typed};
use super::assets::{ICON, SCRIPT, STYLE, file};
use super::guard::guard;
use super::page::{self, Shown};
use super::pictures::picture;
use super::server::Peer;
use super::words::Language;

/// The most bytes of a form.
const MAX_FORM: usize = 32 << 10;
/// How long what was done is waited for to show on the page.
const FRESH: Duration = Duration::from_secs(3);

/// Every route: the page behind its guard, health and metrics as the services have them.
pub(super) fn router(app: Arc<App>, ops: Router) -> Router {
    Router::new()
        .route("/", get(show))
        .route("/ask", post(ask).get(back))
        .route("/do", post(carry_out).get(back))
        .route("/picture/{id}", get(picture))
        .route("/assets/operate.css", get(async || file("text/css", STYLE)))
        .route(
            "/assets/operate.js",
            get(async || file("text/javascript", SCRIPT)),
        )
        .route(
            "/assets/icon.svg",
            get(async || file("image/svg+xml", ICON)),
        )
        .fallback(async || (StatusCode::NOT_FOUND, "There is nothing at this address.\n"))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(from_fn_with_state(Arc::clone(&app), guard))
        .with_state(app)
        .merge(ops)
}

/// The query's parameters, read as a form.
fn query(query: Option<&str>) -> Form {
    Form::read(query.unwrap_or_default().as_bytes())
}

/// `GET /`
async fn show(
    State(app): State<Arc<App>>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query = query(text.as_deref());
    let language = Language::of(query.get("lang"), &headers);
    let told = app.take_told(query.get("said"));
    let shown = Shown {
        language,
        token: app.guard.token(),
        told: told.as_deref(),
        letters_page: query.get("dead").parse().unwrap_or(0),
        now: SystemTime::now(),
        config: &app.config,
    };
    html(
        StatusCode::OK,
        language,
        page::overview(
            &shown,
            app.looker.seen().as_ref(),
            app.letters.last().as_ref(),
        ),
    )
}

/// `POST /ask`: says what would be done, and asks whether it is to be.
async fn ask(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = Form::read(&body);
    let language = Language::of(form.get("lang"), &headers);
    let deed = match checked(&app, &form) {
        Ok(deed) => deed,
        Err(status) => return stale(&app, language, status),
    };
    let said = act::try_out(&app, deed, &form).await;
    answer(&app, language, deed, &form, &said)
}

/// `POST /do`: does it, and goes back to the page.
async fn carry_out(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = Form::read(&body);
    let language = Language::of(form.get("lang"), &headers);
    let deed = match checked(&app, &form) {
        Ok(deed) => deed,
        Err(status) => return stale(&app, language, status),
    };
    let before = app.looker.seen().and_then(|seen| seen.counted_at);
    let said = act::carry_out(&app, deed, &form).await;
    let command = typed(&deed.command(&form, false));
    let address = peer.map(|Extension(Peer(address))| address.to_string());
    match &said {
        Ok(_) => tracing::info!(address, command, "done from the operator's page"),
        Err(reason) => tracing::warn!(
            address,
            command,
            reason,
            "not done from the operator's page"
        ),
    }
    let words = match said {
        Ok(words) => words,
        Err(_) => return answer(&app, language, deed, &form, &said),
    };
    // The page that follows is to show what was done, as far as that is known in a moment.
    let mut changes = app.looker.changes();
    let fresh = async {
        while app.looker.seen().and_then(|seen| seen.counted_at) == before {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(FRESH, fresh).await;
    let mut address = form_urlencoded::Serializer::new(String::from("/?"));
    address.append_pair("lang", language.name());
    if let Ok(key) = app.tell(format!("{command}\n{words}")) {
        address.append_pair("said", &key);
    }
    (StatusCode::SEE_OTHER, [(LOCATION, address.finish())]).into_response()
}

/// What the form asks for, where it is one of ours.
fn checked(app: &App, form: &Form) -> Result<Deed, StatusCode> {
    if !app.guard.is_token(form.get("token")) {
        return Err(StatusCode::FORBIDDEN);
    }
    Deed::of(form).ok_or(StatusCode::UNPROCESSABLE_ENTITY)
}

/// A form of another run of this process, or of nobody's.
fn stale(app: &App, language: Language, status: StatusCode) -> Response {
    html(status, language, page::stale(&bare(app, language)))
}

fn answer(app: &App, language: Language, deed: Deed, form: &Form, said: &act::Said) -> Response {
    let status = match said {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    html(
        status,
        language,
        page::confirm(&bare(app, language), deed, form, said),
    )
}

fn bare(app: &App, language: Language) -> Shown<'_> {
    Shown {
        language,
        token: app.guard.token(),
        told: None,
        letters_page: 0,
        now: SystemTime::now(),
        config: &app.config,
    }
}

/// Who comes back to a form's address without the form begins anew.
async fn back() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response()
}

fn html(status: StatusCode, language: Language, page: Markup) -> Response {
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-language", language.tag()),
        ("vary", "accept-language"),
    ];
    (status, headers, page.into_string()).into_response()
}
