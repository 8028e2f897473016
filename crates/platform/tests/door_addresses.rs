//! Where the door does not lead: inner addresses in every spelling, odd ports and schemes,
//! credentials, the environment's proxies.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::time::Duration;

use axum::http::HeaderMap;
use tusou_platform::config::Network;
use tusou_platform::door::{Door, FetchError, Limits, Reach};
use tusou_testkit::{INNER_HOSTS, Reply, Site};
use url::Url;

const LIMITS: Limits = Limits {
    max_bytes: 100_000,
    read_timeout: Duration::from_secs(30),
    total_timeout: Duration::from_secs(60),
};

/// Leads to 127.0.0.1 and to public addresses.
fn door() -> Door {
    let network = Network {
        allow: vec!["127.0.0.1/32".parse().expect("a range")],
    };
    let patience = Duration::from_secs(10);
    Door::new(&network, "tusoubot/0 (test)", patience, Reach::Anywhere).expect("a client")
}

/// Asks in both ways that there are: pages and pictures whole, robots.txt and its like cut.
async fn refused(door: &Door, url: &str) -> FetchError {
    let url = Url::parse(url).unwrap_or_else(|cause| panic!("{url}: {cause}"));
    let whole = door.get(&url, HeaderMap::new(), &LIMITS).await;
    let cut = door.get_prefix(&url, HeaderMap::new(), &LIMITS).await;
    let (whole, cut) = (whole.expect_err(url.as_str()), cut.expect_err(url.as_str()));
    assert_eq!(whole.reason(), cut.reason(), "{url}");
    assert!(!whole.is_transient(), "{url}");
    whole
}

/// A site on 127.0.0.2, where this door does not lead, and what it serves.
async fn inside() -> Site {
    let site = Site::start_on(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2))).await;
    for path in ["/", "/picture.png", "/robots.txt", "/sitemap.xml"] {
        site.put(path, Reply::bytes("text/plain", "secret"));
    }
    site
}

#[tokio::test]
async fn inner_addresses_are_refused_in_every_spelling_for_everything() {
    let inside = inside().await;
    let port = inside.address().port();
    let door = door();
    let mut cases = 0;
    for host in INNER_HOSTS {
        for path in ["/", "/picture.png", "/robots.txt", "/sitemap.xml"] {
            let error = refused(&door, &format!("http://{host}:{port}{path}")).await;
            assert_eq!(error.reason(), "address_refused", "{host}: {error:?}");
            cases += 1;
        }
        let error = refused(&door, &format!("https://{host}/")).await;
        assert_eq!(error.reason(), "address_refused", "{host}: {error:?}");
    }
    assert!(cases >= 4 * 60);
    assert_eq!(inside.requests().len(), 0);
    // It is there, and whoever may ask it is answered.
    let plain = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let said = plain.get(inside.url("/")).send().await.expect("an answer");
    assert_eq!(said.text().await.expect("text"), "secret");
}

#[tokio::test]
async fn a_redirect_is_judged_as_any_other_address() {
    let (site, inside) = (Site::start().await, inside().await);
    let door = door();
    for (number, host) in INNER_HOSTS.into_iter().enumerate() {
        let path = format!("/{number}");
        // A header is bytes: what is no ASCII is sent as UTF-8 or escaped; servers escape.
        let host: String = percent(host);
        let target = format!("http://{host}:{}/picture.png", inside.address().port());
        site.put(&path, Reply::redirect(&target));
        let base = Url::parse(&site.url(&path)).expect("a URL");
        let answer = door
            .get(&base, HeaderMap::new(), &LIMITS)
            .await
            .expect("an answer");
        let target = answer.redirect(&base).expect("a target");
        let error = refused(&door, target.as_str()).await;
        assert_eq!(error.reason(), "address_refused", "{host}");
    }
    assert_eq!(inside.requests().len(), 0);
}

/// With everything escaped that is not ASCII.
fn percent(host: &str) -> String {
    let escaped = |byte: u8| match byte.is_ascii() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    host.bytes().map(escaped).collect()
}

#[test]
fn an_address_with_a_zone_or_nonsense_is_no_url() {
    for url in [
        "http://[fe80::1%25lo]/",
        "http://[fe80::1%lo]/",
        "http://[::1%25lo]/",
        "http://[::ffff:127.0.0.2%251]/",
        "http://127.0.0.2%00.example.org/",
        "http://127.0.0.256/",
        "http://1.2.3.4.5/",
        "http://127.0.0.2:99999/",
    ] {
        Url::parse(url).expect_err(url);
    }
}

