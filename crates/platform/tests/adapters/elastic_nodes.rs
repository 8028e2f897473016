//! Several nodes, and searches within a time.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tusou_contract::{Disposition, Verdict};
use tusou_platform::config::Elasticsearch;
use tusou_platform::elastic::{BulkOutcome, Elastic, ElasticError};
use tusou_testkit::{Proxy, Reply, Site, World, wait_until};
use url::Url;

use crate::elastic::{document, index, item, names};

const HEALTH: &str = "/_cluster/health";
/// What is asked of a node that was passed over.
const LOOK: &str = "/_cluster/health?filter_path=status&master_timeout=2s&timeout=2s";

fn nodes(urls: &[String]) -> Elasticsearch {
    Elasticsearch {
        url: urls[0].clone(),
        further_urls: urls[1..].to_vec(),
        ..Elasticsearch::default()
    }
}

fn well() -> Reply {
    Reply::bytes("application/json", "{}")
}

#[tokio::test]
async fn while_one_node_answers_nothing_is_away() {
    let mut world = World::new("elastic_nodes").await;
    let (_, index) = index(&world, "a").await;
    let server = Url::parse(&world.config.elasticsearch.url).expect("a URL");
    let server = server.socket_addrs(|| None).expect("an address")[0].to_string();
    let first = world.proxy_elasticsearch().await;
    let second = Proxy::start(&server).await;
    let mut config = world.config.elasticsearch.clone();
    config.further_urls = vec![format!("http://{}", second.address())];
    let elastic = Elastic::new(&config).expect("a client");

    for (round, cut) in [None, Some(&first), Some(&second)].into_iter().enumerate() {
        if let Some(proxy) = cut {
            proxy.cut();
        }
        for number in 0..10 {
            let id = format!("{round}-{number}");
            let outcomes = elastic
                .bulk(&[item(&index, &id, 1, document(&id, "x"))])
                .await;
            assert_eq!(outcomes.expect("a node answers"), [BulkOutcome::Written]);
        }
        if let Some(proxy) = cut {
            proxy.restore();
        }
    }
    first.cut();
    second.cut();
    let error = elastic.ping().await.expect_err("none answers");
    assert!(matches!(error, ElasticError::Away(_)), "{error}");
    assert!(
        error.to_string().contains("none of 2 nodes answers"),
        "{error}"
    );
    assert_eq!(error.disposition(), Disposition::Later);
    // Passed over is not forgotten: with no other, it is asked at once.
    first.restore();
    elastic.ping().await.expect("the first answers again");
    assert_eq!(names(&world.elastic(), &index).await.len(), 30);
    world.end().await;
}

#[tokio::test]
async fn a_node_that_cannot_serve_is_passed_over_until_it_can() {
    let (ill, fine) = (Site::start().await, Site::start().await);
    let elastic = Elastic::new(&nodes(&[ill.url(""), fine.url("")])).expect("a client");
    fine.put(HEALTH, well());
    for reply in [Reply::status(502), Reply::status(503), Reply::status(504)] {
        ill.put(HEALTH, reply.clone());
        ill.put(LOOK, reply);
        for _ in 0..6 {
            elastic.ping().await.expect("the other answers");
        }
        assert_eq!(ill.hits(HEALTH), 1, "once, then it is passed over");
    }
    ill.put(HEALTH, well());
    ill.put(LOOK, well());
    let seconds = Duration::from_secs(60);
    wait_until(seconds, "the node to be asked again", async || {
        elastic.ping().await.expect("one answers");
        ill.hits(HEALTH) > 1
    })
    .await;
    // Both of them serve from now on: in turn.
    let before = (ill.hits(HEALTH), fine.hits(HEALTH));
    for _ in 0..10 {
        elastic.ping().await.expect("one answers");
    }
    assert_eq!(ill.hits(HEALTH) - before.0, 5);
    assert_eq!(fine.hits(HEALTH) - before.1, 5);
}

