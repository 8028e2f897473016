//! Folders of pictures, against the real Postgres and blobs, and without services.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use tusou_contract::{BlobKey, ImageFormat, ImageId};
use tusou_testkit::{World, pictures};

use super::ran::{fails, says};

struct Folder<'w> {
    world: &'w World,
    path: PathBuf,
}

impl<'w> Folder<'w> {
    fn new(world: &'w World) -> Self {
        let path = world.folder().join("pictures");
        fs::create_dir_all(path.join("sub")).expect("it can be made");
        Self { world, path }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path.join(name), bytes).expect("it can be written");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path.join(name)).expect("it was there");
    }

    async fn import(&self, more: &[&str]) -> Value {
        let path = self.path.to_str().expect("the world's folder is UTF-8");
        let arguments = [&["import", "--json", path], more].concat();
        let said = says(self.world, &arguments).await;
        serde_json::from_str(&said).expect("it prints JSON")
    }

    async fn import_fails(&self, more: &[&str]) -> String {
        let path = self.path.to_str().expect("the world's folder is UTF-8");
        fails(self.world, &[&["import", path], more].concat())
            .await
            .1
    }
}

fn id(number: u32) -> ImageId {
    ImageId::of(&pictures::png(number))
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

/// Paths and live sightings, by image.
async fn shown(world: &World, id: ImageId) -> (Option<String>, i64) {
    sqlx::query_as(
        "SELECT relative_path, (SELECT count(*) FROM sightings
                                WHERE sightings.image_id = images.image_id AND gone_since IS NULL)
         FROM images WHERE image_id = $1",
    )
    .bind(&id.as_bytes()[..])
    .fetch_one(world.pool())
    .await
    .expect("the image is there")
}

fn counts(report: &Value) -> [&Value; 6] {
    ["files", "new", "changed", "unchanged", "gone", "others"].map(|key| &report[key])
}

#[tokio::test]
async fn a_folder_is_taken_in_once_and_followed_from_then_on() {
    let mut world = World::new("import").await;
    world.config.crawler.max_image_bytes = 20_000;
    let world = world;
    let folder = Folder::new(&world);
    folder.write("b.png", &pictures::png(1));
    folder.write("sub/a.png", &pictures::png(1));
    folder.write("sub/图.png", &pictures::png(2));
    folder.write("000.png", &pictures::png(3));
    folder.write("000.txt", b"a red\nkite");
    folder.write("000.json", b"{}");
    folder.write("broken.png", &pictures::png(4)[..20]);
    folder.write("large.png", &[&pictures::png(5)[..], &[0; 20_000]].concat());
    folder.write(".hidden.png", &pictures::png(6));
    symlink("b.png", folder.path.join("link.png")).expect("a link can be made");

    let dry = folder.import(&["--dry-run"]).await;
    assert_eq!(
        counts(&dry),
        [
            &json!(8),
            &json!(4),
            &json!(0),
            &json!(0),
            &json!(0),
            &json!(2)
        ]
    );
    assert_eq!(
        count(&world, "SELECT count(*) FROM pages").await,
        0,
        "a dry run changes nothing"
    );

    let report = folder.import(&[]).await;
    assert_eq!(counts(&report), counts(&dry), "{report:#}");
    assert_eq!(report["images"], 3);
    assert_eq!(report["failed"], json!({"bad_header": 1, "too_large": 1}));
    assert_eq!(report["left"], json!({"hidden": 1, "link": 1}));
    assert_eq!(shown(&world, id(1)).await, (Some("b.png".into()), 2));
    assert_eq!(shown(&world, id(2)).await, (Some("sub/图.png".into()), 1));
    let words = "SELECT count(*) FROM sightings WHERE caption = 'a red kite' AND context ->> 'found_by' = 'folder'";
    assert_eq!(count(&world, words).await, 1);
    let key = BlobKey::original(&id(3), ImageFormat::Png);
    assert!(
        world
            .blobs()
            .exists(&key)
            .await
            .expect("the blobs are there")
    );
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM outbox WHERE queue = 'images.fetched'"
        )
        .await,
        3
    );
    let due = "SELECT count(*) FROM image_urls WHERE state = 'due' OR revisit_at IS NOT NULL";
    assert_eq!(count(&world, due).await, 0, "no crawler asks for a file");

    // Nothing has changed: nothing is written.
    let rows = "SELECT sum(rev)::bigint + (SELECT count(*) FROM outbox) + (SELECT sum(attempts) FROM image_urls) FROM images";
    let before = count(&world, rows).await;
    let same = folder.import(&[]).await;
    assert_eq!(
        counts(&same),
        [
            &json!(8),
            &json!(0),
            &json!(0),
            &json!(4),
            &json!(0),
            &json!(2)
        ]
    );
    assert_eq!(same["failed"], report["failed"]);
    assert_eq!(count(&world, rows).await, before);

    // One goes, one changes, words change, a broken one is mended.
    sqlx::raw_sql("DELETE FROM outbox")
        .execute(world.pool())
        .await
        .expect("rows");
    folder.remove("b.png");
    folder.write("sub/图.png", &pictures::png(7));
    folder.write("000.txt", b"a blue kite");
    folder.write("broken.png", &pictures::png(4));
    let report = folder.import(&[]).await;
    assert_eq!(
        counts(&report),
        [
            &json!(7),
            &json!(0),
            &json!(3),
            &json!(1),
            &json!(1),
            &json!(2)
        ],
        "{report:#}"
    );
    assert_eq!(shown(&world, id(1)).await, (Some("sub/a.png".into()), 1));
    assert_eq!(shown(&world, id(2)).await.1, 0, "other bytes lie there now");
    assert_eq!(shown(&world, id(7)).await, (Some("sub/图.png".into()), 1));
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM sightings WHERE caption = 'a blue kite'"
        )
        .await,
        1
    );
    let owed = "SELECT count(*) FROM outbox WHERE queue = 'images.changed'";
    assert_eq!(
        count(&world, owed).await,
        3,
        "the one that lost a file, the one that lost its place, the one of other words"
    );

    // It comes back.
    folder.write("b.png", &pictures::png(1));
    let report = folder.import(&[]).await;
    assert_eq!(
        (&report["new"], &report["images"]),
        (&json!(1), &json!(0)),
        "{report:#}"
    );
    assert_eq!(shown(&world, id(1)).await, (Some("b.png".into()), 2));
    let said = says(&world, &["seed", "lists"]).await;
    assert!(said.contains("pictures  folder     8"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn what_is_removed_stays_out_and_what_is_lost_comes_back() {
    let world = World::new("import_removed").await;
    let folder = Folder::new(&world);
    for number in 1..4 {
        folder.write(&format!("{number}.png"), &pictures::png(number));
    }
    folder.import(&[]).await;
    let subject = id(1).to_string();
    let said = says(&world, &["forget", &subject, "--yes"]).await;
    assert!(said.contains("1 pictures"), "{said}");
    let report = folder.import(&[]).await;
    assert_eq!(
        (&report["removed"], &report["unchanged"]),
        (&json!(1), &json!(2)),
        "{report:#}"
    );
    let key = BlobKey::original(&id(1), ImageFormat::Png);
    says(&world, &["forget", &subject, "--yes"]).await;
    assert!(
        !world
            .blobs()
            .exists(&key)
            .await
            .expect("the blobs are there")
    );
    says(&world, &["forget", "undo", &subject]).await;
    let report = folder.import(&[]).await;
    assert_eq!(
        (&report["changed"], &report["images"]),
        (&json!(1), &json!(1)),
        "{report:#}"
    );
    assert!(
        world
            .blobs()
            .exists(&key)
            .await
            .expect("the blobs are there")
    );

    // A lost original: nothing fetches it, its folder brings it.
    let lost = BlobKey::original(&id(2), ImageFormat::Png);
    world
        .blobs()
        .delete(&lost)
        .await
        .expect("the blobs are there");
    let said = fails(
        &world,
        &["gc", "--repair", "--grace", "1h", "--second-look", "0s"],
    )
    .await
    .1;
    assert!(said.contains("import their folders again"), "{said}");
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM image_urls WHERE state = 'due'"
        )
        .await,
        0
    );
    let report = folder.import(&[]).await;
    assert_eq!(
        (&report["changed"], &report["unchanged"]),
        (&json!(1), &json!(2)),
        "{report:#}"
    );
    says(&world, &["gc", "--grace", "1h", "--second-look", "0s"]).await;
    world.end().await;
}

