//! Indexes of an older mapping go on being written; those of a newer one are left alone.

use serde_json::{Value, json};
use tusou_contract::mapping::{MAPPING_VERSION, since};
use tusou_platform::broker::Outgoing;
use tusou_projection::State;
use tusou_testkit::World;

use crate::support::{
    Indexer, changed, encoded, index_of, publish, seen_picture, wait_indexed, wait_queues, wanted,
    world,
};

/// The first index of this world is registered with that mapping.
async fn of_version(test: &str, version: u32) -> World {
    let world = world(test).await;
    Indexer::start(&world).ready().await.stop().await;
    let index = index_of(&world).await;
    let elastic = world.elastic();
    let deleted = elastic.delete_index(&index).await;
    assert!(deleted.expect("Elasticsearch answers"));
    sqlx::query("UPDATE generations SET mapping_version = $1")
        .bind(i32::try_from(version).expect("it is small"))
        .execute(world.pool())
        .await
        .expect("the row is there");
    world
}

async fn mapping(world: &World, index: &str) -> Value {
    let mapping = world.elastic().mapping(index).await;
    let mut mapping = mapping
        .expect("Elasticsearch answers")
        .expect("it is there");
    mapping[index]["mappings"].take()
}

#[tokio::test]
async fn an_index_of_an_older_mapping_goes_on_beside_a_new_one() {
    let world = of_version("older_mapping", 1).await;
    let (one, two) = (
        seen_picture(&world, "one").await,
        seen_picture(&world, "two").await,
    );
    // It was lost, and is made again as it was registered.
    let indexer = Indexer::start(&world).ready().await;
    let old = index_of(&world).await;
    let made = mapping(&world, &old).await;
    assert_eq!(made["_meta"]["mapping_version"], 1);
    assert_eq!(made["dynamic"], "strict");
    for field in ["pixels", "aspect", "phash_bands"] {
        assert_eq!(since(field), 2);
        assert!(made["properties"][field].is_null(), "{field}");
    }
    let message = |id| Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]));
    publish(&world, &[message(one)]).await;
    wait_indexed(&world, 1).await;
    wait_queues(&world, &[]).await;
    let source = world.sources().await.remove(0);
    assert!(source["aspect"].is_null() && source["phash"].is_string());

    // A new one is made beside it, and both are written, each with its fields.
    let wanted = wanted(&world);
    let elastic = world.elastic();
    let made = tusou_projection::create(world.pool(), &elastic, &wanted).await;
    let new = made.expect("the stores answer");
    assert_eq!(
        (new.mapping_version, new.state),
        (MAPPING_VERSION, State::Building)
    );
    publish(&world, &[message(two), changed(one)]).await;
    wait_indexed(&world, 4).await;
    wait_queues(&world, &[]).await;
    for (index, has) in [(&old, false), (&new.index, true)] {
        elastic.refresh(index).await.expect("Elasticsearch answers");
        let body = json!({"query": {"exists": {"field": "aspect"}}});
        let found = elastic.search(index, &body).await;
        let hits = found.expect("Elasticsearch answers")["hits"]["total"]["value"].clone();
        assert_eq!(hits, if has { 2 } else { 0 }, "{index}");
        let count = elastic.count(index).await.expect("Elasticsearch answers");
        assert_eq!(count, 2, "{index}");
    }
    indexer.ready().await.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_index_of_a_newer_build_is_refused_and_left_alone() {
    let world = of_version("newer_mapping", MAPPING_VERSION + 1).await;
    let error = Indexer::start(&world).end().await;
    let text = error.expect_err("its mapping is unknown").to_string();
    assert!(
        text.contains(world.name()) && text.contains("newer build"),
        "{text}"
    );
    let behind = world.elastic().alias(world.name()).await;
    assert!(behind.expect("Elasticsearch answers").is_empty());
    world.end().await;
}
