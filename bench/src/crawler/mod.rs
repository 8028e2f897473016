//! The crawler beside its peers and floors, over one site that all of them crawl.

mod bare;
mod cpu;
mod lease;
mod ours;
mod peers;
pub(crate) mod photos;
pub(crate) mod server;
mod site;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::report::{self, Figure};
use peers::Report;
use server::SiteProcess;
use site::Spec;

/// 10,000 URLs of pictures, five of each file.
const PICTURES: Spec = Spec {
    hosts: 10,
    pages: 50,
    pictures: 20,
    distinct: 2_000,
};
/// 10,000 pages.
const PAGES: Spec = Spec {
    hosts: 10,
    pages: 1_000,
    pictures: 0,
    distinct: 0,
};
/// 20,000 pages, each with a picture.
const LONG: Spec = Spec {
    hosts: 10,
    pages: 2_000,
    pictures: 1,
    distinct: 1_000,
};

pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let mut figures = pictures().await.context("pictures")?;
    figures.extend(pages().await.context("pages")?);
    figures.push(memory().await.context("memory")?);
    let (large, small) = Box::pin(lease::run()).await.context("leases")?;
    let ms = 1_000.0;
    figures.push(Figure::growth(
        "crawler.lease_10m",
        large * ms,
        small * ms,
        "ms/lease",
        1.5,
    ));
    Ok(figures)
}

/// Rounds of the whole: their medians count, since a noisy neighbour is worse than any peer.
const ROUNDS: usize = 3;
/// What one left must not burden the next: ext4 looks past the inodes that were freed just before.
const REST: Duration = Duration::from_secs(6);

/// What a round of pictures took, each a picture's: seconds, and seconds of processor time.
#[derive(Debug, Clone, Copy)]
struct Round {
    ours: f64,
    bare: f64,
    ours_cpu: f64,
    img2dataset_cpu: f64,
    img2dataset_start_cpu: f64,
    scrapy_cpu: f64,
}

async fn pictures() -> anyhow::Result<Vec<Figure>> {
    let site = SiteProcess::start(PICTURES).await?;
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let round = round(&site, number).await?;
        report::note(&format!(
            "pictures, round {number} of {ROUNDS}: {round:.6?}"
        ));
        rounds.push(round);
    }
    let rate = |of: fn(&Round) -> f64| 1.0 / median(rounds.iter().map(of));
    let cost = |of: fn(&Round) -> f64| 1_000.0 * median(rounds.iter().map(of));
    let spent = cost(|round| round.ours_cpu);
    Ok(vec![
        Figure::rate(
            "crawler.vs_reqwest_loop",
            rate(|round| round.ours),
            rate(|round| round.bare),
            "pictures/s",
            0.7,
        ),
        Figure::cost(
            "crawler.cpu_vs_img2dataset",
            spent,
            cost(|round| round.img2dataset_cpu),
            "CPU ms/picture",
            3.0,
        ),
        Figure::cost(
            "crawler.cpu_vs_img2dataset_warm",
            spent,
            cost(|round| round.img2dataset_cpu - round.img2dataset_start_cpu),
            "CPU ms/picture",
            3.0,
        ),
        Figure::cost(
            "crawler.cpu_vs_scrapy_files",
            spent,
            cost(|round| round.scrapy_cpu),
            "CPU ms/picture",
            3.0,
        ),
    ])
}

async fn round(site: &SiteProcess, number: usize) -> anyhow::Result<Round> {
    let urls = PICTURES.picture_urls(&site.seeds);
    let count = PICTURES.all_pictures() as f64;
    let expected = photos::digests(PICTURES.distinct)?;
    let folder = tempfile::Builder::new().prefix("tusou-bench-").tempdir()?;
    let place = |name: &str| -> anyhow::Result<_> {
        let place = folder.path().join(name);
        std::fs::create_dir(&place)?;
        Ok(place)
    };
    let same = |who: &str, stored: BTreeSet<String>| {
        let (got, wanted) = (stored.len(), expected.len());
        ensure!(
            stored == expected,
            "{who} stored {got} contents that are not the site's {wanted}"
        );
        Ok(())
    };

    tokio::time::sleep(REST).await;
    let ours = ours::crawl(&format!("bench_pictures_{number}"), site).await?;
    same("our crawler", ours.stored)?;

    tokio::time::sleep(REST).await;
    let kept = place("bare")?;
    let at_once = ours::HOST_CONCURRENCY * usize::from(PICTURES.hosts);
    let bare = bare::download(&urls, &kept, at_once).await?;
    same("the bare loop", photos::stored(&kept)?)?;

    let kept = place("img2dataset")?;
    let whole = peers::img2dataset(&kept, &urls).await?;
    same("img2dataset", photos::stored(&kept)?)?;
    all("img2dataset", whole.pictures, PICTURES.all_pictures())?;
    // What starting its processes takes, which a run of millions would not feel.
    let start = peers::img2dataset(&place("start")?, &urls[..2]).await?;
    all("img2dataset", start.pictures, 2)?;

    let kept = place("scrapy")?;
    let scrapy = peers::scrapy("files", &kept, &site.seeds).await?;
    same("Scrapy", photos::stored(&kept)?)?;
    all("Scrapy", scrapy.pictures, PICTURES.all_pictures())?;

    Ok(Round {
        ours: ours.took.as_secs_f64() / count,
        bare: bare.as_secs_f64() / count,
        ours_cpu: ours.cpu.as_secs_f64() / count,
        img2dataset_cpu: whole.cpu_seconds / count,
        img2dataset_start_cpu: start.cpu_seconds / count,
        scrapy_cpu: scrapy.cpu_seconds / count,
    })
}

/// The middle one; of an even number, the larger of the two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn pages() -> anyhow::Result<Vec<Figure>> {
    let site = SiteProcess::start(PAGES).await?;
    let count = PAGES.all_pages() as f64;
    let ours = ours::crawl("bench_pages", &site).await?;
    let spider = peers::spider(&site.seeds).await?;
    let folder = tempfile::Builder::new().prefix("tusou-bench-").tempdir()?;
    let scrapy = peers::scrapy("pages", folder.path(), &site.seeds).await?;
    all("Scrapy", scrapy.pages, PAGES.all_pages())?;
    // It does not tell its subscribers of every last page.
    all("spider", spider.pages * 100 / 99, PAGES.all_pages())?;
    let (rate, cost) = page_figures(&spider, &scrapy);
    Ok(vec![
        Figure::cost(
            "crawler.pages_cpu_vs_scrapy",
            ours.cpu.as_secs_f64() * 1_000.0 / count,
            cost,
            "CPU ms/page",
            5.0,
        ),
        Figure::rate(
            "crawler.pages_vs_spider",
            count / ours.took.as_secs_f64(),
            rate,
            "pages/s",
            0.25,
        ),
    ])
}

/// Pages a second, and milliseconds of processor time a page.
fn page_figures(spider: &Report, scrapy: &Report) -> (f64, f64) {
    (
        spider.pages as f64 / spider.seconds,
        scrapy.cpu_seconds * 1_000.0 / scrapy.pages as f64,
    )
}

async fn memory() -> anyhow::Result<Figure> {
    let site = SiteProcess::start(LONG).await?;
    let (third, end) = ours::memory("bench_memory", &site).await?;
    Ok(Figure::growth(
        "crawler.memory_growth",
        end,
        third,
        "MiB",
        1.2,
    ))
}

fn all(who: &str, did: u64, wanted: u64) -> anyhow::Result<()> {
    ensure!(did >= wanted, "{who} did {did} of {wanted}");
    Ok(())
}
