//! A stage that stops makes the one before it wait, up to the crawl itself: queues and outbox stay at
//! their bounds, memory is flat, and all drains when the stage is back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tusou_contract::Queue;
use tusou_platform::broker::Broker;
use tusou_testkit::{Chain, Gallery, World, wait_until};

const PAGES: u32 = 300;
const QUEUE_LIMIT: u32 = 20;
const OUTBOX_LIMIT: u32 = 50;
/// Two fetches are in flight when the gate is shut, and two more may have been written while the
/// outbox was counted; a page of the gallery shows three pictures.
const OUTBOX_OVERSHOOT: u32 = 1 + 4 * 3;
/// A queue takes what was published beside the message that filled it: the relay's batch, which is
/// the outbox at most.
const QUEUE_OVERSHOOT: u32 = OUTBOX_LIMIT + OUTBOX_OVERSHOOT;
/// What an allocator may keep of what it had before.
const MEMORY_OVERSHOOT: u64 = 32 << 20;
/// How long the bounds are watched, once the crawl stands.
const WATCHED: Duration = Duration::from_secs(15);
/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(120);

async fn small_world(test: &str) -> World {
    let mut world = World::new(test).await;
    let config = &mut world.config;
    config.amqp.queue_limit = QUEUE_LIMIT;
    config.crawler.outbox_limit = OUTBOX_LIMIT;
    // What consumers hold is in no queue: little, so that the queues fill.
    config.encoder.batch = 4;
    config.encoder.prefetch = 4;
    config.indexer.bulk_documents = 4;
    config.indexer.prefetch = 4;
    world
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

async fn outbox(world: &World) -> u32 {
    let rows = count(world, "SELECT count(*) FROM outbox").await;
    u32::try_from(rows).expect("a count")
}

async fn stored(world: &World) -> i64 {
    count(world, "SELECT count(*) FROM images").await
}

/// Waits until the crawl stands still, then watches the bounds for a while.
async fn stands_within_its_bounds(chain: &Chain) {
    let world = &chain.world;
    // Its queues have other limits than those of a world's own broker.
    let broker = Broker::connect(&world.config.amqp, "test").await;
    let broker = broker.expect("the services have made these queues");
    let before = std::cell::Cell::new(-1);
    wait_until(LIMIT, "the crawl to stand still", async || {
        let images = stored(world).await;
        let full = outbox(world).await > OUTBOX_LIMIT / 2;
        tokio::time::sleep(Duration::from_secs(3)).await;
        full && before.replace(images) == images && stored(world).await == images
    })
    .await;
    let (images, memory) = (stored(world).await, chain.crawler.rss_bytes());
    assert!(images < i64::from(PAGES), "it stands before its end");
    let end = tokio::time::Instant::now() + WATCHED;
    while tokio::time::Instant::now() < end {
        let waiting = outbox(world).await;
        assert!(
            waiting <= OUTBOX_LIMIT + OUTBOX_OVERSHOOT,
            "the outbox holds {waiting}"
        );
        for queue in Queue::ALL {
            let ready = broker
                .ready(queue.name())
                .await
                .expect("the queue is there");
            assert!(
                ready <= QUEUE_LIMIT + QUEUE_OVERSHOOT,
                "{queue} holds {ready}"
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let now = chain.crawler.rss_bytes();
    assert!(
        now < memory + MEMORY_OVERSHOOT,
        "{memory} bytes became {now}"
    );
    assert!(stored(world).await < i64::from(PAGES), "it stands still");
    broker.close().await;
}

async fn drains(gallery: Gallery, chain: Chain) {
    let status = chain.done().await;
    gallery.check(&chain.shown().await);
    assert_eq!(status["images"]["stored"], PAGES + 1, "{status:#}");
    assert_eq!(
        gallery.site.hits("/logo.png"),
        1,
        "nothing is fetched twice"
    );
    chain.end().await;
}

#[tokio::test]
async fn elasticsearch_away_holds_the_whole_chain_up() {
    let gallery = Gallery::open(PAGES, Duration::ZERO).await;
    let mut world = small_world("bounds_elastic").await;
    let proxy = world.proxy_elasticsearch().await;
    let chain = Chain::start(world).await;
    proxy.cut();
    chain.seed(&gallery.site.url("/")).await;
    stands_within_its_bounds(&chain).await;
    assert!(
        !chain.indexer.is_ready().await,
        "the indexer says that it waits"
    );
    proxy.restore();
    drains(gallery, chain).await;
}

#[tokio::test]
async fn no_encoder_holds_the_crawl_up() {
    let gallery = Gallery::open(PAGES, Duration::ZERO).await;
    let mut chain = Chain::start(small_world("bounds_encoder").await).await;
    chain.encoder.kill().await;
    chain.seed(&gallery.site.url("/")).await;
    stands_within_its_bounds(&chain).await;
    chain.encoder.restart().await;
    drains(gallery, chain).await;
}

#[tokio::test]
async fn postgres_away_makes_all_wait_and_none_spin() {
    let gallery = Gallery::open(60, Duration::from_millis(40)).await;
    let mut world = World::new("bounds_postgres").await;
    let proxy = world.proxy_database().await;
    let mut chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    wait_until(LIMIT, "some pictures", async || {
        stored(&chain.world).await >= 5
    })
    .await;
    proxy.cut();
    wait_until(LIMIT, "the crawler to say that it waits", async || {
        !chain.crawler.is_ready().await
    })
    .await;
    // What was under way when the connections went may still be asked for, and what Postgres was told
    // to commit is committed: then all stands still.
    let before = std::cell::Cell::new((0, -1));
    wait_until(LIMIT, "all to stand still", async || {
        let now = (gallery.site.requests().len(), stored(&chain.world).await);
        tokio::time::sleep(Duration::from_secs(2)).await;
        before.replace(now) == now
    })
    .await;
    let (asked, images) = before.get();
    let (memory, lines) = (
        chain.crawler.rss_bytes(),
        chain.crawler.log().lines().count(),
    );
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(chain.crawler.is_running() && chain.indexer.is_running());
    let now = chain.crawler.rss_bytes();
    assert!(
        now < memory + MEMORY_OVERSHOOT,
        "{memory} bytes became {now}"
    );
    let said = chain.crawler.log().lines().count() - lines;
    assert!(said < 200, "{said} lines in 20 s");
    assert_eq!(
        gallery.site.requests().len(),
        asked,
        "what cannot be written down is not asked for"
    );
    assert_eq!(stored(&chain.world).await, images);
    proxy.restore();
    chain.done().await;
    gallery.check(&chain.shown().await);
    chain.end().await;
}

/// A small disk of its own, which a file can fill.
struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Panics where nothing may be mounted.
    fn new() -> Self {
        let folder = TempDir::with_prefix("tusou-test-disk-").expect("a temporary folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tusou-test"])
            .arg(folder.path())
            .output()
            .expect("`mount` is part of every system");
        let said = String::from_utf8_lossy(&mounted.stderr);
        assert!(
            mounted.status.success(),
            "a small disk cannot be mounted: {said}\nRun this test as root, in a container with \
             `--cap-add SYS_ADMIN`: a full disk is tested with a full disk."
        );
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all that is free.
    fn fill(&self) -> PathBuf {
        let ballast = self.path().join("ballast");
        let mut file = std::fs::File::create(&ballast).expect("the disk is ours");
        let zeros = vec![0; 64 << 10];
        while std::io::Write::write_all(&mut file, &zeros).is_ok() {}
        ballast
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmount = Command::new("umount").arg("-l").arg(self.path()).status();
        // The folder's own removal says what is left, where there is something to say.
        let _ = unmount;
    }
}

/// What `/healthz/ready` says of the blobs.
async fn blobs_health(chain: &Chain) -> String {
    let client = reqwest::Client::builder().no_proxy().build();
    let answer = client
        .expect("a plain client can be made")
        .get(chain.crawler.url("/healthz/ready"))
        .send()
        .await
        .expect("a running service answers");
    let text = answer.text().await.expect("health is text");
    let health: serde_json::Value = serde_json::from_str(&text).expect("health is JSON");
    health["parts"]["blobs"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_full_disk_makes_all_wait_and_loses_nothing() {
    let disk = Disk::new();
    let gallery = Gallery::open(60, Duration::from_millis(40)).await;
    let mut world = World::new("full_disk").await;
    let url = url::Url::from_directory_path(disk.path().join("blobs"));
    world.config.blobs.url = url
        .expect("a temporary folder's path is absolute")
        .to_string();
    let mut chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    wait_until(LIMIT, "some pictures", async || {
        stored(&chain.world).await >= 5
    })
    .await;
    let ballast = disk.fill();
    wait_until(LIMIT, "the crawler to say that it waits", async || {
        !chain.crawler.is_ready().await
    })
    .await;
    let said = blobs_health(&chain).await;
    assert!(said.contains("full"), "{said}");
    wait_until(LIMIT, "the host to be given back", async || {
        count(
            &chain.world,
            "SELECT count(*) FROM hosts WHERE leased_by IS NOT NULL",
        )
        .await
            == 0
    })
    .await;
    let asked = gallery.site.requests().len();
    assert!(asked < 122, "it was filled before the crawl's end");
    let lines = chain.crawler.log().lines().count();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        gallery.site.requests().len(),
        asked,
        "nothing is fetched that cannot be kept"
    );
    let lines = chain.crawler.log().lines().count() - lines;
    assert!(lines < 5, "{lines} lines say the same");
    for service in [&mut chain.crawler, &mut chain.encoder, &mut chain.indexer] {
        assert!(service.is_running());
    }
    std::fs::remove_file(ballast).expect("the file is ours");
    chain.done().await;
    gallery.check(&chain.shown().await);
    // No URL has lost an attempt by it.
    const STRUCK: &str = "SELECT count(*) FROM image_urls WHERE attempts <> 1";
    assert_eq!(count(&chain.world, STRUCK).await, 0);
    chain.end().await;
}
