//! Blobs without rows, and rows without blobs.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tusou_contract::{BlobKey, ImageFormat, ImageId};
use tusou_testkit::{World, tusou, wait_until};

const DAY: Duration = Duration::from_secs(86_400);

fn id(name: &str) -> ImageId {
    ImageId::of(name.as_bytes())
}

fn original(name: &str) -> BlobKey {
    BlobKey::original(&id(name), ImageFormat::Png)
}

fn thumbnail(name: &str) -> BlobKey {
    BlobKey::thumbnail(&id(name))
}

fn file(world: &World, key: &str) -> PathBuf {
    world.folder().join("blobs").join(key)
}

/// Makes a file two days old.
fn age(path: &Path) {
    let opened = std::fs::File::options().write(true).open(path);
    let then = SystemTime::now() - 2 * DAY;
    opened
        .and_then(|file| file.set_modified(then))
        .expect("a file of this user");
}

/// Stores a blob that is two days old.
async fn store(world: &World, key: &BlobKey) {
    let bytes = b"bytes".to_vec().into();
    world.blobs().put(key, bytes).await.expect("stored");
    age(&file(world, key.as_str()));
}

async fn execute(world: &World, statement: &'static str, name: &str, key: Option<&BlobKey>) {
    sqlx::query(statement)
        .bind(&id(name).as_bytes()[..])
        .bind(key.map(BlobKey::as_str))
        .execute(world.pool())
        .await
        .expect("the row fits the schema");
}

/// An image's row, whose original is where it belongs.
async fn row(world: &World, name: &str) {
    let statement = "INSERT INTO images (image_id, format, width, height, bytes, blob_key)
                     VALUES ($1, 'png', 1, 1, 5, $2)";
    execute(world, statement, name, Some(&original(name))).await;
}

async fn encoded(world: &World, name: &str, thumbnail: Option<&BlobKey>) {
    let statement = "INSERT INTO encodings (image_id, thumbnail_key) VALUES ($1, $2)";
    execute(world, statement, name, thumbnail).await;
}

async fn gc(world: &World, more: &[&str]) -> Value {
    gc_ends(world, 0, more).await
}

