//! What can be typed after `tusou forget`.

use clap::Subcommand;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Forget {
    #[command(subcommand)]
    pub(crate) command: Option<ForgetCommand>,
    /// A URL (https://example.org/page), a picture's id (64 hexadecimal digits), or a host (example.org)
    #[arg(required = true, value_name = "URL|IMAGE-ID|HOST")]
    pub(crate) subject: Option<String>,
    /// The reason, which `tusou forget list` shows
    #[arg(long, default_value = "", value_name = "WORDS")]
    pub(crate) why: String,
    /// Has it done; without it, what would go is counted, and nothing is changed
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Counts what would go, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ForgetCommand {
    /// Shows what is kept out, since when and why, and what was taken out
    List(List),
    /// Lets in again what was kept out, from the next crawl on
    Undo(Undo),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Undo {
    /// As it was given to `tusou forget`, or as `tusou forget list` shows it
    #[arg(value_name = "URL|IMAGE-ID|HOST")]
    pub(crate) subject: String,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
