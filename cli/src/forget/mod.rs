//! `tusou forget`: takes out what somebody asks to have removed, and keeps it out.

pub(crate) mod args;
mod report;

use std::io::Write;

use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::PgPool;
use tokio::time::{Duration, Instant};
use tusou_contract::BlobKey;
use tusou_ingest::Address;
use tusou_ingest::removals::{self, KeptOut, Removed, Removing, Subject};
use tusou_platform::blobs::{BlobError, BlobStore};
use tusou_platform::{Config, database};

use crate::error::Error;
use crate::format::number;
use crate::index::tell;
use crate::outbox::Room;
use args::{Forget, ForgetCommand, List, Undo};
use report::Report;

/// Blobs that are deleted at once.
const BLOBS_AT_ONCE: usize = 16;
/// Between two lines that say how far it is.
const TELL: Duration = Duration::from_secs(2);
/// The most removals that a list shows.
const LISTED: i64 = 100_000;

/// Runs a command about removals.
pub(crate) async fn run(config: &Config, args: &Forget, out: &mut dyn Write) -> Result<(), Error> {
    match &args.command {
        None => forget(config, args, out).await,
        Some(ForgetCommand::List(list)) => show(config, list, out).await,
        Some(ForgetCommand::Undo(undo)) => let_in(config, undo, out).await,
    }
}

/// Counts what would go; where that is asked for, takes it out and keeps it out.
async fn forget(config: &Config, args: &Forget, out: &mut dyn Write) -> Result<(), Error> {
    let typed = args.subject.as_deref();
    let typed = typed.expect("the arguments require it where no other command is given");
    let subject = Subject::parse(typed).map_err(Error::Argument)?;
    let pool = database::connect(&config.database).await?;
    let preview = removals::preview(&pool, &subject)
        .await
        .map_err(Error::query("count what would be removed"))?;
    let mut report = Report::of(&subject, &args.why, preview);
    if args.yes {
        // Before anything is taken out: the blobs can be reached.
        let blobs = BlobStore::open(&config.blobs).map_err(Error::Blobs)?;
        report.removed = take_out(config, &pool, &subject, &report).await?;
        report.blobs = delete_blobs(&pool, &blobs).await?;
        report.dry_run = false;
    }
    if args.json {
        let json = serde_json::to_string_pretty(&report);
        writeln!(out, "{}", json.expect("a report has plain values"))?;
    } else {
        write!(out, "{}", report::text(&subject, &report))?;
    }
    out.flush()?;
    Ok(())
}

/// Keeps the subject out, and takes out its rows.
async fn take_out(
    config: &Config,
    pool: &PgPool,
    subject: &Subject,
    report: &Report,
) -> Result<Removed, Error> {
    let failed = Error::query("take rows out");
    let room = Room {
        pool,
        limit: config.crawler.outbox_limit,
    };
    let mut removing = Removing::begin(pool, subject, &report.why)
        .await
        .map_err(&failed)?;
    let mut removed = Removed::default();
    let mut told = Instant::now();
    loop {
        room.wait().await?;
        match removing.step(pool).await.map_err(&failed)? {
            Some(more) => removed += more,
            None => return Ok(removed),
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            tell(&format!(
                "{} of {} pages, {} of {} image URLs are out",
                number(removed.pages),
                number(report.removed.pages),
                number(removed.image_urls),
                number(report.removed.image_urls),
            ));
        }
    }
}

/// Deletes the blobs of images that were taken out, by this command or by an interrupted one; of
/// how many images.
async fn delete_blobs(pool: &PgPool, blobs: &BlobStore) -> Result<u64, Error> {
    let failed = Error::query("look for blobs to delete");
    let (mut gone, mut told) = (0, Instant::now());
    while let Some(batch) = removals::next_blobs(pool).await.map_err(&failed)? {
        // Where one is not put, as on a full disk, a message under way becomes a dead letter: no more.
        let _marked: Vec<Result<(), BlobError>> = futures::stream::iter(batch.marks())
            .map(|mark| blobs.put(mark, Default::default()))
            .buffer_unordered(BLOBS_AT_ONCE)
            .collect()
            .await;
        let keys = batch.keys();
        // What is no key names no blob.
        let keys = keys.filter_map(|key| BlobKey::try_from(key.to_owned()).ok());
        let keys: Vec<BlobKey> = keys.collect();
        futures::stream::iter(keys)
            .map(|key| async move { blobs.delete(&key).await })
            .buffer_unordered(BLOBS_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await
            .map_err(Error::Blobs)?;
        gone += batch.gone().await.map_err(&failed)?;
        if told.elapsed() > TELL {
            told = Instant::now();
            tell(&format!("the blobs of {} pictures are out", number(gone)));
        }
    }
    Ok(gone)
}

async fn show(config: &Config, args: &List, out: &mut dyn Write) -> Result<(), Error> {
    let pool = database::connect(&config.database).await?;
    let kept = removals::list(&pool, LISTED)
        .await
        .map_err(Error::query("read what is kept out"))?;
    if args.json {
        let text = serde_json::to_string_pretty(&kept).expect("rows are JSON");
        writeln!(out, "{text}")?;
    } else {
        write!(out, "{}", report::list(&kept))?;
    }
    Ok(())
}

async fn let_in(config: &Config, args: &Undo, out: &mut dyn Write) -> Result<(), Error> {
    let subject = Subject::parse(&args.subject).map_err(Error::Argument)?;
    let pool = database::connect(&config.database).await?;
    let was = removals::undo(&pool, &subject, args.dry_run)
        .await
        .map_err(Error::query("let in what is kept out"))?;
    if was.is_none() {
        return Err(Error::NotKeptOut {
            subject: subject.text(),
        });
    }
    let still = match &subject {
        Subject::Url(address) => kept_out_by_host(&pool, address).await?,
        Subject::Image(_) | Subject::Host(_) => None,
    };
    write!(
        out,
        "{}",
        report::undone(&subject, still.as_ref(), args.dry_run)
    )?;
    Ok(())
}

/// A URL that is let in may be kept out with its host.
async fn kept_out_by_host(pool: &PgPool, address: &Address) -> Result<Option<KeptOut>, Error> {
    let kept = removals::kept_out_by(pool, address)
        .await
        .map_err(Error::query("look what keeps a URL out"))?;
    Ok(kept.filter(|kept| kept.kind == "host"))
}
