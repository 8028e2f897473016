//! Whatever is killed or away for a while, the documents are those of an undisturbed crawl.

use std::time::Duration;

use tusou_testkit::{Chain, Gallery, World};

const PAGES: u32 = 40;
/// Every answer of the site takes this long, so that a crawl can be struck while it runs.
const DELAY: Duration = Duration::from_millis(40);

async fn begin(test: &str) -> (Gallery, Chain) {
    let gallery = Gallery::open(PAGES, DELAY).await;
    let chain = Chain::start(World::new(test).await).await;
    chain.seed(&gallery.site.url("/")).await;
    (gallery, chain)
}

async fn finish(gallery: Gallery, chain: Chain) {
    let status = chain.done().await;
    gallery.check(&chain.shown().await);
    assert_eq!(status["images"]["stored"], PAGES + 1, "{status:#}");
    let dead: Vec<_> = chain
        .world
        .queues()
        .await
        .into_iter()
        .filter(|queue| queue.name.ends_with(".dead") && queue.ready > 0)
        .collect();
    assert!(dead.is_empty(), "{dead:?}");
    chain.end().await;
}

/// When to strike: after so many stored images, another number each run; shown where it fails.
#[expect(clippy::print_stdout, reason = "shown where the test fails")]
fn moment() -> u64 {
    let nanoseconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("the clock is past 1970")
        .subsec_nanos();
    let images = 2 + u64::from(nanoseconds / 1_000) % (u64::from(PAGES) - 6);
    println!("struck after {images} stored images");
    images
}

#[tokio::test]
async fn the_crawler_is_killed() {
    let (gallery, mut chain) = begin("kill_crawler").await;
    chain.stored(moment()).await;
    chain.crawler.kill().await;
    chain.crawler.restart().await;
    finish(gallery, chain).await;
}

#[tokio::test]
async fn the_encoder_is_killed() {
    let (gallery, mut chain) = begin("kill_encoder").await;
    chain.stored(moment()).await;
    chain.encoder.kill().await;
    chain.encoder.restart().await;
    finish(gallery, chain).await;
}

#[tokio::test]
async fn the_indexer_is_killed() {
    let (gallery, mut chain) = begin("kill_indexer").await;
    chain.stored(moment()).await;
    chain.indexer.kill().await;
    chain.indexer.restart().await;
    finish(gallery, chain).await;
}

#[tokio::test]
async fn every_service_is_stopped_by_sigterm_within_30_seconds() {
    let (gallery, mut chain) = begin("terminate").await;
    chain.stored(moment()).await;
    for service in [&mut chain.crawler, &mut chain.encoder, &mut chain.indexer] {
        let (status, took) = service.terminate().await;
        assert!(status.success(), "{status}");
        // A promise to supervisors, not a measure of speed.
        assert!(took < Duration::from_secs(30), "{took:?}");
        service.restart().await;
    }
    finish(gallery, chain).await;
}

#[tokio::test]
async fn elasticsearch_is_away_for_a_minute() {
    let gallery = Gallery::open(PAGES, DELAY).await;
    let mut world = World::new("elasticsearch_away").await;
    let proxy = world.proxy_elasticsearch().await;
    let chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.stored(moment()).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(
        !chain.indexer.is_ready().await,
        "the indexer says that it waits"
    );
    proxy.restore();
    finish(gallery, chain).await;
}

#[tokio::test]
async fn every_connection_to_the_broker_breaks() {
    let gallery = Gallery::open(PAGES, DELAY).await;
    let mut world = World::new("broker_away").await;
    let proxy = world.proxy_amqp().await;
    let chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.stored(moment()).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(5)).await;
    proxy.restore();
    finish(gallery, chain).await;
}

#[tokio::test]
async fn postgres_is_away_for_a_while() {
    let gallery = Gallery::open(PAGES, DELAY).await;
    let mut world = World::new("postgres_away").await;
    let proxy = world.proxy_database().await;
    let chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.cut();
    tokio::time::sleep(Duration::from_secs(5)).await;
    proxy.restore();
    finish(gallery, chain).await;
}
