//! A client as a process of its own.

use std::future::Future;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tusou_contract::Document;
use tusou_platform::Config;
use tusou_testkit::World;

use super::{DOCUMENTS, Run, ours, raw};
use crate::documents::{document, vector};
use crate::encoder::ours::process_seconds;
use crate::peer;

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
        peer::report(&mut command, "`make bench`").await
    }
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
    let (began, before) = (Instant::now(), process_seconds());
    let documents = writing.await?;
    Ok(Run {
        documents,
        seconds: began.elapsed().as_secs_f64(),
        cpu_seconds: process_seconds() - before,
    })
}
