//! Each bad input has its own answer, which names the field and says what to do.

use reqwest::multipart::{Form, Part};
use serde_json::Value;
use tusou_contract::{BlobKey, ImageId};
use tusou_testkit::{World, pictures};

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
    for (path, status, code, field) in [
        ("/v1/search", 400, "empty_query", Some("q")),
        ("/v1/search?q=+", 400, "empty_query", Some("q")),
        ("/v1/search?q=%F0%9F%90%A6", 400, "no_words", Some("q")),
        ("/v1/search?q=a%00b", 400, "control_characters", Some("q")),
        (&long, 400, "query_too_long", Some("q")),
        ("/v1/search?q=bird&k=0", 400, "invalid_k", Some("k")),
        ("/v1/search?q=bird&k=many", 400, "invalid_k", Some("k")),
        (
            "/v1/search?q=bird&size=3",
            400,
            "unknown_parameter",
            Some("size"),
        ),
        ("/v1/search?q=a&q=b", 400, "repeated_parameter", Some("q")),
        ("/v1/images/nonsense", 400, "invalid_id", Some("id")),
        (&no_such, 404, "not_found", None),
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