#[tokio::test]
async fn odd_ports_are_refused_and_common_ones_are_not() {
    let door = door();
    for port in [
        0, 1, 7, 9, 21, 22, 23, 25, 53, 110, 143, 465, 587, 993, 2049, 6000, 6667, 10080,
    ] {
        for host in ["127.0.0.1", "8.8.8.8", "mail.example.org"] {
            let error = refused(&door, &format!("http://{host}:{port}/")).await;
            assert!(
                matches!(error, FetchError::BadPort(bad) if bad == port),
                "{host}:{port}"
            );
            assert_eq!(error.reason(), "bad_port");
        }
    }
    // An inner address is told first: what listens there is nobody's business.
    let error = refused(&door, "http://10.0.0.1:25/").await;
    assert_eq!(error.reason(), "address_refused");
    let site = Site::start().await;
    site.html("/", "page");
    let url = Url::parse(&site.url("/")).expect("a URL");
    door.get(&url, HeaderMap::new(), &LIMITS)
        .await
        .expect("a free port is none of those");
}

#[tokio::test]
async fn other_schemes_are_refused() {
    for url in [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "file://127.0.0.1/etc/passwd",
        "gopher://127.0.0.1:70/",
        "data:text/plain,x",
        "javascript:alert(1)",
        "ws://127.0.0.1/",
        "unix:/run/docker.sock",
        "http+unix://%2Frun%2Fdocker.sock/",
        "view-source:http://127.0.0.1/",
        "blob:http://127.0.0.1/1",
    ] {
        assert_eq!(refused(&door(), url).await.reason(), "bad_url", "{url}");
    }
}

#[tokio::test]
async fn credentials_are_not_sent_by_whoever_names_them() {
    let site = Site::start().await;
    site.html("/", "page");
    let door = door();
    for user in ["user:sesame", "user", ":sesame", "127.0.0.2:80"] {
        let url = site.url("/").replace("http://", &format!("http://{user}@"));
        let error = refused(&door, &url).await;
        assert_eq!(error.reason(), "credentials", "{user}");
        assert!(
            !format!("{error} {error:?}").contains("sesame"),
            "{error:?}"
        );
        // A redirect to the same ends alike.
        site.put("/away", Reply::redirect(&url));
        let base = Url::parse(&site.url("/away")).expect("a URL");
        let answer = door
            .get(&base, HeaderMap::new(), &LIMITS)
            .await
            .expect("an answer");
        let target = answer.redirect(&base).expect("a target");
        assert_eq!(
            refused(&door, target.as_str()).await.reason(),
            "credentials"
        );
    }
    assert_eq!(site.hits("/"), 0);
    assert!(
        site.requests()
            .iter()
            .all(|request| !request.headers.contains_key("authorization"))
    );
}

const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Says to this test that it is the process within that environment, and whom to ask.
const ASKED: &str = "TUSOU_TEST_ASKED";

/// Starts itself once more, since a variable holds for a whole process.
#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    if let Ok(url) = std::env::var(ASKED) {
        return ask_within_an_environment(&url).await;
    }
    let (site, proxy) = (Site::start().await, Site::start().await);
    site.html("/", "page");
    let this = std::env::current_exe().expect("a running program has a path");
    let mut child = tokio::process::Command::new(this);
    child
        .args(["--exact", "proxies_of_the_environment_are_ignored"])
        .env(ASKED, site.url("/"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env_remove("REQUEST_METHOD")
        .stdin(Stdio::null());
    for name in PROXIES {
        child.env(name, proxy.url("/"));
    }
    let output = child.output().await.expect("the same program starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(site.hits("/"), 1);
    // The child's other client, a plain one, believed the environment.
    assert_eq!(proxy.requests().len(), 1);
}

async fn ask_within_an_environment(url: &str) {
    let url = Url::parse(url).expect("a URL");
    let answer = door().get(&url, HeaderMap::new(), &LIMITS).await;
    assert_eq!(&answer.expect("it is asked directly").body[..], b"page");
    let plain = reqwest::Client::builder().build().expect("a client");
    let answer = plain.get(url).send().await.expect("the proxy answers");
    assert_eq!(answer.status().as_u16(), 404);
}
