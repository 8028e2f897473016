//! What is found, and what is said of it.

use serde_json::{Value, json};
use tusou_contract::BlobKey;
use tusou_testkit::{World, pictures};

use crate::support::{Search, id, index, names, sightings_of_bird, told, upload, vectors};

#[tokio::test]
async fn words_and_pictures_find_the_nearest_with_their_pages() {
    let world = World::new("search_answers").await;
    index(&world, "1", &vectors(&world.config).field).await;
    sightings_of_bird(&world).await;
    let search = Search::ready(&world).await;

    let (status, answer) = search.json("/v1/search?q=a+small+bird&k=3").await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(names(&answer).len(), 3);
    let bird = &answer["hits"][0];
    assert_eq!(bird["image_id"], json!(id("bird")));
    // The very words that were indexed: the same direction, so a cosine of one.
    assert!((bird["score"].as_f64().expect("a score") - 1.0).abs() < 1e-3);
    assert_eq!(bird["width"], 96);
    assert_eq!(bird["format"], "png");
    assert_eq!(bird["sightings"], 7);
    assert_eq!(bird["captions"], json!(["a bird <b>&amp;</b>"]));
    // Live ones first, the earliest first; the gone one is not among the first five.
    let pages = bird["pages"].as_array().expect("pages");
    let urls: Vec<_> = pages.iter().map(|page| page["page_url"].clone()).collect();
    let expected = [5, 4, 3, 2, 1].map(|n| json!(format!("http://example.org/{n}")));
    assert_eq!(urls, expected);
    assert_eq!(pages[0]["page_title"], "Page 5");
    assert_eq!(pages[0]["image_url"], "http://example.org/bird.png");
    assert_eq!(pages[0]["gone_since"], Value::Null);
    // A sighting's rights are its page's, completed by the file's; the hit's are the document's.
    let (license, acquire) = ("https://example.org/by", "https://example.org/buy");
    assert_eq!(
        pages[0]["rights"],
        json!({"creator": "page 5", "license": license, "acquire": acquire})
    );
    assert_eq!(
        pages[1]["rights"],
        json!({"creator": "the file", "license": license})
    );
    assert_eq!(bird["rights"], json!({"creator": "most <b>pages</b>"}));
    // A picture without rows has no pages, and is a hit all the same.
    assert_eq!(answer["hits"][1]["pages"], json!([]));

    for (number, name) in [(1, "first.png"), (2, "second.png")] {
        let (status, answer) = told(
            search
                .post("/v1/search?k=1", upload(pictures::png(number)))
                .await,
        )
        .await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(names(&answer), [name]);
        assert!(answer["hits"][0]["score"].as_f64().expect("a score") > 0.99);
    }
    let form = upload(pictures::png(1)).text("k", "2");
    let (_, answer) = told(search.post("/v1/search", form).await).await;
    assert_eq!(names(&answer).len(), 2);

    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn one_picture_is_shown_with_its_thumbnail_its_pages_and_its_likes() {
    let world = World::new("search_image").await;
    index(&world, "1", &vectors(&world.config).field).await;
    sightings_of_bird(&world).await;
    let thumbnail = pictures::jpeg(9);
    let key = BlobKey::thumbnail(&id("bird"));
    let blobs = world.blobs();
    blobs
        .put(&key, thumbnail.clone().into())
        .await
        .expect("a blob");
    let search = Search::ready(&world).await;
    let path = |rest: &str| format!("/v1/images/{}{rest}", id("bird"));

    let (status, document) = search.json(&path("")).await;
    assert_eq!(status, 200, "{document}");
    assert_eq!(document["colors"], json!(["red"]));
    assert_eq!(document["pages"].as_array().map(Vec::len), Some(7));
    assert_eq!(document["pages"][6]["page_url"], "http://example.org/6");
    assert_eq!(document["pages"][6]["rights"]["creator"], "the file");
    assert_eq!(document["rights"]["creator"], "most <b>pages</b>");
    assert_eq!(document.get("image_embedding"), None);

    let answer = search
        .get(document["thumbnail"].as_str().expect("a path"))
        .await;
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    let kept = answer.headers()["cache-control"].to_str().expect("ASCII");
    assert!(kept.contains("immutable"), "{kept}");
    assert_eq!(answer.bytes().await.expect("a body"), thumbnail);

    let (status, answer) = search.json(&path("/similar?k=3")).await;
    assert_eq!(status, 200, "{answer}");
    let mut found = names(&answer);
    found.sort_unstable();
    assert_eq!(found, ["first.png", "second.png", "ship.png"]);

    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn every_sighting_is_shown_the_oldest_first_a_page_at_a_time() {
    let world = World::new("search_sightings").await;
    index(&world, "1", &vectors(&world.config).field).await;
    sightings_of_bird(&world).await;
    let search = Search::ready(&world).await;
    let path = format!("/v1/images/{}/sightings?limit=3", id("bird"));
    let (status, mut page) = search.json(&path).await;
    assert_eq!(status, 200, "{page}");
    assert_eq!((&page["live"], &page["gone"]), (&json!(6), &json!(1)));
    let mut urls = Vec::new();
    loop {
        let sightings = page["sightings"].as_array().expect("sightings");
        assert!((1..=3).contains(&sightings.len()), "{page}");
        urls.extend(sightings.iter().map(|seen| seen["page_url"].clone()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        page = search.json(&format!("{path}&cursor={next}")).await.1;
    }
    // The gone one was seen first of all, and stands where it was seen.
    let expected: Vec<Value> = (0..7)
        .rev()
        .map(|n| json!(format!("http://example.org/{n}")))
        .collect();
    assert_eq!(urls, expected);

    let (status, problem) = search.json(&format!("{path}&cursor=x")).await;
    assert_eq!((status, &problem["field"]), (400, &json!("cursor")));
    let (status, _) = search
        .json(&format!("/v1/images/{}/sightings", id("ship")))
        .await;
    assert_eq!(status, 404);
    search.stop().await;
    world.end().await;
}

/// The request of the article that the project started from, sent as it stands, with a query vector
/// that is not normalised.
#[tokio::test]
async fn the_article_s_request_answers_unchanged() {
    let world = World::new("search_article").await;
    let vectors = vectors(&world.config);
    index(&world, "1", &vectors.field).await;
    let unnormalised: Vec<f32> = vectors.ship.iter().map(|value| value * 37.5).collect();
    let request = json!({
        "knn": {"field": "image_embedding", "k": 5, "num_candidates": 10, "query_vector": unnormalised},
        "fields": ["image_id", "image_name", "relative_path"],
    });
    let alias = &world.config.elasticsearch.alias;
    let answer = world
        .elastic()
        .search(alias, &request)
        .await
        .expect("it is answered");
    let hits = answer["hits"]["hits"].as_array().expect("hits");
    assert_eq!(hits.len(), 4);
    let fields = &hits[0]["fields"];
    assert_eq!(fields["image_id"], json!([id("ship")]));
    assert_eq!(fields["image_name"], json!(["ship.png"]));
    let path = fields["relative_path"][0].as_str().expect("a path");
    assert!(path.starts_with("originals/"), "{path}");
    assert!(hits[0]["_score"].as_f64().expect("a score") > 0.999);
    world.end().await;
}
