//! What is found on pages: a page of every kind of markup, encodings, bounds, and any bytes.

use std::collections::BTreeSet;
use std::fmt::Write;

use proptest::prelude::*;
use tusou_crawler::directives::Directives;
use tusou_crawler::extract::{Extracted, Limits, extract};
use tusou_ingest::address::Address;

fn page() -> Address {
    Address::parse("http://site.test/page.html").expect("an address")
}

fn read(html: &str) -> Extracted {
    extract(
        html.as_bytes(),
        Some("text/html; charset=utf-8"),
        &page(),
        &Limits::default(),
    )
}

fn pictures(found: &Extracted) -> Vec<&str> {
    found
        .pictures
        .iter()
        .map(|picture| picture.address.as_str())
        .collect()
}

fn links(found: &Extracted) -> Vec<&str> {
    found.links.iter().map(Address::as_str).collect()
}

/// Everything found, a line each.
fn shown(found: &Extracted) -> String {
    let mut out = String::new();
    let Extracted {
        title,
        lang,
        base,
        directives,
        ..
    } = found;
    writeln!(out, "title {title:?}, lang {lang:?}, base {base}").expect("a string grows");
    writeln!(out, "{directives:?}").expect("a string grows");
    let (bad, data, left) = (found.unparsable_links, found.data_urls, found.left_out);
    writeln!(out, "unparsable {bad}, data {data}, left out {left}").expect("a string grows");
    for link in &found.links {
        writeln!(out, "link {link}").expect("a string grows");
    }
    for picture in &found.pictures {
        write!(out, "{} {}", picture.found_by, picture.address).expect("a string grows");
        for (name, text) in [
            ("alt", &picture.alt),
            ("title", &picture.title),
            ("caption", &picture.caption),
        ] {
            if let Some(text) = text {
                write!(out, " {name}={text:?}").expect("a string grows");
            }
        }
        out.push('\n');
    }
    out
}

#[test]
fn a_page_of_every_kind() {
    insta::assert_snapshot!(shown(&read(include_str!("pages/gallery.html"))));
}

#[test]
fn directives_are_read_by_both_names() {
    let of = |metas: &str| read(metas).directives;
    let none = Directives::default();
    assert_eq!(
        of("<meta name=robots content='index, follow, max-image-preview:large'>"),
        none
    );
    assert_eq!(
        of("<meta name=otherbot content=noindex><meta name=description content=noindex>"),
        none
    );
    assert_eq!(
        of("<META NAME=Robots CONTENT='NoIndex'>"),
        Directives {
            noindex: true,
            ..none
        }
    );
    assert_eq!(
        of("<meta name=' TusouBot ' content=' nofollow ,noimageindex'>"),
        Directives {
            nofollow: true,
            noimageindex: true,
            ..none
        }
    );
    assert_eq!(
        of("<meta name=robots content=none>"),
        Directives {
            noindex: true,
            nofollow: true,
            ..none
        }
    );
    assert_eq!(
        of("<meta name=robots content=noindex><p><meta name=tusoubot content=index,noimageindex>"),
        Directives {
            noindex: true,
            noimageindex: true,
            ..none
        }
    );
}

#[test]
fn the_canonical_address_is_the_one_that_is_named() {
    let of = |markup: &str| read(markup).canonical.map(String::from);
    let other = Some("http://site.test/other".to_owned());
    assert_eq!(of("<link rel=canonical href=/other>"), other);
    assert_eq!(
        of("<link rel='shortlink CANONICAL' href=' other#top '>"),
        other
    );
    let twice = "<link rel=canonical href=/other>";
    assert_eq!(of(&twice.repeat(2)), other);
    assert_eq!(
        of("<base href=http://far.test/d/><link rel=canonical href=x>").as_deref(),
        Some("http://far.test/d/x")
    );
    for none in [
        "<link rel=canonical href=/page.html>",
        "<link rel=canonical href=/a><link rel=canonical href=/b>",
        "<link rel=canonical href=''><link rel=canonical>",
        "<link rel=canonical href='http://[::'>",
        "<link rel=canonical href='mailto:a@site.test'>",
        "<template><link rel=canonical href=/other></template>",
        "<a rel=canonical href=/other>x</a>",
    ] {
        assert_eq!(of(none), None, "{none}");
    }
}

#[test]
fn a_base_holds_for_the_whole_page() {
    let found = read("<a href=x>x</a><img src=y><base href='http://other.test/d/'><a href=z>z</a>");
    assert_eq!(
        links(&found),
        ["http://other.test/d/x", "http://other.test/d/z"]
    );
    assert_eq!(pictures(&found), ["http://other.test/d/y"]);
    for base in ["data:text/html,x", "http://[bad", "ftp://a.test/", ""] {
        let found = read(&format!("<base href='{base}'><img src=y>"));
        assert_eq!(
            (pictures(&found), found.base.clone()),
            (vec!["http://site.test/y"], page()),
            "{base}"
        );
    }
    assert_eq!(
        pictures(&read("<base target=_top><base href=/d/><img src=y>")),
        ["http://site.test/d/y"]
    );
}

