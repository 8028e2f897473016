//! A site changes and is crawled again; seeds change; the crawl rests; originals are not kept.

use std::time::Duration;

use serde_json::Value;
use tusou_contract::{BlobKey, ImageFormat, ImageId, Queue};
use tusou_platform::config::KeepOriginals;
use tusou_testkit::{Chain, Gallery, Reply, Service, Site, World, pictures, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(120);

fn id(number: u32) -> ImageId {
    ImageId::of(&pictures::png(number))
}

fn skipped(status: &Value, kind: &str, reason: &str) -> u64 {
    status[kind]["skipped"][reason].as_u64().unwrap_or(0)
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

/// The live sightings of picture `number` by its document.
async fn sightings(chain: &Chain, number: u32) -> Option<u32> {
    let shown = chain.shown().await;
    shown.get(&id(number)).map(|shown| shown.sightings)
}

#[tokio::test]
async fn what_a_site_answers_now_replaces_what_was_known() {
    let site = Site::start().await;
    let logo = "<img src=/logo.png alt=logo>";
    site.html(
        "/",
        format!(
            "<a href=/changed>c</a><a href=/removed>r</a><a href=/moved>m</a><a href=/text>t</a>\
             <a href=/down>d</a>{logo}<img src=/swapped.png><img src=/lost.png>"
        ),
    );
    let page = |name: &str, shows: &str| site.html(name, format!("{logo}{shows}"));
    page("/changed", "<img src=/a.png alt=before><img src=/b.png>");
    page("/removed", "<img src=/c.png>");
    page("/moved", "<img src=/d.png>");
    page("/text", "<img src=/e.png>");
    page("/down", "<img src=/f.png>");
    let put = |name: &str, number: u32| site.png(name, pictures::png(number));
    put("/logo.png", 0);
    for (number, name) in (1..).zip(["/a.png", "/b.png", "/c.png", "/d.png", "/e.png", "/f.png"]) {
        put(name, number);
    }
    put("/swapped.png", 10);
    put("/lost.png", 12);

    let mut world = World::new("crawl_again").await;
    world.config.crawler.max_attempts = 2;
    world.config.crawler.retry_after_ms = 100;
    let chain = Chain::start(world).await;
    chain.seed(&site.url("/")).await;
    chain.done().await;
    for (number, live) in [
        (0, 6),
        (1, 1),
        (2, 1),
        (3, 1),
        (4, 1),
        (5, 1),
        (6, 1),
        (10, 1),
        (12, 1),
    ] {
        assert_eq!(
            sightings(&chain, number).await,
            Some(live),
            "picture {number}"
        );
    }

    page("/changed", "<img src=/a.png alt=after>");
    site.remove("/removed");
    site.put("/moved", Reply::redirect("/new"));
    page("/new", "<img src=/d.png>");
    site.put("/text", Reply::bytes("text/plain", "no page any more"));
    site.put("/down", Reply::status(503));
    put("/swapped.png", 11);
    site.remove("/lost.png");
    let asked = site.requests().len();
    let said = chain.tusou(&["recrawl", "--all", "--dry-run"]).await;
    assert_eq!(said, "6 pages and 9 image URLs would be due again.\n");
    assert_eq!(site.requests().len(), asked, "a dry run fetches nothing");
    let said = chain.tusou(&["recrawl", "--all"]).await;
    assert_eq!(said, "6 pages and 9 image URLs are due again.\n");
    let status = chain.done().await;
    // The logo: on the start, the changed, the new page, and on the one that is only down.
    for (number, live) in [
        (0, 4),
        (1, 1),
        (2, 0),
        (3, 0),
        (4, 1),
        (5, 0),
        (6, 1),
        (10, 0),
        (11, 1),
        (12, 0),
    ] {
        let found = sightings(&chain, number).await;
        assert_eq!(found, Some(live), "picture {number}: {status:#}");
    }
    let captions = &chain.shown().await[&id(1)].captions;
    assert!(
        captions.contains("after") && !captions.contains("before"),
        "{captions:?}"
    );
    assert_eq!(status["pages"]["failed"]["http_404"], 1, "{status:#}");
    assert_eq!(status["image_urls"]["failed"]["http_404"], 1, "{status:#}");
    assert_eq!(skipped(&status, "pages", "redirected"), 1, "{status:#}");
    assert_eq!(skipped(&status, "pages", "not_html"), 1, "{status:#}");

    // What comes back is seen again, whatever it was taken for meanwhile.
    page("/removed", "<img src=/c.png>");
    page("/moved", "<img src=/d.png>");
    page("/text", "<img src=/e.png>");
    put("/lost.png", 12);
    chain.tusou(&["recrawl", "1"]).await;
    let status = chain.done().await;
    // Pictures 3 and 5 were not on any page, so nobody asked for them again: their bytes are known.
    for (number, live) in [(0, 7), (3, 1), (4, 2), (5, 1), (12, 1)] {
        let found = sightings(&chain, number).await;
        assert_eq!(found, Some(live), "picture {number}: {status:#}");
    }

    // One URL alone.
    let hits = (site.hits("/a.png"), site.hits("/b.png"), site.hits("/"));
    let said = chain.tusou(&["recrawl", &site.url("/a.png")]).await;
    assert_eq!(said, "0 pages and 1 image URLs are due again.\n");
    chain.done().await;
    let after = (site.hits("/a.png"), site.hits("/b.png"), site.hits("/"));
    assert_eq!(after, (hits.0 + 1, hits.1, hits.2));
    chain.end().await;
}

#[tokio::test]
async fn a_seed_shrinks_grows_goes_and_comes_back() {
    let site = Site::start().await;
    let shows = |n: u32| format!("<img src=/logo.png><img src=/p{n}.png>");
    site.html("/", format!("<a href=/1>1</a>{}", shows(10)));
    for n in 1..5 {
        site.html(
            &format!("/{n}"),
            format!("<a href=/{}>on</a>{}", n + 1, shows(10 + n)),
        );
    }
    site.html("/kept/", shows(20));
    site.png("/logo.png", pictures::png(0));
    for n in [10, 11, 12, 13, 14, 20] {
        site.png(&format!("/p{n}.png"), pictures::png(n));
    }
    let chain = Chain::start(World::new("seeds_change").await).await;
    chain.tusou(&["seed", &site.url("/"), "--depth", "2"]).await;
    chain
        .tusou(&["seed", &site.url("/kept/"), "--scope", "prefix"])
        .await;
    chain.done().await;
    let seeds: Value = serde_json::from_str(&chain.tusou(&["seed", "list", "--json"]).await)
        .expect("it prints JSON");
    assert_eq!(
        (
            &seeds[0]["pages"],
            &seeds[0]["max_depth"],
            &seeds[1]["pages"]
        ),
        (&Value::from(3), &Value::from(2), &Value::from(1)),
        "{seeds:#}"
    );

    // Shrunken while its pages are due: what lies beyond is left out.
    chain
        .tusou(&["pause", "crawl", "--why", "its seeds change"])
        .await;
    chain.tusou(&["recrawl", "--all"]).await;
    let said = chain
        .tusou(&["seed", "edit", "1", "--depth", "1", "--dry-run"])
        .await;
    assert!(
        said.contains("1 no longer belong to it, of which 1 would be skipped"),
        "{said}"
    );
    assert_eq!(
        chain.status().await["pages"]["due"],
        4,
        "a dry run changes nothing"
    );
    let said = chain.tusou(&["seed", "edit", "1", "--depth", "1"]).await;
    assert!(
        said.contains("1 no longer belong to it, of which 1 are skipped"),
        "{said}"
    );
    chain.tusou(&["resume", "crawl"]).await;
    let status = chain.done().await;
    assert_eq!(skipped(&status, "pages", "out_of_scope"), 1, "{status:#}");
    assert_eq!(
        (site.hits("/1"), site.hits("/2"), site.hits("/3")),
        (2, 1, 0)
    );

    // Grown: what was left out is reached again, and more.
    chain.tusou(&["seed", "edit", "1", "--depth", "3"]).await;
    let status = chain.done().await;
    assert_eq!(skipped(&status, "pages", "out_of_scope"), 0, "{status:#}");
    assert_eq!(
        (site.hits("/2"), site.hits("/3"), site.hits("/4")),
        (2, 1, 0)
    );

    // Removed while everything is due: what the other seed reaches stays due.
    chain.tusou(&["pause", "crawl"]).await;
    chain.tusou(&["recrawl", "--all"]).await;
    let before = chain.shown().await;
    let said = chain.tusou(&["seed", "remove", "1", "--dry-run"]).await;
    assert!(
        said.contains("4 due pages and 4 due image URLs would be skipped"),
        "{said}"
    );
    let said = chain.tusou(&["seed", "remove", "1"]).await;
    assert!(
        said.contains("4 due pages and 4 due image URLs are skipped"),
        "{said}"
    );
    let status = chain.status().await;
    assert_eq!(
        (&status["pages"]["due"], &status["image_urls"]["due"]),
        (&1.into(), &2.into())
    );
    chain.tusou(&["resume", "crawl"]).await;
    let status = chain.done().await;
    assert_eq!(skipped(&status, "pages", "seed_removed"), 4, "{status:#}");
    assert_eq!(
        skipped(&status, "image_urls", "seed_removed"),
        4,
        "{status:#}"
    );
    assert_eq!(chain.shown().await, before, "what was found stays");

    // Back again, as a new seed: nothing of it stays skipped.
    chain.tusou(&["seed", &site.url("/"), "--depth", "4"]).await;
    let status = chain.done().await;
    assert_eq!(skipped(&status, "pages", "seed_removed"), 0, "{status:#}");
    assert_eq!(
        skipped(&status, "image_urls", "seed_removed"),
        0,
        "{status:#}"
    );
    assert_eq!(sightings(&chain, 0).await, Some(6), "{status:#}");
    assert_eq!(sightings(&chain, 14).await, Some(1), "{status:#}");
    chain.end().await;
}

#[tokio::test]
async fn a_paused_crawl_and_a_paused_host_rest_until_they_are_resumed() {
    let gallery = Gallery::open(60, Duration::from_millis(200)).await;
    let other = Site::start_on([127, 0, 0, 2].into()).await;
    other.html("/", "<p>nothing to see");
    let chain = Chain::start(World::new("pauses").await).await;
    chain.tusou(&["pause", "crawl", "--why", "a test"]).await;
    chain.seed(&gallery.site.url("/")).await;
    wait_until(LIMIT, "the crawler to say that it rests", async || {
        !chain.crawler.is_ready().await
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(gallery.site.requests().is_empty(), "nothing is fetched");
    let said = chain.tusou(&["resume", "crawl", "--dry-run"]).await;
    assert_eq!(said, "the crawl would go on\n");
    chain.tusou(&["resume", "crawl"]).await;

    chain.stored(5).await;
    let origin = gallery.site.url("");
    let said = chain
        .tusou(&["pause", "host", "127.0.0.1", "--why", "a test"])
        .await;
    assert_eq!(said, format!("{origin} is paused\n"));
    // Within seconds its turn ends, though it would go on for half a minute.
    wait_until(LIMIT, "the host to be given back", async || {
        count(
            &chain.world,
            "SELECT count(*) FROM hosts WHERE leased_by IS NOT NULL",
        )
        .await
            == 0
    })
    .await;
    let asked = gallery.site.requests().len();
    assert!(asked < 122, "it was paused before its end");
    chain.seed(&other.url("/")).await;
    wait_until(LIMIT, "another host to be crawled", async || {
        other.hits("/") == 1
    })
    .await;
    assert_eq!(
        gallery.site.requests().len(),
        asked,
        "a paused host is left alone"
    );
    chain.tusou(&["resume", "host", &origin]).await;
    chain.done().await;
    gallery.check(&chain.shown().await);
    assert_eq!(
        gallery.site.hits("/logo.png"),
        1,
        "what was in flight has ended"
    );
    chain.end().await;
}

#[tokio::test]
async fn originals_that_are_not_kept_come_back_for_another_model() {
    let gallery = Gallery::open(8, Duration::ZERO).await;
    let mut world = World::new("retention").await;
    world.config.blobs.keep_originals = KeepOriginals::None;
    let mut chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    const KEPT: &str = "SELECT count(*) FROM images WHERE original_dropped_at IS NULL";
    let logo = BlobKey::original(&id(0), ImageFormat::Png);
    let gone = async |chain: &Chain| {
        count(&chain.world, KEPT).await == 0
            && !chain
                .world
                .blobs()
                .exists(&logo)
                .await
                .expect("the folder is there")
    };
    wait_until(LIMIT, "the originals to be dropped", async || {
        gone(&chain).await
    })
    .await;
    gallery.check(&chain.shown().await);

    // Crawled again, they are stored again and go again; no index misses an embedding of theirs.
    chain.tusou(&["recrawl", "--all"]).await;
    chain.done().await;
    wait_until(LIMIT, "the originals to be dropped again", async || {
        gone(&chain).await
    })
    .await;
    gallery.check(&chain.shown().await);

    // A model of scores: no index lacks anything, and yet they are encoded again before they go.
    let scores = super::models::score_pack();
    chain.world.config.models.packs.push(scores);
    chain.encoder.terminate().await;
    chain.encoder = Service::spawn(&chain.world, "tusou-encoder").await;
    let said = chain
        .tusou(&["reconcile", "--model", "nsfw-like", "--repair"])
        .await;
    assert!(said.contains("9 are encoded again"), "{said}");
    wait_until(LIMIT, "every picture to have its score", async || {
        let documents = chain.world.documents().await;
        documents.len() == 9 && documents.iter().all(|document| document.nsfw.is_some())
    })
    .await;
    wait_until(LIMIT, "the originals to be dropped once more", async || {
        gone(&chain).await
    })
    .await;

    // An index that wants another model's embeddings, while nobody encodes.
    chain.encoder.kill().await;
    chain.indexer.kill().await;
    sqlx::query(
        "INSERT INTO generations (index_name, mapping_version, models, state)
         SELECT 'another', mapping_version, '[{\"digest\": \"another\"}]', 'building' FROM generations LIMIT 1",
    )
    .execute(chain.world.pool())
    .await
    .expect("the row fits the schema");
    let ids: Vec<ImageId> = gallery.pictures.keys().copied().collect();
    let due = tusou_ingest::refetch(chain.world.pool(), &ids).await;
    assert_eq!(due.expect("Postgres answers"), 9);
    let broker = chain.world.broker().await;
    wait_until(
        LIMIT,
        "every picture to be owed to the back-fill",
        async || {
            let waiting = broker.ready(Queue::ImagesReencode.name()).await;
            waiting.expect("the queue is there") == 9
        },
    )
    .await;
    assert_eq!(count(&chain.world, KEPT).await, 9);
    // Longer than the janitor rests: what is still wanted is not dropped.
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(count(&chain.world, KEPT).await, 9);
    for id in &ids {
        let key: String = sqlx::query_scalar("SELECT blob_key FROM images WHERE image_id = $1")
            .bind(&id.as_bytes()[..])
            .fetch_one(chain.world.pool())
            .await
            .expect("the image is there");
        let key = BlobKey::try_from(key).expect("a row's key is one");
        let there = chain.world.blobs().exists(&key).await;
        assert!(there.expect("the folder is there"), "{key}");
    }
    let again = tusou_ingest::refetch(chain.world.pool(), &ids).await;
    assert_eq!(again.expect("Postgres answers"), 0, "they are there");
    chain.end().await;
}
