//! What it shows.

use scraper::Html;
use tusou_contract::{BlobKey, ImageFormat};
use tusou_platform::telemetry::build;
use tusou_testkit::{Service, World, pictures};

use super::super::dead::{bury, known, rows};
use super::{Page, css, queues_are_known, words};

/// Besides what dead letters need: a seed with pages in every state, and hosts in trouble.
const ROWS: &str = "
    INSERT INTO hosts (origin, failures, next_due_at, not_before) VALUES
        ('http://down.test', 3, now() + interval '10 minutes', now() + interval '10 minutes');
    INSERT INTO hosts (origin, busy, next_due_at) VALUES ('http://busy.test', 2, now() - interval '1 minute');
    INSERT INTO hosts (origin, paused_at, paused_why) VALUES ('http://resting.test', now(), '<b>asked by mail</b>');
    INSERT INTO hosts (origin) VALUES ('http://closed.test');
    INSERT INTO seeds (url, scope_url, scope, max_depth, max_pages) VALUES
        ('http://a.test:8080/', 'http://a.test:8080/', 'host', 16, 1000);
    INSERT INTO pages (host_id, url, depth, state, reason) SELECT host_id, origin || '/' || n, 1, 'due', NULL
        FROM hosts, generate_series(1, 3) AS n WHERE origin IN ('http://down.test', 'http://resting.test');
    INSERT INTO pages (host_id, url, depth, state, reason) SELECT host_id, origin || '/' || n, 1, 'skipped', 'robots'
        FROM hosts, generate_series(1, 7) AS n WHERE origin = 'http://closed.test';
    INSERT INTO seed_pages (seed_id, page_id, depth) SELECT 1, page_id, 1 FROM pages;
    INSERT INTO outbox (queue, image_id, body, created_at) VALUES
        ('images.changed', sha256('owed'), '', now() - interval '2 hours');
";

async fn shown(name: &str) -> (World, Page) {
    let world = World::new(name).await;
    let broker = world.broker().await;
    rows(&world).await;
    let inserted = sqlx::raw_sql(ROWS).execute(world.pool()).await;
    inserted.expect("the rows fit the schema");
    bury(&broker).await;
    queues_are_known(&world).await;
    let page = Page::start(&world).await;
    (world, page)
}