#[test]
fn the_character_set_is_found() {
    let of = |body: &[u8], kind| extract(body, kind, &page(), &Limits::default()).title;
    let wanted = Some("猫".to_owned());
    assert_eq!(
        of(
            b"<title>\xC3\xA8</title>",
            Some("text/html; charset=GB2312")
        ),
        wanted
    );
    assert_eq!(
        of(
            b"<meta charset='gbk'><title>\xC3\xA8</title>",
            Some("text/html")
        ),
        wanted
    );
    let http =
        b"<meta http-equiv=content-type content='text/html; charset=gbk'><title>\xC3\xA8</title>";
    assert_eq!(of(http, None), wanted);
    assert_eq!(of("<title>猫</title>".as_bytes(), None), wanted);
    assert_eq!(of(b"<title>caf\xE9</title>", None), Some("café".to_owned()));
    let wide: Vec<u8> = "\u{feff}<title>猫</title>"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!(of(&wide, Some("text/html; charset=utf-8")), wanted);
}

#[test]
fn xhtml_may_close_elements_at_once() {
    let body = b"<?xml version='1.0'?><html xml:lang='de'><head><title/><script src='x'/></head><img src='a.png'/><![CDATA[<img src='b'>]]>";
    let found = extract(
        body,
        Some("application/xhtml+xml; charset=utf-8"),
        &page(),
        &Limits::default(),
    );
    assert_eq!(
        (pictures(&found), found.lang.as_deref()),
        (vec!["http://site.test/a.png"], Some("de"))
    );
    // HTML says otherwise: the script has not ended.
    assert!(
        pictures(&extract(
            body,
            Some("text/html"),
            &page(),
            &Limits::default()
        ))
        .is_empty()
    );
}

#[test]
fn what_is_taken_is_bounded() {
    let limits = Limits {
        max_links: 10,
        max_pictures: 7,
        max_text: 20,
        ..Limits::default()
    };
    let mut html = format!(
        "<title>{}</title><meta property=og:image content=og.png>",
        "long ".repeat(50)
    );
    for number in 0..100 {
        let number = number / 2;
        write!(
            html,
            "<figure><a href=l{number}><img src=p{number} alt='{}'>",
            "é".repeat(50)
        )
        .expect("a string grows");
    }
    let found = extract(
        html.as_bytes(),
        Some("text/html; charset=utf-8"),
        &page(),
        &limits,
    );
    assert_eq!(
        (found.links.len(), found.pictures.len(), found.left_out),
        (10, 7, 80 + 86 + 1)
    );
    assert_eq!(
        found.pictures[6].alt.as_deref(),
        Some("é".repeat(20).as_str())
    );
    assert_eq!(found.title.as_deref(), Some("long long long long"));
}

/// Work that grew with the square of any of these would take hours.
#[test]
fn hostile_pages_end() {
    let mut pages = vec![
        ("divs", "<div>".repeat(2_000_000)),
        ("figures", "<figure><figcaption><img src=a>".repeat(300_000)),
        ("svgs", "<svg><desc>".repeat(500_000)),
        (
            "templates",
            "<template>".repeat(500_000) + &"</template>".repeat(500_000),
        ),
        ("formatting", "<a><b><i><p>".repeat(500_000)),
        (
            "candidates",
            format!("<img srcset='{}'>", "a 1w, ".repeat(1_000_000)),
        ),
        (
            "parentheses",
            format!("<img srcset='a {}'>", "( ".repeat(3_000_000)),
        ),
        (
            "one value",
            format!(
                "<img src='{0}' alt='{0}' srcset='{0}'>",
                "x".repeat(3_000_000)
            ),
        ),
        ("one title", format!("<title>{}", " x".repeat(5_000_000))),
        ("entities", "&nGt;&amp;&#x110000;&".repeat(400_000)),
        ("references", "<a href=a&amp;b#c>".repeat(400_000)),
        ("unclosed", "<img src='".repeat(1_000_000)),
        ("comments", "<!-- -- -->".repeat(800_000)),
    ];
    let mut attributes = "<img".to_owned();
    for number in 0..1_000_000 {
        write!(attributes, " a{number}=b").expect("a string grows");
    }
    pages.push(("attributes", attributes + " src=last.png><img src=z.png>"));
    for (name, mut html) in pages {
        html.push_str("'\"--></title><img src=end.png>");
        let found = read(&html);
        assert!(
            found.pictures.len() <= 4 && found.links.len() <= 1,
            "{name}: {found:?}"
        );
        if name == "attributes" {
            assert_eq!(pictures(&found)[0], "http://site.test/last.png");
        }
        if matches!(
            name,
            "divs" | "figures" | "formatting" | "candidates" | "one value" | "references"
        ) {
            assert_eq!(
                pictures(&found).last(),
                Some(&"http://site.test/end.png"),
                "{name}"
            );
        }
    }
}

