//! What sites name by themselves: sitemaps, feeds and headers, through the real services and stores.

mod files;

use std::net::IpAddr;

use files::{gzip, index, locs, naming, urlset, xml};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tusou_contract::ImageId;
use tusou_testkit::{Chain, Reply, Service, Site, World, pictures};

async fn world(test: &str) -> World {
    let mut world = World::new(test).await;
    world.config.discovery.sitemaps = true;
    world
}

/// Each page with its state and reason, of one kind.
async fn rows(chain: &Chain, kind: &str) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT url, concat_ws(' ', state, reason) FROM pages WHERE kind = $1 ORDER BY url",
    )
    .bind(kind)
    .fetch_all(chain.world.pool())
    .await
    .expect("the world's database answers")
}

/// The first hit of a search by a picture's own bytes.
async fn found(chain: &Chain, picture: &[u8]) -> Value {
    let file = chain.world.folder().join("query.jpg");
    std::fs::write(&file, picture).expect("the world's folder can be written");
    let path = file.to_str().expect("a temporary folder's name is UTF-8");
    let answer = chain.tusou(&["search", "--image", path, "--json"]).await;
    let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
    let hit = answer["hits"][0].take();
    assert_eq!(hit["image_id"], json!(ImageId::of(picture)), "{hit:#}");
    hit
}

