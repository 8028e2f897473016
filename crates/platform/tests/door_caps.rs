//! The door's bounds against servers without any: heads and bodies without end, bombs, drips; and
//! TLS that fails.

use std::io::Write as _;
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tusou_platform::config::Network;
use tusou_platform::door::{Answer, Door, FetchError, Limits, Reach};
use tusou_testkit::{Reply, Site};
use url::Url;

const LIMITS: Limits = Limits {
    max_bytes: 100_000,
    read_timeout: Duration::from_secs(30),
    total_timeout: Duration::from_secs(60),
};

/// For answers that never end: short, since the test waits it out.
const IMPATIENT: Limits = Limits {
    total_timeout: Duration::from_millis(500),
    ..LIMITS
};

/// What sockets may hold of an answer that nobody reads on: far less than what would be sent.
const IN_SOCKETS: u64 = 64 << 20;

fn door() -> Door {
    let network = Network {
        allow: vec!["127.0.0.0/8".parse().expect("a range")],
    };
    let patience = Duration::from_secs(10);
    Door::new(&network, "tusoubot/0 (test)", patience, Reach::Anywhere).expect("a client")
}

async fn fetch(url: &str, limits: &Limits) -> Result<Answer, FetchError> {
    let url = Url::parse(url).expect("a URL");
    door().get(&url, HeaderMap::new(), limits).await
}

/// A server for one request: sends `start`, then `again` for ever with a pause before each, until
/// the other side closes. It ends with the bytes that it could send.
async fn endless(
    start: Vec<u8>,
    again: &'static [u8],
    pause: Duration,
) -> (String, JoinHandle<u64>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let sending = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("it asks");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let mut sent = start.len() as u64;
        if stream.write_all(&start).await.is_err() {
            return 0;
        }
        while stream.write_all(again).await.is_ok() {
            sent += again.len() as u64;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        sent
    });
    (format!("http://{address}/"), sending)
}

