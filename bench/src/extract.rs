//! Finding what pages show: our whole extraction beside the parsing of `scraper` alone, on one thread.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rustix::time::{ClockId, clock_gettime};
use tusou_crawler::extract::{Limits, extract};
use tusou_ingest::Address;
use tusou_testkit::ways;

use crate::report::Figure;

/// Passes over all pages.
const ROUNDS: usize = 3;
/// Pages that one side reads before the other reads the same: little enough to see the same machine.
const TURN: usize = 64;

struct Page {
    address: Address,
    html: String,
}

/// Pages a second of processor time.
pub(crate) fn run() -> anyhow::Result<Vec<Figure>> {
    let pages = pages()?;
    let limits = Limits::default();
    let (mut ours, mut theirs, mut pictures) = (0.0, 0.0, 0);
    for _ in 0..ROUNDS {
        for turn in pages.chunks(TURN) {
            let began = processor_seconds();
            for Page { address, html } in turn {
                let kind = Some("text/html");
                let found = extract(black_box(html.as_bytes()), kind, address, &limits);
                pictures += black_box(found).pictures.len();
            }
            let between = processor_seconds();
            for page in turn {
                black_box(scraper::Html::parse_document(black_box(&page.html)));
            }
            ours += between - began;
            theirs += processor_seconds() - between;
        }
    }
    ensure!(pictures > 0, "the pages show no picture");
    let rate = |seconds: f64| (pages.len() * ROUNDS) as f64 / seconds;
    Ok(vec![Figure::rate(
        "extract.vs_scraper_parse",
        rate(ours),
        rate(theirs),
        "pages/s and core",
        0.5,
    )])
}

/// All pages of the handbook, and those that show pictures in every way.
fn pages() -> anyhow::Result<Vec<Page>> {
    let folder = std::env::var_os("TUSOU_HANDBOOK").map(PathBuf::from);
    let folder = folder.context("TUSOU_HANDBOOK names the handbook's folder: see `make env`")?;
    let mut files = Vec::new();
    gather(&folder, &mut files)?;
    files.sort_unstable();
    let mut pages = Vec::new();
    for file in files {
        let html = std::fs::read_to_string(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let path = file.strip_prefix(&folder).unwrap_or(&file);
        let address = Address::parse(&format!("http://handbook.example/{}", path.display()))?;
        pages.push(Page { address, html });
    }
    ensure!(
        pages.len() > 100,
        "{} pages in {}",
        pages.len(),
        folder.display()
    );
    for file in ways::files() {
        if file.path.ends_with(".html") {
            pages.push(Page {
                address: Address::parse(&format!("http://ways.example{}", file.path))?,
                html: String::from_utf8(file.body)?,
            });
        }
    }
    Ok(pages)
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{} is no folder of pages", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// What this thread has used of the processor.
fn processor_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
