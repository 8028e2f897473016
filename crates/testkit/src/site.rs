//! A web site of the test's own: what it serves is put there by path, and it records who asked.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request as AxumRequest, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::{StreamExt, stream};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// How a body trickles: so much of it, and then a pause.
const TRICKLE: (usize, Duration) = (16 << 10, Duration::from_millis(2));

/// Time for a server to send what it has.
const FLUSH: Duration = Duration::from_millis(100);

/// A running site. It ends when dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Shelf {
    replies: HashMap<String, Vec<Reply>>,
    requests: Vec<Request>,
    /// Bytes of trickling bodies that were taken, by path.
    trickled: HashMap<String, u64>,
}

/// A request that the site got.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method: `GET`.
    pub method: String,
    /// Path and query as they were sent.
    pub path: String,
    /// When it came.
    pub at: Instant,
    /// Its headers.
    pub headers: HeaderMap,
    /// What it was answered.
    pub status: u16,
    /// Bytes of the body that were there to send; none for 304.
    pub bytes: usize,
}

/// What the site answers.
#[derive(Debug, Clone)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Content,
    delay: Duration,
}

#[derive(Debug, Clone)]
enum Content {
    Whole(Vec<u8>),
    Trickling(Vec<u8>),
    Endless,
    BrokenOff(Vec<u8>),
    Never,
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Whole(bytes) | Self::Trickling(bytes) | Self::BrokenOff(bytes) => bytes.len(),
            Self::Endless => usize::MAX,
            Self::Never => 0,
        }
    }
}

impl Reply {
    /// 200 with a body.
    pub fn bytes(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::of(StatusCode::OK, Content::Whole(body.into())).header("content-type", content_type)
    }

    /// 200 with a page.
    pub fn html(body: impl Into<String>) -> Self {
        Self::bytes("text/html; charset=utf-8", body.into())
    }

    /// A status without a body.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status has three digits");
        Self::of(status, Content::Whole(Vec::new()))
    }

    /// 302 to an address, absolute or relative.
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// 200 with a body that never ends.
    pub fn endless(content_type: &str) -> Self {
        Self::of(StatusCode::OK, Content::Endless).header("content-type", content_type)
    }

    /// 200 that promises more bytes than come: the connection breaks off after these.
    pub fn broken_off(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let promised = (body.len() + 1_000).to_string();
        Self::of(StatusCode::OK, Content::BrokenOff(body))
            .header("content-type", content_type)
            .header("content-length", &promised)
    }

    /// 200 with a body of this length that comes 16 KiB at a time, 8 MB a second: how much of it was
    /// taken is seen by [`Site::trickled`].
    pub fn trickling(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self::of(StatusCode::OK, Content::Trickling(body))
            .header("content-type", content_type)
            .header("content-length", &length)
    }

    /// Takes the request and never answers.
    pub fn silence() -> Self {
        Self::of(StatusCode::OK, Content::Never)
    }

    /// With a header more.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("the test's header name is valid");
        let value = HeaderValue::from_str(value).expect("the test's header value is valid");
        self.headers.push((name, value));
        self
    }

    /// Only after a wait.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Itself, or 304 without a body where the request knows its entity tag or its date already, as
    /// RFC 9110 §13.2.2 has it.
    fn on_condition(self, asked: &HeaderMap) -> Self {
        let said = |name: HeaderName| {
            let header = self.headers.iter().find(|(known, _)| *known == name);
            header.map(|(_, value)| value)
        };
        let (tag, date) = (said(header::ETAG), said(header::LAST_MODIFIED));
        let known = match asked.get(header::IF_NONE_MATCH) {
            Some(known) => tag == Some(known),
            None => date.is_some() && date == asked.get(header::IF_MODIFIED_SINCE),
        };
        if known && self.status == StatusCode::OK {
            let status = StatusCode::NOT_MODIFIED;
            let body = Content::Whole(Vec::new());
            return Self {
                status,
                body,
                ..self
            };
        }
        self
    }

    fn of(status: StatusCode, body: Content) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
            delay: Duration::ZERO,
        }
    }
}

