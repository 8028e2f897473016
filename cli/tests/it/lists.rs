//! Lists of pictures, against the real Postgres and without services.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tusou_testkit::{World, wait_until};

use super::ran::{fails, says};

const LIMIT: Duration = Duration::from_secs(60);

fn write(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.folder().join(name);
    std::fs::write(&path, text).expect("the world's folder can be written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the world's folder is UTF-8")
}

async fn reads(world: &World, arguments: &[&str]) -> Value {
    let arguments = [&["seed", "--json", "--list"], arguments].concat();
    let said = says(world, &arguments).await;
    let reports: Value = serde_json::from_str(&said).expect("it prints JSON");
    reports[0].clone()
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

async fn execute(world: &World, statement: &'static str) {
    let done = sqlx::raw_sql(statement).execute(world.pool()).await;
    done.expect("the rows fit the schema");
}

/// `rows` rows, of which each has a picture of its own on one of a hundred hosts.
fn csv(rows: std::ops::Range<u32>) -> String {
    let row = |n: u32| format!("http://h{}.test/{n}.png,picture {n},{n}\n", n % 100);
    std::iter::once("url,caption,views\n".to_owned())
        .chain(rows.map(row))
        .collect()
}

#[tokio::test]
async fn a_list_that_is_killed_goes_on_and_one_that_changes_is_read_again_on_demand() {
    let world = World::new("list_killed").await;
    let list = write(&world, "pictures.csv", &csv(0..5_000));
    let list = text(&list);
    // A row that somebody else is just writing holds the third thousand up.
    let mut other = world.pool().begin().await.expect("a transaction");
    sqlx::raw_sql(
        "INSERT INTO hosts (origin) VALUES ('http://other.test');
         INSERT INTO image_urls (host_id, url)
         SELECT host_id, 'http://h0.test/2500.png' FROM hosts WHERE origin = 'http://other.test';",
    )
    .execute(&mut *other)
    .await
    .expect("the rows fit the schema");
    let mut killed = begin(&world, &["seed", "--list", list]);
    let read = "SELECT coalesce(max(rows), 0) FROM lists";
    wait_until(LIMIT, "two thousand rows", async || {
        count(&world, read).await == 2_000
    })
    .await;
    killed.kill().expect("it runs");
    killed.wait().expect("it was killed");
    other.rollback().await.expect("nothing is written");
    let shown = says(&world, &["seed", "lists"]).await;
    assert!(shown.contains("goes on where it was"), "{shown}");
    let shown = says(&world, &["seed", "lists", "--json"]).await;
    let lists: Value = serde_json::from_str(&shown).expect("it prints JSON");
    let share = lists[0]["share"].as_f64().expect("a share");
    assert!((0.3..0.5).contains(&share), "{lists:#}");

    // Whoever waits at the row that was held up lets go when its connection is seen to be gone.
    let report = wait_for_report(&world, list).await;
    assert_eq!(report["went_on_after"], 2_001, "{report:#}");
    assert_eq!(
        (&report["rows"], &report["read_now"]),
        (&json!(5_000), &json!(3_000))
    );
    assert_eq!(
        (&report["finished"], &report["left_out"]),
        (&json!(true), &json!({}))
    );
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM image_urls WHERE state = 'due'"
        )
        .await,
        5_000
    );
    assert_eq!(
        count(&world, "SELECT count(*) FROM page_images WHERE listed = 1").await,
        5_000
    );
    let woken = "SELECT count(*) FROM hosts WHERE next_due_at <= now() AND origin LIKE 'http://h%'";
    assert_eq!(count(&world, woken).await, 100);
    let never = "SELECT count(*) FROM hosts WHERE origin = 'list:' AND next_due_at IS NULL";
    assert_eq!(count(&world, never).await, 1);

    let again = reads(&world, &[list]).await;
    assert!(again["was_finished"].is_string(), "{again:#}");
    assert_eq!(again["read_now"], 0);

    // A new version: a thousand rows go, one comes, one says something else.
    execute(
        &world,
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key)
         VALUES (sha256('1'), 'png', 1, 1, 1, 'originals/x');
         UPDATE image_urls SET state = 'done', image_id = sha256('1')
         WHERE url IN ('http://h1.test/4001.png', 'http://h1.test/1.png');
         INSERT INTO sightings (image_id, page_id, image_url_id)
         SELECT image_id, page_id, image_url_id FROM image_urls, lists WHERE image_id IS NOT NULL;",
    )
    .await;
    let text = csv(0..4_000).replace("picture 1,", "another word,") + "http://new.test/,,\n";
    write(&world, "pictures.csv", &text);
    let (code, said) = fails(&world, &["seed", "--list", list]).await;
    assert!(
        code == Some(1) && said.contains("pictures.csv") && said.contains("--again"),
        "{said}"
    );
    let report = reads(&world, &[list, "--again"]).await;
    assert_eq!(
        (&report["due"], &report["gone"], &report["seen"]),
        (&json!(1), &json!(1_000), &json!(1)),
        "{report:#}"
    );
    assert_eq!(
        count(&world, "SELECT count(*) FROM page_images").await,
        4_001
    );
    let live =
        "SELECT count(*) FROM sightings WHERE gone_since IS NULL AND caption = 'another word'";
    assert_eq!(count(&world, live).await, 1);
    assert_eq!(
        count(
            &world,
            "SELECT count(*) FROM sightings WHERE gone_since IS NOT NULL"
        )
        .await,
        1
    );
    assert_eq!(
        count(&world, "SELECT count(*) FROM outbox").await,
        1,
        "one image, one message"
    );
    world.end().await;
}

