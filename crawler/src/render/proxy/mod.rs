//! The policy proxy: the one way by which a browser that renders a page reaches anything.
//!
//! Each page has a proxy of its own on a loopback port, and with it its own limits, and each tab is
//! told that port only. TLS ends here, so that a request is judged by its whole address whatever its
//! scheme: by the address policy, robots.txt, the host's pace and lease, method, size and number,
//! like all that the crawler asks. Certificates are verified by the door. Whoever else on this
//! machine connects is refused: a connection's other end must belong to the browser.

mod answer;
mod certificate;
mod wanted;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::Pid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tusou_ingest::Address;
use tusou_platform::door::Answer;

use self::answer::{Reply, empty, refusal};
pub(crate) use self::certificate::Certificate;
use super::kept::Kept;
use super::processes;
use super::trace::Trace;
use crate::fetch::Fetcher;
use crate::frontier::HostLease;
use crate::host_files::HostRules;

/// Connections of one page at once; Chromium keeps 32 to a proxy.
const CONNECTIONS: usize = 64;
/// The longest wait for a head, or for TLS to begin.
const PATIENCE: Duration = Duration::from_secs(15);

/// How much one page may ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct VisitLimits {
    /// Requests.
    pub(super) requests: u32,
    /// Bytes of answers.
    pub(super) traffic: u64,
}

/// A page while a browser renders it.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) fetcher: Fetcher,
    pub(super) lease: HostLease,
    pub(super) rules: Arc<HostRules>,
    pub(super) page: Address,
    /// What the crawler was answered for the page, until the browser has it.
    pub(super) document: Mutex<Option<Answer>>,
    pub(super) limits: VisitLimits,
    pub(super) kept: Kept,
    pub(super) trace: Trace,
    /// No request begins or goes on after that.
    pub(super) until: Instant,
}

/// A page's proxy. It ends with all its connections when this is dropped.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    _end: DropGuard,
}

/// What each connection knows.
#[derive(Clone)]
struct Desk {
    visit: Arc<Visit>,
    certificate: Certificate,
    end: CancellationToken,
}

impl Proxy {
    /// Listens for the browser whose processes are of this group.
    ///
    /// # Errors
    /// Where no loopback port can be had.
    pub(super) async fn start(
        visit: Arc<Visit>,
        certificate: Certificate,
        browser: Pid,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let end = CancellationToken::new();
        let desk = Desk {
            visit,
            certificate,
            end: end.clone(),
        };
        tokio::spawn(accept(listener, address, browser, desk));
        Ok(Self {
            address,
            _end: end.drop_guard(),
        })
    }
}

async fn accept(listener: TcpListener, here: SocketAddr, browser: Pid, desk: Desk) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = desk.end.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else {
            // No more files may be opened for the moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let desk = desk.clone();
        tokio::spawn(async move {
            let end = desk.end.clone();
            let served = async {
                let ours = spawn_blocking(move || processes::holds(browser, here, peer)).await;
                if matches!(ours, Ok(true)) {
                    serve(stream, None, desk).await;
                } else {
                    tracing::warn!(%peer, "a connection to a page's proxy is not its browser's: refused");
                }
            };
            tokio::select! {
                () = served => {}
                () = end.cancelled() => {}
            }
            drop(place);
        });
    }
}

/// Serves HTTP/1 on a connection, or within a tunnel to `tunnel`, a host with its port.
async fn serve<S>(stream: S, tunnel: Option<String>, desk: Desk)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (desk, tunnel) = (desk.clone(), tunnel.clone());
        async move { Ok::<_, Infallible>(handle(request, tunnel, desk).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(cause) = served.await {
        tracing::trace!(%cause, "a connection of a page's browser broke");
    }
}

async fn handle(request: Request<Incoming>, tunnel: Option<String>, desk: Desk) -> Reply {
    let target = request.uri().clone();
    match (&tunnel, request.method()) {
        (None, &Method::CONNECT) => {
            let Some(authority) = target.authority().map(ToString::to_string) else {
                return refusal(StatusCode::BAD_REQUEST, "no host");
            };
            tokio::spawn(open_tunnel(request, authority, desk));
            empty(StatusCode::OK)
        }
        (None, method) if target.scheme_str() == Some("http") => {
            desk.visit
                .reply(method, &target.to_string(), request.headers())
                .await
        }
        (Some(authority), method) if target.authority().is_none() => {
            let url = format!("https://{authority}{target}");
            desk.visit.reply(method, &url, request.headers()).await
        }
        _ => refusal(StatusCode::BAD_REQUEST, "no request to a proxy"),
    }
}

/// Answers TLS in the place of whom the browser wants to reach. Other protocols have no way.
/// (Boxed, since what serves a tunnel is what serves a connection.)
fn open_tunnel(
    request: Request<Incoming>,
    authority: String,
    desk: Desk,
) -> BoxFuture<'static, ()> {
    let end = desk.end.clone();
    let tunnel = async move {
        let opened = timeout(PATIENCE, hyper::upgrade::on(request)).await;
        let Ok(Ok(stream)) = opened else {
            return;
        };
        let accepted = desk.certificate.acceptor.accept(TokioIo::new(stream));
        if let Ok(Ok(stream)) = timeout(PATIENCE, accepted).await {
            serve(stream, Some(authority), desk).await;
        }
    };
    let ended = async move {
        tokio::select! {
            () = tunnel => {}
            () = end.cancelled() => {}
        }
    };
    ended.boxed()
}
