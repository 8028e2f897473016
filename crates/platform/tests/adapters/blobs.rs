//! Blobs on the file system.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tempfile::TempDir;
use tusou_contract::{BlobKey, Disposition, ImageFormat, ImageId, Verdict};
use tusou_platform::blobs::{BlobError, BlobStore, Listing};
use tusou_platform::config::Blobs;

const HOUR: Duration = Duration::from_secs(3_600);

fn store(folder: &Path) -> BlobStore {
    store_that_keeps(folder, 0)
}

fn store_that_keeps(folder: &Path, min_free_bytes: u64) -> BlobStore {
    let config = Blobs {
        url: format!("file://{}/not made yet", folder.display()),
        min_free_bytes,
        ..Blobs::default()
    };
    BlobStore::open(&config).expect("the folder can be made")
}

fn file(folder: &Path, key: &BlobKey) -> PathBuf {
    folder.join("not made yet").join(key.as_str())
}

/// Makes a file an hour old.
fn age(path: &Path) {
    let opened = std::fs::File::options().write(true).open(path);
    let hour_ago = SystemTime::now() - HOUR;
    opened
        .and_then(|file| file.set_modified(hour_ago))
        .expect("a file of this user");
}

async fn listed(mut listing: Listing) -> Vec<(BlobKey, u64)> {
    let mut found = Vec::new();
    while let Some(page) = listing.next().await.expect("the folder can be read") {
        found.extend(page.blobs.into_iter().map(|blob| (blob.key, blob.bytes)));
    }
    found
}

fn key(bytes: &[u8]) -> BlobKey {
    BlobKey::original(&ImageId::of(bytes), ImageFormat::Png)
}

#[tokio::test]
async fn bytes_come_back_as_they_were_put() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let (first, second) = (Bytes::from_static(b"one"), Bytes::from_static(b""));
    // Before its first blob nobody can tell whether it is a store.
    let other = Bytes::from_static(b"other");
    blobs.put(&key(&other), other).await.expect("stored");
    for bytes in [&first, &second] {
        assert!(!blobs.exists(&key(bytes)).await.expect("an answer"));
        assert_eq!(blobs.get(&key(bytes), 9).await.expect("an answer"), None);
        blobs.put(&key(bytes), bytes.clone()).await.expect("stored");
        let got = blobs.get(&key(bytes), 9).await.expect("an answer");
        assert_eq!(got.as_ref(), Some(bytes));
        assert_eq!(
            blobs.size(&key(bytes)).await.expect("an answer"),
            Some(bytes.len() as u64)
        );
    }
    let file = folder
        .path()
        .join("not made yet")
        .join(key(&first).as_str());
    assert_eq!(std::fs::read(file).expect("a plain file"), first);
}

#[tokio::test]
async fn the_same_bytes_are_written_once_and_half_a_blob_is_mended() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let bytes = Bytes::from_static(b"picture");
    let file = folder
        .path()
        .join("not made yet")
        .join(key(&bytes).as_str());
    let inode = || std::fs::metadata(&file).expect("it is there").ino();
    blobs
        .put(&key(&bytes), bytes.clone())
        .await
        .expect("stored");
    let first = inode();
    blobs
        .put(&key(&bytes), bytes.clone())
        .await
        .expect("stored");
    assert_eq!(inode(), first);
    std::fs::write(&file, b"pic").expect("a file");
    blobs
        .put(&key(&bytes), bytes.clone())
        .await
        .expect("stored");
    assert_eq!(std::fs::read(&file).expect("a file"), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_who_put_the_same_bytes_at_once_writes_them() {
    let folder = TempDir::new().expect("a temporary folder");
    let store = store(folder.path());
    for round in 0..20_u8 {
        let bytes = Bytes::from(vec![round; 1 << 18]);
        let key = key(&bytes);
        let puts = (0..32).map(|_| {
            let (store, key, bytes) = (store.clone(), key.clone(), bytes.clone());
            let path = file(folder.path(), &key);
            tokio::spawn(async move {
                store
                    .put(&key, bytes)
                    .await
                    .expect("the folder is writable");
                std::fs::metadata(path).expect("it was put").ino()
            })
        });
        let mut files = BTreeSet::new();
        for put in puts.collect::<Vec<_>>() {
            files.insert(put.await.expect("no put panics"));
        }
        assert_eq!(
            files.len(),
            1,
            "the file was written again in round {round}"
        );
    }
}

#[tokio::test]
async fn a_blob_above_the_bound_is_not_read() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let bytes = Bytes::from(vec![7; 1_000]);
    blobs
        .put(&key(&bytes), bytes.clone())
        .await
        .expect("stored");
    assert!(
        blobs
            .get(&key(&bytes), 1_000)
            .await
            .expect("an answer")
            .is_some()
    );
    let error = blobs.get(&key(&bytes), 999).await.expect_err("too large");
    assert!(
        matches!(
            error,
            BlobError::TooLarge {
                bytes: 1_000,
                limit: 999,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.disposition(), Disposition::DeadLetter);
}

#[tokio::test]
async fn a_deleted_blob_is_gone_and_its_empty_folder_with_it() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let bytes = Bytes::from_static(b"picture");
    blobs
        .put(&key(&bytes), bytes.clone())
        .await
        .expect("stored");
    blobs.delete(&key(&bytes)).await.expect("deleted");
    blobs.delete(&key(&bytes)).await.expect("nothing new");
    assert!(!blobs.exists(&key(&bytes)).await.expect("an answer"));
    assert!(!folder.path().join("not made yet/originals").exists());
}

#[tokio::test]
async fn a_missing_folder_is_no_missing_blob() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    std::fs::remove_dir(folder.path().join("not made yet")).expect("it is empty");
    let error = blobs
        .get(&key(b"x"), 9)
        .await
        .expect_err("the store is away");
    assert_eq!(error.disposition(), Disposition::Later);
}

