//! Pictures that are good, bad, away, interrupted, back-filled and paused.

use std::time::Duration;

use tusou_contract::queue::ENCODER_PAUSED;
use tusou_contract::{BlobKey, EncodingOutcome, ImageFetched, ImageFormat, ImageId, Queue};
use tusou_platform::broker::Outgoing;
use tusou_testkit::{Service, World, pictures, wait_until};

use crate::support::{LIMIT, encoded, reason, receive, results, send, settled, settled_of, stored};

#[tokio::test]
async fn bad_pictures_hurt_nobody() {
    let mut world = World::new("encode").await;
    world.config.amqp.max_attempts = 2;
    let broker = world.broker().await;
    let mut results = results(&broker).await;

    let good = stored(&world, pictures::png(1), ImageFormat::Png).await;
    let also_good = stored(&world, pictures::jpeg(2), ImageFormat::Jpeg).await;
    let mut early = pictures::png(3);
    early.truncate(early.len() / 2);
    let truncated = stored(&world, early, ImageFormat::Png).await;
    let html = stored(
        &world,
        b"<html>no picture</html>".to_vec(),
        ImageFormat::Jpeg,
    )
    .await;
    let missing_id = ImageId::of(b"nothing has these bytes");
    let missing = ImageFetched {
        image_id: missing_id,
        blob_key: BlobKey::original(&missing_id, ImageFormat::Png),
        format: ImageFormat::Png,
    };
    let damaged = ImageFetched {
        image_id: ImageId::of(b"other"),
        ..good.clone()
    };
    let mut messages: Vec<Outgoing> = [&truncated, &good, &html, &missing, &also_good, &damaged]
        .map(Outgoing::of)
        .to_vec();
    let foreign = Outgoing {
        queue: Queue::ImagesFetched,
        id: String::new(),
        body: b"hello?".to_vec(),
        trace: None,
    };
    messages.insert(1, foreign);
    // Unreadable too, but it says of which image it is.
    let half = ImageId::of(b"half a message");
    let nameless = Outgoing {
        body: format!(r#"{{"version":1,"image_id":"{half}"}}"#).into_bytes(),
        ..messages[1].clone()
    };
    messages.push(nameless);
    send(&broker, &messages).await;
    let mut encoder = Service::spawn(&world, "tusou-encoder").await;

    let outcomes = receive(&mut results, 7).await;
    assert_eq!(reason(&outcomes[&half]), "foreign_message");
    assert_eq!(reason(&outcomes[&truncated.image_id]), "truncated");
    assert_eq!(reason(&outcomes[&html.image_id]), "decode_failed");
    assert_eq!(reason(&outcomes[&missing.image_id]), "blob_missing");
    assert_eq!(reason(&outcomes[&damaged.image_id]), "blob_damaged");
    for message in [&good, &also_good] {
        let encoding = encoded(&outcomes[&message.image_id]);
        let [embedding] = encoding.embeddings.as_slice() else {
            panic!("one model is configured")
        };
        let length: f32 = embedding.vector.iter().map(|value| value * value).sum();
        assert!(embedding.vector.len() == 512 && (length - 1.0).abs() < 1e-4);
        assert!(encoding.phash.len() == 16 && !encoding.colors.is_empty());
        let thumbnail = encoding.thumbnail.as_ref().expect("every picture has one");
        let jpeg = world
            .blobs()
            .get(thumbnail, 1 << 20)
            .await
            .expect("it can be read");
        let jpeg = jpeg.expect("it is written before the result is published");
        assert_eq!(ImageFormat::sniff(&jpeg), Some(ImageFormat::Jpeg));
    }
    settled(&broker, 6).await;

    // The same picture again gives the same result.
    send(&broker, &[Outgoing::of(&good)]).await;
    let again = receive(&mut results, 1).await;
    assert_eq!(again[&good.image_id], outcomes[&good.image_id]);
    settled(&broker, 6).await;

    assert!(encoder.is_ready().await);
    assert_eq!(encoder.metric("encoder_inflight_images").await, 0.0);
    assert_eq!(encoder.metric("encoder_decode_memory_bytes").await, 0.0);
    let (status, _) = encoder.terminate().await;
    assert!(status.success(), "{status}");
    world.end().await;
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for() {
    let world = World::new("encode_away").await;
    let broker = world.broker().await;
    let mut results = results(&broker).await;
    let mut messages = Vec::new();
    for number in 0..20 {
        messages.push(stored(&world, pictures::png(number), ImageFormat::Png).await);
    }
    let encoder = Service::spawn(&world, "tusou-encoder").await;
    let (blobs, elsewhere) = (
        world.folder().join("blobs"),
        world.folder().join("elsewhere"),
    );
    std::fs::rename(&blobs, &elsewhere).expect("the folder can be moved");
    send(
        &broker,
        &messages.iter().map(Outgoing::of).collect::<Vec<_>>(),
    )
    .await;
    wait_until(
        LIMIT,
        "the encoder to say that the blobs are away",
        async || !encoder.is_ready().await,
    )
    .await;
    std::fs::rename(&elsewhere, &blobs).expect("the folder can be moved");

    let outcomes = receive(&mut results, messages.len()).await;
    assert!(
        outcomes
            .values()
            .all(|outcome| reason(outcome) == "encoded"),
        "{outcomes:?}"
    );
    settled(&broker, 0).await;
    wait_until(LIMIT, "the encoder to be well again", async || {
        encoder.is_ready().await
    })
    .await;
    drop(encoder);
    world.end().await;
}

#[tokio::test]
async fn nothing_is_lost_when_it_is_killed_and_ended_at_work() {
    let world = World::new("encode_killed").await;
    let broker = world.broker().await;
    let mut results = results(&broker).await;
    let mut messages = Vec::new();
    for number in 0..150 {
        messages.push(stored(&world, pictures::png(number), ImageFormat::Png).await);
    }
    let mut encoder = Service::spawn(&world, "tusou-encoder").await;
    send(
        &broker,
        &messages.iter().map(Outgoing::of).collect::<Vec<_>>(),
    )
    .await;
    let mut outcomes = receive(&mut results, 10).await;
    encoder.kill().await;
    encoder.restart().await;
    outcomes.extend(receive(&mut results, 40).await);
    let (status, _) = encoder.terminate().await;
    assert!(status.success(), "{status}");
    encoder.restart().await;
    wait_until(LIMIT, "every picture to be encoded", async || {
        let known = messages
            .iter()
            .filter(|message| outcomes.contains_key(&message.image_id))
            .count();
        if known < messages.len() {
            outcomes.extend(receive(&mut results, 1).await);
        }
        known == messages.len()
    })
    .await;
    assert!(
        outcomes
            .values()
            .all(|outcome| reason(outcome) == "encoded")
    );
    settled(&broker, 0).await;
    drop(encoder);
    world.end().await;
}

#[tokio::test]
async fn a_back_fill_is_encoded_beside_the_crawl_and_what_it_misses_is_no_failure() {
    let mut world = World::new("encode_backfill").await;
    world.config.amqp.max_attempts = 2;
    let broker = world.broker().await;
    let again = stored(&world, pictures::png(1), ImageFormat::Png).await;
    let crawled = stored(&world, pictures::png(2), ImageFormat::Png).await;
    let gone_id = ImageId::of(b"its original is no longer kept");
    let gone = ImageFetched {
        image_id: gone_id,
        blob_key: BlobKey::original(&gone_id, ImageFormat::Png),
        format: ImageFormat::Png,
    };
    let backfill = Queue::ImagesReencode;
    send(
        &broker,
        &[
            Outgoing::by(backfill, &gone),
            Outgoing::by(backfill, &again),
            Outgoing::of(&crawled),
        ],
    )
    .await;
    let encoder = Service::spawn(&world, "tusou-encoder").await;
    settled_of(&broker, backfill, 1).await;
    settled(&broker, 0).await;
    let mut dead = broker.dead(backfill).await.expect("the queue is there");
    let letter = dead.next().await.expect("the broker answers");
    let letter = letter.expect("there is one");
    assert_eq!(letter.reason(), "blob_missing");
    assert_eq!(letter.image_id(), Some(gone_id));
    // Whatever is published of a message is published before it is settled.
    let mut results = results(&broker).await;
    let outcomes = receive(&mut results, 2).await;
    assert_eq!(reason(&outcomes[&again.image_id]), "encoded");
    assert_eq!(reason(&outcomes[&crawled.image_id]), "encoded");
    results.close().await;
    let left = broker.ready(Queue::ImagesEmbedded.name()).await;
    assert_eq!(left.expect("the queue is there"), 0);
    drop(encoder);
    world.end().await;
}

#[tokio::test]
async fn a_pause_is_kept_and_ends() {
    let world = World::new("encode_paused").await;
    let broker = world.broker().await;
    let mut results = results(&broker).await;
    let encoder = Service::spawn(&world, "tusou-encoder").await;
    let put_up = broker.flag_up(ENCODER_PAUSED, "a disk is changed").await;
    assert!(put_up.expect("the broker answers"));
    wait_until(LIMIT, "the encoder to say that it is paused", async || {
        !encoder.is_ready().await
    })
    .await;
    let mut messages = Vec::new();
    for number in 0..10 {
        messages.push(stored(&world, pictures::png(number), ImageFormat::Png).await);
    }
    send(
        &broker,
        &messages.iter().map(Outgoing::of).collect::<Vec<_>>(),
    )
    .await;
    // Long enough to see that none is taken.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let waiting = broker.ready(Queue::ImagesFetched.name()).await;
    assert_eq!(waiting.expect("the queue is there"), 10);

    let taken_down = broker.flag_down(ENCODER_PAUSED).await;
    assert!(taken_down.expect("the broker answers"));
    let outcomes = receive(&mut results, messages.len()).await;
    let encoded = |outcome: &EncodingOutcome| reason(outcome) == "encoded";
    assert!(outcomes.values().all(encoded), "{outcomes:?}");
    wait_until(LIMIT, "the encoder to be at work again", async || {
        encoder.is_ready().await
    })
    .await;
    settled(&broker, 0).await;
    drop(encoder);
    world.end().await;
}
