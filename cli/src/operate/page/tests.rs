//! The page as HTML.

use std::time::{Duration, SystemTime};

use tusou_contract::{ImageId, Queue};

use super::*;
use crate::dead::{Letters, Row};
use crate::operate::ask::{Deed, Form};
use crate::rows::hosts::{Ages, SlowHost, SlowHosts, Trouble};
use crate::status::history::{History, Line, Sample};
use crate::status::{
    DeadCount, Pause, QueueCount, SeedStatus, ServiceState, ServiceStatus, Status, UrlCounts,
};

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn shown(config: &Config, language: Language) -> Shown<'_> {
    Shown {
        language,
        token: "the-token",
        told: None,
        letters_page: 0,
        now: at(310),
        config,
    }
}

fn service(name: &'static str, state: ServiceState, version: Option<&str>) -> ServiceStatus {
    ServiceStatus {
        name,
        address: ([127, 0, 0, 1], 9181).into(),
        state,
        waits_for: [("elasticsearch".to_owned(), "no <answer>".to_owned())].into(),
        about: [("lite".to_owned(), "cpu".to_owned())].into(),
        version: version.map(str::to_owned),
    }
}

fn seen() -> Seen {
    let mut history = History::default();
    for step in 0..31_u32 {
        let sample = Sample::at(at(0) + Duration::from_secs(10) * step);
        let sample = sample.with(Line::Queue(0), f64::from(step % 8 + 1));
        history.push(
            sample
                .with(Line::HostAge, f64::from(step))
                .with(Line::Pages, 2.5),
        );
    }
    let pages = UrlCounts {
        due: 30,
        done: 70,
        failed: [("timeout".to_owned(), 7), ("http_404".to_owned(), 2)].into(),
        ..UrlCounts::default()
    };
    let status = Status {
        seeds: vec![SeedStatus {
            seed_id: 1,
            url: "http://a.test/?q=<script>".into(),
            scope: "host".into(),
            max_depth: 16,
            max_pages: 100_000,
            done: false,
            pages: pages.clone(),
            image_urls: UrlCounts::default(),
        }],
        pages,
        queues: vec![QueueCount {
            name: "images.fetched".into(),
            ready: 6,
            unacknowledged: 2,
            consumers: 1,
        }],
        dead: vec![DeadCount {
            queue: "images.fetched.dead".into(),
            reason: "torn".into(),
            count: 1,
        }],
        services: vec![
            service("crawler", ServiceState::Ready, Some("0.1.0")),
            service("indexer", ServiceState::Waiting, None),
        ],
        pauses: vec![Pause {
            what: "host http://a.test".into(),
            why: "\"><b>late".into(),
            since: None,
        }],
        ..Status::default()
    };
    let host = SlowHost {
        origin: "http://a.test".into(),
        trouble: Trouble::Failing(3),
        why: String::new(),
        due: 12,
        next: Some(at(400).into()),
    };
    Seen {
        answers: crate::status::look::Answers::ALL,
        status,
        hosts: SlowHosts {
            hosts: vec![host],
            more: 4,
        },
        ages: Ages::default(),
        at: at(300),
        counted_at: Some(at(290)),
        history,
    }
}

fn letter(number: u8) -> Row {
    Row {
        id: format!("{number:012x}"),
        queue: Queue::ImagesFetched.name(),
        reason: "torn".into(),
        detail: "the <picture> is\x1b[2J torn".into(),
        died_at: Some("2023-11-14T22:14:20Z".into()),
        attempt: 2,
        image_id: (number > 0).then(|| ImageId::of(&[number])),
        hosts: vec!["a.test".into()],
        bytes: 200,
    }
}

fn look(count: u8) -> Look {
    let letters = Letters {
        rows: (0..count).map(letter).collect(),
        more: 3,
        problem: None,
    };
    (Ok(letters), at(300))
}

/// Without what changes with every change of style or script.
fn plain(page: &Markup) -> String {
    let mut html = page.0.clone();
    for address in [&ADDRESSES.style, &ADDRESSES.script, &ADDRESSES.icon] {
        let bare = address.split('?').next().unwrap_or_default();
        html = html.replace(address.as_str(), bare);
    }
    html.replace("><", ">\n<")
}

#[test]
fn the_page_is_as_recorded() {
    let config = Config::default();
    let page = overview(
        &shown(&config, Language::English),
        Some(&seen()),
        Some(&look(1)),
    );
    insta::assert_snapshot!(plain(&page));
}

#[test]
fn what_others_wrote_is_text() {
    let config = Config::default();
    for language in [Language::English, Language::Chinese] {
        let page = overview(&shown(&config, language), Some(&seen()), Some(&look(3))).0;
        for hostile in [
            "<script>",
            "<b>",
            "<picture>",
            "<answer>",
            "\x1b",
            "style=",
            "onclick",
        ] {
            assert!(!page.contains(hostile), "{hostile}: {page}");
        }
        assert!(page.contains("&lt;picture&gt;") && page.contains("&quot;&gt;&lt;b&gt;late"));
    }
}

#[test]
fn many_letters_have_pages() {
    let config = Config::default();
    let of = |page: usize| {
        let mut shown = shown(&config, Language::English);
        shown.letters_page = page;
        overview(&shown, Some(&seen()), Some(&look(30))).0
    };
    let letters = |html: &str| html.matches("class=\"letter\"").count();
    assert_eq!([0, 1, 2, 99].map(|page| letters(&of(page))), [12, 12, 6, 6]);
    assert!(of(0).contains("/?lang=en&amp;dead=1#dead") && !of(0).contains("rel=\"prev\""));
    assert!(of(2).contains("/?lang=en&amp;dead=1#dead") && !of(2).contains("rel=\"next\""));
}

#[test]
fn what_was_never_counted_is_not_called_nothing() {
    let config = Config::default();
    let mut seen = seen();
    (seen.counted_at, seen.status.seeds) = (None, Vec::new());
    seen.status.problems.push("Postgres does not answer".into());
    let page = overview(&shown(&config, Language::English), Some(&seen), None).0;
    assert!(page.contains("Not everything can be seen."), "{page}");
    for wrong in [
        "There is no seed",
        "Nothing was left out",
        "No host is slow",
        "There is no dead letter",
    ] {
        assert!(!page.contains(wrong), "{wrong}");
    }
    assert!(
        overview(&shown(&config, Language::Chinese), None, None)
            .0
            .contains("首次检查尚未完成")
    );
}

#[test]
fn a_question_shows_what_would_happen_and_keeps_what_was_typed() {
    let config = Config::default();
    let form = Form::of(&[
        ("token", "x"),
        ("do", "pause"),
        ("what", "host"),
        ("host", "a.test"),
        ("why", "<late>"),
    ]);
    let shown = shown(&config, Language::English);
    let page = confirm(
        &shown,
        Deed::Pause,
        &form,
        &Ok("http://a.test would be paused\n".into()),
    );
    insta::assert_snapshot!(plain(&page));
    let page = confirm(
        &shown,
        Deed::Pause,
        &form,
        &Err("the crawl knows no host a.test".into()),
    )
    .0;
    assert!(
        page.contains("role=\"alert\"") && page.contains("value=\"&lt;late&gt;\""),
        "{page}"
    );
    assert!(page.contains("<option value=\"host\" selected>"), "{page}");
    assert!(
        !page.contains("action=\"/do\""),
        "what cannot be done is not offered"
    );
}