#[tokio::test]
async fn what_a_site_names_is_found_with_its_licences() {
    let site = Site::start().await;
    let other = Site::start_on(IpAddr::from([127, 0, 0, 2])).await;
    site.robots(&format!(
        "User-agent: *\nDisallow: /secret\nSitemap: {}\nSitemap: {}\n",
        site.url("/maps/index.xml"),
        other.url("/cross.txt")
    ));
    // Loops and levels: each file is asked for once.
    site.put(
        "/maps/index.xml",
        index(
            &site,
            &[
                "/maps/pages.xml.gz",
                "/maps/index.xml",
                "/maps/second.xml",
                "/maps/list.txt",
            ],
        ),
    );
    site.put(
        "/maps/second.xml",
        index(&site, &["/maps/index.xml", "/maps/third.xml"]),
    );
    site.put("/maps/third.xml", index(&site, &["/maps/fourth.xml"]));
    site.put("/maps/fourth.xml", index(&site, &["/maps/fifth.xml"]));
    site.put("/maps/fifth.xml", xml(urlset(&locs(&site, ["/too/deep"]))));
    let licensed = format!(
        "<loc>{}</loc><image:image><image:loc>{}</image:loc><image:title>A title</image:title>\
         <image:caption>By the sitemap</image:caption><image:license>http://licence.test/by</image:license></image:image>",
        site.url("/hidden/1"),
        site.url("/img/licensed.jpg")
    );
    let shown = |page: String, picture: &str| {
        let picture = site.url(picture);
        format!("<loc>{page}</loc><image:image><image:loc>{picture}</image:loc></image:image>")
    };
    let pages = urlset(&[
        licensed,
        shown(site.url("/secret/x"), "/img/secret.jpg"),
        shown(other.url("/beyond"), "/img/beyond.jpg"),
    ]);
    site.put(
        "/maps/pages.xml.gz",
        Reply::bytes("application/gzip", gzip(pages.as_bytes())),
    );
    let list = format!("{}\r\n{}\n", site.url("/hidden/2"), site.url("/hidden/3"));
    // Compressed on the way only.
    let list = Reply::bytes("text/plain", gzip(list.as_bytes())).header("content-encoding", "gzip");
    site.put("/maps/list.txt", list);
    other.put(
        "/cross.txt",
        Reply::bytes("text/plain", site.url("/hidden/4")),
    );
    let feed = format!(
        "<rss xmlns:media='http://search.yahoo.com/mrss/'><channel><title>News</title><item><title>Item</title>\
         <link>{}</link><media:content url='/img/media.jpg' medium='image'><media:credit>Ann</media:credit>\
         <media:license href='http://licence.test/nc'/></media:content></item></channel></rss>",
        site.url("/hidden/5")
    );
    site.put(
        "/feed",
        Reply::bytes("application/rss+xml; charset=utf-8", feed),
    );
    let start =
        "<link rel=alternate type='application/rss+xml' href=/feed><a rel=next href=/listed>2</a>";
    site.put(
        "/",
        Reply::html(start).header("link", "</linked>; rel=\"next\", </style.css>; rel=preload"),
    );
    site.html("/listed", "<link rel=next href=/listed/2>");
    site.html("/listed/2", "<p>the last</p>");
    // The same page under another address, as its header says.
    site.put(
        "/linked",
        Reply::html("<img src=/img/3.jpg>").header("link", "</own>; rel=canonical"),
    );
    site.html("/own", "<img src=/img/3.jpg>");
    for number in 1..=5 {
        let title = format!("<title>Page {number}</title><img src=/img/{number}.jpg>");
        site.html(&format!("/hidden/{number}"), title);
        site.jpeg(&format!("/img/{number}.jpg"), pictures::jpeg(number));
    }
    let (licensed, media) = (pictures::jpeg(11), pictures::jpeg(12));
    site.jpeg("/img/licensed.jpg", licensed.clone());
    site.jpeg("/img/media.jpg", media.clone());
    let chain = Chain::start(world("discovery").await).await;
    chain.seed(&site.url("/")).await;
    let status = chain.done().await;

    let sitemaps: Vec<(String, String)> = rows(&chain, "sitemap").await;
    let done = [
        "fourth.xml",
        "index.xml",
        "list.txt",
        "pages.xml.gz",
        "second.xml",
        "third.xml",
    ];
    let mut wanted = done.map(|name| site.url(&format!("/maps/{name}"))).to_vec();
    wanted.push(other.url("/cross.txt"));
    let wanted: Vec<(String, String)> = wanted
        .into_iter()
        .map(|url| (url, "done".to_owned()))
        .collect();
    assert_eq!(sitemaps, wanted);
    assert_eq!(status["discovered"]["sitemaps"]["done"], 7);
    assert_eq!(status["discovered"]["feeds"], 1);
    // The index below three others is not followed.
    assert_eq!(status["discovered"]["left_out"], 1);
    assert_eq!(status["discovered"]["cut"], 0);
    for path in [
        "/maps/index.xml",
        "/maps/list.txt",
        "/feed",
        "/robots.txt",
        "/hidden/4",
        "/own",
    ] {
        assert_eq!(site.hits(path), 1, "{path}");
    }
    for path in [
        "/sitemap.xml",
        "/maps/fifth.xml",
        "/secret/x",
        "/img/secret.jpg",
        "/img/beyond.jpg",
    ] {
        assert_eq!(site.hits(path), 0, "{path}");
    }
    let asked: Vec<String> = other
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert!(!asked.contains(&"/beyond".to_owned()), "{asked:?}");
    // The start, five that nothing links to, the feed, three by `rel=next`, and one by `rel=canonical`.
    assert_eq!(status["pages"]["done"], 11);
    assert_eq!(status["pages"]["skipped"], json!({"robots": 1}));
    assert_eq!(status["images"]["indexed"], 7);
    assert_eq!(status["seeds"][0]["pages"]["done"], 11);

    let search = Service::spawn(&chain.world, "tusou-search").await;
    let hit = found(&chain, &licensed).await;
    let [seen] = hit["pages"]
        .as_array()
        .expect("a hit has its pages")
        .as_slice()
    else {
        panic!("{hit:#}");
    };
    assert_eq!(seen["page_url"], site.url("/hidden/1"));
    assert_eq!(seen["page_title"], "Page 1");
    assert_eq!(seen["title"], "A title");
    assert_eq!(seen["caption"], "By the sitemap");
    assert_eq!(seen["context"]["found_by"], "sitemap");
    assert_eq!(seen["rights"]["license"], "http://licence.test/by");
    assert_eq!(hit["rights"]["license"], "http://licence.test/by");
    let page = format!("/?like={}", hit["image_id"].as_str().expect("an id"));
    let asked = reqwest::Client::new().get(search.url(&page)).send();
    let page = asked.await.expect("the search service answers");
    let page = page.text().await.expect("a page");
    assert!(
        page.contains("http://licence.test/nc") && page.contains(&site.url("/hidden/5")),
        "{page}"
    );

    let seen = found(&chain, &media).await["pages"][0].take();
    assert_eq!(seen["page_url"], site.url("/hidden/5"));
    assert_eq!(seen["page_title"], "Page 5");
    assert_eq!(seen["context"]["heading"], "Item");
    assert_eq!(
        seen["rights"],
        json!({"credit": "Ann", "license": "http://licence.test/nc"})
    );
    drop(search);

    // What is removed goes where a sitemap names it, too, and stays out when that is read again.
    let gone = site.url("/hidden/1");
    let asked = chain.tusou(&["forget", &gone, "--json"]).await;
    let asked: Value = serde_json::from_str(&asked).expect("JSON");
    let forgotten = chain.tusou(&["forget", &gone, "--yes", "--json"]).await;
    let forgotten: Value = serde_json::from_str(&forgotten).expect("JSON");
    for told in [&asked, &forgotten] {
        assert_eq!(told["removed"]["sightings"], 2, "{told:#}");
        assert_eq!(told["removed"]["images"], 2, "{told:#}");
    }
    assert_eq!(named_by(&chain).await, [("feed".to_owned(), 1)]);
    chain.tusou(&["recrawl", "--all"]).await;
    chain.done().await;
    assert_eq!(named_by(&chain).await, [("feed".to_owned(), 1)]);
    chain.end().await;
}

