//! `tusou-bench [NAME]`: benchmarks, each beside a floor in one run, so that the ratio holds
//! whatever the machine is doing. Prints a table and writes `bench/results.json`.

mod chain;
mod floor;
mod report;

use std::process::ExitCode;

use anyhow::Context as _;

const NAMES: [&str; 1] = ["chain"];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let only = std::env::args().nth(1);
    if let Some(name) = only.as_deref().filter(|name| !NAMES.contains(name)) {
        anyhow::bail!("`{name}` is no benchmark: there are {}", NAMES.join(", "));
    }
    let figures = chain::run().await.context("the benchmark `chain` failed")?;
    report::print(&figures);
    report::write(&figures)?;
    Ok(ExitCode::SUCCESS)
}
