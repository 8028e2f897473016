//! `tusou reconcile --model`: what one model has not made of the pictures.
//!
//! A picture that was encoded before the model was in use goes to the encoder by `images.reencode`, beside
//! the crawl's own queue: so the crawl goes on, and nothing of its own is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde::Serialize;
use tusou_contract::{ImageId, Queue};
use tusou_platform::Config;

use super::encode::Encoder;
use super::report::{self, Found, Report};
use crate::args::Reconcile;
use crate::error::Error;
use crate::format::{json, number};
use crate::outbox::Room;
use crate::rows::models;

/// Pictures looked at in one step.
const BATCH: usize = 1_000;

/// What an earlier back-fill still has under way. Whatever else is encoded is new, and encoded by every
/// model.
const ON_THE_WAY: &[Queue] = &[Queue::ImagesReencode];

/// What was counted, and what was done about it.
#[derive(Debug, Default, Serialize)]
struct ModelReport {
    model: String,
    digest: String,
    /// The document's field.
    field: String,
    /// Pictures with its vector or score.
    made: u64,
    /// Those that it failed for, by reason.
    failed: BTreeMap<String, u64>,
    /// Those that were encoded without it; with `--failed` also those that it failed for.
    lacking: Found,
    /// Of these, those that a message in the outbox is about.
    on_their_way: u64,
    /// Messages that are owed to the encoder, and addresses that are fetched again, or would be.
    owed: u64,
    /// Of the lacking, those that are not owed: an earlier back-fill is under way.
    held_back: u64,
    /// Of the lacking, those that nothing can encode.
    beyond_repair: Found,
}

/// Counts, owes the encoder what lacks where that is asked for, and prints both.
///
/// # Errors
/// [`Error::NoModel`] where no pack of that name is in use; [`Error::Lacking`] where pictures lack what it
/// makes and nothing was done; [`Error::Unrepaired`] where a repair left some.
pub(super) async fn run(
    config: &Config,
    name: &str,
    args: &Reconcile,
    room: Room<'_>,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (digest, field) = identity(config, name)?;
    let writes = args.repair && !args.dry_run;
    let encoder = Encoder::new(config, room, writes, ON_THE_WAY);
    let (made, failed) = models::made(room.pool, &digest).await?;
    let mut told = ModelReport {
        model: name.to_owned(),
        field,
        made,
        failed,
        ..ModelReport::default()
    };
    let mut work = Report::default();
    let mut after: Option<ImageId> = None;
    loop {
        let found = models::lacking(room.pool, &digest, args.failed, after, BATCH).await?;
        after = found.last().copied();
        if after.is_none() {
            break;
        }
        told.lacking.add(&found);
        let owed = models::owed(room.pool, &found).await?;
        told.on_their_way += owed.len() as u64;
        let rest: BTreeSet<ImageId> = found.difference(&owed).copied().collect();
        if args.repair {
            let queue = Queue::ImagesReencode;
            encoder.encode(queue, &rest, &mut work).await?;
        }
    }
    told.digest = digest;
    (told.owed, told.held_back) = (work.owed, work.held_back);
    told.beyond_repair = work.beyond_repair;
    if args.json {
        writeln!(out, "{}", json(&told))?;
    } else {
        write!(out, "{}", text(&told, args))?;
    }
    out.flush()?;
    let left = told.held_back + told.beyond_repair.count;
    match told.lacking.count - told.on_their_way {
        0 => Ok(()),
        _ if writes && left == 0 => Ok(()),
        _ if writes => Err(Error::Unrepaired { count: left }),
        count => Err(Error::Lacking {
            count,
            model: name.to_owned(),
        }),
    }
}

/// The digest and the document's field of the pack of that name.
fn identity(config: &Config, name: &str) -> Result<(String, String), Error> {
    let (models, scores) = tusou_projection::packs(&config.models.packs)?;
    let models = models
        .into_iter()
        .map(|model| (model.model, (model.digest, model.field)));
    let scores = scores
        .into_iter()
        .map(|score| (score.model, (score.digest, score.field)));
    let mut known: BTreeMap<String, (String, String)> = models.chain(scores).collect();
    known.remove(name).ok_or_else(|| Error::NoModel {
        name: name.to_owned(),
        known: known.into_keys().collect(),
    })
}

fn text(told: &ModelReport, args: &Reconcile) -> String {
    let mut text = String::new();
    if args.dry_run {
        text.push_str("A dry run: nothing is changed.\n");
    }
    let digest: String = told.digest.chars().take(16).collect();
    text.push_str(&format!(
        "{} (digest {digest}) in {}: {} pictures have it\n",
        told.model,
        told.field,
        number(told.made)
    ));
    for (reason, count) in &told.failed {
        text.push_str(&format!("  failed: {reason} {}\n", number(*count)));
    }
    report::found(&mut text, "without it", &told.lacking);
    if told.on_their_way > 0 {
        let count = number(told.on_their_way);
        text.push_str(&format!("{count} are on their way, by the outbox.\n"));
    }
    if told.owed > 0 {
        let (count, done) = (
            number(told.owed),
            if args.dry_run { "would be" } else { "are" },
        );
        text.push_str(&format!(
            "{count} {done} encoded again, by every model in use, while the crawl goes on.\n"
        ));
    }
    if told.held_back > 0 {
        text.push_str(&format!(
            "{} are not owed to the encoder again: an earlier back-fill waits in {}. Repeat this when that is \
             empty; `tusou status` says what holds it up.\n",
            number(told.held_back),
            Queue::ImagesReencode.name()
        ));
    }
    report::found(
        &mut text,
        "beyond repair: their original is no longer kept, and no address leads to it; import it again",
        &told.beyond_repair,
    );
    text
}
