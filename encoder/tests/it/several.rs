//! Several models a picture: what one cannot do is told, and what the others make is kept.
//!
//! `packs/touchy` gives no number for black and a zero vector for white (`packs/make_touchy.py`).

use std::path::PathBuf;

use image::{Rgb, RgbImage};
use tusou_contract::{EncodingOutcome, ImageFormat, ImageId, PackManifest, Queue};
use tusou_platform::broker::{Broker, Outgoing};
use tusou_testkit::{Service, World, pictures};

use crate::support::{encoded, ours, reason, receive, results, send, settled, stored};

fn touchy() -> PathBuf {
    ours("tests/packs/touchy")
}

fn plain(level: u8) -> Vec<u8> {
    let picture = RgbImage::from_pixel(40, 30, Rgb([level; 3]));
    pictures::compressed(&picture, image::ImageFormat::Png)
}

/// The reasons of the pictures' dead letters.
async fn dead(broker: &Broker, count: usize) -> Vec<(ImageId, String)> {
    let mut dead = broker
        .dead(Queue::ImagesFetched)
        .await
        .expect("the queue is there");
    let mut letters = Vec::new();
    for _ in 0..count {
        let letter = dead.next().await.expect("the broker answers");
        let letter = letter.expect("there is one");
        let id = letter.image_id().expect("it is a picture's");
        letters.push((id, letter.reason().to_owned()));
    }
    letters
}

#[tokio::test]
async fn one_model_fails_and_what_the_others_make_is_kept() {
    let mut world = World::new("encode_several").await;
    let score = ours("../crates/model/tests/golden/packs/nsfw-like");
    world.config.models.packs.extend([touchy(), score]);
    let broker = world.broker().await;
    let mut results = results(&broker).await;
    let mut messages = Vec::new();
    for bytes in [plain(0), plain(255), pictures::png(1)] {
        messages.push(stored(&world, bytes, ImageFormat::Png).await);
    }
    let [black, white, good] = [0, 1, 2].map(|one| messages[one].image_id);
    // In one batch: neither of the two hurts the third.
    let encoder = Service::spawn(&world, "tusou-encoder").await;
    let all: Vec<Outgoing> = messages.iter().map(Outgoing::of).collect();
    send(&broker, &all).await;
    let outcomes = receive(&mut results, 3).await;

    let whole = encoded(&outcomes[&good]);
    let models = |names: &[tusou_contract::Embedding]| -> Vec<String> {
        names.iter().map(|one| one.model.clone()).collect()
    };
    assert_eq!(models(&whole.embeddings), ["lite", "touchy"]);
    assert!(whole.failures.is_empty());
    let text = std::fs::read(touchy().join("pack.json")).expect("the pack is there");
    let digest = PackManifest::from_json(&text)
        .expect("the pack is whole")
        .digest();
    for (id, words) in [
        (black, "a vector of length NaN"),
        (white, "a vector of length 0"),
    ] {
        let encoding = encoded(&outcomes[&id]);
        assert_eq!(models(&encoding.embeddings), ["lite"]);
        let [failure] = encoding.failures.as_slice() else {
            panic!("one model fails: {:?}", encoding.failures)
        };
        assert_eq!(
            (&*failure.model, &*failure.reason, &failure.digest),
            ("touchy", "bad_embedding", &digest)
        );
        assert!(failure.detail.contains(words), "{}", failure.detail);
        assert!(encoding.thumbnail.is_some() && !encoding.phash.is_empty());
    }
    for outcome in outcomes.values() {
        let [score] = encoded(outcome).scores.as_slice() else {
            panic!("each has a score: {outcome:?}")
        };
        assert_eq!((&*score.model, &*score.field), ("nsfw-like", "nsfw"));
        assert!((0.0..=1.0).contains(&score.value), "{score:?}");
    }
    // What is kept and recorded is done: none of them is a dead letter.
    settled(&broker, 0).await;
    assert_eq!(encoder.metric("encoder_model_failures_total").await, 2.0);
    drop(encoder);
    world.end().await;
}

#[tokio::test]
async fn where_the_only_model_fails_the_picture_does() {
    let mut world = World::new("encode_only").await;
    world.config.models.packs = vec![touchy()];
    let broker = world.broker().await;
    let mut results = results(&broker).await;
    let mut messages = Vec::new();
    for bytes in [plain(0), plain(255), plain(100)] {
        messages.push(stored(&world, bytes, ImageFormat::Png).await);
    }
    let [black, white, good] = [0, 1, 2].map(|one| messages[one].image_id);
    let encoder = Service::spawn(&world, "tusou-encoder").await;
    let all: Vec<Outgoing> = messages.iter().map(Outgoing::of).collect();
    send(&broker, &all).await;
    let outcomes = receive(&mut results, 3).await;
    for (id, words) in [(black, "NaN"), (white, "length 0")] {
        assert_eq!(reason(&outcomes[&id]), "bad_embedding");
        let EncodingOutcome::Failed { detail, .. } = &outcomes[&id] else {
            unreachable!("it has a reason")
        };
        assert!(
            detail.contains("touchy") && detail.contains(words),
            "{detail}"
        );
    }
    assert_eq!(encoded(&outcomes[&good]).embeddings[0].vector.len(), 3);
    settled(&broker, 2).await;
    let letters = dead(&broker, 2).await;
    assert!(letters.iter().all(|(_, reason)| reason == "bad_embedding"));
    drop(encoder);
    world.end().await;
}