/// Starts `tusou` with the world's configuration, and does not wait for it.
fn begin(world: &World, arguments: &[&str]) -> std::process::Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tusou"));
    command
        .args(arguments)
        .env("TUSOU_DATABASE_URL", &world.config.database.url)
        .stdout(std::process::Stdio::null());
    command
        .spawn()
        .expect("the binary was built with this test")
}

/// Reads the list as soon as nobody else does.
async fn wait_for_report(world: &World, list: &str) -> Value {
    wait_until(
        LIMIT,
        "the killed process's connection to be gone",
        async || {
            let held =
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                    WHERE locktype = 'advisory' AND datname = current_database()";
            count(world, held).await == 0
        },
    )
    .await;
    reads(world, &[list]).await
}

#[tokio::test]
async fn bad_rows_are_counted_by_reason_and_named_by_line() {
    let world = World::new("list_bad").await;
    let mut rows = csv(0..1_200);
    rows.push_str("ftp://a.test/x.png,x,1\n,no url,2\nhttp://h0.test/0.png,twice,3\nhttp://kept.test/x.png,x,4\nshort\n");
    let list = write(&world, "pictures.csv", &rows);
    let (list, bad) = (text(&list), world.folder().join("bad.tsv"));
    execute(
        &world,
        "INSERT INTO removals (kind, subject) VALUES ('host', 'kept.test')",
    )
    .await;

    let dry = reads(&world, &[list, "--dry-run"]).await;
    assert_eq!(
        (&dry["rows"], &dry["finished"]),
        (&json!(1_205), &json!(false))
    );
    assert_eq!(
        count(&world, "SELECT count(*) FROM lists").await,
        0,
        "a dry run changes nothing"
    );

    let report = reads(&world, &[list, "--bad", text(&bad)]).await;
    assert_eq!(
        report["bad"],
        json!({"columns": 1, "no_url": 1, "scheme": 1}),
        "{report:#}"
    );
    assert_eq!(report["left_out"], json!({"doubled": 1, "removed": 1}));
    assert_eq!(report["due"], 1_200);
    let lines: Vec<&Value> = report["first_bad"]
        .as_array()
        .expect("bad rows are a list")
        .iter()
        .map(|bad| &bad["line"])
        .collect();
    assert_eq!(lines, [1_202, 1_203, 1_206]);
    let written = std::fs::read_to_string(bad).expect("it was written");
    let first = written.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("pictures.csv\t1202\tscheme\t") && first.contains("ftp://a.test/x.png"),
        "{first}"
    );
    assert_eq!(written.lines().count(), 3);
    // The first of two rows of a picture stands.
    let first = "SELECT count(*) FROM page_images WHERE caption = 'picture 0' AND context -> 'columns' ->> 'views' = '0'";
    assert_eq!(count(&world, first).await, 1);

    // Two files are two lists; one is not read, and says so, without a trace.
    let (code, said) = fails(
        &world,
        &["seed", "--list", list, "--url-column", "uri", "--name", "n"],
    )
    .await;
    assert!(
        code == Some(1) && said.contains("\"uri\"") && said.contains("url, caption, views"),
        "{said}"
    );
    let hopeless = write(&world, "bad.csv", "url\nftp://a.test/\n");
    let (_, said) = fails(&world, &["seed", "--list", text(&hopeless)]).await;
    assert!(
        said.contains("not one row") && said.contains("scheme 1"),
        "{said}"
    );
    // It was of no use yet: mended, it is read without more ado.
    let mended = write(&world, "bad.csv", "url\nhttp://mended.test/\n");
    assert_eq!(reads(&world, &[text(&mended)]).await["due"], 1);
    let (_, said) = fails(
        &world,
        &["seed", "--list", text(&mended), "--caption-column", "url"],
    )
    .await;
    assert!(
        said.contains("other columns") && said.contains("--again"),
        "{said}"
    );
    world.end().await;
}

