//! What can be typed after `tusou dead`.

use clap::{ArgGroup, Subcommand};
use tusou_contract::{ImageId, Queue};

/// The fewest digits by which a dead letter or an image can be named.
const LEAST_DIGITS: usize = 4;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows dead letters, by queue, reason and host
    List(List),
    /// Shows one with its headers, its body, and what the database knows of its image
    Show(Show),
    /// Publishes dead letters to their queues again, as if they were new
    Retry(Choice),
    /// Removes dead letters for good
    Drop(Choice),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Every one of them, not the first few of a group
    #[arg(long)]
    pub(crate) long: bool,
    /// For programs
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The first digits of its id, as `tusou dead list` shows it, or of its image's
    #[arg(value_name = "ID", value_parser = digits)]
    pub(crate) id: String,
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "all", "queue", "reason", "host", "image"])))]
pub(crate) struct Choice {
    /// The first digits of their ids, as `tusou dead list` shows them, or of their images'
    #[arg(value_name = "ID", value_parser = digits)]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    /// Says what would be done, and does nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Filter {
    /// Those of one queue: images.fetched
    #[arg(long, value_name = "QUEUE", value_parser = queue)]
    pub(crate) queue: Option<Queue>,
    /// Those that died of one reason: decode_failed
    #[arg(long, value_name = "WORD")]
    pub(crate) reason: Option<String>,
    /// Those whose picture was seen at one host: example.org
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// Those of one image
    #[arg(long, value_name = "IMAGE-ID")]
    pub(crate) image: Option<ImageId>,
}

fn queue(text: &str) -> Result<Queue, String> {
    Queue::behind(text).ok_or_else(|| {
        let names: Vec<&str> = Queue::ALL.iter().map(|queue| queue.name()).collect();
        format!("there is no such queue; they are {}", names.join(", "))
    })
}

fn digits(text: &str) -> Result<String, String> {
    if text.len() < LEAST_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!(
            "an id is hexadecimal; give its first {LEAST_DIGITS} digits at least"
        ));
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::Args;

    fn read(args: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["tusou", "dead"].iter().chain(args))
    }

    #[test]
    fn nothing_is_retried_or_dropped_that_was_not_named() {
        for verb in ["retry", "drop"] {
            assert!(read(&[verb]).is_err());
            assert!(read(&[verb, "--dry-run"]).is_err());
            for which in [
                &["0a1b"][..],
                &["--all"],
                &["--queue", "images.fetched.dead"],
                &["--reason", "decode_failed", "--host", "a.test"],
            ] {
                let args = [&[verb], which].concat();
                assert!(read(&args).is_ok(), "{args:?}");
            }
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for args in [
            ["show", "abc"],
            ["show", "xyzw"],
            ["drop", "--queue=images"],
            ["list", "--image=12"],
        ] {
            assert!(read(&args).is_err(), "{args:?}");
        }
    }
}
