//! The first load of an index: while many messages wait and it holds little, it is refreshed seldom and has no
//! replicas, which is less work for each document. It ends by itself.
//!
//! An index that nobody searches is not refreshed at all. One that is searched is refreshed every [`SEARCHED`]: a
//! refresh that rare costs next to nothing, and whoever begins a crawl sees its pictures coming.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::PgPool;
use time::OffsetDateTime;
use tusou_platform::broker::Broker;
use tusou_platform::elastic::Elastic;
use tusou_projection::{Generation, LoadChange, LoadSeen, State, change_load, load_seen};

use crate::collect::QUEUES;
use crate::config::Settings;
use crate::error::Error;
use crate::metrics;

/// Between two looks at queues and indexes.
const LOOK: Duration = Duration::from_secs(2);
/// The longest that ending all first loads may take when the indexer ends or rests.
const END: Duration = Duration::from_secs(5);
/// The refresh interval of an index that nobody searches.
const UNSEARCHED: &str = "-1";
/// And of one that is searched.
const SEARCHED: &str = "30s";

/// Begins and ends first loads. What it did is marked in the index itself, so it may be dropped, or die, at any
/// point: the next one goes on from there.
pub(crate) struct FirstLoads {
    pool: PgPool,
    elastic: Elastic,
    alias: String,
    rules: Rules,
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    /// `indexer.first_load_backlog`; 0 for never.
    least: u64,
    /// `indexer.first_load_seconds`
    longest: Duration,
}

impl FirstLoads {
    pub(crate) fn new(pool: &PgPool, elastic: &Elastic, settings: &Settings) -> Self {
        Self {
            pool: pool.clone(),
            elastic: elastic.clone(),
            alias: settings.wanted.alias.clone(),
            rules: Rules {
                least: settings.first_load_backlog,
                longest: settings.first_load,
            },
        }
    }

    /// Looks for ever. What fails is tried again: the documents are written either way.
    pub(crate) async fn run(&self, broker: &Broker) -> Infallible {
        loop {
            if let Err(error) = self.look(broker).await {
                tracing::debug!(error = error.in_full(), "first loads are left as they are");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends all of them: nobody would later.
    pub(crate) async fn end(&self, why: &'static str) {
        let ended = tokio::time::timeout(END, async {
            for generation in self.written().await? {
                let off = |_: &Generation, seen: &LoadSeen| match seen.on() {
                    Some(_) => (LoadChange::Off, why),
                    None => (LoadChange::Leave, ""),
                };
                self.change(&generation, off).await?;
            }
            Ok::<(), Error>(())
        });
        match ended.await {
            Ok(Ok(())) => metrics::first_loads(0),
            Ok(Err(error)) => self.left(&error.in_full()),
            Err(_) => self.left("it took too long"),
        }
    }

    fn left(&self, why: &str) {
        tracing::warn!(
            why,
            "a first load may be left on: the next start of an indexer ends it, or goes on with it"
        );
    }

    async fn look(&self, broker: &Broker) -> Result<(), Error> {
        let mut backlog = 0;
        for queue in QUEUES {
            backlog += u64::from(broker.ready(queue.name()).await?);
        }
        let mut on = 0;
        for generation in self.written().await? {
            let Some(seen) = load_seen(&self.elastic, &generation, &self.alias).await? else {
                continue;
            };
            let full = self.rules.may_begin(&generation, &seen, backlog)
                && generation.state == State::Live
                && self.elastic.count(&generation.index).await? >= self.rules.least;
            let now = OffsetDateTime::now_utc();
            let decide = |generation: &Generation, seen: &LoadSeen| {
                self.rules.decide(generation, seen, backlog, full, now)
            };
            let (change, _) = decide(&generation, &seen);
            if change != LoadChange::Leave {
                self.change(&generation, decide).await?;
            }
            on += usize::from(match change {
                LoadChange::Leave => seen.on().is_some(),
                LoadChange::On(_) => true,
                LoadChange::Off | LoadChange::Over => false,
            });
        }
        metrics::first_loads(on);
        Ok(())
    }

    async fn written(&self) -> Result<Vec<Generation>, Error> {
        // What an index is to hold is no matter here.
        let mut generations = tusou_projection::all(&self.pool, true).await?;
        generations.retain(Generation::is_written);
        Ok(generations)
    }

    async fn change(
        &self,
        generation: &Generation,
        decide: impl Fn(&Generation, &LoadSeen) -> (LoadChange, &'static str),
    ) -> Result<(), Error> {
        let index = &generation.index;
        let changed = change_load(&self.pool, &self.elastic, &self.alias, generation, decide);
        let (change, why) = changed.await?;
        match change {
            LoadChange::Leave => {}
            LoadChange::On(refresh_interval) => {
                tracing::info!(
                    index,
                    refresh_interval,
                    why,
                    "a first load: without replicas"
                );
            }
            LoadChange::Off | LoadChange::Over => {
                tracing::info!(
                    index,
                    why,
                    "the first load is over: refreshed as ever, with its replicas"
                );
                metrics::first_load_ended(why);
            }
        }
        Ok(())
    }
}

impl Rules {
    /// Whether one would begin if the index holds little.
    fn may_begin(&self, generation: &Generation, seen: &LoadSeen, backlog: u64) -> bool {
        self.least > 0
            && seen.load.is_none()
            && !seen.set_by_others
            && (generation.state == State::Building || backlog >= self.least)
    }

    /// What is to be done, and why. `full`: it holds too much for a first load.
    fn decide(
        &self,
        generation: &Generation,
        seen: &LoadSeen,
        backlog: u64,
        full: bool,
        now: OffsetDateTime,
    ) -> (LoadChange, &'static str) {
        let interval = if seen.searched { SEARCHED } else { UNSEARCHED };
        let idle = generation.state == State::Live && backlog == 0;
        match (&seen.load, seen.on()) {
            (None, _) if self.may_begin(generation, seen, backlog) && !full => {
                (LoadChange::On(interval), "backlog")
            }
            (None, _) => (LoadChange::Leave, ""),
            // Let a later one begin.
            (Some(_), None) if idle => (LoadChange::Off, "empty"),
            (Some(_), None) => (LoadChange::Leave, ""),
            (_, Some(_)) if self.least == 0 => (LoadChange::Off, "configuration"),
            (_, Some(_)) if idle => (LoadChange::Off, "empty"),
            (_, Some(load)) if now - load.since >= self.longest => (LoadChange::Over, "time"),
            (_, Some(load)) if load.refresh_interval != interval && !seen.set_by_others => {
                (LoadChange::On(interval), "alias")
            }
            (_, Some(_)) => (LoadChange::Leave, ""),
        }
    }
}
