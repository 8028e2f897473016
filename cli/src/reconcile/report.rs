//! What was counted, and what was done about it.

use std::collections::BTreeMap;

use serde::Serialize;
use tusou_contract::ImageId;

use crate::format::{duration, number};

/// The most images that a report names, of each kind of difference.
const NAMED: usize = 10;

/// What `tusou reconcile` found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Nothing was changed.
    pub(crate) dry_run: bool,
    /// Rows of images.
    pub(crate) images: u64,
    /// Images whose encoding had an outcome.
    pub(crate) encoded: u64,
    /// Images without one.
    pub(crate) unencoded: Found,
    /// Each written index.
    pub(crate) indexes: Vec<Index>,
    pub(crate) outbox: Outbox,
    /// Messages in work and retry queues, by queue, where there are any.
    pub(crate) queued: BTreeMap<String, u64>,
    /// What could not be asked, in words.
    pub(crate) problems: Vec<String>,
    /// Suspects of the first look that were as they should be at the second.
    pub(crate) came_right: u64,
    /// Suspects that a message in the outbox is about.
    pub(crate) on_their_way: u64,
    /// All that differ, at the second look, and that no message in the outbox is about.
    pub(crate) differences: u64,
    /// Messages that were owed for a repair, or would be.
    pub(crate) owed: u64,
    /// Images that a repair does not have encoded again: messages wait that may be about them.
    pub(crate) held_back: u64,
    /// The queues that those wait in.
    pub(crate) held_back_by: Vec<String>,
    /// Images that nothing can encode: the original is no longer kept, and no address leads to it.
    /// Looked for by a repair.
    pub(crate) beyond_repair: Found,
}

/// An index beside Postgres.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Index {
    pub(crate) index: String,
    /// `live` or `building`.
    pub(crate) state: String,
    /// It is not there at all; nothing of it was counted.
    pub(crate) lost: bool,
    /// Documents that were searchable.
    pub(crate) documents: u64,
    /// Images that it holds as it should.
    pub(crate) whole: u64,
    /// Images that it refused for good, with their reason.
    pub(crate) refused: u64,
    /// Images that it should hold and does not.
    pub(crate) missing: Found,
    /// Images of which it holds an older revision.
    pub(crate) stale: Found,
    /// Documents that should not be there.
    pub(crate) extra: Found,
    /// Documents that are of no image.
    pub(crate) foreign: u64,
    /// Images without an embedding of one of its models that did not fail for them.
    pub(crate) lacking: Found,
    /// Images that one of its models failed for: nothing is owed for them.
    pub(crate) failed: u64,
    /// Of the missing and stale, those that were recorded as held.
    pub(crate) false_claims: u64,
}

/// Messages that transactions owe the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Outbox {
    pub(crate) waiting: u64,
    /// Ready for more than ten minutes.
    pub(crate) old: u64,
    pub(crate) oldest_seconds: Option<u64>,
}

/// Images of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) first: Vec<ImageId>,
}

impl Found {
    pub(crate) fn add<'a>(&mut self, ids: impl IntoIterator<Item = &'a ImageId>) {
        for id in ids {
            self.count += 1;
            if self.first.len() < NAMED {
                self.first.push(*id);
            }
        }
    }
}

impl Report {
    /// Differences that no message under way can account for.
    pub(crate) fn lost(&self) -> u64 {
        let queued: u64 = self.queued.values().sum();
        self.differences.saturating_sub(queued) + self.past_messages()
    }

    /// What a repair leaves as it is.
    pub(crate) fn unrepaired(&self) -> u64 {
        self.held_back + self.beyond_repair.count + self.past_messages()
    }

    /// Lost indexes, documents of no image, and every picture where no index is written yet, as after a restore
    /// that forgot the indexes: no message brings those right.
    fn past_messages(&self) -> u64 {
        if self.indexes.is_empty() {
            return self.encoded;
        }
        let indexes = self.indexes.iter();
        indexes
            .map(|index| u64::from(index.lost) + index.foreign)
            .sum()
    }
}

/// The report for people.
pub(super) fn text(report: &Report, repair: bool) -> String {
    let mut text = String::new();
    if report.dry_run {
        text.push_str("A dry run: nothing is changed.\n");
    }
    for problem in &report.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    text.push_str(&format!(
        "images: {}, with an outcome of their encoding: {}\n",
        number(report.images),
        number(report.encoded)
    ));
    found(
        &mut text,
        "without an outcome of their encoding",
        &report.unencoded,
    );
    for index in &report.indexes {
        text.push_str(&of_index(index));
    }
    let Outbox {
        waiting,
        old,
        oldest_seconds,
    } = &report.outbox;
    if *waiting > 0 {
        let age = duration(oldest_seconds.unwrap_or_default());
        text.push_str(&format!(
            "outbox: {} messages, the oldest {age} old\n",
            number(*waiting)
        ));
    }
    if *old > 0 {
        text.push_str(&format!(
            "  {} could have gone ten minutes ago: see that a crawler runs, which relays them, and \
             what `tusou status` says of full queues\n",
            number(*old)
        ));
    }
    for (queue, count) in &report.queued {
        text.push_str(&format!("{queue}: {} messages\n", number(*count)));
    }
    text.push_str(&conclusion(report, repair));
    text
}