#[tokio::test]
async fn an_empty_mount_point_is_no_store_without_blobs() {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().join("not made yet");
    let blobs = store(folder.path());
    let (bytes, missing) = (Bytes::from_static(b"picture"), key(b"missing"));
    let is_away = |error: &BlobError| {
        assert!(matches!(error, BlobError::Unmarked { .. }), "{error}");
        assert_eq!(error.disposition(), Disposition::Later);
        assert!(error.to_string().contains(".tusou-blobs"), "{error}");
    };
    // New, or not mounted: a trial does not make a store of it, a blob does.
    blobs.probe().await.expect("it can be written");
    is_away(&blobs.get(&missing, 9).await.expect_err("nobody knows"));
    blobs
        .put(&key(&bytes), bytes.clone())
        .await
        .expect("stored");
    assert_eq!(blobs.get(&missing, 9).await.expect("an answer"), None);

    // The disk goes while this process runs.
    std::fs::remove_dir_all(&root).expect("removed");
    std::fs::create_dir(&root).expect("an empty mount point");
    is_away(&blobs.get(&key(&bytes), 9).await.expect_err("away"));
    is_away(&blobs.exists(&key(&bytes)).await.expect_err("away"));
    is_away(
        &blobs
            .put(&key(&bytes), bytes.clone())
            .await
            .expect_err("away"),
    );
    is_away(&blobs.probe().await.expect_err("away"));
    assert!(!blobs.is_marked().await.expect("a look at a folder"));
    std::fs::write(root.join(".tusou-blobs"), b"").expect("a file");
    blobs
        .probe()
        .await
        .expect("an operator says that it is new");
    assert_eq!(blobs.get(&key(&bytes), 9).await.expect("an answer"), None);

    // One from before there were markers.
    std::fs::remove_file(root.join(".tusou-blobs")).expect("removed");
    std::fs::create_dir(root.join("originals")).expect("a folder");
    let older = store(folder.path());
    assert_eq!(older.get(&missing, 9).await.expect("an answer"), None);
}

#[test]
fn an_address_that_cannot_be_used_is_told_with_its_key() {
    for url in [
        "",
        "/var/lib",
        "gs://bucket",
        "s3://",
        "s3://bucket/a//b",
        "file://host/x",
        "file:///dev/null/x",
    ] {
        let config = Blobs {
            url: url.into(),
            ..Blobs::default()
        };
        let error = BlobStore::open(&config).expect_err(url);
        assert!(error.to_string().contains("blobs.url"), "{error}");
        assert_eq!(error.disposition(), Disposition::Fatal);
    }
}

#[tokio::test]
async fn a_blob_that_is_put_again_is_young_again() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let bytes = Bytes::from_static(b"picture");
    let key = key(&bytes);
    blobs.put(&key, bytes.clone()).await.expect("stored");
    age(&file(folder.path(), &key));
    let before = SystemTime::now() - HOUR / 2;
    blobs.put(&key, bytes).await.expect("stored");
    let page = blobs.list("originals", None).next().await;
    let page = page.expect("an answer").expect("a blob");
    assert!(page.blobs[0].modified > before, "{page:?}");
    assert!(!blobs.set_aside(&key, before).await.expect("an answer"));
}

