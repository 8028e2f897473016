//! A message that kills the process each time ends alone in quarantine; its mates are unhurt.

use std::collections::HashMap;
use std::time::Duration;

use tusou_contract::{
    BlobKey, EncodingOutcome, ImageEmbedded, ImageFetched, ImageFormat, ImageId, Queue,
};
use tusou_platform::broker::{Broker, Outgoing, Retried, Subscription};
use tusou_testkit::{Service, World, pictures, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(120);
/// Deliveries before the quarantine.
const DELIVERIES: u32 = 3;
/// Pictures beside the one that kills.
const MATES: u32 = 24;
/// The side of the picture that kills, pixels: below the limits, and so large that it is long in
/// hand. Decoding sets aside at least four bytes a pixel.
const SIDE: u32 = 9_400;
/// Memory that no small picture needs: while it is set aside the large one is being decoded.
const LARGE: f64 = 4.0 * 9_000.0 * 9_000.0;

async fn stored(world: &World, bytes: Vec<u8>) -> ImageFetched {
    let image_id = ImageId::of(&bytes);
    let blob_key = BlobKey::original(&image_id, ImageFormat::Png);
    let put = world.blobs().put(&blob_key, bytes.into()).await;
    put.expect("the folder can be written");
    ImageFetched {
        image_id,
        blob_key,
        format: ImageFormat::Png,
    }
}

/// Results until there is one of each of so many images; the last of an image counts.
async fn receive(
    results: &mut Subscription,
    outcomes: &mut HashMap<ImageId, EncodingOutcome>,
    count: usize,
) {
    while outcomes.len() < count {
        let next = tokio::time::timeout(LIMIT, results.next()).await;
        let delivery = next.expect("a result comes").expect("the broker answers");
        let message: ImageEmbedded = delivery.read().expect("the encoder writes such messages");
        delivery.ack().await.expect("the broker answers");
        outcomes.insert(message.image_id, message.outcome);
    }
}

async fn ready(broker: &Broker, queue: &str) -> u32 {
    broker.ready(queue).await.expect("the queue is there")
}

#[tokio::test]
async fn a_message_that_kills_the_process_ends_alone_in_quarantine() {
    let mut world = World::new("quarantine").await;
    world.config.amqp.max_deliveries = DELIVERIES;
    let broker = world.broker().await;
    let results = broker.subscribe(Queue::ImagesEmbedded, 100).await;
    let mut results = results.expect("the queue is there");

    let mut messages = Vec::new();
    for number in 0..MATES {
        messages.push(stored(&world, pictures::png(number)).await);
    }
    let large = pictures::compressed(
        &pictures::pixels(MATES, SIDE, SIDE),
        pictures::ImageFormat::Png,
    );
    let killer = stored(&world, large).await;
    let killer_id = killer.image_id;
    messages.insert(messages.len() / 2, killer);
    let batch: Vec<Outgoing> = messages.iter().map(Outgoing::of).collect();
    let sent = broker.publish(&batch).await.expect("the broker answers");
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");

    // Whoever decodes it is killed, as by a decoder's fault.
    let mut encoder = Service::spawn(&world, "tusou-encoder").await;
    for _ in 0..DELIVERIES {
        wait_until(LIMIT, "the large picture to be decoded", async || {
            encoder.metric("encoder_decode_memory_bytes").await >= LARGE
        })
        .await;
        encoder.kill().await;
        encoder.restart().await;
    }

    let mut outcomes = HashMap::new();
    receive(&mut results, &mut outcomes, messages.len()).await;
    let failed = outcomes.remove(&killer_id);
    assert!(
        matches!(&failed, Some(EncodingOutcome::Failed { reason, .. }) if reason == "killed_process"),
        "{failed:?}"
    );
    for (image, outcome) in &outcomes {
        let encoded = matches!(outcome, EncodingOutcome::Encoded(_));
        assert!(encoded, "{image}: {outcome:?}");
    }

    // It is parked with its reason, and nothing else is parked, or left over.
    let queue = Queue::ImagesFetched;
    wait_until(LIMIT, "one dead letter and nothing else", async || {
        let left = ready(&broker, queue.name()).await + ready(&broker, &queue.retry_name()).await;
        left == 0 && ready(&broker, &queue.dead_name()).await == 1
    })
    .await;
    let mut dead = broker.dead(queue).await.expect("the queue is there");
    let letter = dead.next().await.expect("the broker answers");
    let letter = letter.expect("there is one");
    assert_eq!(letter.image_id(), Some(killer_id));
    assert_eq!(letter.reason(), "killed_process");
    assert!(dead.next().await.expect("the broker answers").is_none());

    // Whatever killed the process is mended: the message is tried again, and does no harm.
    let retried = dead.retry(letter).await.expect("the broker answers");
    assert!(matches!(retried, Retried::Published), "{retried:?}");
    let mut outcomes = HashMap::new();
    // Results of the mates may have been published twice.
    while !outcomes.contains_key(&killer_id) {
        let one_more = outcomes.len() + 1;
        receive(&mut results, &mut outcomes, one_more).await;
    }
    let again = outcomes.remove(&killer_id);
    assert!(
        matches!(again, Some(EncodingOutcome::Encoded(_))),
        "{again:?}"
    );
    drop(encoder);
    world.end().await;
}
