//! Programs that are measured beside ours, and where they lie.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;
use tokio::process::Command;

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench).to_owned()
}

/// Runs a program to its end: all that it said. `installer` gets it where it is not there.
pub(crate) async fn output(command: &mut Command, installer: &str) -> anyhow::Result<String> {
    let ended = command.kill_on_drop(true).output().await;
    let ended =
        ended.with_context(|| format!("{command:?} cannot start: run {installer} first"))?;
    let errors = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{command:?} failed: {errors}");
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// Runs a program to its end. The report is its last line.
pub(crate) async fn report<T: DeserializeOwned>(
    command: &mut Command,
    installer: &str,
) -> anyhow::Result<T> {
    let said = output(command, installer).await?;
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("{command:?} reports no figures: {said}"))
}
