//! Seeds that change, and what is made to rest.

use serde_json::Value;
use tusou_contract::queue::ENCODER_PAUSED;
use tusou_testkit::World;

use super::ran::{fails, says};

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

#[tokio::test]
async fn seeds_are_listed_edited_and_removed() {
    let world = World::new("cli_seeds_change").await;
    let said = says(&world, &["seed", "list"]).await;
    assert!(said.contains("no seed yet"), "{said}");
    says(
        &world,
        &["seed", "http://a.test/", "http://a.test/b/", "--depth", "3"],
    )
    .await;
    let said = says(
        &world,
        &["seed", "edit", "1", "--scope", "prefix", "--limit", "1234"],
    )
    .await;
    assert!(
        said.contains("prefix, depth 3, at most 1,234 pages: has these bounds now"),
        "{said}"
    );
    let list: Value = serde_json::from_str(&says(&world, &["seed", "list", "--json"]).await)
        .expect("it prints JSON");
    let seed = &list[0];
    assert_eq!(
        (&seed["scope"], &seed["max_pages"], &seed["due"]),
        (&"prefix".into(), &1234.into(), &1.into()),
        "{list:#}"
    );
    let said = says(&world, &["seed", "list"]).await;
    assert!(
        said.contains("http://a.test/b/") && said.contains("1,234"),
        "{said}"
    );

    // Two seeds of one URL and scope are one.
    says(&world, &["seed", "http://a.test/"]).await;
    let (code, said) = fails(&world, &["seed", "edit", "1", "--scope", "host"]).await;
    assert!(
        code == Some(1) && said.contains("seed 3 crawls http://a.test/"),
        "{said}"
    );
    let (code, said) = fails(&world, &["seed", "edit", "99", "--depth", "1"]).await;
    assert!(
        code == Some(1) && said.contains("no seed 99") && said.contains("seed list"),
        "{said}"
    );

    let due = "SELECT count(*) FROM pages WHERE state = 'due'";
    says(&world, &["seed", "remove", "2", "--dry-run"]).await;
    assert_eq!(
        (
            count(&world, "SELECT count(*) FROM seeds").await,
            count(&world, due).await
        ),
        (3, 2)
    );
    says(&world, &["seed", "remove", "2"]).await;
    says(&world, &["seed", "remove", "1"]).await;
    // The first page is the third seed's too.
    assert_eq!(
        (
            count(&world, "SELECT count(*) FROM seeds").await,
            count(&world, due).await
        ),
        (1, 1)
    );
    let (_, said) = fails(&world, &["seed", "remove", "2"]).await;
    assert!(said.contains("no seed 2"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn only_what_is_known_is_crawled_again() {
    let world = World::new("cli_recrawl").await;
    says(&world, &["seed", "http://a.test/"]).await;
    sqlx::raw_sql("UPDATE pages SET state = 'failed', reason = 'http_404', attempts = 4")
        .execute(world.pool())
        .await
        .expect("Postgres answers");
    let failed = "SELECT count(*) FROM pages WHERE state = 'failed' AND attempts = 4";
    for target in ["1", "http://a.test", "--all"] {
        let said = says(&world, &["recrawl", target, "--dry-run"]).await;
        assert_eq!(said, "1 pages and 0 image URLs would be due again.\n");
    }
    assert_eq!(count(&world, failed).await, 1);
    let said = says(&world, &["recrawl", "1"]).await;
    assert_eq!(said, "1 pages and 0 image URLs are due again.\n");
    let due = "SELECT count(*) FROM pages JOIN hosts USING (host_id)
               WHERE state = 'due' AND attempts = 0 AND reason IS NULL AND next_due_at <= now()";
    assert_eq!(count(&world, due).await, 1);
    let (code, said) = fails(&world, &["recrawl", "7"]).await;
    assert!(code == Some(1) && said.contains("no seed 7"), "{said}");
    let (code, said) = fails(&world, &["recrawl", "http://b.test/"]).await;
    assert!(
        code == Some(1) && said.contains("knows no URL http://b.test/"),
        "{said}"
    );
    let (code, said) = fails(&world, &["recrawl", "b.test"]).await;
    assert!(code == Some(2) && said.contains("b.test"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn what_is_paused_is_named_and_resumed() {
    let world = World::new("cli_pause").await;
    let broker = world.broker().await;
    let up = async || {
        broker
            .is_flag_up(ENCODER_PAUSED)
            .await
            .expect("the broker answers")
    };
    let rows = "SELECT count(*) FROM pauses WHERE why = 'a test'";
    for (stage, name) in [
        ("crawl", "the crawl"),
        ("indexer", "the indexer"),
        ("encoder", "the encoder"),
    ] {
        let said = says(&world, &["resume", stage]).await;
        assert_eq!(said, format!("{name} was not paused\n"));
        let said = says(&world, &["pause", stage, "--dry-run"]).await;
        assert_eq!(said, format!("{name} would be paused\n"));
        assert!(
            count(&world, rows).await == 0 && !up().await,
            "a dry run changes nothing"
        );
        let said = says(&world, &["pause", stage, "--why", "a test"]).await;
        assert_eq!(said, format!("{name} is paused\n"));
        assert_eq!(count(&world, rows).await == 1, stage != "encoder");
        assert_eq!(up().await, stage == "encoder");
        let said = says(&world, &["pause", stage, "--why", "a test"]).await;
        assert_eq!(said, format!("{name} is paused already\n"));
        let said = says(&world, &["resume", stage]).await;
        assert_eq!(said, format!("{name} goes on\n"));
        assert!(count(&world, rows).await == 0 && !up().await);
    }

    says(
        &world,
        &[
            "seed",
            "http://a.test:8080/",
            "https://a.test/",
            "http://b.a.test/",
        ],
    )
    .await;
    let said = says(&world, &["pause", "host", "a.test", "--why", "a test"]).await;
    assert_eq!(
        said,
        "http://a.test:8080 is paused\nhttps://a.test is paused\n"
    );
    let said = says(&world, &["resume", "host", "A.test:8080"]).await;
    assert_eq!(said, "http://a.test:8080 goes on\n");
    let said = says(&world, &["pause", "host", "a.test", "--dry-run"]).await;
    assert_eq!(
        said,
        "http://a.test:8080 would be paused\nhttps://a.test is paused already\n"
    );
    let paused = "SELECT count(*) FROM hosts WHERE paused_at IS NOT NULL AND paused_why = 'a test'";
    assert_eq!(count(&world, paused).await, 1);
    let (code, said) = fails(&world, &["pause", "host", "c.test"]).await;
    assert!(
        code == Some(1) && said.contains("knows no host c.test"),
        "{said}"
    );
    world.end().await;
}
