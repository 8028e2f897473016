//! Why an index is not made, moved or let go, and what helps.

use tusou_platform::broker::Unpublished;

/// A command about indexes that did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// No index is registered by that name.
    #[error("no index is called {name}; `tusou index list` shows them: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that are registered.
        known: Vec<String>,
    },
    /// The index was dropped.
    #[error("index {name} was dropped; begin a new one with `tusou index create`")]
    Dropped {
        /// Which.
        name: String,
    },
    /// No index is being built.
    #[error(
        "no index is being built: begin one with `tusou index create`, or name the index to move to"
    )]
    NoneBuilding,
    /// The alias points nowhere, or at something that is not registered.
    #[error(
        "no registered index is behind the alias {alias}: start an indexer, which makes one, or name an index"
    )]
    NoneSearched {
        /// `elasticsearch.alias`
        alias: String,
    },
    /// There is nothing to go back to.
    #[error(
        "there is no earlier live index than {current} to go back to; `tusou index list` shows them all, and \
         `tusou index migrate NAME` moves to any"
    )]
    NothingBefore {
        /// The index behind the alias.
        current: String,
    },
    /// The index itself is not there.
    #[error("index {name} is not there: `tusou index rebuild {name}` makes it again and fills it")]
    NotThere {
        /// Which.
        name: String,
    },
    /// The index is searched.
    #[error(
        "index {name} is the one that searches ask, behind the alias {alias}: move them first, with \
         `tusou index migrate OTHER` or `tusou index rollback`, then repeat this command"
    )]
    Searched {
        /// Which.
        name: String,
        /// `elasticsearch.alias`
        alias: String,
    },
    /// Vectors of the model do not fit such an index.
    #[error(
        "an index of type {index_type} {problem}, and {model} has {dimension}: choose another type"
    )]
    Unfit {
        /// `--type`
        index_type: String,
        /// What it takes.
        problem: &'static str,
        /// The model.
        model: String,
        /// Numbers in its vectors.
        dimension: usize,
    },
    /// Nothing would fill the index.
    #[error(
        "{model} is none of `models.packs`, so nothing would encode pictures for it: add its folder to \
         `models.packs` of encoder, indexer, search service and of this command, restart those, then repeat this \
         command"
    )]
    NotConfigured {
        /// The model.
        model: String,
    },
    /// A queue is not there.
    #[error("the messages cannot be published: start an indexer, which declares the queues")]
    Unroutable(#[source] Unpublished),
    /// The index does not become whole.
    #[error(
        "{missing} images are still missing in index {name}, and no message about them waits: see \
         `tusou status` and `tusou dead list` for why, then repeat this command; or go on without them with \
         --allow-missing"
    )]
    Stuck {
        /// Which index.
        name: String,
        /// How many images.
        missing: u64,
    },
    /// The index before lacks what the present one holds.
    #[error(
        "index {name} lacks {missing} images that the searched one holds: `tusou index rebuild {name}` fills it, then \
         repeat this command"
    )]
    Behind {
        /// Which.
        name: String,
        /// How many images.
        missing: u64,
    },
    /// Nothing else would be written.
    #[error(
        "index {name} is the last one that is written: begin another with `tusou index create`, move to it with \
         `tusou index migrate`, then repeat this command"
    )]
    Last {
        /// Which.
        name: String,
    },
    /// The index is not what Postgres says.
    #[error(
        "index {name} is not whole: {absent} images are missing in it, {behind} are out of date, {extra} should not be \
         in it, {foreign} documents are of no image, and {lost} do not find themselves; `tusou index rebuild {name}` \
         fills it, `tusou reconcile --repair` takes out images that should not be there, and documents of no image are \
         somebody else's: delete them in Elasticsearch"
    )]
    Broken {
        /// Which index.
        name: String,
        /// Not in it.
        absent: u64,
        /// In it in an older revision.
        behind: u64,
        /// In it and not expected.
        extra: u64,
        /// In it, by an id that is none of an image.
        foreign: u64,
        /// Not found by their own vectors.
        lost: usize,
    },
}
