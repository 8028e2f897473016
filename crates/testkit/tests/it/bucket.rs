//! The whole chain with its blobs in a bucket.

use std::path::Path;
use std::time::Duration;

use crate::backup::deploy;
use tusou_testkit::{Chain, Gallery, S3, Service, World, tusou, wait_until};

const PAGES: u32 = 12;
/// Every answer of the site takes this long, so that a crawl can be struck while it runs.
const DELAY: Duration = Duration::from_millis(40);
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn pictures_are_found_whose_blobs_lie_in_a_bucket_that_was_away() {
    let gallery = Gallery::open(PAGES, DELAY).await;
    let mut server = S3::start().await;
    let mut world = World::new("bucket").await;
    world.keep_blobs_in(&server);
    world.config.blobs.s3_timeout_ms = 1_000;
    let chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.stored(3).await;

    server.kill();
    wait_until(
        LIMIT,
        "the crawler to say that blobs are away",
        async || {
            let unwell = chain.crawler.unwell().await;
            unwell.iter().any(|part| part.contains("blobs.s3_endpoint"))
        },
    )
    .await;
    server.start_again().await;
    let status = chain.done().await;
    gallery.check(&chain.shown().await);
    assert_eq!(status["images"]["stored"], PAGES + 1, "{status:#}");
    assert_eq!(status["images"]["indexed"], PAGES + 1, "{status:#}");
    let queues = chain.world.queues().await;
    let dead = queues.iter().filter(|queue| queue.name.ends_with(".dead"));
    assert_eq!(dead.map(|queue| queue.ready).sum::<u64>(), 0);
    let folder = server.bucket().join(chain.world.name());
    assert!(folder.join("originals").is_dir() && folder.join("thumbnails").is_dir());

    // Thumbnails are served from there, and every row has its blob.
    let search = Service::spawn(&chain.world, "tusou-search").await;
    let id = *chain.shown().await.keys().next().expect("a picture");
    let url = search.url(&format!("/v1/images/{id}/thumbnail"));
    let client = reqwest::Client::builder().no_proxy().build();
    let asked = client.expect("a plain client").get(url).send().await;
    let answer = asked.expect("an answer");
    assert_eq!(answer.status(), 200);
    drop(search);
    let checked = tusou(&chain.world, &["gc", "--dry-run", "--json"]).await;
    assert!(checked.status.success(), "{checked:?}");
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!(checked["originals"]["looked_at"], PAGES + 1, "{checked:#}");

    // A back-up holds the rows, and says where the blobs are.
    let kept = tempfile::tempdir().expect("a folder");
    let backup = deploy("backup", &chain.world, &[kept.path()]).await;
    assert!(backup.status.success(), "{backup:?}");
    let said = String::from_utf8_lossy(&backup.stdout).into_owned();
    let bucket = format!("s3://pictures/{}", chain.world.name());
    assert!(
        said.contains(&bucket) && said.contains("NOT copied"),
        "{said}"
    );
    assert!(kept.path().join("database.dump").is_file() && !kept.path().join("blobs").exists());
    let blobs = chain.world.config.blobs.clone();
    chain.end().await;

    // Restored elsewhere, before the same bucket: each row has its blob, and an index is made of the rows.
    let mut world = World::new("bucket_restored").await;
    world.config.blobs = blobs;
    let options = [Path::new("--force"), Path::new("--new-index"), kept.path()];
    let restored = deploy("restore", &world, &options).await;
    assert!(restored.status.success(), "{restored:?}");
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(said.contains(&bucket), "{said}");
    let checked = tusou(&world, &["gc", "--dry-run", "--json"]).await;
    assert!(checked.status.success(), "{checked:?}");
    let chain = Chain::start(world).await;
    wait_until(LIMIT, "all to be brought right", async || {
        let repaired = tusou(&chain.world, &["reconcile", "--repair"]).await;
        repaired.status.success()
    })
    .await;
    chain.done().await;
    gallery.check(&chain.shown().await);

    // One that is lost is told by the same command.
    let original = folder.join(format!("originals/{}", &id.to_string()[..2]));
    std::fs::remove_dir_all(original).expect("an object's folder");
    let checked = tusou(&chain.world, &["gc", "--dry-run", "--json"]).await;
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    chain.end().await;
}
