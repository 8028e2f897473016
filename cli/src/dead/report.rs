//! Dead letters as rows: filtered, grouped, and in words.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tusou_contract::ImageId;
use tusou_platform::broker::DeadLetter;

use super::args::Filter;
use crate::format::{number, one_line};

/// Letters of a group that are shown where not all are wanted.
const SHOWN: usize = 5;
/// Characters of a failure in words.
const WORDS: usize = 90;
/// Digits of an image's id that are shown.
const DIGITS: usize = 12;

/// Where images were seen; `Err` in words where the database cannot say.
pub(super) type Hosts = Result<BTreeMap<ImageId, BTreeSet<String>>, String>;

/// One dead letter, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) queue: &'static str,
    pub(crate) reason: String,
    pub(crate) detail: String,
    /// RFC 3339.
    pub(crate) died_at: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) image_id: Option<ImageId>,
    pub(crate) hosts: Vec<String>,
    /// Of the body.
    pub(crate) bytes: usize,
}

/// Those of one queue, reason and host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Group {
    queue: &'static str,
    reason: String,
    /// The first by name, where a picture was seen at several.
    host: Option<String>,
}

/// What `tusou dead list` says.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) letters: Vec<Row>,
    /// By queue, beyond the bound of what is looked at.
    pub(super) not_looked_at: BTreeMap<&'static str, u64>,
    pub(super) problems: Vec<String>,
}

impl Row {
    pub(super) fn of(letter: &DeadLetter, hosts: &Hosts) -> Self {
        let image_id = letter.image_id();
        let seen_at = image_id.and_then(|id| hosts.as_ref().ok()?.get(&id));
        Self {
            id: letter.id(),
            queue: letter.queue().name(),
            reason: letter.reason(),
            detail: letter.detail(),
            died_at: letter.died_at(),
            attempt: letter.attempt(),
            image_id,
            hosts: seen_at.into_iter().flatten().cloned().collect(),
            bytes: letter.body().len(),
        }
    }

    pub(super) fn fits(&self, filter: &Filter) -> bool {
        let queue = filter.queue.is_none_or(|queue| queue.name() == self.queue);
        let reason = filter.reason.as_ref();
        let image = filter.image.as_ref();
        let host = filter.host.as_deref();
        queue
            && reason.is_none_or(|reason| *reason == self.reason)
            && image.is_none_or(|image| Some(image) == self.image_id.as_ref())
            && host.is_none_or(|host| self.hosts.iter().any(|seen| is_host(seen, host)))
    }

    /// Whether one of these digits begins its id or its image's.
    pub(super) fn is_named(&self, ids: &[String]) -> bool {
        let image = self.image_id.map(|id| id.to_string()).unwrap_or_default();
        ids.iter()
            .any(|digits| self.id.starts_with(digits) || image.starts_with(digits))
    }

    fn group(&self) -> Group {
        Group {
            queue: self.queue,
            reason: self.reason.clone(),
            host: self.hosts.first().cloned(),
        }
    }

    fn line(&self) -> String {
        let time = self.died_at.as_deref().and_then(|time| time.get(..19));
        let image = self.image_id.map(|id| id.to_string());
        let image = image.as_deref().and_then(|id| id.get(..DIGITS));
        let more = match self.hosts.len() {
            0 | 1 => String::new(),
            2 => " (and at another host)".to_owned(),
            several => format!(" (and at {} other hosts)", several - 1),
        };
        format!(
            "  {}  {}  {}  {}{more}\n",
            self.id,
            time.unwrap_or("at an unknown time "),
            image.unwrap_or("no image    "),
            one_line(&self.detail, WORDS)
        )
    }
}

/// A host as a person types it, with or without its port.
fn is_host(seen: &str, typed: &str) -> bool {
    let typed = typed.to_ascii_lowercase();
    seen == typed || seen.rsplit_once(':').is_some_and(|(name, _)| name == typed)
}

impl Group {
    /// `images.fetched · decode_failed · a.test`
    fn title(&self) -> String {
        let host = self.host.as_deref().unwrap_or("no known host");
        format!(
            "{} · {} · {}",
            self.queue,
            one_line(&self.reason, WORDS),
            one_line(host, WORDS)
        )
    }
}

fn groups(rows: &[Row]) -> BTreeMap<Group, Vec<&Row>> {
    let mut groups: BTreeMap<Group, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(row.group()).or_default().push(row);
    }
    groups
}

/// `3 dead letters`
pub(super) fn counted(count: usize) -> String {
    match count {
        1 => "1 dead letter".into(),
        _ => format!("{} dead letters", number(count as u64)),
    }
}

