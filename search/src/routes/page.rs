//! `/`: the page, without a query, with words, with a known picture, or with an upload. `/image/{id}`: one picture.

use std::sync::Arc;

use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::search;
use crate::answer::Answer;
use crate::app::App;
use crate::error::SearchError;
use crate::page::{Asked, CHOICES, Language, Subject, View, respond};
use crate::query::{Ask, PAGE, Parameters, SEARCH, image_id};
use crate::{picture, pipeline};

/// `GET /`, `GET /?q=words`, `GET /?like=id`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(query.as_deref(), &headers);
    let parameters = match Parameters::read(query.as_deref(), PAGE) {
        Ok(parameters) => parameters.chosen(&CHOICES),
        Err(error) => return respond(language, View::Failed(Asked::NOTHING, &error)),
    };
    if parameters.lacks(&["q", "like", "url", "cursor"]) {
        return respond(language, View::Home);
    }
    let mut result = search(&app, &parameters).await;
    let mut parameters = parameters;
    // Whoever comes back to an address means its place, also where what is found has changed meanwhile.
    if asked(&parameters).has_address() && result.as_ref().is_err_and(is_of_cursor) {
        parameters = parameters.without(&["cursor"]);
        result = search(&app, &parameters).await;
    }
    result_page(language, asked(&parameters), &result)
}

fn asked(parameters: &Parameters) -> Asked<'_> {
    let get = |name| parameters.get(name);
    let subject = match (get("q"), get("like"), get("url")) {
        (Some(words), ..) => Subject::Words(words),
        (None, Some(id), _) => Subject::Like(id),
        (None, None, Some(_)) => Subject::Url,
        // A cursor alone, of an upload.
        (None, None, None) => Subject::Picture,
    };
    Asked {
        subject,
        parameters,
    }
}

async fn search(app: &App, parameters: &Parameters) -> Result<Answer, SearchError> {
    let asked = asked(parameters);
    let mut ask = Ask::read(parameters, None, &app.settings)?;
    // What can be chosen is shown with how many there are of it.
    ask.facets = asked.has_address();
    ask.from = asked.from();
    pipeline::search(app, &ask).await
}

fn is_of_cursor(error: &SearchError) -> bool {
    error.field() == Some("cursor")
}

/// `POST /`, which the form without a script sends, and the script with what narrows the search.
pub(super) async fn by_picture(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let mut language = Language::of(query.as_deref(), &headers);
    let mut parameters = match Parameters::read(query.as_deref(), SEARCH) {
        Ok(parameters) => parameters.chosen(&CHOICES),
        Err(error) => return respond(language, View::Failed(Asked::NOTHING, &error)),
    };
    let result = async {
        let mut ask = search::from_form(&app, &mut parameters, form).await?;
        ask.facets = true;
        pipeline::search(&app, &ask).await
    }
    .await;
    if let Some(named) = parameters.get("lang").and_then(Language::named) {
        language = named;
    }
    let asked = Asked {
        subject: Subject::Picture,
        parameters: &parameters,
    };
    result_page(language, asked, &result)
}

fn result_page(
    language: Language,
    asked: Asked<'_>,
    result: &Result<Answer, SearchError>,
) -> Response {
    match result {
        Ok(answer) => respond(language, View::Found(asked, answer)),
        Err(error) => respond(language, View::Failed(asked, error)),
    }
}

/// `GET /image/{id}`
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(query.as_deref(), &headers);
    let gathered = async {
        let parameters = Parameters::read(query.as_deref(), &["lang", "cursor"])?;
        let id = image_id("id", &id)?;
        picture::picture(&app, id, parameters.get("cursor")).await
    };
    match gathered.await {
        Ok(picture) => respond(language, View::Picture(&picture)),
        Err(error) => respond(language, View::Failed(Asked::NOTHING, &error)),
    }
}
