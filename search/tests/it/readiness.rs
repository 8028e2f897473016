//! When it may not answer, it says so; when it may again, it does.

use tusou_contract::mapping::ModelField;
use tusou_testkit::{Service, World, wait_until};

use crate::support::{LONG, Search, index, vectors};

#[tokio::test]
async fn an_absent_index_and_one_of_another_model_are_refused_until_the_right_one_is_there() {
    let world = World::new("search_readiness").await;
    let own = &vectors(&world.config).field;
    let search = Search::start(&world).await;
    let index_says = async |words: &str| {
        wait_until(LONG, words, async || {
            let report = search.health.ready();
            !report.is_ok()
                && report
                    .parts
                    .get("index")
                    .is_some_and(|said| said.contains(words))
        })
        .await;
        let answer = search.get("/v1/search?q=bird").await;
        let status = answer.status().as_u16();
        assert_eq!(answer.headers()["retry-after"], "2");
        let problem: serde_json::Value = answer.json().await.expect("a problem");
        assert_eq!(
            (status, &problem["type"]),
            (503, &"urn:tusou:problem:index_not_ready".into()),
            "{problem}"
        );
    };

    index_says("there is no index behind").await;
    // The same name and dimension: only the digest tells them apart.
    let other = ModelField {
        digest: "0".repeat(64),
        ..own.clone()
    };
    index(&world, "other", &other).await;
    index_says("was made with").await;
    index(&world, "right", own).await;
    wait_until(LONG, "search is ready", async || {
        search.health.ready().is_ok()
    })
    .await;
    assert_eq!(search.json("/v1/search?q=bird").await.0, 200);

    // The alias moves between two looks: no hit of the other model is ever shown.
    let alias = &world.config.elasticsearch.alias;
    let moved = format!("{}-other", world.name());
    world
        .elastic()
        .point_alias(alias, &moved)
        .await
        .expect("it moves");
    let (status, problem) = search.json("/v1/search?q=bird").await;
    assert_eq!(status, 503, "{problem}");

    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn stores_that_go_away_are_a_503_and_come_back() {
    let mut world = World::new("search_outages").await;
    index(&world, "1", &vectors(&world.config).field).await;
    let elastic = world.proxy_elasticsearch().await;
    let database = world.proxy_database().await;
    let search = Search::ready(&world).await;
    let status = async || search.get("/v1/search?q=bird").await.status().as_u16();
    assert_eq!(status().await, 200);
    for proxy in [&elastic, &database] {
        proxy.cut();
        assert_eq!(status().await, 503);
        proxy.restore();
        wait_until(LONG, "search answers again", async || status().await == 200).await;
    }
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn the_binary_serves_its_metrics_and_ends_well_on_sigterm() {
    let world = World::new("search_binary").await;
    index(&world, "1", &vectors(&world.config).field).await;
    let mut service = Service::spawn(&world, "tusou-search").await;
    let answer = reqwest::Client::new()
        .get(service.url("/v1/search?q=bird"))
        .header("x-request-id", "mine-1")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.headers()["x-request-id"], "mine-1");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    assert!(answer.headers().contains_key("content-security-policy"));
    for metric in [
        "search_requests_total",
        "search_request_seconds_count",
        "search_encode_seconds_count",
        "search_index_seconds_count",
        "search_index_ready",
    ] {
        assert!(service.metric(metric).await >= 1.0, "{metric}");
    }
    assert!(service.log().contains("mine-1"), "{}", service.log());
    let (status, _) = service.terminate().await;
    assert!(status.success(), "{status}");
    world.end().await;
}
