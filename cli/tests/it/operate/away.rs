//! Stores that go away and come back while it is shown.

use tusou_testkit::World;

use super::{Page, words};

#[tokio::test]
async fn what_is_away_is_named_and_what_was_seen_stays() {
    let mut world = World::new("operate_away").await;
    drop(world.broker().await);
    let database = world.proxy_database().await;
    let elasticsearch = world.proxy_elasticsearch().await;
    let seeded = tusou_testkit::tusou(&world, &["seed", "http://a.test/"]).await;
    assert!(seeded.status.success());
    let page = Page::start(&world).await;
    assert!(page.get("/?lang=en").await.text.contains("http://a.test/"));

    database.cut();
    elasticsearch.cut();
    let html = page
        .until("Postgres to be missed", |html| {
            html.contains("Not everything can be seen.") && html.contains("Postgres")
        })
        .await;
    let [sentence] = words(&html, "h1").try_into().expect("one sentence");
    assert_eq!(sentence, "Not everything can be seen.");
    assert!(
        words(&html, "#crawl .seeds li")
            .join("")
            .contains("http://a.test/"),
        "what was seen stays: {html}"
    );
    assert!(
        words(&html, ".footing").join("").contains("Rows counted"),
        "with its age: {html}"
    );
    page.until("Elasticsearch to be missed", |html| {
        html.contains("Elasticsearch")
    })
    .await;

    // What cannot be done now says so, and the form is there again.
    let form = "form:has(select[name='what'])";
    let refused = page
        .post(
            "/ask",
            &Page::fields(
                &html,
                form,
                &[("what", "crawl"), ("do", "pause"), ("host", "")],
            ),
        )
        .await;
    assert!(
        refused.status == 422 && refused.text.contains("Postgres"),
        "{}",
        refused.text
    );

    database.restore();
    elasticsearch.restore();
    page.until("all to be seen again", |html| {
        !html.contains("Not everything can be seen.")
    })
    .await;
    page.end().await;
    world.end().await;
}

#[tokio::test]
async fn it_starts_while_the_database_is_away() {
    let mut world = World::new("operate_start_away").await;
    let database = world.proxy_database().await;
    database.cut();
    let page = Page::start_with(&world, |_| {}).await;
    let html = page
        .until("Postgres to be missed", |html| {
            html.contains("Not everything can be seen.")
        })
        .await;
    assert!(
        html.contains("Postgres") && html.contains("id=\"services\""),
        "{html}"
    );
    database.restore();
    page.until("the rows", |html| html.contains("id=\"crawl\""))
        .await;
    page.end().await;
    world.end().await;
}
