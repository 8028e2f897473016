//! First loads: they begin, end by themselves, and leave an index as it was.

use serde_json::json;
use tusou_platform::broker::Outgoing;
use tusou_platform::elastic::IndexNow;
use tusou_projection::Generation;
use tusou_testkit::{Service, World, wait_until};

use crate::support::{
    Indexer, LONG, block_writes, change_settings, encoded, index_of, publish, publish_pictures,
    seen_picture, wait_indexed, wait_queues, wanted, world,
};

const PICTURES: u32 = 30;

/// A world with a live index of one replica that takes no documents yet, and messages that wait.
async fn loaded(test: &str) -> World {
    let mut world = world(test).await;
    world.config.elasticsearch.replicas = 1;
    world.config.indexer.first_load_backlog = 20;
    Indexer::start(&world).ready().await.stop().await;
    block_writes(&world, true).await;
    publish_pictures(&world, PICTURES).await;
    world
}

async fn now(world: &World, index: &str) -> IndexNow {
    let now = world.elastic().index_now(index).await;
    now.expect("Elasticsearch answers").expect("it is there")
}

async fn wait_on(world: &World, index: &str, interval: &str) {
    wait_until(LONG, "the first load is on", async || {
        let now = now(world, index).await;
        now.refresh_interval.as_deref() == Some(interval)
            && now.replicas == 0
            && now.meta["first_load"].is_object()
    })
    .await;
}

/// As it was made, with its meta whole.
async fn wait_off(world: &World, index: &str) {
    wait_until(LONG, "the first load is over", async || {
        let now = now(world, index).await;
        now.refresh_interval.is_none() && now.replicas == 1 && now.meta["first_load"].is_null()
    })
    .await;
    assert!(now(world, index).await.meta["models"].is_array());
}

#[tokio::test]
async fn a_first_load_ends_when_the_queues_are_empty() {
    let world = loaded("first_load").await;
    let index = index_of(&world).await;
    let indexer = Indexer::start(&world);
    // Searched: its pictures are to be seen coming.
    wait_on(&world, &index, "30s").await;
    block_writes(&world, false).await;
    wait_indexed(&world, PICTURES.into()).await;
    wait_off(&world, &index).await;
    // Without a refresh of ours: it was made when the load ended.
    let body = json!({"size": 0, "track_total_hits": true});
    let found = world.elastic().search(&index, &body).await;
    let hits = found.expect("Elasticsearch answers")["hits"]["total"]["value"].clone();
    assert_eq!(hits, PICTURES);
    wait_queues(&world, &[]).await;
    indexer.ready().await.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_killed_indexer_s_first_load_is_ended_by_the_next() {
    let world = loaded("first_load_killed").await;
    let index = index_of(&world).await;
    let mut indexer = Service::spawn_unready(&world, "tusou-indexer").await;
    wait_on(&world, &index, "30s").await;
    indexer.kill().await;
    // Nobody was there to end it.
    assert!(now(&world, &index).await.meta["first_load"].is_object());
    block_writes(&world, false).await;
    let next = Indexer::start(&world).ready().await;
    wait_indexed(&world, PICTURES.into()).await;
    wait_off(&world, &index).await;
    next.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_shutdown_and_a_pause_end_a_first_load() {
    let world = loaded("first_load_stopped").await;
    let index = index_of(&world).await;
    let indexer = Indexer::start(&world);
    wait_on(&world, &index, "30s").await;
    indexer.stop().await;
    wait_off(&world, &index).await;
    let indexer = Indexer::start(&world);
    wait_on(&world, &index, "30s").await;
    sqlx::query("INSERT INTO pauses (stage, why) VALUES ('index', 'a test')")
        .execute(world.pool())
        .await
        .expect("the stage is one");
    wait_off(&world, &index).await;
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_first_load_has_its_time_and_no_other_begins_after_it() {
    let mut world = loaded("first_load_time").await;
    world.config.indexer.first_load_seconds = 1;
    let index = index_of(&world).await;
    let indexer = Indexer::start(&world);
    wait_until(LONG, "the first load had its time", async || {
        let now = now(&world, &index).await;
        now.meta["first_load"]["over"] == true
    })
    .await;
    // It looks again and again.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let after = now(&world, &index).await;
    assert_eq!((after.refresh_interval, after.replicas), (None, 1));
    assert_eq!(after.meta["first_load"]["over"], true);
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_operator_s_refresh_interval_is_left_alone() {
    let world = loaded("first_load_own").await;
    let index = index_of(&world).await;
    change_settings(&world, json!({"refresh_interval": "7s"})).await;
    let indexer = Indexer::start(&world);
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let before = now(&world, &index).await;
    assert_eq!(before.refresh_interval.as_deref(), Some("7s"));
    assert!(before.meta["first_load"].is_null());
    // And one that is set in the midst stays too.
    change_settings(&world, json!({"refresh_interval": null})).await;
    wait_on(&world, &index, "30s").await;
    change_settings(&world, json!({"refresh_interval": "9s"})).await;
    block_writes(&world, false).await;
    wait_indexed(&world, PICTURES.into()).await;
    wait_until(LONG, "the mark is gone", async || {
        now(&world, &index).await.meta["first_load"].is_null()
    })
    .await;
    let after = now(&world, &index).await;
    assert_eq!(after.refresh_interval.as_deref(), Some("9s"));
    assert_eq!(after.replicas, 1);
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_index_that_is_built_is_loaded_until_searches_ask_it() {
    let mut world = world("first_load_built").await;
    world.config.elasticsearch.replicas = 1;
    let indexer = Indexer::start(&world).ready().await;
    let id = seen_picture(&world, "one").await;
    let message = Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0]));
    publish(&world, std::slice::from_ref(&message)).await;
    wait_indexed(&world, 1).await;
    let first = index_of(&world).await;
    let wanted = wanted(&world);
    let elastic = world.elastic();
    let made = tusou_projection::create(world.pool(), &elastic, &wanted).await;
    let new: Generation = made.expect("the stores answer");
    wait_on(&world, &new.index, "-1").await;
    // Few messages, and the one that is searched is as ever.
    assert_eq!(now(&world, &first).await.refresh_interval, None);
    publish(&world, &[message]).await;
    wait_indexed(&world, 2).await;
    wait_queues(&world, &[]).await;
    wait_on(&world, &new.index, "-1").await;
    tusou_projection::point(world.pool(), &elastic, world.name(), &new)
        .await
        .expect("the stores answer");
    // At once, and for good: the indexer still runs.
    let after = now(&world, &new.index).await;
    assert_eq!((after.refresh_interval, after.replicas), (None, 1));
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    wait_off(&world, &new.index).await;
    assert_eq!(world.documents().await.len(), 1);
    indexer.ready().await.stop().await;
    world.end().await;
}
