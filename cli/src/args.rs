//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Crawls the web for pictures and finds them again.
#[derive(Debug, Parser)]
#[command(name = "tusou", version, about, arg_required_else_help = true)]
pub struct Args {
    /// The configuration; without it, `$TUSOU_CONFIG`, then `./tusou.toml`, then the local stack's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Adds sites to crawl
    Seed(Seed),
    /// Shows how far the crawl is, with a reason for everything that was left out
    Status(Status),
    /// Finds pictures by a picture or by words
    Search(Search),
    /// Looks at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Brings the database's schema to this build's, or back
    Migrate(Migrate),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Checks every value, and shows where it comes from, without secrets
    Check,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Seed {
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
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Status {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    /// Again and again, with so many seconds between
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) watch: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("query").required(true).args(["image", "text"])))]
pub(crate) struct Search {
    /// A picture to find the like of
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// Words to find pictures for
    #[arg(long, value_name = "WORDS")]
    pub(crate) text: Option<String>,
    /// How many
    #[arg(short, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) k: u16,
    /// For programs: the search service's answer as it stands
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// Takes the schema back to this version; 0 empties the database
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) back_to: Option<i64>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_agree_with_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_search_takes_a_picture_or_words() {
        assert!(Args::try_parse_from(["tusou", "search", "--text", "a kite", "-k", "5"]).is_ok());
        assert!(Args::try_parse_from(["tusou", "search"]).is_err());
        assert!(Args::try_parse_from(["tusou", "search", "--text", "x", "--image", "y"]).is_err());
        assert!(Args::try_parse_from(["tusou", "search", "--text", "x", "-k", "0"]).is_err());
    }
}
