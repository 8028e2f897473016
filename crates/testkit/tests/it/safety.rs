//! A crawler that pages, redirects and robots.txt try to lead inside; and one whose environment does.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tusou_testkit::{INNER_HOSTS, Reply, Service, Site, World, pictures, tusou, wait_until};

/// Bounds a test that failed.
const LIMIT: Duration = Duration::from_secs(240);

/// The one address that these crawlers may ask; 127.0.0.2 is inside.
fn allow_one(world: &mut World) {
    world.config.network.allow = vec!["127.0.0.1/32".parse().expect("a range")];
}

async fn inside() -> Site {
    Site::start_on(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))).await
}

async fn seed(world: &World, urls: &[String]) {
    let mut arguments = vec!["seed"];
    arguments.extend(urls.iter().map(String::as_str));
    let output = tusou(world, &arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Waits until nothing is left to fetch.
async fn fetched(world: &World) {
    wait_until(LIMIT, "everything to be fetched or given up", async || {
        let due: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM pages WHERE state = 'due')
                  + (SELECT count(*) FROM image_urls WHERE state = 'due')",
        )
        .fetch_one(world.pool())
        .await
        .expect("the world's database answers");
        due == 0
    })
    .await;
}

/// How each picture below a path ended: its URL, and its state with the reason.
async fn pictures_below(world: &World, path: &str) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT url, concat_ws(' ', state, reason) FROM image_urls WHERE strpos(url, $1) > 0 ORDER BY url",
    )
    .bind(path)
    .fetch_all(world.pool())
    .await
    .expect("the world's database answers")
}

async fn pages_below(world: &World, path: &str) -> Vec<(String, String)> {
    sqlx::query_as(
        "SELECT url, concat_ws(' ', state, reason) FROM pages WHERE strpos(url, $1) > 0 ORDER BY url",
    )
    .bind(path)
    .fetch_all(world.pool())
    .await
    .expect("the world's database answers")
}

