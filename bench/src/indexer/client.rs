//! A client as a process of its own.

use std::future::Future;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use rustix::time::{ClockId, clock_gettime};
use tokio::process::Command;
use tusou_contract::Document;
use tusou_platform::Config;
use tusou_testkit::World;

use super::{DOCUMENTS, Run, ours, raw};
use crate::documents::{document, vector};

/// The first argument that makes this program a client.
pub(crate) const ARGUMENT: &str = "index-client";

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Client {
    Ours,
    Raw,
}

impl Client {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Raw => "raw",
        }
    }

    /// Writes all documents into the index.
    pub(super) async fn run(self, world: &World, index: &str) -> anyhow::Result<Run> {
        let file = world.folder().join("client.json");
        std::fs::write(&file, serde_json::to_vec(&world.config)?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([ARGUMENT, self.name()]);
        command.arg(&file).arg(index);
        reported(&mut command).await
    }
}

/// Runs a client to its end. What it says last is what it took.
pub(super) async fn reported(command: &mut Command) -> anyhow::Result<Run> {
    let ended = command.kill_on_drop(true).output().await;
    let ended = ended.with_context(|| format!("{command:?} cannot start"))?;
    let errors = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{command:?} failed: {errors}");
    let said = String::from_utf8_lossy(&ended.stdout);
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("{command:?} reports nothing: {said}"))
}

/// What the process does that [`Client::run`] starts.
#[expect(
    clippy::print_stdout,
    reason = "it reports to the process that started it"
)]
pub(crate) async fn serve(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = || arguments.next().context("client, configuration and index");
    let (client, file, index) = (next()?, next()?, next()?);
    let config: Config = serde_json::from_slice(&std::fs::read(file)?)?;
    let documents = documents();
    let run = match client.as_str() {
        "ours" => ours::write(&config, &index, documents).await?,
        "raw" => raw::write(&config, &index, &documents).await?,
        other => bail!("`{other}` is no client"),
    };
    println!("{}", serde_json::to_string(&run)?);
    Ok(())
}

/// The documents of every run.
pub(super) fn documents() -> Vec<Document> {
    let numbers = 0..DOCUMENTS as u64;
    numbers
        .map(|number| document(number, vector(number)))
        .collect()
}

/// What writing takes, of the clock and of this process.
pub(super) async fn measured(
    writing: impl Future<Output = anyhow::Result<usize>>,
) -> anyhow::Result<Run> {
    let cpu = || {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
    };
    let (began, before) = (Instant::now(), cpu());
    let documents = writing.await?;
    Ok(Run {
        documents,
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: cpu() - before,
    })
}
