//! A status for people.

use super::left_out::left_out;
use super::models;
use super::report::{ListStatus, SeedStatus, ServiceState, ServiceStatus, Status, UrlCounts, sum};
use crate::format::{duration, number, one_line, table};

const MAX_URL: usize = 120;

pub(super) fn status(status: &Status) -> String {
    let mut text = headline(status);
    for problem in &status.problems {
        text.push_str(&format!("  ! {}\n", one_line(problem, 300)));
    }
    if !status.services.is_empty() {
        section(&mut text, "Services", &services(&status.services));
    }
    if !status.held_up.is_empty() {
        let sentences = status.held_up.iter();
        let lines: String = sentences
            .map(|sentence| format!("  - {}\n", one_line(sentence, 400)))
            .collect();
        section(&mut text, "Held up", &lines);
    }
    if status.postgres_away {
        text.push_str("\n  What Postgres holds is not counted here; nothing of it is gone.\n");
        section(&mut text, "Queues", &queues(status));
        return text;
    }
    section(&mut text, "Found", &found(status));
    let reasons = reasons(status);
    if !reasons.is_empty() {
        section(&mut text, "Left out", &reasons);
    }
    if !status.seeds.is_empty() {
        let seeds: String = status.seeds.iter().map(seed).collect();
        section(&mut text, "Seeds", &seeds);
    }
    if !status.lists.is_empty() {
        let lists: String = status.lists.iter().map(list).collect();
        section(&mut text, "Lists and folders", &lists);
    }
    section(&mut text, "Pictures", &pictures(status));
    if !status.models.is_empty() {
        section(&mut text, "Models", &models::section(&status.models));
    }
    section(&mut text, "Queues", &queues(status));
    section(
        &mut text,
        "Each second, over the last minute",
        &rates(status),
    );
    text
}

fn section(text: &mut String, title: &str, body: &str) {
    text.push_str(&format!("\n{title}\n{body}"));
}

pub(super) fn headline(status: &Status) -> String {
    if status.done
        && status.seeds.is_empty()
        && status.lists.is_empty()
        && status.images.stored == 0
    {
        return "Nothing to do yet: `tusou seed URL` begins a crawl.\n".into();
    }
    if status.done {
        return "Done: everything that was found is searchable, or has its reason below.\n".into();
    }
    match status.time_left_seconds {
        Some(seconds) => format!(
            "Going on: about {} for what is known to be left.\n",
            duration(seconds)
        ),
        None if status.held_up.is_empty() => "Going on.\n".into(),
        None => "Going on as far as it can: below is what holds it up.\n".into(),
    }
}

fn services(services: &[ServiceStatus]) -> String {
    let rows = services.iter().map(|service| {
        let state = match service.state {
            ServiceState::Ready => "ready",
            ServiceState::Waiting => "waits",
            ServiceState::Silent => "silent",
        };
        let version = service.version.as_deref().unwrap_or("-");
        vec![
            service.name.to_owned(),
            one_line(version, 60),
            state.to_owned(),
            service.address.to_string(),
        ]
    });
    table(&rows.collect::<Vec<_>>())
}

fn found(status: &Status) -> String {
    let header = ["", "due", "done", "failed", "skipped"]
        .map(str::to_owned)
        .to_vec();
    let row = |name: &str, counts: &UrlCounts| {
        let mut row = vec![name.to_owned()];
        row.extend(
            [
                counts.due,
                counts.done,
                sum(&counts.failed),
                sum(&counts.skipped),
            ]
            .map(number),
        );
        row
    };
    let mut rows = vec![
        header,
        row("pages", &status.pages),
        row("image URLs", &status.image_urls),
    ];
    let discovered = &status.discovered;
    if discovered.sitemaps.total() > 0 {
        rows.push(row("sitemaps", &discovered.sitemaps));
    }
    let mut text = table(&rows);
    if discovered.named > 0 || discovered.feeds > 0 {
        text.push_str(&format!(
            "  sitemaps and {} feeds name {} pages and sitemaps\n",
            number(discovered.feeds),
            number(discovered.named)
        ));
    }
    text
}

