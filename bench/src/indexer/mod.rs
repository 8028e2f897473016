//! The indexer beside pre-serialised bodies and beside elasticsearch-py, on the same documents and settings.
//!
//! Each run is a process of its own, so that its processor time is its client's alone, and has a new index; documents
//! are in memory before its clock starts. The whole indexer, with Postgres and the queue, is measured beside them.

pub(crate) mod client;
mod ours;
mod peers;
mod raw;
mod whole;

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexOptions, ModelField, index_body};
use tusou_platform::config::BulkEncoding;
use tusou_testkit::World;

use crate::chain::bench_world;
use crate::documents::DIMENSION;
use crate::report::{self, Figure};
use client::Client;
use peers::ParallelBulk;

/// Documents of a run.
const DOCUMENTS: usize = 20_000;
/// Documents in a bulk of the floor and of the peer; for ours the most.
const BULK: usize = 500;
/// Bulks at once of the floor and of the peer: two saturate two cores.
const AT_ONCE: usize = 2;
const ROUNDS: usize = 5;
/// Runs of ours and of the floor in a round, in turns: one takes seconds, into a flat index a single one.
const TURNS: usize = 2;

/// What one run took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Run {
    documents: usize,
    /// From the first document to the last answer.
    seconds: f64,
    /// Of the client's process meanwhile.
    cpu_seconds: f64,
}

impl Run {
    const NOTHING: Self = Self {
        documents: 0,
        seconds: 0.0,
        cpu_seconds: 0.0,
    };

    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.seconds += other.seconds;
        self.cpu_seconds += other.cpu_seconds;
    }

    /// Documents a second.
    fn rate(&self) -> f64 {
        self.documents as f64 / self.seconds
    }

    /// Milliseconds of processor time a document.
    fn cpu(&self) -> f64 {
        self.cpu_seconds * 1_000.0 / self.documents as f64
    }
}

/// One of those that take turns.
#[derive(Debug, Clone, Copy)]
enum Side {
    Ours,
    Raw,
    ParallelBulk,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    ours: Run,
    raw: Run,
    parallel_bulk: Run,
}

/// Every figure of the indexer.
pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let mut world = bench_world("bench_indexer").await;
    // What 9.2 is written with where nothing is said; the floor writes no other.
    world.config.elasticsearch.bulk_encoding = BulkEncoding::Smile;
    world.config.elasticsearch.timeout_ms = 60_000;
    let peer = ParallelBulk::prepare(&world)?;
    let mut rounds = Vec::new();
    for number in 0..=ROUNDS {
        let round = round(&world, &peer, number).await?;
        let said = if number == 0 { " (warming up)" } else { "" };
        report::note(&format!(
            "indexer, round {number} of {ROUNDS}{said}: {round:.3?}"
        ));
        if number > 0 {
            rounds.push(round);
        }
    }
    let whole = whole::measure().await?;
    report::note(&format!("indexer, whole: {whole:.1} documents/s"));
    world.end().await;
    let raw = middle(&rounds, |round| (round.raw.rate(), 1.0)).0;
    Ok(figures(&rounds, whole, raw))
}

fn figures(rounds: &[Round], whole: f64, raw: f64) -> Vec<Figure> {
    let unit = "documents/s";
    let (ours, theirs) = middle(rounds, |round| (round.ours.rate(), round.raw.rate()));
    let vs_raw = Figure::rate("indexer.vs_raw_bulk", ours, theirs, unit, 0.85);
    let (ours, theirs) = middle(rounds, |round| {
        (round.ours.rate(), round.parallel_bulk.rate())
    });
    let vs_parallel = Figure::rate("indexer.vs_parallel_bulk", ours, theirs, unit, 1.6);
    let (ours, theirs) = middle(rounds, |round| {
        (round.ours.cpu(), round.parallel_bulk.cpu())
    });
    let name = "indexer.client_cpu_vs_parallel_bulk";
    let cpu = Figure::cost(name, ours, theirs, "CPU ms/document", 5.0);
    let whole = Figure::rate("indexer.whole", whole, raw, unit, 0.15);
    vec![vs_raw, vs_parallel, cpu, whole]
}

/// The round in the middle, by its ratio.
fn middle(rounds: &[Round], of: impl Fn(&Round) -> (f64, f64)) -> (f64, f64) {
    report::middle(rounds.iter().map(of).collect())
}

/// Ours and the floor a few times in turns, and the peer; another begins every time.
async fn round(world: &World, peer: &ParallelBulk, number: usize) -> anyhow::Result<Round> {
    let (mut ours, mut raw) = (Run::NOTHING, Run::NOTHING);
    // The round that warms up needs no second.
    let turns = if number == 0 { 1 } else { TURNS };
    for turn in number..number + turns {
        if turn.is_multiple_of(2) {
            ours.add(one(world, peer, Side::Ours).await?);
            raw.add(one(world, peer, Side::Raw).await?);
        } else {
            raw.add(one(world, peer, Side::Raw).await?);
            ours.add(one(world, peer, Side::Ours).await?);
        }
    }
    Ok(Round {
        ours,
        raw,
        parallel_bulk: one(world, peer, Side::ParallelBulk).await?,
    })
}

/// One run into a new index, which holds all documents afterwards.
async fn one(world: &World, peer: &ParallelBulk, side: Side) -> anyhow::Result<Run> {
    let elastic = world.elastic();
    let index = format!("{}-run", world.config.elasticsearch.alias);
    let model = ModelField {
        field: IMAGE_EMBEDDING.into(),
        model: "none".into(),
        digest: "none".into(),
        dimension: DIMENSION,
    };
    let mut body = index_body(&[model], &IndexOptions::default());
    body["settings"]["refresh_interval"] = json!("-1");
    ensure!(
        elastic.create_index(&index, &body).await?,
        "the index of the run before is still there"
    );
    let run = match side {
        Side::Ours => Client::Ours.run(world, &index).await?,
        Side::Raw => Client::Raw.run(world, &index).await?,
        Side::ParallelBulk => peer.run(&index).await?,
    };
    elastic.refresh(&index).await?;
    let count = elastic.count(&index).await?;
    ensure!(
        run.documents == DOCUMENTS && count == DOCUMENTS as u64,
        "{side:?}: {} documents were written, and the index holds {count} of {DOCUMENTS}",
        run.documents
    );
    elastic.delete_index(&index).await?;
    Ok(run)
}
