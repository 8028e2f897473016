//! What can go wrong between Postgres and an index, with its verdict.

use std::time::Duration;

use tusou_contract::mapping::MAPPING_VERSION;
use tusou_contract::{Disposition, ImageId, Verdict};
use tusou_platform::database;
use tusou_platform::elastic::ElasticError;

const RETRY_AFTER: Duration = Duration::from_secs(10);

/// A failure to read what an index should hold, or to make the index.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `models.packs`, or a list of packs in its place, cannot be used.
    #[error("{0}")]
    Packs(String),
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
    /// A row that the schema allows and this build cannot read.
    #[error("the row of image {image_id} cannot be read: {problem}")]
    Row {
        /// The image.
        image_id: ImageId,
        /// The column and what is wrong with it.
        problem: String,
    },
    /// The registry says something of an index that this build cannot read.
    #[error(
        "the registry's row of index {index} cannot be read: {problem}; a newer build may have written it"
    )]
    Registry {
        /// The index.
        index: String,
        /// The column and what is wrong with it.
        problem: String,
    },
    /// A written index has a mapping that this build does not know.
    #[error(
        "index {index} has mapping {version}, and this build knows 1 to {MAPPING_VERSION}: a newer build made it. Run \
         that build, or one after it; or let the index go with its `tusou index drop {index}`"
    )]
    NewerMapping {
        /// The index.
        index: String,
        /// Of its mapping.
        version: u32,
    },
    /// A written index needs embeddings that no configured pack makes.
    #[error(
        "index {index} holds {holds}, and this configuration makes {wants}: name the packs that it was made with in \
         `models.packs`, beside others where there are such; or let the index go with `tusou index drop {index}`"
    )]
    OtherModels {
        /// The index.
        index: String,
        /// What it holds, in words.
        holds: String,
        /// What this configuration makes, in words.
        wants: String,
    },
    /// An index of a registered name that is not the registered one.
    #[error(
        "index {index} is not the one that was registered ({wants}): its mapping says {found}. Elasticsearch makes \
         such an index by itself for a stray write after a loss: delete it, run `tusou index rebuild {index}`, and set \
         `action.auto_create_index` to false"
    )]
    ForeignIndex {
        /// The index.
        index: String,
        /// What the registry says of it, in words.
        wants: String,
        /// What its mapping says, in words.
        found: String,
    },
}

impl Error {
    /// A function that says what Postgres was asked to do.
    pub(crate) fn database(what: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |cause| Self::Database { what, cause }
    }

    /// The dependency that the error is about, as health names it.
    pub fn part(&self) -> &'static str {
        match self {
            Self::Database { .. } | Self::Row { .. } | Self::Registry { .. } => "postgres",
            Self::Elastic(_)
            | Self::NewerMapping { .. }
            | Self::OtherModels { .. }
            | Self::ForeignIndex { .. } => "elasticsearch",
            Self::Packs(_) => "configuration",
        }
    }
}

impl Verdict for Error {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Database { cause, .. } if database::is_transient(cause) => Disposition::Later,
            Self::Database { .. } => Disposition::Retry { after: RETRY_AFTER },
            Self::Elastic(error) => error.disposition(),
            Self::Row { .. } => Disposition::DeadLetter,
            Self::Packs(_)
            | Self::Registry { .. }
            | Self::NewerMapping { .. }
            | Self::OtherModels { .. }
            | Self::ForeignIndex { .. } => Disposition::Fatal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Packs(_) => "configuration",
            Self::Database { .. } => "postgres_failed",
            Self::Elastic(error) => error.reason(),
            Self::Row { .. } => "unreadable_row",
            Self::Registry { .. } => "unreadable_registry",
            Self::NewerMapping { .. } => "newer_mapping",
            Self::OtherModels { .. } => "other_models",
            Self::ForeignIndex { .. } => "foreign_index",
        }
    }
}