/// A line for each reason, the most frequent first within what it is about.
fn reasons(status: &Status) -> String {
    let told = left_out(status).into_iter().map(|left| {
        let what = left.what.english(&left.of);
        vec![
            format!("{what}: {}", one_line(&left.reason, 80)),
            number(left.count),
        ]
    });
    table(&told.collect::<Vec<_>>())
}

fn seed(seed: &SeedStatus) -> String {
    let state = if seed.done { "done" } else { "going on" };
    let pages = &seed.pages;
    let images = &seed.image_urls;
    format!(
        "  {}  {}  ({}, depth {}, at most {} pages): {state}\n     {} of {} pages, {} of {} image URLs\n",
        seed.seed_id,
        one_line(&seed.url, MAX_URL),
        seed.scope,
        seed.max_depth,
        number(seed.max_pages),
        number(pages.total() - pages.due),
        number(pages.total()),
        number(images.total() - images.due),
        number(images.total()),
    )
}

fn list(status: &ListStatus) -> String {
    let ListStatus {
        list, image_urls, ..
    } = status;
    let state = match (status.done, list.finished_at) {
        (true, _) => "done".to_owned(),
        (false, Some(_)) => "going on".to_owned(),
        (false, None) => format!("read to {:.0} %", list.progress.share * 100.0),
    };
    let bad = match sum(&list.progress.bad) {
        0 => String::new(),
        bad => format!(", {} of them bad", number(bad)),
    };
    format!(
        "  {} {}: {state}\n     {} rows{bad}, {} of {} image URLs\n",
        list.kind.as_str(),
        one_line(&list.name, MAX_URL),
        number(list.progress.rows),
        number(image_urls.total() - image_urls.due),
        number(image_urls.total()),
    )
}

fn pictures(status: &Status) -> String {
    let images = &status.images;
    let row = |name: &str, count: u64| vec![name.to_owned(), number(count)];
    let rows = [
        row("stored", images.stored),
        row("encoded", images.encoded),
        row("indexed", images.indexed),
        row("on their way", images.pending),
        row("sightings", status.sightings),
    ];
    let index = status.index.as_ref().map_or("none yet", String::as_str);
    let mut text = table(&rows);
    text.push_str(&format!("  index: {index}\n"));
    for filling in &status.filling {
        let indexed = number(filling.indexed);
        text.push_str(&format!(
            "  being filled: {}, holds {indexed}\n",
            filling.index
        ));
    }
    if images.stored > 0 {
        text.push_str(&match images.unaccounted() {
            0 => {
                "  each of them is searchable, on its way, or left out with its reason\n".to_owned()
            }
            lost => format!(
                "  {} unaccounted for: run `tusou reconcile`\n",
                number(lost)
            ),
        });
    }
    text
}

/// Work queues always, retry and dead queues where they hold something.
fn queues(status: &Status) -> String {
    let mut rows = vec![["", "ready", "unacknowledged"].map(str::to_owned).to_vec()];
    for queue in &status.queues {
        let side = queue.is_dead() || queue.is_retry() || queue.name.starts_with("images.re");
        if !side || queue.ready + queue.unacknowledged > 0 {
            rows.push(vec![
                queue.name.clone(),
                number(queue.ready),
                number(queue.unacknowledged),
            ]);
        }
    }
    rows.push(vec!["outbox".to_owned(), number(status.outbox)]);
    table(&rows)
}

