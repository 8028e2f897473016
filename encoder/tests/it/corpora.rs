//! Files that have broken decoders, straight to the encoder: the crawler would refuse most of them.
//!
//! Their folder is named by `TUSOU_CORPORA` (`make corpora` gets them); without it the test fails.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tusou_contract::{ImageFormat, ImageId};
use tusou_platform::broker::Outgoing;
use tusou_testkit::{Service, World};

use crate::support::{corpora, files, next, reason, results, send, stored};

/// Bounds a test that failed: no picture may take longer than its time to decode.
const LIMIT: Duration = Duration::from_secs(120);
const GIB: u64 = 1 << 30;

#[tokio::test]
async fn every_hostile_file_has_an_outcome() {
    let folder = corpora();
    let files = files(&folder);
    let mut world = World::new("encode_corpora").await;
    // Four large ones at once are the worst that the bound on memory has to hold against.
    world.config.encoder.decode_threads = 4;
    let (mut images, mut messages) = (HashSet::new(), Vec::new());
    for file in &files {
        let bytes = std::fs::read(file).expect("the folder can be read");
        let Some(format) = ImageFormat::sniff(&bytes) else {
            continue;
        };
        let image_id = ImageId::of(&bytes);
        if bytes.len() as u64 > world.config.encoder.max_image_bytes || !images.insert(image_id) {
            continue;
        }
        messages.push(Outgoing::of(&stored(&world, bytes, format).await));
    }
    assert!(messages.len() > 50, "{} holds pictures", folder.display());

    let broker = world.broker().await;
    let mut results = results(&broker).await;
    send(&broker, &messages).await;
    let mut encoder = Service::spawn(&world, "tusou-encoder").await;

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    while !images.is_empty() {
        let (image_id, outcome) = next(&mut results, LIMIT).await.expect("a result comes");
        assert!(images.remove(&image_id), "one result a picture");
        let outcome = reason(&outcome).to_owned();
        *counts.entry(outcome).or_default() += 1;
    }
    println!("{counts:?}, at most {} MiB", encoder.peak_rss_bytes() >> 20);
    assert!(
        counts["encoded"] > 50 && counts["decode_failed"] > 10,
        "{counts:?}"
    );
    assert!(encoder.is_running() && encoder.is_ready().await);
    assert!(
        encoder.peak_rss_bytes() < GIB,
        "{}",
        encoder.peak_rss_bytes()
    );
    drop(encoder);
    world.end().await;
}
