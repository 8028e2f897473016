//! `/v1/search`: pictures by words, by a picture, or by both.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, RawQuery, State};

use super::openapi::{Choice, PictureRefused, Refused, SearchForm, Subject, UploadRefused};
use crate::answer::Answer;
use crate::app::App;
use crate::error::SearchError;
use crate::pipeline;
use crate::query::{Ask, Parameters, SEARCH};

/// Pictures by words, by an indexed picture, or by one on the web
///
/// At least one of `q`, `like`, `url` and `cursor` is needed.
#[utoipa::path(
    get,
    path = "/v1/search",
    params(Subject, Choice),
    responses((status = 200, description = "What was found", body = Answer), Refused, PictureRefused),
)]
pub(super) async fn search(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, SearchError> {
    let parameters = Parameters::read(query.as_deref(), SEARCH)?;
    let ask = Ask::read(&parameters, None, &app.settings)?;
    Ok(Json(pipeline::search(&app, &ask).await?))
}

/// Pictures by an uploaded picture
///
/// The picture is `image` in the form; all else stands in the form or the address. It is not kept.
#[utoipa::path(
    post,
    path = "/v1/search",
    params(Subject, Choice),
    request_body(content = SearchForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "What was found", body = Answer),
        Refused,
        PictureRefused,
        UploadRefused,
    ),
)]
pub(super) async fn search_by_form(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Answer>, SearchError> {
    let mut parameters = Parameters::read(query.as_deref(), SEARCH)?;
    let ask = from_form(&app, &mut parameters, form).await?;
    Ok(Json(pipeline::search(&app, &ask).await?))
}

/// What a form asks beside what its address does.
pub(super) async fn from_form(
    app: &App,
    parameters: &mut Parameters,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Ask, SearchError> {
    let form = form.map_err(|_| {
        SearchError::Form("send the picture as multipart/form-data, in the field `image`".into())
    })?;
    let upload = app.uploads.read(form, parameters, SEARCH).await?;
    let nothing = || {
        SearchError::parameter(
            "no_picture",
            "image",
            "there is no `image` in the form; send a picture as multipart/form-data",
        )
    };
    if upload.is_none() && parameters.lacks(&["q", "like", "url", "cursor"]) {
        return Err(nothing());
    }
    Ask::read(parameters, upload, &app.settings)
}
