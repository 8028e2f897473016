//! What an operator asks of a running service: `/metrics`, `/healthz/live`, `/healthz/ready`.

mod process;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::Shutdown;
use crate::telemetry::{build, tell_left_out};

pub use process::METRICS;

/// How often histograms are drained, so that they do not grow between two scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// What a service says of itself. Cheap to clone.
///
/// A new one is alive and not ready, and knows nothing.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    parts: BTreeMap<&'static str, Result<(), String>>,
    about: BTreeMap<String, String>,
    failed: Option<String>,
    draining: bool,
}

/// What `/healthz/*` answers: 200 with `ok`, or 503 with `unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ok` or `unavailable`.
    pub status: &'static str,
    /// The build: `0.1.0`, or `0.1.0+commit` where the build knows its commit.
    pub version: String,
    /// Each part: `ok`, or why it is not.
    pub parts: BTreeMap<String, String>,
    /// What else there is to know: the device that each model runs on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
}

impl Report {
    fn new(well: bool, parts: BTreeMap<String, String>) -> Self {
        let status = if well { "ok" } else { "unavailable" };
        Self {
            status,
            version: build().to_owned(),
            parts,
            about: BTreeMap::new(),
        }
    }

    /// Whether all is well.
    pub fn is_ok(&self) -> bool {
        self.status == "ok"
    }
}

impl Health {
    /// Not ready, alive, nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that a dependency or part answers (`Ok`) or why it does not. The service is ready when
    /// every part named so far is well and at least one is named.
    pub fn set(&self, part: &'static str, state: Result<(), String>) {
        self.lock().parts.insert(part, state);
    }

    /// Says something that makes the service neither well nor ill: what a model runs on.
    pub fn tell(&self, what: &str, words: String) {
        self.lock().about.insert(what.to_owned(), words);
    }

    /// Says that the process can no longer do its work and is to be restarted: no longer live.
    pub fn fail(&self, reason: String) {
        self.lock().failed.get_or_insert(reason);
    }

    /// Says that the process is about to end: live still, but no longer ready.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    /// Whether the process works at all.
    pub fn live(&self) -> Report {
        let state = self.lock();
        Report::new(state.failed.is_none(), state.process())
    }

    /// Whether the service does its work now.
    pub fn ready(&self) -> Report {
        let state = self.lock();
        let mut parts = state.process();
        let well =
            parts.is_empty() && !state.parts.is_empty() && state.parts.values().all(Result::is_ok);
        if state.parts.is_empty() {
            parts.insert("process".into(), "starting".into());
        }
        parts.extend(state.parts.iter().map(|(name, part)| {
            let said = part.as_ref().err().map_or("ok", String::as_str);
            ((*name).to_owned(), said.to_owned())
        }));
        if state.draining {
            parts.insert("process".into(), "ending".into());
        }
        let report = Report::new(well && !state.draining, parts);
        Report {
            about: state.about.clone(),
            ..report
        }
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        // What is behind the lock is whole after every statement, so a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parts {
    fn process(&self) -> BTreeMap<String, String> {
        let failed = self.failed.iter();
        failed
            .map(|reason| ("process".to_owned(), reason.clone()))
            .collect()
    }
}

/// The operator's routes, to be merged into a service's own router (search) or served alone.
/// [`upkeep`] must run beside them; `service::run` sees to it.
pub fn router(health: Health, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/healthz", get(ready))
        .route("/healthz/ready", get(ready))
        .route("/healthz/live", get(live))
        .with_state(health)
        .merge(
            Router::new()
                .route("/metrics", get(render))
                .with_state(metrics),
        )
}

/// Keeps the metrics' memory bounded, whether or not anybody scrapes them; says that the service
/// is no longer ready once shutdown is requested. Runs until the runtime ends.
pub async fn upkeep(health: Health, metrics: PrometheusHandle, shutdown: Shutdown) {
    while shutdown.sleep(UPKEEP).await {
        metrics.run_upkeep();
        tell_left_out();
    }
    health.drain();
    loop {
        tokio::time::sleep(UPKEEP).await;
        metrics.run_upkeep();
        tell_left_out();
    }
}

/// Serves the operator's routes, and keeps doing so while the service drains: until the runtime
/// ends. Binds before it returns the address bound; an address in use is an error that names it.
/// Once shutdown is requested, `/healthz/ready` answers 503.
pub async fn serve(
    listen: SocketAddr,
    health: Health,
    metrics: PrometheusHandle,
    shutdown: Shutdown,
) -> Result<SocketAddr, std::io::Error> {
    let named = |cause: std::io::Error| {
        let text = format!("cannot listen on {listen} for metrics and health: {cause}");
        std::io::Error::new(cause.kind(), text)
    };
    let listener = TcpListener::bind(listen).await.map_err(named)?;
    let address = listener.local_addr().map_err(named)?;
    tokio::spawn(upkeep(health.clone(), metrics.clone(), shutdown));
    let routes = router(health, metrics);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "metrics and health are no longer served");
        }
    });
    Ok(address)
}

async fn ready(State(health): State<Health>) -> Response {
    answer(health.ready())
}

async fn live(State(health): State<Health>) -> Response {
    answer(health.live())
}

fn answer(report: Report) -> Response {
    let status = if report.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(report)).into_response()
}

async fn render(State(metrics): State<PrometheusHandle>) -> Response {
    process::record();
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, metrics.render()).into_response()
}
