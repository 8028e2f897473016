//! A back-up taken while the crawl runs, restored elsewhere: the whole is as it was, and goes on.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tusou_testkit::{Chain, Gallery, World, tusou, wait_until};

const PAGES: u32 = 40;
/// Every answer of the site takes this long, so that the back-up falls into the crawl.
const DELAY: Duration = Duration::from_millis(40);
/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `deploy/backup` or `deploy/restore` on a world's stores.
pub(crate) async fn deploy(program: &str, world: &World, arguments: &[&Path]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let mut command = Command::new(folder.join(program));
    command
        .args(arguments)
        .env("TUSOU_DATABASE_URL", &world.config.database.url)
        .env("TUSOU_BLOBS_URL", &world.config.blobs.url);
    let output = command.output().await;
    output.expect("the program is part of the checkout")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file of the back-up's copy of the blobs.
fn blobs(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the back-up has blobs") {
            let path = entry.expect("a folder that can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

#[tokio::test]
async fn a_back_up_of_a_running_crawl_is_restored_and_goes_on() {
    let gallery = Gallery::open(PAGES, DELAY).await;
    let chain = Chain::start(World::new("backup").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.stored(10).await;
    let kept = tempfile::tempdir().expect("a folder");
    let folder = kept.path();
    let output = deploy("backup", &chain.world, &[folder]).await;
    assert!(output.status.success(), "{}", said(&output));
    let first = blobs(folder).len();
    assert!(first >= 10, "{first} blobs");
    chain.done().await;
    gallery.check(&chain.shown().await);
    chain.end().await;

    let world = World::new("restore").await;
    let refused = deploy("restore", &world, &[folder]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("not empty"), "{}", said(&refused));
    let options = [Path::new("--force"), Path::new("--new-index"), folder];
    let output = deploy("restore", &world, &options).await;
    assert!(output.status.success(), "{}", said(&output));
    // Each row has its blob.
    let output = tusou(&world, &["gc", "--dry-run", "--json"]).await;
    assert!(output.status.success(), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["missing_originals"]["count"], 0, "{report:#}");
    assert_eq!(report["missing_thumbnails"]["count"], 0, "{report:#}");
    let looked_at = report["originals"]["looked_at"].as_u64();
    assert!(looked_at >= Some(10), "{report:#}");

    let chain = Chain::start(world).await;
    // While the crawl goes on, what waits for the encoder cannot be told from what is lost.
    wait_until(LIMIT, "all to be brought right", async || {
        let output = tusou(&chain.world, &["reconcile", "--repair"]).await;
        output.status.success()
    })
    .await;
    chain.done().await;
    gallery.check(&chain.shown().await);
    // What the back-up had is not fetched again.
    assert_eq!(gallery.site.hits("/"), 1);

    // A second back-up into the same folder takes what is new, and what it holds is all.
    let output = deploy("backup", &chain.world, &[folder]).await;
    assert!(output.status.success(), "{}", said(&output));
    let originals = blobs(folder)
        .iter()
        .filter(|file| file.starts_with(folder.join("blobs/originals")))
        .count();
    assert_eq!(originals, PAGES as usize + 1);
    chain.end().await;
}

#[tokio::test]
async fn a_broken_dump_leaves_the_database_as_it_was() {
    let world = World::new("restore_broken").await;
    let kept = tempfile::tempdir().expect("a folder");
    let folder = kept.path();
    std::fs::create_dir_all(folder.join("blobs")).expect("a folder");
    let add = "INSERT INTO seeds (url, scope_url, scope, max_depth, max_pages)
               VALUES ('http://a.test/', 'http://a.test/', 'host', 1, 1)";
    let added = sqlx::query(add).execute(world.pool()).await;
    added.expect("the row fits the schema");
    std::fs::create_dir_all(world.folder().join("blobs")).expect("a folder");
    let output = deploy("backup", &world, &[folder]).await;
    assert!(output.status.success(), "{}", said(&output));
    let dump = folder.join("database.dump");
    let whole = std::fs::read(&dump).expect("a dump");
    std::fs::write(&dump, &whole[..whole.len() - 200]).expect("written");
    let output = deploy("restore", &world, &[Path::new("--force"), folder]).await;
    assert!(!output.status.success());
    assert!(said(&output).contains("as it was"), "{}", said(&output));
    let seeds: i64 = sqlx::query_scalar("SELECT count(*) FROM seeds")
        .fetch_one(world.pool())
        .await
        .expect("the schema is there");
    assert_eq!(seeds, 1);
    world.end().await;
}
