//! RabbitMQ itself is restarted under a crawl. In a test program of its own: the others of a run
//! use the same server.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tusou_testkit::{Chain, Gallery, World};

const PAGES: u32 = 40;

#[tokio::test]
async fn rabbitmq_is_restarted() {
    let gallery = Gallery::open(PAGES, Duration::from_millis(40)).await;
    let chain = Chain::start(World::new("rabbitmq_restart").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.stored(10).await;
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/local/stack");
    for step in ["down", "up"] {
        let status = Command::new(&stack).args([step, "rabbitmq"]).status().await;
        let status = status.expect("the local stack's program is part of the checkout");
        assert!(
            status.success(),
            "deploy/local/stack {step} rabbitmq: {status}"
        );
    }
    chain.done().await;
    gallery.check(&chain.shown().await);
    chain.end().await;
}
