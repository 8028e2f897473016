//! What `tusou index` says and refuses, with an index that an indexer made.

use std::process::Output;

use serde_json::Value;
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
