//! `tusou dead`: messages that were given up.
//!
//! They are held while they are looked at, and given back in their order. Whatever stops the command,
//! the broker has them back; a retry that is stopped between publishing and removing doubles a
//! message, which is harmless.

pub(crate) mod args;
mod hold;
mod report;
mod show;

use std::io::Write;
use std::time::Duration;

use tusou_platform::broker::{DeadLetter, Retried};
use tusou_platform::telemetry::chain;
use tusou_platform::{Config, database};

use crate::error::Error;
use crate::format::json;
use crate::rows::dead as rows;
use args::{Choice, Command, Filter, List, Show};
use hold::{Held, HeldQueue};
pub(crate) use report::Row;
use report::{Hosts, Report, counted, counts};

/// The longest wait for hosts: without a database dead letters are handled all the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `tusou dead …`.
pub(crate) async fn run(
    config: &Config,
    command: &Command,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match command {
        Command::List(list) => self::list(config, list, out).await,
        Command::Show(show) => self::show(config, show, out).await,
        Command::Retry(choice) => settle(config, choice, Verb::Retry, out).await,
        Command::Drop(choice) => settle(config, choice, Verb::Drop, out).await,
    }
}

async fn list(config: &Config, args: &List, out: &mut dyn Write) -> Result<(), Error> {
    let held = Held::take(config, args.filter.queue).await?;
    let hosts = hosts(config, &held).await;
    let letters = held.queues.iter().flat_map(|queue| &queue.letters);
    let rows = letters.map(|letter| Row::of(letter, &hosts));
    let report = Report {
        letters: rows.filter(|row| row.fits(&args.filter)).collect(),
        not_looked_at: held.unseen(),
        problems: hosts.as_ref().err().cloned().into_iter().collect(),
    };
    held.give_back().await?;
    known(&args.filter, &hosts)?;
    if args.json {
        writeln!(out, "{}", json(&report))?;
    } else {
        write!(out, "{}", report::text(&report, args.long))?;
    }
    Ok(())
}

/// Dead letters for whoever shows them in another way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Letters {
    /// The first ones of each queue, the oldest first.
    pub(crate) rows: Vec<Row>,
    /// How many are not among them.
    pub(crate) more: u64,
    /// What could not be looked at, and why.
    pub(crate) problem: Option<String>,
}

/// Looks at no more than `most` dead letters of each queue, and gives them back.
///
/// # Errors
/// Where the broker does not answer.
pub(crate) async fn letters(config: &Config, most: u32) -> Result<Letters, Error> {
    let held = Held::take_first(config, None, most).await?;
    let hosts = hosts(config, &held).await;
    let letters = held.queues.iter().flat_map(|queue| &queue.letters);
    let letters = Letters {
        rows: letters.map(|letter| Row::of(letter, &hosts)).collect(),
        more: held.unseen().values().sum(),
        problem: hosts.err(),
    };
    held.give_back().await?;
    Ok(letters)
}

async fn show(config: &Config, args: &Show, out: &mut dyn Write) -> Result<(), Error> {
    let ids = [args.id.clone()];
    let held = Held::take(config, None).await?;
    let mut named = Vec::new();
    for letter in held.queues.iter().flat_map(|queue| &queue.letters) {
        // Its hosts are asked for below, when it is known which it is.
        let row = Row::of(letter, &Ok(Default::default()));
        if row.is_named(&ids) {
            named.push((show::letter(letter, &row), row));
        }
    }
    held.give_back().await?;
    if named.is_empty() {
        return Err(Error::NoDeadLetter {
            id: args.id.clone(),
        });
    }
    for (text, _) in &named {
        write!(out, "{text}")?;
    }
    // Copies of one message, or several of one image: what is known of it is said once each.
    let mut told = Vec::new();
    for (_, row) in &mut named {
        if told.contains(&row.image_id) {
            continue;
        }
        told.push(row.image_id);
        match image(config, row).await {
            Ok(text) => write!(out, "{text}")?,
            Err(Error::Output(error)) => return Err(error.into()),
            Err(error) => writeln!(out, "  of its image nothing is known: {}", chain(&error))?,
        }
    }
    Ok(())
}