/// One line a group, with its count.
pub(super) fn counts(rows: &[Row]) -> String {
    let lines = groups(rows)
        .into_iter()
        .map(|(group, rows)| format!("  {} · {}\n", group.title(), number(rows.len() as u64)));
    lines.collect()
}

/// The groups with their letters, for people.
pub(super) fn text(report: &Report, long: bool) -> String {
    let mut text = format!("{}\n", counted(report.letters.len()));
    for (group, rows) in groups(&report.letters) {
        text.push_str(&format!(
            "\n{} · {}\n",
            group.title(),
            number(rows.len() as u64)
        ));
        let shown = if long { rows.len() } else { SHOWN };
        text.extend(rows.iter().take(shown).map(|row| row.line()));
        if let Some(more) = rows.len().checked_sub(shown).filter(|more| *more > 0) {
            text.push_str(&format!("  and {} more: --long\n", number(more as u64)));
        }
    }
    text.push_str(&unseen(&report.not_looked_at));
    for problem in &report.problems {
        text.push_str(&format!("\n{problem}\n"));
    }
    text
}

/// What was not looked at, by queue.
pub(super) fn unseen(queues: &BTreeMap<&'static str, u64>) -> String {
    let lines = queues.iter().map(|(queue, count)| {
        let count = number(*count);
        format!("\n{queue}: {count} more are not looked at, beyond `amqp.queue_limit`\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use tusou_contract::Queue;

    use super::*;

    fn row(number: u32, reason: &str, hosts: &[&str]) -> Row {
        let image = ImageId::of(&number.to_le_bytes());
        Row {
            id: format!("{number:012x}"),
            queue: Queue::ImagesFetched.name(),
            reason: reason.into(),
            detail: "the picture\x1b[2J is unwell".into(),
            died_at: Some("2026-01-02T03:04:05.678Z".into()),
            attempt: 1,
            image_id: Some(image),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            bytes: 200,
        }
    }

    #[test]
    fn filters_choose_what_they_say() {
        let rows = [
            row(1, "decode_failed", &["a.test:8080"]),
            row(2, "decode_failed", &["a.test", "b.test"]),
            row(3, "blob_missing", &[]),
        ];
        let chosen = |filter: &Filter| -> Vec<usize> {
            let fits = |position: &usize| rows[*position].fits(filter);
            (0..rows.len()).filter(fits).collect()
        };
        let all = Filter::default();
        assert_eq!(chosen(&all), [0, 1, 2]);
        let by = |change: fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            chosen(&filter)
        };
        assert_eq!(by(|f| f.reason = Some("decode_failed".into())), [0, 1]);
        assert_eq!(by(|f| f.host = Some("A.test".into())), [0, 1]);
        assert_eq!(by(|f| f.host = Some("a.test:8080".into())), [0]);
        assert_eq!(by(|f| f.host = Some("test".into())), [0; 0]);
        assert_eq!(by(|f| f.queue = Some(Queue::ImagesChanged)), [0; 0]);
        assert_eq!(
            by(|f| f.image = Some(ImageId::of(&3_u32.to_le_bytes()))),
            [2]
        );
        assert!(rows[0].is_named(&["0000000000".into(), "ffff".into()]));
        let image = rows[2].image_id.map(|id| id.to_string());
        let image = image.expect("it has one");
        assert!(rows[2].is_named(&[image[..8].to_owned()]));
        assert!(!rows[2].is_named(&["ffff".into()]));
    }

    #[test]
    fn groups_are_counted_and_cut() {
        let mut letters: Vec<Row> = (0..7)
            .map(|n| row(n, "decode_failed", &["a.test", "b.test"]))
            .collect();
        letters.push(row(8, "blob_missing", &[]));
        let report = Report {
            letters,
            not_looked_at: BTreeMap::new(),
            problems: vec!["hosts are not known: Postgres is away".into()],
        };
        let said = text(&report, false);
        assert!(said.starts_with("8 dead letters\n"), "{said}");
        assert!(
            said.contains("\nimages.fetched · decode_failed · a.test · 7\n"),
            "{said}"
        );
        assert!(said.contains("  and 2 more: --long\n"), "{said}");
        assert!(said.contains("\nimages.fetched · blob_missing · no known host · 1\n"));
        assert!(said.contains("(and at another host)") && !said.contains('\x1b'));
        assert!(said.ends_with("Postgres is away\n"));
        assert_eq!(
            text(&report, true).matches("2026-01-02T03:04:05").count(),
            8
        );
        assert_eq!(
            counts(&report.letters),
            "  images.fetched · blob_missing · no known host · 1\n  \
             images.fetched · decode_failed · a.test · 7\n"
        );
    }
}