/// With everything escaped that is not ASCII, as a `Location` has it.
fn escaped(host: &str) -> String {
    host.bytes()
        .map(|byte| match byte.is_ascii() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

#[tokio::test]
async fn no_address_in_a_page_leads_inside() {
    let (site, odd, inside) = (Site::start().await, Site::start().await, inside().await);
    let port = inside.address().port();
    let mut world = World::new("safety").await;
    allow_one(&mut world);

    let mut page = String::from("<img src=/good.png><img src=/away/secret.png>");
    let mut seeds = vec![site.url("/"), odd.url("/")];
    for (number, host) in INNER_HOSTS.into_iter().enumerate() {
        let target = format!("http://{}:{port}/hidden/{number}.png", escaped(host));
        page += &format!(
            "<img src=\"http://{host}:{port}/shown/{number}.png\">\
             <a href=\"http://{host}:{port}/linked/{number}\">x</a>\
             <img src=/moved/{number}.png><a href=/away/{number}>x</a>"
        );
        site.put(&format!("/moved/{number}.png"), Reply::redirect(&target));
        site.put(&format!("/away/{number}"), Reply::redirect(&target));
        seeds.push(format!("http://{host}:{port}/seeded/{number}"));
    }
    site.html("/", page);
    site.png("/good.png", pictures::png(1));
    site.robots(&format!(
        "User-agent: *\nAllow: /\nSitemap: {}\nSitemap: http://2130706434:{port}/sitemap.xml\n",
        inside.url("/sitemap.xml")
    ));
    site.put(
        "/.well-known/tdmrep.json",
        Reply::redirect(&inside.url("/tdmrep.json")),
    );
    // Another host, whose robots.txt leads inside by itself.
    odd.put("/robots.txt", Reply::redirect(&inside.url("/robots.txt")));
    odd.html("/", "page");

    seed(&world, &seeds).await;
    let crawler = Service::spawn(&world, "tusou-crawler").await;
    fetched(&world).await;

    let refused = "skipped address_refused";
    for (path, found) in [
        ("/shown/", pictures_below(&world, "/shown/").await),
        ("/moved/", pictures_below(&world, "/moved/").await),
        ("/seeded/", pages_below(&world, "/seeded/").await),
    ] {
        assert_eq!(found.len(), INNER_HOSTS.len(), "{path}");
        for (url, ended) in found {
            assert_eq!(ended, refused, "{url}");
        }
    }
    assert_eq!(pages_below(&world, "/linked/").await, []);
    assert_eq!(pictures_below(&world, "/good.png").await[0].1, "done");
    for number in 0..INNER_HOSTS.len() {
        assert!(site.hits(&format!("/moved/{number}.png")) > 0, "{number}");
        assert!(site.hits(&format!("/away/{number}")) > 0, "{number}");
    }
    assert!(odd.hits("/robots.txt") > 0);
    let asked: Vec<String> = inside
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(asked, [""; 0]);
    drop(crawler);
    world.end().await;
}

#[tokio::test]
async fn ports_schemes_credentials_and_tls_end_where_they_must() {
    let (site, proxy) = (Site::start().await, Site::start().await);
    let mut world = World::new("odd_urls").await;
    allow_one(&mut world);
    let port = site.address().port();
    site.html(
        "/",
        format!(
            "<img src=/good.png><img src=http://127.0.0.1:25/mail.png><img src=http://127.0.0.1:6667/chat.png>\
             <img src=http://user:sesame@127.0.0.1:{port}/user.png><img src=ftp://127.0.0.1/file.png>\
             <img src=file:///etc/passwd.png><img src=/to-port.png><img src=/to-user.png><img src=/to-file.png>\
             <img src=https://127.0.0.1:{port}/tls.png><img src=/to-tls.png>"
        ),
    );
    site.png("/good.png", pictures::png(1));
    for name in ["/user.png", "/tls.png"] {
        site.png(name, pictures::png(2));
    }
    let to = |name: &str, target: &str| site.put(name, Reply::redirect(target));
    to("/to-port.png", "http://127.0.0.1:25/");
    to(
        "/to-user.png",
        &format!("http://user:sesame@127.0.0.1:{port}/user.png"),
    );
    to("/to-file.png", "file:///etc/passwd");
    to("/to-tls.png", &format!("https://127.0.0.1:{port}/tls.png"));

    seed(&world, &[site.url("/")]).await;
    // Whatever the environment says, nothing goes by a proxy.
    let proxied = proxy.url("/");
    let environment = [
        ("HTTP_PROXY", proxied.as_str()),
        ("http_proxy", &proxied),
        ("HTTPS_PROXY", &proxied),
        ("https_proxy", &proxied),
        ("ALL_PROXY", &proxied),
        ("all_proxy", &proxied),
        ("NO_PROXY", ""),
        ("no_proxy", ""),
    ];
    let crawler = Service::spawn_in(&world, "tusou-crawler", &environment).await;
    fetched(&world).await;

    for (name, wanted) in [
        ("/good.png", "done"),
        ("/mail.png", "skipped bad_port"),
        ("/chat.png", "skipped bad_port"),
        ("/to-port.png", "skipped bad_port"),
        ("/to-user.png", "failed bad_redirect"),
        ("/to-file.png", "failed bad_redirect"),
        ("/tls.png", "failed tls"),
        ("/to-tls.png", "failed tls"),
    ] {
        let found = pictures_below(&world, name).await;
        let ended: Vec<&str> = found.iter().map(|(_, ended)| ended.as_str()).collect();
        assert_eq!(ended, [wanted], "{name}");
    }
    for name in ["/user.png", "/tls.png"] {
        assert_eq!(site.hits(name), 0, "{name}");
    }
    for name in ["user.png", "file.png", "passwd.png"] {
        assert_eq!(
            pictures_below(&world, &format!("/{name}")).await,
            [],
            "{name}"
        );
    }
    let requests = site.requests();
    assert!(
        requests
            .iter()
            .all(|request| !request.headers.contains_key("authorization"))
    );
    assert_eq!(proxy.requests().len(), 0);
    assert!(!crawler.log().contains("sesame"));
    drop(crawler);
    world.end().await;
}