#[tokio::test]
async fn heads_without_end_are_given_up() {
    let line: &[u8] = &[b'x'; 4096];
    let cases: [(&[u8], &'static [u8]); 4] = [
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (
            b"HTTP/1.1 200 OK\r\nx: ",
            b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
        (
            b"HTTP/1.1 200 ",
            b"OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK OK ",
        ),
        (
            b"HTTP/1.1 200 OK\r\n",
            b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
    ];
    for (start, again) in cases {
        let (url, sending) = endless(start.to_vec(), again, Duration::ZERO).await;
        let error = fetch(&url, &LIMITS).await.expect_err("it never ends");
        let said = String::from_utf8_lossy(start);
        assert_eq!(error.reason(), "broken", "{said}: {error:?}");
        // The connection is closed: the server cannot send on.
        let sent = sending.await.expect("it ends");
        assert!(sent < IN_SOCKETS, "{said}: {sent}");
    }

    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let mut large = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
    large.extend(line.repeat(256));
    large.extend_from_slice(b"\r\n\r\n");
    for head in [many.into_bytes(), large] {
        let (url, sending) = endless(head, b"body", Duration::ZERO).await;
        let error = fetch(&url, &LIMITS)
            .await
            .expect_err("its head is too large");
        assert_eq!(error.reason(), "broken", "{error:?}");
        sending.await.expect("it ends");
    }
}

#[tokio::test]
async fn a_head_of_common_size_is_taken() {
    let site = Site::start().await;
    let mut reply = Reply::html("page");
    for number in 0..80 {
        reply = reply.header(&format!("x-{number}"), &"v".repeat(1_000));
    }
    site.put("/", reply);
    let answer = fetch(&site.url("/"), &LIMITS).await.expect("an answer");
    assert_eq!(&answer.body[..], b"page");
    assert!(answer.headers.len() >= 80);
}

#[tokio::test]
async fn what_trickles_ends_with_the_whole_time() {
    let pause = Duration::from_millis(20);
    let cases: [(&str, &'static [u8]); 4] = [
        ("HTTP/1.1 200 OK\r\n", b"x"),
        ("HTTP/1.1 200 OK\r\nx: ", b"y"),
        ("HTTP/1.1 200 OK\r\n\r\n", b"."),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1\r\n.\r\n",
        ),
    ];
    for (start, again) in cases {
        let (url, sending) = endless(start.as_bytes().to_vec(), again, pause).await;
        let error = fetch(&url, &IMPATIENT).await.expect_err("it never ends");
        assert!(
            matches!(error, FetchError::Timeout("whole fetch")),
            "{start:?}: {error:?}"
        );
        assert!(error.is_transient());
        sending.await.expect("the connection is closed");
    }
    // Answers before the answer, as fast as they can be sent.
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    let (url, sending) = endless(Vec::new(), early, Duration::ZERO).await;
    let error = fetch(&url, &IMPATIENT).await.expect_err("it never answers");
    assert!(
        matches!(error, FetchError::Timeout("whole fetch")),
        "{error:?}"
    );
    sending.await.expect("the connection is closed");
}

fn corpus(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("TUSOU_CORPORA")
        .expect("TUSOU_CORPORA names the folder of hostile files: see `make corpora`");
    let file = PathBuf::from(folder).join("http-bombs").join(name);
    std::fs::read(&file).unwrap_or_else(|cause| panic!("{}: {cause}", file.display()))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test]
async fn bombs_of_every_coding_stop_at_the_limit() {
    let site = Site::start().await;
    let door = door();
    for coding in ["gzip", "deflate", "br", "zstd"] {
        let bomb = corpus(&format!("sample_data_compressed_bomb-{coding}.bin"));
        assert!((bomb.len() as u64) < LIMITS.max_bytes);
        let reply = Reply::bytes("text/html", bomb).header("content-encoding", coding);
        site.put("/", reply);
        let url = Url::parse(&site.url("/")).expect("a URL");
        let error = door.get(&url, HeaderMap::new(), &LIMITS).await;
        let error = error.expect_err("it swells");
        assert!(
            matches!(error, FetchError::TooLarge { limit: 100_000 }),
            "{coding}: {error:?}"
        );
        let cut = door.get_prefix(&url, HeaderMap::new(), &LIMITS).await;
        assert_eq!(cut.expect("its start").body.len(), 100_000, "{coding}");
    }
}

#[tokio::test]
async fn layers_of_compression_are_refused_and_nonsense_is_passed_over() {
    let site = Site::start().await;
    let once = gzip(b"page");
    let twice = gzip(&once);
    let serve = |codings: &str, body: &[u8]| {
        let reply = Reply::bytes("text/html", body).header("content-encoding", codings);
        site.put("/", reply);
    };
    for codings in [
        "gzip, gzip",
        "br,gzip",
        "gzip, identity",
        "deflate , br",
        "x-gzip",
        "GZIP",
        "compress",
    ] {
        serve(codings, &twice);
        let error = fetch(&site.url("/"), &LIMITS).await.expect_err(codings);
        assert_eq!(error.reason(), "bad_encoding", "{codings}: {error:?}");
        assert!(
            !error.is_transient() && error.to_string().contains(codings),
            "{error}"
        );
    }
    for codings in ["identity", "utf-8", "none", ""] {
        serve(codings, b"page");
        let answer = fetch(&site.url("/"), &LIMITS).await.expect(codings);
        assert_eq!(&answer.body[..], b"page", "{codings}");
    }
    // Only one layer is ever undone, however deep it goes.
    serve("gzip", &twice);
    let answer = fetch(&site.url("/"), &LIMITS).await.expect("an answer");
    assert_eq!(answer.body, Bytes::from(once));
    // What is no success counts by its status.
    let missing = Reply::status(404).header("content-encoding", "gzip, gzip");
    site.put("/", missing);
    assert_eq!(
        fetch(&site.url("/"), &LIMITS)
            .await
            .expect("an answer")
            .status,
        404
    );
}

/// A server with a certificate that nobody vouches for. It keeps the first byte of whatever
/// connects: 22 is the start of TLS, anything else would be plain text.
fn self_signed() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from(&include_bytes!("tls/self-signed.crt")[..]);
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("tls/self-signed.key")[..]);
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .expect("the key is the certificate's");
    let config = Arc::new(config);
    let listener = StdListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let firsts = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&firsts);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let mut first = [0];
            if matches!(stream.peek(&mut first), Ok(1)) {
                kept.lock()
                    .expect("no holder of this lock panics")
                    .push(first[0]);
                answer_by_tls(stream, Arc::clone(&config));
            }
        }
    });
    (port, firsts)
}

fn answer_by_tls(mut stream: StdStream, config: Arc<ServerConfig>) {
    let mut connection = ServerConnection::new(config).expect("a good configuration");
    while connection.is_handshaking() {
        if connection.complete_io(&mut stream).is_err() {
            return;
        }
    }
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let _ = tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret");
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_the_end_and_never_plain_text() {
    let (port, firsts) = self_signed();
    let door = door();
    for attempt in 1..=3 {
        let url = Url::parse(&format!("https://127.0.0.1:{port}/")).expect("a URL");
        let error = door.get(&url, HeaderMap::new(), &LIMITS).await;
        let error = error.expect_err("nobody vouches for it");
        assert_eq!(error.reason(), "tls", "{error:?}");
        assert!(!error.is_transient());
        let firsts = firsts
            .lock()
            .expect("no holder of this lock panics")
            .clone();
        assert!(firsts.len() >= attempt, "{firsts:?}");
        assert!(firsts.iter().all(|first| *first == 22), "{firsts:?}");
    }
}

#[tokio::test]
async fn a_plain_server_asked_by_tls_is_not_asked_again_without() {
    let site = Site::start().await;
    site.html("/", "page");
    let url = site.url("/").replace("http:", "https:");
    let error = fetch(&url, &LIMITS).await.expect_err("it speaks no TLS");
    assert_eq!(error.reason(), "tls", "{error:?}");
    assert_eq!(site.requests().len(), 0);
}
