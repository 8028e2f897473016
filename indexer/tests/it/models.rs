//! Several models an image: one may fail, and what the others made stays.

use tusou_contract::{
    Document, Embedding, Encoding, EncodingOutcome, ImageEmbedded, ImageId, ModelFailure, Queue,
    Score,
};
use tusou_platform::broker::Outgoing;
use tusou_testkit::{World, wait_until};

use crate::support::{
    Indexer, LONG, digest_of, encoded, publish, raw, rev, seen_picture, wait_indexed, wait_queues,
    wait_quiet, world, write_pack_with,
};

const VECTOR: [f32; 4] = [0.6, 0.8, 0.0, 0.0];
const COPY: [f32; 4] = [0.0, 0.0, 0.6, 0.8];

/// `tiny`, then `copies` for `copy_embedding`, then `nsfw`.
async fn models(test: &str) -> (World, String, String) {
    let mut world = world(test).await;
    let [copies, nsfw] = ["copies", "nsfw"].map(|name| world.folder().join(name));
    write_pack_with(&copies, "copies", 'b', r#","field":"copy_embedding""#);
    let score = r#","visual":{"score":{"field":"nsfw","column":1}}"#;
    write_pack_with(&nsfw, "nsfw", 'c', score);
    let digests = (digest_of(&copies), digest_of(&nsfw));
    world.config.models.packs.extend([copies, nsfw]);
    (world, digests.0, digests.1)
}

/// What `tiny` makes, and whatever else is said.
fn with(world: &World, id: ImageId, change: impl FnOnce(&mut Encoding)) -> Outgoing {
    let mut message = encoded(world, id, VECTOR);
    if let EncodingOutcome::Encoded(encoding) = &mut message.outcome {
        change(encoding);
    }
    Outgoing::of(&message)
}

fn failure(model: &str, digest: &str, reason: &str) -> ModelFailure {
    ModelFailure {
        model: model.into(),
        digest: digest.into(),
        reason: reason.into(),
        detail: "a number \0 is not finite".into(),
    }
}

fn score(digest: &str, value: f32) -> Score {
    Score {
        model: "nsfw".into(),
        digest: digest.into(),
        field: "nsfw".into(),
        value,
    }
}

fn copy(digest: &str) -> Embedding {
    Embedding {
        model: "copies".into(),
        digest: digest.into(),
        vector: COPY.to_vec(),
    }
}

/// Model, reason and detail, sorted.
async fn failures(world: &World) -> Vec<(String, String, String)> {
    sqlx::query_as("SELECT model, reason, detail FROM model_failures ORDER BY model")
        .fetch_all(world.pool())
        .await
        .expect("the database answers")
}

async fn the_document(world: &World) -> Document {
    let mut documents = world.documents().await;
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

#[tokio::test]
async fn a_failing_model_is_recorded_and_the_others_results_are_kept() {
    let (world, copies, nsfw) = models("model_fails").await;
    let id = seen_picture(&world, "one").await;
    let indexer = Indexer::start(&world).ready().await;
    let partly = with(&world, id, |encoding| {
        encoding.scores = vec![score(&nsfw, 0.25)];
        encoding.failures = vec![failure("copies", &copies, "not_finite")];
    });
    publish(&world, std::slice::from_ref(&partly)).await;
    wait_indexed(&world, 1).await;
    let document = the_document(&world).await;
    assert_eq!(document.nsfw, Some(0.25));
    let fields: Vec<&String> = document.embeddings.keys().collect();
    assert_eq!(fields, ["image_embedding"]);
    let said = |reason: &str| {
        [(
            "copies".to_owned(),
            reason.to_owned(),
            "a number   is not finite".to_owned(),
        )]
    };
    assert_eq!(failures(&world).await, said("not_finite"));

    // Neither a repetition nor another failure changes what the document shows.
    let before = rev(&world, id).await;
    let otherwise = with(&world, id, |encoding| {
        encoding.failures = vec![failure("copies", &copies, "run_failed")];
    });
    publish(&world, &[partly.clone(), otherwise]).await;
    wait_quiet(&world).await;
    assert_eq!(rev(&world, id).await, before);
    assert_eq!(failures(&world).await, said("run_failed"));
    assert_eq!(the_document(&world).await.nsfw, Some(0.25));

    // A later success takes the failure's place, and no later failure that of the success.
    let whole = with(&world, id, |encoding| {
        encoding.embeddings.push(copy(&copies));
        encoding.scores = vec![score(&nsfw, 0.5)];
    });
    publish(&world, &[whole]).await;
    wait_until(LONG, "the document is whole", async || {
        let document = the_document(&world).await;
        document.embeddings.contains_key("copy_embedding") && document.nsfw == Some(0.5)
    })
    .await;
    assert!(failures(&world).await.is_empty());
    wait_queues(&world, &[]).await;
    let before = rev(&world, id).await;
    let late = with(&world, id, |encoding| {
        encoding.failures = vec![
            failure("copies", &copies, "not_finite"),
            failure("nsfw", &nsfw, "not_finite"),
        ];
    });
    // As a build before wrote it: it says nothing of scores.
    let first = format!(
        r#"{{"version":1,"image_id":"{id}","outcome":{{"encoded":{{"embeddings":[],"phash":"00ff00ff00ff00ff","colors":["red","white"],"thumbnail":"thumbnails/{}/{id}.jpg"}}}}}}"#,
        &id.to_string()[..2]
    );
    publish(
        &world,
        &[late, raw(Queue::ImagesEmbedded, first.as_bytes())],
    )
    .await;
    wait_quiet(&world).await;
    assert!(failures(&world).await.is_empty());
    assert_eq!(rev(&world, id).await, before);
    let document = the_document(&world).await;
    assert_eq!(document.embeddings["copy_embedding"], COPY);
    assert_eq!(document.nsfw, Some(0.5));
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_image_that_the_first_model_fails_for_waits_for_no_document() {
    let (world, copies, nsfw) = models("first_model_fails").await;
    let id = seen_picture(&world, "one").await;
    let indexer = Indexer::start(&world).ready().await;
    let tiny = digest_of(&world.config.models.packs[0]);
    let without = with(&world, id, |encoding| {
        encoding.embeddings = vec![copy(&copies)];
        encoding.scores = vec![score(&nsfw, 0.0)];
        encoding.failures = vec![failure("tiny", &tiny, "zero_vector")];
    });
    publish(&world, &[without]).await;
    wait_quiet(&world).await;
    assert!(world.documents().await.is_empty());
    let kept: (i64, Option<f32>, Option<String>) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM embeddings), nsfw, nsfw_digest FROM encodings",
    )
    .fetch_one(world.pool())
    .await
    .expect("what the others made is there");
    assert_eq!(kept, (1, Some(0.0), Some(nsfw)));

    let made = Outgoing::of(&encoded(&world, id, VECTOR));
    publish(&world, &[made]).await;
    wait_indexed(&world, 1).await;
    let document = the_document(&world).await;
    assert_eq!(document.nsfw, Some(0.0));
    assert_eq!(document.embeddings.len(), 2);
    assert!(failures(&world).await.is_empty());
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn of_one_batch_nothing_that_was_made_is_lost() {
    let (world, copies, nsfw) = models("one_batch").await;
    let id = seen_picture(&world, "one").await;
    // They lie in the queue together, and are stored in one transaction.
    let by_another = with(&world, id, |encoding| {
        encoding.embeddings = vec![copy(&copies)];
        encoding.scores = vec![score(&nsfw, 1.0)];
    });
    let by_one = with(&world, id, |encoding| {
        encoding.failures = vec![failure("copies", &copies, "run_failed")];
    });
    let failed = ImageEmbedded {
        image_id: id,
        outcome: EncodingOutcome::Failed {
            reason: "decode_failed".into(),
            detail: "late".into(),
        },
    };
    // The first of a queue is taken by itself.
    let other = seen_picture(&world, "other").await;
    let first = Outgoing::of(&encoded(&world, other, VECTOR));
    let messages = [first, by_another, by_one, Outgoing::of(&failed)];
    publish(&world, &messages).await;
    let indexer = Indexer::start(&world).ready().await;
    wait_indexed(&world, 2).await;
    wait_queues(&world, &[]).await;
    let documents = world.documents().await;
    let document = documents.iter().find(|document| document.image_id == id);
    let document = document.expect("it is indexed");
    assert_eq!(document.embeddings.len(), 2, "{document:?}");
    assert_eq!(document.nsfw, Some(1.0));
    assert!(failures(&world).await.is_empty());
    indexer.stop().await;
    world.end().await;
}
