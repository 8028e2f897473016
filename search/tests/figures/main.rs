//! Figures and pictures of the page, made when asked for: they need the index of `make demo`, so `make test` leaves them.

#[expect(dead_code, reason = "what only the other programs' tests use")]
#[path = "../it/support.rs"]
mod support;

use std::path::{Path, PathBuf};

use tusou_platform::config;
use tusou_testkit::browser::{Browser, Look};

use crate::support::Search;

/// What the README shows: many shapes, and what a name alone would not have found.
const SHOWN: &str = "/?q=a+bird&lang=en";
const OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pictures");

/// The page before the demo's own index.
async fn demo() -> Search {
    let (config, _) = config::load(None).expect("`make demo` wrote a configuration");
    let mut config = config;
    config.search.listen.set_port(0);
    let search = Search::of(config).await;
    search.wait_ready().await;
    let (status, answer) = search.json("/v1/search?q=bird&k=1").await;
    assert_eq!(status, 200, "run `make demo` first: {answer}");
    search
}

/// `make screenshots`
#[tokio::test]
async fn screenshots_for_the_readme() {
    let browser = Browser::start().await;
    let search = demo().await;
    for (name, look) in [
        ("search", Look::DESKTOP),
        ("phone", Look::PHONE.scaled(2.0)),
    ] {
        let page = browser.open(&look).await;
        page.go(&search.url(SHOWN)).await;
        page.settle().await;
        let file = file(name);
        page.save(&file).await;
        let bytes = std::fs::metadata(&file).expect("just written").len();
        assert!(bytes < 300_000, "{} has {bytes} bytes", file.display());
        page.close().await;
    }
    search.stop().await;
}

fn file(name: &str) -> PathBuf {
    Path::new(OUT).join(format!("{name}.webp"))
}

/// `cargo test --release --workspace --test figures -- --nocapture figures_of_the_page`
#[tokio::test]
async fn figures_of_the_page() {
    let browser = Browser::start().await;
    let search = demo().await;
    println!(
        "| page | window | requests | kB in all | kB of script | layout shift | answer to paint, ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, path) in [("way in", "/?lang=en"), ("results", "/?q=a+bird&lang=en")] {
        for look in Look::BOTH {
            let page = browser.open(&look).await;
            page.go(&search.url(path)).await;
            page.settle().await;
            let sums = page
                .run(
                    "const all = [performance.getEntriesByType('navigation')[0], ...performance.getEntriesByType('resource')]; \
                     const sum = (list) => list.reduce((total, one) => total + one.transferSize, 0) / 1000; \
                     return [all.length, sum(all), sum(all.filter((one) => one.initiatorType === 'script'))];",
                    serde_json::Value::Null,
                )
                .await;
            let sum = |at: usize| sums[at].as_f64().unwrap_or_default();
            let painted = match path.contains("q=") {
                true => format!("{:.0}", page.painted().await.milliseconds()),
                false => "—".into(),
            };
            println!(
                "| {name} | {} | {} | {:.0} | {:.1} | {} | {painted} |",
                look.width,
                sum(0),
                sum(1),
                sum(2),
                page.shifts().await.0
            );
            page.close().await;
        }
    }
    search.stop().await;
}
