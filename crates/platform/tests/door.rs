//! The door against servers that behave badly, all of them on loopback.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_ENCODING, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tusou_platform::config::Network;
use tusou_platform::door::{Answer, Door, FetchError, Limits, Reach};
use url::Url;

const LIMITS: Limits = Limits {
    max_bytes: 100_000,
    read_timeout: Duration::from_secs(30),
    total_timeout: Duration::from_secs(60),
};

/// For answers that never come: short, since the test waits it out.
const IMPATIENT: Limits = Limits {
    read_timeout: Duration::from_millis(200),
    ..LIMITS
};

fn door(allow: &[&str]) -> Door {
    let allow = allow.iter().map(|range| range.parse().expect("a range"));
    let network = Network {
        allow: allow.collect(),
    };
    Door::new(
        &network,
        "tusoubot/0 (test)",
        Duration::from_secs(10),
        Reach::Anywhere,
    )
    .expect("a client")
}

async fn fetch(url: &str, limits: &Limits) -> Result<Answer, FetchError> {
    let url = Url::parse(url).expect("a URL");
    door(&["127.0.0.0/8"])
        .get(&url, HeaderMap::new(), limits)
        .await
}

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

/// A server that reads a request, sends these bytes, and then waits or closes.
async fn raw(answer: &'static [u8], then_close: bool) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut open: Vec<TcpStream> = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
            if !then_close {
                open.push(stream);
            }
        }
    });
    format!("http://{address}/")
}

fn endless(sent: Arc<AtomicU64>) -> Body {
    let chunk = Bytes::from_static(&[b'x'; 16 * 1024]);
    let chunks = futures::stream::repeat(chunk).map(move |chunk| {
        sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        Ok::<_, std::io::Error>(chunk)
    });
    Body::from_stream(chunks)
}

#[tokio::test]
async fn an_answer_comes_whole_with_its_agent_and_headers() {
    let echo = |headers: HeaderMap| async move {
        let said = |name: &str| headers.get(name).cloned().expect("it was sent");
        [said("user-agent"), said("x-more")]
            .map(|value| value.to_str().unwrap_or("").to_owned())
            .join("|")
    };
    let site = serve(Router::new().route("/", get(echo))).await;
    let mut headers = HeaderMap::new();
    headers.insert("x-more", "yes".parse().expect("a value"));
    let url = Url::parse(&site).expect("a URL");
    let answer = door(&["127.0.0.0/8"]).get(&url, headers, &LIMITS).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "tusoubot/0 (test)|yes".as_bytes());
    assert_eq!(answer.content_type(), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let routes = Router::new()
        .route(
            "/",
            get(|| async { (StatusCode::FOUND, [(LOCATION, "/next")]) }),
        )
        .route(
            "/next",
            get(move || async move {
                count.fetch_add(1, Ordering::Relaxed);
            }),
        );
    let site = serve(routes).await;
    let answer = fetch(&site, &LIMITS).await.expect("an answer");
    let base = Url::parse(&site).expect("a URL");
    assert_eq!(answer.status, 302);
    assert_eq!(answer.redirect(&base), base.join("/next").ok());
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_endless_body_stops_at_the_limit() {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let routes = Router::new().route("/", get(move || async move { endless(counted) }));
    let site = serve(routes).await;
    let error = fetch(&site, &LIMITS).await.expect_err("it never ends");
    assert!(
        matches!(error, FetchError::TooLarge { limit: 100_000 }),
        "{error}"
    );
    assert!(!error.is_transient());

    let url = Url::parse(&site).expect("a URL");
    let door = door(&["127.0.0.0/8"]);
    let cut = door.get_prefix(&url, HeaderMap::new(), &LIMITS).await;
    assert_eq!(cut.expect("an answer").body.len(), 100_000);
    // Sockets hold some megabytes at most; what is endless was not read on.
    assert!(sent.load(Ordering::Relaxed) < 64 << 20);
}

#[tokio::test]
async fn a_body_of_the_limit_is_taken_and_one_byte_more_is_not() {
    let routes = Router::new()
        .route("/fits", get(|| async { vec![b'x'; 100_000] }))
        .route("/not", get(|| async { vec![b'x'; 100_001] }));
    let site = serve(routes).await;
    let answer = fetch(&format!("{site}/fits"), &LIMITS).await;
    assert_eq!(answer.expect("it fits").body.len(), 100_000);
    let error = fetch(&format!("{site}/not"), &LIMITS).await;
    assert_eq!(error.expect_err("too long").reason(), "too_large");
}

#[tokio::test]
async fn a_decompression_bomb_stops_at_the_limit() {
    // 1 GiB of zeros in about 1 MiB.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&zeros).expect("memory");
    }
    let bomb = Bytes::from(encoder.finish().expect("memory"));
    let routes = Router::new().route(
        "/",
        get(move || async move { ([(CONTENT_ENCODING, "gzip")], bomb) }),
    );
    let site = serve(routes).await;
    let error = fetch(&site, &LIMITS).await.expect_err("a bomb");
    assert_eq!(error.reason(), "too_large");
}

#[tokio::test]
async fn the_status_of_a_failure_counts_whatever_its_body() {
    let sent = Arc::new(AtomicU64::new(0));
    let missing = || async move { (StatusCode::NOT_FOUND, endless(sent)) };
    let site = serve(Router::new().route("/", get(missing))).await;
    let answer = fetch(&site, &LIMITS).await.expect("an answer");
    assert_eq!((answer.status, answer.body.len()), (404, 64 * 1024));

    let short = raw(b"HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\nbusy", true).await;
    let answer = fetch(&short, &LIMITS).await.expect("an answer");
    assert_eq!((answer.status, &answer.body[..]), (503, &b"busy"[..]));
}

