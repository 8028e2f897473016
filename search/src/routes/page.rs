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
use crate::page::{Asked, CHOICES, Language, Subject, View, respond};
use crate::pipeline;
use crate::query::{Ask, Parameters, SEARCH};

/// `GET /`, `GET /?q=words`, `GET /?like=id`
pub(super) async fn show(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let language = Language::of(query.as_deref(), &headers);
    let parameters = match Parameters::read(query.as_deref(), SEARCH) {
        Ok(parameters) => parameters.chosen(&CHOICES),
        Err(error) => return respond(language, View::Failed(Asked::NOTHING, &error)),
    };
    let subject = match (parameters.get("q"), parameters.get("like")) {
        (Some(words), _) => Subject::Words(words),
        (None, Some(id)) => Subject::Like(id),
        (None, None) if parameters.lacks(&["url", "cursor"]) => {
            return respond(language, View::Home);
        }
        (None, None) => Subject::Picture,
    };
    let asked = Asked {
        subject,
        parameters: &parameters,
    };
    let result = async {
        let mut ask = Ask::read(&parameters, None, &app.settings)?;
        // What can be chosen is shown with how many there are of it.
        ask.facets = asked.has_address();
        pipeline::search(&app, &ask).await
    };
    result_page(language, asked, &result.await)
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
        let mut parameters = Parameters::read(query.as_deref(), SEARCH)?;
        let ask = search::from_form(&app, &mut parameters, form).await;
        if let Some(named) = parameters.get("lang").and_then(Language::named) {
            language = named;
        }
        pipeline::search(&app, &ask?).await
    }
    .await;
    let asked = Asked {
        subject: Subject::Picture,
        parameters: &Parameters::NONE,
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
