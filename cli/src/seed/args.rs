//! What can be typed after `tusou seed`.

use clap::Subcommand;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Seed {
    #[command(subcommand)]
    pub(crate) command: Option<SeedCommand>,
    /// Pages to begin at, written whole: https://example.org/gallery/
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Which links are followed: those on the same host, within its domain, or below the URL's folder
    #[arg(long, default_value = "host", value_parser = ["host", "domain", "prefix"])]
    pub(crate) scope: String,
    /// Links followed in a row from the first page; 0 reads that page alone
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) depth: u32,
    /// The most pages
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// Whether a browser renders its pages: those that show nothing without their scripts, all, or none
    #[arg(long, default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub(crate) render: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SeedCommand {
    /// Shows every seed with its bounds
    List(List),
    /// Changes a seed's bounds
    Edit(Edit),
    /// Removes a seed; what was found by it stays
    Remove(Remove),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("bounds").required(true).multiple(true).args(["scope", "depth", "limit", "render"])))]
pub(crate) struct Edit {
    /// The seed's number, as `tusou seed list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: i64,
    /// Which links are followed: those on the same host, within its domain, or below the URL's folder
    #[arg(long, value_parser = ["host", "domain", "prefix"])]
    pub(crate) scope: Option<String>,
    /// Links followed in a row from the first page; 0 reads that page alone
    #[arg(long, value_name = "N")]
    pub(crate) depth: Option<u32>,
    /// The most pages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Whether a browser renders its pages: those that show nothing without their scripts, all, or none
    #[arg(long, value_parser = ["auto", "always", "never"])]
    pub(crate) render: Option<String>,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// The seed's number, as `tusou seed list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: i64,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
