//! The document tells of what is served: each method that it names is taken, and no other.

use reqwest::Method;
use serde_json::Value;
use tusou_testkit::World;

use crate::support::Search;

#[tokio::test]
async fn the_methods_of_the_document_are_those_that_are_taken() {
    let world = World::new("search_openapi").await;
    let search = Search::start(&world).await;
    let (status, api) = search.json("/v1/openapi.json").await;
    assert_eq!((status, &api["openapi"]), (200, &Value::from("3.1.0")));
    let mut seen = 0;
    for (path, described) in api["paths"].as_object().expect("paths") {
        let address = search.url(&path.replace("{id}", &"0".repeat(64)));
        for method in ["get", "post", "put", "patch", "delete"] {
            let named = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let answer = search.client.request(named, &address).send().await;
            let answer = answer.expect("an answer");
            let taken = answer.status().as_u16() != 405;
            assert_eq!(taken, described.get(method).is_some(), "{method} {path}");
            if !taken {
                let allowed = answer.headers()["allow"].to_str().expect("ASCII");
                assert!(allowed.contains("GET"), "{method} {path}: {allowed}");
                assert_eq!(answer.headers()["content-type"], "application/problem+json");
            }
            seen += usize::from(taken);
        }
    }
    assert!(seen >= 6, "{seen}");
    search.stop().await;
    world.end().await;
}
