//! What can go wrong, in words for the person who typed the command.

use std::path::PathBuf;

use tusou_ingest::AddressError;
use tusou_platform::config::ConfigError;
use tusou_platform::database::DatabaseError;
use tusou_platform::telemetry::TelemetryError;

/// A command that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used; names the keys.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Messages cannot be shown.
    #[error("cannot write messages to standard error")]
    Telemetry(#[source] TelemetryError),
    /// Postgres cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A statement failed.
    #[error("Postgres failed to {what}")]
    Query {
        /// What it was asked to do.
        what: &'static str,
        /// Its answer.
        #[source]
        cause: sqlx::Error,
    },
    /// A seed cannot be crawled.
    #[error("no seed was added")]
    Seed(#[source] AddressError),
    /// The picture to search with cannot be read.
    #[error("cannot read {}", path.display())]
    Picture {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// `search.url` is no address of a service.
    #[error("`search.url` = {url:?} is no URL of a service; give one like http://127.0.0.1:8088")]
    SearchUrl {
        /// What it says.
        url: String,
    },
    /// The search service does not answer.
    #[error(
        "the search service at {url} does not answer; check that it runs and what `search.url` says"
    )]
    SearchAway {
        /// Where it was looked for.
        url: String,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
    /// The search service answers with an error.
    #[error("the search service answers {status}: {message}")]
    SearchRefused {
        /// The HTTP status.
        status: u16,
        /// Its own words, cut.
        message: String,
    },
    /// The search service's answer cannot be read.
    #[error(
        "the answer of {url} is none of a search service of this build; check what `search.url` says"
    )]
    SearchAnswer {
        /// Who answered.
        url: String,
        /// What cannot be read.
        #[source]
        cause: serde_json::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
}

impl Error {
    /// 2 for a configuration or an argument that cannot be used, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Seed(_) | Self::SearchUrl { .. } => 2,
            _ => 1,
        }
    }

    pub(crate) fn query(what: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |cause| Self::Query { what, cause }
    }
}
