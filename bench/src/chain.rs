//! The whole chain, and each stage of it alone, beside the floors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tusou_contract::Queue;
use tusou_ingest::{Address, NewSeed, Rendering, Scope, seeds};
use tusou_testkit::{Service, Site, World, pictures, wait_until};

use crate::floor;
use crate::report::Figure;

pub(crate) const PICTURES: u32 = 1_000;
const PICTURES_A_PAGE: u32 = 20;
const LIMIT: Duration = Duration::from_secs(300);
const MIB: f64 = (1 << 20) as f64;

pub(crate) async fn run() -> anyhow::Result<Vec<Figure>> {
    let site = gallery().await;
    let urls: Vec<String> = (0..PICTURES)
        .map(|n| site.url(&format!("/p/{n}.jpg")))
        .collect();
    let staged = Staged::measure(&site).await?;
    let (whole, memory) = whole(bench_world("bench_whole").await, &site).await?;

    let (bodies, download) = floor::download(&urls).await?;
    let bodies = Arc::new(bodies);
    let world = &staged.world;
    let (_, encode) = tokio::task::block_in_place(|| floor::encode(world, &bodies))?;
    let bulk = floor::bulk(world, &world.sources().await).await?;
    let rate = |took: Duration| f64::from(PICTURES) / took.as_secs_f64();
    // One after another on the same cores, as the floors run, is what the chain has to share.
    let together = download + encode + bulk;
    let mut figures = vec![
        Figure::rate(
            "chain.pictures",
            rate(whole),
            rate(together),
            "pictures/s",
            0.5,
        ),
        Figure::rate(
            "crawl.pictures",
            rate(staged.crawl),
            rate(download),
            "pictures/s",
            0.1,
        ),
        Figure::rate(
            "encode.pictures",
            rate(staged.encode),
            rate(encode),
            "pictures/s",
            0.8,
        ),
        Figure::rate(
            "index.documents",
            rate(staged.index),
            rate(bulk),
            "documents/s",
            0.3,
        ),
    ];
    for (name, bytes) in memory {
        figures.push(Figure::below(
            &format!("{name}.peak_memory"),
            bytes as f64 / MIB,
            "MiB",
            1024.0,
        ));
    }
    staged.world.end().await;
    Ok(figures)
}

/// Pages of distinct JPEGs, 640 × 480.
pub(crate) async fn gallery() -> Site {
    let site = Site::start().await;
    let pages = PICTURES / PICTURES_A_PAGE;
    let links: String = (0..pages)
        .map(|page| format!("<a href=/page/{page}>page</a>"))
        .collect();
    site.html("/", links);
    for page in 0..pages {
        let mut html = String::new();
        for number in page * PICTURES_A_PAGE..(page + 1) * PICTURES_A_PAGE {
            let pixels = pictures::pixels(number, 640, 480);
            let path = format!("/p/{number}.jpg");
            site.jpeg(
                &path,
                pictures::compressed(&pixels, pictures::ImageFormat::Jpeg),
            );
            html.push_str(&format!("<img src={path} alt=\"picture {number}\">"));
        }
        site.html(&format!("/page/{page}"), html);
    }
    site
}

/// One stage at a time, each over what the one before left.
struct Staged {
    world: World,
    crawl: Duration,
    encode: Duration,
    index: Duration,
}

impl Staged {
    async fn measure(site: &Site) -> anyhow::Result<Self> {
        let world = bench_world("bench_staged").await;
        let crawler = Service::spawn(&world, "tusou-crawler").await;
        let started = Instant::now();
        seed(&world, site).await?;
        wait_until(LIMIT, "all to be crawled", async || {
            ready(&world, Queue::ImagesFetched).await >= u64::from(PICTURES)
        })
        .await;
        let crawl = started.elapsed();
        drop(crawler);

        let encoder = Service::spawn_unready(&world, "tusou-encoder").await;
        // The model's loading is no part of the rate: the clock starts with the first picture.
        wait_until(LIMIT, "the first to be encoded", async || {
            ready(&world, Queue::ImagesEmbedded).await > 0
        })
        .await;
        let (started, before) = (Instant::now(), ready(&world, Queue::ImagesEmbedded).await);
        wait_until(LIMIT, "all to be encoded", async || {
            ready(&world, Queue::ImagesEmbedded).await >= u64::from(PICTURES)
        })
        .await;
        let encode = scaled(started.elapsed(), u64::from(PICTURES) - before);
        drop(encoder);

        let started = Instant::now();
        let indexer = Service::spawn(&world, "tusou-indexer").await;
        wait_until(LIMIT, "all to be indexed", async || {
            indexed(&world).await >= i64::from(PICTURES)
        })
        .await;
        let index = started.elapsed();
        drop(indexer);
        Ok(Self {
            world,
            crawl,
            encode,
            index,
        })
    }
}

fn scaled(took: Duration, pictures: u64) -> Duration {
    took.mul_f64(f64::from(PICTURES) / pictures.max(1) as f64)
}

/// All services together, from the seed to the last document; and the peak memory of each.
pub(crate) async fn whole(
    world: World,
    site: &Site,
) -> anyhow::Result<(Duration, Vec<(&'static str, u64)>)> {
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let encoder = Service::spawn(&world, "tusou-encoder").await;
    let indexer = Service::spawn(&world, "tusou-indexer").await;
    let started = Instant::now();
    seed(&world, site).await?;
    wait_until(LIMIT, "all to be searchable", async || {
        indexed(&world).await >= i64::from(PICTURES)
    })
    .await;
    let took = started.elapsed();
    let search = Service::spawn(&world, "tusou-search").await;
    let memory = vec![
        ("crawler", crawler.peak_rss_bytes()),
        ("encoder", encoder.peak_rss_bytes()),
        ("indexer", indexer.peak_rss_bytes()),
        ("search", search.peak_rss_bytes()),
    ];
    drop((crawler, encoder, indexer, search));
    world.end().await;
    Ok((took, memory))
}

/// A world as a machine of this size would be set up.
pub(crate) async fn bench_world(name: &str) -> World {
    let mut world = World::new(name).await;
    let config = &mut world.config;
    config.crawler.host_concurrency = 16;
    config.encoder.sessions = 0;
    config.encoder.decode_threads = 0;
    config.encoder.batch_wait_ms = 50;
    config.indexer.bulk_wait_ms = 500;
    config.database.max_connections = 16;
    world
}

async fn seed(world: &World, site: &Site) -> anyhow::Result<()> {
    let url = Address::parse(&site.url("/")).context("the site has an address")?;
    let seed = NewSeed {
        url,
        scope: Scope::Host,
        max_depth: 4,
        max_pages: 10_000,
        max_images: 0,
        render: Rendering::default(),
    };
    seeds::add(world.pool(), &seed).await?;
    Ok(())
}

async fn ready(world: &World, queue: Queue) -> u64 {
    let broker = world.broker().await;
    let ready = broker
        .ready(queue.name())
        .await
        .expect("the broker answers");
    broker.close().await;
    ready.into()
}

pub(crate) async fn indexed(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM indexed")
        .fetch_one(world.pool())
        .await
        .expect("the database answers")
}
