//! What site owners ask, and what a real crawler then does: every row of the table in
//! docs/for-site-owners.md.

use std::collections::BTreeSet;
use std::time::Duration;

use tusou_ingest::wake_hosts;
use tusou_testkit::{Reply, Service, Site, World, pictures, tusou, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(120);

/// A crawler alone: what is encoded and indexed makes no difference here.
struct Crawl {
    crawler: Service,
    world: World,
}

impl Crawl {
    async fn start(world: World) -> Self {
        let crawler = Service::spawn(&world, "tusou-crawler").await;
        Self { crawler, world }
    }

    async fn tusou(&self, arguments: &[&str]) {
        let output = tusou(&self.world, arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "tusou {arguments:?} failed: {said}"
        );
    }

    /// Waits until nothing is due: what is being fetched is due still.
    async fn done(&self) {
        const DUE: &str = "SELECT (SELECT count(*) FROM pages WHERE state = 'due')
                                + (SELECT count(*) FROM image_urls WHERE state = 'due')";
        wait_until(LIMIT, "nothing to be due", async || {
            self.count(DUE, "").await == 0
        })
        .await;
    }

    /// Looks at everything again a day later, when host files are asked for again.
    async fn a_day_later(&mut self) {
        sqlx::query("UPDATE host_files SET expires_at = now()")
            .execute(self.world.pool())
            .await
            .expect("the statement fits the schema");
        self.crawler.terminate().await;
        self.crawler.restart().await;
        self.again().await;
    }

    /// Makes every settled URL due again and waits for it, as a revisit does: what is known of it
    /// stays.
    async fn again(&self) {
        let mut tx = self.world.pool().begin().await.expect("Postgres answers");
        for statement in [
            "UPDATE pages SET state = 'due', due_at = now(), attempts = 0, revisit_at = NULL",
            "UPDATE image_urls SET state = 'due', due_at = now(), attempts = 0, revisit_at = NULL",
        ] {
            let run = sqlx::query(statement).execute(&mut *tx).await;
            run.expect("the statement fits the schema");
        }
        let hosts: Vec<i64> = sqlx::query_scalar("SELECT host_id FROM hosts")
            .fetch_all(&mut *tx)
            .await
            .expect("the statement fits the schema");
        let hosts: BTreeSet<i64> = hosts.into_iter().collect();
        wake_hosts(&mut tx, &hosts).await.expect("Postgres answers");
        tx.commit().await.expect("Postgres answers");
        self.done().await;
    }

    async fn count(&self, statement: &'static str, url: &str) -> i64 {
        // A statement without a URL takes none.
        let mut query = sqlx::query_scalar(statement);
        if statement.contains("$1") {
            query = query.bind(url.to_owned());
        }
        let counted = query.fetch_one(self.world.pool()).await;
        counted.expect("the statement fits the schema")
    }

    /// Live sightings at a page.
    async fn seen_at(&self, page: &str) -> i64 {
        const SEEN: &str = "SELECT count(*) FROM sightings JOIN pages USING (page_id)
                            WHERE pages.url = $1 AND gone_since IS NULL";
        self.count(SEEN, page).await
    }

    /// Sightings at a page that are history.
    async fn gone_from(&self, page: &str) -> i64 {
        const GONE: &str = "SELECT count(*) FROM sightings JOIN pages USING (page_id)
                            WHERE pages.url = $1 AND gone_since IS NOT NULL";
        self.count(GONE, page).await
    }

    /// A picture's state, reason and status.
    async fn picture(&self, url: &str) -> (String, Option<String>, Option<i32>) {
        sqlx::query_as("SELECT state::text, reason, status FROM image_urls WHERE url = $1")
            .bind(url)
            .fetch_optional(self.world.pool())
            .await
            .expect("the statement fits the schema")
            .unwrap_or_else(|| panic!("{url} is not known"))
    }

    async fn end(self) {
        let Self { world, crawler } = self;
        drop(crawler);
        world.end().await;
    }
}

fn with(mut reply: Reply, headers: &[(&str, &str)]) -> Reply {
    for (name, value) in headers {
        reply = reply.header(name, value);
    }
    reply
}

/// What a page says, and whether its picture is taken and its link followed.
struct Case {
    path: &'static str,
    headers: Headers,
    head: &'static str,
    taken: bool,
    followed: bool,
}

const fn case(
    path: &'static str,
    headers: Headers,
    head: &'static str,
    taken: bool,
    followed: bool,
) -> Case {
    Case {
        path,
        headers,
        head,
        taken,
        followed,
    }
}

#[rustfmt::skip]
const PAGES: [Case; 23] = [
    case("/free", &[], "", true, true),
    case("/all", &[("x-robots-tag", "all")], "<meta name=robots content='index, follow'>", true, true),
    case("/noindex", &[], "<meta name=robots content=noindex>", false, true),
    case("/noindex-header", &[("x-robots-tag", "NOINDEX")], "", false, true),
    case("/nofollow", &[], "<meta name=robots content=nofollow>", true, false),
    case("/nofollow-header", &[("x-robots-tag", "nofollow")], "", true, false),
    case("/none", &[], "<meta name=robots content=none>", false, false),
    case("/none-header", &[("x-robots-tag", "none")], "", false, false),
    case("/noimageindex", &[], "<meta name=tusoubot content=noimageindex>", false, true),
    case("/others-meta", &[], "<meta name=otherbot content=none>", true, true),
    case("/others", &[("x-robots-tag", "otherbot: noindex, nofollow")], "", true, true),
    case("/ours", &[("x-robots-tag", "otherbot: noindex"), ("x-robots-tag", "tusoubot: nofollow")], "", true, false),
    case("/noai", &[("x-robots-tag", "noai, max-image-preview:large")], "", false, true),
    case("/noimageai", &[], "<meta name=robots content='max-image-preview:large, noimageai'>", false, true),
    case("/passed", &[("x-robots-tag", "unavailable_after: 25 Jun 2010 15:00:00 PST")], "", false, true),
    case("/passed-meta", &[], "<meta name=robots content='unavailable_after: Friday, 25-Jun-10 15:00:00 GMT'>", false, true),
    case("/to-come", &[("x-robots-tag", "unavailable_after: 2999-12-31T23:59:59Z")], "", true, true),
    case("/tdm-header", &[("tdm-reservation", "1")], "", false, true),
    case("/tdm-meta", &[], "<meta name=tdm-reservation content=1>", false, true),
    case("/reserved/file", &[], "", false, true),
    case("/reserved/but-header", &[("tdm-reservation", "0")], "", true, true),
    case("/reserved/but-meta", &[("tdm-reservation", "1")], "<meta name=tdm-reservation content=0>", true, true),
    case("/open/before-reserved", &[], "", true, true),
];

type Headers = &'static [(&'static str, &'static str)];

/// A picture's own answer, and the reason for which it is not kept.
#[rustfmt::skip]
const OWN: [(&str, Headers, Option<&str>); 14] = [
    ("/own/free.png", &[], None),
    ("/own/nofollow.png", &[("x-robots-tag", "nofollow")], None),
    ("/own/others.png", &[("x-robots-tag", "otherbot: noindex, noai")], None),
    ("/own/to-come.png", &[("x-robots-tag", "unavailable_after: 2999-12-31")], None),
    ("/own/noindex.png", &[("x-robots-tag", "noindex")], Some("noindex")),
    ("/own/none.png", &[("x-robots-tag", "none")], Some("noindex")),
    ("/own/noimageindex.png", &[("x-robots-tag", "max-image-preview:large, noimageindex")], Some("noimageindex")),
    ("/own/noai.png", &[("x-robots-tag", "noai, max-image-preview:large")], Some("noai")),
    ("/own/noimageai.png", &[("x-robots-tag", "tusoubot: noimageai")], Some("noai")),
    ("/own/passed.png", &[("x-robots-tag", "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT")], Some("unavailable")),
    ("/own/tdm.png", &[("tdm-reservation", "1")], Some("tdm_reserved")),
    ("/reserved/own.png", &[], Some("tdm_reserved")),
    ("/reserved/own-free.png", &[("tdm-reservation", "0")], None),
    ("/reserved/own.jpg", &[], None),
];

const TDMREP: &str = r#"[
    {"location": "/open/", "tdm-reservation": 0},
    {"location": "/reserved/*.jpg$", "tdm-reservation": 0},
    {"location": "/reserved/", "tdm-reservation": 1, "tdm-policy": "https://site.test/policy.json"},
    {"location": "/*-reserved", "tdm-reservation": 1}
]"#;

