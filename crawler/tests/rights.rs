//! What pages say of their pictures' rights: JSON-LD in its shapes, `rel=license`, and any bytes.

use proptest::prelude::*;
use tusou_contract::{Rights, SightingRights};
use tusou_crawler::extract::{Extracted, Limits, extract};
use tusou_ingest::address::Address;

const TYPE: &str = "application/ld+json";

fn read(html: &str) -> Extracted {
    let page = Address::parse("http://site.test/d/page.html").expect("an address");
    let kind = Some("text/html; charset=utf-8");
    extract(html.as_bytes(), kind, &page, &Limits::default())
}

fn script(json: &str) -> String {
    format!("<script type='{TYPE}'>{json}</script>")
}

/// The rights of the pictures in the page's order.
fn rights(html: &str) -> Vec<SightingRights> {
    let pictures = read(html).pictures.into_iter();
    pictures.map(|picture| picture.rights).collect()
}

/// The rights of a page's only picture, `/a.png`, by this data.
fn told(json: &str) -> SightingRights {
    let mut rights = rights(&format!("{}<img src=/a.png>", script(json)));
    assert_eq!(rights.len(), 1);
    rights.remove(0)
}

fn licenses(html: &str) -> Vec<Option<String>> {
    let rights = rights(html).into_iter();
    rights.map(|rights| rights.rights.license).collect()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn whole() -> SightingRights {
    SightingRights {
        rights: Rights {
            license: some("http://site.test/terms"),
            creator: some("Ann Ström"),
            credit: some("An agency"),
            copyright: some("© 2026 Ann"),
        },
        acquire: some("http://site.test/d/buy.html"),
    }
}

#[test]
fn an_image_object_is_found_wherever_it_stands() {
    let fields = r#""@type": "ImageObject", "license": "/terms", "creditText": "An  agency\n",
        "copyrightNotice": "© 2026 Ann", "acquireLicensePage": "buy.html#now""#;
    let ann = r#""creator": {"@type": "Person", "name": "Ann Ström"}"#;
    for json in [
        format!(
            r#"{{"@context": "https://schema.org/", {fields}, {ann}, "contentUrl": "/a.png"}}"#
        ),
        format!(r#"[1, {{{fields}, {ann}, "url": "http://site.test/a.png#x"}}]"#),
        format!(
            r#"{{"@type": "Article", "image": [{{{fields}, {ann}, "url": ["b.png", "../a.png"]}}]}}"#
        ),
        format!(
            r##"{{"@graph": [{{{fields}, "creator": {{"@id": "#ann"}}, "contentUrl": {{"@id": "/a.png"}}}},
                {{"@id": "#ann", "@type": "Person", "name": "Ann Ström"}}]}}"##
        ),
        format!(r#"{{{fields}, "creator": ["Ann Ström"], "contentUrl": "/a.png"}}"#)
            .replace(
                "\"ImageObject\"",
                "[\"Thing\", \"http://schema.org/ImageObject\"]",
            )
            .replace(
                "\"/terms\"",
                "{\"@type\": \"CreativeWork\", \"url\": \"/terms\"}",
            ),
        format!("\n {{{fields}, {ann}, \"contentUrl\": \"/a.png\"}}\n"),
    ] {
        assert_eq!(told(&json), whole(), "{json}");
    }
}

#[test]
fn several_objects_complete_each_other_and_hold_for_their_pictures_only() {
    let json = r#"[{"@type": "ImageObject", "url": "a.png", "creator": ["Ann", {"name": "Bob"}, 7]},
        {"@type": "ImageObject", "url": "a.png", "creator": "Eve", "creditText": {"@value": "Desk"}},
        {"@type": "ImageObject", "url": "c.png", "license": "javascript:alert(1)", "creator": ""},
        {"@type": "ImageObject", "creator": "nobody's picture"},
        {"@type": "Person", "url": "c.png", "creator": "no picture"}]"#;
    let found = rights(&format!(
        "<base href=/pics/><img src=a.png><img src=b.png><img src=c.png>{}",
        script(json)
    ));
    let rights = Rights {
        creator: some("Ann; Bob"),
        credit: some("Desk"),
        ..Rights::default()
    };
    let none = SightingRights::default();
    let of_a = SightingRights {
        rights,
        ..none.clone()
    };
    assert_eq!(found, [of_a, none.clone(), none]);
}

