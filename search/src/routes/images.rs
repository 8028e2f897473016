//! `/v1/images/{id}`: a picture's document, thumbnail and neighbours.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tusou_contract::BlobKey;

use super::openapi::{Choice, Jpeg, Refused, ThumbnailRefused};
use crate::answer::{Answer, Sightings, thumbnail_path};
use crate::app::App;
use crate::config::{MAX_THUMBNAIL_BYTES, PAGES_OF_IMAGE};
use crate::error::SearchError;
use crate::query::{Ask, Limit, Parameters, SIMILAR, image_id};
use crate::{picture, pipeline, requests};

/// A thumbnail's address holds the digest of the picture, so what it shows never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A picture: the index's document, with the path of the thumbnail and the first pages
#[utoipa::path(
    get,
    path = "/v1/images/{id}",
    params(("id" = String, Path, description = "The picture: 64 hexadecimal digits")),
    responses((status = 200, description = "The document", body = Object), Refused),
)]
pub(super) async fn document(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, SearchError> {
    Parameters::read(query.as_deref(), &[])?;
    let id = image_id("id", &id)?;
    app.index.target()?;
    let Some(mut document) = requests::document(&app, &id).await? else {
        return Err(pipeline::not_indexed(&id));
    };
    let mut pages = pipeline::pages(&app, &[id], PAGES_OF_IMAGE).await?;
    document["thumbnail"] = json!(thumbnail_path(&id));
    document["pages"] = json!(pages.remove(&id).unwrap_or_default());
    Ok(Json(document))
}

/// More like a picture: the nearest others
#[utoipa::path(
    get,
    path = "/v1/images/{id}/similar",
    params(("id" = String, Path, description = "The picture: 64 hexadecimal digits"), Choice),
    responses((status = 200, description = "What was found", body = Answer), Refused),
)]
pub(super) async fn similar(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, SearchError> {
    let parameters = Parameters::read(query.as_deref(), SIMILAR)?;
    let ask = Ask::like(image_id("id", &id)?, &parameters, &app.settings)?;
    Ok(Json(pipeline::search(&app, &ask).await?))
}

/// Where a picture is seen, the oldest first: page, title, alt, rights, first and last seen, gone or live
#[utoipa::path(
    get,
    path = "/v1/images/{id}/sightings",
    params(
        ("id" = String, Path, description = "The picture: 64 hexadecimal digits"),
        ("limit" = Option<u16>, Query, description = "How many, 1 to 100; 20 otherwise"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page of sightings", body = Sightings), Refused),
)]
pub(super) async fn sightings(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Sightings>, SearchError> {
    let parameters = Parameters::read(query.as_deref(), &["limit", "cursor"])?;
    let id = image_id("id", &id)?;
    let limit: Limit = parameters.parse("limit")?;
    let page = picture::sightings(&app, id, parameters.get("cursor"), limit.get()).await?;
    if page.live + page.gone == 0 {
        return Err(SearchError::NotFound(format!(
            "no page that shows image {id} is known"
        )));
    }
    Ok(Json(page))
}

/// A picture's thumbnail
///
/// It needs no key: `<img>` cannot send one.
#[utoipa::path(
    get,
    path = "/v1/images/{id}/thumbnail",
    params(("id" = String, Path, description = "The picture: 64 hexadecimal digits")),
    security(()),
    responses(
        (status = 200, description = "It as a JPEG", body = inline(Jpeg), content_type = "image/jpeg"),
        ThumbnailRefused,
    ),
)]
pub(super) async fn thumbnail(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, SearchError> {
    let id = image_id("id", &id)?;
    let stored = app
        .blobs
        .get(&BlobKey::thumbnail(&id), MAX_THUMBNAIL_BYTES)
        .await
        .map_err(|cause| SearchError::Away {
            what: "the store of thumbnails",
            cause: cause.into(),
        })?;
    let Some(bytes) = stored else {
        return Err(SearchError::NotFound(format!(
            "there is no thumbnail of image {id}"
        )));
    };
    let headers = [(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, FOR_EVER)];
    Ok((headers, bytes).into_response())
}