#[tokio::test]
async fn a_folder_that_is_not_mounted_or_is_another_one_takes_nothing_away() {
    let world = World::new("import_mount").await;
    let folder = Folder::new(&world);
    folder.write("1.png", &pictures::png(1));
    folder.write("sub/2.png", &pictures::png(2));
    folder.import(&[]).await;
    // What is not looked into is not gone.
    let report = folder.import(&["--depth", "0"]).await;
    assert_eq!(
        (&report["gone"], &report["left"]),
        (&json!(0), &json!({"depth": 1}))
    );

    let elsewhere = world.folder().join("elsewhere");
    fs::rename(&folder.path, &elsewhere).expect("it can be moved");
    let empty = Folder::new(&world);
    let said = empty.import_fails(&[]).await;
    assert!(
        said.contains("mounted") && said.contains("--empty"),
        "{said}"
    );
    let moved = Folder {
        world: &world,
        path: elsewhere,
    };
    let said = moved.import_fails(&["--name", "pictures"]).await;
    assert!(
        said.contains("--moved") && said.contains("--name"),
        "{said}"
    );
    let report = moved.import(&["--name", "pictures", "--moved"]).await;
    assert_eq!(
        (&report["unchanged"], &report["gone"]),
        (&json!(2), &json!(0)),
        "{report:#}"
    );
    let said = empty.import_fails(&["--empty"]).await;
    assert!(said.contains("--moved"), "{said}");
    let report = empty.import(&["--empty", "--moved"]).await;
    assert_eq!(report["gone"], 2);
    let (_, said) = fails(&world, &["import", "/nowhere/at/all"]).await;
    assert!(said.contains("/nowhere/at/all"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn an_import_waits_while_the_outbox_is_full() {
    let mut world = World::new("import_outbox").await;
    world.config.crawler.outbox_limit = 64;
    let world = world;
    let folder = Folder::new(&world);
    for number in 0..200 {
        folder.write(&format!("{number}.png"), &pictures::png(number));
    }
    // A relay of our own, that takes what there is.
    let pool = world.pool().clone();
    let relay = tokio::spawn(async move {
        let mut most = 0;
        loop {
            let (waiting, images): (i64, i64) = sqlx::query_as(
                "WITH gone AS (DELETE FROM outbox RETURNING 1)
                 SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM images)",
            )
            .fetch_one(&pool)
            .await
            .expect("the world's database answers");
            most = most.max(waiting);
            if images == 200 {
                return most;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let report = folder.import(&[]).await;
    assert_eq!(report["new"], 200);
    let most = relay.await.expect("the relay ends");
    assert!(most <= 128, "{most} messages waited");
    world.end().await;
}
