//! Pages in, searchable pictures out, through the real services and stores.

use std::time::Duration;

use serde_json::{Value, json};
use tusou_contract::ImageId;
use tusou_testkit::{Chain, Gallery, Reply, Service, Site, World, pictures, tusou};

#[tokio::test]
async fn every_picture_is_searchable_once_with_all_its_sightings() {
    let gallery = Gallery::open(25, Duration::ZERO).await;
    let chain = Chain::start(World::new("chain").await).await;
    chain.seed(&gallery.site.url("/")).await;
    let status = chain.done().await;
    gallery.check(&chain.shown().await);

    assert_eq!(status["pages"]["done"], 25);
    assert_eq!(status["image_urls"]["done"], 26);
    assert_eq!(status["images"]["stored"], 26);
    assert_eq!(status["images"]["indexed"], 26);
    assert_eq!(status["sightings"], 75);
    assert_eq!(status["seeds"][0]["done"], true);
    // Each address is asked once: nothing is fetched twice in a crawl.
    assert_eq!(gallery.site.hits("/logo.png"), 1);
    assert_eq!(gallery.site.hits("/page/7"), 1);
    chain.end().await;
}

#[tokio::test]
async fn a_search_by_words_and_by_picture_shows_the_pages() {
    let gallery = Gallery::open(6, Duration::ZERO).await;
    let chain = Chain::start(World::new("search").await).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    let search = Service::spawn(&chain.world, "tusou-search").await;

    let picture = chain.world.folder().join("query.png");
    // The same pixels in another format: other bytes, the same picture.
    let pixels = pictures::pixels(4, 96, 64);
    std::fs::write(
        &picture,
        pictures::compressed(&pixels, image::ImageFormat::Png),
    )
    .expect("the world's folder can be written");
    let path = picture
        .to_str()
        .expect("a temporary folder's name is UTF-8");
    let output = tusou(&chain.world, &["search", "--image", path, "--json"]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let best = &answer["hits"][0];
    assert_eq!(
        best["image_id"],
        json!(ImageId::of(&pictures::jpeg(4))),
        "{answer:#}"
    );
    let pages: Vec<&str> = best["pages"]
        .as_array()
        .expect("a hit has its pages")
        .iter()
        .filter_map(|page| page["page_url"].as_str())
        .collect();
    assert!(
        pages.contains(&gallery.site.url("/page/3").as_str()),
        "{pages:?}"
    );

    let output = tusou(&chain.world, &["search", "--text", "红色的方块", "--json"]).await;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        answer["hits"].as_array().map(Vec::len),
        Some(7),
        "{answer:#}"
    );
    drop(search);
    chain.end().await;
}

#[tokio::test]
async fn the_articles_request_answers_as_it_stands() {
    let gallery = Gallery::open(8, Duration::ZERO).await;
    let mut world = World::new("article").await;
    world.config.encoder.batch = 3;
    let chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    let documents = chain.world.documents().await;
    let document = &documents[0];
    // The article's query vector comes straight from the model: it is not normalised.
    let vector: Vec<f32> = document.embeddings["image_embedding"]
        .iter()
        .map(|value| value * 37.5)
        .collect();
    let answer = chain
        .world
        .elastic()
        .search(
            &chain.world.config.elasticsearch.alias,
            &json!({
                "knn": {"field": "image_embedding", "k": 5, "num_candidates": 10, "query_vector": vector},
                "fields": ["image_id", "image_name", "relative_path"],
            }),
        )
        .await
        .expect("the article's request is answered");
    let hits = answer["hits"]["hits"]
        .as_array()
        .expect("an answer has hits");
    assert_eq!(hits.len(), 5);
    assert_eq!(hits[0]["fields"]["image_id"], json!([document.image_id]));
    assert_eq!(
        hits[0]["fields"]["image_name"],
        json!([document.image_name])
    );
    assert_eq!(
        hits[0]["fields"]["relative_path"],
        json!([document.relative_path])
    );
    chain.end().await;
}

#[tokio::test]
async fn robots_scope_depth_and_limit_hold() {
    let site = Site::start().await;
    let other = Site::start().await;
    site.robots("User-agent: *\nDisallow: /private\nAllow: /private/open\n");
    site.html(
        "/",
        format!(
            "<a href=/private/page>no</a><a href=/private/open>yes</a><a href=/1>1</a>\
             <a href=\"{}\">elsewhere</a><img src=/private/picture.png><img src=/picture.png>\
             <a href=\"http://[broken/\">unparsable</a>",
            other.url("/")
        ),
    );
    site.html("/private/open", "<p>open");
    for page in 1..5 {
        site.html(
            &format!("/{page}"),
            format!("<a href=/{}>next</a>", page + 1),
        );
    }
    site.png("/picture.png", pictures::png(1));
    site.png("/private/picture.png", pictures::png(2));
    let chain = Chain::start(World::new("scope").await).await;
    chain.tusou(&["seed", &site.url("/"), "--depth", "2"]).await;
    let status = chain.done().await;
    assert_eq!(
        status["pages"]["done"], 4,
        "the start, the open one, /1 and /2: {status:#}"
    );
    assert_eq!(status["pages"]["skipped"]["robots"], 1);
    assert_eq!(status["image_urls"]["skipped"]["robots"], 1);
    assert_eq!(
        (
            site.hits("/private/page"),
            site.hits("/private/picture.png")
        ),
        (0, 0)
    );
    assert_eq!((site.hits("/robots.txt"), site.hits("/3")), (1, 0));
    assert!(other.requests().is_empty(), "another host is out of scope");

    // Deeper bounds: the crawl goes on where it was cut.
    chain.tusou(&["seed", &site.url("/"), "--depth", "9"]).await;
    let status = chain.done().await;
    assert_eq!(status["pages"]["done"], 6, "{status:#}");
    chain.end().await;
}

#[tokio::test]
async fn a_seed_takes_no_more_pages_than_its_limit() {
    let site = Site::start().await;
    let links: String = (0..200)
        .map(|n| format!("<a href=/p/{n}>{n}</a>"))
        .collect();
    site.html("/", &*links);
    for page in 0..200 {
        site.html(&format!("/p/{page}"), format!("<a href=/q/{page}>on</a>"));
    }
    let chain = Chain::start(World::new("limit").await).await;
    chain
        .tusou(&["seed", &site.url("/"), "--limit", "30"])
        .await;
    let status = chain.done().await;
    let fetched = status["pages"]["done"].as_u64().expect("a count");
    assert_eq!(fetched, 30, "{status:#}");
    chain.end().await;
}

#[tokio::test]
async fn a_changed_page_and_picture_change_the_document() {
    let site = Site::start().await;
    site.html("/", "<img src=/a.png alt=before><img src=/b.png>");
    site.png("/a.png", pictures::png(1));
    site.put("/b.png", Reply::bytes("image/png", pictures::png(2)));
    let chain = Chain::start(World::new("change").await).await;
    chain.seed(&site.url("/")).await;
    chain.done().await;
    site.html("/", "<img src=/a.png alt=after>");
    // Reading the page again: larger bounds make its seed go over its pages once more.
    chain
        .tusou(&["seed", &site.url("/"), "--depth", "20"])
        .await;
    chain.done().await;
    let shown = chain.shown().await;
    let kept = &shown[&ImageId::of(&pictures::png(1))];
    let gone = &shown[&ImageId::of(&pictures::png(2))];
    assert!(kept.captions.contains("after") && !kept.captions.contains("before"));
    assert_eq!((kept.sightings, gone.sightings), (1, 0));
    chain.end().await;
}
