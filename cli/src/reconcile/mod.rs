//! `tusou reconcile`: Postgres against every written index, both ways; or what one model has not made.

mod encode;
mod index;
mod model;
mod report;
mod suspects;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use tusou_contract::{ImageId, Queue};
use tusou_platform::broker::BrokerError;
use tusou_platform::broker::management::Management;
use tusou_platform::elastic::Elastic;
use tusou_platform::{Config, database};
use tusou_projection::Generation;

use crate::args::Reconcile;
use crate::error::Error;
use crate::format::json;
use crate::outbox::Room;
use crate::rows::walk;
use encode::{Encoder, ON_THE_WAY};
use index::Work;
pub(crate) use report::Found;
use report::{Outbox, Report};
use suspects::Suspects;

/// Images looked at in one step.
const BATCH: usize = 1_000;

/// Counts, repairs where that is asked for, and prints both.
///
/// # Errors
/// [`Error::Differences`] where something differs that no message under way can account for;
/// [`Error::Unrepaired`] where a repair left something as it was.
pub(crate) async fn run(
    config: &Config,
    args: &Reconcile,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let pool = database::connect(&config.database).await?;
    let room = Room {
        pool: &pool,
        limit: config.crawler.outbox_limit,
    };
    if let Some(name) = &args.model {
        return model::run(config, name, args, room, out).await;
    }
    let elastic = Elastic::new(&config.elasticsearch)?;
    let work = Work {
        pool: &pool,
        elastic: &elastic,
        args,
        room,
        encoder: Encoder::new(config, room, args.repair && !args.dry_run, ON_THE_WAY),
    };
    let mut report = Report {
        dry_run: args.dry_run,
        ..Report::default()
    };
    let generations = tusou_projection::all(&pool, config.indexer.keep_gone).await?;
    let generations = chosen(generations, args.generation.as_deref())?;
    ask_queues(config, &mut report).await;
    (report.images, report.encoded) = walk::images(&pool).await?;
    work.unencoded(&mut report).await?;
    for generation in &generations {
        work.index(generation, &mut report).await?;
    }
    if generations.is_empty() {
        let remedy = "no index is written: the indexer makes the first one when it starts";
        report.problems.push(remedy.to_owned());
    }
    let (waiting, old, oldest_seconds) = walk::outbox(&pool).await?;
    report.outbox = Outbox {
        waiting,
        old,
        oldest_seconds,
    };
    ask_queues(config, &mut report).await;
    if args.json {
        writeln!(out, "{}", json(&report))?;
    } else {
        write!(out, "{}", report::text(&report, args.repair))?;
    }
    out.flush()?;
    match (report.lost(), report.unrepaired()) {
        (_, 0) if work.writes() => Ok(()),
        (_, count) if work.writes() => Err(Error::Unrepaired { count }),
        (0, _) => Ok(()),
        (count, _) => Err(Error::Differences { count }),
    }
}

/// The written indexes, or the named one of them.
fn chosen(generations: Vec<Generation>, name: Option<&str>) -> Result<Vec<Generation>, Error> {
    let written = generations.into_iter().filter(Generation::is_written);
    let Some(name) = name else {
        return Ok(written.collect());
    };
    let (named, others): (Vec<_>, Vec<_>) = written.partition(|index| index.index == name);
    if named.is_empty() {
        return Err(Error::NoIndex {
            name: name.to_owned(),
            known: others.into_iter().map(|index| index.index).collect(),
        });
    }
    Ok(named)
}

/// Looks at the queues, before and after: the larger count of each is what may have been under way.
async fn ask_queues(config: &Config, report: &mut Report) {
    match queued(config).await {
        Ok(queued) => {
            for (queue, count) in queued {
                let known = report.queued.entry(queue).or_default();
                *known = count.max(*known);
            }
        }
        Err(error) => {
            // Once is enough: it is asked twice.
            let problem = error.to_string();
            if !report.problems.contains(&problem) {
                report.problems.push(problem);
            }
        }
    }
}

/// Messages in work and retry queues, where there are any.
async fn queued(config: &Config) -> Result<BTreeMap<String, u64>, BrokerError> {
    let queues = Management::new(config)?.queues().await?;
    let working = queues
        .into_iter()
        .filter(|queue| !queue.name.ends_with(".dead"));
    let count = working.map(|queue| (queue.name, queue.ready + queue.unacknowledged));
    Ok(count.filter(|(_, count)| *count > 0).collect())
}

impl Work<'_> {
    /// Images that no encoder has said anything of.
    async fn unencoded(&self, report: &mut Report) -> Result<(), Error> {
        let mut suspects = Suspects::new(self.args.second_look);
        let mut after: Option<ImageId> = None;
        loop {
            let found = walk::unencoded(self.pool, after, BATCH).await?;
            after = found.last().copied();
            suspects.add(found);
            if after.is_none() || suspects.is_full() {
                let suspects = suspects.take().await;
                let still = walk::still_unencoded(self.pool, &suspects).await?;
                let owed = walk::owed(self.pool, &still).await?;
                report.came_right += (suspects.len() - still.len()) as u64;
                report.on_their_way += owed.len() as u64;
                report.differences += (still.len() - owed.len()) as u64;
                let rest: BTreeSet<ImageId> = still.difference(&owed).copied().collect();
                report.unencoded.add(&rest);
                if self.args.repair {
                    self.encoder
                        .encode(Queue::ImagesFetched, &rest, report)
                        .await?;
                }
            }
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
