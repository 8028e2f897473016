//! What came of a folder, for people and programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::format::{number, one_line, table};

/// Files that are named of those that are not taken.
const SHOWN: usize = 20;

/// What came of a folder.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    name: String,
    path: String,
    dry_run: bool,
    /// Plain files.
    pub(super) files: u64,
    /// Pictures that are as they were.
    pub(super) unchanged: u64,
    /// Pictures that are new here.
    pub(super) new: u64,
    /// Pictures that have changed, or were looked at again.
    pub(super) changed: u64,
    /// Those of both whose bytes were new to the store.
    pub(super) images: u64,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// Pictures that a removal keeps out.
    pub(super) removed: u64,
    /// Pictures that are not taken, by reason.
    pub(super) failed: BTreeMap<String, u64>,
    /// Files that are no pictures.
    pub(super) others: u64,
    /// Pictures that were imported and are there no more.
    pub(super) gone: u64,
    /// What was not looked into, by reason.
    pub(super) left: BTreeMap<String, u64>,
    seconds: f64,
    first_bad: Vec<(String, String)>,
}

impl Report {
    pub(super) fn new(name: String, path: &Path, dry_run: bool) -> Self {
        Self {
            name,
            path: path.display().to_string(),
            dry_run,
            ..Self::default()
        }
    }

    pub(super) fn failed(&mut self, file: &str, reason: &str) {
        *self.failed.entry(reason.to_owned()).or_default() += 1;
        self.show(file, reason);
    }

    pub(super) fn left(&mut self, file: &str, reason: &str) {
        *self.left.entry(reason.to_owned()).or_default() += 1;
        // What is left on purpose needs no name.
        if !matches!(reason, "hidden" | "link") {
            self.show(file, reason);
        }
    }

    fn show(&mut self, file: &str, reason: &str) {
        if self.first_bad.len() < SHOWN {
            self.first_bad.push((file.to_owned(), reason.to_owned()));
        }
    }

    pub(super) fn end(&mut self, took: Duration) {
        self.seconds = (took.as_secs_f64() * 100.0).round() / 100.0;
    }
}

/// A report for people.
pub(super) fn text(report: &Report) -> String {
    let done = match report.dry_run {
        true => "a dry run, nothing is changed",
        false => "imported",
    };
    let mut text = format!(
        "folder {}  {}: {done}\n",
        one_line(&report.name, 100),
        one_line(&report.path, 200)
    );
    let row = |name: &str, count: u64| vec![name.to_owned(), number(count)];
    let mut rows = vec![
        row("files", report.files),
        row("unchanged pictures", report.unchanged),
        row("new pictures", report.new),
        row("changed pictures", report.changed),
        row("bytes of them that were new here", report.bytes),
    ];
    let more = [
        ("kept out by a removal", report.removed),
        ("pictures that are there no more", report.gone),
        ("files that are no pictures", report.others),
    ];
    rows.extend(
        more.iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| row(name, *count)),
    );
    for (what, reasons) in [
        ("not taken", &report.failed),
        ("not looked into", &report.left),
    ] {
        rows.extend(
            reasons
                .iter()
                .map(|(reason, count)| row(&format!("{what}: {reason}"), *count)),
        );
    }
    text.push_str(&table(&rows));
    for (file, reason) in &report.first_bad {
        text.push_str(&format!("  {}: {reason}\n", one_line(file, 300)));
    }
    text.push_str(&format!("  {:.1} s\n", report.seconds));
    text
}
