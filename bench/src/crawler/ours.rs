//! Our crawler over the site, as the process that users run.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tusou_ingest::{Address, NewSeed, Rendering, Scope, seeds};
use tusou_platform::config::Crawler;
use tusou_testkit::{Service, World, wait_until};

use super::cpu::{self, Postgres};
use super::photos;
use super::server::SiteProcess;

/// Fetches at once of one host.
pub(crate) const HOST_CONCURRENCY: usize = 16;
const LIMIT: Duration = Duration::from_secs(600);
/// Between two looks at a crawl.
const LOOK: Duration = Duration::from_millis(50);
const MIB: f64 = (1 << 20) as f64;

/// What a crawl took.
#[derive(Debug)]
pub(crate) struct Crawl {
    /// From the seeds to the last durable row.
    pub(crate) took: Duration,
    /// Of the crawler since it started, and of Postgres since the seeds, until the broker has every
    /// message too.
    pub(crate) cpu: Duration,
    /// The SHA-256 of each blob.
    pub(crate) stored: BTreeSet<String>,
}

/// Crawls the whole site.
///
/// # Errors
/// Where anything of the site was not fetched, or a row has no blob.
pub(crate) async fn crawl(name: &str, site: &SiteProcess) -> anyhow::Result<Crawl> {
    let world = world(name).await?;
    let postgres = Postgres::find(world.pool()).await?;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let (started, before) = (Instant::now(), postgres.cpu()?);
    seed(&world, site).await?;
    while due(&world).await? {
        ensure!(started.elapsed() < LIMIT, "the crawl does not end");
        tokio::time::sleep(LOOK).await;
    }
    let took = started.elapsed();
    wait_until(LIMIT, "the broker to have all messages", async || {
        owed(&world).await == 0
    })
    .await;
    let cpu = cpu::of_process(crawler.pid())? + postgres.cpu()?.saturating_sub(before);
    cpu::alone(world.pool()).await?;
    drop(crawler);
    check(&world, site).await?;
    let stored = match site.spec.pictures {
        0 => BTreeSet::new(),
        _ => stored(&world).await?,
    };
    world.end().await;
    Ok(Crawl { took, cpu, stored })
}

/// The crawler's resident memory, MiB, when a third of the pages is read and when all are: the
/// median of a tenth of the crawl each.
pub(crate) async fn memory(name: &str, site: &SiteProcess) -> anyhow::Result<(f64, f64)> {
    let world = world(name).await?;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    seed(&world, site).await?;
    let (started, mut samples) = (Instant::now(), Vec::new());
    while due(&world).await? {
        ensure!(started.elapsed() < LIMIT, "the crawl does not end");
        let read: i64 = sqlx::query_scalar("SELECT count(*) FROM pages WHERE state = 'done'")
            .fetch_one(world.pool())
            .await?;
        let share = read as f64 / site.spec.all_pages() as f64;
        samples.push((share, crawler.rss_bytes() as f64 / MIB));
        tokio::time::sleep(LOOK).await;
    }
    check(&world, site).await?;
    drop(crawler);
    world.end().await;
    let median = |from: f64, to: f64| {
        let within = samples.iter().filter(|(at, _)| (from..to).contains(at));
        let mut sizes: Vec<f64> = within.map(|(_, size)| *size).collect();
        sizes.sort_by(f64::total_cmp);
        let middle = sizes.get(sizes.len() / 2).copied();
        middle.with_context(|| format!("no sample between {from} and {to} of the crawl"))
    };
    // The last pictures come after the last page.
    Ok((median(0.3, 0.4)?, median(0.9, 1.1)?))
}

/// The product's own settings, but for the pace: the site is ours, and may be asked at full speed.
async fn world(name: &str) -> anyhow::Result<World> {
    let mut world = World::new(name).await;
    let config = &mut world.config;
    config.crawler = Crawler {
        listen: config.crawler.listen,
        host_delay_ms: 0,
        host_concurrency: HOST_CONCURRENCY,
        ..Crawler::default()
    };
    config.database.max_connections = 16;
    // Nobody takes the messages here.
    config.amqp.queue_limit = 1_000_000;
    Ok(world)
}

async fn seed(world: &World, site: &SiteProcess) -> anyhow::Result<()> {
    for url in &site.seeds {
        let seed = NewSeed {
            url: Address::parse(url).context("the site has an address")?,
            scope: Scope::Host,
            max_depth: 64,
            max_pages: 1_000_000,
            max_images: 0,
            render: Rendering::default(),
        };
        seeds::add(world.pool(), &seed).await?;
    }
    Ok(())
}

/// Whether anything is to be fetched still: both indexes hold the URLs that are due alone.
async fn due(world: &World) -> anyhow::Result<bool> {
    let due = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pages WHERE state = 'due')
             OR EXISTS (SELECT FROM image_urls WHERE state = 'due')",
    );
    Ok(due.fetch_one(world.pool()).await?)
}

async fn owed(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(world.pool())
        .await
        .expect("the database answers")
}

/// Every page and picture of the site was fetched.
async fn check(world: &World, site: &SiteProcess) -> anyhow::Result<()> {
    let wanted = [
        ("pages", site.spec.all_pages()),
        ("image_urls", site.spec.all_pictures()),
    ];
    for (table, wanted) in wanted {
        let statement = format!(
            "SELECT state::text, coalesce(reason, ''), count(*) FROM {table} GROUP BY 1, 2"
        );
        let found: Vec<(String, String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .fetch_all(world.pool())
            .await?;
        let whole = match &found[..] {
            [] => wanted == 0,
            [(state, _, count)] => state == "done" && u64::try_from(*count) == Ok(wanted),
            _ => false,
        };
        if !whole {
            bail!("{wanted} {table} were to be done, but there are {found:?}");
        }
    }
    Ok(())
}

/// What the blobs' folder holds, which is what the rows say.
async fn stored(world: &World) -> anyhow::Result<BTreeSet<String>> {
    let rows: Vec<String> = sqlx::query_scalar("SELECT encode(image_id, 'hex') FROM images")
        .fetch_all(world.pool())
        .await?;
    let folder = world.folder().join("blobs/originals");
    let stored = tokio::task::spawn_blocking(move || photos::stored(&folder)).await??;
    ensure!(
        rows.into_iter().collect::<BTreeSet<_>>() == stored,
        "the blobs are not those of the rows"
    );
    Ok(stored)
}
