//! What a removal would take out or took out, for people and programs.

use serde::Serialize;
use tusou_ingest::removals::{KeptOut, Preview, Removed, SeedThere, Subject};

use crate::format::{number, one_line, table};

/// The longest subject and reason that a list shows in full.
const SHOWN: usize = 100;

/// What `tusou forget` counted or did.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `image`, `url` or `host`.
    kind: &'static str,
    /// The image's id, the normalised URL or the host's name.
    subject: String,
    pub(super) why: String,
    /// Nothing was changed.
    pub(super) dry_run: bool,
    /// It was kept out before.
    was_kept_out: bool,
    /// What went, or would go.
    pub(super) removed: Removed,
    /// Images that stay with fewer sightings, as counted before.
    stay: u64,
    /// Of how many images the blobs were deleted, those of interrupted commands among them.
    pub(super) blobs: u64,
    seeds: Vec<SeedThere>,
}

impl Report {
    /// Of a dry run.
    pub(super) fn of(subject: &Subject, why: &str, preview: Preview) -> Self {
        Self {
            kind: subject.kind(),
            subject: subject.text(),
            why: why.to_owned(),
            dry_run: true,
            was_kept_out: preview.kept_out.is_some(),
            removed: preview.removed,
            stay: preview.stay,
            blobs: 0,
            seeds: preview.seeds,
        }
    }
}

/// The report for people.
pub(super) fn text(subject: &Subject, report: &Report) -> String {
    let mut text = format!("This means {subject}.\n");
    let dry = report.dry_run;
    if dry {
        text.push_str("A dry run: nothing is changed.\n");
    }
    if report.was_kept_out {
        text.push_str("It was kept out already.\n");
    }
    let removed = &report.removed;
    if *removed == Removed::default() && report.stay == 0 {
        text.push_str("The crawl knows nothing of it.\n");
    } else {
        text.push_str(&format!(
            "{}: {} pages, {} image URLs, {} sightings, {} pictures ({} bytes).\n",
            if dry { "Would go" } else { "Gone" },
            number(removed.pages),
            number(removed.image_urls),
            number(removed.sightings),
            number(removed.images),
            number(removed.bytes),
        ));
        if report.stay > 0 {
            text.push_str(&format!(
                "{} pictures {} with fewer sightings: they are seen elsewhere too, or were imported.\n",
                number(report.stay),
                if dry { "would stay" } else { "stay" },
            ));
        }
    }
    if report.blobs > 0 {
        text.push_str(&format!(
            "Originals and thumbnails of {} pictures are deleted.\n",
            number(report.blobs)
        ));
    }
    for SeedThere { seed_id, url } in &report.seeds {
        text.push_str(&format!(
            "Seed {seed_id} begins there, at {url}: {}; `tusou seed remove {seed_id}` takes it away.\n",
            if dry {
                "it would crawl nothing any more"
            } else {
                "it crawls nothing any more"
            },
        ));
    }
    text.push_str(&if dry {
        "It would be kept out of later crawls. Repeat this command with --yes to have it done.\n"
            .to_owned()
    } else {
        format!(
            "It is kept out from now on. Its documents go as the indexer comes to them. \
             `tusou forget undo {}` lets it in again.\n",
            report.subject
        )
    });
    text
}

/// What is kept out, for people.
pub(super) fn list(kept: &[KeptOut]) -> String {
    if kept.is_empty() {
        return "Nothing is kept out.\n".to_owned();
    }
    let head = [
        "",
        "since",
        "pages",
        "image URLs",
        "sightings",
        "pictures",
        "why",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(kept.iter().map(|kept| {
        vec![
            format!("{} {}", kept.kind, one_line(&kept.subject, SHOWN)),
            kept.removed_at.date().to_string(),
            number(kept.removed.pages),
            number(kept.removed.image_urls),
            number(kept.removed.sightings),
            number(kept.removed.images),
            one_line(&kept.why, SHOWN),
        ]
    }));
    table(&rows)
}

/// That a subject is let in again.
pub(super) fn undone(subject: &Subject, host: Option<&KeptOut>, dry_run: bool) -> String {
    let mut text = format!(
        "This means {subject}.\nIt {} in again. What was taken out stays out until it is crawled: {}.\n",
        if dry_run { "would be let" } else { "is let" },
        match subject {
            Subject::Image(_) => "`tusou recrawl --all` asks the URLs that it may be at",
            Subject::Url(_) | Subject::Host(_) => {
                "`tusou recrawl --all` reads the pages that lead to it, `tusou seed URL` adds a seed there again"
            }
        },
    );
    if let Some(host) = host {
        text.push_str(&format!(
            "But its host {} is kept out too; `tusou forget undo {}` lets that in.\n",
            host.subject, host.subject
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn report() -> Report {
        Report {
            kind: "host",
            subject: "a.test".into(),
            why: String::new(),
            dry_run: true,
            was_kept_out: false,
            removed: Removed {
                pages: 1_200,
                image_urls: 30,
                sightings: 40,
                images: 20,
                bytes: 123_456,
            },
            stay: 2,
            blobs: 0,
            seeds: vec![SeedThere {
                seed_id: 3,
                url: "http://a.test/".into(),
            }],
        }
    }

    #[test]
    fn a_dry_run_says_what_would_go_and_how_to_have_it_done() {
        let subject = Subject::Host("a.test".into());
        assert_eq!(
            text(&subject, &report()),
            "This means the host a.test: all its URLs, http and https, on every port.\n\
             A dry run: nothing is changed.\n\
             Would go: 1,200 pages, 30 image URLs, 40 sightings, 20 pictures (123,456 bytes).\n\
             2 pictures would stay with fewer sightings: they are seen elsewhere too, or were imported.\n\
             Seed 3 begins there, at http://a.test/: it would crawl nothing any more; `tusou seed remove 3` takes it away.\n\
             It would be kept out of later crawls. Repeat this command with --yes to have it done.\n"
        );
    }

    #[test]
    fn a_removal_says_what_went_and_how_to_undo_it() {
        let subject = Subject::Host("a.test".into());
        let done = Report {
            dry_run: false,
            was_kept_out: true,
            removed: Removed::default(),
            stay: 0,
            seeds: Vec::new(),
            ..report()
        };
        assert_eq!(
            text(&subject, &done),
            "This means the host a.test: all its URLs, http and https, on every port.\n\
             It was kept out already.\n\
             The crawl knows nothing of it.\n\
             It is kept out from now on. Its documents go as the indexer comes to them. \
             `tusou forget undo a.test` lets it in again.\n"
        );
    }

    #[test]
    fn a_list_cannot_steer_the_terminal() {
        let kept = KeptOut {
            kind: "host".into(),
            subject: "a.test".into(),
            why: "asked\x1b[2J by\nmail".into(),
            removed_at: OffsetDateTime::UNIX_EPOCH,
            removed: report().removed,
        };
        let text = list(&[kept]);
        assert!(
            text.contains("host a.test") && text.contains("1970-01-01") && text.contains("1,200"),
            "{text}"
        );
        assert!(
            text.contains("asked [2J by mail") && !text.contains('\x1b'),
            "{text}"
        );
        assert_eq!(list(&[]), "Nothing is kept out.\n");
    }
}