impl Site {
    /// Serves on a free port of 127.0.0.1. Every path is 404 until something is put there.
    pub async fn start() -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST.into()).await
    }

    /// Serves on a free port of another loopback address, which is another host: 127.0.0.2.
    pub async fn start_on(address: IpAddr) -> Self {
        let listener = TcpListener::bind((address, 0))
            .await
            .expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let routes = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shelf));
        let task = tokio::spawn(async move {
            axum::serve(listener, routes)
                .await
                .expect("a server without an end does not end");
        });
        Self {
            address,
            shelf,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// The address of a path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers a path, query included, so from now on.
    pub fn put(&self, path: &str, reply: Reply) {
        self.put_each(path, vec![reply]);
    }

    /// Answers a path by each reply in turn; the last one stays.
    pub fn put_each(&self, path: &str, replies: Vec<Reply>) {
        assert!(!replies.is_empty(), "{path} needs a reply");
        self.shelf().replies.insert(path.to_owned(), replies);
    }

    /// A page.
    pub fn html(&self, path: &str, body: impl Into<String>) {
        self.put(path, Reply::html(body));
    }

    /// A PNG.
    pub fn png(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.put(path, Reply::bytes("image/png", body));
    }

    /// A JPEG.
    pub fn jpeg(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.put(path, Reply::bytes("image/jpeg", body));
    }

    /// The site's robots.txt.
    pub fn robots(&self, body: &str) {
        self.put("/robots.txt", Reply::bytes("text/plain", body));
    }

    /// A path is 404 again.
    pub fn remove(&self, path: &str) {
        self.shelf().replies.remove(path);
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shelf().requests.clone()
    }

    /// How often a path was asked for.
    pub fn hits(&self, path: &str) -> usize {
        let shelf = self.shelf();
        shelf
            .requests
            .iter()
            .filter(|request| request.path == path)
            .count()
    }

    /// How many bytes of a path's trickling body were taken, all requests together.
    pub fn trickled(&self, path: &str) -> u64 {
        self.shelf().trickled.get(path).copied().unwrap_or(0)
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no holder of this lock panics")
    }
}

/// The bytes of a body with pauses between them, each counted when it is taken.
fn trickle(
    shelf: Arc<Mutex<Shelf>>,
    path: String,
    bytes: Vec<u8>,
) -> impl futures::Stream<Item = Result<Vec<u8>, std::io::Error>> {
    let (length, pause) = TRICKLE;
    let chunks: Vec<Vec<u8>> = bytes.chunks(length).map(<[u8]>::to_vec).collect();
    stream::iter(chunks).then(move |chunk| {
        let (shelf, path) = (Arc::clone(&shelf), path.clone());
        async move {
            tokio::time::sleep(pause).await;
            let mut shelf = shelf.lock().expect("no holder of this lock panics");
            *shelf.trickled.entry(path).or_default() += chunk.len() as u64;
            Ok(chunk)
        }
    })
}

async fn answer(State(shelf): State<Arc<Mutex<Shelf>>>, request: AxumRequest) -> Response {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let reply = {
        let at = Instant::now();
        let mut shelf = shelf.lock().expect("no holder of this lock panics");
        let reply = match shelf.replies.get_mut(&path) {
            Some(replies) if replies.len() > 1 => replies.remove(0),
            Some(replies) => replies[0].clone(),
            None => Reply::status(404),
        };
        let reply = reply.on_condition(request.headers());
        shelf.requests.push(Request {
            method: request.method().to_string(),
            path: path.clone(),
            at,
            headers: request.headers().clone(),
            status: reply.status.as_u16(),
            bytes: reply.body.len(),
        });
        reply
    };
    tokio::time::sleep(reply.delay).await;
    let body = match reply.body {
        Content::Whole(bytes) => Body::from(bytes),
        Content::Trickling(bytes) => Body::from_stream(trickle(shelf, path, bytes)),
        Content::Endless => {
            let chunk = vec![b' '; 16 << 10];
            Body::from_stream(stream::repeat_with(move || {
                Ok::<_, std::io::Error>(chunk.clone())
            }))
        }
        Content::BrokenOff(bytes) => {
            let end = async {
                // So that what came before is sent, and not dropped with the connection.
                tokio::time::sleep(FLUSH).await;
                Err(std::io::Error::other("broken off, as the test wants it"))
            };
            let start = stream::once(async { Ok(bytes) });
            Body::from_stream(start.chain(stream::once(end)))
        }
        Content::Never => std::future::pending().await,
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    for (name, value) in reply.headers {
        if name == header::SET_COOKIE || name == "x-robots-tag" {
            response.headers_mut().append(name, value);
        } else {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
