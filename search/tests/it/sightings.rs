//! All sightings of a picture, a page at a time, of the many that a logo has.

use serde_json::json;
use sqlx::PgPool;
use tusou_contract::ImageId;
use tusou_testkit::{World, wait_until};

use crate::support::{LONG, Search, id, index, vectors};

/// So many pages show `bird`, minutes apart in another order than they were found in, some at the same time; of
/// every `gone_every` one is gone (0 for none).
async fn seen(world: &World, pages: i32, gone_every: i32) {
    let pool = world.pool();
    let bird = id("bird");
    let host = "INSERT INTO hosts (origin) VALUES ('http://example.org')";
    sqlx::query(host).execute(pool).await.expect("a new host");
    let image = "INSERT INTO images (image_id, format, width, height, bytes, blob_key) \
                 VALUES ($1, 'png', 96, 64, 1000, 'originals/x.png')";
    let image = sqlx::query(image).bind(bird.as_bytes().as_slice());
    image.execute(pool).await.expect("a new image");
    let url = "INSERT INTO image_urls (host_id, url) SELECT host_id, 'http://example.org/bird.png' FROM hosts";
    sqlx::query(url).execute(pool).await.expect("a new URL");
    let new = "INSERT INTO pages (host_id, url, depth) \
               SELECT host_id, 'http://example.org/' || n, 0 FROM hosts, generate_series(1, $1) n";
    let new = sqlx::query(new).bind(pages);
    new.execute(pool).await.expect("new pages");
    let new = "INSERT INTO sightings (image_id, page_id, image_url_id, first_seen, gone_since) \
               SELECT $1, page_id, image_url_id, \
                      timestamptz '2026-01-01' + (page_id * 7919 % 401) * interval '61.000001 seconds', \
                      CASE WHEN $2 > 0 AND page_id % NULLIF($2, 0) = 0 THEN now() END \
               FROM pages, image_urls";
    let new = sqlx::query(new).bind(bird.as_bytes().as_slice());
    let new = new.bind(gone_every).execute(pool).await;
    new.expect("new sightings");
    sqlx::query("ANALYZE")
        .execute(pool)
        .await
        .expect("a plain statement");
}

fn path(id: ImageId, rest: &str) -> String {
    format!("/v1/images/{id}/sightings{rest}")
}

#[tokio::test]
async fn pages_join_without_a_gap_or_a_repeat_though_many_were_seen_at_once() {
    let world = World::new("search_sightings_all").await;
    index(&world, "1", &vectors(&world.config).field).await;
    seen(&world, 950, 3).await;
    let search = Search::ready(&world).await;

    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let (status, page) = search
            .json(&path(id("bird"), &format!("?limit=100{cursor}")))
            .await;
        assert_eq!(status, 200, "{page}");
        assert_eq!((&page["live"], &page["gone"]), (&json!(634), &json!(316)));
        let sightings = page["sightings"].as_array().expect("sightings");
        assert!((1..=100).contains(&sightings.len()), "{page}");
        found.extend(sightings.iter().map(|one| {
            let text = |name: &str| one[name].as_str().map(ToOwned::to_owned);
            (
                text("page_url").expect("a page"),
                text("gone_since").is_some(),
            )
        }));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<(String, bool)> = sqlx::query_as(
        "SELECT url, gone_since IS NOT NULL FROM sightings JOIN pages USING (page_id) \
         ORDER BY first_seen, page_id",
    )
    .fetch_all(world.pool())
    .await
    .expect("a plain statement");
    assert_eq!(found, expected);
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_cursor_of_another_picture_a_mangled_one_and_a_bad_limit_are_told_apart() {
    let world = World::new("search_sightings_cursor").await;
    index(&world, "1", &vectors(&world.config).field).await;
    seen(&world, 3, 0).await;
    let search = Search::ready(&world).await;
    let (_, page) = search.json(&path(id("bird"), "?limit=2")).await;
    let next = page["next"].as_str().expect("there is a third one");
    let mangled = next.replacen(&next[9..10], if &next[9..10] == "A" { "B" } else { "A" }, 1);
    for (of, rest, problem, field) in [
        (
            "ship",
            format!("?cursor={next}"),
            "foreign_cursor",
            "cursor",
        ),
        (
            "bird",
            format!("?cursor={mangled}"),
            "invalid_cursor",
            "cursor",
        ),
        ("bird", "?limit=0".to_owned(), "invalid_value", "limit"),
        ("bird", "?limit=101".to_owned(), "invalid_value", "limit"),
        ("bird", "?k=3".to_owned(), "unknown_parameter", "k"),
    ] {
        let (status, told) = search.json(&path(id(of), &rest)).await;
        assert_eq!(status, 400, "{rest}: {told}");
        let expected = format!("urn:tusou:problem:{problem}");
        assert_eq!(
            (&told["type"], &told["field"]),
            (&json!(expected), &json!(field))
        );
    }
    search.stop().await;
    world.end().await;
}

/// Rows of `sightings` that were read, and how often one began to read there.
async fn read(pool: &PgPool) -> (i64, i64) {
    let counts = "SELECT seq_tup_read + idx_tup_fetch, seq_scan + idx_scan \
                  FROM pg_stat_user_tables WHERE relname = 'sightings'";
    let counts = sqlx::query_as(counts).fetch_one(pool).await;
    counts.expect("the statistics are there")
}

/// By the database's own count of rows: a page reads its own, and the count of all is bounded.
#[tokio::test]
async fn a_page_of_a_logo_s_many_sightings_reads_few_rows() {
    const SIGHTINGS: i32 = 60_000;
    const REQUESTS: i64 = 10;
    let world = World::new("search_sightings_many").await;
    index(&world, "1", &vectors(&world.config).field).await;
    seen(&world, SIGHTINGS, 0).await;
    let search = Search::ready(&world).await;
    let (rows, scans) = read(world.pool()).await;
    let mut cursor = String::new();
    for _ in 0..REQUESTS {
        let (status, page) = search.json(&path(id("bird"), &cursor)).await;
        assert_eq!(status, 200, "{page}");
        assert_eq!(page["live"], 10_000, "counted as far as that");
        let next = page["next"].as_str().map(ToOwned::to_owned);
        cursor = format!("?cursor={}", next.expect("there are many more"));
    }
    // The service's connections tell what they read once they rest.
    let mut last = (0, 0);
    wait_until(
        LONG,
        "the database has counted each request's four reads",
        async || {
            last = read(world.pool()).await;
            last.1 - scans >= 4 * REQUESTS
        },
    )
    .await;
    let each = (last.0 - rows) / REQUESTS;
    assert!(each < 20_000, "{each} rows a request");
    search.stop().await;
    world.end().await;
}
