//! The page as a browser without a script gets it.

use scraper::{Html, Selector};
use tusou_testkit::{World, pictures};

use crate::support::{Search, id, index, sightings_of_bird, upload, vectors};

async fn page(answer: reqwest::Response) -> (u16, Html) {
    let status = answer.status().as_u16();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .expect("ASCII")
            .starts_with("text/html")
    );
    (
        status,
        Html::parse_document(&answer.text().await.expect("a page")),
    )
}

fn attributes(page: &Html, selector: &str, name: &str) -> Vec<String> {
    let selector = Selector::parse(selector).expect("a selector");
    let found = page
        .select(&selector)
        .filter_map(|element| element.value().attr(name));
    found.map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn the_page_works_without_a_script() {
    let world = World::new("search_page").await;
    index(&world, "1", &vectors(&world.config).field).await;
    sightings_of_bird(&world).await;
    let search = Search::ready(&world).await;

    let (status, home) = page(search.get("/").await).await;
    assert_eq!(
        (status, attributes(&home, "html", "lang")),
        (200, vec!["en".to_owned()])
    );
    for asset in attributes(&home, "script[src]", "src")
        .iter()
        .chain(&attributes(
            &home,
            "link[rel=icon], link[rel=stylesheet]",
            "href",
        ))
    {
        let answer = search.get(asset).await;
        assert_eq!(answer.status().as_u16(), 200, "{asset}");
        assert!(
            answer.headers()["cache-control"]
                .to_str()
                .expect("ASCII")
                .contains("immutable")
        );
    }

    let (status, found) = page(search.get("/?q=a+small+bird").await).await;
    assert_eq!(status, 200);
    assert_eq!(
        attributes(&found, ".hit .page a", "href")[0],
        "http://example.org/5"
    );
    let own = format!("/image/{}?lang=en", id("bird"));
    assert_eq!(attributes(&found, ".hit a.frame", "href")[0], own);
    let (status, view) = page(search.get(&own).await).await;
    let begins = attributes(&view, ".line .when > time:first-child", "datetime");
    assert_eq!((status, begins.len()), (200, 7));
    assert!(begins.is_sorted(), "the oldest first: {begins:?}");
    assert_eq!(attributes(&view, ".line .gone-by", "class").len(), 1);
    assert_eq!(
        attributes(&found, "figcaption > .rights a", "href"),
        ["https://example.org/by", "https://example.org/buy"]
    );
    let likes = attributes(&found, ".facts a", "href");
    assert_eq!(likes[0], format!("/?like={}&lang=en", id("bird")));
    let (status, like) = page(search.get(&likes[0]).await).await;
    assert_eq!((status, attributes(&like, ".hit", "id").len()), (200, 3));

    // What was chosen goes on to the next page, and into the other language.
    let first = "/?q=a+small+bird&mode=looks&all=on&k=2";
    let (status, two) = page(search.get(first).await).await;
    assert_eq!((status, attributes(&two, ".hit", "id").len()), (200, 2));
    let next = &attributes(&two, "a[rel=next]", "href")[0];
    let (status, rest) = page(search.get(next).await).await;
    assert_eq!((status, attributes(&rest, ".hit", "id").len()), (200, 2));
    assert!(attributes(&rest, "a[rel=next]", "href").is_empty());
    let pictures = |page: &Html| attributes(page, ".hit img", "src");
    assert!(
        pictures(&two)
            .iter()
            .all(|one| !pictures(&rest).contains(one))
    );
    let other = &attributes(&rest, "a.language", "href")[0];
    let (status, again) = page(search.get(other).await).await;
    assert_eq!(
        (
            status,
            attributes(&again, ".hit a.frame, .hit div.frame", "class").len()
        ),
        (200, 2)
    );

    // As the form sends them: what nobody chose has no value.
    let form = "/?q=a+small+bird&mode=looks&all=on&lang=en&size=small&shape=&color=&format=png&license=&host=&since=&sort=";
    let (status, narrowed) = page(search.get(form).await).await;
    assert_eq!(status, 200);
    assert_eq!(
        attributes(&narrowed, ".filters option[selected]", "value"),
        ["small", "png"]
    );

    let (status, found) = page(search.post("/?lang=zh", upload(pictures::png(1))).await).await;
    assert_eq!(
        (status, attributes(&found, "html", "lang")),
        (200, vec!["zh-Hans".to_owned()])
    );
    assert_eq!(
        attributes(&found, ".hit img", "alt")[0],
        "a first <b>&amp;</b>"
    );

    for (answer, status, code) in [
        (search.get("/?q=").await, 400, "empty_query"),
        (search.get("/?like=x").await, 400, "invalid_id"),
        (search.get("/nowhere").await, 404, "not_found"),
        (search.post("/", upload("text")).await, 415, "not_a_picture"),
    ] {
        let (told, page) = page(answer).await;
        assert_eq!(
            (told, attributes(&page, "[role=alert]", "data-code")),
            (status, vec![code.to_owned()])
        );
    }

    search.stop().await;
    world.end().await;
}
