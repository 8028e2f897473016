//! The site's servers: HTTP/1.1 by hand, so that a connection can be reset or cut in mid-answer.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;
use tusou_contract::ImageId;

use super::expected::Expected;
use super::plan::{Answer, Mutation};
use super::rng::Rng;
use super::truth::{Content, Truth};

/// How long an answer takes at the least, so that a crawl lasts.
const LATENCY: Duration = Duration::from_millis(15);
/// Longer than a crawler of a world waits.
const SILENCE: Duration = Duration::from_secs(8);
/// Struck so often in a row, a path is left alone once: its attempts are to suffice.
const IN_A_ROW: u32 = 4;
const MAX_HEAD: usize = 16 << 10;

/// A running site of several hosts.
#[derive(Debug)]
pub(super) struct Site {
    shared: Arc<Shared>,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    truth: Mutex<Truth>,
    trouble: Mutex<Trouble>,
    struck: AtomicU64,
}

#[derive(Debug)]
struct Trouble {
    /// What it answers instead, in so many of a hundred cases.
    active: Option<(Answer, u64)>,
    rng: Rng,
    in_a_row: HashMap<(usize, String), u32>,
}

impl Site {
    /// Serves a new site of so many pages on so many hosts, 127.0.0.1 and those that follow.
    pub(super) async fn start(hosts: u8, pages: usize, seed: u64) -> anyhow::Result<Self> {
        let mut rng = Rng::new(seed);
        let mut listeners = Vec::new();
        let mut origins = Vec::new();
        for host in 1..=hosts {
            let address = Ipv4Addr::new(127, 0, 0, host);
            let listener = TcpListener::bind((address, 0))
                .await
                .with_context(|| format!("no port of {address} can be had for the site"))?;
            origins.push(format!("http://{}", listener.local_addr()?));
            listeners.push(listener);
        }
        let shared = Arc::new(Shared {
            truth: Mutex::new(Truth::new(origins, pages, &mut rng)),
            trouble: Mutex::new(Trouble {
                active: None,
                rng,
                in_a_row: HashMap::new(),
            }),
            struck: AtomicU64::new(0),
        });
        let serve = |(host, listener)| {
            AbortOnDropHandle::new(tokio::spawn(accept(Arc::clone(&shared), host, listener)))
        };
        Ok(Self {
            _tasks: listeners.into_iter().enumerate().map(serve).collect(),
            shared,
        })
    }

    /// Where the crawl begins.
    pub(super) fn seeds(&self) -> Vec<String> {
        self.truth().seeds()
    }

    /// Changes it; the addresses that are to be read again.
    pub(super) fn change(&self, change: Mutation, seed: u64) -> BTreeSet<String> {
        self.truth().change(change, &mut Rng::new(seed))
    }

    /// From now on answers badly in so many of a hundred cases.
    pub(super) fn trouble(&self, answer: Answer, percent: u64) {
        self.shared.trouble().active = Some((answer, percent));
    }

    /// Answers well again.
    pub(super) fn well(&self) {
        self.shared.trouble().active = None;
    }

    /// Answers that were spoilt.
    pub(super) fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }

    /// What must be found.
    pub(super) fn expected(&self) -> Expected {
        self.truth().expected()
    }

    /// Whether these bytes were served whole, at any time.
    pub(super) fn was_served(&self, id: &ImageId) -> bool {
        self.truth().served.contains(id)
    }

    /// Whether the picture cannot be decoded.
    pub(super) fn is_broken(&self, id: &ImageId) -> bool {
        self.truth().is_broken(id)
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.shared.truth()
    }
}

impl Shared {
    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().expect("no holder of this lock panics")
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().expect("no holder of this lock panics")
    }

    /// What a request meets instead of its answer, if anything.
    fn strike(&self, host: usize, path: &str) -> Option<Answer> {
        let mut trouble = self.trouble();
        let (answer, percent) = trouble.active?;
        let key = (host, path.to_owned());
        let struck = trouble.in_a_row.get(&key).copied().unwrap_or(0);
        if struck >= IN_A_ROW || !trouble.rng.percent(percent) {
            trouble.in_a_row.remove(&key);
            return None;
        }
        trouble.in_a_row.insert(key, struck + 1);
        self.struck.fetch_add(1, Ordering::Relaxed);
        Some(answer)
    }
}

async fn accept(shared: Arc<Shared>, host: usize, listener: TcpListener) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(Arc::clone(&shared), host, stream));
        }
    }
}

/// Answers requests of one connection until either side ends it.
async fn serve(shared: Arc<Shared>, host: usize, mut stream: TcpStream) {
    let mut head = Vec::new();
    while let Some(path) = request(&mut stream, &mut head).await {
        tokio::time::sleep(LATENCY).await;
        let well = match shared.strike(host, &path) {
            Some(answer) => spoil(&shared, host, &path, answer, &mut stream).await,
            None => good(&shared, host, &path, &mut stream).await,
        };
        if well.is_none() {
            return;
        }
    }
}

/// The path of the next request; `None` at the end.
async fn request(stream: &mut TcpStream, head: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&head[..end]).into_owned();
            head.drain(..end + 4);
            return text.split(' ').nth(1).map(str::to_owned);
        }
        if head.len() > MAX_HEAD {
            return None;
        }
        let mut buffer = [0; 4 << 10];
        let bytes = stream
            .read(&mut buffer)
            .await
            .ok()
            .filter(|bytes| *bytes > 0)?;
        head.extend_from_slice(&buffer[..bytes]);
    }
}

async fn good(shared: &Shared, host: usize, path: &str, stream: &mut TcpStream) -> Option<()> {
    let content = shared.truth().content(host, path);
    let served = match &content {
        Content::Bytes(_, _, id) => *id,
        _ => None,
    };
    if let Some(id) = served {
        // Before it goes out: whoever reads it may be quicker than we are.
        shared.truth().served.insert(id);
    }
    let (head, body) = whole(content);
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()
}

fn whole(content: Content) -> (String, Vec<u8>) {
    let (status, headers, body) = match content {
        Content::Html(html) => (
            200,
            "content-type: text/html; charset=utf-8\r\n".into(),
            html.into_bytes(),
        ),
        Content::Bytes(bytes, kind, _) => (
            200,
            format!("content-type: {kind}\r\n"),
            bytes.as_ref().clone(),
        ),
        Content::Status(status) => (status, String::new(), Vec::new()),
        Content::Moved(to) => (301, format!("location: {to}\r\n"), Vec::new()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} -\r\n{headers}content-length: {length}\r\n\r\n");
    (head, body)
}

async fn spoil(
    shared: &Shared,
    host: usize,
    path: &str,
    answer: Answer,
    stream: &mut TcpStream,
) -> Option<()> {
    let status = |status: u16, headers: &str| {
        format!("HTTP/1.1 {status} -\r\n{headers}content-length: 0\r\n\r\n")
    };
    let head = match answer {
        Answer::TooMany => status(429, "retry-after: 1\r\n"),
        Answer::Unavailable => status(503, ""),
        Answer::Broken => status(500, ""),
        Answer::Reset => {
            let _ = stream.set_zero_linger();
            return None;
        }
        Answer::Silence => {
            tokio::time::sleep(SILENCE).await;
            return None;
        }
        Answer::Truncated => {
            let (head, body) = whole(shared.truth().content(host, path));
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&body[..body.len() / 2]).await.ok()?;
            let _ = stream.shutdown().await;
            return None;
        }
    };
    stream.write_all(head.as_bytes()).await.ok()
}
