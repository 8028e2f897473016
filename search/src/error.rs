//! What can go wrong: at the start, and with one request.

use std::net::SocketAddr;

use tusou_platform::blobs::BlobError;
use tusou_platform::elastic::ElasticError;

use crate::config::{MAX_HEAD_BYTES, MAX_QUERY_CHARS, RETRY_AFTER_SECONDS};

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A number is out of its range.
    #[error("`{key}` is {value}; it takes {least} to {most}")]
    Setting {
        /// Its name in the configuration.
        key: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        least: u64,
        /// The most it may be.
        most: u64,
    },
    /// `models.packs` names no pack.
    #[error("`models.packs` is empty; name the folder of a model pack")]
    NoPack,
    /// The address cannot be listened at.
    #[error("cannot listen at {address} (`search.listen`); is another process listening there?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Nothing can be fetched from the web.
    #[error(
        "no picture can be fetched by its address (`crawler.agent`, `crawler.contact`, the system's certificates)"
    )]
    Fetcher(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The blob store cannot be opened.
    #[error("the blob store cannot be opened")]
    Blobs(#[from] BlobError),
    /// The settings for Elasticsearch cannot be used.
    #[error("Elasticsearch cannot be asked")]
    Elastic(#[from] ElasticError),
}

/// Why a request has no answer. The text of a variant is for the person who asked; a source is for
/// the log alone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchError {
    /// A parameter cannot be read.
    #[error("{detail}")]
    Parameter {
        /// A short, stable word.
        code: &'static str,
        /// Which parameter.
        field: String,
        /// What is wrong and what is wanted.
        detail: String,
    },
    /// The body is no form with a picture.
    #[error("{0}")]
    Form(String),
    /// The upload is too large.
    #[error("the picture has more than {limit} bytes")]
    TooLarge {
        /// The most it may have.
        limit: usize,
    },
    /// The upload did not come to its end in time.
    #[error("the picture did not arrive in time; try again, or send a smaller one")]
    TooSlow,
    /// The first bytes are of no picture format that is read here.
    #[error("these bytes are no picture that can be read; send JPEG, PNG, WebP, GIF or BMP")]
    NotAPicture,
    /// It begins as a picture and cannot be decoded.
    #[error("the picture cannot be decoded: {0}")]
    Undecodable(String),
    /// It would decode to too many pixels.
    #[error("the picture has more than {limit} pixels; send a smaller one")]
    TooManyPixels {
        /// The most it may have.
        limit: u64,
    },
    /// Nothing of that name.
    #[error("{0}")]
    NotFound(String),
    /// The method is not one of this path's.
    #[error("{0}")]
    Method(&'static str),
    /// There is no index to ask, or it is another model's.
    #[error("{0}")]
    IndexNotReady(String),
    /// The service has not finished starting.
    #[error("{0}")]
    Starting(String),
    /// No API key where one is needed, or one that nobody has.
    #[error("{detail}")]
    Key {
        /// A short, stable word.
        code: &'static str,
        /// What is wrong and what is wanted.
        detail: &'static str,
    },
    /// One client asks more often than it may.
    #[error("you ask more often than this service allows; try again in {seconds} s")]
    RateLimited {
        /// When it may ask again.
        seconds: u64,
    },
    /// What came is no HTTP request.
    #[error("this is no HTTP request; speak HTTP/1.1")]
    Malformed,
    /// The address is longer than any is read.
    #[error("the address is too long; a query in words takes at most {MAX_QUERY_CHARS} characters")]
    AddressTooLong,
    /// The headers are longer than any are read.
    #[error(
        "the headers are too large; send at most {MAX_HEAD_BYTES} bytes of them, without other sites' cookies"
    )]
    HeadTooLarge,
    /// As much is in hand as is taken at once.
    #[error("too many requests at once; try again in a moment")]
    Busy,
    /// It took too long.
    #[error("the answer was not ready in time; try again in a moment")]
    Timeout,
    /// A store does not answer.
    #[error("{what} does not answer; try again in a moment")]
    Away {
        /// The store, in words.
        what: &'static str,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A broken invariant, or a store that answers nonsense.
    #[error("something went wrong here; the log of the service says what")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SearchError {
    /// A parameter that cannot be read.
    pub(crate) fn parameter(
        code: &'static str,
        field: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self::Parameter {
            code,
            field: field.into(),
            detail: detail.into(),
        }
    }

    /// Something that must not happen.
    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// A short, stable, snake-case word: the last part of the problem's `type`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Parameter { code, .. } => code,
            Self::Form(_) => "unreadable_form",
            Self::TooLarge { .. } => "picture_too_large",
            Self::TooSlow => "upload_too_slow",
            Self::NotAPicture => "not_a_picture",
            Self::Undecodable(_) => "undecodable_picture",
            Self::TooManyPixels { .. } => "too_many_pixels",
            Self::NotFound(_) => "not_found",
            Self::Method(_) => "method_not_allowed",
            Self::IndexNotReady(_) => "index_not_ready",
            Self::Starting(_) => "starting",
            Self::Key { code, .. } => code,
            Self::RateLimited { .. } => "rate_limited",
            Self::Malformed => "malformed_request",
            Self::AddressTooLong => "address_too_long",
            Self::HeadTooLarge => "headers_too_large",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Away { .. } => "unavailable",
            Self::Internal(_) => "internal",
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Parameter { .. } | Self::Form(_) | Self::Malformed => 400,
            Self::Key { .. } => 401,
            Self::NotFound(_) => 404,
            Self::Method(_) => 405,
            Self::TooSlow => 408,
            Self::TooLarge { .. } => 413,
            Self::AddressTooLong => 414,
            Self::NotAPicture => 415,
            Self::Undecodable(_) | Self::TooManyPixels { .. } => 422,
            Self::RateLimited { .. } => 429,
            Self::HeadTooLarge => 431,
            Self::Internal(_) => 500,
            Self::IndexNotReady(_)
            | Self::Starting(_)
            | Self::Busy
            | Self::Timeout
            | Self::Away { .. } => 503,
        }
    }

    /// Seconds after which it is worth asking again, where it is.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { seconds } => Some(*seconds),
            _ if self.status() == 503 => Some(RETRY_AFTER_SECONDS),
            _ => None,
        }
    }

    /// The parameter or form field at fault, where it is one.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            Self::Parameter { field, .. } => Some(field),
            Self::TooLarge { .. }
            | Self::TooSlow
            | Self::NotAPicture
            | Self::Undecodable(_)
            | Self::TooManyPixels { .. } => Some("image"),
            _ => None,
        }
    }
}
