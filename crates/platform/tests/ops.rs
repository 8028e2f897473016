//! The operator's routes, asked over HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::HeaderMap;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use tusou_platform::Shutdown;
use tusou_platform::config::Network;
use tusou_platform::door::{Answer, Door, Limits, Reach};
use tusou_platform::ops::{Health, serve};
use tusou_platform::telemetry::build;
use url::Url;

fn metrics() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}

async fn start(health: &Health, shutdown: &Shutdown) -> SocketAddr {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    serve(any, health.clone(), metrics(), shutdown.clone())
        .await
        .expect("a free port")
}

async fn get(address: SocketAddr, path: &str) -> Answer {
    let network = Network {
        allow: vec!["127.0.0.0/8".parse().expect("a range")],
    };
    let patience = Duration::from_secs(30);
    let limits = Limits {
        max_bytes: 1 << 20,
        read_timeout: patience,
        total_timeout: patience,
    };
    let url = Url::parse(&format!("http://{address}{path}")).expect("a URL");
    let door = Door::new(&network, "operator", patience, Reach::Anywhere).expect("a client");
    let answer = door.get(&url, HeaderMap::new(), &limits).await;
    answer.expect("the routes answer")
}

async fn ask(address: SocketAddr, path: &str) -> (u16, Value) {
    let answer = get(address, path).await;
    let mut value: Value = serde_json::from_slice(&answer.body).expect("the answer is JSON");
    let fields = value.as_object_mut().expect("the answer is an object");
    let version = fields.remove("version");
    assert_eq!(
        version,
        Some(build().into()),
        "every answer tells the build"
    );
    (answer.status, value)
}

#[tokio::test]
async fn readiness_follows_the_parts_and_liveness_the_process() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let address = start(&health, &shutdown).await;

    let starting = json!({"status": "unavailable", "parts": {"process": "starting"}});
    assert_eq!(ask(address, "/healthz").await, (503, starting));
    let alive = json!({"status": "ok", "parts": {}});
    assert_eq!(ask(address, "/healthz/live").await, (200, alive.clone()));

    health.set("broker", Ok(()));
    health.set("elasticsearch", Err("connection refused".into()));
    let half = json!({
        "status": "unavailable",
        "parts": {"broker": "ok", "elasticsearch": "connection refused"}
    });
    assert_eq!(ask(address, "/healthz/ready").await, (503, half));
    assert_eq!(ask(address, "/healthz/live").await, (200, alive.clone()));

    health.set("elasticsearch", Ok(()));
    let whole = json!({"status": "ok", "parts": {"broker": "ok", "elasticsearch": "ok"}});
    assert_eq!(ask(address, "/healthz/ready").await, (200, whole.clone()));
    assert_eq!(ask(address, "/healthz").await, (200, whole));

    health.tell("lite", "cpu".into());
    let told = json!({
        "status": "ok",
        "parts": {"broker": "ok", "elasticsearch": "ok"},
        "about": {"lite": "cpu"}
    });
    assert_eq!(ask(address, "/healthz/ready").await, (200, told));

    health.fail("the model's thread is gone".into());
    let dead = json!({"status": "unavailable", "parts": {"process": "the model's thread is gone"}});
    assert_eq!(ask(address, "/healthz/live").await, (503, dead));
    assert_eq!(ask(address, "/healthz/ready").await.0, 503);
}

#[tokio::test]
async fn a_draining_service_answers_and_is_not_ready() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let address = start(&health, &shutdown).await;
    health.set("broker", Ok(()));
    assert_eq!(ask(address, "/healthz/ready").await.0, 200);
    shutdown.request();
    while health.ready().is_ok() {
        tokio::task::yield_now().await;
    }
    let ending = json!({"status": "unavailable", "parts": {"broker": "ok", "process": "ending"}});
    assert_eq!(ask(address, "/healthz/ready").await, (503, ending));
    assert_eq!(ask(address, "/healthz/live").await.0, 200);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let (health, shutdown) = (Health::new(), Shutdown::new());
    let taken = start(&health, &shutdown).await;
    let error = serve(taken, health, metrics(), shutdown).await;
    let error = error.expect_err("the port is taken").to_string();
    assert!(error.contains(&taken.to_string()), "{error}");
}

#[tokio::test]
async fn metrics_are_rendered_as_text() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        metrics::counter!("tusou_tests_total").increment(3)
    });
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = serve(any, Health::new(), handle, Shutdown::new())
        .await
        .expect("a free port");
    let answer = get(address, "/metrics").await;
    assert_eq!(answer.content_type(), Some("text/plain; version=0.0.4"));
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains("\ntusou_tests_total 3\n"), "{text}");
}
