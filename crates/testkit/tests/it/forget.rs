//! What is removed on request goes from rows, blobs and index, and no crawl brings it back.

use std::time::Duration;

use serde_json::{Value, json};
use tusou_contract::{BlobKey, ImageFormat, ImageId, Queue};
use tusou_testkit::{Chain, Gallery, Reply, Service, Site, World, pictures, tusou, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(120);

fn id(number: u32) -> ImageId {
    ImageId::of(&pictures::png(number))
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

/// Live sightings of pictures 0 to 6 by their documents; none where there is no document.
async fn sightings(chain: &Chain) -> Vec<Option<u32>> {
    let shown = chain.shown().await;
    let seen = |number: u32| shown.get(&id(number)).map(|shown| shown.sightings);
    (0..7).map(seen).collect()
}

async fn shows(chain: &Chain, wanted: [Option<u32>; 7]) {
    wait_until(
        LIMIT,
        &format!("the index to show {wanted:?}"),
        async || sightings(chain).await == wanted,
    )
    .await;
}

/// Whether a picture's original or thumbnail is stored.
async fn is_stored(world: &World, number: u32) -> bool {
    let original = BlobKey::original(&id(number), ImageFormat::Png);
    for key in [original, BlobKey::thumbnail(&id(number))] {
        let there = world.blobs().exists(&key).await;
        if there.expect("the world's folder can be read") {
            return true;
        }
    }
    false
}

async fn is_known(world: &World, url: &str) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pages WHERE url = $1) OR EXISTS (SELECT FROM image_urls WHERE url = $1)",
    )
    .bind(url)
    .fetch_one(world.pool())
    .await
    .expect("the world's database answers")
}

async fn forget(chain: &Chain, subject: &str) -> Value {
    let arguments = ["forget", subject, "--yes", "--why", "a test", "--json"];
    serde_json::from_str(&chain.tusou(&arguments).await).expect("it prints JSON")
}

async fn recrawl(chain: &Chain) {
    chain.tusou(&["recrawl", "--all"]).await;
    chain.done().await;
}

async fn status_of(search: &Service, path: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.expect("a plain client can be made");
    let answer = client.get(search.url(path)).send().await;
    answer.expect("the service answers").status().as_u16()
}

async fn no_dead_letter(world: &World) {
    let broker = world.broker().await;
    for queue in Queue::ALL {
        // A queue that no service has declared holds nothing.
        let dead = broker.ready(&queue.dead_name()).await.unwrap_or(0);
        assert_eq!(dead, 0, "{queue}");
    }
    broker.close().await;
}

#[tokio::test]
async fn a_url_a_picture_and_a_host_stay_out_until_that_is_undone() {
    let (here, there) = (
        Site::start().await,
        Site::start_on([127, 0, 0, 2].into()).await,
    );
    let logo = "<img src=/logo.png alt=logo>";
    here.html(
        "/",
        format!(
            "<a href=/one>1</a><a href=/two>2</a>{logo}<img src=/a.png><img src={}><img src={}>",
            there.url("/b.png"),
            there.url("/shared.png"),
        ),
    );
    here.html("/one", format!("{logo}<img src=/one.png>"));
    here.html(
        "/two",
        format!("{logo}<img src=/two.png><img src=/shared-here.png>"),
    );
    there.html(
        "/",
        "<img src=/b.png><img src=/own.png><img src=/shared.png>",
    );
    for (name, number) in [
        ("/logo.png", 0),
        ("/a.png", 1),
        ("/shared-here.png", 3),
        ("/one.png", 4),
        ("/two.png", 5),
        ("/copy.png", 5),
    ] {
        here.png(name, pictures::png(number));
    }
    for (name, number) in [("/b.png", 2), ("/shared.png", 3), ("/own.png", 6)] {
        there.png(name, pictures::png(number));
    }
    let chain = Chain::start(World::new("forget").await).await;
    let world = &chain.world;
    chain.seed(&here.url("/")).await;
    chain.seed(&there.url("/")).await;
    chain.done().await;
    let all = [3, 1, 2, 3, 1, 1, 1].map(Some);
    shows(&chain, all).await;
    let search = Service::spawn(world, "tusou-search").await;

    // A page, looked at first.
    let said = chain.tusou(&["forget", &here.url("/one")]).await;
    assert!(
        said.contains("Would go: 1 pages, 0 image URLs, 2 sightings, 1 pictures")
            && said.contains("1 pictures would stay")
            && said.contains("--yes"),
        "{said}"
    );
    assert_eq!(sightings(&chain).await, all, "a dry run changes nothing");
    assert_eq!(count(world, "SELECT count(*) FROM removals").await, 0);
    let picture = format!("/v1/images/{}", id(4));
    let thumbnail = format!("{picture}/thumbnail");
    assert_eq!(status_of(&search, &thumbnail).await, 200);
    forget(&chain, &here.url("/one")).await;
    assert!(!is_stored(world, 4).await);
    assert!(!is_known(world, &here.url("/one")).await);
    assert_eq!(status_of(&search, &thumbnail).await, 404);
    shows(
        &chain,
        [Some(2), Some(1), Some(2), Some(3), None, Some(1), Some(1)],
    )
    .await;
    assert_eq!(status_of(&search, &picture).await, 404);

    // A picture's URL, and a picture wherever it is: here it comes by another URL as well.
    forget(&chain, &here.url("/a.png")).await;
    forget(&chain, &id(5).to_string()).await;
    assert!(!is_stored(world, 1).await && !is_stored(world, 5).await);
    here.html(
        "/two",
        format!("{logo}<img src=/two.png><img src=/copy.png><img src=/shared-here.png>"),
    );
    let asked = (here.hits("/one"), here.hits("/a.png"));
    recrawl(&chain).await;
    let less = [Some(2), None, Some(2), Some(3), None, None, Some(1)];
    shows(&chain, less).await;
    assert_eq!((here.hits("/one"), here.hits("/a.png")), asked);
    assert_eq!(here.hits("/copy.png"), 1, "its bytes came");
    let status = chain.status().await;
    assert_eq!(status["image_urls"]["skipped"]["removed"], 2, "{status:#}");
    wait_until(LIMIT, "those bytes to be gone again", async || {
        !is_stored(world, 5).await
    })
    .await;

    // A host: what is seen elsewhere stays.
    let report = forget(&chain, "127.0.0.2").await;
    assert_eq!(
        (
            &report["removed"]["pages"],
            &report["removed"]["image_urls"],
            &report["removed"]["sightings"],
            &report["removed"]["images"],
            &report["stay"],
        ),
        (&json!(1), &json!(3), &json!(5), &json!(2), &json!(1)),
        "{report:#}"
    );
    assert!(!is_stored(world, 2).await && !is_stored(world, 6).await);
    assert!(is_stored(world, 3).await);
    let asked = there.requests().len();
    recrawl(&chain).await;
    shows(&chain, [Some(2), None, None, Some(1), None, None, None]).await;
    assert_eq!(there.requests().len(), asked, "nobody asks it any more");
    let refused = tusou(world, &["seed", &there.url("/")]).await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && said.contains("is kept out since"),
        "{said}"
    );
    let list: Value = serde_json::from_str(&chain.tusou(&["forget", "list", "--json"]).await)
        .expect("it prints JSON");
    let kinds: Vec<&Value> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|kept| &kept["kind"])
        .collect();
    assert_eq!(kinds, ["host", "image", "url", "url"], "{list:#}");
    no_dead_letter(world).await;

    // Let in again, it comes with the next crawl.
    for subject in ["127.0.0.2", &id(5).to_string(), &here.url("/a.png")] {
        chain.tusou(&["forget", "undo", subject]).await;
    }
    chain.seed(&there.url("/")).await;
    recrawl(&chain).await;
    shows(
        &chain,
        [Some(2), Some(1), Some(2), Some(3), None, Some(2), Some(1)],
    )
    .await;
    for number in [1, 2, 3, 5, 6] {
        let original = BlobKey::original(&id(number), ImageFormat::Png);
        let stored = world.blobs().exists(&original).await;
        assert!(stored.expect("the world's folder can be read"), "{number}");
    }
    // Nobody deletes them for what was removed before.
    let waiting = "SELECT count(*) FROM removed_images JOIN images USING (image_id)";
    assert_eq!(count(world, waiting).await, 0);
    drop(search);
    chain.end().await;
}

