//! What is not fetched of pictures that are not wanted: the same site with a rule and without.

use std::time::Duration;

use anyhow::Context as _;
use tusou_ingest::{Address, NewSeed, Rendering, Scope, seeds};
use tusou_testkit::{Service, Site, World, wait_until};

use crate::crawler::photos;
use crate::report::Figure;

/// Photographs on one page: of every four, one is wide enough.
const PICTURES: u32 = 24;
const LIMIT: Duration = Duration::from_secs(120);
const MIB: f64 = (1 << 20) as f64;

pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let site = site().await;
    let (without, all) = crawl("bench_all", &site, 0).await?;
    let (with, some) = crawl("bench_wanted", &site, 3_500).await?;
    anyhow::ensure!(
        (all, some) == (PICTURES.into(), PICTURES.div_ceil(4).into()),
        "{all} and {some} of {PICTURES} pictures were stored"
    );
    Ok(vec![Figure::growth(
        "wanted.bytes",
        with / MIB,
        without / MIB,
        "MiB",
        0.5,
    )])
}

/// 4,000 × 3,000 and 3,000 × 2,250, as cameras make them: hard to compress, and megabytes. (Of what is small the
/// sockets between have come by most before its first bytes are looked at.)
async fn site() -> Site {
    let site = Site::start().await;
    let mut html = String::new();
    for number in 0..PICTURES {
        let (width, height) = if number % 4 == 0 {
            (4_000, 3_000)
        } else {
            (3_000, 2_250)
        };
        let path = format!("/p/{number}.jpg");
        site.jpeg(&path, photos::photo(number, width, height));
        html.push_str(&format!("<img src={path}>"));
    }
    site.html("/", html);
    site
}

/// Bytes of pictures that were fetched, and how many pictures were stored.
async fn crawl(name: &str, site: &Site, min_width: u32) -> anyhow::Result<(f64, i64)> {
    let mut world = World::new(name).await;
    world.config.crawler.host_delay_ms = 0;
    world.config.pictures.min_width = min_width;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let seed = NewSeed {
        url: Address::parse(&site.url("/")).context("the site has an address")?,
        scope: Scope::Host,
        max_depth: 0,
        max_pages: 1,
        max_images: 0,
        render: Rendering::default(),
    };
    seeds::add(world.pool(), &seed).await?;
    let settled = "SELECT count(*) FROM image_urls WHERE state <> 'due'";
    wait_until(LIMIT, "all to be settled", async || {
        let settled = sqlx::query_scalar(settled).fetch_one(world.pool()).await;
        settled.is_ok_and(|settled: i64| settled == i64::from(PICTURES))
    })
    .await;
    let fetched = crawler.metric("crawler_fetched_bytes_total").await;
    let stored = sqlx::query_scalar("SELECT count(*) FROM images")
        .fetch_one(world.pool())
        .await?;
    drop(crawler);
    world.end().await;
    Ok((fetched, stored))
}