#[tokio::test]
async fn nothing_is_stored_on_a_disk_that_is_to_keep_more_free() {
    let folder = TempDir::new().expect("a folder");
    let bytes = Bytes::from_static(b"picture");
    let full = store_that_keeps(folder.path(), 1 << 60);
    for error in [
        full.put(&key(&bytes), bytes.clone())
            .await
            .expect_err("full"),
        full.probe().await.expect_err("full"),
    ] {
        assert!(matches!(error, BlobError::Full(_)), "{error}");
        assert_eq!(error.disposition(), Disposition::Later);
        assert!(
            error.to_string().contains("blobs.min_free_bytes"),
            "{error}"
        );
    }
    let roomy = store(folder.path());
    roomy.probe().await.expect("there is room");
    assert_eq!(listed(roomy.list("originals", None)).await, []);
    roomy
        .put(&key(&bytes), bytes.clone())
        .await
        .expect("stored");
    // What is there needs no room.
    full.put(&key(&bytes), bytes).await.expect("nothing new");
    let left = std::fs::read_dir(folder.path().join("not made yet")).expect("a folder");
    assert_eq!(
        left.count(),
        2,
        "a trial leaves nothing behind: the marker and the blob"
    );
}

#[tokio::test]
async fn a_listing_is_in_the_order_of_keys_and_goes_on_where_it_was() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let mut keys = Vec::new();
    for number in 0..1_300_u32 {
        let bytes = Bytes::from(number.to_le_bytes().to_vec());
        let key = key(&bytes);
        let path = file(folder.path(), &key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, &bytes).expect("written");
        keys.push((key, 4));
    }
    keys.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    assert_eq!(listed(blobs.list("originals", None)).await, keys);
    let after = Some(&keys[700].0);
    assert_eq!(listed(blobs.list("originals", after)).await, keys[701..]);
    let last = keys.last().map(|(key, _)| key);
    assert_eq!(listed(blobs.list("originals", last)).await, []);
    assert_eq!(listed(blobs.list("thumbnails", None)).await, []);
    // A write that was broken off is no blob.
    let part = file(folder.path(), &keys[0].0).with_extension("png#1");
    std::fs::write(&part, b"pi").expect("written");
    let page = blobs.list("originals", None).next().await;
    let page = page.expect("an answer").expect("a page");
    let [unfinished] = page.unfinished.as_slice() else {
        panic!("{:?}", page.unfinished)
    };
    assert_eq!((&unfinished.path, unfinished.bytes), (&part, 2));
    blobs.remove_unfinished(unfinished).await.expect("removed");
    assert!(!part.exists());
}

#[tokio::test]
async fn a_blob_set_aside_is_not_read_and_comes_back_whole() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let bytes = Bytes::from_static(b"picture");
    let key = key(&bytes);
    let later = SystemTime::now() + HOUR;
    assert!(!blobs.set_aside(&key, later).await.expect("an answer"));
    blobs.put(&key, bytes.clone()).await.expect("stored");
    assert!(
        !blobs
            .set_aside(&key, SystemTime::UNIX_EPOCH)
            .await
            .expect("too young")
    );
    assert!(blobs.set_aside(&key, later).await.expect("set aside"));
    assert_eq!(blobs.get(&key, 9).await.expect("an answer"), None);
    assert_eq!(listed(blobs.list("originals", None)).await, []);
    assert_eq!(
        listed(blobs.list_set_aside("originals")).await,
        [(key.clone(), 7)]
    );
    blobs.bring_back(&key).await.expect("brought back");
    let got = blobs.get(&key, 9).await.expect("an answer");
    assert_eq!(got.as_ref(), Some(&bytes));

    // One that was put again meanwhile stays, and nothing is left aside.
    assert!(blobs.set_aside(&key, later).await.expect("set aside"));
    blobs.put(&key, bytes).await.expect("stored");
    blobs.bring_back(&key).await.expect("nothing to bring");
    assert!(blobs.exists(&key).await.expect("an answer"));
    assert_eq!(listed(blobs.list_set_aside("originals")).await, []);

    assert!(blobs.set_aside(&key, later).await.expect("set aside"));
    blobs.remove_set_aside(&key).await.expect("removed");
    blobs.remove_set_aside(&key).await.expect("nothing new");
    assert!(!blobs.exists(&key).await.expect("an answer"));
    let left = std::fs::read_dir(folder.path().join("not made yet")).expect("a folder");
    assert_eq!(left.count(), 1, "empty folders go, the marker stays");
}
