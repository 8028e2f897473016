//! Filters, counts, orders, groups and pages, over the candidates of a search.

use serde_json::{Value, json};
use time::macros::datetime;
use tusou_contract::document::phash_bands;
use tusou_contract::{Document, ImageFormat, Rights};
use tusou_testkit::World;

use crate::support::{Search, document, index_of_own, names, vectors, write};

/// Five documents that differ in everything that can be filtered.
fn documents(vector: &[f32]) -> [Document; 5] {
    let sized = |name: &str, width: u32, height: u32| Document {
        width,
        height,
        pixels: Some(width * height),
        aspect: Some(width as f32 / height as f32),
        ..document(name, vector)
    };
    let by = "https://creativecommons.org/licenses/by/4.0/";
    [
        Document {
            hosts: vec!["example.org".into(), "img.example.org".into()],
            rights: Rights {
                license: Some(by.into()),
                ..Rights::default()
            },
            first_seen: datetime!(2024-05-01 00:00 UTC),
            ..sized("small", 320, 320)
        },
        Document {
            format: ImageFormat::Jpeg,
            colors: vec!["blue".into(), "white".into()],
            hosts: vec!["a.example.com".into()],
            first_seen: datetime!(2025-05-01 00:00 UTC),
            nsfw: Some(0.95),
            ..sized("medium", 1_200, 800)
        },
        Document {
            hosts: vec!["example.com".into()],
            first_seen: datetime!(2026-05-01 00:00 UTC),
            ..sized("large", 1_500, 2_000)
        },
        Document {
            first_seen: datetime!(2026-05-02 00:00 UTC),
            phash: Some("9a3c51e706d8b24f".into()),
            phash_bands: phash_bands("9a3c51e706d8b24f"),
            ..sized("huge", 6_000, 2_000)
        },
        // A smaller copy of it.
        Document {
            first_seen: datetime!(2023-05-02 00:00 UTC),
            phash: Some("9a3c51e706d8b24d".into()),
            phash_bands: phash_bands("9a3c51e706d8b24d"),
            ..sized("copy", 600, 200)
        },
    ]
}

