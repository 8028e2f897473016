//! What is behind TLS and passwords. Elasticsearch with security on: TLS, a password, two nodes of which one is killed. In a test program of its own,
//! since it starts a cluster of its own: two nodes of 384 MB, from the distribution that the local stack unpacked.
//!
//! An API key cannot be tried on it: the distribution that tests use lacks what its index of keys wants. How the header
//! is sent is tested against a server of the test's own (`busy_answers_are_away_and_credentials_are_sent`, in
//! `crates/platform/tests/adapters/elastic_refusals.rs`); here, that this cluster refuses a wrong one, and that the
//! refusal names the key.

mod bucket;
mod certificates;
mod cluster;
mod guarded;
mod rights;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexOptions, ModelField, index_body};
use tusou_contract::{Disposition, Verdict};
use tusou_platform::config::Elasticsearch;
use tusou_platform::elastic::{BulkItem, BulkOutcome, Elastic, ElasticError, Method};
use tusou_testkit::{Service, World, wait_until};

use crate::cluster::Cluster;

/// Documents of a bulk.
const DOCUMENTS: usize = 20;
const WRITERS: usize = 2;
/// Bulks before the node is killed, and as many again after it.
const BULKS: usize = 100;
/// For whatever must happen in the end.
const LIMIT: Duration = Duration::from_secs(60);
const WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_with_security_on() {
    tusou_platform::telemetry::install_tls();
    let mut cluster = Cluster::start();
    what_is_wrong_is_told_with_its_setting(&cluster).await;
    a_service_works_with_it(&cluster).await;
    a_node_is_killed_and_nothing_is_lost(&mut cluster).await;
}

async fn what_is_wrong_is_told_with_its_setting(cluster: &Cluster) {
    let right = cluster.config("unused");
    Elastic::new(&right)
        .expect("a client")
        .ping()
        .await
        .expect("all is right");

    let none = Elasticsearch {
        username: String::new(),
        ..right.clone()
    };
    let wrong = Elasticsearch {
        password: "guess".into(),
        ..right.clone()
    };
    let key = Elasticsearch {
        api_key: "bm86a2V5".into(),
        ..right.clone()
    };
    for (config, setting) in [
        (
            none,
            "it wants credentials: set `elasticsearch.username` and `elasticsearch.password`",
        ),
        (
            wrong,
            "`elasticsearch.username` or `elasticsearch.password` is wrong",
        ),
        (key, "`elasticsearch.api_key` is none of this cluster's"),
    ] {
        let error = refusal(&config).await;
        assert!(
            matches!(error, ElasticError::Refused { status: 401, .. }),
            "{error}"
        );
        // Nothing is dropped for it: the settings can be mended.
        assert_eq!(error.disposition(), Disposition::Later);
        assert!(error.to_string().contains(setting), "{error}");
        assert!(!error.to_string().contains(&right.password), "{error}");
    }

    let no_authority = Elasticsearch {
        ca_file: "".into(),
        ..right.clone()
    };
    let other_authority = Elasticsearch {
        ca_file: cluster.file("other.pem"),
        ..right.clone()
    };
    for config in [no_authority, other_authority] {
        let error = refusal(&config).await;
        assert!(matches!(error, ElasticError::Away(_)), "{error}");
        assert!(
            error
                .to_string()
                .contains("`elasticsearch.ca_file` must name"),
            "{error}"
        );
    }
    // Its certificate is for 127.0.0.1 and localhost.
    let other_name = Elasticsearch {
        url: right.url.replace("127.0.0.1", "127.0.0.2"),
        further_urls: Vec::new(),
        ..right.clone()
    };
    // Nobody listens there, unless the machine has all of 127.0.0.0/8 on one socket.
    assert!(matches!(refusal(&other_name).await, ElasticError::Away(_)));
    let plain = Elasticsearch {
        url: right.url.replace("https", "http"),
        further_urls: Vec::new(),
        ..right.clone()
    };
    assert!(matches!(refusal(&plain).await, ElasticError::Away(_)));

    for (file, words) in [
        ("missing.pem", "cannot be read"),
        ("node.key", "cannot be used"),
    ] {
        let config = Elasticsearch {
            ca_file: cluster.file(file),
            ..right.clone()
        };
        let error = Elastic::new(&config).expect_err("refused");
        assert!(matches!(error, ElasticError::Config(_)), "{error}");
        let told = error.to_string();
        assert!(
            told.contains("`elasticsearch.ca_file`") && told.contains(words),
            "{told}"
        );
    }
}

async fn refusal(config: &Elasticsearch) -> ElasticError {
    let elastic = Elastic::new(config).expect("a client");
    elastic.ping().await.expect_err("refused")
}

