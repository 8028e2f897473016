//! `tusou-bench [NAME]`: benchmarks, each beside a floor in one run, so that the ratio holds
//! whatever the machine is doing. Prints a table and writes `bench/results.json`.

mod chain;
mod crawler;
mod dice;
mod documents;
mod encoder;
mod extract;
mod floor;
mod indexer;
mod peer;
mod reliability;
mod report;
mod search;
mod wanted;

use std::process::ExitCode;

use anyhow::Context as _;

const NAMES: [&str; 9] = [
    "extract",
    "chain",
    "reliability",
    "crawler",
    "wanted",
    "encoder",
    "indexer",
    "search",
    "recall",
];

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let only = std::env::args().nth(1);
    if only.as_deref() == Some(crawler::server::ARGUMENT) {
        let spec = std::env::args().nth(2).context("a site has a form")?;
        crawler::server::serve(&spec).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if only.as_deref() == Some(encoder::gpu::ARGUMENT) {
        Box::pin(encoder::gpu::run(std::env::args().skip(2))).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if only.as_deref() == Some(indexer::client::ARGUMENT) {
        indexer::client::serve(std::env::args().skip(2)).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if only.as_deref() == Some(search::calibrate::ARGUMENT) {
        search::calibrate::run()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = only.as_deref().filter(|name| !NAMES.contains(name)) {
        anyhow::bail!("`{name}` is no benchmark: there are {}", NAMES.join(", "));
    }
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let mut figures = Vec::new();
    if wanted("extract") {
        figures.extend(extract::run().context("the benchmark `extract` failed")?);
    }
    if wanted("chain") {
        figures.extend(chain::run().await.context("the benchmark `chain` failed")?);
    }
    if wanted("reliability") {
        let run = reliability::run().await;
        figures.extend(run.context("the benchmark `reliability` failed")?);
    }
    if wanted("crawler") {
        let run = Box::pin(crawler::run()).await;
        figures.extend(run.context("the benchmark `crawler` failed")?);
    }
    if wanted("wanted") {
        let run = wanted::run().await;
        figures.extend(run.context("the benchmark `wanted` failed")?);
    }
    if wanted("encoder") {
        let run = Box::pin(encoder::run()).await;
        figures.extend(run.context("the benchmark `encoder` failed")?);
    }
    if wanted("indexer") {
        let run = Box::pin(indexer::run()).await;
        figures.extend(run.context("the benchmark `indexer` failed")?);
    }
    if wanted("search") {
        let run = Box::pin(search::run()).await;
        figures.extend(run.context("the benchmark `search` failed")?);
    }
    // Minutes: by a name of its own besides.
    if wanted("search") || only.as_deref() == Some("recall") {
        let run = Box::pin(search::recall::run()).await;
        figures.extend(run.context("the benchmark `recall` failed")?);
    }
    report::print(&figures);
    report::write(&figures)?;
    Ok(ExitCode::SUCCESS)
}
