//! Each bad input has its own answer, which names the field and says what to do.

use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tusou_contract::{BlobKey, ImageId};
use tusou_testkit::{Reply, Site, World, free_port, pictures};

use crate::support::{Search, index, told, upload, vectors};

fn check(
    case: &str,
    (status, problem): &(u16, Value),
    expected: u16,
    code: &str,
    field: Option<&str>,
) {
    assert_eq!(*status, expected, "{case}: {problem}");
    assert_eq!(
        problem["type"],
        format!("urn:tusou:problem:{code}"),
        "{case}"
    );
    assert_eq!(problem["status"], expected, "{case}");
    assert_eq!(
        problem.get("field").and_then(Value::as_str),
        field,
        "{case}"
    );
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|text| text.len() > 10),
        "{case}"
    );
}

/// A PNG whose header promises 30,000 × 30,000 pixels, with a checksum that fits.
fn promises_too_much() -> Vec<u8> {
    let mut bytes = pictures::png(1);
    bytes[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let crc = !bytes[12..29].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            }
        })
    });
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[tokio::test]
async fn each_bad_input_is_a_precise_problem() {
    let mut world = World::new("search_bad_input").await;
    world.config.search.max_upload_bytes = 64 << 10;
    world.config.search.max_image_pixels = 1 << 20;
    index(&world, "1", &vectors(&world.config).field).await;
    // Without any blob the store of thumbnails would be taken for a disk that is not mounted.
    let key = BlobKey::thumbnail(&ImageId::of(b"another"));
    let put = world.blobs().put(&key, pictures::jpeg(1).into()).await;
    put.expect("stored");
    let search = Search::ready(&world).await;

    let long = format!("/v1/search?q={}", "word+".repeat(10_000));
    let no_such = format!("/v1/images/{}", "0".repeat(64));
    let thumbnail = format!("{no_such}/thumbnail");
    let similar = format!("{no_such}/similar");
    for (path, code, field) in [
        ("/v1/search", "nothing_asked", "q"),
        ("/v1/search?q=+", "empty_query", "q"),
        ("/v1/search?q=%F0%9F%90%A6", "no_words", "q"),
        ("/v1/search?q=a%00b", "control_characters", "q"),
        ("/v1/search?q=a%FFb", "not_text", "q"),
        (&long, "query_too_long", "q"),
        ("/v1/search?q=bird&k=0", "invalid_k", "k"),
        ("/v1/search?q=bird&k=many", "invalid_k", "k"),
        (
            "/v1/search?q=bird&colour=red",
            "unknown_parameter",
            "colour",
        ),
        ("/v1/search?q=a&q=b", "repeated_parameter", "q"),
        ("/v1/search?q=bird&mode=exact", "invalid_value", "mode"),
        ("/v1/search?q=bird&mode=same", "invalid_value", "mode"),
        ("/v1/search?q=bird&sort=best", "invalid_value", "sort"),
        ("/v1/search?q=bird&weight=0.5", "invalid_value", "weight"),
        ("/v1/search?q=bird&all=yes", "invalid_value", "all"),
        ("/v1/search?q=bird&size=3", "invalid_value", "size"),
        (
            "/v1/search?q=bird&since=yesterday",
            "invalid_value",
            "since",
        ),
        (
            "/v1/search?q=bird&cursor=nonsense",
            "invalid_cursor",
            "cursor",
        ),
        ("/v1/search?like=nonsense", "invalid_id", "like"),
        ("/v1/search?url=nonsense", "invalid_value", "url"),
        ("/v1/search?url=file:///etc/passwd", "invalid_value", "url"),
        ("/v1/images/nonsense", "invalid_id", "id"),
        ("/v1/images/%FF", "invalid_id", "id"),
    ] {
        let answer = told(search.get(path).await).await;
        check(path, &answer, 400, code, Some(field));
    }
    let like_no_such = format!("/v1/search?like={}", "0".repeat(64));
    for (path, status, code, field) in [
        (no_such.as_str(), 404, "not_found", None),
        (&like_no_such, 404, "not_found", None),
        (&thumbnail, 404, "not_found", None),
        (&similar, 404, "not_found", None),
        ("/v1/nothing", 404, "not_found", None),
    ] {
        let answer = search.get(path).await;
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{path}"
        );
        check(path, &told(answer).await, status, code, field);
    }

    let truncated = pictures::png(1)[..100].to_vec();
    let image = Some("image");
    for (case, form, status, code, field) in [
        (
            "nothing",
            Form::new().text("k", "3"),
            400,
            "no_picture",
            image,
        ),
        ("no bytes", upload(""), 400, "empty_picture", image),
        (
            "HTML",
            upload("<!doctype html><p>hello"),
            415,
            "not_a_picture",
            image,
        ),
        (
            "truncated",
            upload(truncated),
            422,
            "undecodable_picture",
            image,
        ),
        (
            "a bomb",
            upload(promises_too_much()),
            422,
            "too_many_pixels",
            image,
        ),
        (
            "too large",
            upload(vec![0xFF; 70 << 10]),
            413,
            "picture_too_large",
            image,
        ),
        (
            "far too large",
            upload(vec![0xFF; 520 << 10]),
            413,
            "picture_too_large",
            image,
        ),
        (
            "k",
            upload(pictures::png(1)).text("k", "0"),
            400,
            "invalid_k",
            Some("k"),
        ),
        (
            "another field",
            upload(pictures::png(1)).text("x", "y"),
            400,
            "unknown_parameter",
            Some("x"),
        ),
        (
            "two pictures",
            upload(pictures::png(1)).part("image", Part::bytes(vec![1])),
            400,
            "repeated_parameter",
            image,
        ),
    ] {
        let answer = told(search.post("/v1/search", form).await).await;
        check(case, &answer, status, code, field);
    }

    let no_form = search.client.post(search.url("/v1/search")).body("hello");
    let answer = told(no_form.send().await.expect("an answer")).await;
    check("no form", &answer, 400, "unreadable_form", None);
    let deleted = search.client.delete(search.url("/v1/search"));
    let answer = told(deleted.send().await.expect("an answer")).await;
    check("DELETE", &answer, 405, "method_not_allowed", None);

    // After all that it still answers.
    let (status, answer) = search.json("/v1/search?q=bird").await;
    assert_eq!(status, 200, "{answer}");
    search.stop().await;
    world.end().await;
}