/// The indexer over Postgres and RabbitMQ of the stack and this cluster: it makes its index there and is ready; with a
/// wrong password it says so and waits.
async fn a_service_works_with_it(cluster: &Cluster) {
    let mut world = World::new("secured").await;
    world.config.elasticsearch = cluster.config(world.name());
    let elastic = Elastic::new(&world.config.elasticsearch).expect("a client");
    let mut indexer = Service::spawn(&world, "tusou-indexer").await;
    let indexes = elastic
        .alias(world.name())
        .await
        .expect("the cluster answers");
    assert_eq!(indexes.len(), 1, "{indexes:?}");
    assert!(!indexer.log().contains(&world.config.elasticsearch.password));
    let (status, _) = indexer.terminate().await;
    assert!(status.success(), "{status}");

    world.config.elasticsearch.password = "guess".into();
    let indexer = Service::spawn_unready(&world, "tusou-indexer").await;
    wait_until(LIMIT, "the indexer to name the setting", async || {
        indexer.log().contains("`elasticsearch.password` is wrong")
    })
    .await;
    assert!(!indexer.is_ready().await);
    drop(indexer);
    world.end().await;
}

async fn a_node_is_killed_and_nothing_is_lost(cluster: &mut Cluster) {
    let config = cluster.config("killed");
    let elastic = Elastic::new(&config).expect("a client");
    let models = [ModelField {
        field: IMAGE_EMBEDDING.into(),
        model: "test".into(),
        digest: "d".into(),
        dimension: 3,
    }];
    let options = IndexOptions {
        replicas: 1,
        ..IndexOptions::default()
    };
    elastic
        .create_index("killed", &index_body(&models, &options))
        .await
        .expect("made");
    wait_until(LIMIT, "both nodes to hold the index", async || {
        let health = elastic
            .request(Method::Get, "/_cluster/health/killed", None)
            .await;
        health.expect("it answers")["status"] == "green"
    })
    .await;

    // They write until it is enough, however long the kill takes: it always comes in the midst.
    let written = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (written, enough) = (Arc::clone(&written), Arc::clone(&enough));
            tokio::spawn(write(elastic.clone(), writer, written, enough))
        })
        .collect();
    let searcher = tokio::spawn(search(elastic.clone(), Arc::clone(&enough)));
    let reaches = async |bulks: usize| {
        wait_until(LIMIT, "bulks to be written", async || {
            written.load(Ordering::Relaxed) >= bulks
        })
        .await;
    };
    reaches(BULKS).await;
    cluster.kill("b");
    reaches(written.load(Ordering::Relaxed) + BULKS).await;
    enough.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("every bulk is answered in the end");
    }
    let searches = searcher.await.expect("searches go on");
    assert!(searches > 10, "{searches} searches");
    elastic.refresh("killed").await.expect("refreshed");
    let count = elastic.count("killed").await.expect("a count");
    let bulks = written.load(Ordering::Relaxed);
    assert_eq!(count, (bulks * DOCUMENTS) as u64);

    cluster.kill("a");
    let error = elastic.ping().await.expect_err("no node is left");
    assert!(
        error.to_string().contains("none of 2 nodes answers"),
        "{error}"
    );
}

/// Bulks one after the other, each until every item of it is written, until it is enough.
async fn write(
    elastic: Elastic,
    writer: usize,
    written: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
) {
    for bulk in 0.. {
        if enough.load(Ordering::Relaxed) {
            return;
        }
        let items: Vec<_> = (0..DOCUMENTS)
            .map(|number| item(writer, bulk, number))
            .collect();
        let end = Instant::now() + LIMIT;
        while !is_written(elastic.bulk(&items).await) {
            assert!(Instant::now() < end, "a bulk is still not written");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_written(answer: Result<Vec<BulkOutcome>, ElasticError>) -> bool {
    match answer {
        Ok(outcomes) => outcomes.iter().all(|outcome| match outcome {
            // Of the same version: written again.
            BulkOutcome::Written | BulkOutcome::Superseded => true,
            BulkOutcome::Busy { .. } => false,
            other => panic!("{other:?}"),
        }),
        Err(error) => {
            assert_eq!(error.disposition(), Disposition::Later, "{error}");
            false
        }
    }
}

fn item(writer: usize, bulk: usize, number: usize) -> BulkItem {
    let id = format!("{writer}-{bulk}-{number}");
    let vector = [writer as f32 + 1.0, bulk as f32, number as f32];
    let source = json!({"image_id": id, "image_name": "x", IMAGE_EMBEDDING: vector});
    BulkItem {
        index: "killed".into(),
        id,
        version: 1,
        source: Some(source.to_string().into_bytes().into()),
    }
}

/// Searches until it is enough; how many. Every one must be answered, whole.
async fn search(elastic: Elastic, enough: Arc<AtomicBool>) -> usize {
    let body = json!({
        "knn": {"field": IMAGE_EMBEDDING, "k": 5, "num_candidates": 20, "query_vector": [1, 2, 3]},
        "_source": false,
    });
    let mut searches = 0;
    while !enough.load(Ordering::Relaxed) {
        let found: Value = elastic
            .search_within("killed", &body, WITHIN)
            .await
            .expect("one of two nodes holds all of it");
        assert_eq!(found["_shards"]["failed"], 0);
        searches += 1;
    }
    searches
}
