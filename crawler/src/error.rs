//! Why crawling stops or waits. What becomes of a single URL is an outcome, not an error.

use std::sync::Arc;

use tusou_ingest::AddressError;
use tusou_ingest::address::UnknownScope;
use tusou_platform::blobs::BlobError;
use tusou_platform::broker::BrokerError;
use tusou_platform::database::{self, DatabaseError};

/// The crawler cannot go on, or not now.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    /// Postgres refused a statement or is away.
    #[error("Postgres failed")]
    Database(#[from] sqlx::Error),
    /// Postgres cannot be used at all.
    #[error(transparent)]
    Connect(#[from] DatabaseError),
    /// A blob could not be written.
    #[error("a blob could not be written")]
    Blob(#[from] BlobError),
    /// The broker is away or refused a message.
    #[error("the broker failed")]
    Broker(#[from] BrokerError),
    /// Outcomes that were to be written together were not; all of them are told.
    #[error("outcomes could not be written")]
    Together(#[source] Arc<CrawlError>),
    /// Another process holds the host now: this result is refused.
    #[error("the host's lease was lost")]
    LeaseLost,
    /// A row holds a URL that is none.
    #[error("the frontier holds `{url}`, which is no URL")]
    Row {
        /// What the row holds.
        url: String,
        /// What is wrong with it.
        #[source]
        cause: AddressError,
    },
    /// A row holds a scope that is none.
    #[error("the frontier holds a scope that is none")]
    Scope(#[source] UnknownScope),
    /// The configuration asks for what cannot be done; names the key.
    #[error("{0}")]
    Config(String),
}

impl CrawlError {
    /// Whether waiting may help: the dependency is away, full, or busy.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Database(cause) => database::is_transient(cause),
            Self::Blob(_) => true,
            Self::Broker(cause) => matches!(cause, BrokerError::Away(_)),
            Self::LeaseLost => true,
            Self::Together(cause) => cause.is_transient(),
            Self::Connect(cause) => cause.is_transient(),
            Self::Row { .. } | Self::Scope(_) | Self::Config(_) => false,
        }
    }
}
