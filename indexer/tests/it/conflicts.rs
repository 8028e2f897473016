//! Indexes that documents do not fit: nothing is dropped, and it goes on by itself.

use serde_json::{Value, json};
use tusou_contract::mapping::index_body;
use tusou_platform::broker::Outgoing;
use tusou_platform::elastic::Method;
use tusou_projection::Wanted;
use tusou_testkit::{World, wait_until};

use crate::support::{
    Indexer, LONG, encoded, index_of, publish, publish_pictures, seen_picture, wait_indexed,
    wait_queues, wanted, world,
};

/// A world whose live index says that it is ours, and lacks a field of every document.
async fn wrong(test: &str) -> (World, Wanted) {
    let world = world(test).await;
    Indexer::start(&world).ready().await.stop().await;
    let wanted = wanted(&world);
    let mut body = index_body(&wanted.models, &wanted.options);
    let fields = body["mappings"]["properties"].as_object_mut();
    fields.expect("it is an object").remove("hosts");
    let (elastic, index) = (world.elastic(), index_of(&world).await);
    let deleted = elastic.delete_index(&index).await;
    assert!(deleted.expect("Elasticsearch answers"));
    let made = elastic.create_index(&index, &body).await;
    assert!(made.expect("Elasticsearch answers"));
    elastic
        .point_alias(world.name(), &index)
        .await
        .expect("Elasticsearch answers");
    (world, wanted)
}

async fn wait_conflict(indexer: &Indexer, index: &str) {
    wait_until(LONG, "the indexer says what is wrong", async || {
        let report = indexer.health.ready();
        let said = report.parts.get("index").cloned().unwrap_or_default();
        !report.is_ok()
            && ["hosts", index, "tusou index create", "tusou index migrate"]
                .iter()
                .all(|words| said.contains(words))
    })
    .await;
}

async fn fields(world: &World, index: &str) -> Value {
    let path = format!("/{index}/_mapping");
    let body = json!({"properties": {"hosts": {"type": "keyword", "ignore_above": 256}}});
    let answer = world
        .elastic()
        .request(Method::Put, &path, Some(&body))
        .await;
    answer.expect("the mapping takes a further field")
}

#[tokio::test]
async fn an_index_that_takes_no_documents_stops_the_queue_until_it_is_mended() {
    let (world, _) = wrong("conflict").await;
    let index = index_of(&world).await;
    publish_pictures(&world, 5).await;
    let indexer = Indexer::start(&world);
    wait_conflict(&indexer, &index).await;
    // Nothing is acknowledged, dead, or recorded.
    wait_queues(&world, &[("images.embedded", 5)]).await;
    let recorded: i64 = sqlx::query_scalar("SELECT count(*) FROM indexed")
        .fetch_one(world.pool())
        .await
        .expect("the database answers");
    assert_eq!(recorded, 0);
    fields(&world, &index).await;
    wait_indexed(&world, 5).await;
    wait_queues(&world, &[]).await;
    indexer.ready().await.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_index_that_takes_no_documents_may_be_replaced() {
    let (world, wanted) = wrong("conflict_replaced").await;
    let index = index_of(&world).await;
    publish_pictures(&world, 5).await;
    let indexer = Indexer::start(&world);
    wait_conflict(&indexer, &index).await;
    let elastic = world.elastic();
    let made = tusou_projection::create(world.pool(), &elastic, &wanted).await;
    let new = made.expect("the stores answer");
    // The new one takes them; the old one is still said to be wrong.
    wait_indexed(&world, 5).await;
    wait_queues(&world, &[]).await;
    wait_conflict(&indexer, &index).await;
    let generations = tusou_projection::all(world.pool(), true).await;
    let generations = generations.expect("the database answers");
    let old = generations.iter().find(|old| old.index == index);
    let old = old.expect("it is registered");
    // What it lacks is not recorded as held: nobody goes back to it by mistake.
    let missing = tusou_projection::missing(world.pool(), old, &new).await;
    assert_eq!(missing.expect("the database answers"), 5);
    tusou_projection::point(world.pool(), &elastic, world.name(), &new)
        .await
        .expect("the stores answer");
    tusou_projection::drop_index(world.pool(), &elastic, old)
        .await
        .expect("the stores answer");
    let id = seen_picture(&world, "later").await;
    let later = Outgoing::of(&encoded(&world, id, [0.0, 0.8, 0.6, 0.0]));
    publish(&world, &[later]).await;
    wait_indexed(&world, 6).await;
    assert_eq!(world.documents().await.len(), 6);
    indexer.ready().await.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_index_that_is_deleted_in_a_conflict_is_made_again_and_takes_all() {
    let (world, _) = wrong("conflict_deleted").await;
    let index = index_of(&world).await;
    publish_pictures(&world, 5).await;
    let indexer = Indexer::start(&world);
    wait_conflict(&indexer, &index).await;
    let deleted = world.elastic().delete_index(&index).await;
    assert!(deleted.expect("Elasticsearch answers"));
    wait_indexed(&world, 5).await;
    wait_queues(&world, &[]).await;
    assert_eq!(world.documents().await.len(), 5);
    indexer.ready().await.stop().await;
    world.end().await;
}
