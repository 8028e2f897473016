//! The site as a process of its own, so that what serving costs is nobody's processor time.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use tokio::net::TcpListener;

use super::photos;
use super::site::{Item, Spec};

/// The first argument that makes this program a site.
pub(crate) const ARGUMENT: &str = "serve-site";
/// When all files were last changed.
const CHANGED: HeaderValue = HeaderValue::from_static("Sun, 01 Nov 2026 12:00:00 GMT");

/// A running site. It ends when dropped, and with the program that started it.
#[derive(Debug)]
pub(crate) struct SiteProcess {
    pub(crate) spec: Spec,
    /// Each host's first page.
    pub(crate) seeds: Vec<String>,
    child: Child,
    /// The site ends when this closes.
    _stdin: Option<ChildStdin>,
}

impl SiteProcess {
    /// Makes the pictures where they are missing, and serves on a free port of 127.0.0.2 and the
    /// addresses after it.
    pub(crate) async fn start(spec: Spec) -> anyhow::Result<Self> {
        let start = tokio::task::spawn_blocking(move || Self::start_blocking(spec));
        start.await?
    }

    fn start_blocking(spec: Spec) -> anyhow::Result<Self> {
        if spec.pictures > 0 {
            photos::make(spec.distinct)?;
        }
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, &serde_json::to_string(&spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the site cannot start")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the site has an output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let seeds = serde_json::from_str(&line).context("the site ended before it served")?;
        Ok(Self {
            spec,
            seeds,
            child,
            _stdin: stdin,
        })
    }
}

impl Drop for SiteProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the standard input is closed. Prints the hosts' first pages once it serves.
pub(crate) async fn serve(spec: &str) -> anyhow::Result<()> {
    let spec: Spec = serde_json::from_str(spec)?;
    let wanted = if spec.pictures > 0 { spec.distinct } else { 0 };
    let mut bytes = Vec::new();
    for number in 0..wanted {
        bytes.push(Bytes::from(std::fs::read(photos::file(number)?)?));
    }
    let mut seeds = Vec::new();
    for host in 0..spec.hosts {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2 + host), 0)).await?;
        seeds.push(format!("http://{}/", listener.local_addr()?));
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let items = Arc::new(spec.host(host, &bytes));
        let routes = axum::Router::new().fallback(answer).with_state(items);
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(&seeds)?)?;
    out.flush()?;
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    closed.await??;
    Ok(())
}

async fn answer(State(items): State<Arc<HashMap<String, Item>>>, request: Request) -> Response {
    let Some(item) = items.get(request.uri().path()) else {
        let mut missing = Response::new(Body::empty());
        *missing.status_mut() = StatusCode::NOT_FOUND;
        return missing;
    };
    let mut response = Response::new(Body::from(item.body.clone()));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(item.content_type),
    );
    let etag = HeaderValue::from_str(&item.etag).expect("the site's tags are ASCII");
    headers.insert(header::ETAG, etag);
    headers.insert(header::LAST_MODIFIED, CHANGED);
    response
}