#[tokio::test]
async fn each_directive_has_its_stated_effect() {
    let site = Site::start().await;
    let other = Site::start_on([127, 0, 0, 2].into()).await;
    site.put(
        "/.well-known/tdmrep.json",
        Reply::bytes("application/json", TDMREP),
    );
    other.put(
        "/.well-known/tdmrep.json",
        Reply::bytes(
            "application/json",
            r#"[{"location": "/art/", "tdm-reservation": 1}]"#,
        ),
    );
    let links: String = PAGES
        .iter()
        .map(|page| format!("<a href={}>x</a>", page.path))
        .collect();
    let shown: String = OWN
        .iter()
        .map(|(path, ..)| format!("<img src={path}>"))
        .collect();
    let art = other.url("/art/1.png");
    site.html(
        "/",
        format!(
            "{links}<a rel=nofollow href=/marked>x</a>{shown}<img src={art}><img src=/led.png>"
        ),
    );
    site.html("/marked", "<p>a link alone may be marked");
    site.put("/led.png", Reply::redirect(&other.url("/art/2.png")));
    let mut numbers = 0..;
    let mut png = || pictures::png(numbers.next().expect("numbers do not end"));
    for path in ["/art/1.png", "/art/2.png"] {
        other.png(path, png());
    }
    for (place, page) in PAGES.iter().enumerate() {
        let body = format!(
            "<head>{}</head><img src=/picture/{place}.png><a href=/beyond/{place}>x</a>",
            page.head
        );
        site.put(page.path, with(Reply::html(body), page.headers));
        site.png(&format!("/picture/{place}.png"), png());
        site.html(&format!("/beyond/{place}"), "<p>beyond");
    }
    for (path, headers, _) in OWN {
        site.put(path, with(Reply::bytes("image/png", png()), headers));
    }

    let crawl = Crawl::start(World::new("directives").await).await;
    crawl.tusou(&["seed", &site.url("/")]).await;
    crawl.done().await;
    for (place, page) in PAGES.iter().enumerate() {
        let picture = format!("/picture/{place}.png");
        let beyond = format!("/beyond/{place}");
        let found = (site.hits(&picture), site.hits(&beyond));
        let expected = (usize::from(page.taken), usize::from(page.followed));
        assert_eq!(found, expected, "picture and link of {}", page.path);
        let seen = crawl.seen_at(&site.url(page.path)).await;
        assert_eq!(seen, i64::from(page.taken), "{}", page.path);
    }
    assert_eq!(site.hits("/marked"), 0);
    for (path, _, reason) in OWN {
        let expected = match reason {
            None => ("done".to_owned(), None, Some(200)),
            Some(reason) => ("skipped".to_owned(), Some(reason.to_owned()), Some(200)),
        };
        assert_eq!(crawl.picture(&site.url(path)).await, expected, "{path}");
    }
    let reserved = (
        "skipped".to_owned(),
        Some("tdm_reserved".to_owned()),
        Some(200),
    );
    assert_eq!(crawl.picture(&art).await, reserved);
    assert_eq!(crawl.picture(&site.url("/led.png")).await, reserved);
    // One image for each picture that was taken, and no bytes of any other.
    let taken = PAGES.iter().filter(|page| page.taken).count()
        + OWN.iter().filter(|(.., reason)| reason.is_none()).count();
    let images = crawl.count("SELECT count(*) FROM images", "").await;
    assert_eq!(usize::try_from(images), Ok(taken));
    assert_eq!(site.hits("/.well-known/tdmrep.json"), 1);
    // Counters have the reasons as their words.
    for (kind, word) in [
        ("image", "noimageindex"),
        ("image", "tdm_reserved"),
        ("page", "done"),
    ] {
        let metric = format!("crawler_urls_total{{kind=\"{kind}\",outcome=\"{word}\"}}");
        assert!(crawl.crawler.metric(&metric).await > 0.0, "{metric}");
    }
    crawl.end().await;
}

