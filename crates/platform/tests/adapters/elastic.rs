//! Elasticsearch: indexes, aliases, bulks with an outcome for each item.

use serde_json::{Value, json};
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexOptions, ModelField, index_body};
use tusou_platform::elastic::{BulkItem, BulkOutcome, Elastic};
use tusou_testkit::World;

/// A new index of the world, with the strict mapping and vectors of three numbers.
pub(crate) async fn index(world: &World, ending: &str) -> (Elastic, String) {
    let elastic = world.elastic();
    let index = format!("{}-{ending}", world.name());
    let models = [ModelField {
        field: IMAGE_EMBEDDING.into(),
        model: "test".into(),
        digest: "d".into(),
        dimension: 3,
    }];
    let created = elastic
        .create_index(&index, &index_body(&models, &IndexOptions::default()))
        .await;
    assert!(created.expect("Elasticsearch is there"));
    (elastic, index)
}

pub(crate) fn item(index: &str, id: &str, version: i64, source: Option<Value>) -> BulkItem {
    BulkItem {
        index: index.into(),
        id: id.into(),
        version,
        source: source.map(|source| source.to_string().into_bytes().into()),
    }
}

pub(crate) async fn names(elastic: &Elastic, index: &str) -> Vec<(String, String)> {
    elastic
        .refresh(index)
        .await
        .expect("Elasticsearch is there");
    let body = json!({"query": {"match_all": {}}, "sort": ["image_id"], "size": 100});
    let answer = elastic.search(index, &body).await.expect("a search");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let hits = answer["hits"]["hits"].as_array().expect("hits").iter();
    hits.map(|hit| (text(&hit["_id"]), text(&hit["_source"]["image_name"])))
        .collect()
}

pub(crate) fn document(id: &str, name: &str) -> Option<Value> {
    Some(json!({"image_id": id, "image_name": name, "image_embedding": [3.0, 0.0, 4.0]}))
}

