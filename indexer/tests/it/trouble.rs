//! Messages that fail, and stores that are away: nothing else is hurt, and nothing is lost.

use tusou_contract::{ImageId, Queue};
use tusou_platform::broker::{Broker, Outgoing};
use tusou_testkit::wait_until;

use crate::support::{
    Indexer, LONG, block_writes, changed, encoded, publish, publish_pictures, raw, rev,
    seen_picture, wait_indexed, wait_queues, world,
};

#[tokio::test]
async fn a_refused_document_hurts_none_of_its_batch() {
    let world = world("refused").await;
    let mut messages = Vec::new();
    for name in ["one", "two", "bad", "three", "four"] {
        let id = seen_picture(&world, name).await;
        // Cosine knows no vector without a direction.
        let vector = if name == "bad" {
            [0.0; 4]
        } else {
            [0.6, 0.8, 0.0, 0.0]
        };
        messages.push(Outgoing::of(&encoded(&world, id, vector)));
    }
    publish(&world, &messages).await;
    let indexer = Indexer::start(&world).ready().await;
    wait_indexed(&world, 4).await;
    wait_queues(&world, &[("images.embedded.dead", 1)]).await;
    let names: Vec<String> = world
        .documents()
        .await
        .into_iter()
        .map(|document| document.image_name)
        .collect();
    assert_eq!(names.len(), 4);
    assert!(!names.contains(&"bad.png".to_owned()));
    let (id, refusal): (Vec<u8>, String) =
        sqlx::query_as("SELECT image_id, refusal FROM indexed WHERE refusal IS NOT NULL")
            .fetch_one(world.pool())
            .await
            .expect("the refusal was recorded");
    assert_eq!(id, ImageId::of(b"bad").as_bytes());
    assert!(refusal.contains("magnitude"), "{refusal}");

    // A better embedding heals it.
    publish(
        &world,
        &[Outgoing::of(&encoded(
            &world,
            ImageId::of(b"bad"),
            [0.0, 1.0, 0.0, 0.0],
        ))],
    )
    .await;
    wait_indexed(&world, 5).await;
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn forged_messages_are_dead_letters_and_the_others_go_on() {
    let world = world("forged").await;
    let known = seen_picture(&world, "known").await;
    let unknown = ImageId::of(b"nobody has seen this");
    let mut wrong = encoded(&world, known, [0.6, 0.8, 0.0, 0.0]);
    if let tusou_contract::EncodingOutcome::Encoded(encoding) = &mut wrong.outcome {
        encoding.embeddings[0].vector.push(1.0);
    }
    publish(
        &world,
        &[
            raw(Queue::ImagesEmbedded, b"\xff\x00 no message"),
            raw(Queue::ImagesChanged, b"{\"version\":1}"),
            Outgoing::of(&wrong),
            Outgoing::of(&encoded(&world, unknown, [0.6, 0.8, 0.0, 0.0])),
            Outgoing::of(&encoded(&world, known, [0.6, 0.8, 0.0, 0.0])),
            changed(unknown),
        ],
    )
    .await;
    let indexer = Indexer::start(&world).ready().await;
    wait_indexed(&world, 1).await;
    wait_queues(
        &world,
        // A change of an image that nobody knows is a removal, and done.
        &[("images.embedded.dead", 3), ("images.changed.dead", 1)],
    )
    .await;
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM embeddings")
        .fetch_one(world.pool())
        .await
        .expect("the database answers");
    assert_eq!(stored, 1);
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_message_of_a_later_build_waits_and_costs_no_attempt() {
    let world = world("newer").await;
    let indexer = Indexer::start(&world).ready().await;
    let newer = raw(Queue::ImagesReindex, br#"{"version":99,"image_id":"x"}"#);
    publish(&world, &[newer]).await;
    // It comes back every 300 ms: far more often than it may fail.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    indexer.stop().await;
    wait_queues(&world, &[("images.reindex", 1)]).await;
    world.end().await;
}

#[tokio::test]
async fn what_is_written_while_elasticsearch_is_away_is_there_when_it_is_back() {
    let mut world = world("elastic_away").await;
    let proxy = world.proxy_elasticsearch().await;
    let id = seen_picture(&world, "one").await;
    let found = rev(&world, id).await;
    let indexer = Indexer::start(&world).ready().await;
    proxy.cut();
    publish(
        &world,
        &[Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]))],
    )
    .await;
    wait_until(LONG, "the indexer says that it waits", async || {
        let report = indexer.health.ready();
        report
            .parts
            .get("elasticsearch")
            .is_some_and(|part| part != "ok")
    })
    .await;
    assert!(
        rev(&world, id).await > found,
        "the embedding is stored before"
    );
    proxy.restore();
    wait_indexed(&world, 1).await;
    wait_queues(&world, &[]).await;
    assert_eq!(world.documents().await.len(), 1);
    indexer.ready().await.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_shutdown_while_stores_are_away_gives_the_messages_back() {
    let mut world = world("away_and_stopped").await;
    let proxy = world.proxy_elasticsearch().await;
    let ids = [
        seen_picture(&world, "one").await,
        seen_picture(&world, "two").await,
    ];
    let indexer = Indexer::start(&world).ready().await;
    proxy.cut();
    let messages = ids.map(|id| Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0])));
    publish(&world, &messages).await;
    wait_until(LONG, "the indexer holds the batch", async || {
        !indexer.health.ready().is_ok()
    })
    .await;
    indexer.stop().await;
    wait_queues(&world, &[("images.embedded", 2)]).await;
    proxy.restore();
    let indexer = Indexer::start(&world).ready().await;
    wait_indexed(&world, 2).await;
    wait_queues(&world, &[]).await;
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn broken_connections_to_postgres_and_rabbitmq_cost_nothing() {
    let mut world = world("broken").await;
    let (database, broker) = (world.proxy_database().await, world.proxy_amqp().await);
    let indexer = Indexer::start(&world).ready().await;
    for (number, proxy) in [&database, &broker].into_iter().enumerate() {
        let id = seen_picture(&world, &format!("picture {number}")).await;
        proxy.cut();
        publish(
            &world,
            &[Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]))],
        )
        .await;
        wait_until(LONG, "the indexer says that it waits", async || {
            !indexer.health.ready().is_ok()
        })
        .await;
        proxy.restore();
        wait_indexed(&world, number as i64 + 1).await;
    }
    wait_queues(&world, &[]).await;
    indexer.ready().await.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_paused_indexer_leaves_messages_where_they_are_and_goes_on_when_it_may() {
    let world = world("paused").await;
    let indexer = Indexer::start(&world).ready().await;
    sqlx::query("INSERT INTO pauses (stage, why) VALUES ('index', 'a test')")
        .execute(world.pool())
        .await
        .expect("the stage is one");
    wait_until(LONG, "the indexer says that it is paused", async || {
        let report = indexer.health.ready();
        !report.is_ok()
            && report
                .parts
                .get("indexer")
                .is_some_and(|said| said == "paused: a test")
    })
    .await;
    let id = seen_picture(&world, "one").await;
    let message = Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]));
    publish(&world, &[message]).await;
    wait_queues(&world, &[("images.embedded", 1)]).await;
    assert!(world.documents().await.is_empty());
    sqlx::query("DELETE FROM pauses")
        .execute(world.pool())
        .await
        .expect("the database answers");
    wait_indexed(&world, 1).await;
    indexer.ready().await.stop().await;
    world.end().await;
}

