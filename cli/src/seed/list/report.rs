//! What came of a list, for people and programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use tusou_ingest::list::Format;
use tusou_ingest::lists::{Kind, Progress};

use super::chunks::Bad;
use crate::format::{number, one_line, table};
use crate::status::ListStatus;

/// Bad rows that are shown.
const SHOWN: usize = 20;

/// What came of a list.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    name: String,
    path: String,
    format: Format,
    dry_run: bool,
    /// Rows before the first of this run's, where it went on.
    pub(super) went_on_after: u64,
    /// Rows of this run.
    pub(super) read_now: u64,
    #[serde(flatten)]
    pub(super) progress: Progress,
    /// Image URLs that became due by this run.
    pub(super) due: u64,
    /// Pictures that were known, seen here since this run.
    pub(super) seen: u64,
    /// Pictures that it named when it was read before.
    pub(super) gone: u64,
    pub(super) finished: bool,
    /// Since when there was nothing left to do.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) was_finished: Option<OffsetDateTime>,
    seconds: f64,
    rows_per_second: f64,
    first_bad: Vec<Bad>,
}

impl Report {
    pub(super) fn new(name: &str, path: &Path, format: Format, dry_run: bool) -> Self {
        Self {
            name: name.to_owned(),
            path: path.display().to_string(),
            format,
            dry_run,
            went_on_after: 0,
            read_now: 0,
            progress: Progress::default(),
            due: 0,
            seen: 0,
            gone: 0,
            finished: false,
            was_finished: None,
            seconds: 0.0,
            rows_per_second: 0.0,
            first_bad: Vec::new(),
        }
    }

    /// Rows of the whole reading that name a picture of its own.
    pub(super) fn taken(&self) -> u64 {
        let not = |reasons: &BTreeMap<String, u64>| reasons.values().sum::<u64>();
        let progress = &self.progress;
        progress
            .rows
            .saturating_sub(not(&progress.bad) + not(&progress.left_out))
    }

    pub(super) fn show_bad(&mut self, bad: &[Bad]) {
        let room = SHOWN.saturating_sub(self.first_bad.len());
        self.first_bad.extend(bad.iter().take(room).cloned());
    }

    pub(super) fn end(&mut self, took: Duration) {
        let rounded = |value: f64| (value * 100.0).round() / 100.0;
        self.seconds = rounded(took.as_secs_f64());
        self.rows_per_second = rounded(self.read_now as f64 / took.as_secs_f64().max(0.001));
    }
}

/// A report for people.
pub(super) fn text(report: &Report) -> String {
    let Report {
        name, path, format, ..
    } = report;
    let mut text = format!(
        "list {}  {} ({format}): ",
        one_line(name, 100),
        one_line(path, 200)
    );
    if let Some(finished) = report.was_finished {
        text.push_str(&format!(
            "was read to its end on {}; nothing is to be done. --again reads it once more.\n",
            finished.date()
        ));
        return text;
    }
    text.push_str(match (report.dry_run, report.finished) {
        (true, _) => "a dry run, nothing is changed\n",
        (false, true) => "read to its end\n",
        (false, false) => "not read to its end; this command goes on where it was\n",
    });
    if report.went_on_after > 0 {
        text.push_str(&format!(
            "  went on after line {}\n",
            number(report.went_on_after)
        ));
    }
    let progress = &report.progress;
    let row = |name: &str, count: u64| vec![name.to_owned(), number(count)];
    let mut rows = vec![row("rows", progress.rows), row("taken", report.taken())];
    if !report.dry_run {
        rows.push(row("to be fetched, by this run", report.due));
        rows.push(row("known pictures seen here, by this run", report.seen));
    }
    if report.gone > 0 {
        rows.push(row("no longer named", report.gone));
    }
    for (what, reasons) in [("left out", &progress.left_out), ("bad", &progress.bad)] {
        rows.extend(
            reasons
                .iter()
                .map(|(reason, count)| row(&format!("{what}: {reason}"), *count)),
        );
    }
    text.push_str(&table(&rows));
    for bad in &report.first_bad {
        text.push_str(&format!("  line {}: {}\n", number(bad.line), bad.said));
    }
    let bad: u64 = progress.bad.values().sum();
    let shown = report.first_bad.len() as u64;
    if bad > shown && shown > 0 {
        let more = number(bad - shown);
        text.push_str(&format!("  and {more} more; --bad FILE has all of them\n"));
    }
    text.push_str(&format!(
        "  {:.1} s, {} rows/s\n",
        report.seconds,
        number(report.rows_per_second as u64)
    ));
    text
}

/// Every list and folder, for people.
pub(super) fn lists(lists: &[ListStatus]) -> String {
    if lists.is_empty() {
        return "There is no list yet; `tusou seed --list FILE` reads one, and `tusou import DIR` a folder.\n".into();
    }
    let head = ["", "", "rows", "bad", "left out", "due", "read"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(lists.iter().map(|list| {
        let progress = &list.list.progress;
        let kind = match list.list.kind {
            Kind::List => "list",
            Kind::Folder => "folder",
        };
        let read = match list.list.finished_at {
            Some(finished) => finished.date().to_string(),
            None => format!("to {:.0} %", progress.share * 100.0),
        };
        vec![
            one_line(&list.list.name, 60),
            kind.to_owned(),
            number(progress.rows),
            number(progress.bad.values().sum()),
            number(progress.left_out.values().sum()),
            number(list.image_urls.due),
            read,
        ]
    }));
    let mut text = table(&rows);
    if lists.iter().any(|list| list.list.finished_at.is_none()) {
        text.push_str(
            "What was not read to its end goes on where it was when its command is repeated.\n",
        );
    }
    text
}
