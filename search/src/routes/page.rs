//! `/`: the page, without a query, with words, with a known picture, or with an upload.

use std::sync::Arc;

use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::search;
use crate::answer::Answer;
use crate::app::App;
use crate::error::SearchError;
use crate::page::{Asked, Language, View, respond};
use crate::pipeline;
use crate::query::{K, Parameters, Query, image_id};

/// `GET /`, `GET /?q=words`, `GET /?like=id`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(query.as_deref(), &headers);
    let parameters = match Parameters::read(query.as_deref(), &["q", "like", "k", "lang"]) {
        Ok(parameters) => parameters,
        Err(error) => return respond(language, View::Failed(Asked::Nothing, &error)),
    };
    let (asked, result) = match (parameters.get("q"), parameters.get("like")) {
        (None, None) => return respond(language, View::Home),
        (Some(words), _) => (
            Asked::Words(words),
            by_words(&app, &parameters, words).await,
        ),
        (None, Some(id)) => (Asked::Like(id), by_id(&app, &parameters, id).await),
    };
    result_page(language, asked, &result)
}

/// `POST /`, which the form without a script sends.
pub(super) async fn by_picture(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let mut language = Language::of(query.as_deref(), &headers);
    let result = async {
        let form = search::multipart(form)?;
        let form = app.uploads.read(form, &["image", "k", "lang"]).await?;
        if let Some(named) = form.lang.as_deref().and_then(Language::named) {
            language = named;
        }
        let k = form
            .k
            .as_deref()
            .map_or_else(|| Ok(K::default()), str::parse)?;
        search::picture(&app, form.image, k).await
    }
    .await;
    result_page(language, Asked::Picture, &result)
}

async fn by_words(app: &App, parameters: &Parameters, words: &str) -> Result<Answer, SearchError> {
    pipeline::search(app, Query::Words(words.parse()?), parameters.k()?).await
}

async fn by_id(app: &App, parameters: &Parameters, id: &str) -> Result<Answer, SearchError> {
    pipeline::search(app, Query::Like(image_id(id)?), parameters.k()?).await
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
