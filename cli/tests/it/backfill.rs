//! What one model has not made: counted, owed to the encoder, and not owed twice.

use std::path::Path;

use serde_json::{Value, json};
use tusou_contract::{PackManifest, Queue};
use tusou_testkit::{World, tusou};

/// Five pictures: one with a score, one that the model failed for, one that another pack scored, one that
/// could not be decoded, and one that nothing was said of.
const ROWS: &str = "
    INSERT INTO images (image_id, format, width, height, bytes, blob_key)
        SELECT sha256(n::text::bytea), 'png', 1, 1, 1, 'originals/' || n || '.png' FROM generate_series(1, 5) AS n;
    INSERT INTO encodings (image_id, nsfw, nsfw_digest, failure) VALUES
        (sha256('1'), 0.5, DIGEST, NULL), (sha256('2'), NULL, NULL, NULL), (sha256('3'), 0.5, 'another', NULL),
        (sha256('4'), NULL, NULL, 'decode_failed');
    INSERT INTO model_failures (image_id, digest, model, reason) VALUES (sha256('2'), DIGEST, 'scores', 'not_finite');
";

fn write_pack(folder: &Path, name: &str, digit: char, keys: &str) -> String {
    let sha256 = digit.to_string().repeat(64);
    let text = format!(
        r#"{{"name":"{name}","dimension":2,"files":{{"visual/model.onnx":"{sha256}"}}{keys}}}"#
    );
    std::fs::create_dir_all(folder).expect("the world's folder can be written");
    std::fs::write(folder.join("pack.json"), &text).expect("the world's folder can be written");
    let pack = PackManifest::from_json(text.as_bytes());
    pack.expect("the pack is whole").digest()
}

async fn backfill(world: &World, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["reconcile", "--json", "--model", "scores"];
    arguments.extend(more);
    let output = tusou(world, &arguments).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout);
    (
        output.status.code(),
        report.unwrap_or_else(|_| panic!("{said}")),
    )
}

async fn owed(world: &World) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox WHERE queue = 'images.reencode'")
        .fetch_one(world.pool())
        .await
        .expect("a count")
}

#[tokio::test]
async fn what_a_model_lacks_is_owed_once() {
    let mut world = World::new("backfill").await;
    let folders = ["first", "scores"].map(|name| world.folder().join(name));
    write_pack(&folders[0], "first", 'a', "");
    let score = r#","visual":{"score":{"field":"nsfw","column":1}}"#;
    let digest = write_pack(&folders[1], "scores", 'b', score);
    world.config.models.packs = folders.to_vec();
    let rows = ROWS.replace("DIGEST", &format!("'{digest}'"));
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows))
        .execute(world.pool())
        .await
        .expect("the rows fit the schema");
    let broker = world.broker().await;

    let (code, report) = backfill(&world, &[]).await;
    assert_eq!(
        (code, &report["made"], &report["lacking"]["count"]),
        (Some(1), &json!(1), &json!(1)),
        "{report:#}"
    );
    assert_eq!(report["failed"], json!({"not_finite": 1}), "{report:#}");
    let (code, report) = backfill(&world, &["--repair", "--dry-run"]).await;
    assert_eq!((code, &report["owed"]), (Some(1), &json!(1)), "{report:#}");
    assert_eq!(owed(&world).await, 0, "a dry run owes nothing");
    for (again, more) in [(1, &["--repair"][..]), (2, &["--repair", "--failed"])] {
        let (code, report) = backfill(&world, more).await;
        assert_eq!((code, &report["owed"]), (Some(0), &json!(1)), "{report:#}");
        assert_eq!(owed(&world).await, again);
    }
    let (code, report) = backfill(&world, &["--repair", "--failed"]).await;
    assert_eq!(
        (code, &report["owed"], &report["on_their_way"]),
        (Some(0), &json!(0), &json!(2)),
        "{report:#}"
    );

    let status = tusou(&world, &["status", "--json"]).await;
    let status: Value = serde_json::from_slice(&status.stdout).expect("it prints JSON");
    let models = status["models"].as_array().expect("a list");
    let of = |name: &str| {
        let mut models = models.iter();
        let model = models.find(|model| model["model"] == name);
        let model = model.expect("it is in use");
        ["field", "made", "lacking", "failed", "scores", "indexed"].map(|key| model[key].clone())
    };
    assert_eq!(
        of("first"),
        [
            json!("image_embedding"),
            json!(0),
            json!(3),
            json!({}),
            json!(false),
            json!(false)
        ]
    );
    assert_eq!(
        of("scores"),
        [
            json!("nsfw"),
            json!(1),
            json!(1),
            json!({"not_finite": 1}),
            json!(true),
            json!(true)
        ]
    );

    // While an earlier back-fill waits, nothing is owed a second time.
    sqlx::query("DELETE FROM outbox")
        .execute(world.pool())
        .await
        .expect("the outbox can be emptied");
    let waits = tusou_platform::broker::Outgoing {
        queue: Queue::ImagesReencode,
        id: "waits".into(),
        body: b"{}".to_vec(),
        trace: None,
    };
    let sent = broker.publish(&[waits]).await.expect("the broker answers");
    assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    let (code, report) = backfill(&world, &["--repair"]).await;
    assert_eq!(
        (code, &report["owed"], &report["held_back"]),
        (Some(1), &json!(0), &json!(1)),
        "{report:#}"
    );

    let nobody = tusou(&world, &["reconcile", "--model", "nobody"]).await;
    assert_eq!(nobody.status.code(), Some(2));
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(said.contains("first, scores"), "{said}");
    world.end().await;
}
