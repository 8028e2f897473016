//! Blobs in a bucket of a real S3-compatible server.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tusou_contract::{BlobKey, Disposition, ImageFormat, ImageId, Verdict};
use tusou_platform::blobs::{BlobError, BlobStore, Listing};
use tusou_platform::config::Blobs;
use tusou_testkit::{S3, wait_until};

const HOUR: Duration = Duration::from_secs(3_600);
const PREFIX: &str = "of/tusou";
const LIMIT: Duration = Duration::from_secs(60);

fn store(config: &Blobs) -> BlobStore {
    tusou_platform::telemetry::install_tls();
    BlobStore::open(config).expect("an address of a bucket")
}

fn key(bytes: &[u8]) -> BlobKey {
    BlobKey::original(&ImageId::of(bytes), ImageFormat::Png)
}

async fn put(blobs: &BlobStore, bytes: &Bytes) -> BlobKey {
    let key = key(bytes);
    blobs.put(&key, bytes.clone()).await.expect("stored");
    key
}

async fn listed(mut listing: Listing) -> Vec<(BlobKey, u64)> {
    let mut found = Vec::new();
    while let Some(page) = listing.next().await.expect("the bucket can be listed") {
        assert!(page.blobs.len() <= 1_000 && page.unfinished.is_empty());
        found.extend(page.blobs.into_iter().map(|blob| (blob.key, blob.bytes)));
    }
    found
}

/// The error, which may pass, names all of these.
fn is_told(error: &BlobError, named: &[&str]) {
    let told = error.to_string();
    for name in named {
        assert!(told.contains(name), "{told} names {name}");
    }
    assert!(!told.contains('\n') && told.len() < 400, "one line: {told}");
    assert_eq!(error.disposition(), Disposition::Later, "{told}");
}

#[tokio::test]
async fn bytes_come_back_as_they_were_put() {
    let server = S3::start().await;
    for prefix in ["", PREFIX] {
        let blobs = store(&server.blobs(prefix));
        // Before its first blob nobody can tell whether it is a store.
        put(&blobs, &Bytes::from_static(b"other")).await;
        for bytes in [
            Bytes::from_static(b"one"),
            Bytes::new(),
            Bytes::from(vec![7; 3 << 20]),
        ] {
            let key = key(&bytes);
            let most = bytes.len() as u64;
            assert_eq!(blobs.get(&key, most).await.expect("an answer"), None);
            assert!(!blobs.exists(&key).await.expect("an answer"));
            put(&blobs, &bytes).await;
            put(&blobs, &bytes).await;
            let got = blobs.get(&key, most).await.expect("an answer");
            assert!(got.as_ref() == Some(&bytes), "{key} has other bytes");
            let size = blobs.size(&key).await.expect("an answer");
            assert_eq!(size, Some(most));
            let file = server.bucket().join(prefix).join(key.as_str());
            assert!(std::fs::read(file).expect("an object") == bytes);

            blobs.delete(&key).await.expect("deleted");
            blobs.delete(&key).await.expect("nothing new");
            assert_eq!(blobs.get(&key, most).await.expect("an answer"), None);
        }
    }
}

#[tokio::test]
async fn a_blob_is_put_from_a_thread_that_may_block() {
    let server = S3::start().await;
    let blobs = store(&server.blobs(PREFIX));
    let bytes = Bytes::from_static(b"picture");
    let key = key(&bytes);
    let (own, of) = (blobs.clone(), key.clone());
    let put = tokio::task::spawn_blocking(move || own.put_now(&of, &bytes));
    put.await.expect("no panic").expect("stored");
    assert_eq!(blobs.size(&key).await.expect("an answer"), Some(7));
}