/// With this exit code: 1 where a row is still without its blob.
async fn gc_ends(world: &World, code: i32, more: &[&str]) -> Value {
    let mut arguments = vec!["gc", "--json"];
    arguments.extend(more);
    let output = tusou(world, &arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test]
async fn old_blobs_without_a_row_go_and_all_others_stay() {
    let world = World::new("gc_sweep").await;
    let mut stay = Vec::new();
    let mut go = Vec::new();
    // With a row.
    row(&world, "kept").await;
    stay.push(original("kept"));
    // Its original was dropped by retention: a blob that is there all the same is nobody's.
    row(&world, "dropped").await;
    let drop =
        "UPDATE images SET original_dropped_at = now() WHERE image_id = $1 AND $2::text IS NULL";
    execute(&world, drop, "dropped", None).await;
    go.push(original("dropped"));
    go.push(original("orphan"));
    // A thumbnail is stored before the outcome of its encoding has come.
    encoded(&world, "dropped", Some(&thumbnail("dropped"))).await;
    stay.push(thumbnail("kept"));
    stay.push(thumbnail("dropped"));
    go.push(thumbnail("orphan"));
    row(&world, "failed").await;
    stay.push(original("failed"));
    encoded(&world, "failed", None).await;
    go.push(thumbnail("failed"));
    for key in stay.iter().chain(&go) {
        store(&world, key).await;
    }
    // Its row may be on the way.
    let young = original("young");
    let bytes = b"bytes".to_vec().into();
    world.blobs().put(&young, bytes).await.expect("stored");
    stay.push(young);
    // What an interrupted run set aside, and a row claims by now.
    row(&world, "aside").await;
    store(&world, &original("aside")).await;
    let aside = world
        .blobs()
        .set_aside(&original("aside"), SystemTime::now())
        .await;
    assert!(aside.expect("set aside"));
    // A file of somebody else, and a write that was broken off.
    let foreign = file(&world, "originals/README.md");
    std::fs::write(&foreign, b"hands off").expect("written");
    age(&foreign);
    let part = file(&world, original("kept").as_str()).with_extension("png#1");
    std::fs::write(&part, b"by").expect("written");
    age(&part);

    // Nothing is brought back by a dry run, so that one is still missing.
    let dry = gc_ends(&world, 1, &["--dry-run"]).await;
    assert_eq!(dry["originals"]["without_row"], 2, "{dry:#}");
    assert_eq!(dry["thumbnails"]["without_row"], 2, "{dry:#}");
    assert_eq!(dry["originals"]["bytes"], 12, "{dry:#}");
    for key in stay.iter().chain(&go) {
        assert!(world.blobs().exists(key).await.expect("an answer"), "{key}");
    }
    assert!(part.exists());

    let done = gc(&world, &["--second-look", "0s"]).await;
    let expected = json!({
        "looked_at": 7, "young": 1, "without_row": 2, "brought_back": 1, "removed": 2, "bytes": 12,
        "unfinished": 1, "foreign": 1,
    });
    assert_eq!(done["originals"], expected, "{done:#}");
    assert_eq!(done["thumbnails"]["removed"], 2, "{done:#}");
    assert_eq!(done["missing_originals"]["count"], 0, "{done:#}");
    stay.push(original("aside"));
    for key in &stay {
        assert!(world.blobs().exists(key).await.expect("an answer"), "{key}");
    }
    for key in &go {
        assert!(
            !world.blobs().exists(key).await.expect("an answer"),
            "{key}"
        );
        let aside = file(&world, &format!("trash/{key}"));
        assert!(!aside.exists(), "{}", aside.display());
    }
    assert!(foreign.exists() && !part.exists());

    let again = gc(&world, &["--second-look", "0s"]).await;
    assert_eq!(again["originals"]["removed"], 0, "{again:#}");
    world.end().await;
}

#[tokio::test]
async fn a_row_that_comes_meanwhile_brings_its_blob_back() {
    let world = World::new("gc_second_look").await;
    let key = original("late");
    store(&world, &key).await;
    let aside = file(&world, &format!("trash/{key}"));
    let arguments = ["--second-look", "10s"];
    let (report, ()) = tokio::join!(gc(&world, &arguments), async {
        wait_until(
            Duration::from_secs(60),
            "the blob to be set aside",
            async || aside.exists(),
        )
        .await;
        row(&world, "late").await;
    });
    assert_eq!(report["originals"]["brought_back"], 1, "{report:#}");
    assert_eq!(report["originals"]["removed"], 0, "{report:#}");
    assert!(world.blobs().exists(&key).await.expect("an answer"));
    assert!(!aside.exists());
    world.end().await;
}

#[tokio::test]
async fn rows_without_blobs_are_reported_and_repaired() {
    let world = World::new("gc_missing").await;
    // One that an address leads to, and one that was imported.
    for name in ["fetched", "imported", "whole"] {
        row(&world, name).await;
    }
    let url = "WITH host AS (INSERT INTO hosts (origin) VALUES ('http://a.test') RETURNING host_id)
               INSERT INTO image_urls (host_id, url, state, attempts, image_id)
               SELECT host_id, 'http://a.test/a.png', 'done', 3, $1 FROM host WHERE $2::text IS NULL";
    execute(&world, url, "fetched", None).await;
    // Its thumbnail is gone, its original is not.
    store(&world, &original("whole")).await;
    encoded(&world, "whole", Some(&thumbnail("whole"))).await;

    for arguments in [&[][..], &["--repair", "--dry-run"]] {
        let found = gc_ends(&world, 1, arguments).await;
        assert_eq!(found["missing_originals"]["count"], 2, "{found:#}");
        let mut first = [id("fetched"), id("imported")];
        first.sort();
        assert_eq!(
            found["missing_originals"]["first"],
            json!(first),
            "{found:#}"
        );
        assert_eq!(found["missing_thumbnails"]["first"], json!([id("whole")]));
        let changed: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM image_urls WHERE state = 'due')",
        )
        .fetch_one(world.pool())
        .await
        .expect("a count");
        assert_eq!(changed, 0);
    }
    // Repeated, it does the same once.
    for _ in 0..2 {
        let repaired = gc_ends(&world, 1, &["--repair"]).await;
        assert_eq!(repaired["missing_originals"]["repaired"], 1, "{repaired:#}");
        assert_eq!(
            repaired["missing_originals"]["beyond_repair"], 1,
            "{repaired:#}"
        );
        assert_eq!(
            repaired["missing_thumbnails"]["repaired"], 1,
            "{repaired:#}"
        );
        let due: (String, i32, bool) = sqlx::query_as(
            "SELECT state::text, attempts, next_due_at IS NOT NULL FROM image_urls JOIN hosts USING (host_id)",
        )
        .fetch_one(world.pool())
        .await
        .expect("one address");
        assert_eq!(due, ("due".to_owned(), 0, true));
        let owed: Vec<(String, Vec<u8>)> = sqlx::query_as("SELECT queue, image_id FROM outbox")
            .fetch_all(world.pool())
            .await
            .expect("the outbox");
        let expected = (
            "images.reencode".to_owned(),
            id("whole").as_bytes().to_vec(),
        );
        assert_eq!(owed, [expected]);
    }
    world.end().await;
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_and_a_second_collection_are_refused() {
    let world = World::new("gc_refused").await;
    row(&world, "picture").await;
    let output = tusou(&world, &["gc", "--repair"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&world.config.blobs.url), "{said}");

    store(&world, &original("picture")).await;
    let mut other = world.pool().acquire().await.expect("a connection");
    // The lock of `tusou gc`.
    sqlx::query("SELECT pg_advisory_lock(26467)")
        .execute(&mut *other)
        .await
        .expect("a lock");
    let output = tusou(&world, &["gc"]).await;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("another `tusou gc`"), "{said}");
    sqlx::query("SELECT pg_advisory_unlock(26467)")
        .execute(&mut *other)
        .await
        .expect("the lock is ours");
    drop(other);
    assert_eq!(gc(&world, &[]).await["originals"]["looked_at"], 1);
    world.end().await;
}
