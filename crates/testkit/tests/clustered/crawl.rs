//! The whole chain over three RabbitMQ and two Elasticsearch nodes, one of each killed in mid-crawl.

use std::time::{Duration, Instant};

use tusou_platform::elastic::Method;
use tusou_testkit::{Chain, Gallery, World, wait_until};

use crate::LIMIT;
use crate::brokers::Brokers;
use crate::cluster::Cluster;

const PAGES: u32 = 80;
/// Between two requests of the site, so that the crawl lasts some seconds and is struck while it runs.
const PACE_MS: u64 = 25;
/// Images that are stored when the nodes are killed.
const BEFORE: u64 = 15;

/// `joined` is a node that was away and is back: another is killed, so that it has to hold what the cluster confirms.
pub(crate) async fn outlives_one_of_each(brokers: &mut Brokers, joined: &str, nodes: &mut Cluster) {
    let mut world = World::over("clustered_crawl", |config| {
        brokers.configure(config);
        config.elasticsearch = nodes.config("unused");
    })
    .await;
    world.config.crawler.host_delay_ms = PACE_MS;
    let gallery = Gallery::open(PAGES, Duration::ZERO).await;
    let chain = Chain::start(world).await;
    let health = format!("/_cluster/health/{}", chain.world.name());
    let elastic = chain.world.elastic();
    wait_until(LIMIT, "both nodes to hold the index", async || {
        let health = elastic.request(Method::Get, &health, None).await;
        health.is_ok_and(|health| health["status"] == "green")
    })
    .await;

    chain.seed(&gallery.site.url("/")).await;
    chain.stored(BEFORE).await;
    let node = a_leader(brokers, chain.world.name(), joined).await;
    let asked = gallery.site.requests().len();
    let killed = Instant::now();
    brokers.kill(&node);
    nodes.kill("b");

    let status = chain.done().await;
    let took = killed.elapsed();
    gallery.check(&chain.shown().await);
    assert_eq!(status["images"]["stored"], PAGES + 1, "{status:#}");
    let after = gallery.site.requests().len() - asked;
    assert!(after > 0, "the nodes were killed after the crawl");
    let queues = chain.world.queues().await;
    assert!(queues.len() > 3, "{queues:?}");
    let dead: Vec<_> = queues
        .into_iter()
        .filter(|queue| queue.name.ends_with(".dead") && queue.ready > 0)
        .collect();
    assert!(dead.is_empty(), "{dead:?}");
    report(after, took);
    chain.end().await;
}

/// A node other than `joined` that leads one of the chain's queues.
async fn a_leader(brokers: &Brokers, virtual_host: &str, joined: &str) -> String {
    for queue in ["images.fetched", "images.embedded", "images.changed"] {
        match brokers.leader(virtual_host, queue).await {
            Some(node) if node != joined => return node,
            _ => {}
        }
    }
    // All are led by the one that is back: either of the others confirms what it writes.
    let other = ["a", "b"].into_iter().find(|node| *node != joined);
    other.unwrap_or("a").to_owned()
}

#[expect(clippy::print_stdout, reason = "figures for whoever asks for them")]
fn report(after: usize, took: Duration) {
    println!(
        "one of three RabbitMQ nodes and one of two Elasticsearch nodes killed in mid-crawl, {after} requests before its \
         end: all of it found {:.1} s later",
        took.as_secs_f64()
    );
}