#[tokio::test]
async fn silence_times_out_before_and_within_the_body() {
    let mute = raw(b"", false).await;
    let url = Url::parse(&mute).expect("a URL");
    let network = Network {
        allow: vec!["127.0.0.0/8".parse().expect("a range")],
    };
    let hasty = Door::new(
        &network,
        "tusoubot",
        Duration::from_millis(200),
        Reach::Anywhere,
    )
    .expect("a client");
    let error = hasty.get(&url, HeaderMap::new(), &IMPATIENT).await;
    let error = error.expect_err("nothing comes");
    assert!(matches!(error, FetchError::Timeout("silence")), "{error:?}");
    assert!(error.is_transient());

    let stuck = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", false).await;
    let error = fetch(&stuck, &IMPATIENT).await.expect_err("it hangs");
    assert!(matches!(error, FetchError::Timeout("silence")), "{error:?}");
}

#[tokio::test]
async fn a_trickle_ends_with_the_whole_time() {
    let trickle = || async {
        Body::from_stream(futures::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b".")), ()))
        }))
    };
    let site = serve(Router::new().route("/", get(trickle))).await;
    let limits = Limits {
        total_timeout: Duration::from_millis(300),
        ..LIMITS
    };
    let error = fetch(&site, &limits).await.expect_err("it trickles");
    assert!(
        matches!(error, FetchError::Timeout("whole fetch")),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_breaks_is_told_from_what_is_not_there() {
    let broken: [&'static [u8]; 5] = [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    ];
    for answer in broken {
        let site = raw(answer, true).await;
        let error = fetch(&site, &LIMITS).await;
        let said = String::from_utf8_lossy(answer);
        assert_eq!(error.expect_err(&said).reason(), "broken", "{said:?}");
    }

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let closed = listener.local_addr().expect("it is bound");
    drop(listener);
    let error = fetch(&format!("http://{closed}/"), &LIMITS).await;
    assert_eq!(error.expect_err("nobody listens").reason(), "connect");
}

#[tokio::test]
async fn a_server_without_tls_is_a_failure_of_tls() {
    let plain = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", true).await;
    let error = fetch(&plain.replace("http:", "https:"), &LIMITS).await;
    let error = error.expect_err("no TLS there");
    assert_eq!(error.reason(), "tls", "{error:?}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn inner_addresses_are_refused_unless_allowed() {
    let site = serve(Router::new().route("/", get(|| async { "secret" }))).await;
    let address: SocketAddr = site["http://".len()..].parse().expect("an address");
    let port = address.port();
    let shut = door(&[]);
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "localhost",
        "localhost.",
        "[::ffff:127.0.0.1]",
    ] {
        let url = Url::parse(&format!("http://{host}:{port}/")).expect("a URL");
        let error = shut.get(&url, HeaderMap::new(), &LIMITS).await;
        let error = error.expect_err("loopback is not public");
        assert_eq!(error.reason(), "address_refused", "{host}: {error:?}");
        assert!(
            error.to_string().contains("127.0.0.1") || error.to_string().contains("::"),
            "{error}"
        );
    }
    let url = format!("http://localhost:{port}/");
    let answer = fetch(&url, &LIMITS)
        .await
        .expect("loopback is allowed here");
    assert_eq!(answer.body, "secret".as_bytes());
}

#[tokio::test]
async fn a_name_without_address_is_a_failure_of_dns() {
    // RFC 6761 keeps `invalid` from ever being a name.
    let error = fetch("http://no.such.name.invalid/", &LIMITS).await;
    let error = error.expect_err("there is no such name");
    assert_eq!(error.reason(), "dns", "{error:?}");
    assert!(
        error.to_string().contains("no.such.name.invalid"),
        "{error}"
    );
}

#[tokio::test]
async fn without_a_contact_nobody_beyond_loopback_is_asked() {
    let site = serve(Router::new().route("/", get(|| async { "here" }))).await;
    let allow = ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"].map(|range| range.parse());
    let network = Network {
        allow: allow.map(|range| range.expect("a range")).to_vec(),
    };
    let patience = Duration::from_secs(10);
    let door = Door::new(&network, "tusoubot/0", patience, Reach::LoopbackOnly);
    let door = door.expect("a client");
    let port = site.rsplit(':').next().expect("a port");
    for url in [site.clone(), format!("http://localhost:{port}/")] {
        let url = Url::parse(&url).expect("a URL");
        let answer = door.get(&url, HeaderMap::new(), &LIMITS).await;
        assert_eq!(answer.expect("loopback is asked").body, "here".as_bytes());
    }
    for url in [
        "http://10.1.2.3/",
        "http://8.8.8.8/",
        "https://[2606:4700::1]/",
        "http://[fd00::1]:8080/",
        "http://134744072/",
    ] {
        let url = Url::parse(url).expect("a URL");
        let error = door.get(&url, HeaderMap::new(), &LIMITS).await;
        let error = error.expect_err("it is beyond loopback");
        assert_eq!(error.reason(), "contact_unset", "{url}: {error:?}");
        assert!(error.to_string().contains("crawler.contact"), "{error}");
        // It passes once the key is set, and says nothing of the host.
        assert!(error.is_transient() && !error.is_unreached());
    }
    // What the policy refuses is refused with or without a contact.
    let url = Url::parse("http://192.168.1.1/").expect("a URL");
    let error = door.get(&url, HeaderMap::new(), &LIMITS).await;
    assert_eq!(error.expect_err("private").reason(), "address_refused");
}
