//! How a site's owner sees the crawl: by the server's own log, across turns and processes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use time::OffsetDateTime;
use time::macros::format_description;
use tokio::net::{TcpListener, TcpStream};
use tusou_testkit::{Reply, Request, Service, Site, World, free_port, pictures, tusou, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(180);
/// A gap is counted from the answer before, so what is late on its way to the server makes the next
/// one late as well. This is for the server's own log: it notes a request when its task runs.
const JITTER: Duration = Duration::from_millis(5);
const ROBOTS: &str = "/robots.txt";
const TDM: &str = "/.well-known/tdmrep.json";

async fn site(number: u8) -> Site {
    Site::start_on(Ipv4Addr::new(127, 0, 0, number).into()).await
}

async fn seed(world: &World, urls: &[String]) {
    let arguments: Vec<&str> = std::iter::once("seed")
        .chain(urls.iter().map(String::as_str))
        .collect();
    let output = tusou(world, &arguments).await;
    assert!(output.status.success(), "{output:?}");
}

async fn count(world: &World, statement: &'static str) -> i64 {
    let counted = sqlx::query_scalar(statement).fetch_one(world.pool()).await;
    counted.expect("the world's database answers")
}

async fn execute(world: &World, statement: &'static str) {
    let done = sqlx::query(statement).execute(world.pool()).await;
    done.expect("the world's database answers");
}

/// Waits until no URL is due.
async fn done(world: &World) {
    wait_until(LIMIT, "no URL to be due", async || {
        let due = "SELECT (SELECT count(*) FROM pages WHERE state = 'due')
                        + (SELECT count(*) FROM image_urls WHERE state = 'due')";
        count(world, due).await == 0
    })
    .await;
}

/// Asserts that each request came at least `delay` after the one before.
fn assert_gaps(requests: &[Request], delay: Duration) {
    for pair in requests.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at);
        assert!(
            gap + JITTER >= delay,
            "{} came {gap:?} after {}",
            pair[1].path,
            pair[0].path
        );
    }
}

#[tokio::test]
async fn four_processes_keep_every_hosts_pace() {
    let delay = Duration::from_millis(300);
    let crawl_delay = Duration::from_millis(600);
    let sites = [site(21).await, site(22).await, site(23).await];
    sites[2].robots("User-agent: *\nCrawl-delay: 0.6\nDisallow: /private\n");
    for (number, site) in (0_u32..).zip(&sites) {
        let next = &sites[(number as usize + 1) % sites.len()];
        let mut start = "<a href=/private/>no</a>".to_owned();
        for page in 0..4 {
            start.push_str(&format!("<a href=/{page}>x</a>"));
            let own = number * 10 + page;
            let there = format!("/there-{own}.png");
            // Its own, one of the next site's, and one that redirects there.
            let html = format!(
                "<img src=/own-{own}.png><img src={}><img src=/away-{own}.png>",
                next.url(&format!("/linked-{own}.png"))
            );
            site.html(&format!("/{page}"), html);
            site.png(&format!("/own-{own}.png"), pictures::png(own));
            next.png(&format!("/linked-{own}.png"), pictures::png(100 + own));
            site.put(
                &format!("/away-{own}.png"),
                Reply::redirect(&next.url(&there)),
            );
            next.png(&there, pictures::png(200 + own));
        }
        site.html("/", start);
    }
    let mut world = World::new("pace").await;
    world.config.crawler.host_delay_ms = 300;
    world.config.crawler.contact = "https://crawler.example/about".into();
    let mut crawlers = Vec::new();
    for _ in 0..4 {
        crawlers.push(Service::spawn(&world, "tusou-crawler").await);
    }
    let seeds: Vec<String> = sites.iter().map(|site| site.url("/")).collect();
    seed(&world, &seeds).await;
    wait_until(LIMIT, "every site to be crawled", async || {
        sites.iter().all(|site| site.requests().len() >= 5)
    })
    .await;
    // Whoever goes on with their hosts, after an orderly end and after a crash, keeps the pace.
    crawlers[0].terminate().await;
    crawlers[1].kill().await;
    done(&world).await;
    assert_eq!(count(&world, "SELECT count(*) FROM images").await, 36);
    for (number, site) in sites.iter().enumerate() {
        let requests = site.requests();
        let least = if number == 2 { crawl_delay } else { delay };
        assert_gaps(&requests, least);
        assert_eq!(site.hits(ROBOTS), 1, "site {number}");
        assert_eq!(site.hits(TDM), 1, "site {number}");
        assert_eq!(requests[0].path, ROBOTS, "site {number}");
        for request in &requests {
            let agent = request.headers["user-agent"].to_str().expect("text");
            assert!(agent.starts_with("tusoubot/"), "{agent}");
            assert!(agent.ends_with(" (+https://crawler.example/about)"));
        }
    }
    assert_eq!(sites[2].hits("/private/"), 0);
    drop(crawlers);
    world.end().await;
}

