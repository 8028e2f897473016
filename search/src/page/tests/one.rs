//! A picture's own view.

use super::*;
use crate::answer::Sightings;
use crate::picture::Facts;

/// A picture that three pages show or showed.
pub(super) fn picture(page_url: &str, text: &str) -> Picture {
    let hit = |name: &str| {
        let mut hit = answer(page_url, text).hits.remove(0);
        hit.image_id = ImageId::of(name.as_bytes());
        hit
    };
    let seen = |at, gone_since| Sighting {
        first_seen: at,
        gone_since,
        ..sighting(page_url, text)
    };
    let facts = serde_json::json!({
        "image_id": ImageId::of(b"picture"), "image_name": "i.png", "width": 400, "height": 300,
        "format": "png", "sightings": 2, "captions": [text], "bytes": 1_234_567, "colors": ["red", "gray"],
        "taken_at": "2020-02-29T10:00:00Z",
    });
    Picture {
        facts: serde_json::from_value::<Facts>(facts).expect("as the index has it"),
        sightings: Sightings {
            sightings: vec![
                seen(
                    datetime!(2024-05-01 12:00 UTC),
                    Some(datetime!(2025-06-01 12:00 UTC)),
                ),
                seen(datetime!(2024-07-01 12:00 UTC), None),
                seen(datetime!(2026-01-01 12:00 UTC), None),
            ],
            live: 2,
            gone: 1,
            next: Some("further".into()),
        },
        copies: vec![hit("copy")],
        alike: vec![hit("alike"), hit("another")],
        guess: None,
    }
}

#[test]
fn a_picture_has_its_source_its_time_line_its_facts_and_its_neighbours() {
    let shown = picture("http://example.org/page", "a red bird");
    let page = render(Language::English, &View::Picture(&shown));
    let page = Html::parse_document(&page);
    let said = |selector: &str| -> Vec<String> {
        let found = select(&page, selector).into_iter();
        let texts = found.map(|one| one.text().collect::<String>());
        texts.map(|text| text.trim().to_owned()).collect()
    };
    assert_eq!(said("title"), ["a red bird · 图搜 Tusou"]);
    // The first that still shows it, not the one that is gone.
    assert_eq!(
        said(".source small"),
        [
            "Source",
            "http://example.org/page",
            "seen by us since 2024-07-01"
        ]
    );
    assert_eq!(said("#seen h2"), ["Where it is seen at 2 of 3 pages still"]);
    assert_eq!(said(".line .year"), ["2024", "2026"]);
    assert_eq!(said(".line .gone-by time"), ["2024-05-01", "2025-06-01"]);
    assert_eq!(
        said(".of-picture dd"),
        ["400 × 300", "PNG, 1.2 MB", "2020-02-29", "Red, Grey"]
    );
    let neighbours = select(&page, ".grid .hit").into_iter();
    let ids: Vec<_> = neighbours
        .filter_map(|hit| hit.value().attr("id"))
        .collect();
    assert_eq!(ids, ["c0", "h0", "h1"]);
    let next = select(&page, "a[rel=next]")[0].value().attr("href");
    let id = ImageId::of(b"picture");
    let further = format!("/image/{id}?lang=en&cursor=further#seen");
    assert_eq!(next, Some(further.as_str()));
    let other = select(&page, "a.language")[0].value().attr("href");
    let in_chinese = format!("/image/{id}?lang=zh");
    assert_eq!(other, Some(in_chinese.as_str()));
    assert_eq!(
        picture::shapes(&shown),
        "#one{--a:1.3333}#c0{--a:1.3333}#h0{--a:1.3333}#h1{--a:1.3333}"
    );
}