async fn found(search: &Search, more: &str) -> Vec<String> {
    let (status, answer) = search
        .json(&format!(
            "/v1/search?q=a+small+bird&mode=looks&all=on&{more}"
        ))
        .await;
    assert_eq!(status, 200, "{more}: {answer}");
    let mut found: Vec<String> = names(&answer)
        .into_iter()
        .map(|name| name.trim_end_matches(".png").to_owned())
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn every_filter_lets_its_own_through() {
    let world = World::new("search_filters").await;
    let vectors = vectors(&world.config);
    index_of_own(&world, &documents(&vectors.bird)).await;
    let search = Search::ready(&world).await;
    for (filter, expected) in [
        ("host=example.org", &["copy", "huge", "small"][..]),
        ("host=*.example.com,example.com", &["large", "medium"]),
        ("host=*.example.org", &["small"]),
        ("format=jpeg", &["medium"]),
        ("color=white", &["medium"]),
        (
            "color=red,blue",
            &["copy", "huge", "large", "medium", "small"],
        ),
        ("size=small", &["copy", "small"]),
        ("size=large,huge", &["huge", "large"]),
        ("shape=square", &["small"]),
        ("shape=tall,panorama", &["copy", "huge", "large"]),
        ("license=any", &["small"]),
        ("license=https://creativecommons.org/", &["small"]),
        ("license=none&format=jpeg", &["medium"]),
        ("since=2026-05-01", &["huge", "large"]),
        ("since=2026-05-01&until=2026-05-01", &["large"]),
        ("min_width=1500&min_height=2000", &["huge", "large"]),
        // No safety model runs here: nothing is left out by a score that nobody makes.
        ("safe=on&format=jpeg", &["medium"]),
    ] {
        assert_eq!(
            found(&search, &format!("group=off&{filter}")).await,
            expected,
            "{filter}"
        );
    }
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn candidates_are_counted_grouped_and_put_in_order() {
    let world = World::new("search_order").await;
    let vectors = vectors(&world.config);
    index_of_own(&world, &documents(&vectors.bird)).await;
    let search = Search::ready(&world).await;
    let ask = async |more: &str| {
        let path = format!("/v1/search?q=a+small+bird&mode=looks&all=on&{more}");
        let (status, answer) = search.json(&path).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let answer = ask("sort=largest&facets=on").await;
    assert_eq!(
        names(&answer),
        ["huge.png", "large.png", "medium.png", "small.png"]
    );
    let huge = &answer["hits"][0];
    assert_eq!(
        (&huge["copies_total"], &huge["copies"][0]["width"]),
        (&json!(1), &json!(600))
    );
    let considered = &answer["considered"];
    assert_eq!(
        (&considered["found"], &considered["hits"]),
        (&json!(5), &json!(4))
    );
    assert_eq!(considered["limit"], 1_000);
    let facets = &answer["facets"];
    assert_eq!(
        facets["format"],
        json!([{"value": "png", "count": 4}, {"value": "jpeg", "count": 1}])
    );
    assert_eq!(facets["size"][0], json!({"value": "small", "count": 2}));
    assert_eq!(facets["year"][0], json!({"value": "2026", "count": 2}));

    // Who did not ask for counts on the first page may on another: they are of all, whatever page they come with.
    let first = ask("k=2").await;
    assert_eq!(first.get("facets"), None);
    let cursor = first["next"].as_str().expect("there is more");
    let second = ask(&format!("k=2&facets=on&cursor={cursor}")).await;
    assert_eq!(&second["facets"], facets);

    let answer = ask("sort=oldest&group=off").await;
    let order = [
        "copy.png",
        "small.png",
        "medium.png",
        "large.png",
        "huge.png",
    ];
    assert_eq!(names(&answer), order);
    let mut newest = order;
    newest.reverse();
    assert_eq!(names(&ask("sort=newest&group=off").await), newest);
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn pages_are_of_one_list_and_a_changed_one_is_told() {
    let world = World::new("search_pages").await;
    let vectors = vectors(&world.config);
    let index = index_of_own(&world, &documents(&vectors.bird)).await;
    let asked = "q=a+small+bird&mode=looks&all=on&group=off&sort=oldest&k=2";
    let search = Search::ready(&world).await;
    let next = |answer: &Value| answer["next"].as_str().expect("a further page").to_owned();
    let (_, first) = search.json(&format!("/v1/search?{asked}")).await;
    assert_eq!(names(&first), ["copy.png", "small.png"]);
    let cursor = next(&first);

    // A picture that comes between is not on any of these pages.
    let older = Document {
        first_seen: datetime!(2020-01-01 00:00 UTC),
        ..document("older", &vectors.bird)
    };
    write(&world, &index, std::slice::from_ref(&older)).await;
    let (_, second) = search
        .json(&format!("/v1/search?{asked}&cursor={cursor}"))
        .await;
    assert_eq!(names(&second), ["medium.png", "large.png"]);
    // A cursor says it all.
    let (_, third) = search
        .json(&format!("/v1/search?k=2&cursor={}", next(&second)))
        .await;
    assert_eq!(third["hits"].as_array().map(Vec::len), Some(1), "{third}");
    assert_eq!(third["next"], Value::Null);

    let code = |problem: &Value| problem["type"].as_str().map(str::to_owned);
    let foreign = format!("/v1/search?q=ship&cursor={cursor}");
    let (status, problem) = search.json(&foreign).await;
    assert_eq!(
        (status, code(&problem).as_deref()),
        (400, Some("urn:tusou:problem:foreign_cursor"))
    );
    search.stop().await;

    // Another service has no such list: it finds one again, and says that it is another one.
    let search = Search::ready(&world).await;
    let (status, problem) = search
        .json(&format!("/v1/search?{asked}&cursor={cursor}"))
        .await;
    assert_eq!(
        (status, code(&problem).as_deref()),
        (400, Some("urn:tusou:problem:stale_cursor")),
        "{problem}"
    );
    // Where nothing has changed it goes on.
    let (_, first) = search.json(&format!("/v1/search?{asked}")).await;
    let cursor = next(&first);
    search.stop().await;
    let search = Search::ready(&world).await;
    let (status, second) = search
        .json(&format!("/v1/search?{asked}&cursor={cursor}"))
        .await;
    assert_eq!(status, 200, "{second}");
    assert_eq!(names(&second), ["small.png", "medium.png"]);
    search.stop().await;
    world.end().await;
}
