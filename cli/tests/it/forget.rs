//! What is taken out on request, against the real stores and without services.

use serde_json::{Value, json};
use tusou_contract::{BlobKey, ImageId};
use tusou_testkit::World;

use super::ran::{fails, says};

/// Two origins of a.test with 2,500 pages, of which 1,500 show a picture of their own and all the
/// logo of b.test, whose one page shows the logo too, and an imported picture.
const SITES: [&str; 13] = [
    "INSERT INTO hosts (origin) VALUES ('http://a.test'), ('https://a.test:8443'), ('http://b.test')",
    "INSERT INTO pages (host_id, url, depth)
     SELECT 1 + n % 2, CASE n % 2 WHEN 0 THEN 'http://a.test/' ELSE 'https://a.test:8443/' END || n, 0
     FROM generate_series(1, 2500) AS n ORDER BY n",
    "INSERT INTO pages (host_id, url, depth) VALUES (3, 'http://b.test/', 0)",
    "INSERT INTO images (image_id, format, width, height, bytes, blob_key)
     SELECT sha256(n::text::bytea), 'png', 1, 1, 10, 'originals/x' || n FROM generate_series(0, 1500) AS n",
    "INSERT INTO images (image_id, format, width, height, bytes, blob_key, relative_path)
     VALUES (sha256('imported'), 'png', 1, 1, 10, 'originals/imported', 'x.png')",
    "INSERT INTO image_urls (host_id, url, state, image_id)
     SELECT 1, 'http://a.test/' || n || '.png', 'done', sha256(n::text::bytea)
     FROM generate_series(1, 1500) AS n ORDER BY n",
    "INSERT INTO image_urls (host_id, url, state, image_id)
     VALUES (3, 'http://b.test/logo.png', 'done', sha256('0'))",
    "INSERT INTO sightings (image_id, page_id, image_url_id)
     SELECT sha256(n::text::bytea), n, n FROM generate_series(1, 1500) AS n",
    "INSERT INTO sightings (image_id, page_id, image_url_id)
     SELECT sha256('0'), n, 1501 FROM generate_series(1, 2501) AS n",
    "INSERT INTO sightings (image_id, page_id, image_url_id) VALUES (sha256('imported'), 2501, 1501)",
    "INSERT INTO seeds (url, scope_url, scope, max_depth, max_pages, pages)
     VALUES ('http://a.test/2', 'http://a.test/2', 'host', 1, 9000, 2500),
            ('http://b.test/', 'http://b.test/', 'host', 1, 9000, 1)",
    "INSERT INTO seed_pages (seed_id, page_id, depth)
     SELECT CASE WHEN n = 2501 THEN 2 ELSE 1 END, n, 0 FROM generate_series(1, 2501) AS n",
    "INSERT INTO outbox (queue, image_id, body) VALUES ('images.fetched', sha256('1'), '')",
];

async fn says_json(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(world, arguments).await).expect("it prints JSON")
}