#[tokio::test]
async fn the_page_shows_what_there_is_in_its_order() {
    let (world, page) = shown("operate_shows").await;
    let html = page
        .until("the dead letters, counted too", |html| {
            // The management API counts up to five seconds later.
            html.matches("class=\"letter\"").count() == 4
                && html.contains("dead letters in images.fetched.dead")
        })
        .await;
    let parsed = Html::parse_document(&html);
    let order: Vec<_> = parsed
        .select(&css("#now > section"))
        .filter_map(|section| section.value().id())
        .collect();
    assert_eq!(
        order,
        [
            "state", "services", "crawl", "waiting", "errors", "hosts", "dead"
        ]
    );

    let [sentence] = words(&html, "h1").try_into().expect("one sentence");
    assert_eq!(sentence, "Something is held up.");
    let causes = words(&html, ".causes li").join("\n");
    assert!(
        causes.contains("host http://resting.test is paused (<b>asked by mail</b>)"),
        "{causes}"
    );
    assert!(causes.contains("the crawler does not answer"), "{causes}");
    assert_eq!(words(&html, "#services tbody tr").len(), 4);
    let seeds = words(&html, "#crawl .seeds li").join("\n");
    // Of fourteen pages six are due; one picture address of one is settled.
    assert!(
        seeds.contains("http://a.test:8080/") && seeds.contains("8 of 14 pages"),
        "{seeds}"
    );

    let hosts = words(&html, "#hosts tbody tr");
    let of = |origin: &str| {
        let found = hosts.iter().find(|row| row.starts_with(origin));
        found
            .unwrap_or_else(|| panic!("no {origin} in {hosts:#?}"))
            .clone()
    };
    let down = of("http://down.test");
    assert!(
        down.contains("rests after errors (3 turns in a row) 3 in 9 min"),
        "{down}"
    );
    let resting = of("http://resting.test");
    assert!(
        resting.contains("paused (<b>asked by mail</b>) 3 not before it is resumed"),
        "{resting}"
    );
    assert!(of("http://busy.test").contains("asked to slow down (2 turns in a row) 0 now"));
    assert!(of("http://closed.test").contains("robots.txt forbids 7 pages"));
    assert_eq!(hosts.len(), 4, "{hosts:#?}");

    let errors = words(&html, "#errors tbody tr").join("\n");
    assert!(errors.contains("pages skipped robots 7"), "{errors}");
    assert!(
        errors.contains("dead letters in images.fetched.dead torn 2"),
        "{errors}"
    );
    let owed = words(&html, "#waiting figcaption").join("\n");
    assert!(owed.contains("a message owed 2 h"), "{owed}");
    assert!(words(&html, "#waiting svg").len() >= 10, "{owed}");
    for svg in parsed.select(&css("#waiting svg")) {
        let label = svg
            .value()
            .attr("aria-label")
            .expect("every plot has words");
        assert!(
            label.contains("the last 10 min") && label.contains("most"),
            "{label}"
        );
    }
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn dead_letters_have_pictures_that_can_be_nothing_else() {
    let (world, page) = shown("operate_pictures").await;
    let png = pictures::png(7);
    let original = BlobKey::original(&known(), ImageFormat::Png);
    world
        .blobs()
        .put(&original, png.clone().into())
        .await
        .expect("stored");
    // What calls itself a GIF and is none is not shown as one.
    let other = tusou_contract::ImageId::of(b"unknown");
    let false_one = BlobKey::original(&other, ImageFormat::Gif);
    world
        .blobs()
        .put(&false_one, b"<script>alert(1)</script>".to_vec().into())
        .await
        .expect("stored");

    let html = page
        .until("the dead letters", |html| {
            html.matches("class=\"letter\"").count() == 4
        })
        .await;
    assert!(
        html.contains(&format!("src=\"/picture/{}\"", known())),
        "{html}"
    );
    let letters = words(&html, ".letter").join("\n");
    assert!(
        letters.contains("the picture is [2Jtorn")
            && letters.contains("seen at a.test:8080, cdn.test"),
        "{letters}"
    );
    assert!(letters.contains("foreign_message"), "{letters}");

    let answer = page
        .send(page.client.get(page.url(&format!("/picture/{}", known()))))
        .await;
    assert_eq!(
        (answer.status, answer.headers["content-type"].to_str().ok()),
        (200, Some("image/png"))
    );
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let policy = answer.headers["content-security-policy"]
        .to_str()
        .expect("a policy");
    assert!(
        policy.contains("sandbox") && policy.contains("default-src 'none'"),
        "{policy}"
    );
    assert_eq!(
        answer.headers["content-length"],
        png.len().to_string().as_str()
    );
    assert_eq!(page.get(&format!("/picture/{other}")).await.status, 404);
    for nonsense in ["/picture/..%2f..%2fetc", "/picture/00", "/nowhere"] {
        assert_eq!(page.get(nonsense).await.status, 404, "{nonsense}");
    }
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn it_speaks_both_languages_and_lets_nothing_foreign_in() {
    let (world, page) = shown("operate_words").await;
    let chinese = page
        .send(
            page.client
                .get(page.url("/"))
                .header("accept-language", "zh-CN"),
        )
        .await;
    assert!(chinese.text.contains("lang=\"zh-Hans\"") && chinese.text.contains("缓慢或受阻的主机"));
    assert!(
        chinese.text.contains("robots.txt 禁止 7 个网页"),
        "{}",
        chinese.text
    );
    let english = page.get("/?lang=en").await;
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(english.headers[name], value, "{name}");
    }
    let policy = english.headers["content-security-policy"]
        .to_str()
        .expect("a policy");
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    let parsed = Html::parse_document(&english.text);
    assert_eq!(
        parsed
            .select(&css(
                "[style], style, [onclick], [onload], script:not([src])"
            ))
            .count(),
        0
    );
    let own = css("[src], link[href]");
    for element in parsed.select(&own) {
        let address = element
            .value()
            .attr("src")
            .or(element.value().attr("href"))
            .expect("it has one");
        assert!(
            address.starts_with('/') && !address.starts_with("//"),
            "{address}"
        );
        if address.starts_with("/assets/") {
            assert_eq!(page.get(address).await.status, 200, "{address}");
        }
    }
    // Every field has words, and no id stands twice.
    let mut ids: Vec<_> = parsed
        .select(&css("[id]"))
        .filter_map(|element| element.value().id())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    assert!(
        !english.text.contains("<b>asked"),
        "what others wrote is text"
    );
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn services_are_shown_with_their_builds() {
    let world = World::new("operate_services").await;
    let indexer = Service::spawn(&world, "tusou-indexer").await;
    let page = Page::start(&world).await;
    let ready = format!("indexer ready {} ", build());
    let is_shown = |html: &str| {
        let rows = words(html, "#services tbody tr");
        rows.iter().any(|row| row.starts_with(&ready))
    };
    page.until("the indexer's build", is_shown).await;
    drop(indexer);
    page.until("the indexer to be missed", |html| {
        let rows = words(html, "#services tbody tr");
        rows.iter()
            .any(|row| row.starts_with("indexer no answer – "))
    })
    .await;
    page.end().await;
    world.end().await;
}