#[tokio::test]
async fn a_redirect_is_no_way_round_a_removal() {
    let (here, there) = (
        Site::start().await,
        Site::start_on([127, 0, 0, 2].into()).await,
    );
    here.html("/", "<img src=/round.png><img src=/over.png>");
    here.png("/a.png", pictures::png(0));
    there.png("/b.png", pictures::png(1));
    here.put("/round.png", Reply::redirect("/a.png"));
    here.put("/over.png", Reply::redirect(&there.url("/b.png")));
    let chain = Chain::start(World::new("forget_round").await).await;
    let world = &chain.world;
    chain.seed(&here.url("/")).await;
    chain.done().await;
    let both = |seen| [seen, seen, None, None, None, None, None];
    shows(&chain, both(Some(1))).await;

    forget(&chain, &here.url("/a.png")).await;
    forget(&chain, "127.0.0.2").await;
    let asked = (here.hits("/a.png"), there.requests().len());
    recrawl(&chain).await;
    shows(&chain, both(Some(0))).await;
    assert_eq!((here.hits("/a.png"), there.requests().len()), asked);
    assert_eq!(here.hits("/round.png"), 2, "the way there was asked again");
    let status = chain.status().await;
    assert_eq!(status["image_urls"]["skipped"]["removed"], 2, "{status:#}");
    let live = "SELECT count(*) FROM sightings WHERE gone_since IS NULL";
    assert_eq!(count(world, live).await, 0);
    chain.end().await;
}

#[tokio::test]
async fn a_host_that_is_removed_while_it_is_crawled_leaves_nothing() {
    let gallery = Gallery::open(400, Duration::from_millis(100)).await;
    let chain = Chain::start(World::new("forget_race").await).await;
    let world = &chain.world;
    chain.seed(&gallery.site.url("/")).await;
    chain.stored(20).await;
    let asked = gallery.site.requests().len();
    assert!(asked < 802, "the crawl is under way: {asked}");
    chain
        .tusou(&["forget", "127.0.0.1", "--yes", "--why", "a test"])
        .await;
    chain.done().await;
    wait_until(LIMIT, "its documents to be gone", async || {
        world.documents().await.is_empty()
    })
    .await;
    // What was in flight then: its blobs go soon after.
    wait_until(LIMIT, "its blobs to be gone", async || {
        for prefix in ["originals", "thumbnails"] {
            let mut listing = world.blobs().list(prefix, None);
            while let Some(page) = listing.next().await.expect("the folder can be read") {
                if !page.blobs.is_empty() {
                    return false;
                }
            }
        }
        true
    })
    .await;
    let left = "SELECT (SELECT count(*) FROM pages) + (SELECT count(*) FROM image_urls)
                     + (SELECT count(*) FROM images) + (SELECT count(*) FROM sightings)";
    assert_eq!(count(world, left).await, 0);
    assert!(
        gallery.site.requests().len() < 802,
        "it was removed before its end"
    );
    no_dead_letter(world).await;
    chain.end().await;
}