#[test]
fn a_license_holds_for_its_figure_or_else_for_the_page() {
    let by = "http://site.test/by";
    let page = |rel: &str| {
        format!(
            "<img src=1.png><figure><img src=2.png><figcaption>A <a rel='{rel}' href=/figure>l</a>\
             </figcaption></figure><figure><img src=3.png></figure><a rel='external {rel}' href=/by>l</a>"
        )
    };
    assert_eq!(
        licenses(&page("LICENSE")),
        [some(by), some("http://site.test/figure"), some(by)]
    );
    assert_eq!(licenses(&page("licensed")), [None, None, None]);
    assert_eq!(
        licenses(
            "<link rel=license href=/by><img src=1.png><meta property=og:image content=2.png>"
        ),
        [some(by), some(by)]
    );
    // The inner figure's own comes before the outer's.
    assert_eq!(
        licenses(
            "<figure><figure><img src=1.png><a rel=license href=/inner></a></figure>\
             <figure><img src=2.png><figcaption>two</figcaption></figure>\
             <figcaption>all <a rel=license href=/by>by</a></figcaption></figure>"
        ),
        [some("http://site.test/inner"), some(by)]
    );
    // Two that differ are of parts of the page, and nobody can tell of which.
    assert_eq!(
        licenses("<img src=1.png><a rel=license href=/by></a><a rel=license href=/other></a>"),
        [None]
    );
    assert_eq!(
        licenses("<img src=1.png><a rel=license href=/by></a><a rel=license href=/by></a>"),
        [some(by)]
    );
    for reference in ["mailto:a@b.test", "javascript:x", "#license", ""] {
        let html = format!("<img src=1.png><a rel=license href='{reference}'></a>");
        assert_eq!(licenses(&html), [None], "{reference}");
    }
    // What names the picture comes first.
    let json = r#"{"@type": "ImageObject", "url": "/a.png", "license": "/own"}"#;
    let html = format!(
        "{}<img src=/a.png><a rel=license href=/by></a>",
        script(json)
    );
    assert_eq!(licenses(&html), [some("http://site.test/own")]);
}

#[test]
fn what_is_no_data_or_too_much_says_nothing_and_the_page_is_read_all_the_same() {
    let object = r#"{"@type": "ImageObject", "url": "/a.png", "creator": "Ann"}"#;
    let deep = format!("{}{object}{}", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("[{object}, \"{}\"]", "x".repeat(512 * 1024));
    let of_another_type = script(object).replace(TYPE, "text/javascript");
    let inert = format!("<template>{}</template>", script(object));
    for html in [
        script(&deep),
        script(&long),
        script(&object[1..]),
        of_another_type,
        inert,
    ] {
        let found = read(&format!(
            "<title>t</title>{html}<img src=/a.png><a href=/next>n</a>"
        ));
        assert_eq!(found.pictures.len(), 1);
        assert_eq!(found.pictures[0].rights, SightingRights::default());
        assert_eq!((found.links.len(), found.title), (1, some("t")));
    }
    // A script that is left out takes nothing from those after it.
    let found = rights(&format!(
        "{}{}<img src=/a.png>",
        script(&long),
        script(object)
    ));
    assert_eq!(found[0].rights.creator, some("Ann"));
}

proptest! {
    /// Any value in any place, with what surrounds it.
    #[test]
    fn no_data_panics_and_all_texts_are_bounded_lines(
        key in prop::sample::select(vec![
            "license", "creator", "creditText", "copyrightNotice", "acquireLicensePage", "url", "@type", "@graph",
        ]),
        text in any::<String>(),
        shape in 0..5,
    ) {
        let text = serde_json::Value::from(text.repeat(300));
        let value = match shape {
            0 => text,
            1 => serde_json::json!([text, [text]]),
            2 => serde_json::json!({"name": text, "@id": text}),
            3 => serde_json::json!({"@value": text}),
            _ => serde_json::json!({"url": {"@id": text}}),
        };
        let mut object = serde_json::json!({"@type": "ImageObject", "contentUrl": "/a.png", "creator": "Ann"});
        object[key] = value;
        let json = object.to_string().replace("</", "<\\/").replace("<!--", "<\\u0021--");
        let found = read(&format!("{}<img src=/a.png>", script(&json)));
        prop_assert_eq!(found.pictures.len(), 1);
        let rights = &found.pictures[0].rights;
        for text in [&rights.rights.creator, &rights.rights.credit, &rights.rights.copyright].into_iter().flatten() {
            prop_assert!(text.chars().count() <= 1_000 && !text.contains(char::is_control));
        }
        for url in [&rights.rights.license, &rights.acquire].into_iter().flatten() {
            prop_assert!(Address::parse(url).is_ok(), "{}", url);
        }
    }
}