#[tokio::test]
async fn a_bulk_tells_the_outcome_of_each_item() {
    let world = World::new("elastic_bulk").await;
    let (elastic, index) = index(&world, "a").await;
    let first = [
        item(&index, "a", 5, document("a", "first")),
        item(&index, "b", 5, document("b", "first")),
        item(&index, "c", 5, document("c", "first")),
    ];
    let outcomes = elastic.bulk(&first).await.expect("Elasticsearch is there");
    assert_eq!(outcomes, vec![BulkOutcome::Written; 3]);

    let mut unknown_field = document("d", "bad").expect("a document");
    unknown_field["surprise"] = json!(1);
    let second = [
        item(&index, "a", 4, document("a", "stale")),
        item(&index, "b", 5, document("b", "again")),
        item(&index, "d", 1, Some(unknown_field)),
        item(&index, "c", 6, document("c", "newer")),
        item(
            &index,
            "e",
            1,
            Some(json!({"image_id": "e", "image_embedding": [1.0]})),
        ),
        item(&index, "f", 1, document("f", "first")),
        item(&index, "never", 1, None),
    ];
    let outcomes = elastic.bulk(&second).await.expect("Elasticsearch is there");
    // An older version is superseded; the same version again is written again, with the same.
    assert_eq!(outcomes[0], BulkOutcome::Superseded);
    assert_eq!(outcomes[1], BulkOutcome::Written);
    match &outcomes[2] {
        BulkOutcome::Conflict { reason } => {
            assert!(reason.contains("strict_dynamic_mapping"), "{reason}");
            assert!(reason.contains("surprise"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(outcomes[3], BulkOutcome::Written);
    assert!(matches!(outcomes[4], BulkOutcome::Conflict { .. }));
    assert_eq!(outcomes[5], BulkOutcome::Written);
    assert_eq!(outcomes[6], BulkOutcome::Superseded);

    let expected = [
        ("a", "first"),
        ("b", "again"),
        ("c", "newer"),
        ("f", "first"),
    ];
    let expected = expected.map(|(id, name)| (id.to_owned(), name.to_owned()));
    assert_eq!(names(&elastic, &index).await, expected);
    world.end().await;
}

#[tokio::test]
async fn a_deleted_document_stays_deleted_for_older_writes() {
    let world = World::new("elastic_delete").await;
    let (elastic, index) = index(&world, "a").await;
    for (item, expected) in [
        (
            item(&index, "a", 1, document("a", "first")),
            BulkOutcome::Written,
        ),
        (item(&index, "a", 3, None), BulkOutcome::Written),
        (
            item(&index, "a", 2, document("a", "late")),
            BulkOutcome::Superseded,
        ),
    ] {
        let outcomes = elastic.bulk(&[item]).await.expect("Elasticsearch is there");
        assert_eq!(outcomes, [expected]);
    }
    elastic
        .refresh(&index)
        .await
        .expect("Elasticsearch is there");
    assert_eq!(elastic.count(&index).await.expect("a count"), 0);
    world.end().await;
}

#[tokio::test]
async fn an_index_is_made_once_described_and_removed_once() {
    let world = World::new("elastic_index").await;
    let (elastic, index) = index(&world, "a").await;
    let again = elastic.create_index(&index, &json!({})).await;
    assert!(!again.expect("Elasticsearch is there"));
    let mapping = elastic
        .mapping(&index)
        .await
        .expect("an answer")
        .expect("a mapping");
    assert_eq!(mapping[&index]["mappings"]["dynamic"], "strict");
    assert_eq!(
        mapping[&index]["mappings"]["_meta"]["models"][0]["digest"],
        "d"
    );
    assert!(
        elastic
            .delete_index(&index)
            .await
            .expect("Elasticsearch is there")
    );
    assert!(
        !elastic
            .delete_index(&index)
            .await
            .expect("Elasticsearch is there")
    );
    assert_eq!(elastic.mapping(&index).await.expect("an answer"), None);
    world.end().await;
}

#[tokio::test]
async fn an_alias_moves_in_one_step_and_points_at_one_index() {
    let world = World::new("elastic_alias").await;
    let (elastic, first) = index(&world, "a").await;
    let (_, second) = index(&world, "b").await;
    let alias = world.name();
    assert_eq!(elastic.alias(alias).await.expect("an answer"), [""; 0]);
    for index in [&first, &second, &second, &first] {
        elastic.point_alias(alias, index).await.expect("moved");
        assert_eq!(
            elastic.alias(alias).await.expect("an answer"),
            [index.as_str()]
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_search_by_an_unnormalised_vector_answers_with_fields() {
    let world = World::new("elastic_knn").await;
    let (elastic, index) = index(&world, "a").await;
    elastic
        .point_alias(world.name(), &index)
        .await
        .expect("moved");
    let items = [item(&index, "a", 1, document("a", "first"))];
    elastic.bulk(&items).await.expect("Elasticsearch is there");
    elastic
        .refresh(&index)
        .await
        .expect("Elasticsearch is there");
    let body = json!({
        "knn": {"field": IMAGE_EMBEDDING, "k": 5, "num_candidates": 10, "query_vector": [30, 0, 40]},
        "fields": ["image_id", "image_name", "relative_path"],
    });
    let answer = elastic.search(world.name(), &body).await.expect("a search");
    let hit = &answer["hits"]["hits"][0];
    assert_eq!(hit["fields"]["image_name"], json!(["first"]));
    assert!(hit["_score"].as_f64().expect("a score") > 0.99);
    world.end().await;
}

#[tokio::test]
async fn versions_are_told_before_and_pages_after_a_refresh() {
    let world = World::new("elastic_versions").await;
    let (elastic, index) = index(&world, "a").await;
    let items = ["a", "b", "c"].map(|id| item(&index, id, 7, document(id, id)));
    elastic.bulk(&items).await.expect("Elasticsearch is there");
    let gone = [item(&index, "b", 8, None)];
    elastic.bulk(&gone).await.expect("Elasticsearch is there");
    let ids = ["a", "b", "never"].map(str::to_owned);
    let versions = elastic.versions(&index, &ids).await.expect("an answer");
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), [("a".into(), 7)]);
    let nowhere = elastic.versions("tusou-test-no-such-index", &ids).await;
    assert!(nowhere.is_err(), "{nowhere:?}");

    elastic
        .refresh(&index)
        .await
        .expect("Elasticsearch is there");
    let (first, next) = elastic.page(&index, None, 1).await.expect("a page");
    assert_eq!(first, [("a".to_owned(), 7)]);
    assert_eq!(next.as_deref(), Some("a"));
    let (second, next) = elastic.page(&index, Some("a"), 10).await.expect("a page");
    assert_eq!(second, [("c".to_owned(), 7)]);
    assert_eq!(next.as_deref(), Some("c"));
    let end = elastic.page(&index, Some("c"), 10).await.expect("a page");
    assert_eq!(end, (Vec::new(), None));
    world.end().await;
}
