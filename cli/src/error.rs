//! What can go wrong, in words for the person who typed the command.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tusou_ingest::AddressError;
use tusou_ingest::list::ListError;
use tusou_ingest::lists::ListsError;
use tusou_ingest::seeds::SeedError;
use tusou_platform::blobs::BlobError;
use tusou_platform::broker::{BrokerError, Unpublished};
use tusou_platform::config::ConfigError;
use tusou_platform::database::{self, DatabaseError};
use tusou_platform::elastic::ElasticError;
use tusou_platform::telemetry::TelemetryError;

use crate::format::{number, one_line};

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
    /// Postgres says nothing for too long.
    #[error(
        "Postgres does not answer within {seconds} s; check that it runs and what `database.url` says"
    )]
    Slow {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The blobs cannot be used.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// Two collections at once would not wait for each other's second looks.
    #[error("another `tusou gc` is at work on this database; wait until it has ended")]
    GcRuns,
    /// Rows claim originals, and there is none at all.
    #[error(
        "{url} holds no original at all, and rows claim some: see what `blobs.url` says, and that its disk is \
         mounted; were they lost for good, `tusou recrawl --all` fetches them again"
    )]
    NoBlobs {
        /// `blobs.url`
        url: String,
    },
    /// Rows without their blob.
    #[error(
        "{count} originals or thumbnails are not there: repeat this command with --repair, which has them fetched or \
         made again"
    )]
    BlobsMissing {
        /// How many.
        count: u64,
    },
    /// Rows without their blob, and nothing to make it from.
    #[error(
        "{count} originals or thumbnails are not there, and neither an address nor an original to make them from: \
         import their folders again, or bring the blobs back from a back-up"
    )]
    BlobsLost {
        /// How many.
        count: u64,
    },
    /// The outbox is full, and nothing leaves it.
    #[error(
        "the outbox holds {waiting} messages, and none has left it for a minute: see that a crawler \
         runs, which relays them, then repeat this command"
    )]
    OutboxFull {
        /// How many wait.
        waiting: u64,
    },
    /// Postgres and an index are at odds.
    #[error(
        "{count} images or indexes differ: repeat this command with --repair, or see what holds the services up"
    )]
    Differences {
        /// How many differ.
        count: u64,
    },
    /// A repair left something as it was.
    #[error(
        "{count} images, documents or indexes were not repaired: what is printed above says which, and what helps"
    )]
    Unrepaired {
        /// How many.
        count: u64,
    },
    /// RabbitMQ cannot be used.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A work queue does not take what is to be tried again.
    #[error(
        "{retried} dead letters were retried, the others are where they were; {}, then repeat this command",
        remedy(cause)
    )]
    NotRetried {
        /// How many were.
        retried: usize,
        /// Why no more.
        #[source]
        cause: Unpublished,
    },
    /// No dead letter is called so.
    #[error(
        "no dead letter is called {id}: see `tusou dead list --long`, or type it again where another command looked at it just now"
    )]
    NoDeadLetter {
        /// What was typed.
        id: String,
    },
    /// Dead letters cannot be chosen by host.
    #[error("dead letters cannot be chosen by host: {why}")]
    HostsUnknown {
        /// In words.
        why: String,
    },
    /// Elasticsearch does not do its part.
    #[error(transparent)]
    Elastic(#[from] ElasticError),
    /// What an index holds or should hold cannot be read.
    #[error(transparent)]
    Projection(#[from] tusou_projection::Error),
    /// An index is not made, moved or let go.
    #[error(transparent)]
    Index(#[from] crate::index::IndexError),
    /// A model is not shown, fetched, added or checked.
    #[error(transparent)]
    Models(#[from] crate::models::ModelsError),
    /// No index of that name is written.
    #[error("no index {name} is written; these are: {}", known.join(", "))]
    NoIndex {
        /// What was asked for.
        name: String,
        /// Those that are.
        known: Vec<String>,
    },
    /// No pack of that name is in use.
    #[error("`models.packs` names no pack called {name}; these are in use: {}", known.join(", "))]
    NoModel {
        /// What was asked for.
        name: String,
        /// Those that are.
        known: Vec<String>,
    },
    /// Pictures lack what a model makes.
    #[error(
        "{count} pictures lack what {model} makes: repeat this command with --repair, which has them encoded"
    )]
    Lacking {
        /// How many.
        count: u64,
        /// The pack's name.
        model: String,
    },
    /// A seed cannot be crawled.
    #[error("no seed was added")]
    Seed(#[source] AddressError),
    /// An argument is neither a URL nor a host.
    #[error("nothing was changed")]
    Argument(#[source] AddressError),
    /// A list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// A list or folder is not taken up.
    #[error(transparent)]
    Lists(#[from] ListsError),
    /// Not one row of a list can be taken.
    #[error(
        "not one row of {} can be taken{}; nothing that was known of it has changed", path.display(),
        reasons(bad)
    )]
    NoRows {
        /// Which file.
        path: PathBuf,
        /// How many are bad, by reason.
        bad: BTreeMap<String, u64>,
    },
    /// A name for several lists, or none that can stand for one.
    #[error("{name:?} is no name for a list or folder: {problem}")]
    Name {
        /// What was given.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Bad rows cannot be written.
    #[error("cannot write bad rows to {}", path.display())]
    BadRows {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A folder cannot be imported.
    #[error("cannot import {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A folder of which pictures are known holds no file.
    #[error(
        "{} holds no file, though pictures were imported from it: see that its disk is mounted; where they are gone on \
         purpose, repeat this command with --empty", path.display()
    )]
    FolderEmpty {
        /// Which.
        path: PathBuf,
    },
    /// A seed cannot be changed.
    #[error(transparent)]
    SeedChange(#[from] SeedError),
    /// The crawl has not met it.
    #[error("the crawl knows no {what} {name}; {remedy}")]
    NotCrawled {
        /// URL or host.
        what: &'static str,
        /// Which.
        name: String,
        /// What to do.
        remedy: &'static str,
    },
    /// No removal keeps it out.
    #[error("{subject} is not kept out; `tusou forget list` shows what is")]
    NotKeptOut {
        /// The image's id, the URL or the host's name.
        subject: String,
    },
    /// A removal keeps a seed's page out.
    #[error(
        "no seed was added: {url} is kept out since {since}{}; `tusou forget undo {subject}` lets it in again",
        because(why)
    )]
    KeptOut {
        /// The seed's URL.
        url: String,
        /// What was removed: the URL or its host.
        subject: String,
        /// A day.
        since: time::Date,
        /// The reason that was given.
        why: String,
    },
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
    /// The operator's page cannot be served where it is to be.
    #[error(
        "the operator's page cannot listen on {address}: see what `operator.listen` says, and who listens there"
    )]
    Listen {
        /// `operator.listen`
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Without chance there is no safe token.
    #[error("the system gives no random bytes (/dev/urandom)")]
    Chance(#[source] std::io::Error),
    /// The manual's pages cannot be written there.
    #[error("the manual cannot be written into {}; give a folder that can be", folder.display())]
    Manual {
        /// Where it was to go.
        folder: std::path::PathBuf,
        #[source]
        /// Why it cannot.
        cause: std::io::Error,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[from] std::io::Error),
}

fn remedy(cause: &Unpublished) -> &'static str {
    match cause {
        Unpublished::Full(_) => "let the consumers take some",
        Unpublished::Unroutable(_) => "start a service that uses the queue, which declares it",
    }
}

fn because(why: &str) -> String {
    let why = one_line(why, 200);
    if why.is_empty() {
        why
    } else {
        format!(" ({why})")
    }
}

fn reasons(bad: &BTreeMap<String, u64>) -> String {
    let bad: Vec<String> = bad
        .iter()
        .map(|(reason, count)| format!("{reason} {}", number(*count)))
        .collect();
    if bad.is_empty() {
        ", for there is none".to_owned()
    } else {
        format!(" ({})", bad.join(", "))
    }
}

impl Error {
    /// 2 for a configuration or an argument that cannot be used, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Models(error) => error.exit_code(),
            Self::Config(_)
            | Self::NoIndex { .. }
            | Self::NoModel { .. }
            | Self::Seed(_)
            | Self::Argument(_)
            | Self::Name { .. }
            | Self::SearchUrl { .. } => 2,
            _ => 1,
        }
    }

    /// Whether Postgres is away, and may be back the next time.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Slow { .. } => true,
            Self::Query { cause, .. }
            | Self::Database(DatabaseError::Connect { cause, .. } | DatabaseError::Schema(cause)) => {
                database::is_transient(cause)
            }
            _ => false,
        }
    }

    pub(crate) fn query(what: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |cause| Self::Query { what, cause }
    }
}
