//! Why a URL brought nothing.

use std::time::Duration;

use tusou_ingest::wanted::Unwanted;
use tusou_platform::door::FetchError;

/// Why a URL brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may work later: another attempt, while there are some left.
    Retry {
        reason: &'static str,
        status: Option<u16>,
        /// What the server asked for, where it did.
        after: Option<Duration>,
    },
    /// It never works.
    Final { reason: String, status: Option<u16> },
    /// It is not to be fetched, or its answer not to be used.
    Skipped {
        reason: &'static str,
        status: Option<u16>,
    },
}

impl Failure {
    /// Whether the server gave an answer that is its last word.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Retry { .. } => false,
            Self::Final { status, .. } | Self::Skipped { status, .. } => status.is_some(),
        }
    }

    pub(crate) fn end(reason: &str, status: u16) -> Self {
        Self::Final {
            reason: reason.to_owned(),
            status: Some(status),
        }
    }

    pub(crate) fn skipped(reason: &'static str) -> Self {
        Self::Skipped {
            reason,
            status: None,
        }
    }

    pub(crate) fn not_used(reason: &'static str, status: u16) -> Self {
        Self::Skipped {
            reason,
            status: Some(status),
        }
    }

    pub(crate) fn again(reason: &'static str) -> Self {
        Self::Retry {
            reason,
            status: None,
            after: None,
        }
    }

    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Retry { reason, .. } | Self::Skipped { reason, .. } => reason,
            Self::Final { reason, .. } => reason,
        }
    }
}

impl From<&FetchError> for Failure {
    fn from(cause: &FetchError) -> Self {
        let reason = cause.reason();
        match cause {
            FetchError::AddressRefused(_) | FetchError::Credentials(_) | FetchError::BadPort(_) => {
                Self::skipped(reason)
            }
            // What is no picture is so for everybody; the rest is this crawl's choice.
            FetchError::Stopped { status, .. } if Unwanted::is_choice(reason) => {
                Self::not_used(reason, *status)
            }
            FetchError::Stopped { status, .. } => Self::end(reason, *status),
            // Ours to mend.
            FetchError::ContactUnset(_) => Self::again(reason),
            _ if cause.is_transient() => Self::again(reason),
            _ => Self::Final {
                reason: reason.to_owned(),
                status: None,
            },
        }
    }
}
