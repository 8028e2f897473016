//! The table of all metrics: it is made from the lists in the code, and what processes really export is in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use tusou_platform::metric::{Kind, Metric};
use tusou_platform::{ops, telemetry};
use tusou_testkit::{Chain, Gallery, Service, World, tusou, wait_until};

use super::operate::Page;

/// For whatever must happen in the end.
const LIMIT: Duration = Duration::from_secs(60);

const HEAD: &str = "# Metrics

Every process serves these at `/metrics`, in Prometheus's text format. Names end in their unit; a histogram has
`_bucket`, `_sum` and `_count`. A metric with labels appears with its first value, one without at the start.
This file is made from the lists in the code: `TUSOU_UPDATE_DOCS=1 cargo test --release --workspace --test it -- the_table_of_metrics`.
";

/// Each binary, what it says of the service, and its own list.
const PROCESSES: [(&str, &str, &[Metric]); 5] = [
    (
        "Crawler",
        "`tusou-crawler`, port 9181.",
        tusou_crawler::METRICS,
    ),
    (
        "Encoder",
        "`tusou-encoder`, port 9182.",
        tusou_encoder::METRICS,
    ),
    (
        "Indexer",
        "`tusou-indexer`, port 9183.",
        tusou_indexer::METRICS,
    ),
    (
        "Search",
        "`tusou-search`, port 8088.",
        tusou_search::METRICS,
    ),
    (
        "The whole system",
        "`tusou operate`, port 9184: queues, ages and counts, whether or not any service runs. What cannot be known \
         since a store is away is `NaN`, which fulfils no condition.",
        tusou_cli::METRICS,
    ),
];

/// What every process exports besides.
fn of_all() -> impl Iterator<Item = &'static Metric> {
    telemetry::METRICS.iter().chain(ops::METRICS)
}

fn table<'a>(metrics: impl Iterator<Item = &'a Metric>) -> String {
    let mut text = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for Metric {
        name,
        kind,
        labels,
        about,
    } in metrics
    {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        let kind = kind.as_str();
        writeln!(text, "| `{name}` | {kind} | {labels} | {about} |").expect("a string takes all");
    }
    text
}

#[test]
fn the_table_of_metrics_is_of_this_build() {
    let mut text = HEAD.to_owned();
    write!(text, "\n## Every process\n\n{}", table(of_all())).expect("a string takes all");
    for (name, about, metrics) in PROCESSES {
        let table = table(metrics.iter());
        write!(text, "\n## {name}\n\n{about}\n\n{table}").expect("a string takes all");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    if std::env::var_os("TUSOU_UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).expect("docs can be written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/metrics.md is not of this build: its third line says what makes it"
    );
}

#[test]
fn names_end_in_their_unit_and_are_there_once() {
    let lists = PROCESSES.iter().flat_map(|(_, _, metrics)| metrics.iter());
    let mut names = BTreeSet::new();
    for metric in lists.chain(of_all()) {
        let Metric {
            name, kind, about, ..
        } = metric;
        assert!(names.insert(name), "{name} is declared twice");
        let is_total = name.ends_with("_total");
        // That of the kernel keeps the name that Prometheus's own libraries give it.
        let expected = *kind == Kind::Counter || *name == "process_cpu_seconds_total";
        assert_eq!(
            is_total, expected,
            "{name}: a counter, and nothing else, is a total"
        );
        assert!(
            !about.ends_with('.') && !about.contains('|'),
            "{name}: {about}"
        );
    }
}

#[tokio::test]
async fn what_processes_export_is_in_the_table() {
    let gallery = Gallery::open(6, Duration::ZERO).await;
    let chain = Chain::start(World::new("cli_metrics").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    let search = Service::spawn(&chain.world, "tusou-search").await;
    let found = tusou(&chain.world, &["search", "--text", "red", "--json"]).await;
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    let page = Page::start(&chain.world).await;
    let texts = [
        chain.crawler.metrics().await,
        chain.encoder.metrics().await,
        chain.indexer.metrics().await,
        search.metrics().await,
        page.get("/metrics").await.text,
    ];
    for ((name, _, metrics), text) in PROCESSES.iter().zip(&texts) {
        check(name, metrics, text);
    }
    // A queue that nobody takes from is told of all the same; the retry queue has never a consumer. The broker tells of
    // what is new some seconds late.
    for line in [
        "tusou_queue_consumers{queue=\"images.fetched\"} 1",
        "tusou_queue_consumers{queue=\"images.fetched.retry\"} 0",
        "tusou_queue_messages{queue=\"images.embedded.dead\",state=\"ready\"} 0",
        "tusou_queue_oldest_age_seconds{queue=\"images.fetched\"} 0",
        "tusou_images{state=\"stored\"} 7",
        "tusou_images{state=\"indexed\"} 7",
        "tusou_broker_up 1",
        "tusou_service_ready{service=\"indexer\"} 1",
    ] {
        wait_until(LIMIT, line, async || {
            let told = page.get("/metrics").await.text;
            told.lines().any(|told| told == line)
        })
        .await;
    }
    page.end().await;
    drop(search);
    chain.end().await;
}

/// That every family of the text is declared, with its type and labels, and every declared one that has no labels is
/// there.
fn check(process: &str, own: &'static [Metric], text: &str) {
    let declared: Vec<&Metric> = own.iter().chain(of_all()).collect();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            let metric = declared.iter().find(|metric| metric.name == name);
            let metric = metric.unwrap_or_else(|| panic!("{process}: {name} is not declared"));
            assert_eq!(metric.kind.as_str(), kind, "{process}: {name}");
            assert!(seen.insert(name), "{process}: {name} comes twice");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().expect("a name");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .chain([name])
                .find_map(|name| declared.iter().find(|metric| metric.name == name));
            let family = family.unwrap_or_else(|| panic!("{process}: {line}"));
            let told: BTreeSet<&str> = labels(line).filter(|label| *label != "le").collect();
            let labels: BTreeSet<&str> = family.labels.iter().copied().collect();
            assert_eq!(told, labels, "{process}: {line}");
        }
    }
    for metric in declared {
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            assert!(
                seen.contains(metric.name),
                "{process}: {} is not there",
                metric.name
            );
        }
        let help = format!("# HELP {} {}", metric.name, metric.about);
        let told = !seen.contains(metric.name) || text.lines().any(|line| line == help);
        assert!(told, "{process}: {help}");
    }
}

/// The names of a sample's labels. No value of ours holds `="`.
fn labels(line: &str) -> impl Iterator<Item = &str> {
    let inside = line
        .split_once('{')
        .and_then(|(_, rest)| rest.rsplit_once('}'));
    let parts = inside.map_or("", |(inside, _)| inside).split("=\"");
    let count = parts.clone().count();
    parts
        .take(count - 1)
        .map(|part| part.rsplit([',', '"']).next().unwrap_or(part))
}