#[tokio::test]
async fn a_host_that_asks_for_rest_gets_it() {
    let (seconds, date) = (site(31).await, site(32).await);
    let rest = Duration::from_secs(2);
    let until = OffsetDateTime::now_utc() + Duration::from_secs(12);
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let header = until.format(&format).expect("a date is text");
    let until = until
        .replace_nanosecond(0)
        .expect("a second has a beginning");
    for site in [&seconds, &date] {
        let pictures: String = (0..5).map(|n| format!("<img src=/{n}.png>")).collect();
        site.html("/", pictures);
        for number in 0..5 {
            site.png(&format!("/{number}.png"), pictures::png(number));
        }
    }
    let busy = |status: u16, after: &str| Reply::status(status).header("retry-after", after);
    let picture = Reply::bytes("image/png", pictures::png(2));
    seconds.put_each("/2.png", vec![busy(429, "2"), picture.clone()]);
    date.put_each("/2.png", vec![busy(503, &header), picture]);
    let mut world = World::new("pace_rest").await;
    world.config.crawler.host_concurrency = 1;
    let crawlers = [
        Service::spawn(&world, "tusou-crawler").await,
        Service::spawn(&world, "tusou-crawler").await,
    ];
    seed(&world, &[seconds.url("/"), date.url("/")]).await;
    done(&world).await;
    assert_eq!(count(&world, "SELECT count(*) FROM images").await, 5);
    let around = |site: &Site| {
        let requests = site.requests();
        let at = requests.iter().position(|request| request.path == "/2.png");
        let at = at.expect("it was asked for");
        assert_eq!(site.hits("/2.png"), 2);
        (requests[at].at, requests[at + 1].at)
    };
    let (busy, next) = around(&seconds);
    assert!(next.duration_since(busy) + JITTER >= rest);
    let (busy, next) = around(&date);
    let left = SystemTime::from(until).duration_since(SystemTime::now());
    let passed = SystemTime::now().duration_since(SystemTime::from(until));
    let until = match (left, passed) {
        (Ok(left), _) => Instant::now() + left,
        (_, Ok(passed)) => Instant::now() - passed,
        _ => unreachable!("a time is before or after another"),
    };
    assert!(busy < until, "the site was asked before the date");
    assert!(next + JITTER >= until, "it was asked again before the date");
    drop(crawlers);
    world.end().await;
}

#[tokio::test]
async fn rules_go_on_applying_while_robots_txt_cannot_be_had() {
    let (known, unknown) = (site(41).await, site(42).await);
    known.robots("User-agent: *\nDisallow: /private\n");
    for site in [&known, &unknown] {
        site.html("/", "<a href=/private>p</a><img src=/a.png>");
        site.html("/private", "<p>private");
        site.png("/a.png", pictures::png(1));
    }
    unknown.put(ROBOTS, Reply::status(503));
    let world = World::new("pace_robots").await;
    let mut crawler = Service::spawn(&world, "tusou-crawler").await;
    seed(&world, &[known.url("/"), unknown.url("/")]).await;
    done(&world).await;
    // Without a copy nothing may be fetched: after enough turns the page is given up.
    let given_up =
        "SELECT count(*) FROM pages WHERE state = 'failed' AND reason = 'robots_unavailable'";
    assert_eq!(count(&world, given_up).await, 1);
    let asked = unknown.requests();
    assert!(asked.len() > 1 && asked.iter().all(|request| request.path == ROBOTS));

    known.put(ROBOTS, Reply::status(503));
    execute(&world, "UPDATE host_files SET expires_at = now()").await;
    crawler.restart().await;
    let before = (known.hits("/"), known.hits(ROBOTS));
    let output = tusou(&world, &["recrawl", &known.url("/")]).await;
    assert!(output.status.success(), "{output:?}");
    wait_until(LIMIT, "the page to be read again", async || {
        known.hits("/") > before.0
    })
    .await;
    done(&world).await;
    assert!(known.hits(ROBOTS) > before.1);
    assert_eq!(known.hits("/private"), 0);
    let kept = "SELECT count(*) FROM host_files WHERE kind = 'robots' AND status = 200 AND failed_at IS NOT NULL";
    assert_eq!(count(&world, kept).await, 1);
    drop(crawler);
    world.end().await;
}

