//! The crawler beside its peers and floors, over one site that all of them crawl.

mod bare;
mod cpu;
mod lease;
mod ours;
mod peers;
mod photos;
pub(crate) mod server;
mod site;

use anyhow::{Context as _, ensure};

use crate::report::Figure;
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

async fn pictures() -> anyhow::Result<Vec<Figure>> {
    let site = SiteProcess::start(PICTURES).await?;
    let urls = PICTURES.picture_urls(&site.seeds);
    let count = PICTURES.all_pictures() as f64;
    let expected = photos::digests(PICTURES.distinct)?;
    let folder = tempfile::Builder::new().prefix("tusou-bench-").tempdir()?;
    let place = |name: &str| -> anyhow::Result<_> {
        let place = folder.path().join(name);
        std::fs::create_dir(&place)?;
        Ok(place)
    };
    let same = |who: &str, stored: std::collections::BTreeSet<String>| {
        let (got, wanted) = (stored.len(), expected.len());
        ensure!(
            stored == expected,
            "{who} stored {got} contents that are not the site's {wanted}"
        );
        Ok(())
    };

    let ours = ours::crawl("bench_pictures", &site).await?;
    same("our crawler", ours.stored)?;

    let kept = place("bare")?;
    let at_once = ours::HOST_CONCURRENCY * usize::from(PICTURES.hosts);
    let bare = bare::download(&urls, &kept, at_once).await?;
    same("the bare loop", photos::stored(&kept)?)?;

    let kept = place("img2dataset")?;
    let whole = peers::img2dataset(&kept, &urls).await?;
    same("img2dataset", photos::stored(&kept)?)?;
    all("img2dataset", whole.pictures, PICTURES.all_pictures())?;
    // What starting its processes takes, which a long run would not feel.
    let start = peers::img2dataset(&place("start")?, &urls[..2]).await?;
    all("img2dataset", start.pictures, 2)?;

    let kept = place("scrapy")?;
    let scrapy = peers::scrapy("files", &kept, &site.seeds).await?;
    same("Scrapy", photos::stored(&kept)?)?;
    all("Scrapy", scrapy.pictures, PICTURES.all_pictures())?;

    let each = |seconds: f64| seconds * 1_000.0 / count;
    let spent = each(ours.cpu.as_secs_f64());
    Ok(vec![
        Figure::rate(
            "crawler.vs_reqwest_loop",
            count / ours.took.as_secs_f64(),
            count / bare.as_secs_f64(),
            "pictures/s",
            0.7,
        ),
        Figure::cost(
            "crawler.cpu_vs_img2dataset",
            spent,
            each(whole.cpu_seconds - start.cpu_seconds),
            "CPU ms/picture",
            3.0,
        ),
        Figure::cost(
            "crawler.cpu_vs_scrapy_files",
            spent,
            each(scrapy.cpu_seconds),
            "CPU ms/picture",
            3.0,
        ),
    ])
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
