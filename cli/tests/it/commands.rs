//! The binary as a person runs it.

use std::process::{Command, Output};

use serde_json::Value;
use tusou_testkit::{World, free_port};

use super::ran::text;

/// Runs `tusou` in the world; its variables come before any file.
async fn tusou(world: &World, args: &[&str]) -> Output {
    let config = &world.config;
    let mut command = Command::new(env!("CARGO_BIN_EXE_tusou"));
    command
        .args(args)
        .env("TUSOU_DATABASE_URL", &config.database.url)
        .env("TUSOU_AMQP_URL", &config.amqp.url)
        .env("TUSOU_RABBITMQ_API_URL", &config.rabbitmq.api_url)
        .env("TUSOU_ELASTICSEARCH_URL", &config.elasticsearch.url)
        .env("TUSOU_ELASTICSEARCH_ALIAS", &config.elasticsearch.alias)
        .env("TUSOU_SEARCH_URL", &config.search.url);
    let ran = tokio::task::spawn_blocking(move || command.output()).await;
    ran.expect("waiting does not panic")
        .expect("the binary was built with this test")
}

#[tokio::test]
async fn seeds_are_added_once_and_shown() {
    let world = World::new("cli_seeds").await;
    drop(world.broker().await);
    let seeds = ["http://a.test/x/", "http://b.test"];
    let added = tusou(
        &world,
        &[
            "seed", seeds[0], seeds[1], "--scope", "prefix", "--depth", "3",
        ],
    )
    .await;
    assert_eq!(added.status.code(), Some(0), "{}", text(&added.stderr));
    let again = tusou(
        &world,
        &["seed", seeds[0], "--scope", "prefix", "--limit", "10"],
    )
    .await;
    assert!(
        text(&again.stdout).contains("was there"),
        "{}",
        text(&again.stdout)
    );

    let bad = tusou(&world, &["seed", "http://c.test/", "ftp://d.test/"]).await;
    assert_eq!(bad.status.code(), Some(2));
    assert!(
        text(&bad.stderr).contains("ftp://d.test/"),
        "{}",
        text(&bad.stderr)
    );

    let status = tusou(&world, &["status", "--json"]).await;
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    let status: Value = serde_json::from_slice(&status.stdout).expect("it is JSON");
    assert_eq!(status["done"], false);
    assert_eq!(status["pages"]["due"], 2);
    assert_eq!(status["problems"], serde_json::json!([]));
    let shown = status["seeds"].as_array().expect("seeds are a list");
    let shown: Vec<_> = shown
        .iter()
        .map(|seed| {
            (
                &seed["url"],
                &seed["scope"],
                &seed["max_pages"],
                &seed["pages"]["due"],
            )
        })
        .collect();
    assert_eq!(shown[0].0, "http://a.test/x/");
    assert_eq!(
        (shown[0].1.as_str(), shown[0].2.as_u64()),
        (Some("prefix"), Some(10))
    );
    assert_eq!(
        (shown[1].0.as_str(), shown[1].3.as_u64()),
        (Some("http://b.test/"), Some(1))
    );
    assert_eq!(shown.len(), 2);

    let human = tusou(&world, &["status"]).await;
    assert!(
        text(&human.stdout).contains("http://a.test/x/"),
        "{}",
        text(&human.stdout)
    );
    world.end().await;
}

#[tokio::test]
async fn the_schema_goes_back_and_forward() {
    let world = World::new("cli_migrate").await;
    let already = tusou(&world, &["migrate"]).await;
    assert!(
        text(&already.stdout).contains("already"),
        "{}",
        text(&already.stdout)
    );
    let dry = tusou(&world, &["migrate", "--back-to", "0", "--dry-run"]).await;
    assert_eq!(dry.status.code(), Some(0), "{}", text(&dry.stderr));
    assert!(text(&dry.stdout).contains("to 0"), "{}", text(&dry.stdout));
    assert_eq!(tusou(&world, &["status"]).await.status.code(), Some(0));
    let back = tusou(&world, &["migrate", "--back-to", "0"]).await;
    assert_eq!(back.status.code(), Some(0), "{}", text(&back.stderr));
    let status = tusou(&world, &["status"]).await;
    assert_eq!(status.status.code(), Some(1));
    assert!(
        text(&status.stderr).contains("tusou migrate"),
        "{}",
        text(&status.stderr)
    );
    let forward = tusou(&world, &["migrate"]).await;
    assert!(
        text(&forward.stdout).contains("migration 1 applied"),
        "{}",
        text(&forward.stdout)
    );
    assert_eq!(tusou(&world, &["status"]).await.status.code(), Some(0));
    world.end().await;
}

#[tokio::test]
async fn a_search_service_that_is_away_is_named_with_its_key() {
    let mut world = World::new("cli_search").await;
    world.config.search.url = format!("http://127.0.0.1:{}", free_port());
    let away = tusou(&world, &["search", "--text", "a kite"]).await;
    assert_eq!(away.status.code(), Some(1));
    let said = text(&away.stderr);
    assert!(
        said.contains(&world.config.search.url) && said.contains("search.url"),
        "{said}"
    );
    let unread = tusou(&world, &["search", "--image", "/nowhere/kite.png"]).await;
    assert!(
        text(&unread.stderr).contains("/nowhere/kite.png"),
        "{}",
        text(&unread.stderr)
    );
    world.end().await;
}

#[tokio::test]
async fn every_fault_of_a_configuration_is_named() {
    let world = World::new("cli_config").await;
    let file = world.folder().join("bad.toml");
    std::fs::write(
        &file,
        "[search]\nlisten = \"nowhere\"\n[crawlr]\nhosts = 1\n",
    )
    .expect("the folder is there");
    let path = file.to_str().expect("the folder's name is text");
    let bad = tusou(&world, &["config", "check", "--config", path]).await;
    assert_eq!(bad.status.code(), Some(2));
    let said = text(&bad.stderr);
    assert!(
        said.contains("search.listen") && said.contains("crawlr"),
        "{said}"
    );

    let good = tusou(&world, &["config", "check"]).await;
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    let said = text(&good.stdout);
    assert!(
        said.contains("TUSOU_DATABASE_URL overrides a key"),
        "{said}"
    );
    assert!(
        said.contains(&format!("alias = \"{}\"", world.name())),
        "{said}"
    );
    world.end().await;
}
