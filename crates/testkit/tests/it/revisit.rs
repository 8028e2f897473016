//! A crawl that goes round: what has not changed is not sent again, what changes is looked at more
//! often, what is gone is gone until it comes back, and sites without end come to one.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::PgPool;
use tusou_contract::ImageId;
use tusou_testkit::{Chain, Reply, Service, Site, World, pictures, tusou, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(180);

fn id(number: u32) -> ImageId {
    ImageId::of(&pictures::png(number))
}

async fn world(test: &str) -> World {
    let mut world = World::new(test).await;
    world.config.crawler.revisit_min_seconds = 1;
    world.config.crawler.revisit_max_seconds = 4;
    world
}

async fn seed(world: &World, url: &str) {
    let output = tusou(world, &["seed", url]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// One number, of a row that may not be there yet.
async fn number(pool: &PgPool, statement: &'static str, url: &str) -> Option<i64> {
    let query = sqlx::query_scalar(statement).bind(url.to_owned());
    query
        .fetch_optional(pool)
        .await
        .expect("the statement fits the schema")
}

/// The seconds between two looks at a page.
async fn interval(pool: &PgPool, url: &str) -> Option<i64> {
    const STATEMENT: &str =
        "SELECT revisit_seconds::bigint FROM pages WHERE url = $1 AND revisit_seconds IS NOT NULL";
    number(pool, STATEMENT, url).await
}

/// Live sightings by an image URL.
async fn live(pool: &PgPool, url: &str) -> Option<i64> {
    const STATEMENT: &str = "SELECT count(*) FILTER (WHERE gone_since IS NULL)
                             FROM sightings JOIN image_urls USING (image_url_id) WHERE url = $1";
    number(pool, STATEMENT, url).await
}

/// Revisions and sightings: all that a crawl that brings nothing new must leave alone.
async fn kept(world: &World) -> String {
    sqlx::query_scalar(
        "SELECT concat_ws(E'\\n',
             (SELECT string_agg(kept::text, ' ' ORDER BY kept::text)
              FROM (SELECT image_id, rev, original_dropped_at FROM images) AS kept),
             (SELECT string_agg(kept::text, ' ' ORDER BY kept::text)
              FROM (SELECT image_id, page_id, image_url_id, alt, first_seen, last_seen, gone_since
                    FROM sightings) AS kept),
             (SELECT count(*) FROM outbox))",
    )
    .fetch_one(world.pool())
    .await
    .expect("the statement fits the schema")
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let tagged = Site::start().await;
    let dated = Site::start_on([127, 0, 0, 2].into()).await;
    let (etag, date) = ("etag", "last-modified");
    let html = |body: &str| Reply::html(body);
    let png = |number| Reply::bytes("image/png", pictures::png(number));
    let served = [
        (
            &tagged,
            "/",
            html("<a href=/more>more</a><img src=/a.png alt=first>").header(etag, "\"start\""),
        ),
        (
            &tagged,
            "/more",
            html("<img src=/a.png><img src=/b.png>").header(etag, "W/\"more-1\""),
        ),
        (&tagged, "/a.png", png(1).header(etag, "\"\"")),
        (&tagged, "/b.png", png(2).header(etag, "W/\"b\"")),
        (
            &dated,
            "/",
            html("<img src=/c.png>").header(date, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ),
        (
            &dated,
            "/c.png",
            png(3).header(date, "Mon, 07 Nov 1994 08:49:37 GMT"),
        ),
    ];
    for (site, path, reply) in &served {
        site.put(path, reply.clone());
    }
    let chain = Chain::start(world("unchanged").await).await;
    chain.seed(&tagged.url("/")).await;
    chain.seed(&dated.url("/")).await;
    wait_until(LIMIT, "every picture to be shown", async || {
        let shown = chain.shown().await;
        [(1, 2), (2, 1), (3, 1)].iter().all(|(picture, live)| {
            shown
                .get(&id(*picture))
                .is_some_and(|shown| shown.sightings == *live)
        })
    })
    .await;

    let spared = |site: &Site, path: &str| {
        let requests = site.requests();
        let to = requests.iter().filter(|request| request.path == path);
        to.filter(|request| request.status == 304).count()
    };
    let times = |wanted| {
        served
            .iter()
            .all(|(site, path, _)| spared(site, path) >= wanted)
    };
    wait_until(LIMIT, "everything to be asked again", async || times(1)).await;
    let before = kept(&chain.world).await;
    let documents = chain.world.documents().await;
    let so_far = served
        .iter()
        .map(|(site, path, _)| spared(site, path))
        .max();
    let wanted = so_far.expect("something is served") + 2;
    wait_until(LIMIT, "and again, and again", async || times(wanted)).await;
    assert_eq!(kept(&chain.world).await, before);
    let revs = |documents: &[tusou_contract::Document]| -> Vec<(ImageId, i64)> {
        let rev = |document: &tusou_contract::Document| (document.image_id, document.rev);
        documents.iter().map(rev).collect()
    };
    assert_eq!(revs(&chain.world.documents().await), revs(&documents));

    for (site, path, _) in &served {
        let requests = site.requests();
        let to = requests.iter().filter(|request| request.path == *path);
        let to: Vec<_> = to.collect();
        let conditions = |position: usize| {
            let headers = &to[position].headers;
            (
                headers.get("if-none-match").cloned(),
                headers.get("if-modified-since").cloned(),
            )
        };
        assert_eq!((to[0].status, conditions(0)), (200, (None, None)), "{path}");
        for (position, request) in to.iter().enumerate().skip(1) {
            assert_eq!((request.status, request.bytes), (304, 0), "{path}");
            let (tag, date) = conditions(position);
            assert!(tag.is_some() != date.is_some(), "{path}: {tag:?} {date:?}");
            let gap = request.at - to[position - 1].at;
            assert!(gap >= Duration::from_millis(3_900), "{path}: {gap:?}");
        }
    }
    chain.end().await;
}

#[tokio::test]
async fn what_changes_is_looked_at_more_often_and_what_is_gone_comes_back() {
    let site = Site::start().await;
    site.html(
        "/",
        "<a href=/steady>s</a><a href=/restless>r</a><img src=/fickle.png alt=f>",
    );
    site.html("/steady", "<p>the same for years");
    site.png("/fickle.png", pictures::png(1));
    site.png("/late.png", pictures::png(2));
    let version = |number| Reply::html(format!("<p>version {number}"));
    let mut versions: Vec<Reply> = (0..20).map(version).collect();
    versions.push(Reply::html("<p>the last one<img src=/late.png>"));
    site.put_each("/restless", versions);

    let world = world("adapts").await;
    let pool = world.pool();
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    seed(&world, &site.url("/")).await;
    let [steady, restless] = ["/steady", "/restless"].map(|path| site.url(path));
    let [fickle, late] = ["/fickle.png", "/late.png"].map(|path| site.url(path));
    wait_until(LIMIT, "a page that changes each time", async || {
        interval(pool, &restless).await == Some(1)
    })
    .await;
    assert_eq!(interval(pool, &steady).await, Some(4));
    wait_until(LIMIT, "a picture to be seen", async || {
        live(pool, &fickle).await == Some(1)
    })
    .await;

    site.put("/fickle.png", Reply::status(410));
    wait_until(LIMIT, "a picture to be gone", async || {
        live(pool, &fickle).await == Some(0)
    })
    .await;
    const GONE: &str = "SELECT count(*) FROM image_urls
                        WHERE url = $1 AND state = 'failed' AND reason = 'http_410'";
    wait_until(LIMIT, "it to be written down as gone", async || {
        number(pool, GONE, &fickle).await == Some(1)
    })
    .await;
    site.png("/fickle.png", pictures::png(1));
    wait_until(LIMIT, "the picture to be back", async || {
        live(pool, &fickle).await == Some(1)
    })
    .await;
    // The same sighting, not another one.
    const SIGHTINGS: &str = "SELECT count(*) FROM sightings JOIN image_urls USING (image_url_id)
                             WHERE url = $1 AND last_seen > first_seen";
    assert_eq!(number(pool, SIGHTINGS, &fickle).await, Some(1));

    wait_until(LIMIT, "a page that changes no more", async || {
        interval(pool, &restless).await == Some(4)
    })
    .await;
    wait_until(LIMIT, "what its last version shows", async || {
        live(pool, &late).await == Some(1)
    })
    .await;
    // It says the same each time, though without an entity tag it is sent each time.
    assert!(site.hits("/restless") > 21);
    drop(crawler);
    world.end().await;
}

#[tokio::test]
async fn a_document_goes_with_its_last_sighting_where_that_is_wanted() {
    let site = Site::start().await;
    site.html("/", "<a href=/more>m</a><img src=/a.png><img src=/b.png>");
    site.html("/more", "<img src=/c.png>");
    for (number, path) in (1..).zip(["/a.png", "/b.png", "/c.png"]) {
        site.png(path, pictures::png(number));
    }
    let mut world = world("keep_gone").await;
    world.config.indexer.keep_gone = false;
    let mut chain = Chain::start(world).await;
    chain.seed(&site.url("/")).await;
    let shown = async |chain: &Chain, wanted: &[u32]| {
        let wanted: BTreeSet<ImageId> = wanted.iter().map(|number| id(*number)).collect();
        wait_until(LIMIT, "these pictures, and no other", async || {
            let shown: BTreeSet<ImageId> = chain.shown().await.into_keys().collect();
            shown == wanted
        })
        .await;
    };
    shown(&chain, &[1, 2, 3]).await;
    site.put("/b.png", Reply::status(410));
    site.remove("/more");
    shown(&chain, &[1]).await;
    // Kept as history, expected nowhere.
    const GONE: &str = "SELECT count(*) FROM sightings WHERE gone_since IS NOT NULL AND $1 = ''";
    assert_eq!(number(chain.world.pool(), GONE, "").await, Some(2));
    chain.tusou(&["reconcile"]).await;
    chain.tusou(&["index", "verify"]).await;
    let status = chain.status().await;
    assert_eq!(status["images"]["pending"], 0, "{status:#}");
    assert_eq!(status["images"]["unseen"], 2, "{status:#}");
    // The same index is wrong for whoever keeps what is gone.
    chain.world.config.indexer.keep_gone = true;
    // The broker's counts are some seconds old: till they are zero, what it counts is on its way.
    wait_until(LIMIT, "two documents to be missing", async || {
        let output = tusou(&chain.world, &["reconcile"]).await;
        !output.status.success()
    })
    .await;
    chain.world.config.indexer.keep_gone = false;

    site.png("/b.png", pictures::png(2));
    site.html("/more", "<img src=/c.png>");
    shown(&chain, &[1, 2, 3]).await;
    chain.tusou(&["reconcile"]).await;
    chain.end().await;
}

#[tokio::test]
async fn sites_without_end_come_to_one() {
    let endless = Site::start().await;
    let days: String = (1..=40)
        .map(|day| format!("<a href=/cal/{day}>d</a>"))
        .collect();
    endless.html(
        "/",
        format!("{days}<a href=/about>a</a><a href=/loop/>l</a>"),
    );
    endless.html("/about", "<p>about");
    for day in 1..=40 {
        endless.html(
            &format!("/cal/{day}"),
            format!(
                "<a href=/cal/{}>on</a><a href=/cal/{day}?view=week>w</a>",
                day + 40
            ),
        );
    }
    for path in ["/loop/", "/loop/a/b/", "/loop/a/b/a/b/"] {
        endless.html(path, "<a href=a/b/>on and on</a>");
    }

    let sessions = Site::start_on([127, 0, 0, 2].into()).await;
    let link = |page: u32, seen: u32| {
        format!(
            "<a href='/p{page}?PHPSESSID={seen}{page}&amp;utm_source=x'>p</a>\
             <a href='/p{page};jsessionid={seen}{page}'>p</a>\
             <img src='/a.png?sessionid={seen}{page}'>"
        )
    };
    for seen in 0..4 {
        let path = if seen == 0 {
            "/".to_owned()
        } else {
            format!("/p{seen}")
        };
        sessions.html(
            &path,
            (1..4).map(|page| link(page, seen)).collect::<String>(),
        );
    }
    sessions.png("/a.png", pictures::png(1));

    let wide = Site::start_on([127, 0, 0, 3].into()).await;
    let word = |n: u8| {
        format!(
            "/{}{}",
            char::from(b'a' + n / 10),
            char::from(b'a' + n % 10)
        )
    };
    let words: String = (0..90)
        .map(|n| format!("<a href={}>w</a>", word(n)))
        .collect();
    wide.html("/", words);

    let mut world = World::new("traps").await;
    world.config.crawler.max_pattern_pages = 10;
    world.config.crawler.max_host_pages = 30;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    for site in [&endless, &sessions, &wide] {
        seed(&world, &site.url("/")).await;
    }
    const UNREAD: &str = "SELECT (SELECT count(*) FROM pages WHERE state = 'due')
                               + (SELECT count(*) FROM image_urls WHERE state = 'due')
                          WHERE (SELECT count(*) FROM seeds WHERE $1 = '') = 3";
    wait_until(LIMIT, "every page to be read", async || {
        number(world.pool(), UNREAD, "").await == Some(0)
    })
    .await;

    // Paths that were asked for, robots.txt and its like apart.
    let asked = |site: &Site| -> Vec<String> {
        let paths = site.requests().into_iter().map(|request| request.path);
        let mut paths: Vec<String> = paths
            .filter(|path| !path.ends_with(".txt") && !path.contains("/.well-known/"))
            .collect();
        paths.sort_unstable();
        paths
    };
    let of_calendar = asked(&endless);
    let days = of_calendar
        .iter()
        .filter(|path| path.starts_with("/cal/") && !path.contains('?'));
    let weeks = of_calendar
        .iter()
        .filter(|path| path.ends_with("?view=week"));
    assert_eq!((days.count(), weeks.count()), (10, 10), "{of_calendar:?}");
    for (path, hits) in [
        ("/about", 1),
        ("/loop/a/b/a/b/", 1),
        ("/loop/a/b/a/b/a/b/", 0),
    ] {
        assert_eq!(endless.hits(path), hits, "{path}");
    }
    assert_eq!(asked(&sessions), ["/", "/a.png", "/p1", "/p2", "/p3"]);
    assert_eq!(asked(&wide).len(), 30);

    const COUNTED: &str = "SELECT pages FROM url_patterns JOIN hosts USING (host_id)
                           WHERE pattern = '/cal/#' AND origin = $1";
    let origin = endless.url("");
    assert_eq!(number(world.pool(), COUNTED, &origin).await, Some(10));
    const KNOWN: &str = "SELECT count(*) FROM url_patterns JOIN hosts USING (host_id)
                         WHERE pattern = '' AND origin = $1
                           AND url_patterns.pages = (SELECT count(*) FROM pages WHERE pages.host_id = hosts.host_id)";
    for site in [&endless, &sessions, &wide] {
        assert_eq!(number(world.pool(), KNOWN, &site.url("")).await, Some(1));
    }
    for reason in ["pattern_budget", "host_budget", "trap"] {
        let metric = format!("crawler_links_left_out_total{{reason=\"{reason}\"}}");
        assert!(crawler.metric(&metric).await > 0.0, "{metric}");
    }
    let log = crawler.log();
    let told = log
        .lines()
        .filter(|line| line.contains("a budget of pages is spent"));
    // Of two patterns and of a host, once each.
    assert_eq!(told.count(), 3, "{log}");
    drop(crawler);
    world.end().await;
}