fn rates(status: &Status) -> String {
    let rates = &status.rates;
    let row = |name: &str, rate: f64| vec![name.to_owned(), format!("{rate:.1}")];
    table(&[
        row("pages", rates.pages_per_second),
        row("pictures stored", rates.images_stored_per_second),
        row("pictures encoded", rates.images_encoded_per_second),
        row("pictures indexed", rates.images_indexed_per_second),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::report::{DeadCount, Discovered, Filling, ImageCounts, QueueCount, Rates};
    use super::*;

    fn reasons(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter()
            .map(|(reason, count)| ((*reason).to_owned(), *count))
            .collect()
    }

    fn queue(name: &str, ready: u64, unacknowledged: u64) -> QueueCount {
        QueueCount {
            name: name.into(),
            ready,
            unacknowledged,
            consumers: 1,
        }
    }

    fn going_on() -> Status {
        let pages = UrlCounts {
            due: 41,
            done: 3_200,
            failed: reasons(&[("http_404", 2), ("timeout", 7)]),
            skipped: reasons(&[("robots", 59)]),
        };
        let image_urls = UrlCounts {
            due: 0,
            done: 458,
            failed: reasons(&[("not_an_image", 3)]),
            skipped: reasons(&[]),
        };
        let seed = |seed_id, url: &str, done| SeedStatus {
            seed_id,
            url: url.into(),
            scope: "host".into(),
            max_depth: 16,
            max_pages: 100_000,
            done,
            pages: if done {
                UrlCounts {
                    done: 9,
                    ..UrlCounts::default()
                }
            } else {
                pages.clone()
            },
            image_urls: image_urls.clone(),
        };
        Status {
            seeds: vec![
                seed(1, "http://127.0.0.1:8801/", false),
                seed(2, "http://127.0.0.1:8802/", true),
            ],
            pages: pages.clone(),
            image_urls: image_urls.clone(),
            unparsable_urls: 4,
            discovered: Discovered {
                sitemaps: UrlCounts {
                    due: 1,
                    done: 3,
                    failed: reasons(&[("http_404", 1)]),
                    skipped: reasons(&[("no_sitemap", 1)]),
                },
                feeds: 2,
                named: 3_100,
                left_out: 5,
                cut: 1,
            },
            pictures_left: reasons(&[("page_limit", 12), ("pattern", 30)]),
            images: ImageCounts {
                stored: 450,
                encoded: 400,
                failed: reasons(&[("decode_failed", 2)]),
                indexed: 390,
                refused: reasons(&[("document_parsing_exception", 1)]),
                pending: 57,
                unseen: 0,
            },
            sightings: 12_345,
            outbox: 3,
            queues: vec![
                queue("images.changed", 0, 0),
                queue("images.changed.dead", 0, 0),
                queue("images.embedded", 1, 2),
                queue("images.fetched", 12, 64),
                queue("images.fetched.dead", 2, 0),
                queue("images.fetched.retry", 1, 0),
            ],
            rates: Rates {
                pages_per_second: 12.34,
                images_stored_per_second: 4.5,
                images_encoded_per_second: 3.2,
                images_indexed_per_second: 0.5,
            },
            dead: vec![DeadCount {
                queue: "images.fetched.dead".into(),
                reason: "killed_process".into(),
                count: 2,
            }],
            index: Some("my-image-embeddings-20260101000000".into()),
            filling: vec![Filling {
                index: "my-image-embeddings-20260201000000".into(),
                indexed: 120,
            }],
            held_up: vec!["the indexer waits: elasticsearch: no answer".into()],
            ..Status::default()
        }
        .conclude()
    }

    #[test]
    fn a_crawl_that_goes_on_is_as_recorded() {
        insta::assert_snapshot!(super::status(&going_on()));
        insta::assert_json_snapshot!(going_on());
    }

    #[test]
    fn a_crawl_that_is_done_says_so() {
        let mut done = going_on();
        done.pages.due = 0;
        done.discovered.sitemaps.due = 0;
        done.images.indexed += done.images.pending;
        done.images.pending = 0;
        done.held_up.clear();
        done.outbox = 0;
        done.queues.retain(QueueCount::is_dead);
        insta::assert_snapshot!(super::status(&done.conclude()));
    }

    #[test]
    fn nothing_at_all_says_how_to_begin() {
        let text = super::status(&Status::default().conclude());
        assert!(text.contains("tusou seed"), "{text}");
        assert!(
            !text.contains("Left out") && !text.contains("Seeds"),
            "{text}"
        );
    }

    #[test]
    fn what_does_not_answer_is_named() {
        let problems = vec!["RabbitMQ is away: connection refused".to_owned()];
        let status = Status {
            problems,
            ..Status::default()
        }
        .conclude();
        let text = super::status(&status);
        assert!(
            text.contains("! RabbitMQ is away") && text.starts_with("Going on"),
            "{text}"
        );
    }
}
