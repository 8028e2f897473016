//! The local stack's stores, stopped and started, or frozen.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;

use super::plan::Store;

/// Elasticsearch takes half a minute on a busy machine.
const STEP_LIMIT: Duration = Duration::from_secs(240);

const STACK: &str = "deploy/local/stack";

/// The checkout around the working directory, whose stack is meant; else the one that this was built
/// in.
fn checkout() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let around = here.ancestors().find(|folder| folder.join(STACK).is_file());
    around.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        Path::to_path_buf,
    )
}

/// `deploy/local/stack COMMAND STORE`.
async fn stack(command: &str, store: Store) -> anyhow::Result<()> {
    let name = store.name();
    let running = Command::new(checkout().join(STACK))
        .args([command, name])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(STEP_LIMIT, running)
        .await
        .with_context(|| format!("deploy/local/stack {command} {name} does not end"))?
        .context(
            "deploy/local/stack cannot be run: chaos needs the checkout that it was built in",
        )?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("deploy/local/stack {command} {name}: {said}");
    }
    Ok(())
}

/// Stops a store.
pub(super) async fn down(store: Store) -> anyhow::Result<()> {
    stack("down", store).await
}

/// Starts a store and waits until it answers; one that runs is nothing new.
pub(super) async fn up(store: Store) -> anyhow::Result<()> {
    stack("up", store).await
}

/// A store that hangs: every process of it is stopped until this is dropped.
#[derive(Debug)]
pub(super) struct Frozen {
    pids: Vec<Pid>,
}

impl Frozen {
    /// Stops it where it stands.
    pub(super) fn freeze(store: Store) -> anyhow::Result<Self> {
        let file = checkout().join(format!(".stack/run/{}.json", store.name()));
        let record = std::fs::read(&file)
            .with_context(|| format!("{} is not there: run `make up` first", file.display()))?;
        let record: Value = serde_json::from_slice(&record)?;
        let first = record["pid"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok());
        let first = first.with_context(|| format!("{} names no process", file.display()))?;
        let mut frozen = Self { pids: Vec::new() };
        // The first one first, so that it starts no others meanwhile.
        for pid in family(first)? {
            let Some(pid) = Pid::from_raw(pid) else {
                continue;
            };
            if kill_process(pid, Signal::STOP).is_ok() {
                frozen.pids.push(pid);
            }
        }
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for pid in self.pids.iter().rev() {
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}

/// A process and its descendants.
fn family(first: i32) -> anyhow::Result<Vec<i32>> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        // The second field, the name, may hold spaces and brackets.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        if let Some(parent) = fields
            .split_whitespace()
            .nth(1)
            .and_then(|text| text.parse::<i32>().ok())
        {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![first];
    let mut known = BTreeSet::from([first]);
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        next += 1;
        let children = parents.iter().filter(|(_, of)| *of == parent);
        found.extend(
            children
                .map(|(pid, _)| *pid)
                .filter(|pid| known.insert(*pid)),
        );
    }
    Ok(found)
}