/// Brings connections to a port that was shut to a site.
async fn open(port: SocketAddr, site: SocketAddr) {
    let listener = TcpListener::bind(port)
        .await
        .expect("the port is free still");
    tokio::spawn(async move {
        while let Ok((mut there, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut here = TcpStream::connect(site).await.expect("the site listens");
                let _ = tokio::io::copy_bidirectional(&mut there, &mut here).await;
            });
        }
    });
}

#[tokio::test]
async fn a_dead_host_rests_and_loses_nothing() {
    let site = site(51).await;
    for page in 0..6 {
        let html = format!("<img src=/{page}.png>");
        site.html(&format!("/{page}"), html);
        site.png(&format!("/{page}.png"), pictures::png(page));
    }
    let mut world = World::new("pace_dead").await;
    world.config.crawler.max_attempts = 2;
    world.config.crawler.host_attempts = 1_000;
    world.config.crawler.retry_after_ms = 50;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let dead = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let seeds: Vec<String> = (0..6).map(|page| format!("http://{dead}/{page}")).collect();
    seed(&world, &seeds).await;
    wait_until(LIMIT, "the host to be tried several times", async || {
        count(&world, "SELECT failures::bigint FROM hosts").await >= 4
    })
    .await;
    let whole = "SELECT count(*) FROM pages WHERE state = 'due' AND attempts = 0";
    assert_eq!(count(&world, whole).await, 6);
    open(dead, site.address()).await;
    done(&world).await;
    let all = "SELECT count(*) FROM pages WHERE state = 'done'";
    assert_eq!(count(&world, all).await, 6);
    assert_eq!(count(&world, "SELECT count(*) FROM images").await, 6);
    wait_until(LIMIT, "the host to be given back", async || {
        count(&world, "SELECT failures::bigint FROM hosts").await == 0
    })
    .await;
    drop(crawler);
    world.end().await;
}

#[tokio::test]
async fn a_dead_host_is_given_up_with_all_it_has() {
    let mut world = World::new("pace_given_up").await;
    world.config.crawler.host_attempts = 1;
    let dead = SocketAddr::from(([127, 0, 0, 1], free_port()));
    seed(&world, &[format!("http://{dead}/")]).await;
    for statement in [
        "INSERT INTO pages (host_id, url, depth)
         SELECT host_id, origin || '/' || n, 1 FROM hosts, generate_series(1, 25000) AS n",
        "INSERT INTO image_urls (host_id, url)
         SELECT host_id, origin || '/' || n || '.png' FROM hosts, generate_series(1, 12000) AS n",
    ] {
        execute(&world, statement).await;
    }
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    done(&world).await;
    let given_up = "SELECT count(*) FROM pages WHERE state = 'failed' AND attempts = 1
                       AND reason = 'connect' AND revisit_at > now()";
    assert_eq!(count(&world, given_up).await, 25_001);
    let given_up = "SELECT count(*) FROM image_urls WHERE state = 'failed' AND attempts = 1
                       AND reason = 'connect' AND revisit_at > now()";
    assert_eq!(count(&world, given_up).await, 12_000);
    drop(crawler);
    world.end().await;
}

