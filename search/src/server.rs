//! The listener: bounded connections, and an end that finishes what is in hand.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tusou_platform::service::ServiceContext;
use tusou_platform::{Shutdown, ops};

use crate::access::bare::Explained;
use crate::access::client::Peer;
use crate::app::App;
use crate::config::{DRAIN, HEAD_TIMEOUT, MAX_BUFFER, MAX_CONNECTIONS};
use crate::error::StartError;
use crate::{metrics, routes};

/// A server that listens and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    shutdown: Shutdown,
}

impl Server {
    /// Checks the settings, listens, and begins to bring the parts up.
    ///
    /// # Errors
    /// As [`crate::run`].
    pub async fn bind(context: ServiceContext) -> Result<Self, StartError> {
        metrics::describe();
        let app = Arc::new(App::new(&context.config)?);
        let listen = |cause| StartError::Listen {
            address: app.settings.listen,
            cause,
        };
        let listener = TcpListener::bind(app.settings.listen)
            .await
            .map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        app.bring_up(&context);
        let ops = ops::router(context.health, context.metrics);
        Ok(Self {
            listener,
            address,
            router: routes::router(app, ops),
            shutdown: context.shutdown,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until shutdown is requested, then finishes the requests in hand within 25 s.
    ///
    /// # Errors
    /// None today; a listener that fails is tried again.
    pub async fn serve(self) -> Result<(), StartError> {
        tracing::info!(address = %self.address, "search is served");
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.listener, &places) => accepted,
                () = self.shutdown.requested() => break,
            };
            let (stream, peer, place) = accepted;
            let router = TowerToHyperService::new(self.router.clone());
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(Peer(peer));
                router.call(request)
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(MAX_BUFFER)
                .serve_connection(TokioIo::new(Explained::new(stream)), service);
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                let _place = place;
                if let Err(error) = connection.await {
                    // A client that went away; it is no fault of the service.
                    tracing::debug!(%error, "a connection broke");
                }
            });
        }
        drop(self.listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests in hand did not end in time: they are given up");
        }
        Ok(())
    }
}

/// The next connection, once there is a place for it. Cancel-safe.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and whole: waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                return (stream, peer.ip(), place);
            }
            Err(error) => {
                // Out of file descriptors, most likely: some are given back in a moment.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
