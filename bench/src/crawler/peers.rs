//! The peers, as `bench/peers/install` gets them, each as a process of its own over the same site.

use std::path::Path;

use serde::Deserialize;
use tokio::process::Command;

use crate::peer::{report, root};

/// What gets them.
const INSTALLER: &str = "bench/peers/install";

/// What a peer says that it did.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Report {
    #[serde(default)]
    pub(crate) pages: u64,
    #[serde(default)]
    pub(crate) pictures: u64,
    pub(crate) seconds: f64,
    #[serde(default)]
    pub(crate) cpu_seconds: f64,
}

/// Scrapy: `files` keeps the pictures below `folder`, `pages` reads pages alone.
pub(crate) async fn scrapy(mode: &str, folder: &Path, seeds: &[String]) -> anyhow::Result<Report> {
    let mut command = python("scrapy", "scrapy_peer.py");
    report(command.arg(mode).arg(folder).args(seeds), INSTALLER).await
}

/// img2dataset over a list of URLs into `folder`, the start of its processes included.
pub(crate) async fn img2dataset(folder: &Path, urls: &[String]) -> anyhow::Result<Report> {
    let list = folder.with_extension("txt");
    tokio::fs::write(&list, urls.join("\n")).await?;
    let mut command = python("img2dataset", "img2dataset_peer.py");
    report(command.arg(list).arg(folder), INSTALLER).await
}

/// spider's own loop, in memory.
pub(crate) async fn spider(seeds: &[String]) -> anyhow::Result<Report> {
    let program = root().join(".stack/bench/spider/release/tusou-bench-spider");
    report(Command::new(program).args(seeds), INSTALLER).await
}

fn python(peer: &str, script: &str) -> Command {
    let python = root().join(".stack/bench").join(peer).join("bin/python");
    let mut command = Command::new(python);
    command
        .arg(root().join("bench/peers").join(script))
        // A look for newer versions is no part of the work.
        .env("NO_ALBUMENTATIONS_UPDATE", "1");
    command
}
