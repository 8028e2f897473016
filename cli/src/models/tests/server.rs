//! A model hub with its CDN, and a package index, on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::get;
use futures::{FutureExt as _, StreamExt as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::Files;

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Files of this size and more lie on the CDN.
const LARGE: usize = 1_000;

/// A server, and what a test may do to it.
#[derive(Clone, Default)]
pub(super) struct Server(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By repository or project, then by path.
    files: Mutex<std::collections::BTreeMap<String, Files>>,
    /// Where files lie that are large.
    cdn: Mutex<String>,
    /// The token that is wanted, if any is.
    token: Mutex<Option<String>>,
    /// How often a body is still cut in its middle.
    cuts: AtomicUsize,
    /// Whether every body is cut that begins there or behind it.
    behind: Mutex<Option<usize>>,
    /// Whether the CDN gives other bytes than it should.
    lies: AtomicUsize,
    /// Ranges that were asked of the CDN.
    ranges: Mutex<Vec<String>>,
}

impl Server {
    /// Begins to serve; the hub's address.
    pub(super) async fn start(&self) -> String {
        let hub = Router::new()
            .route("/api/models/{owner}/{name}/revision/{revision}", get(info))
            .route("/{owner}/{name}/resolve/{revision}/{*path}", get(resolve))
            .route("/simple/{project}/", get(page))
            .with_state(self.clone());
        let cdn = Router::new()
            .route("/blob/{owner}/{name}/{*path}", get(blob))
            .with_state(self.clone());
        *self.0.cdn.lock().expect("no test panics in it") = listen(cdn).await;
        listen(hub).await
    }

    pub(super) fn put(&self, repository: &str, files: Files) {
        let mut all = self.0.files.lock().expect("no test panics in it");
        all.insert(repository.to_owned(), files);
    }

    pub(super) fn want_token(&self, token: &str) {
        *self.0.token.lock().expect("no test panics in it") = Some(token.to_owned());
    }

    pub(super) fn cut(&self, times: usize) {
        self.0.cuts.store(times, Ordering::SeqCst);
    }

    pub(super) fn cut_behind(&self, offset: Option<usize>) {
        *self.0.behind.lock().expect("no test panics in it") = offset;
    }

    pub(super) fn lie(&self, lies: bool) {
        self.0.lies.store(lies.into(), Ordering::SeqCst);
    }

    /// What was asked of the CDN since the last time, but for the question how long a file is.
    pub(super) fn ranges(&self) -> Vec<String> {
        let mut ranges = self.0.ranges.lock().expect("no test panics in it");
        let mut ranges = std::mem::take(&mut *ranges);
        ranges.retain(|range| range != "bytes=0-0");
        ranges
    }

    fn file(&self, repository: &str, path: &str) -> Option<Vec<u8>> {
        let files = self.0.files.lock().expect("no test panics in it");
        files.get(repository)?.get(path).cloned()
    }

    fn cuts_now(&self) -> bool {
        let once = |cuts: usize| cuts.checked_sub(1);
        let cuts = &self.0.cuts;
        cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, once)
            .is_ok()
    }

    fn refuses(&self, headers: &HeaderMap) -> bool {
        let token = self.0.token.lock().expect("no test panics in it");
        let given = headers
            .get(header::AUTHORIZATION)
            .map(|value| value.as_bytes().to_vec());
        token
            .as_ref()
            .is_some_and(|token| given != Some(format!("Bearer {token}").into_bytes()))
    }
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// What the hub says of a repository.
async fn info(
    State(server): State<Server>,
    Path((owner, name, _)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    if server.refuses(&headers) {
        return plain(StatusCode::UNAUTHORIZED);
    }
    let files = server.0.files.lock().expect("no test panics in it");
    let Some(files) = files.get(&format!("{owner}/{name}")) else {
        return plain(StatusCode::NOT_FOUND);
    };
    let siblings: Vec<_> = files
        .keys()
        .map(|file| serde_json::json!({"rfilename": file}))
        .collect();
    let info = serde_json::json!({"sha": COMMIT, "siblings": siblings, "private": false});
    Response::new(Body::from(info.to_string()))
}

/// Small files come from the hub itself, with git's checksum; large ones from the CDN, with their SHA-256.
async fn resolve(
    State(server): State<Server>,
    Path((owner, name, revision, path)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    if server.refuses(&headers) {
        return plain(StatusCode::UNAUTHORIZED);
    }
    assert_eq!(revision, COMMIT, "files are asked for by the commit");
    let Some(bytes) = server.file(&format!("{owner}/{name}"), &path) else {
        return plain(StatusCode::NOT_FOUND);
    };
    if bytes.len() < LARGE {
        let blob = [
            format!("blob {}\0", bytes.len()).into_bytes(),
            bytes.clone(),
        ]
        .concat();
        let etag = hex::encode(Sha1::digest(blob));
        let mut response = ranged(&bytes, range(&headers), false);
        put(&mut response, "etag", &format!("\"{etag}\""));
        put(&mut response, "x-repo-commit", COMMIT);
        return response;
    }
    let cdn = server.0.cdn.lock().expect("no test panics in it").clone();
    let mut response = plain(StatusCode::FOUND);
    put(
        &mut response,
        "location",
        &format!("{cdn}/blob/{owner}/{name}/{path}"),
    );
    put(
        &mut response,
        "x-linked-etag",
        &format!("\"{}\"", hex::encode(Sha256::digest(&bytes))),
    );
    put(&mut response, "x-linked-size", &bytes.len().to_string());
    put(&mut response, "x-repo-commit", COMMIT);
    response
}

async fn blob(
    State(server): State<Server>,
    Path((owner, name, path)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let mut bytes = server
        .file(&format!("{owner}/{name}"), &path)
        .expect("the hub leads here");
    let asked = range(&headers);
    let name = headers
        .get(header::RANGE)
        .map_or("all", |value| value.to_str().unwrap_or("?"));
    server
        .0
        .ranges
        .lock()
        .expect("no test panics in it")
        .push(name.to_owned());
    if server.0.lies.load(Ordering::SeqCst) > 0 {
        *bytes.last_mut().expect("it is large") ^= 1;
    }
    let behind = *server.0.behind.lock().expect("no test panics in it");
    let begins = asked.map_or(0, |(from, _)| from);
    // The question how long it is, is answered.
    let cut =
        name != "bytes=0-0" && (behind.is_some_and(|offset| begins >= offset) || server.cuts_now());
    ranged(&bytes, asked, cut)
}

/// An index's page in HTML, with the CDN's link to the file.
async fn page(State(server): State<Server>, Path(project): Path<String>) -> Response<Body> {
    let cdn = server.0.cdn.lock().expect("no test panics in it").clone();
    let files = server.0.files.lock().expect("no test panics in it");
    let Some(files) = files.get(&format!("pypi/{project}")) else {
        return plain(StatusCode::NOT_FOUND);
    };
    let links: Vec<String> = files
        .keys()
        .map(|file| format!("<a href=\"{cdn}/blob/pypi/{project}/{file}#sha256=00\">{file}</a>"))
        .collect();
    Response::new(Body::from(links.join("<br>\n")))
}

fn put(response: &mut Response<Body>, name: &'static str, value: &str) {
    let value = value.parse().expect("a plain header");
    response.headers_mut().insert(name, value);
}

/// The first byte and the last that are asked for.
fn range(headers: &HeaderMap) -> Option<(usize, Option<usize>)> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()))
}

fn ranged(bytes: &[u8], range: Option<(usize, Option<usize>)>, cut: bool) -> Response<Body> {
    let (from, to) = range.unwrap_or((0, None));
    let end = to.map_or(bytes.len(), |to| (to + 1).min(bytes.len()));
    if from >= end {
        return plain(StatusCode::RANGE_NOT_SATISFIABLE);
    }
    let part = Bytes::copy_from_slice(&bytes[from..end]);
    let length = part.len();
    let body = match cut {
        false => Body::from(part),
        true => {
            let half = part.slice(..length / 2);
            let cut = async {
                // What was written before is on its way by then.
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                Err(std::io::Error::other("the connection is cut"))
            };
            let half = futures::future::ready(Ok(half));
            Body::from_stream(half.into_stream().chain(cut.into_stream()))
        }
    };
    let mut response = Response::new(body);
    put(&mut response, "content-length", &length.to_string());
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {from}-{}/{}", end - 1, bytes.len());
        put(&mut response, "content-range", &range);
    }
    response
}