#[tokio::test]
async fn what_the_operator_does_not_obey_has_no_effect() {
    let site = Site::start().await;
    let reserve = r#"[{"location": "/", "tdm-reservation": 1}]"#;
    site.put(
        "/.well-known/tdmrep.json",
        Reply::bytes("application/json", reserve),
    );
    let head = "<meta name=robots content='noai, noimageai'><meta name=tdm-reservation content=1>";
    let body = format!("<head>{head}</head><img src=/a.png><a href=/noindex>x</a>");
    let asked = [("x-robots-tag", "noai"), ("tdm-reservation", "1")];
    site.put("/", with(Reply::html(body), &asked));
    site.put(
        "/a.png",
        with(Reply::bytes("image/png", pictures::png(1)), &asked),
    );
    // The others are always obeyed.
    site.html(
        "/noindex",
        "<meta name=robots content=noindex><img src=/b.png>",
    );
    site.png("/b.png", pictures::png(2));
    let mut world = World::new("disobey").await;
    world.config.crawler.obey_noai = false;
    world.config.crawler.obey_tdm = false;
    let crawl = Crawl::start(world).await;
    crawl.tusou(&["seed", &site.url("/")]).await;
    crawl.done().await;
    assert_eq!(crawl.seen_at(&site.url("/")).await, 1);
    assert_eq!((site.hits("/noindex"), site.hits("/b.png")), (1, 0));
    assert_eq!(site.hits("/.well-known/tdmrep.json"), 0, "nobody needs it");
    crawl.end().await;
}

