//! Why a fetch gave no answer.

use std::error::Error;

use url::Url;

use super::resolve::ResolveError;

/// A fetch that gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is none that can be fetched: another scheme, or no host.
    #[error("{0} cannot be fetched: it is no http or https URL with a host")]
    BadUrl(String),
    /// The address policy refuses it.
    #[error("{0} is not a public address; `network.allow` can name its range")]
    AddressRefused(String),
    /// The URL carries a user name or a password.
    #[error("a URL for {0} carries a user name or password; leave them out")]
    Credentials(
        /// The host only: a password must not reach a log.
        String,
    ),
    /// No web server is there: mail, chat, a printer.
    #[error(
        "port {0} is one that no web server has (https://fetch.spec.whatwg.org/#port-blocking)"
    )]
    BadPort(u16),
    /// The body is compressed in a way that was not asked for.
    #[error("the body is compressed as {0:?}; gzip, br, zstd or deflate was asked for")]
    Encoding(String),
    /// Nobody may be asked beyond loopback by one who does not say who they are.
    #[error(
        "{0} is not asked: set `crawler.contact` to a page or mail address where site owners reach you"
    )]
    ContactUnset(String),
    /// The name has no address, or no name server answers.
    #[error("cannot resolve {host}")]
    Dns {
        /// Which name.
        host: String,
        /// Why.
        #[source]
        cause: Option<reqwest::Error>,
    },
    /// Nothing accepts there.
    #[error("cannot connect")]
    Connect(#[source] reqwest::Error),
    /// TLS failed: a certificate that does not hold, or no common version.
    #[error("TLS failed")]
    Tls(#[source] reqwest::Error),
    /// Too slow: `connection`, `silence` or `whole fetch`.
    #[error("no answer in time ({0})")]
    Timeout(&'static str),
    /// The body is larger than allowed (the fetch stopped there).
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// The most bytes allowed.
        limit: u64,
    },
    /// Whoever asked does not want it: the fetch stopped there.
    #[error("the answer is not wanted ({reason})")]
    Stopped {
        /// A short word.
        reason: &'static str,
        /// HTTP status.
        status: u16,
        /// Bytes of the body that came.
        came: u64,
        /// Bytes that did not, where the body's length is known.
        saved: Option<u64>,
    },
    /// The peer broke HTTP, the compression or the connection.
    #[error("the exchange broke")]
    Broken(#[source] reqwest::Error),
}

impl FetchError {
    /// A short word for rows and metrics: `bad_url`, `address_refused`, `credentials`, `bad_port`,
    /// `bad_encoding`, `dns`, `connect`, `tls`, `timeout`, `too_large`, `broken`, `contact_unset`; for
    /// what was not wanted the reason that was given.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "bad_url",
            Self::AddressRefused(_) => "address_refused",
            Self::Credentials(_) => "credentials",
            Self::BadPort(_) => "bad_port",
            Self::Encoding(_) => "bad_encoding",
            Self::ContactUnset(_) => "contact_unset",
            Self::Dns { .. } => "dns",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::Stopped { reason, .. } => reason,
            Self::Broken(_) => "broken",
        }
    }

    /// Whether trying again may help. A name that does not exist and a certificate that does not
    /// hold stay so; a name server that did not answer may yet.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::BadUrl(_)
            | Self::AddressRefused(_)
            | Self::Credentials(_)
            | Self::BadPort(_)
            | Self::Encoding(_)
            | Self::TooLarge { .. }
            | Self::Stopped { .. }
            | Self::Tls(_) => false,
            Self::Dns { cause, .. } => {
                let resolved = cause.as_ref().and_then(|cause| find::<ResolveError>(cause));
                !matches!(resolved, Some(ResolveError::Missing { .. }))
            }
            Self::ContactUnset(_) | Self::Connect(_) | Self::Timeout(_) | Self::Broken(_) => true,
        }
    }

    /// Whether the host was not reached at all: nothing that its URLs could be blamed for.
    pub fn is_unreached(&self) -> bool {
        matches!(
            self,
            Self::Dns { .. } | Self::Connect(_) | Self::Tls(_) | Self::Timeout("connection")
        )
    }

    /// Tells what kind of failure it was from what caused it. The URL is left out of the causes:
    /// it may be long or hold credentials, and whoever logs this names it.
    pub(super) fn of(url: &Url, error: reqwest::Error) -> Self {
        let error = error.without_url();
        let resolved = find::<ResolveError>(&error);
        if let Some(ResolveError::Refused { host, address }) = resolved {
            return Self::AddressRefused(format!("{host} ({address})"));
        }
        if let Some(ResolveError::Beyond { host }) = resolved {
            return Self::ContactUnset(host.clone());
        }
        if resolved.is_some() {
            let host = url.host_str().unwrap_or_default().to_owned();
            let cause = Some(error);
            return Self::Dns { host, cause };
        }
        if error.is_builder() {
            return Self::BadUrl(url.to_string());
        }
        if error.is_timeout() {
            let connecting = error.is_connect();
            return Self::Timeout(if connecting { "connection" } else { "silence" });
        }
        if find::<rustls::Error>(&error).is_some() {
            return Self::Tls(error);
        }
        if error.is_connect() {
            return Self::Connect(error);
        }
        Self::Broken(error)
    }
}

/// The first cause of this type. An `io::Error` hides the error that it wraps from `source`.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        if let Some(wrapped) = error.downcast_ref::<std::io::Error>()
            && let Some(inner) = wrapped.get_ref()
        {
            next = Some(inner);
        } else {
            next = error.source();
        }
    }
    None
}