/// A picture by its address: where it may lie, and how much and how long is read.
#[tokio::test]
async fn an_address_that_cannot_be_used_is_a_precise_problem() {
    let mut world = World::new("search_bad_url").await;
    world.config.search.max_upload_bytes = 64 << 10;
    world.config.search.fetch_timeout_ms = 1_500;
    index(&world, "1", &vectors(&world.config).field).await;
    let site = Site::start().await;
    site.put("/endless.png", Reply::endless("image/png"));
    site.put("/silent.png", Reply::silence());
    site.put("/page.html", Reply::html("<p>hello"));
    site.put("/round", Reply::redirect("/round"));
    site.put(
        "/in",
        Reply::redirect("http://169.254.169.254/latest/meta-data"),
    );
    site.png("/bomb.png", promises_too_much());
    site.png("/good.png", pictures::png(1));
    let search = Search::ready(&world).await;
    for (url, status, code) in [
        ("http://10.0.0.1/cat.png".to_owned(), 400, "url_refused"),
        ("http://[::1]/cat.png".to_owned(), 400, "url_refused"),
        (
            format!("http://127.0.0.1:{}/cat.png", free_port()),
            400,
            "url_unreachable",
        ),
        (site.url("/in"), 400, "url_refused"),
        (site.url("/round"), 400, "url_redirects"),
        (site.url("/endless.png"), 400, "url_too_large"),
        (site.url("/silent.png"), 400, "url_too_slow"),
        (site.url("/nothing.png"), 400, "url_not_found"),
        (site.url("/page.html"), 415, "not_a_picture"),
        (site.url("/bomb.png"), 422, "too_many_pixels"),
    ] {
        let answer = search.json(&format!("/v1/search?url={url}")).await;
        let field = if status == 400 { "url" } else { "image" };
        check(&url, &answer, status, code, Some(field));
    }
    let path = format!("/v1/search?url={}", site.url("/good.png"));
    let (status, answer) = search.json(&path).await;
    assert_eq!(status, 200, "{answer}");
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_hundred_megabytes_are_refused_and_the_sender_reads_why() {
    let mut world = World::new("search_upload_100").await;
    index(&world, "1", &vectors(&world.config).field).await;
    world.config.search.timeout_ms = 60_000;
    let search = Search::ready(&world).await;
    let form = upload(vec![0xFF; 100 << 20]);
    let answer = told(search.post("/v1/search", form).await).await;
    check("100 MB", &answer, 413, "picture_too_large", Some("image"));
    search.stop().await;
    world.end().await;
}

#[tokio::test]
async fn a_cursor_of_another_search_is_refused() {
    let world = World::new("search_bad_cursor").await;
    index(&world, "1", &vectors(&world.config).field).await;
    let search = Search::ready(&world).await;
    let (status, first) = search.json("/v1/search?q=bird&all=on&k=1").await;
    assert_eq!(status, 200, "{first}");
    let next = first["next"].as_str().expect("there are more than one");
    let (status, second) = search
        .json(&format!("/v1/search?q=bird&all=on&k=1&cursor={next}"))
        .await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(first["hits"][0]["image_id"], second["hits"][0]["image_id"]);
    let path = format!("/v1/search?q=ship&all=on&k=1&cursor={next}");
    let answer = search.json(&path).await;
    check("foreign", &answer, 400, "foreign_cursor", Some("cursor"));
    // One sign of it is another.
    let mangled = if next.starts_with('A') { "B" } else { "A" }.to_owned() + &next[1..];
    let path = format!("/v1/search?q=bird&all=on&k=1&cursor={mangled}");
    let answer = search.json(&path).await;
    check("mangled", &answer, 400, "invalid_cursor", Some("cursor"));
    search.stop().await;
    world.end().await;
}
