//! Files that have broken decoders, straight to the encoder: the crawler would refuse most of them.
//!
//! Their folder is named by `TUSOU_CORPORA` (`make corpora` gets them); without it the test fails.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tusou_contract::{
    BlobKey, EncodingOutcome, ImageEmbedded, ImageFetched, ImageFormat, ImageId, Queue,
};
use tusou_platform::broker::Outgoing;
use tusou_testkit::{Service, World};

/// Bounds a test that failed: no picture may take longer than its time to decode.
const LIMIT: Duration = Duration::from_secs(120);
const GIB: u64 = 1 << 30;

#[tokio::test]
async fn every_hostile_file_has_an_outcome() {
    let folder = std::env::var_os("TUSOU_CORPORA")
        .map(PathBuf::from)
        .expect("TUSOU_CORPORA names the folder of hostile files: see `make corpora`");
    let mut files = Vec::new();
    collect(&folder, &mut files);

    let mut world = World::new("encode_corpora").await;
    // Four large ones at once are the worst that the bound on memory has to hold against.
    world.config.encoder.decode_threads = 4;
    let (blobs, mut images, mut messages) = (world.blobs(), HashSet::new(), Vec::new());
    for file in &files {
        let bytes = std::fs::read(file).expect("the folder can be read");
        let Some(format) = ImageFormat::sniff(&bytes) else {
            continue;
        };
        let image_id = ImageId::of(&bytes);
        if bytes.len() as u64 > world.config.encoder.max_image_bytes || !images.insert(image_id) {
            continue;
        }
        let blob_key = BlobKey::original(&image_id, format);
        blobs
            .put(&blob_key, Bytes::from(bytes))
            .await
            .expect("the folder can be written");
        messages.push(Outgoing::of(&ImageFetched {
            image_id,
            blob_key,
            format,
        }));
    }
    assert!(messages.len() > 50, "{} holds pictures", folder.display());

    let broker = world.broker().await;
    let mut results = broker
        .subscribe(Queue::ImagesEmbedded, 100)
        .await
        .expect("the queue is there");
    let sent = broker.publish(&messages).await.expect("the broker answers");
    assert!(sent.iter().all(Result::is_ok));
    let mut encoder = Service::spawn(&world, "tusou-encoder").await;

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    while !images.is_empty() {
        let delivery = tokio::time::timeout(LIMIT, results.next())
            .await
            .expect("a result comes");
        let delivery = delivery.expect("the broker answers");
        let message: ImageEmbedded = delivery.read().expect("the encoder writes such messages");
        delivery.ack().await.expect("the broker answers");
        assert!(images.remove(&message.image_id), "one result a picture");
        let outcome = match message.outcome {
            EncodingOutcome::Encoded(_) => "encoded".to_owned(),
            EncodingOutcome::Failed { reason, .. } => reason,
        };
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

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|cause| panic!("{} cannot be read: {cause}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