#[tokio::test]
async fn huge_hosts_do_not_starve_small_ones() {
    const SMALL: u8 = 30;
    let huge = [site(61).await, site(62).await];
    for site in &huge {
        let links: String = (0..2_000).map(|n| format!("<a href=/{n}>x</a>")).collect();
        site.html("/", links);
        for number in 0..2_000 {
            site.html(&format!("/{number}"), "<p>one of many");
        }
    }
    let mut small = Vec::new();
    for number in 0..SMALL {
        let site = site(100 + number).await;
        site.html("/", "<img src=/a.png>");
        site.png("/a.png", pictures::png(number.into()));
        small.push(site);
    }
    let mut world = World::new("pace_fair").await;
    world.config.crawler.hosts = 2;
    world.config.crawler.host_delay_ms = 30;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let seeds: Vec<String> = huge.iter().map(|site| site.url("/")).collect();
    seed(&world, &seeds).await;
    wait_until(LIMIT, "both places to be taken", async || {
        huge.iter().all(|site| site.requests().len() > 10)
    })
    .await;
    let seeds: Vec<String> = small.iter().map(|site| site.url("/")).collect();
    seed(&world, &seeds).await;
    let stored = "SELECT count(*) FROM images";
    wait_until(LIMIT, "the small sites to be crawled", async || {
        count(&world, stored).await == i64::from(SMALL)
    })
    .await;
    let due = "SELECT count(*) FROM pages JOIN hosts USING (host_id)
               WHERE state = 'due' AND (origin LIKE 'http://127.0.0.61:%' OR origin LIKE 'http://127.0.0.62:%')";
    assert!(
        count(&world, due).await > 0,
        "the huge sites were done first"
    );
    drop(crawler);
    world.end().await;
}

/// Another process has the host that a picture's redirect leads to, and URLs enough for it to keep
/// it: it lets the redirect in all the same.
#[tokio::test]
async fn redirects_get_in_between_the_turns_of_a_huge_host() {
    let (huge, site) = (site(81).await, site(82).await);
    let links: String = (0..2_000).map(|n| format!("<a href=/{n}>x</a>")).collect();
    huge.html("/", links);
    for number in 0..2_000 {
        huge.html(&format!("/{number}"), "<p>one of many");
    }
    let mut shown = String::new();
    for number in 0..3 {
        shown.push_str(&format!("<img src=/{number}.png>"));
        let there = format!("/there-{number}.png");
        site.put(
            &format!("/{number}.png"),
            Reply::redirect(&huge.url(&there)),
        );
        huge.png(&there, pictures::png(number));
    }
    site.html("/", shown);
    let mut world = World::new("pace_guests").await;
    world.config.crawler.hosts = 1;
    world.config.crawler.host_delay_ms = 30;
    // One at a time: no request can be late for longer than its answer is.
    world.config.crawler.host_concurrency = 1;
    let crawlers = [
        Service::spawn(&world, "tusou-crawler").await,
        Service::spawn(&world, "tusou-crawler").await,
    ];
    seed(&world, &[huge.url("/")]).await;
    wait_until(LIMIT, "the huge host to have its turn", async || {
        huge.requests().len() > 10
    })
    .await;
    seed(&world, &[site.url("/")]).await;
    wait_until(LIMIT, "the redirected pictures to be stored", async || {
        count(&world, "SELECT count(*) FROM images").await == 3
    })
    .await;
    let due = "SELECT count(*) FROM pages JOIN hosts USING (host_id)
               WHERE state = 'due' AND origin LIKE 'http://127.0.0.81:%'";
    assert!(count(&world, due).await > 0, "the huge host was done first");
    assert_gaps(&huge.requests(), Duration::from_millis(30));
    drop(crawlers);
    world.end().await;
}

#[tokio::test]
async fn nobody_beyond_loopback_is_asked_without_a_contact() {
    let site = site(71).await;
    site.html("/", "<img src=/away.png><img src=/here.png>");
    site.put("/away.png", Reply::redirect("http://10.255.255.1/a.png"));
    site.png("/here.png", pictures::png(1));
    let mut world = World::new("pace_contact").await;
    world.config.crawler.contact.clear();
    let range = "10.255.255.0/24".parse().expect("a range");
    world.config.network.allow.push(range);
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    let beyond = "http://10.255.255.1/".to_owned();
    let output = tusou(&world, &["seed", &beyond, &site.url("/")]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("`crawler.contact`"), "{said}");
    wait_until(LIMIT, "the health to say so", async || {
        let unwell = crawler.unwell().await;
        unwell.iter().any(|part| part.starts_with("contact: "))
    })
    .await;
    wait_until(LIMIT, "the rest to be crawled", async || {
        count(&world, "SELECT count(*) FROM images").await == 1 && site.hits("/away.png") > 0
    })
    .await;
    let due = "SELECT (SELECT count(*) FROM pages WHERE state = 'due' AND attempts = 0)
                    + (SELECT count(*) FROM image_urls WHERE state = 'due' AND attempts = 0)";
    wait_until(LIMIT, "the two beyond to stay due", async || {
        count(&world, due).await == 2
    })
    .await;
    drop(crawler);
    world.end().await;
}