#[tokio::test]
async fn a_directive_that_comes_later_parts_what_was_taken() {
    let site = Site::start().await;
    let names = ["meta", "header", "cached", "file", "own"];
    let links: String = names
        .iter()
        .map(|name| format!("<a href=/{name}>x</a>"))
        .collect();
    site.html("/", links);
    let body = |name: &str| format!("<img src=/{name}.png>");
    for (number, name) in (1..).zip(names) {
        let tag = format!("\"{name}\"");
        let page = Reply::html(body(name)).header("etag", &tag);
        site.put(&format!("/{name}"), page);
        site.png(&format!("/{name}.png"), pictures::png(number));
    }
    let mut crawl = Crawl::start(World::new("directives_later").await).await;
    crawl.tusou(&["seed", &site.url("/")]).await;
    crawl.done().await;
    for name in names {
        assert_eq!(
            crawl.seen_at(&site.url(&format!("/{name}"))).await,
            1,
            "{name}"
        );
    }

    let meta = format!("<meta name=robots content=noindex>{}", body("meta"));
    site.html("/meta", meta);
    let refused = [("x-robots-tag", "noimageindex")];
    site.put("/header", with(Reply::html(body("header")), &refused));
    // The body has not changed, says the server by a 304, but what may be taken from it has.
    let cached = Reply::html(body("cached")).header("etag", "\"cached\"");
    site.put("/cached", with(cached, &refused));
    let own = Reply::bytes("image/png", pictures::png(5));
    site.put("/own.png", with(own, &refused));
    let reserve = r#"[{"location": "/file$", "tdm-reservation": 1}]"#;
    site.put(
        "/.well-known/tdmrep.json",
        Reply::bytes("application/json", reserve),
    );
    crawl.a_day_later().await;
    for name in names {
        let page = site.url(&format!("/{name}"));
        assert_eq!(crawl.seen_at(&page).await, 0, "{name}");
        assert_eq!(crawl.gone_from(&page).await, 1, "{name}");
    }
    let conditional = |path: &str| {
        let requests = site
            .requests()
            .into_iter()
            .filter(|request| request.path == path);
        let sent = requests.map(|request| request.headers.contains_key("if-none-match"));
        sent.collect::<Vec<bool>>()
    };
    for path in ["/cached", "/file"] {
        assert_eq!(conditional(path), [false, true, false], "{path}");
    }
    assert_eq!(conditional("/own"), [false, true], "it has not changed");
    assert_eq!(
        crawl.picture(&site.url("/own.png")).await,
        (
            "skipped".to_owned(),
            Some("noimageindex".to_owned()),
            Some(200)
        )
    );

    // What is allowed again is taken again.
    for name in names {
        site.html(&format!("/{name}"), body(name));
    }
    site.png("/own.png", pictures::png(5));
    site.remove("/.well-known/tdmrep.json");
    crawl.a_day_later().await;
    for name in names {
        assert_eq!(
            crawl.seen_at(&site.url(&format!("/{name}"))).await,
            1,
            "{name}"
        );
    }
    crawl.end().await;
}

