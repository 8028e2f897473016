//! However large and hostile a page or a style sheet is, it ends in a bounded result, in time that
//! grows with its length alone.

use std::fmt::Write as _;

use tusou_crawler::extract::{Extracted, Limits, MAX_VARIANTS, Picture, css, extract};
use tusou_ingest::address::Address;

fn page() -> Address {
    Address::parse(&format!(
        "http://site.test/{}/page.html",
        "deep/".repeat(300)
    ))
    .expect("an address")
}

fn read(html: &str, limits: &Limits) -> Extracted {
    extract(
        html.as_bytes(),
        Some("text/html; charset=utf-8"),
        &page(),
        limits,
    )
}

/// The bytes of all addresses and texts that were kept.
fn kept(found: &Extracted) -> usize {
    let of_picture = |picture: &Picture| -> usize {
        let rights = &picture.rights.rights;
        let texts = [
            &picture.alt,
            &picture.title,
            &picture.caption,
            &picture.label,
            &picture.link_text,
            &picture.heading,
            &picture.nearby,
            &rights.license,
            &rights.creator,
            &rights.credit,
            &rights.copyright,
            &picture.rights.acquire,
        ];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let addresses = [&picture.address].into_iter().chain(&picture.variants);
        texts
            + addresses
                .map(|address| address.as_str().len())
                .sum::<usize>()
    };
    let addresses = found.links.iter().chain(&found.sheets);
    let addresses: usize = addresses.map(|address| address.as_str().len()).sum();
    addresses + found.pictures.iter().map(of_picture).sum::<usize>()
}

#[test]
fn what_is_kept_of_a_page_of_50_megabytes_is_bounded() {
    let words = "words that stand around every picture ".repeat(27);
    let mut html = String::with_capacity(52 << 20);
    let mut number = 0;
    while html.len() < 50 << 20 {
        number += 1;
        write!(
            html,
            "<h2>{number} {words}</h2><figure><a href='link{number}/{words}'>{words}<img src='{number}.png' alt='{number} {words}'
             title='{words}' aria-label='{words}' srcset='{number}a.png 1w, {number}b.png 2w, {number}c.png 3w'></a>
             <figcaption>{words}</figcaption><a rel=license href='licence{number}'>L</a></figure>
             <div style='background: url({number}.css.png)'></div><a href='{number}.jpg'>{words}</a><link rel=stylesheet href='{number}.css'>"
        )
        .expect("a string grows");
    }
    let limits = Limits::default();
    let found = read(&html, &limits);
    assert!(kept(&found) <= limits.max_bytes, "{} bytes", kept(&found));
    assert!(
        kept(&found) > limits.max_bytes / 2 && found.left_out > 0,
        "{} bytes",
        kept(&found)
    );
    assert!(found.pictures.len() <= limits.max_pictures && found.links.len() <= limits.max_links);
    assert_eq!(found.sheets.len(), limits.max_sheets);
    // A small room is kept as well.
    let small = Limits {
        max_bytes: 10_000,
        ..limits
    };
    let found = read(&html[..1 << 20], &small);
    assert!(
        kept(&found) <= 10_000 && kept(&found) > 5_000,
        "{} bytes",
        kept(&found)
    );
}

