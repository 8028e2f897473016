//! Elasticsearch away, busy or unwilling.

use serde_json::json;
use tusou_platform::elastic::{Elastic, ElasticError};
use tusou_testkit::{Reply, Site, World};

use crate::elastic::{document, index, item, names};

#[tokio::test]
async fn a_cut_connection_is_away_and_the_same_bulk_again_is_right() {
    let mut world = World::new("elastic_cut").await;
    let (_, index) = index(&world, "a").await;
    let proxy = world.proxy_elasticsearch().await;
    let elastic = Elastic::new(&world.config.elasticsearch).expect("a client");
    elastic.ping().await.expect("the proxy passes on");
    let items = [item(&index, "a", 1, document("a", "first"))];

    proxy.cut();
    assert!(matches!(elastic.ping().await, Err(ElasticError::Away(_))));
    assert!(matches!(
        elastic.bulk(&items).await,
        Err(ElasticError::Away(_))
    ));
    proxy.restore();
    elastic.ping().await.expect("it is there again");
    elastic.bulk(&items).await.expect("it is there again");
    elastic.bulk(&items).await.expect("a bulk can be repeated");
    assert_eq!(
        names(&elastic, &index).await,
        [("a".to_owned(), "first".to_owned())]
    );
    world.end().await;
}

#[tokio::test]
async fn a_silent_server_is_away_after_the_time_out() {
    let mut world = World::new("elastic_silent").await;
    let proxy = world.proxy_elasticsearch().await;
    world.config.elasticsearch.timeout_ms = 300;
    let elastic = Elastic::new(&world.config.elasticsearch).expect("a client");
    proxy.stall();
    let error = elastic.ping().await.expect_err("nothing comes through");
    assert!(matches!(error, ElasticError::Away(_)), "{error}");
    world.end().await;
}

#[tokio::test]
async fn a_refusal_says_what_was_refused_and_why() {
    let world = World::new("elastic_refusal").await;
    let (elastic, index) = index(&world, "a").await;
    let wrong = json!({"query": {"no_such_query": "é".repeat(900)}});
    let error = elastic.search(&index, &wrong).await.expect_err("refused");
    match &error {
        ElasticError::Refused {
            status: 400,
            what,
            reason,
        } => {
            assert_eq!(what, "a search");
            assert!(reason.contains("no_such_query"), "{reason}");
            assert!(reason.chars().count() <= 500);
        }
        other => panic!("{other:?}"),
    }
    let error = elastic.count("no-such-index").await.expect_err("refused");
    assert!(
        matches!(error, ElasticError::Refused { status: 404, .. }),
        "{error}"
    );
    let bad_mapping = json!({"mappings": {"properties": {"x": {"type": "no-such-type"}}}});
    let name = format!("{}-bad", world.name());
    let error = elastic
        .create_index(&name, &bad_mapping)
        .await
        .expect_err("refused");
    assert!(error.to_string().contains("no-such-type"), "{error}");
    world.end().await;
}

/// The real server cannot be brought to answer so at will, nor can the distribution that tests use
/// check an API key; what is sent and how an answer is taken is the same.
#[tokio::test]
async fn busy_answers_are_away_and_credentials_are_sent() {
    let site = Site::start().await;
    let mut config = tusou_platform::config::Elasticsearch {
        url: site.url(""),
        ..Default::default()
    };
    for status in [502, 503, 504] {
        site.put("/_cluster/health", Reply::status(status));
        let error = Elastic::new(&config).expect("a client").ping().await;
        assert!(
            matches!(error, Err(ElasticError::Away(_))),
            "{status}: {error:?}"
        );
    }
    site.put("/_cluster/health", Reply::bytes("application/json", "{}"));
    let authorization = async |config: &tusou_platform::config::Elasticsearch| {
        Elastic::new(config)
            .expect("a client")
            .ping()
            .await
            .expect("an answer");
        let request = site.requests().pop().expect("it came");
        let header = request.headers.get("authorization");
        header.map(|value| value.to_str().expect("ASCII").to_owned())
    };
    assert_eq!(authorization(&config).await, None);
    config.username = "u".into();
    config.password = "p".into();
    assert_eq!(authorization(&config).await.as_deref(), Some("Basic dTpw"));
    config.api_key = "a2V5".into();
    assert_eq!(authorization(&config).await.as_deref(), Some("ApiKey a2V5"));
}

#[test]
fn an_unusable_address_is_told_with_its_key() {
    for url in ["", "here", "ftp://h", "http://u:p@127.0.0.1:9200"] {
        let config = tusou_platform::config::Elasticsearch {
            url: url.into(),
            ..Default::default()
        };
        let error = Elastic::new(&config).expect_err("refused").to_string();
        assert!(error.contains("elasticsearch.url"), "{error}");
    }
}
