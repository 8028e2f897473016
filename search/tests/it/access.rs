//! Who may ask, how often, and from which pages.

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tusou_contract::{BlobKey, ImageId};
use tusou_testkit::{World, pictures};

use crate::support::{Search, index, told, upload, vectors};

const READER: &str = "sesame-of-the-reader";
const BIRD: &str = "/v1/search?q=bird";

async fn status(request: RequestBuilder) -> u16 {
    let answer = request.send().await.expect("the service answers");
    answer.status().as_u16()
}

/// Status, headers, and the last part of a problem's type.
async fn problem(request: RequestBuilder) -> (u16, HeaderMap, String) {
    let answer = request.send().await.expect("the service answers");
    let headers = answer.headers().clone();
    let (status, body): (u16, Value) = told(answer).await;
    let code = body["type"].as_str().unwrap_or_default();
    let code = code.rsplit(':').next().unwrap_or_default().to_owned();
    (status, headers, code)
}

#[tokio::test]
async fn keys_open_the_api_and_pages_of_named_origins_may_call_it() {
    let mut world = World::new("search_keys").await;
    world.config.search.api_keys = vec![
        format!("reader:{READER}"),
        "writer:sesame-of-the-writer".into(),
    ];
    world.config.search.cors_origins = vec!["https://pages.example".into()];
    index(&world, "1", &vectors(&world.config).field).await;
    let id = ImageId::of(b"another");
    let blobs = world.blobs();
    let key = BlobKey::thumbnail(&id);
    let put = blobs.put(&key, pictures::jpeg(1).into()).await;
    put.expect("stored");
    let search = Search::ready(&world).await;
    let get = |path: &str| search.client.get(search.url(path));

    for (request, expected) in [
        (get(BIRD), "key_needed"),
        (get(&format!("/v1/images/{id}")), "key_needed"),
        (get(&format!("/v1/images/{id}/similar")), "key_needed"),
        (
            get(BIRD).header("x-api-key", "sesame-of-nobody"),
            "unknown_key",
        ),
        (get(BIRD).bearer_auth("sesame-of-the-reade"), "unknown_key"),
        (get(BIRD).basic_auth("reader", Some(READER)), "key_needed"),
    ] {
        let (status, headers, code) = problem(request).await;
        assert_eq!((status, code.as_str()), (401, expected));
        assert_eq!(headers["www-authenticate"], "Bearer realm=\"tusou\"");
    }
    // A picture that is sent without a key is refused, and the refusal is read.
    let form = upload(vec![0xFF; 4 << 20]);
    let sent = search.client.post(search.url("/v1/search")).multipart(form);
    assert_eq!(problem(sent).await.2, "key_needed");

    assert_eq!(status(get(BIRD).header("x-api-key", READER)).await, 200);
    assert_eq!(
        status(get(BIRD).bearer_auth("sesame-of-the-writer")).await,
        200
    );
    // What can send no key, or needs none.
    for path in [
        &format!("/v1/images/{id}/thumbnail"),
        "/v1/openapi.json",
        "/healthz/ready",
        "/metrics",
        "/",
        "/?q=bird",
    ] {
        assert_eq!(status(get(path)).await, 200, "{path}");
    }

    // A page of the named origin may ask whether it may, without a key; what it is told it can read.
    let preflight = |origin: &'static str| {
        let method = reqwest::Method::OPTIONS;
        let request = search.client.request(method, search.url("/v1/search"));
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "x-api-key")
    };
    let answer = preflight("https://pages.example")
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    let said = |headers: &HeaderMap, name: &str| {
        let value = headers
            .get(name)
            .map(|value| value.to_str().expect("ASCII"));
        value.unwrap_or_default().to_lowercase()
    };
    let headers = answer.headers();
    assert_eq!(
        said(headers, "access-control-allow-origin"),
        "https://pages.example"
    );
    assert!(said(headers, "access-control-allow-headers").contains("x-api-key"));
    assert!(said(headers, "access-control-allow-methods").contains("post"));
    let other = preflight("https://other.example")
        .send()
        .await
        .expect("an answer");
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    let (_, headers, _) = problem(get(BIRD).header("origin", "https://pages.example")).await;
    assert_eq!(
        said(&headers, "access-control-allow-origin"),
        "https://pages.example"
    );
    assert!(said(&headers, "access-control-expose-headers").contains("x-request-id"));
    assert!(said(&headers, "access-control-expose-headers").contains("retry-after"));

    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn without_the_page_there_is_the_api_alone() {
    let mut world = World::new("search_no_page").await;
    world.config.search.page = false;
    let search = Search::start(&world).await;
    for path in ["/", "/?q=bird", "/assets/style.css"] {
        assert_eq!(search.get(path).await.status().as_u16(), 404, "{path}");
    }
    let sent = search.post("/", upload(pictures::png(1))).await;
    assert_eq!(sent.status().as_u16(), 404);
    // No origin is configured: a browser's question is one of a method that is not there.
    let options = search
        .client
        .request(reqwest::Method::OPTIONS, search.url("/v1/search"));
    let (status, headers, code) = problem(options).await;
    assert_eq!((status, code.as_str()), (405, "method_not_allowed"));
    assert!(!headers.contains_key("access-control-allow-origin"));
    assert_eq!(search.get("/healthz/live").await.status().as_u16(), 200);
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn each_client_has_its_rate_and_proxies_speak_for_theirs() {
    let mut world = World::new("search_rates").await;
    let config = &mut world.config.search;
    config.rate_per_second = 1;
    config.rate_burst = 3;
    config.api_keys = vec![format!("reader:{READER}")];
    config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    index(&world, "1", &vectors(&world.config).field).await;
    let search = Search::ready(&world).await;
    let page = |client: &str| {
        let request = search.client.get(search.url("/?q=bird"));
        request.header("x-forwarded-for", client)
    };
    // What a client makes up stands to the left of what its proxy saw.
    let mut limited = None;
    for number in 0..40 {
        let claimed = format!("10.9.8.{number}, 192.0.2.1");
        let answer = page(&claimed).send().await.expect("an answer");
        assert!(answer.headers().contains_key("ratelimit-policy"));
        if answer.status().as_u16() == 429 {
            limited = Some(answer);
            break;
        }
        assert_eq!(answer.status().as_u16(), 200);
    }
    let limited = limited.expect("more than one a second");
    assert_eq!(limited.headers()["retry-after"], "1");
    assert_eq!(limited.headers()["ratelimit"], "\"search\";r=0;t=3");
    assert_eq!(limited.headers()["ratelimit-policy"], "\"search\";q=3;w=3");
    // Another address is another client, and so is a key from the same address.
    assert_eq!(status(page("192.0.2.2")).await, 200);
    let keyed = || {
        let request = search.client.get(search.url(BIRD)).bearer_auth(READER);
        request.header("x-forwarded-for", "192.0.2.1")
    };
    assert_eq!(status(keyed()).await, 200);
    let mut last = (0, HeaderMap::new(), String::new());
    for _ in 0..40 {
        last = problem(keyed()).await;
        if last.0 == 429 {
            break;
        }
    }
    assert_eq!((last.0, last.2.as_str()), (429, "rate_limited"));
    // One network of IPv6 is one client.
    let mut statuses = Vec::new();
    for number in 0..40 {
        statuses.push(status(page(&format!("2001:db8:1:2::{number}"))).await);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    assert_eq!(status(page("2001:db8:1:3::1")).await, 200);
    // What a page loads beside it is not counted.
    for _ in 0..10 {
        assert_eq!(search.get("/v1/openapi.json").await.status().as_u16(), 200);
    }
    search.stop().await;
    world.end().await;
}
