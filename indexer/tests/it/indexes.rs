//! The registry of indexes.

use tusou_platform::broker::Outgoing;

use crate::support::{
    Indexer, changed, encoded, publish, seen_picture, wait_indexed, wait_queues, world, write_pack,
};

#[tokio::test]
async fn indexers_that_start_at_once_make_one_index() {
    let world = world("at_once").await;
    let indexers = [(); 3].map(|()| Indexer::start(&world));
    for indexer in indexers {
        indexer.ready().await.stop().await;
    }
    let names: Vec<String> = sqlx::query_scalar("SELECT index_name FROM generations")
        .fetch_all(world.pool())
        .await
        .expect("the database answers");
    assert_eq!(names.len(), 1);
    let digits = names[0]
        .strip_prefix(&format!("{}-", world.name()))
        .expect("the alias begins it");
    assert!(
        digits.len() == 14 && digits.chars().all(|c| c.is_ascii_digit()),
        "{digits}"
    );
    let behind = world
        .elastic()
        .alias(world.name())
        .await
        .expect("Elasticsearch answers");
    assert_eq!(behind, names);
    world.end().await;
}

#[tokio::test]
async fn an_index_of_other_models_is_refused_even_of_the_same_dimension() {
    let world = world("other_models").await;
    Indexer::start(&world).ready().await.stop().await;
    let folder = world.folder().join("other");
    write_pack(&folder, "tiny", 'b');
    let mut config = world.config.clone();
    config.models.packs = vec![folder];
    let error = Indexer::start_with(config)
        .end()
        .await
        .expect_err("the digest differs");
    let text = error.to_string();
    assert!(
        text.contains(world.name()) && text.contains("models.packs"),
        "{text}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_pack_that_is_added_later_changes_nothing_and_one_that_is_missing_stops_it() {
    let world = world("more_packs").await;
    Indexer::start(&world).ready().await.stop().await;
    let folder = world.folder().join("other");
    write_pack(&folder, "other", 'b');
    let mut config = world.config.clone();
    config.models.packs.push(folder.clone());
    Indexer::start_with(config.clone())
        .ready()
        .await
        .stop()
        .await;
    // In whatever order: an index names its models by their digests.
    config.models.packs.reverse();
    Indexer::start_with(config).ready().await.stop().await;
    let names: Vec<String> = sqlx::query_scalar("SELECT index_name FROM generations")
        .fetch_all(world.pool())
        .await
        .expect("the database answers");
    assert_eq!(names.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_lost_index_is_made_again_and_takes_what_changes() {
    let world = world("lost").await;
    let (one, two) = (
        seen_picture(&world, "one").await,
        seen_picture(&world, "two").await,
    );
    let indexer = Indexer::start(&world).ready().await;
    let messages = [one, two].map(|id| Outgoing::of(&encoded(&world, id, [0.6, 0.8, 0.0, 0.0])));
    publish(&world, &messages).await;
    wait_indexed(&world, 2).await;
    wait_queues(&world, &[]).await;
    indexer.stop().await;

    let elastic = world.elastic();
    let index = elastic
        .alias(world.name())
        .await
        .expect("Elasticsearch answers")
        .remove(0);
    assert!(
        elastic
            .delete_index(&index)
            .await
            .expect("Elasticsearch answers")
    );
    let indexer = Indexer::start(&world).ready().await;
    // What the index held is forgotten, so nothing claims that it is still there.
    wait_indexed(&world, 0).await;
    publish(&world, &[changed(one)]).await;
    wait_indexed(&world, 1).await;
    let mapping = elastic
        .mapping(&index)
        .await
        .expect("Elasticsearch answers");
    assert_eq!(
        mapping.expect("it is there again")[&index]["mappings"]["dynamic"],
        "strict"
    );
    assert_eq!(world.documents().await.len(), 1);
    indexer.stop().await;
    world.end().await;
}

#[tokio::test]
async fn an_index_that_somebody_else_made_is_left_alone() {
    let world = world("foreign_index").await;
    Indexer::start(&world).ready().await.stop().await;
    let elastic = world.elastic();
    let index = elastic
        .alias(world.name())
        .await
        .expect("Elasticsearch answers")
        .remove(0);
    elastic
        .delete_index(&index)
        .await
        .expect("Elasticsearch answers");
    let other = serde_json::json!({"mappings": {"properties": {"image_id": {"type": "keyword"}}}});
    assert!(
        elastic
            .create_index(&index, &other)
            .await
            .expect("Elasticsearch answers")
    );
    let error = Indexer::start(&world)
        .end()
        .await
        .expect_err("its mapping is another");
    let text = error.to_string();
    assert!(
        text.contains(&index) && text.contains("auto_create_index"),
        "{text}"
    );
    world.end().await;
}