/// Live sightings by the word of a file, by its kind.
async fn named_by(chain: &Chain) -> Vec<(String, i64)> {
    sqlx::query_as(
        "SELECT context ->> 'found_by', count(*) FROM sightings
         WHERE gone_since IS NULL AND context ->> 'page' IS NOT NULL GROUP BY 1",
    )
    .fetch_all(chain.world.pool())
    .await
    .expect("the world's database answers")
}

#[tokio::test]
async fn bounds_hold_and_what_is_no_sitemap_is_counted() {
    let mut world = world("discovery_bounds").await;
    world.config.discovery.max_sitemaps = 2;
    world.config.discovery.max_sitemap_bytes = 1 << 20;
    let chain = Chain::start(world).await;

    // Nothing is there, or a page that stands for everything, and nobody has said otherwise.
    let nothing = naming(&[]).await;
    let soft = naming(&[]).await;
    soft.html("/sitemap.xml", "<!DOCTYPE html><title>Not found</title>");
    // Said, and not there; there, and none.
    let missing = naming(&["/sitemap.xml"]).await;
    let html = naming(&["/map"]).await;
    html.html("/map", "<p>no map</p>");
    // Where redirects lead is read.
    let moved = naming(&["/old.xml"]).await;
    moved.put("/old.xml", Reply::redirect("/new.xml"));
    moved.put("/new.xml", xml(urlset(&locs(&moved, ["/a"]))));
    // Broken in the middle: what came before it counts.
    let broken = naming(&["/map.gz"]).await;
    let mut filled = locs(&broken, ["/a", "/b"]);
    // Noise, so that the compressed bytes that are missing are those of the end.
    let noise: Vec<String> = (0..2_000_u32)
        .map(|n| format!("/{:x}", n.wrapping_mul(2_654_435_761)))
        .collect();
    let comments: String = noise
        .iter()
        .map(|noise| format!("<x>{noise}</x>"))
        .collect();
    filled.push(comments);
    let mut cut = gzip(urlset(&filled).as_bytes());
    cut.truncate(cut.len() - 200);
    broken.put("/map.gz", Reply::bytes("application/gzip", cut));
    // A bomb: 64 MB of nothing between two pages.
    let bomb = naming(&["/bomb.gz"]).await;
    let pages = locs(&bomb, ["/a", "/b"]);
    let body = urlset(&[format!(
        "{}</url>{}<url>{}",
        pages[0],
        " ".repeat(64 << 20),
        pages[1]
    )]);
    bomb.put(
        "/bomb.gz",
        Reply::bytes("application/gzip", gzip(body.as_bytes())),
    );
    // Entities that would be a billion words.
    let laughs = naming(&["/laughs.xml"]).await;
    let entities: String = (1..10)
        .map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)))
        .collect();
    let loc = laughs.url("/a?&a9;");
    let body = format!(
        "<!DOCTYPE urlset [<!ENTITY a0 \"ha\">{entities}]><urlset><url><loc>{loc}</loc></url></urlset>"
    );
    laughs.put("/laughs.xml", xml(body));
    // More pages than the seed may have, in more than one transaction; more sitemaps than it may.
    let many = naming(&["/many.xml", "/index.xml", "/third.xml"]).await;
    let paths: Vec<String> = (0..9_000).map(|n| format!("/many/{n}")).collect();
    let body = urlset(&locs(&many, paths.iter().map(String::as_str)));
    many.put("/many.xml", xml(body));
    many.put("/index.xml", index(&many, &["/fourth.xml", "/fifth.xml"]));
    // One that follows no links, and one that stays below a folder.
    let alone = naming(&["/map.xml"]).await;
    let below = naming(&["/map.xml"]).await;
    below.html("/in/", "<p>in</p>");
    below.html("/in/a", "<p>a</p>");
    below.put("/map.xml", xml(urlset(&locs(&below, ["/a", "/in/a"]))));
    // A seed may be a sitemap itself.
    let itself = naming(&[]).await;
    itself.put("/all.xml", xml(urlset(&locs(&itself, ["/a", "/b"]))));

    for site in [
        &nothing, &soft, &missing, &html, &moved, &broken, &bomb, &laughs,
    ] {
        chain.seed(&site.url("/")).await;
    }
    chain.tusou(&["seed", &many.url("/"), "--limit", "4"]).await;
    chain
        .tusou(&["seed", &alone.url("/"), "--depth", "0"])
        .await;
    chain
        .tusou(&["seed", &below.url("/in/"), "--scope", "prefix"])
        .await;
    chain.seed(&itself.url("/all.xml")).await;
    let status = chain.done().await;

    let wanted = [
        (nothing.url("/sitemap.xml"), "skipped no_sitemap"),
        (soft.url("/sitemap.xml"), "skipped no_sitemap"),
        (missing.url("/sitemap.xml"), "failed http_404"),
        (html.url("/map"), "skipped not_a_sitemap"),
        (moved.url("/old.xml"), "done"),
        (broken.url("/map.gz"), "done cut"),
        (bomb.url("/bomb.gz"), "done cut"),
        (laughs.url("/laughs.xml"), "done"),
        (many.url("/many.xml"), "done"),
        (many.url("/index.xml"), "done"),
        (below.url("/map.xml"), "done"),
        (itself.url("/sitemap.xml"), "skipped no_sitemap"),
    ];
    let mut wanted = wanted.map(|(url, state)| (url, state.to_owned()));
    wanted.sort();
    assert_eq!(rows(&chain, "sitemap").await, wanted);
    let discovered = &status["discovered"];
    assert_eq!(discovered["sitemaps"]["done"], 7);
    assert_eq!(discovered["sitemaps"]["failed"], json!({"http_404": 1}));
    assert_eq!(
        discovered["sitemaps"]["skipped"],
        json!({"no_sitemap": 3, "not_a_sitemap": 1})
    );
    assert_eq!(discovered["cut"], 2);
    // Of the index: that of robots.txt is counted by the crawler's metric alone.
    assert_eq!(discovered["left_out"], 2);
    let left_out = "crawler_links_left_out_total{reason=\"sitemap_limit\"}";
    assert_eq!(chain.crawler.metric(left_out).await, 3.0);
    for (site, path, hits) in [
        (&moved, "/a", 1),
        (&broken, "/a", 1),
        (&broken, "/b", 1),
        (&bomb, "/a", 1),
        (&bomb, "/b", 0),
        (&laughs, "/a?&a9;", 1),
        (&alone, "/map.xml", 0),
        (&alone, "/sitemap.xml", 0),
        (&below, "/a", 0),
        (&below, "/in/a", 1),
        (&itself, "/b", 1),
    ] {
        assert_eq!(site.hits(path), hits, "{} {path}", site.url("/"));
    }
    let pages = many
        .requests()
        .into_iter()
        .filter(|request| request.path.starts_with("/many/"));
    assert_eq!(pages.count(), 3);
    let peak = chain.crawler.peak_rss_bytes();
    assert!(peak < 400 << 20, "the crawler took {} MB", peak >> 20);
    chain.end().await;
}

