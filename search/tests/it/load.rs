//! More than it takes, and an end while it is at work.

use std::time::Duration;

use serde_json::json;
use tusou_testkit::{World, wait_until};

use crate::support::{LONG, Search, index, told, upload, vectors};

#[tokio::test]
async fn what_is_too_much_is_turned_away_and_what_is_in_hand_is_answered() {
    let mut world = World::new("search_load").await;
    world.config.search.concurrency = 1;
    world.config.search.timeout_ms = 3_000;
    index(&world, "1", &vectors(&world.config).field).await;
    let elastic = world.proxy_elasticsearch().await;
    let search = Search::ready(&world).await;
    assert_eq!(search.json("/v1/search?q=bird").await.0, 200);

    // The index takes the question and never answers it.
    elastic.stall();
    let (client, url) = (search.client.clone(), search.url("/v1/search?q=bird"));
    let in_hand = tokio::spawn(async move {
        loop {
            let answer = client.get(&url).send().await.expect("an answer");
            let (status, problem) = told(answer).await;
            // The looks below take the one place now and then.
            if problem["type"] != "urn:tusou:problem:busy" {
                return (status, problem);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    wait_until(LONG, "the next one is turned away", async || {
        let (status, problem) = search.json("/v1/search?q=ship").await;
        status == 503 && problem["type"] == "urn:tusou:problem:busy"
    })
    .await;
    // A picture is turned away as well, and its sender reads why, though nobody wants its bytes.
    wait_until(LONG, "a picture is turned away", async || {
        let answer = search.post("/v1/search", upload(vec![0xFF; 8 << 20])).await;
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let retry = answer.headers().contains_key("retry-after");
        let (status, problem) = told(answer).await;
        status == 503 && problem["type"] == "urn:tusou:problem:busy" && retry
    })
    .await;
    // What asks nothing of the index is served beside it.
    assert_eq!(search.get("/healthz/live").await.status().as_u16(), 200);

    search.stop().await;
    let (status, problem) = in_hand.await.expect("it does not panic");
    assert_eq!(
        (status, &problem["type"]),
        (503, &json!("urn:tusou:problem:timeout")),
        "{problem}"
    );
    world.end().await;
}