/// As when a node was killed a moment ago: the other answers 503 until its copies of the shards are the first ones.
#[tokio::test]
async fn a_cluster_that_cannot_serve_for_a_moment_is_asked_again() {
    let (dead, moving) = (Site::start().await, Site::start().await);
    let config = nodes(&[dead.url(""), moving.url("")]);
    drop(dead);
    let elastic = Elastic::new(&config).expect("a client");
    moving.put_each(HEALTH, vec![Reply::status(503), Reply::status(503), well()]);
    elastic.ping().await.expect("it serves a moment later");
    assert_eq!(moving.hits(HEALTH), 3);

    // Not for ever; and what each of them said is told.
    moving.put(HEALTH, Reply::status(503));
    let error = elastic.ping().await.expect_err("it never serves");
    assert!(matches!(error, ElasticError::Away(_)), "{error}");
    let error = error.to_string();
    for url in [&config.url, &config.further_urls[0]] {
        let name = url.trim_start_matches("http://");
        assert!(error.contains(&format!("{name}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_of_one_node_is_that_of_the_cluster() {
    let (first, second) = (Site::start().await, Site::start().await);
    let elastic = Elastic::new(&nodes(&[first.url(""), second.url("")])).expect("a client");
    for status in [400, 401, 403, 413, 429, 500] {
        first.put(HEALTH, Reply::status(status));
        second.put(HEALTH, Reply::status(status));
        let before = first.hits(HEALTH) + second.hits(HEALTH);
        let error = elastic.ping().await.expect_err("refused");
        assert_eq!(error.disposition(), Disposition::Later);
        assert!(
            match status {
                413 => matches!(error, ElasticError::TooLarge(_)),
                429 => matches!(error, ElasticError::Overloaded(_)),
                _ => matches!(error, ElasticError::Refused { status: told, .. } if told == status),
            },
            "{status}: {error}"
        );
        assert_eq!(first.hits(HEALTH) + second.hits(HEALTH), before + 1);
    }
}

#[tokio::test]
async fn a_silent_node_costs_one_request_its_time_and_no_other() {
    let (silent, fine) = (Site::start().await, Site::start().await);
    silent.put(HEALTH, Reply::silence());
    silent.put(LOOK, Reply::silence());
    fine.put(HEALTH, well());
    let mut config = nodes(&[silent.url(""), fine.url("")]);
    config.timeout_ms = 500;
    let elastic = Elastic::new(&config).expect("a client");
    assert!(matches!(elastic.ping().await, Err(ElasticError::Away(_))));
    for _ in 0..10 {
        elastic.ping().await.expect("the other answers");
    }
    assert_eq!(silent.hits(HEALTH), 1);
}

#[derive(Debug, Deserialize)]
struct Found {
    timed_out: bool,
    hits: Hits,
}

#[derive(Debug, Deserialize)]
struct Hits {
    hits: Vec<Value>,
}

#[tokio::test]
async fn a_search_within_a_time_is_read_into_the_callers_type() {
    let world = World::new("elastic_within").await;
    let (elastic, index) = index(&world, "a").await;
    elastic
        .bulk(&[item(&index, "a", 1, document("a", "x"))])
        .await
        .expect("written");
    elastic.refresh(&index).await.expect("refreshed");
    let body = json!({"query": {"match_all": {}}});
    let within = Duration::from_secs(10);
    let found: Found = elastic
        .search_within(&index, &body, within)
        .await
        .expect("found");
    assert!(!found.timed_out);
    assert_eq!(found.hits.hits.len(), 1);

    let none = elastic
        .search_within::<Found>("no-such-index", &body, within)
        .await;
    assert!(
        matches!(none, Err(ElasticError::Refused { status: 404, .. })),
        "{none:?}"
    );
    let other = elastic
        .search_within::<Vec<u8>>(&index, &body, within)
        .await;
    assert!(matches!(other, Err(ElasticError::Answer(_))), "{other:?}");
    let late = elastic
        .search_within::<Found>(&index, &body, Duration::ZERO)
        .await;
    assert!(matches!(late, Err(ElasticError::Away(_))), "{late:?}");
    world.end().await;
}

#[tokio::test]
async fn the_time_of_a_search_goes_along_and_ends_it() {
    let site = Site::start().await;
    let elastic = Elastic::new(&nodes(&[site.url("")])).expect("a client");
    let body = json!({});
    let _ = elastic
        .search_within::<Value>("i", &body, Duration::from_millis(700))
        .await;
    let asked = site.requests().pop().expect("it came").path;
    let (path, query) = asked.split_once('?').expect("a query");
    assert_eq!(path, "/i/_search");
    let (partial, time) = query.split_once('&').expect("two");
    assert_eq!(partial, "allow_partial_search_results=false");
    let time = time
        .strip_prefix("timeout=")
        .and_then(|time| time.strip_suffix("ms"));
    let left: u64 = time.expect("milliseconds").parse().expect("a number");
    assert!((1..=700).contains(&left), "{left}");

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let elastic = Elastic::new(&nodes(&[url])).expect("a client");
    let silent = elastic
        .search_within::<Value>("i", &body, Duration::from_millis(200))
        .await;
    assert!(matches!(silent, Err(ElasticError::Away(_))), "{silent:?}");
}

#[tokio::test]
async fn a_search_that_nobody_waits_for_any_more_closes_its_connection() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let elastic = Elastic::new(&nodes(&[url])).expect("a client");
    let body = json!({});
    let search = tokio::spawn(async move {
        elastic
            .search_within::<Value>("i", &body, Duration::from_secs(600))
            .await
    });
    let (mut connection, _) = listener.accept().await.expect("it comes");
    let mut read = [0; 4096];
    assert!(connection.read(&mut read).await.expect("a request") > 0);
    search.abort();
    // Elasticsearch cancels a search whose connection is closed.
    let limit = Duration::from_secs(60);
    let end = tokio::time::timeout(limit, async {
        while matches!(connection.read(&mut read).await, Ok(1..)) {}
    });
    end.await.expect("the connection is closed");
}