fn of_index(index: &Index) -> String {
    let mut text = format!("{} ({}): ", index.index, index.state);
    if index.lost {
        text.push_str(&format!(
            "not there; `tusou index rebuild {}` makes it again, with nothing encoded again\n",
            index.index
        ));
        return text;
    }
    text.push_str(&format!(
        "{} documents, {} as they should be",
        number(index.documents),
        number(index.whole)
    ));
    if index.refused > 0 {
        text.push_str(&format!(", {} refused for good", number(index.refused)));
    }
    if index.failed > 0 {
        let failed = number(index.failed);
        text.push_str(&format!(", {failed} that a model failed for"));
    }
    text.push('\n');
    found(&mut text, "missing", &index.missing);
    found(&mut text, "stale", &index.stale);
    found(&mut text, "that should not be there", &index.extra);
    if index.foreign > 0 {
        let foreign = number(index.foreign);
        text.push_str(&format!(
            "  {foreign} documents of no image: somebody else put them there; delete them in Elasticsearch\n"
        ));
    }
    found(
        &mut text,
        "without an embedding of one of its models",
        &index.lacking,
    );
    if index.false_claims > 0 {
        let claims = number(index.false_claims);
        text.push_str(&format!("  {claims} of these were recorded as indexed\n"));
    }
    text
}

/// A line with how many there are, and one for each of the first.
pub(super) fn found(text: &mut String, what: &str, found: &Found) {
    if found.count == 0 {
        return;
    }
    text.push_str(&format!("  {} {what}\n", number(found.count)));
    for id in &found.first {
        text.push_str(&format!("    {id}\n"));
    }
    if found.count > found.first.len() as u64 {
        text.push_str("    …\n");
    }
}

fn conclusion(report: &Report, repair: bool) -> String {
    let mut text = String::new();
    if report.came_right > 0 {
        let count = number(report.came_right);
        text.push_str(&format!("{count} came right while this ran.\n"));
    }
    if report.on_their_way > 0 {
        let count = number(report.on_their_way);
        text.push_str(&format!("{count} are on their way, by the outbox.\n"));
    }
    let queued: u64 = report.queued.values().sum();
    if report.differences == 0 {
        text.push_str("Nothing else differs.\n");
    } else if repair && !report.dry_run {
        text.push_str(&format!(
            "{} differ; {} messages are owed to the services, which bring them right.\n",
            number(report.differences),
            number(report.owed)
        ));
    } else if queued > 0 {
        text.push_str(&format!(
            "{} differ, and {} messages are in the queues: they may be on their way. Repeat this when \
             the queues are empty.\n",
            number(report.differences),
            number(queued)
        ));
    } else if !report.problems.is_empty() {
        text.push_str(&format!(
            "{} differ. Not all could be asked, so something may be on its way to them; `--repair` has them brought \
             right all the same.\n",
            number(report.differences)
        ));
    } else {
        text.push_str(&format!(
            "{} differ, and nothing is on its way to them; `--repair` has them brought right.\n",
            number(report.differences)
        ));
    }
    if report.held_back > 0 {
        text.push_str(&format!(
            "{} are not owed to the encoder again: messages wait in {}, and may be about them. Repeat this \
             when those are empty; `tusou status` says what holds them up.\n",
            number(report.held_back),
            report.held_back_by.join(", ")
        ));
    }
    found(
        &mut text,
        "beyond repair: their original is no longer kept, and no address leads to it; import it again",
        &report.beyond_repair,
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_under_way_account_for_differences_and_not_for_lost_indexes() {
        let mut report = Report {
            differences: 3,
            ..Report::default()
        };
        assert_eq!(report.lost(), 3);
        report.queued = BTreeMap::from([("images.changed".into(), 2)]);
        assert_eq!(report.lost(), 1);
        report.queued = BTreeMap::from([("images.changed".into(), 9)]);
        assert_eq!(report.lost(), 0);
        report.indexes.push(Index {
            lost: true,
            ..Index::default()
        });
        assert_eq!(report.lost(), 1);
    }

    #[test]
    fn a_repair_tells_what_it_leaves_as_it_is() {
        let mut report = Report {
            differences: 4,
            owed: 4,
            ..Report::default()
        };
        assert_eq!(report.unrepaired(), 0);
        report.held_back = 2;
        report.held_back_by = vec!["images.fetched".into()];
        report.beyond_repair.add(&[ImageId::of(b"x")]);
        report.indexes.push(Index {
            foreign: 3,
            ..Index::default()
        });
        assert_eq!(report.unrepaired(), 6);
        let text = text(&report, true);
        assert!(text.contains("messages wait in images.fetched,"), "{text}");
        assert!(text.contains("1 beyond repair"), "{text}");
        assert!(text.contains("3 documents of no image"), "{text}");
    }

    #[test]
    fn all_differs_where_no_index_is_written() {
        let mut report = Report {
            images: 30,
            encoded: 30,
            ..Report::default()
        };
        assert_eq!((report.lost(), report.unrepaired()), (30, 30));
        report.indexes.push(Index::default());
        assert_eq!((report.lost(), report.unrepaired()), (0, 0));
    }

    #[test]
    fn a_report_names_the_first_images() {
        let ids: Vec<ImageId> = (0..20_u8).map(|n| ImageId::of(&[n])).collect();
        let mut report = Report {
            differences: 20,
            ..Report::default()
        };
        report.unencoded.add(&ids);
        let text = text(&report, false);
        assert!(text.contains("  20 without an outcome"), "{text}");
        assert!(text.contains(&ids[9].to_string()) && !text.contains(&ids[10].to_string()));
        assert!(text.contains("`--repair`"), "{text}");
    }
}
