//! What is wrong where a bucket refuses or does not answer, and which key of the configuration says so.

use std::error::Error;

use object_store::client::{HttpError, HttpErrorKind};

/// What a key must be allowed.
const RIGHTS: &str = "GetObject, PutObject, DeleteObject and ListBucket";

/// Where credentials come from that are not configured.
const ROLES: [&str; 2] = ["169.254.169.254", "169.254.170.2"];

/// The most characters of what a client says.
const LONGEST: usize = 400;

/// One line for whoever reads a log or a service's health.
pub(super) fn of(error: &object_store::Error, endpoint: &str) -> String {
    let said = chain(error);
    if ROLES.iter().any(|address| said.contains(address)) {
        return "no credentials: set `blobs.access_key_id` and `blobs.secret_access_key`, Amazon's variables, or a role \
                of this machine"
            .into();
    }
    if let Some(code) = code(&said) {
        return of_code(code, endpoint);
    }
    if let Some(kind) = transport(error) {
        return of_transport(kind, &said, endpoint);
    }
    // The answer to a mere look has no body, and so no code.
    match error {
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => of_code("AccessDenied", endpoint),
        object_store::Error::NotFound { .. } => format!("{endpoint} does not have it"),
        _ if said.contains("configured region") => of_code("PermanentRedirect", endpoint),
        _ => match status(&said) {
            Some(status) => format!("{endpoint} answers {status}"),
            None => format!("{endpoint} does not answer as it should"),
        },
    }
}

/// Whether an answer of 404 speaks of the object. That to a mere look says nothing more.
pub(super) fn is_of_object(error: &object_store::Error) -> bool {
    matches!(code(&chain(error)), None | Some("NoSuchKey" | "NotFound"))
}

/// What was asked and answered, without the answer's body: that can hold pages of what was signed.
pub(super) fn said(error: &object_store::Error) -> Said {
    let said = error.to_string();
    let line = said.lines().next().unwrap_or_default();
    let line = line.split(['<', '{']).next().unwrap_or_default();
    Said(
        line.trim_end_matches([' ', ':'])
            .chars()
            .take(LONGEST)
            .collect(),
    )
}

/// What a store's client says of a failure, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(String);

fn of_code(code: &str, endpoint: &str) -> String {
    match code {
        "NoSuchBucket" => {
            format!("there is no such bucket at {endpoint}: make it, or correct `blobs.url`")
        }
        // The second is VersityGW's.
        "InvalidAccessKeyId" | "XAdminUserNotFound" => {
            format!("{endpoint} does not know the key ({code}): see `blobs.access_key_id`")
        }
        "SignatureDoesNotMatch" => format!(
            "{endpoint} takes the key for a wrong one ({code}): see `blobs.secret_access_key`"
        ),
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => format!(
            "{endpoint} does not take the credentials any more ({code}): renew them, or set `blobs.access_key_id` and \
             `blobs.secret_access_key`"
        ),
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "NotSignedUp" => format!(
            "{endpoint} does not allow it ({code}): give the key of `blobs.access_key_id` {RIGHTS} of the bucket, or see \
             `blobs.secret_access_key`"
        ),
        "AuthorizationHeaderMalformed"
        | "PermanentRedirect"
        | "IllegalLocationConstraintException" => {
            format!("the bucket is in another region ({code}): see `blobs.s3_region`")
        }
        "RequestTimeTooSkewed" => {
            format!(
                "the clocks of this machine and of {endpoint} differ too much ({code}): set this one"
            )
        }
        "XMinioStorageFull"
        | "QuotaExceeded"
        | "InsufficientStorage"
        | "QuotaExceededException" => {
            format!("{endpoint} is full ({code}): make room in it")
        }
        "SlowDown" | "ServiceUnavailable" | "TooManyRequests" => {
            format!("{endpoint} is too busy ({code}); it is tried again")
        }
        _ => format!("{endpoint} answers {code}"),
    }
}

fn of_transport(kind: HttpErrorKind, said: &str, endpoint: &str) -> String {
    let of_tls = ["certificate", "UnknownIssuer", "InvalidCertificate"];
    if of_tls.iter().any(|word| said.contains(word)) {
        return format!(
            "the certificate of {endpoint} is not trusted: see `blobs.s3_endpoint`, and name its authority in \
             `blobs.s3_ca_file`"
        );
    }
    match kind {
        HttpErrorKind::Timeout => format!(
            "{endpoint} does not answer in time: see that it runs, `blobs.s3_endpoint` and `blobs.s3_timeout_ms`"
        ),
        HttpErrorKind::Connect => {
            format!("{endpoint} cannot be reached: see that it runs, and `blobs.s3_endpoint`")
        }
        _ => format!(
            "the connection to {endpoint} broke off: see that it runs, and `blobs.s3_endpoint`"
        ),
    }
}

/// Everything that an error and its causes say.
fn chain(error: &object_store::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said.push_str(": ");
        said.push_str(&error.to_string());
        cause = error.source();
    }
    said
}

/// The store's own word for what went wrong: `NoSuchBucket`.
fn code(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    (code.len() <= 64).then_some(code)
}

/// The status of an answer without such a word: `500 Internal Server Error`.
fn status(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("status code: ")?;
    let status = rest.split(':').next()?;
    (status.len() <= 64).then_some(status)
}

fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(said: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: said.to_owned().into(),
        }
    }

    #[test]
    fn every_refusal_names_what_is_to_be_looked_at() {
        for (code, named) in [
            ("NoSuchBucket", "blobs.url"),
            ("InvalidAccessKeyId", "blobs.access_key_id"),
            ("SignatureDoesNotMatch", "blobs.secret_access_key"),
            ("ExpiredToken", "renew them"),
            ("AccessDenied", "ListBucket"),
            ("PermanentRedirect", "blobs.s3_region"),
            ("RequestTimeTooSkewed", "clocks"),
            ("XMinioStorageFull", "make room"),
            ("SlowDown", "tried again"),
            ("Unheard", "answers Unheard"),
        ] {
            let error = generic(&format!("403: <Error><Code>{code}</Code></Error>"));
            let reason = of(&error, "https://s3");
            assert!(reason.contains(named), "{reason}");
            assert_eq!(said(&error).to_string(), "Generic S3 error: 403");
            assert!(!is_of_object(&error), "{code}");
        }
        assert!(is_of_object(&generic("404: <Code>NoSuchKey</Code>")));
        assert!(is_of_object(&generic("404 Not Found: ")));
        let error = generic("Server returned non-2xx status code: 500 Internal Server Error: ");
        let reason = of(&error, "https://s3");
        assert_eq!(reason, "https://s3 answers 500 Internal Server Error");
        let error = generic("Error performing PUT http://169.254.169.254/latest/api/token");
        assert!(of(&error, "https://s3").contains("blobs.access_key_id"));
    }
}
