//! What can go wrong while indexing, with its verdict on the message that it struck.

use std::time::Duration;

use tusou_contract::{Disposition, ImageId, MessageError, Verdict};
use tusou_platform::broker::{BrokerError, Quarantined};
use tusou_platform::database::{self, DatabaseError};
use tusou_platform::elastic::ElasticError;
use tusou_platform::telemetry::chain;

const RETRY_AFTER: Duration = Duration::from_secs(10);

/// A failure of the indexer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the indexes should hold cannot be read, or an index cannot be made.
    #[error(transparent)]
    Projection(#[from] tusou_projection::Error),
    /// Postgres cannot be used at all.
    #[error("cannot use Postgres")]
    Connect(#[source] DatabaseError),
    /// A statement failed.
    #[error("Postgres failed to {what}")]
    Database {
        /// What it was asked to do.
        what: &'static str,
        /// Its answer.
        #[source]
        cause: sqlx::Error,
    },
    /// Elasticsearch does not answer, or refuses a whole request.
    #[error("Elasticsearch did not do its part")]
    Elastic(#[from] ElasticError),
    /// RabbitMQ does not answer, or refuses.
    #[error("RabbitMQ did not do its part")]
    Broker(#[from] BrokerError),
    /// A message that may be what kills the process.
    #[error(transparent)]
    Quarantined(#[from] Quarantined),
    /// A body that cannot be read.
    #[error("the message cannot be read")]
    Message(#[from] MessageError),
    /// A message whose values no encoder writes.
    #[error("the message about image {image_id} is malformed: {problem}")]
    Malformed {
        /// The image that it claims to be about.
        image_id: ImageId,
        /// The value that is wrong.
        problem: String,
    },
    /// A message about an image that has no row: forged, or removed meanwhile.
    #[error("image {0} is not known")]
    UnknownImage(ImageId),
    /// Elasticsearch will never take this document.
    #[error("index {index} refused the document of image {image_id}: {reason}")]
    DocumentRefused {
        /// The image.
        image_id: ImageId,
        /// The index.
        index: String,
        /// Elasticsearch's own words.
        reason: String,
    },
    /// No index is registered as live, or a written one is not there.
    #[error("index {0} is gone")]
    IndexGone(String),
    /// No document of ours fits an index's mapping: it is not the index that a build of ours made.
    #[error(
        "index {index} takes no documents: {reason}. Its mapping is not the one that it was made with. Nothing is lost, \
         all messages wait: correct the mapping; or run `tusou index create`, which is written at once, `tusou index \
         migrate`, and `tusou index drop {index}`. The indexer goes on by itself"
    )]
    Conflict {
        /// The index.
        index: String,
        /// Elasticsearch's own words.
        reason: String,
    },
    /// A part of the indexer panicked; its words.
    #[error("a part of the indexer broke down: {0}")]
    Panicked(String),
    /// The indexer stopped taking messages before it came to this one.
    #[error("the indexer stopped before it came to the message")]
    Stopped,
}

impl Error {
    /// A function that says what Postgres was asked to do.
    pub(crate) fn database(what: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |cause| Self::Database { what, cause }
    }

    /// Whether something the indexer needs is away, and the same work may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        self.disposition() == Disposition::Later
    }

    /// Whether it was logged, and told to health, where it was found.
    pub(crate) fn was_said(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// The dependency that the error is about, as health names it.
    pub(crate) fn part(&self) -> &'static str {
        match self {
            Self::Projection(error) => error.part(),
            Self::Connect(_) | Self::Database { .. } => "postgres",
            Self::Elastic(_) | Self::DocumentRefused { .. } | Self::IndexGone(_) => "elasticsearch",
            Self::Conflict { .. } => "index",
            Self::Broker(_) => "rabbitmq",
            Self::Message(_)
            | Self::Quarantined(_)
            | Self::Malformed { .. }
            | Self::UnknownImage(_)
            | Self::Panicked(_)
            | Self::Stopped => "indexer",
        }
    }

    /// The error with its causes, in one line.
    pub(crate) fn in_full(&self) -> String {
        chain(self)
    }
}

impl Verdict for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Connect(DatabaseError::Connect { cause, .. } | DatabaseError::Schema(cause))
            | Self::Database { cause, .. }
                if database::is_transient(cause) =>
            {
                Disposition::Later
            }
            Self::Database { .. } | Self::Panicked(_) => Disposition::Retry { after: RETRY_AFTER },
            Self::Projection(error) => error.disposition(),
            Self::Elastic(error) => error.disposition(),
            Self::Broker(error) => error.disposition(),
            Self::Quarantined(error) => error.disposition(),
            Self::Message(error) => error.disposition(),
            Self::Malformed { .. } | Self::UnknownImage(_) | Self::DocumentRefused { .. } => {
                Disposition::DeadLetter
            }
            Self::IndexGone(_) | Self::Conflict { .. } | Self::Stopped => Disposition::Later,
            Self::Connect(_) => Disposition::Fatal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Projection(error) => error.reason(),
            Self::Connect(_) => "postgres_away",
            Self::Database { .. } => "postgres_failed",
            Self::Elastic(error) => error.reason(),
            Self::Broker(error) => error.reason(),
            Self::Quarantined(error) => error.reason(),
            Self::Message(error) => error.reason(),
            Self::Malformed { .. } => "malformed_message",
            Self::UnknownImage(_) => "unknown_image",
            Self::DocumentRefused { .. } => "document_refused",
            Self::IndexGone(_) => "index_gone",
            Self::Conflict { .. } => "index_conflict",
            Self::Panicked(_) => "panicked",
            Self::Stopped => "stopped",
        }
    }
}
