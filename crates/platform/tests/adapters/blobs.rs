//! Blobs on the file system.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;
use tusou_contract::{BlobKey, Disposition, ImageFormat, ImageId, Verdict};
use tusou_platform::blobs::{BlobError, BlobStore};
use tusou_platform::config::Blobs;

fn store(folder: &Path) -> BlobStore {
    let url = format!("file://{}/not made yet", folder.display());
    BlobStore::open(&Blobs { url }).expect("the folder can be made")
}

fn key(bytes: &[u8]) -> BlobKey {
    BlobKey::original(&ImageId::of(bytes), ImageFormat::Png)
}

#[tokio::test]
async fn bytes_come_back_as_they_were_put() {
    let folder = TempDir::new().expect("a folder");
    let blobs = store(folder.path());
    let (first, second) = (Bytes::from_static(b"one"), Bytes::from_static(b""));
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

#[test]
fn an_address_that_cannot_be_used_is_told_with_its_key() {
    for url in [
        "",
        "/var/lib",
        "s3://bucket",
        "file://host/x",
        "file:///dev/null/x",
    ] {
        let error = BlobStore::open(&Blobs { url: url.into() }).expect_err(url);
        assert!(error.to_string().contains("blobs.url"), "{error}");
        assert_eq!(error.disposition(), Disposition::Fatal);
    }
}
