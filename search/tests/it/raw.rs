//! What no client library would send, byte by byte, and what is left of an upload.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tusou_testkit::{Service, World, pictures};

use crate::support::{LONG, Search, index, upload, vectors};

/// What is answered to these bytes, until the connection is closed; a reset fails the test.
async fn answered(search: &Search, bytes: &[u8]) -> (u16, Value) {
    let url = search.url("/");
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let mut text = Vec::new();
    tokio::time::timeout(LONG, async {
        stream.write_all(bytes).await.expect("it reads");
        stream.read_to_end(&mut text).await.expect("no reset");
    })
    .await
    .expect("it answers and closes");
    let text = String::from_utf8(text).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head[9..12].parse().expect("a status");
    assert!(
        head.contains("application/problem+json"),
        "{status}: {head}"
    );
    (status, serde_json::from_str(body).expect("a problem"))
}

fn request(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn even_what_is_no_request_is_told_why() {
    let world = World::new("search_raw").await;
    let search = Search::start(&world).await;
    let get = |path: &str| request(&format!("GET {path}"), "");
    // Ten thousand Chinese words, each of them nine bytes of an address.
    let words = format!("/v1/search?q={}", "%E9%B8%9F+".repeat(10_000));
    let id = "0".repeat(64);
    let many = (0..60).fold(String::new(), |mut headers, number| {
        let _ = write!(headers, "x-{number}: {}\r\n", "y".repeat(500));
        headers
    });
    let endless = format!("cookie: {}\r\n", "z".repeat(600 << 10));
    for (case, bytes, status, code, field) in [
        (
            "noise",
            b"\x16\x03\x01\0hello\r\n\r\n".to_vec(),
            400,
            "malformed_request",
            None,
        ),
        ("a long address", get(&words), 414, "address_too_long", None),
        (
            "large headers",
            request("GET /v1/search?q=a", &many),
            431,
            "headers_too_large",
            None,
        ),
        (
            "larger headers",
            request("GET /v1/search?q=a", &endless),
            431,
            "headers_too_large",
            None,
        ),
        (
            "a path that is no text",
            get("/v1/images/%FF"),
            400,
            "invalid_id",
            Some("id"),
        ),
        (
            "a word that is no text",
            get("/v1/search?q=bird%FF"),
            400,
            "not_text",
            Some("q"),
        ),
        ("nowhere", get("/v1/../etc/passwd"), 404, "not_found", None),
        (
            "a method",
            request(&format!("DELETE /v1/images/{id}"), ""),
            405,
            "method_not_allowed",
            None,
        ),
        (
            "no form",
            request(
                "POST /v1/search",
                "content-type: image/png\r\ncontent-length: 0\r\n",
            ),
            400,
            "unreadable_form",
            None,
        ),
        (
            "a form without a boundary",
            request(
                "POST /v1/search",
                "content-type: multipart/form-data\r\ncontent-length: 0\r\n",
            ),
            400,
            "unreadable_form",
            None,
        ),
    ] {
        let (told, problem) = answered(&search, &bytes).await;
        assert_eq!(
            (told, problem["status"].as_u64()),
            (status, Some(u64::from(status))),
            "{case}"
        );
        assert_eq!(
            problem["type"],
            format!("urn:tusou:problem:{code}"),
            "{case}"
        );
        assert_eq!(
            problem.get("field").and_then(Value::as_str),
            field,
            "{case}"
        );
    }
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn who_asks_before_sending_sends_nothing_in_vain() {
    let mut world = World::new("search_expect").await;
    world.config.search.api_keys = vec!["reader:sesame-of-the-reader".into()];
    let search = Search::start(&world).await;
    let headers = "expect: 100-continue\r\ncontent-length: 16000000\r\n\
                   content-type: multipart/form-data; boundary=x\r\n";
    let (status, problem) = answered(&search, &request("POST /v1/search", headers)).await;
    assert_eq!(
        (status, &problem["type"]),
        (401, &"urn:tusou:problem:key_needed".into())
    );
    search.stop().await;
    world.end().await;
}

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    found
}

#[tokio::test]
async fn nothing_is_left_of_what_was_asked() {
    let mut world = World::new("search_traces").await;
    world.config.log.level = "info,tusou_search=trace".into();
    index(&world, "1", &vectors(&world.config).field).await;
    let key = "sesame-of-the-reader";
    world.config.search.api_keys = vec![format!("reader:{key}")];
    let service = Service::spawn(&world, "tusou-search").await;
    let names = || -> Vec<String> {
        let mut names: Vec<_> = files(world.folder())
            .into_iter()
            .map(|file| file.0)
            .collect();
        names.sort();
        names
    };
    let before = names();

    let picture = pictures::png(1);
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let form = upload(picture.clone()).text("q", "sesame-words");
    let ask = client.post(service.url("/v1/search")).multipart(form);
    let answer = ask.bearer_auth(key).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    let form = upload(b"sesame-bytes".to_vec());
    let ask = client.post(service.url("/v1/search")).multipart(form);
    let answer = ask
        .header("x-api-key", key)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 415);

    assert_eq!(names(), before);
    let middle = &picture[picture.len() / 2..picture.len() / 2 + 24];
    let mut lines = 0;
    for (name, bytes) in files(world.folder()) {
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!holds(middle), "{name}");
        if name.ends_with(".log") {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains("sesame"), "{text}");
            // Whose key it was is there.
            let named = |line: &&str| line.contains("answered") && line.contains("reader");
            lines += text.lines().filter(named).count();
        }
    }
    assert!(lines >= 2, "{lines}");
    drop(service);
    world.end().await;
}