async fn image(config: &Config, row: &mut Row) -> Result<String, Error> {
    let Some(id) = row.image_id else {
        return Ok(show::image(row, None));
    };
    let pool = database::connect(&config.database).await?;
    let known = rows::known(&pool, &id).await?;
    let mut hosts = rows::hosts(&pool, &[id]).await?;
    row.hosts = hosts.remove(&id).unwrap_or_default().into_iter().collect();
    Ok(show::image(row, known.as_ref()))
}

/// What is done to the chosen ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Retry,
    Drop,
}

impl Verb {
    fn past(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Drop => "dropped",
        }
    }

    fn would(self) -> &'static str {
        match self {
            Self::Retry => "would retry",
            Self::Drop => "would drop",
        }
    }
}

async fn settle(
    config: &Config,
    choice: &Choice,
    verb: Verb,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut held = Held::take(config, choice.filter.queue).await?;
    // Postgres need not be there for what names no host; a host's name in the counts is a nicety.
    let hosts = hosts(config, &held).await;
    if let Err(error) = known(&choice.filter, &hosts) {
        held.give_back().await?;
        return Err(error);
    }
    let chosen = |letter: &DeadLetter| {
        let row = Row::of(letter, &hosts);
        let named = choice.ids.is_empty() || row.is_named(&choice.ids);
        (named && row.fits(&choice.filter)).then_some(row)
    };
    let nobody = {
        let letters = held.queues.iter().flat_map(|queue| &queue.letters);
        let rows: Vec<Row> = letters.filter_map(&chosen).collect();
        let mut ids = choice.ids.iter();
        ids.find(|id| {
            !rows
                .iter()
                .any(|row| row.is_named(std::slice::from_ref(id)))
        })
    };
    let unseen = held.unseen();
    let mut done = Vec::new();
    let mut refused = None;
    for queue in &mut held.queues {
        if choice.dry_run {
            done.extend(queue.letters.iter().filter_map(&chosen));
        } else if refused.is_none() {
            refused = settle_queue(queue, verb, &chosen, &mut done).await?;
        }
    }
    held.give_back().await?;
    let said = if choice.dry_run {
        verb.would()
    } else {
        verb.past()
    };
    if done.is_empty() && refused.is_none() {
        writeln!(out, "no dead letter is the one that was asked for")?;
    } else {
        writeln!(out, "{said} {}", counted(done.len()))?;
        write!(out, "{}", counts(&done))?;
    }
    write!(out, "{}", report::unseen(&unseen))?;
    out.flush()?;
    match (refused, nobody) {
        (Some(refused), _) => Err(refused),
        (None, Some(id)) => Err(Error::NoDeadLetter { id: id.clone() }),
        (None, None) => Ok(()),
    }
}

/// Settles the chosen ones of a queue; the others, and all after a refusal, stay held.
async fn settle_queue(
    held: &mut HeldQueue,
    verb: Verb,
    chosen: &impl Fn(&DeadLetter) -> Option<Row>,
    done: &mut Vec<Row>,
) -> Result<Option<Error>, Error> {
    let mut refused = None;
    for letter in std::mem::take(&mut held.letters) {
        let row = match &refused {
            None => chosen(&letter),
            Some(_) => None,
        };
        let Some(row) = row else {
            held.letters.push(letter);
            continue;
        };
        match verb {
            Verb::Drop => held.queue.discard(letter).await?,
            Verb::Retry => {
                if let Retried::Refused(letter, cause) = held.queue.retry(letter).await? {
                    held.letters.push(*letter);
                    refused = Some(Error::NotRetried {
                        retried: done.len(),
                        cause,
                    });
                    continue;
                }
            }
        }
        done.push(row);
    }
    Ok(refused)
}

async fn hosts(config: &Config, held: &Held) -> Hosts {
    let images = held.images();
    if images.is_empty() {
        return Ok(Default::default());
    }
    let asked = async {
        let pool = database::connect(&config.database).await?;
        rows::hosts(&pool, &images).await
    };
    let answered = tokio::time::timeout(PATIENCE, asked).await;
    let answered = answered.unwrap_or(Err(Error::Slow {
        seconds: PATIENCE.as_secs(),
    }));
    answered.map_err(|error| format!("hosts are not known: {}", chain(&error)))
}

/// A host cannot be asked for where none is known.
fn known(filter: &Filter, hosts: &Hosts) -> Result<(), Error> {
    match (hosts, &filter.host) {
        (Err(why), Some(_)) => Err(Error::HostsUnknown { why: why.clone() }),
        _ => Ok(()),
    }
}
