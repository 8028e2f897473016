//! Pictures of dead letters: bytes from the web that no decoder of ours could read, so nothing but a picture may come
//! of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tusou_contract::{BlobKey, ImageFormat, ImageId};
use tusou_platform::blobs::{BlobError, BlobStore};
use tusou_platform::telemetry::chain;

use super::app::App;

/// Nothing in it runs, loads or is framed, whatever a browser takes it for.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'",
);
/// The most bytes of a thumbnail.
const MAX_THUMBNAIL: u64 = 4 << 20;

/// `GET /picture/{id}`: the thumbnail, else the original where its bytes begin as a picture's.
pub(super) async fn picture(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let Ok(id) = id.parse::<ImageId>() else {
        return (
            StatusCode::NOT_FOUND,
            "An image has 64 hexadecimal digits.\n",
        )
            .into_response();
    };
    let blobs = match &app.blobs {
        Ok(blobs) => blobs,
        Err(reason) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response();
        }
    };
    match find(blobs, &id, app.config.crawler.max_image_bytes).await {
        Ok(Some((format, bytes))) => {
            let headers = [
                (CONTENT_TYPE, HeaderValue::from_static(format.media_type())),
                (CONTENT_SECURITY_POLICY, SANDBOX),
                (CONTENT_DISPOSITION, HeaderValue::from_static("inline")),
            ];
            (headers, bytes).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "No picture is stored of it.\n").into_response(),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", chain(&error)),
        )
            .into_response(),
    }
}

async fn find(
    blobs: &BlobStore,
    id: &ImageId,
    most: u64,
) -> Result<Option<(ImageFormat, Bytes)>, BlobError> {
    let thumbnail = blobs.get(&BlobKey::thumbnail(id), MAX_THUMBNAIL).await?;
    if let Some(bytes) = thumbnail {
        return Ok(Some((ImageFormat::Jpeg, bytes)));
    }
    for format in ImageFormat::ALL {
        let found = blobs.get(&BlobKey::original(id, format), most).await?;
        let is_one = |bytes: &Bytes| ImageFormat::sniff(bytes) == Some(format);
        if let Some(bytes) = found.filter(is_one) {
            return Ok(Some((format, bytes)));
        }
    }
    Ok(None)
}
