//! Errors as answers: `application/problem+json`.
//!
//! Source: RFC 9457, Problem Details for HTTP APIs.

use axum::body::Bytes;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tusou_platform::telemetry::chain;
use utoipa::ToSchema;

use crate::error::SearchError;

/// Its media type.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";
/// The most of somebody else's words that are taken over, in bytes.
const MAX_WORDS: usize = 1 << 10;

/// The body of an error's answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:tusou:problem:<code>`: the code is short and stable.
    #[schema(example = "urn:tusou:problem:empty_query")]
    r#type: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What was wrong, and what to do.
    detail: String,
    /// The parameter or form field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    /// The problem that tells of an error, and nothing of what lies behind it.
    pub(crate) fn of(error: &SearchError) -> Self {
        Self {
            r#type: format!("urn:tusou:problem:{}", error.code()),
            title: status(error).canonical_reason().unwrap_or("Error"),
            status: error.status(),
            detail: error.to_string(),
            field: error.field().map(ToOwned::to_owned),
        }
    }
}

/// The error's status as axum has it.
pub(crate) fn status(error: &SearchError) -> StatusCode {
    StatusCode::from_u16(error.status()).expect("every status is a constant of HTTP")
}

/// Logs an error that is ours, once, with its causes; the request's span carries its id.
pub(crate) fn log(error: &SearchError) {
    match error {
        SearchError::Internal(_) => {
            tracing::error!(error = chain(error), "a request failed");
        }
        SearchError::Away { .. } => tracing::warn!(error = chain(error), "a store is away"),
        _ => tracing::debug!(code = error.code(), "{error}"),
    }
}

/// Says when to come back, where that helps, and how to show who asks.
pub(crate) fn say_when(error: &SearchError, response: &mut Response) {
    let headers = response.headers_mut();
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let SearchError::Key { .. } = error {
        // Source: RFC 6750, 3.
        let scheme = HeaderValue::from_static("Bearer realm=\"tusou\"");
        headers.insert(WWW_AUTHENTICATE, scheme);
    }
}

impl IntoResponse for SearchError {
    fn into_response(self) -> Response {
        log(&self);
        let mut response = Problem::of(&self).respond(status(&self));
        say_when(&self, &mut response);
        response
    }
}

impl Problem {
    fn respond(&self, status: StatusCode) -> Response {
        let body = serde_json::to_vec(self).expect("a problem holds only text");
        (status, [(CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
    }
}

/// Puts a problem in the place of an error that a library answered with mere words. `field` is the
/// parameter that is at fault where the address could not be read.
pub(crate) async fn of_words(response: Response, field: Option<&str>) -> Response {
    let status = response.status();
    let media_type = response.headers().get(CONTENT_TYPE);
    if !(status.is_client_error() || status.is_server_error())
        || media_type.is_some_and(|media_type| media_type == MEDIA_TYPE)
    {
        return response;
    }
    let (head, body) = response.into_parts();
    let words: Bytes = axum::body::to_bytes(body, MAX_WORDS)
        .await
        .unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    let title = status.canonical_reason().unwrap_or("Error");
    let (code, field) = match status.as_u16() {
        400 if field == Some("id") => ("invalid_id", field),
        400 => ("unreadable_request", field),
        404 => ("not_found", None),
        405 => ("method_not_allowed", None),
        408 => ("timeout", None),
        413 => ("body_too_large", None),
        415 => ("unsupported_body", None),
        500..=599 => ("internal", None),
        _ => ("refused", None),
    };
    let problem = Problem {
        r#type: format!("urn:tusou:problem:{code}"),
        title,
        status: status.as_u16(),
        detail: if words.is_empty() || status.is_server_error() {
            format!("the request was refused: {title}")
        } else {
            format!("the request cannot be read: {words}")
        },
        field: field.map(ToOwned::to_owned),
    };
    let mut response = problem.respond(status);
    if let Some(methods) = head.headers.get(ALLOW) {
        response.headers_mut().insert(ALLOW, methods.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_as_recorded_and_hide_their_causes() {
        let secret = || std::io::Error::other("postgres://tusou:secret@db");
        let errors = [
            SearchError::parameter("empty_query", "q", "`q` is empty; type some words"),
            SearchError::Form("the body is no multipart form".into()),
            SearchError::TooLarge { limit: 16 << 20 },
            SearchError::TooSlow,
            SearchError::NotAPicture,
            SearchError::Undecodable("unexpected end of file".into()),
            SearchError::TooManyPixels { limit: 50_000_000 },
            SearchError::NotFound("no image of that id is known".into()),
            SearchError::Method("use GET"),
            SearchError::IndexNotReady("nothing is indexed yet".into()),
            SearchError::Starting("the model is being loaded".into()),
            SearchError::Key {
                code: "key_needed",
                detail: "this needs an API key",
            },
            SearchError::RateLimited { seconds: 3 },
            SearchError::Malformed,
            SearchError::AddressTooLong,
            SearchError::HeadTooLarge,
            SearchError::Busy,
            SearchError::Timeout,
            SearchError::Away {
                what: "the database",
                cause: secret().into(),
            },
            SearchError::internal(secret()),
        ];
        let problems: Vec<_> = errors.iter().map(Problem::of).collect();
        let text = serde_json::to_string(&problems).expect("problems are text");
        assert!(!text.contains("secret"), "{text}");
        insta::assert_json_snapshot!(problems);
    }

    #[test]
    fn what_may_pass_says_when_to_come_back() {
        assert_eq!(
            SearchError::Busy.into_response().headers()[RETRY_AFTER],
            "2"
        );
        let limited = SearchError::RateLimited { seconds: 7 }.into_response();
        assert_eq!(limited.headers()[RETRY_AFTER], "7");
        let refused = SearchError::NotAPicture.into_response();
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(!refused.headers().contains_key(RETRY_AFTER));
    }

    #[tokio::test]
    async fn words_of_a_library_become_a_problem() {
        let words = |status: StatusCode, text: &'static str| (status, text).into_response();
        let path = words(StatusCode::BAD_REQUEST, "Invalid UTF-8 in `id`");
        let told = of_words(path, Some("id")).await;
        assert_eq!(told.headers()[CONTENT_TYPE], MEDIA_TYPE);
        let body = axum::body::to_bytes(told.into_body(), 4 << 10).await;
        let body: serde_json::Value =
            serde_json::from_slice(&body.expect("short")).expect("a problem");
        assert_eq!(body["type"], "urn:tusou:problem:invalid_id");
        assert_eq!(body["field"], "id");
        let broken = words(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Missing extension secret",
        );
        let body = axum::body::to_bytes(of_words(broken, None).await.into_body(), 4 << 10).await;
        let body = String::from_utf8(body.expect("short").to_vec()).expect("text");
        assert!(!body.contains("secret"), "{body}");
        let fine = of_words(words(StatusCode::OK, "fine"), None).await;
        assert_eq!(fine.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
