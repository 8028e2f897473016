//! Errors as answers: `application/problem+json`.
//!
//! Source: RFC 9457, Problem Details for HTTP APIs.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tusou_platform::telemetry::chain;

use crate::config::RETRY_AFTER_SECONDS;
use crate::error::SearchError;

/// The body of an error's answer.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    /// `urn:tusou:problem:<code>`.
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

/// Says when to come back, where that helps.
pub(crate) fn say_when(error: &SearchError, response: &mut Response) {
    if error.status() == 503 {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
}

impl IntoResponse for SearchError {
    fn into_response(self) -> Response {
        log(&self);
        let body = serde_json::to_vec(&Problem::of(&self)).expect("a problem holds only text");
        let mut response = (
            status(&self),
            [(CONTENT_TYPE, "application/problem+json")],
            body,
        )
            .into_response();
        say_when(&self, &mut response);
        response
    }
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
        let refused = SearchError::NotAPicture.into_response();
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(!refused.headers().contains_key(RETRY_AFTER));
    }
}
