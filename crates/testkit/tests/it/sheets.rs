//! Pictures that linked style sheets show: found with their pages, at one request a sheet.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use tusou_testkit::{Reply, Service, Site, World, pictures, tusou, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(120);

/// What pages show, as `page picture way`.
async fn shown(world: &World) -> BTreeSet<String> {
    let rows: Vec<(String, String, Value)> = sqlx::query_as(
        "SELECT pages.url, image_urls.url, page_images.context FROM page_images
         JOIN pages USING (page_id) JOIN image_urls USING (image_url_id)",
    )
    .fetch_all(world.pool())
    .await
    .expect("the statement fits the schema");
    let path = |url: &str| url.splitn(4, '/').last().unwrap_or_default().to_owned();
    rows.into_iter()
        .map(|(page, picture, context)| {
            let way = context["found_by"].as_str().unwrap_or_default().to_owned();
            format!("/{} /{} {way}", path(&page), path(&picture))
        })
        .collect()
}

/// Paths of the pages whose next request may be answered by 304.
async fn settled(world: &World) -> BTreeSet<String> {
    let urls: Vec<String> = sqlx::query_scalar("SELECT url FROM pages WHERE etag IS NOT NULL")
        .fetch_all(world.pool())
        .await
        .expect("the statement fits the schema");
    urls.iter()
        .filter_map(|url| Some(format!("/{}", url.splitn(4, '/').nth(3)?)))
        .collect()
}

#[tokio::test]
async fn sheets_are_asked_for_once_and_their_pictures_are_their_pages() {
    let world = World::new("sheets").await;
    let other = Site::start_on([127, 0, 0, 2].into()).await;
    let site = Site::start().await;
    let css = |text: &str| Reply::bytes("text/css", text);
    site.robots("User-agent: *\nDisallow: /private");
    site.put(
        "/site.css",
        css("@import url(deeper/more.css); body { background: url(site.png) }"),
    );
    site.put(
        "/deeper/more.css",
        css("@import '/site.css'; p { background: url(more.png) }"),
    );
    site.put("/moved.css", Reply::redirect(&other.url("/there.css")));
    other.put("/there.css", css("p { list-style-image: url(there.png) }"));
    site.put("/private.css", css("p { background: url(/never1.png) }"));
    site.put(
        "/page.css",
        Reply::html("p { background: url(/never2.png) }"),
    );
    site.put(
        "/broken.css",
        Reply::broken_off("text/css", "p { background: url(/never3.png) }"),
    );
    let long = "p { background: url(/never4.png) }".repeat(40_000);
    site.put("/long.css", css(&long));
    for (number, path) in ["/site.png", "/deeper/more.png", "/own.png", "/small.png"]
        .iter()
        .enumerate()
    {
        site.png(path, pictures::png(number as u32));
    }
    other.png("/there.png", pictures::png(9));
    let page = |body: &str| Reply::html(body).header("etag", "\"1\"");
    site.put(
        "/",
        page(
            "<h1>Cats</h1><link rel=stylesheet href=/site.css><link rel=stylesheet href=/moved.css>\
             <link rel=stylesheet href=/gone.css><link rel=stylesheet href=/private.css>\
             <link rel=stylesheet href=/page.css><link rel=stylesheet href=/long.css>\
             <p>Near <a href=/b>by <img src=/small.png srcset='/small.png 100w, /own.png 500w' alt=Own></a></p>",
        ),
    );
    site.put(
        "/b",
        page("<link rel=stylesheet href=/site.css><a href=/c>c</a>"),
    );
    site.put(
        "/c",
        page("<link rel=stylesheet href=/site.css><link rel=stylesheet href=/broken.css>"),
    );
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let output = tusou(&world, &["seed", &site.url("/")]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let expected: BTreeSet<String> = [
        "/ /own.png srcset",
        "/ /site.png css",
        "/ /deeper/more.png css",
        "/ /there.png css",
        "/b /site.png css",
        "/b /deeper/more.png css",
        "/c /site.png css",
        "/c /deeper/more.png css",
    ]
    .map(str::to_owned)
    .into();
    wait_until(LIMIT, "the pages to be read", async || {
        shown(&world).await.len() >= expected.len()
    })
    .await;
    assert_eq!(shown(&world).await, expected);
    for path in [
        "/site.css",
        "/deeper/more.css",
        "/moved.css",
        "/gone.css",
        "/page.css",
        "/long.css",
        "/broken.css",
    ] {
        assert_eq!(site.hits(path), 1, "{path}");
    }
    assert_eq!(
        (other.hits("/there.css"), site.hits("/private.css")),
        (1, 0)
    );
    // What could not be had now is wanted next time, whatever the page's own answer is.
    assert_eq!(
        settled(&world).await,
        BTreeSet::from(["/".to_owned(), "/b".to_owned()])
    );

    let row: (String, Value) = sqlx::query_as(
        "SELECT nearby, context FROM page_images JOIN image_urls USING (image_url_id) WHERE alt = 'Own'",
    )
    .fetch_one(world.pool())
    .await
    .expect("the picture is there");
    assert_eq!(row.0, "Near by");
    assert_eq!(
        (
            &row.1["heading"],
            &row.1["link_text"],
            &row.1["variants"][0]
        ),
        (&"Cats".into(), &"by".into(), &site.url("/small.png").into())
    );
    drop(crawler);
    world.end().await;
}