#[tokio::test]
async fn a_blob_above_the_bound_is_not_read() {
    let server = S3::start().await;
    let blobs = store(&server.blobs(PREFIX));
    let key = put(&blobs, &Bytes::from(vec![7; 1_000])).await;
    let got = blobs.get(&key, 1_000).await.expect("an answer");
    assert!(got.is_some());
    let error = blobs.get(&key, 999).await.expect_err("too large");
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
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_setting() {
    let server = S3::start().await;
    let right = server.blobs(PREFIX);
    let missing = key(b"missing");
    let wrong = |change: &dyn Fn(&mut Blobs)| {
        let mut config = right.clone();
        change(&mut config);
        store(&config)
    };
    let unknown = wrong(&|config| config.access_key_id = "nobody".into());
    let guessed = wrong(&|config| config.secret_access_key = "sesame".into());
    let elsewhere = wrong(&|config| config.url = "s3://no-such-bucket/of/tusou".into());
    let far = wrong(&|config| config.s3_region = "eu-nowhere-1".into());
    let nowhere = wrong(&|config| {
        config.s3_endpoint = format!("http://127.0.0.1:{}", tusou_testkit::free_port());
        config.s3_timeout_ms = 1_000;
    });
    for (blobs, named) in [
        (&unknown, ["s3://pictures/of/tusou/", "blobs.access_key_id"]),
        (
            &guessed,
            ["s3://pictures/of/tusou/", "blobs.secret_access_key"],
        ),
        (&elsewhere, ["s3://no-such-bucket/of/tusou/", "blobs.url"]),
        (&far, ["s3://pictures/of/tusou/", "blobs.s3_region"]),
        (&nowhere, ["http://127.0.0.1:", "blobs.s3_endpoint"]),
    ] {
        is_told(&blobs.probe().await.expect_err("refused"), &named);
        let bytes = Bytes::from_static(b"picture");
        is_told(
            &blobs.put(&key(&bytes), bytes).await.expect_err("refused"),
            &named,
        );
        // Refused is not absent: a picture would be given up for missing.
        is_told(&blobs.get(&missing, 9).await.expect_err("refused"), &named);
        blobs.exists(&missing).await.expect_err("refused");
        blobs.is_marked().await.expect_err("refused");
        let listing = blobs.list("originals", None).next().await;
        listing.expect_err("refused");
        let shown = format!("{blobs:?}");
        assert!(
            !shown.contains("sesame") && !shown.contains(&right.secret_access_key),
            "{shown}"
        );
    }
    assert_eq!(
        std::fs::read_dir(server.bucket())
            .expect("its folder")
            .count(),
        0,
        "nothing was written"
    );
}

#[tokio::test]
async fn another_bucket_is_no_store_without_blobs() {
    let server = S3::start().await;
    let blobs = store(&server.blobs(PREFIX));
    let missing = key(b"missing");
    let is_other = |error: &BlobError| {
        assert!(matches!(error, BlobError::Unmarked { .. }), "{error}");
        is_told(
            error,
            &["s3://pictures/of/tusou", ".tusou-blobs", "blobs.url"],
        );
    };
    // New, or another's: a trial does not make a store of it, a blob does.
    blobs.probe().await.expect("it can be written");
    assert!(!blobs.is_marked().await.expect("an answer"));
    is_other(&blobs.get(&missing, 9).await.expect_err("nobody knows"));
    is_other(&blobs.exists(&missing).await.expect_err("nobody knows"));
    is_other(&blobs.unmarked());
    put(&blobs, &Bytes::from_static(b"picture")).await;
    assert_eq!(blobs.get(&missing, 9).await.expect("an answer"), None);
    assert!(blobs.is_marked().await.expect("an answer"));

    // All of it goes while this process runs.
    let marker = server.bucket().join(PREFIX).join(".tusou-blobs");
    std::fs::remove_file(&marker).expect("an object");
    is_other(&blobs.probe().await.expect_err("it was there"));
    is_other(&blobs.get(&missing, 9).await.expect_err("nobody knows"));
    std::fs::write(&marker, b"").expect("an object");
    blobs
        .probe()
        .await
        .expect("an operator says that it is new");
    assert_eq!(blobs.get(&missing, 9).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_listing_is_in_the_order_of_keys_and_goes_on_where_it_was() {
    let server = S3::start().await;
    let blobs = store(&server.blobs(PREFIX));
    let mut keys = Vec::new();
    for number in 0..1_300_u32 {
        let bytes = number.to_le_bytes();
        let key = key(&bytes);
        let path = server.bucket().join(PREFIX).join(key.as_str());
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, bytes).expect("written");
        keys.push((key, 4));
    }
    keys.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    // Another's objects: one by no name of ours, one below another prefix.
    let originals = server.bucket().join(PREFIX).join("originals");
    std::fs::write(originals.join("read me"), b"hands off").expect("written");
    std::fs::create_dir_all(server.bucket().join("originals/aa")).expect("made");
    std::fs::write(server.bucket().join("originals/aa/aa.png"), b"x").expect("written");

    assert_eq!(listed(blobs.list("originals", None)).await, keys);
    let after = Some(&keys[700].0);
    assert_eq!(listed(blobs.list("originals", after)).await, keys[701..]);
    let last = keys.last().map(|(key, _)| key);
    assert_eq!(listed(blobs.list("originals", last)).await, []);
    assert_eq!(listed(blobs.list("thumbnails", None)).await, []);
    assert_eq!(listed(blobs.list_set_aside("originals")).await, []);
}

#[tokio::test]
async fn a_blob_set_aside_is_not_read_and_comes_back_whole() {
    let server = S3::start().await;
    let blobs = store(&server.blobs(PREFIX));
    let bytes = Bytes::from_static(b"picture");
    let key = key(&bytes);
    let later = SystemTime::now() + HOUR;
    // A store has its marker, so that what is missing is missing.
    put(&blobs, &Bytes::from_static(b"other")).await;
    assert!(!blobs.set_aside(&key, later).await.expect("an answer"));
    put(&blobs, &bytes).await;
    let young = SystemTime::now() - HOUR;
    assert!(!blobs.set_aside(&key, young).await.expect("too young"));
    assert!(blobs.set_aside(&key, later).await.expect("set aside"));
    assert_eq!(blobs.get(&key, 9).await.expect("an answer"), None);
    assert_eq!(listed(blobs.list("originals", None)).await.len(), 1);
    let aside = listed(blobs.list_set_aside("originals")).await;
    assert_eq!(aside, [(key.clone(), 7)]);
    blobs.bring_back(&key).await.expect("brought back");
    let got = blobs.get(&key, 9).await.expect("an answer");
    assert_eq!(got.as_ref(), Some(&bytes));
    assert_eq!(listed(blobs.list_set_aside("originals")).await, []);

    // One that was put again meanwhile stays, and nothing is left aside.
    assert!(blobs.set_aside(&key, later).await.expect("set aside"));
    put(&blobs, &bytes).await;
    blobs.bring_back(&key).await.expect("nothing to bring");
    assert!(blobs.exists(&key).await.expect("an answer"));
    assert_eq!(listed(blobs.list_set_aside("originals")).await, []);

    assert!(blobs.set_aside(&key, later).await.expect("set aside"));
    blobs.remove_set_aside(&key).await.expect("removed");
    blobs.remove_set_aside(&key).await.expect("nothing new");
    blobs.bring_back(&key).await.expect("nothing to bring");
    assert!(!blobs.exists(&key).await.expect("an answer"));
}

#[tokio::test]
async fn a_blob_that_is_put_again_is_young_again() {
    let server = S3::start().await;
    let blobs = store(&server.blobs(PREFIX));
    let bytes = Bytes::from_static(b"picture");
    let key = put(&blobs, &bytes).await;
    let file = server.bucket().join(PREFIX).join(key.as_str());
    let hour_ago = SystemTime::now() - HOUR;
    let opened = std::fs::File::options().write(true).open(file);
    opened
        .and_then(|file| file.set_modified(hour_ago))
        .expect("an object's file");
    let before = SystemTime::now() - HOUR / 2;
    put(&blobs, &bytes).await;
    let page = blobs.list("originals", None).next().await;
    let page = page.expect("an answer").expect("a blob");
    assert!(page.blobs[0].modified > before, "{page:?}");
    assert!(!blobs.set_aside(&key, before).await.expect("an answer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_has_all_that_it_acknowledged() {
    let mut server = S3::start().await;
    let blobs = store(&Blobs {
        s3_timeout_ms: 1_000,
        ..server.blobs(PREFIX)
    });
    let missing = key(b"missing");
    put(&blobs, &Bytes::from_static(b"first")).await;
    let writers = (0..8_u32).map(|writer| {
        let blobs = blobs.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0_u32.. {
                let mut bytes = vec![writer as u8; 40_000];
                bytes.extend(number.to_le_bytes());
                let bytes = Bytes::from(bytes);
                let key = key(&bytes);
                match blobs.put(&key, bytes.clone()).await {
                    Ok(()) => acknowledged.push((key, bytes)),
                    Err(error) => return (acknowledged, error),
                }
            }
            unreachable!("the server is killed before it has four thousand million blobs")
        })
    });
    let writers: Vec<_> = writers.collect();
    // Struck in the middle of puts: enough were answered, and none will stop by itself.
    wait_until(LIMIT, "puts to be answered", async || {
        listed(blobs.list("originals", None)).await.len() > 50
    })
    .await;
    server.kill();
    let mut acknowledged = Vec::new();
    for writer in writers {
        let (own, error) = writer.await.expect("no writer panics");
        is_told(&error, &["s3://pictures/of/tusou/", "blobs.s3_endpoint"]);
        assert_eq!(error.reason(), "blobs_away");
        acknowledged.extend(own);
    }
    assert!(acknowledged.len() > 40, "{}", acknowledged.len());
    // Away is not absent.
    let error = blobs.get(&missing, 9).await.expect_err("away");
    is_told(&error, &["blobs.s3_endpoint"]);
    is_told(
        &blobs.probe().await.expect_err("away"),
        &["see that it runs"],
    );

    server.start_again().await;
    blobs.probe().await.expect("it is back");
    assert_eq!(blobs.get(&missing, 9).await.expect("an answer"), None);
    for (key, bytes) in &acknowledged {
        let got = blobs.get(key, 50_000).await.expect("an answer");
        assert!(got.as_ref() == Some(bytes), "{key} was acknowledged");
    }
    let there = listed(blobs.list("originals", None)).await;
    let there: HashSet<BlobKey> = there.into_iter().map(|(key, _)| key).collect();
    assert!(acknowledged.iter().all(|(key, _)| there.contains(key)));
}
