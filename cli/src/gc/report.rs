//! What a collection found and did.

use serde::Serialize;
use tusou_contract::ImageId;

use crate::format::number;

/// The most images that a report names, of each kind of trouble.
pub(crate) const NAMED: usize = 10;

/// What `tusou gc` found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Nothing was changed.
    pub(crate) dry_run: bool,
    pub(crate) originals: Swept,
    pub(crate) thumbnails: Swept,
    /// Rows whose original is not there.
    pub(crate) missing_originals: Missing,
    /// Rows whose thumbnail is not there.
    pub(crate) missing_thumbnails: Missing,
}

/// Blobs of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Swept {
    /// Blobs that are there.
    pub(crate) looked_at: u64,
    /// Without a row, and too young to be judged.
    pub(crate) young: u64,
    /// Without a row, and older than the grace.
    pub(crate) without_row: u64,
    /// Set aside, and brought back since a row came.
    pub(crate) brought_back: u64,
    /// Removed for good.
    pub(crate) removed: u64,
    /// The size of what was removed, or would be.
    pub(crate) bytes: u64,
    /// Left-overs of broken-off writes that were removed, or would be.
    pub(crate) unfinished: u64,
    /// Files that are none of ours; they are left alone.
    pub(crate) foreign: u64,
}

/// Rows of one kind without their blob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Missing {
    /// How many.
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) first: Vec<ImageId>,
    /// Those that will be fetched or encoded again, or would be.
    pub(crate) repaired: u64,
    /// Those that cannot: imported pictures have no address, dropped originals no bytes.
    pub(crate) beyond_repair: u64,
}

impl Missing {
    pub(super) fn add(&mut self, ids: impl Iterator<Item = ImageId>) {
        for id in ids {
            self.count += 1;
            if self.first.len() < NAMED {
                self.first.push(id);
            }
        }
    }
}

/// The report for people.
pub(super) fn text(report: &Report, repair: bool) -> String {
    let mut text = String::new();
    if report.dry_run {
        text.push_str("A dry run: nothing is changed.\n");
    }
    swept(&mut text, "originals", &report.originals, report.dry_run);
    swept(&mut text, "thumbnails", &report.thumbnails, report.dry_run);
    let remedy = "they are fetched again";
    missing(
        &mut text,
        "originals",
        &report.missing_originals,
        repair,
        remedy,
    );
    let remedy = "they are made again";
    missing(
        &mut text,
        "thumbnails",
        &report.missing_thumbnails,
        repair,
        remedy,
    );
    text
}

fn swept(text: &mut String, what: &str, swept: &Swept, dry_run: bool) {
    let removed = if dry_run {
        format!("{} would be removed", number(swept.without_row))
    } else {
        format!("{} removed", number(swept.removed))
    };
    text.push_str(&format!(
        "{what}: {} there, {} without a row: {removed} ({} bytes)",
        number(swept.looked_at),
        number(swept.without_row + swept.young),
        number(swept.bytes),
    ));
    for (count, words) in [
        (swept.young, "too young to be judged"),
        (swept.brought_back, "brought back, their rows came"),
        (swept.unfinished, "left over from broken-off writes"),
        (swept.foreign, "not of this system, left alone"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {} {words}", number(count)));
        }
    }
    text.push('\n');
}

fn missing(text: &mut String, what: &str, missing: &Missing, repair: bool, remedy: &str) {
    if missing.count == 0 {
        return;
    }
    text.push_str(&format!(
        "rows without their {what}: {}",
        number(missing.count)
    ));
    if repair {
        text.push_str(&format!("; {}: {remedy}", number(missing.repaired)));
        if missing.beyond_repair > 0 {
            let beyond = number(missing.beyond_repair);
            text.push_str(&format!("; {beyond}: nothing to make them from"));
        }
    } else {
        text.push_str(&format!("; with `--repair` {remedy}"));
    }
    text.push('\n');
    for id in &missing.first {
        text.push_str(&format!("  {id}\n"));
    }
    if missing.count > missing.first.len() as u64 {
        text.push_str("  …\n");
    }
}
