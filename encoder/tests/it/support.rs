//! Pictures into the encoder's queue, and what comes of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tusou_contract::{
    BlobKey, Encoding, EncodingOutcome, ImageEmbedded, ImageFetched, ImageFormat, ImageId, Queue,
};
use tusou_platform::broker::{Broker, Outgoing, Subscription};
use tusou_testkit::{World, wait_until};

/// Bounds a test that failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Stores bytes as the crawler does, and answers the message that it would send.
pub(crate) async fn stored(world: &World, bytes: Vec<u8>, format: ImageFormat) -> ImageFetched {
    let image_id = ImageId::of(&bytes);
    let blob_key = BlobKey::original(&image_id, format);
    world
        .blobs()
        .put(&blob_key, Bytes::from(bytes))
        .await
        .expect("the folder can be written");
    ImageFetched {
        image_id,
        blob_key,
        format,
    }
}

pub(crate) async fn send(broker: &Broker, messages: &[Outgoing]) {
    let sent = broker.publish(messages).await.expect("the broker answers");
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
}

pub(crate) async fn results(broker: &Broker) -> Subscription {
    broker
        .subscribe(Queue::ImagesEmbedded, 100)
        .await
        .expect("the queue is there")
}

/// The next result; `None` where none comes within `limit`.
pub(crate) async fn next(
    results: &mut Subscription,
    limit: Duration,
) -> Option<(ImageId, EncodingOutcome)> {
    let delivery = tokio::time::timeout(limit, results.next()).await.ok()?;
    let delivery = delivery.expect("the broker answers");
    let message: ImageEmbedded = delivery.read().expect("the encoder writes such messages");
    assert_eq!(delivery.id(), message.image_id.to_string());
    delivery.ack().await.expect("the broker answers");
    Some((message.image_id, message.outcome))
}

/// The next results, by image.
pub(crate) async fn receive(
    results: &mut Subscription,
    count: usize,
) -> HashMap<ImageId, EncodingOutcome> {
    let mut outcomes = HashMap::new();
    while outcomes.len() < count {
        let (image_id, outcome) = next(results, LIMIT).await.expect("a result comes");
        outcomes.insert(image_id, outcome);
    }
    outcomes
}

pub(crate) fn encoded(outcome: &EncodingOutcome) -> &Encoding {
    match outcome {
        EncodingOutcome::Encoded(encoding) => encoding,
        EncodingOutcome::Failed { reason, detail } => panic!("{reason}: {detail}"),
    }
}

pub(crate) fn reason(outcome: &EncodingOutcome) -> &str {
    match outcome {
        EncodingOutcome::Encoded(_) => "encoded",
        EncodingOutcome::Failed { reason, .. } => reason,
    }
}

pub(crate) async fn settled(broker: &Broker, dead: u32) {
    settled_of(broker, Queue::ImagesFetched, dead).await;
}

pub(crate) async fn settled_of(broker: &Broker, queue: Queue, dead: u32) {
    let ready = async |name: String| broker.ready(&name).await.expect("the queue is there");
    wait_until(LIMIT, "the queues to be settled", async || {
        ready(queue.dead_name()).await == dead
            && ready(queue.name().to_owned()).await + ready(queue.retry_name()).await == 0
    })
    .await;
}

/// A folder of this repository, by its path from the encoder's.
pub(crate) fn ours(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder of hostile files.
pub(crate) fn corpora() -> PathBuf {
    std::env::var_os("TUSOU_CORPORA")
        .map(PathBuf::from)
        .expect("TUSOU_CORPORA names the folder of hostile files: see `make corpora`")
}

/// Every file below a folder, in the order of their paths.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(folder, &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|cause| panic!("{} cannot be read: {cause}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}