#[tokio::test]
async fn what_a_list_names_is_wanted_as_what_a_seed_reaches() {
    let world = World::new("list_wanted").await;
    drop(world.broker().await);
    says(&world, &["seed", "http://a.test/"]).await;
    let list = write(
        &world,
        "urls.txt",
        "http://b.test/both.png\nhttp://b.test/mine.png\n",
    );
    says(&world, &["seed", "--list", text(&list)]).await;
    execute(
        &world,
        "INSERT INTO image_urls (host_id, url) SELECT host_id, 'http://a.test/theirs.png' FROM hosts WHERE origin = 'http://a.test';
         INSERT INTO page_images (page_id, image_url_id)
         SELECT page_id, image_url_id FROM seed_pages, image_urls WHERE image_urls.url NOT LIKE '%mine%';",
    )
    .await;
    let said = says(&world, &["status"]).await;
    assert!(
        said.contains("list urls.txt: going on") && said.contains("2 rows, 0 of 2 image URLs"),
        "{said}"
    );
    let status: Value =
        serde_json::from_str(&says(&world, &["status", "--json"]).await).expect("JSON");
    // What stands for a list is no page that is crawled.
    assert_eq!(
        status["pages"],
        json!({"due": 1, "done": 0, "failed": {}, "skipped": {}})
    );
    assert_eq!(status["lists"][0]["image_urls"]["due"], 2);

    says(&world, &["seed", "remove", "1"]).await;
    let due = "SELECT string_agg(url, ' ' ORDER BY url) FROM image_urls WHERE state = 'due'";
    let due: Option<String> = sqlx::query_scalar(due)
        .fetch_one(world.pool())
        .await
        .expect("rows");
    assert_eq!(
        due.as_deref(),
        Some("http://b.test/both.png http://b.test/mine.png")
    );
    execute(
        &world,
        "UPDATE image_urls SET state = 'done' WHERE state = 'due'",
    )
    .await;
    let said = says(&world, &["recrawl", "--all"]).await;
    assert!(
        said.starts_with("0 pages and 2 image URLs are due"),
        "{said}"
    );
    world.end().await;
}