async fn execute(world: &World, statement: &'static str) {
    let done = sqlx::query(statement).execute(world.pool()).await;
    done.expect("the rows fit the schema");
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

/// Rows of pages, image URLs, images, sightings, outbox and removals.
async fn rows(world: &World) -> [i64; 6] {
    [
        count(world, "SELECT count(*) FROM pages").await,
        count(world, "SELECT count(*) FROM image_urls").await,
        count(world, "SELECT count(*) FROM images").await,
        count(world, "SELECT count(*) FROM sightings").await,
        count(world, "SELECT count(*) FROM outbox").await,
        count(world, "SELECT count(*) FROM removals").await,
    ]
}

async fn store(world: &World, key: &BlobKey) {
    let stored = world.blobs().put(key, b"bytes".to_vec().into()).await;
    stored.expect("the world's folder can be written");
}

async fn is_stored(world: &World, key: &BlobKey) -> bool {
    let there = world.blobs().exists(key).await;
    there.expect("the world's folder can be read")
}

fn key(text: &str) -> BlobKey {
    BlobKey::try_from(text.to_owned()).expect("a key")
}

#[tokio::test]
async fn a_host_goes_in_batches_and_is_kept_out_until_that_is_undone() {
    let world = World::new("forget_host").await;
    for statement in SITES {
        execute(&world, statement).await;
    }
    let first = ImageId::of(b"1");
    let blobs = [key("originals/x1"), BlobKey::thumbnail(&first)];
    let logo = key("originals/x0");
    for key in blobs.iter().chain([&logo]) {
        store(&world, key).await;
    }
    let before = rows(&world).await;
    assert_eq!(before, [2_501, 1_501, 1_502, 4_002, 1, 0]);

    let counted = "This means the host a.test: all its URLs, http and https, on every port.\n\
         A dry run: nothing is changed.\n\
         Would go: 2,500 pages, 1,500 image URLs, 4,000 sightings, 1,500 pictures (15,000 bytes).\n\
         1 pictures would stay with fewer sightings: they are seen elsewhere too, or were imported.\n\
         Seed 1 begins there, at http://a.test/2: it would crawl nothing any more; `tusou seed remove 1` takes it away.\n\
         It would be kept out of later crawls. Repeat this command with --yes to have it done.\n";
    assert_eq!(says(&world, &["forget", "a.test"]).await, counted);
    let dry = ["forget", "https://A.test:8443", "--dry-run"];
    assert_eq!(says(&world, &dry).await, counted);
    assert_eq!(rows(&world).await, before, "a dry run changes nothing");
    assert!(is_stored(&world, &blobs[0]).await);

    let why = "its owner asked";
    let report = says_json(
        &world,
        &["forget", "a.test", "--yes", "--why", why, "--json"],
    )
    .await;
    let removed = json!({
        "pages": 2_500, "image_urls": 1_500, "sightings": 4_000, "images": 1_500, "bytes": 15_000,
    });
    assert_eq!(report["removed"], removed, "{report:#}");
    assert_eq!(
        (&report["dry_run"], &report["stay"], &report["blobs"]),
        (&json!(false), &json!(1), &json!(1_500))
    );
    // The logo, and for each image that went and the logo a message; what was to be encoded is not.
    assert_eq!(rows(&world).await, [1, 1, 2, 2, 1_501, 1]);
    let changed = "SELECT count(*) FROM outbox WHERE queue = 'images.changed'";
    assert_eq!(count(&world, changed).await, 1_501);
    let pages = "SELECT sum(pages)::bigint FROM seeds";
    assert_eq!(count(&world, pages).await, 1, "the seed has its room back");
    for key in &blobs {
        assert!(!is_stored(&world, key).await, "{key}");
    }
    assert!(is_stored(&world, &logo).await);
    assert!(
        is_stored(&world, &BlobKey::removed(&first)).await,
        "the encoder is told, which had said nothing of it"
    );

    // Kept out, and said so where a seed begins there.
    let (code, said) = fails(&world, &["seed", "http://b.test/x", "http://a.test/new"]).await;
    assert!(
        code == Some(1) && said.contains(why) && said.contains("`tusou forget undo a.test`"),
        "{said}"
    );
    assert_eq!(count(&world, "SELECT count(*) FROM seeds").await, 2);
    let said = says(&world, &["seed", "list"]).await;
    assert!(said.contains("Seed 1 crawls nothing"), "{said}");
    let list = says_json(&world, &["forget", "list", "--json"]).await;
    assert_eq!(
        (&list[0]["kind"], &list[0]["subject"], &list[0]["why"]),
        (&json!("host"), &json!("a.test"), &json!(why))
    );
    assert_eq!(list[0]["removed"], removed);

    // What an interrupted command left of the blobs goes with the next one; the record stays.
    store(&world, &blobs[0]).await;
    execute(
        &world,
        "UPDATE removed_images SET blobs_gone_at = NULL WHERE image_id = sha256('1')",
    )
    .await;
    let said = says(&world, &["forget", "a.test", "--yes"]).await;
    assert!(
        said.contains("It was kept out already.\nThe crawl knows nothing of it.\n")
            && said.contains("of 1 pictures are deleted"),
        "{said}"
    );
    assert!(!is_stored(&world, &blobs[0]).await);
    let list = says_json(&world, &["forget", "list", "--json"]).await;
    assert_eq!(
        (&list[0]["why"], &list[0]["removed"]),
        (&json!(why), &removed)
    );

    says(&world, &["forget", "undo", "a.test", "--dry-run"]).await;
    assert_eq!(count(&world, "SELECT count(*) FROM removals").await, 1);
    let said = says(&world, &["forget", "undo", "http://a.test"]).await;
    assert!(said.contains("It is let in again"), "{said}");
    assert_eq!(
        says(&world, &["forget", "list"]).await,
        "Nothing is kept out.\n"
    );
    let (code, said) = fails(&world, &["forget", "undo", "a.test"]).await;
    assert!(code == Some(1) && said.contains("forget list"), "{said}");
    says(&world, &["seed", "http://a.test/new"]).await;
    world.end().await;
}

#[tokio::test]
async fn a_url_and_a_picture_go_and_what_was_imported_stays_until_it_is_named() {
    let world = World::new("forget_url").await;
    for statement in SITES {
        execute(&world, statement).await;
    }
    store(&world, &key("originals/x0")).await;

    // The page of b.test goes; the logo is seen on a.test, the imported picture was never the crawl's.
    let report = says_json(
        &world,
        &["forget", "HTTP://b.test:80/#top", "--yes", "--json"],
    )
    .await;
    assert_eq!(
        report["removed"],
        json!({"pages": 1, "image_urls": 0, "sightings": 2, "images": 0, "bytes": 0}),
        "{report:#}"
    );
    assert_eq!(
        (&report["stay"], &report["seeds"][0]["seed_id"]),
        (&json!(2), &json!(2))
    );

    // The logo's URL: nothing else shows it, so it goes from 2,500 pages.
    let report = says_json(
        &world,
        &["forget", "http://b.test/logo.png", "--yes", "--json"],
    )
    .await;
    assert_eq!(
        report["removed"],
        json!({"pages": 0, "image_urls": 1, "sightings": 2_500, "images": 1, "bytes": 10}),
        "{report:#}"
    );
    assert!(!is_stored(&world, &key("originals/x0")).await);
    let imported = "SELECT count(*) FROM images WHERE relative_path IS NOT NULL";
    assert_eq!(count(&world, imported).await, 1);

    // Pictures by their ids, as they are written anywhere.
    for name in ["imported", "7"] {
        let id = ImageId::of(name.as_bytes()).to_string().to_uppercase();
        let report = says_json(&world, &["forget", &id, "--yes", "--json"]).await;
        assert_eq!(report["removed"]["images"], 1, "{report:#}");
        assert_eq!(report["removed"]["image_urls"], 0, "{report:#}");
    }
    assert_eq!(count(&world, imported).await, 0);
    let url =
        "SELECT count(*) FROM image_urls WHERE url = 'http://a.test/7.png' AND image_id IS NULL
               AND state = 'skipped' AND reason = 'removed'";
    assert_eq!(count(&world, url).await, 1, "its URL may show another one");

    // What nobody knows yet is kept out all the same; what is none of the three is an error.
    let said = says(&world, &["forget", "http://c.test/x", "--yes"]).await;
    assert!(
        said.contains("The crawl knows nothing of it.\nIt is kept out from now on."),
        "{said}"
    );
    let (code, said) = fails(&world, &["forget", "c.test/x", "--yes"]).await;
    assert!(code == Some(2) && said.contains("c.test/x"), "{said}");
    let list = says(&world, &["forget", "list"]).await;
    assert_eq!(list.lines().count(), 6, "{list}");
    // A URL that is let in while its host is not.
    says(&world, &["forget", "c.test", "--yes"]).await;
    let said = says(&world, &["forget", "undo", "http://c.test/x"]).await;
    assert!(
        said.contains("But its host c.test is kept out too"),
        "{said}"
    );
    world.end().await;
}
