//! Postgres against the index, broken on purpose in every way.

use std::time::Duration;

use serde_json::{Value, json};
use tusou_contract::{BlobKey, ImageFetched, ImageFormat, ImageId, Queue};
use tusou_platform::broker::Outgoing;
use tusou_platform::elastic::{BulkItem, BulkOutcome};
use tusou_testkit::{Chain, Gallery, World, pictures, tusou, wait_for, wait_until};

/// Runs `tusou reconcile --json`: its exit code and its report.
async fn reconcile(world: &World, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["reconcile", "--json", "--second-look", "1s"];
    arguments.extend(more);
    let output = tusou(world, &arguments).await;
    let report = serde_json::from_slice(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    (
        output.status.code(),
        report.unwrap_or_else(|_| panic!("{said}")),
    )
}

/// Writes past the indexer.
async fn write(world: &World, id: &ImageId, version: i64, source: Option<&Value>) {
    let alias = &world.config.elasticsearch.alias;
    let elastic = world.elastic();
    let indexes = elastic.alias(alias).await.expect("Elasticsearch answers");
    let item = BulkItem {
        index: indexes[0].clone(),
        id: id.to_string(),
        version,
        source: source.map(|source| source.to_string().into_bytes().into()),
    };
    let outcome = elastic.bulk(&[item]).await.expect("Elasticsearch answers");
    assert_eq!(outcome, [BulkOutcome::Written]);
}

/// What [`reconcile`] says once the broker counts no message: its counts are some seconds old, and
/// as many differences as it counts messages are held to be on their way. Only for what changes
/// nothing.
async fn reconcile_at_rest(world: &World, more: &[&str]) -> (Option<i32>, Value) {
    wait_for(
        Duration::from_secs(120),
        "the broker to count no message",
        async || {
            let said = reconcile(world, more).await;
            (said.1["queued"] == json!({})).then_some(said)
        },
    )
    .await
}

async fn execute(world: &World, statement: &'static str, id: &ImageId) {
    let done = sqlx::query(statement)
        .bind(&id.as_bytes()[..])
        .execute(world.pool())
        .await
        .expect("a plain statement");
    assert_eq!(done.rows_affected(), 1, "{statement}");
}

#[tokio::test]
async fn every_difference_is_found_and_repaired() {
    let gallery = Gallery::open(6, Duration::ZERO).await;
    let chain = Chain::start(World::new("reconcile").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    let world = &chain.world;
    let (code, report) = reconcile_at_rest(world, &[]).await;
    assert_eq!(
        (code, &report["differences"]),
        (Some(0), &json!(0)),
        "{report:#}"
    );
    assert_eq!(report["indexes"][0]["whole"], 7, "{report:#}");
    assert_eq!(report["indexes"][0]["documents"], 7, "{report:#}");

    let missing = ImageId::of(&pictures::jpeg(1));
    let stale = ImageId::of(&pictures::jpeg(2));
    let unencoded = ImageId::of(&pictures::jpeg(3));
    let foreign = ImageId::of(b"no picture");
    let documents = world.documents().await;
    let found = documents
        .iter()
        .find(|document| document.image_id == missing);
    write(world, &missing, found.expect("it was indexed").rev, None).await;
    execute(
        world,
        "UPDATE images SET rev = rev + 1 WHERE image_id = $1",
        &stale,
    )
    .await;
    execute(
        world,
        "DELETE FROM encodings WHERE image_id = $1",
        &unencoded,
    )
    .await;
    execute(
        world,
        "DELETE FROM embeddings WHERE image_id = $1",
        &unencoded,
    )
    .await;
    let mut copy = world.sources().await.swap_remove(0);
    copy["image_id"] = json!(foreign);
    write(world, &foreign, 1, Some(&copy)).await;

    for arguments in [&[][..], &["--repair", "--dry-run"]] {
        let (code, report) = reconcile_at_rest(world, arguments).await;
        assert_eq!(
            (code, &report["differences"]),
            (Some(1), &json!(5)),
            "{report:#}"
        );
        let index = &report["indexes"][0];
        assert_eq!(
            index["missing"],
            json!({"count": 1, "first": [missing]}),
            "{report:#}"
        );
        assert_eq!(
            index["stale"],
            json!({"count": 1, "first": [stale]}),
            "{report:#}"
        );
        assert_eq!(index["extra"]["count"], 2, "{report:#}");
        assert_eq!(index["false_claims"], 1, "{report:#}");
        assert_eq!(
            report["unencoded"],
            json!({"count": 1, "first": [unencoded]}),
            "{report:#}"
        );
        let owed: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
            .fetch_one(world.pool())
            .await
            .expect("a count");
        assert_eq!(owed, 0, "nothing was changed");
    }

    let (code, report) = reconcile(world, &["--repair"]).await;
    assert_eq!(code, Some(0), "{report:#}");
    // The one that is encoded again may be on its way, or right, before the index is looked at.
    let owed = report["owed"].as_u64();
    assert!(owed == Some(4) || owed == Some(5), "{report:#}");
    wait_until(
        Duration::from_secs(120),
        "the index to be as Postgres says",
        async || {
            let (code, report) = reconcile(world, &[]).await;
            code == Some(0) && report["differences"] == 0
        },
    )
    .await;
    chain.done().await;
    gallery.check(&chain.shown().await);
    chain.end().await;
}

#[tokio::test]
async fn what_waits_to_be_encoded_is_not_owed_again_and_what_cannot_be_is_named() {
    let world = World::new("reconcile_waits").await;
    let image_id = ImageId::of(b"waits");
    execute(
        &world,
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key)
         VALUES ($1, 'png', 1, 1, 5, 'originals/waits.png')",
        &image_id,
    )
    .await;
    let broker = world.broker().await;
    let waits = Outgoing::of(&ImageFetched {
        image_id,
        blob_key: BlobKey::original(&image_id, ImageFormat::Png),
        format: ImageFormat::Png,
    });
    let sent = broker.publish(&[waits]).await.expect("the broker answers");
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    wait_until(Duration::from_secs(60), "the message", async || {
        let ready = broker.ready(Queue::ImagesFetched.name()).await;
        ready.expect("the queue is there") == 1
    })
    .await;
    let (code, report) = reconcile(&world, &["--repair"]).await;
    assert_eq!(
        (code, &report["held_back"], &report["owed"]),
        (Some(1), &json!(1), &json!(0)),
        "{report:#}"
    );

    let mut images = broker
        .subscribe(Queue::ImagesFetched, 1)
        .await
        .expect("subscribed");
    let delivery = images.next().await.expect("the broker answers");
    delivery.ack().await.expect("acknowledged");
    // The management API's figures are a few seconds old.
    wait_until(
        Duration::from_secs(60),
        "the queue to be empty",
        async || {
            let (code, report) = reconcile(&world, &["--repair"]).await;
            code == Some(0) && report["owed"] == 1
        },
    )
    .await;
    execute(
        &world,
        "DELETE FROM outbox WHERE image_id = $1 AND queue = 'images.fetched'",
        &image_id,
    )
    .await;

    execute(
        &world,
        "UPDATE images SET original_dropped_at = now() WHERE image_id = $1",
        &image_id,
    )
    .await;
    let (code, report) = reconcile(&world, &["--repair"]).await;
    assert_eq!(
        (code, &report["beyond_repair"]["first"]),
        (Some(1), &json!([image_id])),
        "{report:#}"
    );
    world.end().await;
}

#[tokio::test]
async fn an_index_that_is_not_written_is_named() {
    let world = World::new("reconcile_name").await;
    let output = tusou(&world, &["reconcile", "--generation", "nobody's"]).await;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nobody's"), "{said}");
    world.end().await;
}