#[test]
fn a_very_long_srcset_is_cut_between_candidates() {
    let html = format!(
        "<img srcset='{}last-one.png 2000w'>",
        "picture.png 100w, ".repeat(70_000)
    );
    assert_eq!(pictures(&read(&html)), ["http://site.test/picture.png"]);
}

/// An independent reading: the tree of `scraper`, by selectors. Holds for pages without the
/// constructs in which a tree drops or moves elements.
fn by_tree(html: &str) -> (BTreeSet<String>, BTreeSet<String>, Option<String>) {
    let tree = scraper::Html::parse_document(html);
    let of = |selector: &str, attribute: &str| -> BTreeSet<String> {
        let selector = scraper::Selector::parse(selector).expect("a selector");
        let values = tree
            .select(&selector)
            .filter_map(|element| element.attr(attribute));
        let addresses =
            values.filter(|value| !value.trim().is_empty() && !value.trim().starts_with('#'));
        let addresses = addresses
            .filter_map(|value| page().join(value).ok())
            .filter(|address| *address != page());
        addresses.map(String::from).collect()
    };
    let title = scraper::Selector::parse("head > title").expect("a selector");
    let title = tree
        .select(&title)
        .next()
        .map(|title| title.text().collect::<String>());
    let title = title.map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
    (
        of("a[href], area[href], iframe[src]", "href")
            .into_iter()
            .chain(of("iframe[src]", "src"))
            .collect(),
        of("img[src]", "src"),
        title.filter(|title| !title.is_empty()),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_a_page(body in prop::collection::vec(any::<u8>(), 0..300), kind in "(text/html(; charset=[a-z0-9-]{0,12})?)?") {
        let found = extract(&body, Some(&kind), &page(), &Limits::default());
        prop_assert!(found.pictures.len() <= 300);
    }

    #[test]
    fn any_tags_are_a_page(tags in prop::collection::vec(
        "(<|</)(a|img|figure|figcaption|svg|title|picture|source|template|script|base|meta|iframe|desc|math|p)( (href|src|srcset|content|property|name|alt)=[\"']?[a-z:#,/ 1w猫&;]{0,9}[\"']?){0,3}/?>?|[a-z<>&;'\" ]{0,6}|<!--|-->|<!\\[CDATA\\[|\\]\\]>", 0..40)) {
        let found = read(&tags.concat());
        for picture in &found.pictures {
            let texts = [&picture.alt, &picture.title, &picture.caption];
            prop_assert!(texts.into_iter().flatten().all(|text| !text.is_empty() && text.trim() == text));
        }
        let addresses: BTreeSet<_> = found.pictures.iter().map(|picture| &picture.address).collect();
        prop_assert_eq!(addresses.len(), found.pictures.len());
    }

    #[test]
    fn the_tree_says_the_same(parts in prop::collection::vec(prop_oneof![
        "<a href=['\"]?[a-z/.]{1,6}['\"]?>[a-z]{0,3}(</a>)?",
        "<img( alt=\"[a-z<>&; ]{0,5}\")? src=[\"']?[a-z/.&;]{1,6}[\"']?/?>",
        "<(div|p|ul|li|span|b|section|h1)( class=[a-z]{1,3})?>", "</(div|p|ul|li|span|b|section|h1)>",
        "<iframe src=[a-z]{1,4}>[a-z<>]{0,4}</iframe>", "<(script|style|textarea)>[a-z<> ]{0,9}</(script|style|textarea)>",
        "<!--[a-z<> ]{0,9}-->", "<svg><g>(<title>x</title>)?(<path/>)?</g></svg>", "[a-z &;]{0,6}",
        "<svg><foreignObject><img src=[a-z]{1,4}></foreignObject></svg>",
    ], 0..30), title in "[a-z<&; ]{0,12}") {
        let html = format!("<!doctype html><html><head><title>{title}</title></head><body>{}", parts.concat());
        let found = read(&html);
        let sets = (
            found.links.iter().map(Address::to_string).collect::<BTreeSet<_>>(),
            found.pictures.iter().map(|picture| picture.address.to_string()).collect::<BTreeSet<_>>(),
            found.title.clone(),
        );
        prop_assert_eq!(sets, by_tree(&html), "{}", html);
    }
}
