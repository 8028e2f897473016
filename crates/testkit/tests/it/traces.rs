//! One trace from the page to the document, as a collector receives it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tusou_testkit::{Chain, Gallery, World};

type Spans = Arc<Mutex<Vec<(String, Span)>>>;

/// Takes spans by OTLP over HTTP, each with its service's name; the address of its `traces.url`.
async fn collector() -> (String, Spans) {
    async fn take(State(spans): State<Spans>, body: Bytes) {
        let request = ExportTraceServiceRequest::decode(body).expect("it is OTLP");
        let mut spans = spans.lock().expect("nobody panics with it");
        for resource in request.resource_spans {
            let attributes = resource.resource.expect("a resource").attributes;
            let name = attributes
                .iter()
                .find(|attribute| attribute.key == "service.name");
            let name = format!("{:?}", name.expect("its name").value);
            let scopes = resource.scope_spans.into_iter();
            spans.extend(
                scopes
                    .flat_map(|scope| scope.spans)
                    .map(|span| (name.clone(), span)),
            );
        }
    }
    let spans = Spans::default();
    let router = Router::new()
        .route("/v1/traces", post(take))
        .with_state(Arc::clone(&spans));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}/v1/traces", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, spans)
}

#[tokio::test]
async fn a_page_and_its_pictures_are_one_trace_up_to_their_documents() {
    let (url, spans) = collector().await;
    let gallery = Gallery::open(3, Duration::ZERO).await;
    let mut world = World::new("traces").await;
    world.config.traces.url = url;
    world.config.traces.ratio = 1.0;
    let mut chain = Chain::start(world).await;
    chain.seed(&gallery.site.url("/")).await;
    chain.done().await;
    gallery.check(&chain.shown().await);
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM image_urls WHERE trace IS NOT NULL)
              + (SELECT count(*) FROM outbox WHERE trace IS NOT NULL)",
    )
    .fetch_one(chain.world.pool())
    .await
    .expect("the columns are there");
    assert_eq!(left, 0, "a trace ends with its picture");
    // The last spans go out at the end.
    for service in [&mut chain.crawler, &mut chain.encoder, &mut chain.indexer] {
        let (status, _) = service.terminate().await;
        assert!(status.success(), "{status}");
    }

    let spans = std::mem::take(&mut *spans.lock().expect("nobody panics with it"));
    let by_id: HashMap<&[u8], &(String, Span)> =
        spans.iter().map(|span| (&*span.1.span_id, span)).collect();
    let documents: Vec<_> = spans
        .iter()
        .filter(|(_, span)| span.name == "write document")
        .collect();
    // Every picture: one of each page, and the logo.
    assert!(documents.len() >= 4, "{spans:#?}");
    // By their fetch: a message that the broker delivers twice makes a second document's span.
    let mut whole = BTreeSet::new();
    for (_, document) in documents {
        let mut way = vec![document];
        while let Some((_, parent)) = by_id.get(&*way[way.len() - 1].parent_span_id) {
            assert_eq!(parent.trace_id, document.trace_id);
            way.push(parent);
        }
        let names: Vec<&str> = way.iter().map(|span| &*span.name).collect();
        assert!(
            way[way.len() - 1].parent_span_id.is_empty(),
            "{names:?} has an end that was not sent"
        );
        if names
            == [
                "write document",
                "process images.embedded",
                "process images.fetched",
                "fetch image",
                "fetch page",
            ]
        {
            whole.insert(&way[3].span_id);
        }
    }
    assert_eq!(
        whole.len(),
        4,
        "each picture's way from its page is one trace"
    );
    let named = |name: &str, service: &str| {
        let mut found = spans
            .iter()
            .filter(|(_, span)| span.name == name)
            .peekable();
        assert!(found.peek().is_some(), "no {name}");
        assert!(
            found.all(|(told, _)| told.contains(service)),
            "{name} is of {service}"
        );
    };
    named("fetch page", "tusou-crawler");
    named("fetch image", "tusou-crawler");
    named("encode", "tusou-encoder");
    named("process images.fetched", "tusou-encoder");
    named("write document", "tusou-indexer");
    for (_, span) in &spans {
        for attribute in &span.attributes {
            assert!(
                !format!("{:?}", attribute.value).contains('?'),
                "no query is told: {attribute:?}"
            );
        }
    }
    chain.end().await;
}
