//! The oracle: breaks the chain in every way it knows, in an order that follows from a seed, and
//! then compares what became of every page and picture with what had to become of it.

mod disk;
mod expected;
mod faults;
mod judge;
mod mail;
pub mod plan;
mod report;
mod rng;
mod samples;
mod services;
mod site;
mod soak;
mod stores;
mod truth;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinSet;

pub use report::{Count, Report, Verdict};
pub use samples::Maxima;
pub use soak::{Scenario, Soaked, soak};

use crate::World;
use disk::Disk;
use faults::Stage;
use plan::{Event, Fault, Plan};
use services::Services;

/// How a run is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of the schedule and of the site.
    pub seed: u64,
    /// How long faults come.
    pub duration: Duration,
    /// Hosts of the site: 127.0.0.1 and those that follow.
    pub hosts: u8,
    /// Pages at the beginning.
    pub pages: usize,
    /// Whether a blob store of its own is mounted and filled.
    pub disk: bool,
}

/// `done` must hold for this long: the broker's own figures are up to 5 s old.
const REST: Duration = Duration::from_secs(7);
const STATUS_LIMIT: Duration = Duration::from_secs(30);

/// Says how far it is, on standard error.
#[expect(
    clippy::print_stderr,
    reason = "a run lasts minutes, and says what it does"
)]
fn say(text: &str) {
    eprintln!("chaos: {text}");
}

/// One run. Where something is not as it had to be, the world stays, and the report says where.
///
/// # Errors
/// Where the run itself is not possible; the remedy is named.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let stage = Arc::new(Stage::set(options).await?);
    let plan = Plan::new(options.seed, options.duration);
    let all = plan.events.len();
    say(&format!(
        "seed {}, {all} events in {:?}",
        options.seed, options.duration
    ));
    play(&stage, &plan).await;
    say("no more faults; waiting until all is at rest");
    let begun = Instant::now();
    stage.heal().await?;
    let limit = Duration::from_secs(300) + options.duration;
    let rest = at_rest(&stage.services, "chain", limit).await;
    let mut verdict = stage.judge().await?;
    if let Err(status) = rest {
        verdict
            .unexplained
            .push(format!("not done within {limit:?}: {status}"));
    }
    let mut report = Report {
        seed: options.seed,
        seconds: options.duration.as_secs(),
        drained_after: begun.elapsed().as_secs(),
        faults: stage.counts(),
        spoilt_answers: stage.spoilt_answers(),
        notes: stage.notes(),
        ..Report::default()
    };
    if !verdict.is_clean() {
        report.logs = stage.logs().await;
    }
    report.verdict = verdict;
    let stage = Arc::into_inner(stage).expect("every task of the stage has ended");
    report.kept = stage.end(!report.verdict.is_clean()).await;
    Ok(report)
}

/// Lets every event happen at its time, then waits for those that last.
async fn play(stage: &Arc<Stage>, plan: &Plan) {
    let begun = tokio::time::Instant::now();
    let mut running = JoinSet::new();
    for event in &plan.events {
        tokio::time::sleep_until(begun + event.at).await;
        while running.try_join_next().is_some() {}
        let Event { fault, .. } = *event;
        if let Fault::Change(change) = fault {
            stage.change(change, event.seed);
            continue;
        }
        say(&format!(
            "{:>6.1} s  {}",
            event.at.as_secs_f64(),
            fault.kind()
        ));
        let (stage, event) = (Arc::clone(stage), *event);
        running.spawn(async move { stage.inject(&event).await });
    }
    tokio::time::sleep_until(begun + plan.ends).await;
    while running.join_next().await.is_some() {}
}

/// Waits until the status says done, and still says so a little later.
async fn at_rest(services: &Services, name: &str, limit: Duration) -> Result<(), String> {
    let begun = Instant::now();
    let mut since: Option<Instant> = None;
    let mut last;
    loop {
        match status(services).await {
            Ok(status) => {
                let done = status["done"] == Value::Bool(true);
                since = if done {
                    since.or(Some(Instant::now()))
                } else {
                    None
                };
                if since.is_some_and(|since| since.elapsed() >= REST) {
                    return Ok(());
                }
                last = in_short(&status);
            }
            Err(error) => {
                since = None;
                last = format!("{error:#}");
            }
        }
        if begun.elapsed() > limit {
            return Err(last);
        }
        say(&format!(
            "{name} {:>6.1} s  {last}",
            begun.elapsed().as_secs_f64()
        ));
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

async fn status(services: &Services) -> anyhow::Result<Value> {
    let output = services.tusou(STATUS_LIMIT, &["status", "--json"]).await?;
    if !output.status.success() {
        anyhow::bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn in_short(status: &Value) -> String {
    let queued: Vec<String> = status["queues"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|queue| {
            let name = queue["name"].as_str().unwrap_or_default();
            !name.ends_with(".dead") && (queue["ready"] != 0 || queue["unacknowledged"] != 0)
        })
        .map(|queue| {
            format!(
                "{} {}+{}",
                queue["name"], queue["ready"], queue["unacknowledged"]
            )
        })
        .collect();
    format!(
        "due: {} pages, {} image URLs; outbox {}; pending {}; queues {queued:?}; problems {}",
        status["pages"]["due"],
        status["image_urls"]["due"],
        status["outbox"],
        status["images"]["pending"],
        status["problems"],
    )
}

/// Leaves a world as it is, and says where.
fn keep(world: World, disk: Option<Disk>) -> String {
    let kept = format!(
        "kept: database, virtual host and alias `{}`; logs and blobs in {} (a later test run sweeps such stores after an hour)",
        world.name(),
        world.folder().display()
    );
    if let Some(disk) = disk {
        disk.keep();
    }
    std::mem::forget(world);
    kept
}