#[tokio::test]
async fn what_a_sitemap_says_has_changed_is_read_again() {
    let site = naming(&["/map.xml"]).await;
    let dated =
        |path: &str, at: &str| format!("<loc>{}</loc><lastmod>{at}</lastmod>", site.url(path));
    site.put(
        "/map.xml",
        xml(urlset(&[dated("/a", "2001"), dated("/b", "2001")])),
    );
    let mut chain = Chain::start(world("discovery_changes").await).await;
    chain.seed(&site.url("/")).await;
    chain.done().await;
    let hits = || ["/", "/a", "/b", "/c"].map(|path| site.hits(path));
    assert_eq!(hits(), [1, 1, 1, 0]);

    // The page that has changed since, not the one that has not, nor one of a time to come.
    let now = OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .expect("a time can be written");
    site.put(
        "/map.xml",
        xml(urlset(&[dated("/a", &now), dated("/b", "2001")])),
    );
    chain.tusou(&["recrawl", &site.url("/map.xml")]).await;
    chain.done().await;
    assert_eq!(hits(), [1, 2, 1, 0]);
    site.put(
        "/map.xml",
        xml(urlset(&[dated("/a", &now), dated("/b", "2999-01-01")])),
    );
    chain.tusou(&["recrawl", &site.url("/map.xml")]).await;
    chain.done().await;
    assert_eq!(hits(), [1, 2, 1, 0]);

    // A further seed of the host is told, too, and reads what is known for its own sake.
    chain
        .tusou(&["seed", &site.url("/b"), "--scope", "prefix"])
        .await;
    chain.done().await;
    let seeds: Vec<(i64, i64)> =
        sqlx::query_as("SELECT seed_id, sitemaps FROM seeds ORDER BY seed_id")
            .fetch_all(chain.world.pool())
            .await
            .expect("the world's database answers");
    assert_eq!(seeds, [(1, 1), (2, 1)]);

    // robots.txt names another one by the time that it is asked for again.
    site.robots(&format!(
        "Sitemap: {}\nSitemap: {}\n",
        site.url("/map.xml"),
        site.url("/more.xml")
    ));
    site.put("/more.xml", xml(urlset(&locs(&site, ["/c"]))));
    sqlx::query("UPDATE host_files SET expires_at = now()")
        .execute(chain.world.pool())
        .await
        .expect("a plain statement");
    chain.crawler.restart().await;
    chain.tusou(&["recrawl", &site.url("/a")]).await;
    let status = chain.done().await;
    assert_eq!(site.hits("/more.xml"), 1);
    assert_eq!(site.hits("/c"), 1);
    assert_eq!(status["discovered"]["sitemaps"]["done"], 2);
    assert_eq!(status["pages"]["done"], 4);
    chain.end().await;
}