async fn wait_embedded_ready(broker: &Broker, messages: u32) {
    let what = format!("{messages} messages wait");
    wait_until(LONG, &what, async || {
        let ready = broker.ready(Queue::ImagesEmbedded.name()).await;
        ready.expect("the broker answers") == messages
    })
    .await;
}

#[tokio::test]
async fn starts_while_an_index_takes_no_documents_bring_no_message_into_quarantine() {
    const MESSAGES: u32 = 6;
    let mut world = world("blocked").await;
    world.config.amqp.max_deliveries = 3;
    // With batches of one image, most messages in hand would be in no batch.
    world.config.indexer.bulk_documents = 1;
    Indexer::start(&world).ready().await.stop().await;
    block_writes(&world, true).await;
    publish_pictures(&world, MESSAGES).await;
    let broker = world.broker().await;
    wait_embedded_ready(&broker, MESSAGES).await;
    // More starts than any message may have deliveries.
    for _ in 0..7 {
        let indexer = Indexer::start(&world).ready().await;
        // Only one is in hand.
        wait_embedded_ready(&broker, MESSAGES - 1).await;
        indexer.stop().await;
        wait_embedded_ready(&broker, MESSAGES).await;
    }
    let indexer = Indexer::start(&world).ready().await;
    wait_embedded_ready(&broker, MESSAGES - 1).await;
    block_writes(&world, false).await;
    wait_indexed(&world, MESSAGES.into()).await;
    wait_queues(&world, &[]).await;
    assert_eq!(world.documents().await.len(), 6);
    broker.close().await;
    indexer.stop().await;
    world.end().await;
}
