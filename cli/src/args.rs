//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Crawls the web for pictures and finds them again.
#[derive(Debug, Parser)]
#[command(name = "tusou", version = tusou_platform::telemetry::build(), about, arg_required_else_help = true)]
pub struct Args {
    /// The configuration; without it, `$TUSOU_CONFIG`, then `./tusou.toml`, then the local stack's
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Adds sites to crawl; lists, edits and removes them
    Seed(Box<crate::seed::args::Seed>),
    /// Takes in a folder of pictures, and what has changed in it since
    Import(crate::import::args::Import),
    /// Fetches once more what was fetched: a seed's, one URL, or everything
    Recrawl(crate::recrawl::Recrawl),
    /// Takes out a URL, a picture or a host on somebody's request, and keeps it out
    Forget(crate::forget::args::Forget),
    /// Lets the crawl, a host, the encoder or the indexer rest
    Pause(crate::pause::Pause),
    /// Lets go on what was paused
    Resume(crate::pause::Resume),
    /// Shows how far the crawl is, with a reason for everything that was left out
    Status(Status),
    /// Serves the operator's page, until it is ended
    Operate,
    /// Finds pictures by a picture or by words
    Search(Search),
    /// Looks at the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Builds, checks, moves to and lets go indexes, while the crawl and searches go on
    Index {
        #[command(subcommand)]
        command: crate::index::args::Command,
    },
    /// Shows, gets, adds and checks the models that encode pictures and words
    Models {
        #[command(subcommand)]
        command: crate::models::args::Command,
    },
    /// Counts Postgres against the indexes, both ways, and repairs what differs
    Reconcile(Reconcile),
    /// Removes stored pictures without a row, and finds rows without a stored picture
    Gc(Gc),
    /// Looks at messages that were given up, has them tried again, or drops them
    Dead {
        #[command(subcommand)]
        command: crate::dead::args::Command,
    },
    /// Brings the database's schema to this build's, or back
    Migrate(Migrate),
    /// Writes what a shell needs to complete this command: `source <(tusou complete bash)`
    Complete(crate::shell::Complete),
    /// Writes the manual's pages, one for each command
    Manual(crate::shell::Manual),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Checks every value, and shows where it comes from, without secrets
    Check,
}

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Status {
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
    /// Live in a terminal; again and again elsewhere, with so many seconds between
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) watch: Option<u64>,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("query").required(true).multiple(true).args(["image", "url", "like", "text"])))]
#[command(group(clap::ArgGroup::new("picture").args(["image", "url", "like"])))]
pub(crate) struct Search {
    /// A picture to find the like of
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<PathBuf>,
    /// The address of a picture to find the like of: the search service fetches it
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The id of an indexed picture to find the like of
    #[arg(long, value_name = "ID")]
    pub(crate) like: Option<String>,
    /// Words to find pictures for; beside a picture, both count
    #[arg(long, value_name = "WORDS")]
    pub(crate) text: Option<String>,
    /// same, looks or means [default: means for words, looks for a picture]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<String>,
    /// Any other parameter of the API: --with host=example.org --with sort=newest
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) with: Vec<(String, String)>,
    /// How many
    #[arg(short, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) k: u16,
    /// For programs: the search service's answer as it stands
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reconcile {
    /// One index alone; without it, all that are written
    #[arg(long, value_name = "INDEX")]
    pub(crate) generation: Option<String>,
    /// What one model has not made, by its name in `models.packs`, and not the indexes: `--repair` has those pictures
    /// encoded again, by every model in use, while the crawl goes on
    #[arg(long, value_name = "NAME", conflicts_with_all = ["generation", "second_look"])]
    pub(crate) model: Option<String>,
    /// With --model, also the pictures that it failed for
    #[arg(long, requires = "model")]
    pub(crate) failed: bool,
    /// Has what differs indexed, encoded or deleted by the services, through the queues
    #[arg(long)]
    pub(crate) repair: bool,
    /// Says what a repair would do, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long what differs has to come right by itself, before it is looked at again
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = crate::span::parse)]
    pub(crate) second_look: Duration,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Gc {
    /// Pictures stored more recently than this are left alone: their rows may be on the way
    #[arg(long, default_value = "24h", value_name = "TIME", value_parser = crate::span::parse)]
    pub(crate) grace: Duration,
    /// How long a picture without a row is set aside before it is looked at again and removed
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = crate::span::parse)]
    pub(crate) second_look: Duration,
    /// Has pictures that are not there fetched again, and thumbnails made again
    #[arg(long)]
    pub(crate) repair: bool,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// Takes the schema back to this version; 0 empties the database
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) back_to: Option<i64>,
    /// Says from which version to which it would go and what that empties, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `name=value`.
fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("give a name and a value, as in host=example.org")?;
    Ok((name.to_owned(), value.to_owned()))
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
    fn a_seed_is_added_or_changed() {
        for arguments in [
            vec!["seed", "http://a.test/", "--depth", "3"],
            vec!["seed", "http://a.test/", "--max-images", "3"],
            vec!["seed", "list", "--json"],
            vec!["seed", "edit", "3", "--max-images", "0"],
            vec!["seed", "edit", "3", "--limit", "10", "--dry-run"],
            vec!["seed", "remove", "3"],
            vec!["seed", "lists", "--json"],
            vec![
                "seed",
                "--list",
                "a.csv",
                "b.tsv000",
                "--url-column",
                "u",
                "--dry-run",
            ],
            vec![
                "seed", "--list", "a.csv", "--name", "n", "--again", "--bad", "x", "--json",
            ],
            vec![
                "import",
                "pictures",
                "--name",
                "n",
                "--depth",
                "3",
                "--follow-links",
                "--jobs",
                "2",
            ],
            vec!["recrawl", "3", "--dry-run"],
            vec!["recrawl", "http://a.test/"],
            vec!["recrawl", "--all"],
            vec!["forget", "a.test"],
            vec!["forget", "http://a.test/", "--why", "asked", "--yes"],
            vec!["forget", "a.test", "--dry-run", "--json"],
            vec!["forget", "list", "--json"],
            vec!["forget", "undo", "a.test", "--dry-run"],
            vec!["pause", "crawl", "--why", "a test"],
            vec!["pause", "host", "a.test:8080", "--dry-run"],
            vec!["pause", "--why", "a test", "indexer"],
            vec!["resume", "encoder", "--dry-run"],
        ] {
            let typed = ["tusou"].into_iter().chain(arguments.iter().copied());
            assert!(Args::try_parse_from(typed).is_ok(), "{arguments:?}");
        }
        for arguments in [
            vec!["seed"],
            vec!["seed", "--list"],
            vec!["seed", "--list", "a.csv", "--depth", "3"],
            vec!["seed", "--list", "a.csv", "--format", "xml"],
            vec!["seed", "http://a.test/", "--again"],
            vec!["import"],
            vec!["import", "pictures", "--jobs", "0"],
            vec!["seed", "edit", "3"],
            vec!["seed", "remove"],
            vec!["recrawl"],
            vec!["recrawl", "3", "--all"],
            vec!["forget"],
            vec!["forget", "a.test", "--yes", "--dry-run"],
            vec!["forget", "undo"],
            vec!["pause"],
            vec!["pause", "host"],
        ] {
            let typed = ["tusou"].into_iter().chain(arguments.iter().copied());
            assert!(Args::try_parse_from(typed).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn a_reconciliation_is_of_indexes_or_of_a_model() {
        let read = |more: &[&str]| {
            let typed = ["tusou", "reconcile"]
                .into_iter()
                .chain(more.iter().copied());
            Args::try_parse_from(typed)
        };
        assert!(read(&["--model", "nsfw", "--failed", "--repair"]).is_ok());
        assert!(read(&["--failed"]).is_err());
        assert!(read(&["--model", "nsfw", "--generation", "x"]).is_err());
    }

    #[test]
    fn a_search_takes_a_picture_or_words() {
        assert!(Args::try_parse_from(["tusou", "search", "--text", "a kite", "-k", "5"]).is_ok());
        assert!(Args::try_parse_from(["tusou", "search"]).is_err());
        let read = |more: &[&str]| {
            let typed = ["tusou", "search"].into_iter().chain(more.iter().copied());
            Args::try_parse_from(typed)
        };
        assert!(read(&["--text", "x", "--image", "y", "--with", "sort=newest"]).is_ok());
        assert!(read(&["--image", "y", "--like", "z"]).is_err());
        assert!(read(&["--text", "x", "--with", "sort"]).is_err());
        assert!(read(&["--text", "x", "-k", "0"]).is_err());
    }
}