/// Work that grew with the square of any of these would take hours.
#[test]
fn hostile_markup_ends() {
    let deep = |open: &str, close: &str, times| {
        format!(
            "{}<img src=in.png>{}",
            open.repeat(times),
            close.repeat(times)
        )
    };
    let value = "x".repeat(1 << 20);
    let many: String = (0..10_000).fold(String::new(), |mut set, number| {
        write!(set, "c{number}.png {number}w, ").expect("a string grows");
        set
    });
    let pages = [
        deep("<div>", "</div>", 10_000),
        deep("<h1>", "</h1>", 100_000),
        deep("<a href=x>", "</a>", 100_000),
        deep("<picture>", "</picture>", 100_000),
        deep("<style>", "</style>", 100_000),
        deep("<div style='background: url(a.png)'>", "</div>", 50_000),
        format!("<p title='{value}' aria-label='{value}' style='{value}'>"),
        format!("<p style='background: url({value}'>"),
        format!("<img src=in.png srcset='{many}'>"),
        format!(
            "<picture>{}<img src=in.png></picture>",
            format!("<source srcset='{many}'>").repeat(50)
        ),
        format!("<p>{}", "word <img src=in.png> ".repeat(200_000)),
        format!("<a href=x>{}", "word <img src=in.png> ".repeat(200_000)),
        format!("<style>{}", "p { background: url(a.png) } ".repeat(40_000)),
        "<style>p { background: url(".repeat(100_000),
        "<p style='background:url(a".repeat(100_000),
        "<h1><a href=x><figure><figcaption>".repeat(100_000),
    ];
    for mut html in pages {
        html.push_str("'\"--></style></title><img src=end.png>");
        let found = read(&html, &Limits::default());
        let start: String = html.chars().take(60).collect();
        assert!(
            found.pictures.len() <= 4,
            "{start}: {} pictures",
            found.pictures.len()
        );
        for picture in &found.pictures {
            assert!(picture.variants.len() <= MAX_VARIANTS, "{start}");
        }
    }
}

#[test]
fn hostile_style_sheets_end() {
    let sheets = [
        "{".repeat(1 << 20),
        "(".repeat(1 << 20),
        "a{b:".repeat(1 << 18),
        "a{b:f(".repeat(1 << 18),
        "url(".repeat(1 << 18),
        "a{b:url(".repeat(1 << 17),
        format!("a{{b:{}", "url(   \"x\" ".repeat(100_000)),
        format!("a{{b:url({}", " ".repeat(1 << 20)),
        format!("a{{b:url({})", "\\".repeat(1 << 20)),
        format!("a{{b:{}", "image-set(".repeat(100_000)),
        format!("a{{b:image-set({}", "'x' 1x, ".repeat(130_000)),
        format!("a{{b:image-set('x' {}", "1x ".repeat(300_000)),
        "/*".repeat(1 << 19),
        "\"\\".repeat(1 << 19),
        "'\n".repeat(1 << 19),
        "@import url(a".repeat(80_000),
        "@import 'a' ".repeat(80_000),
        format!("@media {}", "screen, ".repeat(130_000)),
        "@media print{".repeat(80_000),
        "}".repeat(1 << 20),
        "]".repeat(1 << 20),
        "<!-- -->".repeat(1 << 17),
        "a:".repeat(1 << 19),
        ";".repeat(1 << 20),
    ];
    for css in sheets {
        let sheet = css::pictures(&css, &page());
        let start: String = css.chars().take(30).collect();
        assert!(
            sheet.pictures.len() <= 4 && sheet.imports.len() <= 1,
            "{start}: {sheet:?}"
        );
    }
    let many: String = (0..20_000).fold(String::new(), |mut css, number| {
        write!(css, "@import 'i{number}.css';").expect("a string grows");
        css
    });
    let sheet = css::pictures(&many, &page());
    assert_eq!((sheet.imports.len(), sheet.left_out), (16, 19_984));
    let many: String = (0..20_000).fold(String::new(), |mut css, number| {
        write!(css, "p{{background:url(p{number}.png)}}").expect("a string grows");
        css
    });
    let sheet = css::pictures(&many, &page());
    assert_eq!((sheet.pictures.len(), sheet.left_out), (1_000, 19_000));
    // Beyond the depth that is followed, nothing is lost but what stands there.
    let deep = format!(
        "{}{}b{{c:url(after.png)}}",
        "a{".repeat(5_000),
        "}".repeat(5_000)
    );
    assert_eq!(css::pictures(&deep, &page()).pictures.len(), 1);
}