#[tokio::test]
async fn pictures_are_left_to_the_canonical_page() {
    let site = Site::start().await;
    site.html(
        "/",
        "<a href=/p?sort=up>x</a><a href=/p?sort=down>x</a><a href=/slash/>x</a>\
         <a href=/start>x</a><a href=/dead>x</a><a href=/one>x</a><a href=/two>x</a>\
         <a href=/far>x</a><a href=/forbidden>x</a>",
    );
    let page = |path: &str, canonical: &str, picture: &str| {
        let head = format!("<head><link rel=canonical href='{canonical}'></head>");
        site.html(path, format!("{head}<img src={picture}>"));
    };
    site.robots("User-agent: *\nDisallow: /private");
    let pages = ["/p?sort=up", "/p?sort=down", "/p"];
    for path in pages {
        page(path, "/p", "/p.png");
    }
    // What owners get wrong: nothing is lost by it.
    page("/slash/", "/slash", "/slash.png");
    site.put("/slash", Reply::redirect("/slash/"));
    page("/start", "/", "/start.png");
    page("/dead", "/gone", "/dead.png");
    page("/one", "/two", "/one.png");
    page("/two", "/one", "/two.png");
    page("/far", "http://127.0.0.2:1/far", "/far.png");
    page("/forbidden", "/private", "/forbidden.png");
    let names = [
        "p",
        "slash",
        "start",
        "dead",
        "one",
        "two",
        "far",
        "forbidden",
    ];
    for (number, name) in (1..).zip(names) {
        site.png(&format!("/{name}.png"), pictures::png(number));
    }
    let crawl = Crawl::start(World::new("canonical").await).await;
    crawl.tusou(&["seed", &site.url("/"), "--depth", "1"]).await;
    crawl.done().await;
    for (path, seen) in [
        ("/p", 1),
        ("/p?sort=up", 0),
        ("/p?sort=down", 0),
        ("/slash/", 1),
        ("/start", 1),
        ("/far", 1),
        ("/forbidden", 1),
    ] {
        assert_eq!(crawl.seen_at(&site.url(path)).await, seen, "{path}");
    }
    assert_eq!(
        (
            site.hits("/p"),
            site.hits("/slash"),
            site.hits("/private"),
            site.hits("/gone")
        ),
        (1, 0, 0, 1)
    );

    // Looked at again, pages whose canonical ones turned out to show nothing show their own.
    crawl.again().await;
    for path in ["/p", "/dead"] {
        assert_eq!(crawl.seen_at(&site.url(path)).await, 1, "{path}");
    }
    for path in ["/p?sort=up", "/p?sort=down"] {
        assert_eq!(crawl.seen_at(&site.url(path)).await, 0, "{path}");
    }
    let circle = crawl.seen_at(&site.url("/one")).await + crawl.seen_at(&site.url("/two")).await;
    assert!(
        circle >= 1,
        "two pages that name each other are not both lost"
    );
    crawl.end().await;
}
