//! What `tusou index` says and refuses, with an index that an indexer made.

use std::process::Output;

use serde_json::{Value, json};
use tusou_platform::elastic::{BulkItem, BulkOutcome};
use tusou_testkit::{Service, World, tusou};

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

async fn list(world: &World) -> Vec<Value> {
    let output = tusou(world, &["index", "list", "--json"]).await;
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

#[tokio::test]
async fn every_refusal_names_its_remedy() {
    let world = World::new("cli_index").await;
    let none = tusou(&world, &["index", "list"]).await;
    assert!(
        said(&none).contains("there is no index yet"),
        "{}",
        said(&none)
    );
    let nothing = tusou(&world, &["index", "migrate"]).await;
    assert!(!nothing.status.success());
    assert!(
        said(&nothing).contains("tusou index create"),
        "{}",
        said(&nothing)
    );

    let indexer = Service::spawn(&world, "tusou-indexer").await;
    let first = list(&world).await.remove(0);
    let name = first["index"].as_str().expect("it has a name").to_owned();
    assert_eq!(
        (&first["state"], &first["searched"], &first["documents"]),
        (&"live".into(), &true.into(), &0.into()),
        "{first}"
    );
    for (args, remedy) in [
        (&["index", "drop", &name][..], "tusou index migrate OTHER"),
        (&["index", "drop", "nobody"], "tusou index list"),
        (&["index", "rollback"], "tusou index list"),
        (&["index", "verify", "nobody"], &name),
    ] {
        let refused = tusou(&world, args).await;
        assert!(!refused.status.success(), "{args:?}");
        assert!(
            said(&refused).contains(remedy),
            "{args:?}: {}",
            said(&refused)
        );
    }

    let dry = tusou(
        &world,
        &["index", "create", "--type", "bbq_hnsw", "--dry-run"],
    )
    .await;
    assert!(dry.status.success(), "{}", said(&dry));
    assert_eq!(list(&world).await.len(), 1, "a dry run makes nothing");
    let made = tusou(&world, &["index", "create", "--type", "bbq_hnsw"]).await;
    assert!(made.status.success(), "{}", said(&made));
    // Nothing is crawled yet: an empty index is whole, and searches may ask it.
    let moved = tusou(&world, &["index", "migrate"]).await;
    assert!(moved.status.success(), "{}", said(&moved));
    let both = list(&world).await;
    assert!(
        both.iter().all(|index| index["state"] == "live"),
        "{both:?}"
    );
    assert_eq!(both[1]["searched"], true);
    assert!(both[1]["verified_at"].is_string());
    a_foreign_document_is_named(&world, &both[1]).await;
    an_index_that_lacks_images_is_not_gone_back_to(&world, &name).await;
    let dropped = tusou(&world, &["index", "drop", &name]).await;
    assert!(dropped.status.success(), "{}", said(&dropped));
    // Safe to repeat.
    let again = tusou(&world, &["index", "drop", &name]).await;
    assert!(again.status.success(), "{}", said(&again));
    let retired = tusou(&world, &["index", "verify", &name]).await;
    assert!(said(&retired).contains("was dropped"), "{}", said(&retired));
    drop(indexer);
    world.end().await;
}

/// It neither ends a walk over the index nor passes for a document of ours.
async fn a_foreign_document_is_named(world: &World, index: &Value) {
    let index = index["index"].as_str().expect("it has a name");
    let elastic = world.elastic();
    let document = |version, source: Option<Value>| BulkItem {
        index: index.to_owned(),
        id: "nobody's".to_owned(),
        version,
        source: source.map(|source| source.to_string().into_bytes().into()),
    };
    let put = [document(1, Some(json!({"image_id": "0"})))];
    let written = elastic.bulk(&put).await.expect("Elasticsearch answers");
    assert_eq!(written, [BulkOutcome::Written]);
    let found = tusou(world, &["index", "verify", index]).await;
    assert_eq!(found.status.code(), Some(1));
    assert!(
        said(&found).contains("1 documents are of no image"),
        "{}",
        said(&found)
    );
    let arguments = ["reconcile", "--repair", "--json", "--second-look", "1s"];
    let found = tusou(world, &arguments).await;
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    let report: Value = serde_json::from_slice(&found.stdout).expect("it prints JSON");
    let foreign = report["indexes"].as_array().expect("a list").iter();
    let foreign: u64 = foreign.filter_map(|index| index["foreign"].as_u64()).sum();
    assert_eq!(foreign, 1, "{report:#}");
    let gone = elastic.bulk(&[document(2, None)]).await;
    assert_eq!(gone.expect("Elasticsearch answers"), [BulkOutcome::Written]);
    let whole = tusou(world, &["index", "verify", index]).await;
    assert!(whole.status.success(), "{}", said(&whole));
}

async fn an_index_that_lacks_images_is_not_gone_back_to(world: &World, earlier: &str) {
    let dry = ["index", "rollback", "--dry-run"];
    let would = tusou(world, &dry).await;
    assert!(would.status.success(), "{}", said(&would));
    let only_the_present_one_holds_it = "
        INSERT INTO images (image_id, format, width, height, bytes, blob_key)
        VALUES (sha256('x'), 'png', 1, 1, 5, 'originals/x.png');
        INSERT INTO indexed (generation_id, image_id, rev)
        SELECT max(generation_id), sha256('x'), 1 FROM generations;";
    let done = sqlx::raw_sql(only_the_present_one_holds_it)
        .execute(world.pool())
        .await;
    done.expect("the rows fit the schema");
    for arguments in [&dry[..], &dry[..2]] {
        let refused = tusou(world, arguments).await;
        assert_eq!(refused.status.code(), Some(1));
        let remedy = format!("tusou index rebuild {earlier}");
        assert!(said(&refused).contains(&remedy), "{}", said(&refused));
    }
}
