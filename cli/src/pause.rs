//! `tusou pause` and `tusou resume`

use std::io::Write;

use clap::Subcommand;
use tusou_contract::queue::ENCODER_PAUSED;
use tusou_ingest::pauses::{self, HostName, Stage};
use tusou_platform::broker::Broker;
use tusou_platform::{Config, database};

use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    #[command(subcommand)]
    what: What,
    /// The reason, which `tusou status` shows
    #[arg(long, global = true, default_value = "", value_name = "WORDS")]
    why: String,
    /// Says what would be done, and does nothing
    #[arg(long, global = true)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    #[command(subcommand)]
    what: What,
    /// Says what would be done, and does nothing
    #[arg(long, global = true)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All fetching; what is in flight ends
    Crawl,
    /// Fetching from one host; its URLs stay due
    Host {
        /// An origin (https://example.org), or a name (example.org), which means all its origins
        #[arg(value_name = "HOST")]
        host: String,
    },
    /// Encoding; pictures wait in their queue
    Encoder,
    /// Writing to the indexes; changes wait in their queues
    Indexer,
}

/// Which way.
#[derive(Debug, Clone, Copy)]
enum Way<'a> {
    Pause(&'a str),
    Resume,
}

/// Lets something rest.
pub(crate) async fn pause(config: &Config, args: &Pause, out: &mut dyn Write) -> Result<(), Error> {
    run(config, &args.what, Way::Pause(&args.why), args.dry_run, out).await
}

/// Lets it go on.
pub(crate) async fn resume(
    config: &Config,
    args: &Resume,
    out: &mut dyn Write,
) -> Result<(), Error> {
    run(config, &args.what, Way::Resume, args.dry_run, out).await
}

async fn run(
    config: &Config,
    what: &What,
    way: Way<'_>,
    dry_run: bool,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (name, changed) = match what {
        What::Crawl => (
            "the crawl",
            stage(config, Stage::Crawl, way, dry_run).await?,
        ),
        What::Indexer => (
            "the indexer",
            stage(config, Stage::Index, way, dry_run).await?,
        ),
        What::Encoder => ("the encoder", encoder(config, way, dry_run).await?),
        What::Host { host } => return hosts(config, host, way, dry_run, out).await,
    };
    writeln!(out, "{name} {}", said(way, changed, dry_run))?;
    Ok(())
}

/// What became of something that was to be paused or to go on.
fn said(way: Way<'_>, changed: bool, dry_run: bool) -> &'static str {
    match (way, changed, dry_run) {
        (Way::Pause(_), true, false) => "is paused",
        (Way::Pause(_), true, true) => "would be paused",
        (Way::Pause(_), false, _) => "is paused already",
        (Way::Resume, true, false) => "goes on",
        (Way::Resume, true, true) => "would go on",
        (Way::Resume, false, _) => "was not paused",
    }
}

/// Whether that changes anything.
async fn stage(config: &Config, stage: Stage, way: Way<'_>, dry_run: bool) -> Result<bool, Error> {
    let pool = database::connect(&config.database).await?;
    let changed = match way {
        _ if dry_run => {
            let paused = pauses::stage_paused(&pool, stage).await;
            paused.map(|paused| paused.is_some() == matches!(way, Way::Resume))
        }
        Way::Pause(why) => pauses::pause_stage(&pool, stage, why).await,
        Way::Resume => pauses::resume_stage(&pool, stage).await,
    };
    changed.map_err(Error::query("pause a stage or let it go on"))
}

/// The encoder has no database: a flag at the broker tells it.
async fn encoder(config: &Config, way: Way<'_>, dry_run: bool) -> Result<bool, Error> {
    let broker = Broker::connect(&config.amqp, "tusou").await?;
    let changed = match way {
        _ if dry_run => {
            let up = broker.is_flag_up(ENCODER_PAUSED).await?;
            up == matches!(way, Way::Resume)
        }
        Way::Pause(why) => broker.flag_up(ENCODER_PAUSED, why).await?,
        Way::Resume => broker.flag_down(ENCODER_PAUSED).await?,
    };
    broker.close().await;
    Ok(changed)
}

async fn hosts(
    config: &Config,
    text: &str,
    way: Way<'_>,
    dry_run: bool,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let name = HostName::parse(text).map_err(Error::Argument)?;
    let failed = Error::query("pause a host or let it go on");
    let pool = database::connect(&config.database).await?;
    let known = pauses::hosts_named(&pool, &name).await.map_err(&failed)?;
    if known.is_empty() {
        return Err(Error::NotCrawled {
            what: "host",
            name: name.to_string(),
            remedy: "give it as its URLs have it, with its port where that is not the usual one",
        });
    }
    let resumes = matches!(way, Way::Resume);
    let (changes, others): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|host| host.paused == resumes);
    let origins: Vec<String> = changes.into_iter().map(|host| host.origin).collect();
    if !dry_run {
        match way {
            Way::Pause(why) => pauses::pause_hosts(&pool, &origins, why).await,
            Way::Resume => pauses::resume_hosts(&pool, &origins).await,
        }
        .map_err(failed)?;
    }
    for origin in origins {
        writeln!(out, "{origin} {}", said(way, true, dry_run))?;
    }
    for host in others {
        writeln!(out, "{} {}", host.origin, said(way, false, dry_run))?;
    }
    Ok(())
}
