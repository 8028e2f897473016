//! `/v1/search`: the nearest pictures to words or to an uploaded picture.

use std::sync::Arc;

use axum::Json;
use axum::extract::multipart::MultipartRejection;
use axum::extract::{Multipart, RawQuery, State};

use crate::answer::Answer;
use crate::app::App;
use crate::error::SearchError;
use crate::pipeline;
use crate::query::{K, Parameters, Query};

/// `GET /v1/search?q=words&k=20`
pub(super) async fn by_words(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, SearchError> {
    let parameters = Parameters::read(query.as_deref(), &["q", "k"])?;
    let words = parameters.get("q").unwrap_or_default().parse()?;
    let answer = pipeline::search(&app, Query::Words(words), parameters.k()?);
    Ok(Json(answer.await?))
}

/// `POST /v1/search`: `multipart/form-data` with the picture as `image` and, where wanted, `k`.
pub(super) async fn by_picture(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Answer>, SearchError> {
    let parameters = Parameters::read(query.as_deref(), &["k"])?;
    let form = app.uploads.read(multipart(form)?, &["image", "k"]).await?;
    let k = match &form.k {
        Some(k) => k.parse()?,
        None => parameters.k()?,
    };
    Ok(Json(picture(&app, form.image, k).await?))
}

/// The search that both the API and the page do with an upload.
pub(super) async fn picture(
    app: &App,
    image: crate::upload::Upload,
    k: K,
) -> Result<Answer, SearchError> {
    pipeline::search(app, Query::Picture(image), k).await
}

/// The form, where the body is one.
pub(super) fn multipart(
    form: Result<Multipart, MultipartRejection>,
) -> Result<Multipart, SearchError> {
    form.map_err(|_| {
        SearchError::Form("send the picture as multipart/form-data, in the field `image`".into())
    })
}
