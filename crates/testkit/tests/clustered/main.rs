//! Three RabbitMQ nodes, one killed under load; then the whole chain over them and two Elasticsearch nodes, one of each
//! killed in mid-crawl. In a test program of its own, since it starts clusters of its own, from the distributions that
//! the local stack unpacked: three nodes of some 100 MB and two of 384 MB.

mod brokers;
#[path = "../secured/certificates.rs"]
mod certificates;
#[path = "../secured/cluster.rs"]
mod cluster;
mod crawl;
mod messages;

use std::time::Duration;

use crate::brokers::Brokers;
use crate::cluster::Cluster;

/// For whatever must happen in the end.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_killed_and_nothing_is_lost() {
    tusou_platform::telemetry::install_tls();
    let brokers = tokio::task::spawn_blocking(Brokers::start).await;
    let mut brokers = brokers.expect("three RabbitMQ nodes");
    let joined = messages::outlive_a_leader(&mut brokers).await;
    let nodes = tokio::task::spawn_blocking(Cluster::start).await;
    let mut nodes = nodes.expect("two Elasticsearch nodes");
    crawl::outlives_one_of_each(&mut brokers, &joined, &mut nodes).await;
}
