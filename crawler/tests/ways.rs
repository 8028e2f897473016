//! The ways in which a page shows a picture: which pictures each row of markup gives, and how they were found.

use tusou_crawler::extract::{Extracted, Limits, css, extract};
use tusou_ingest::address::Address;

fn read(html: &str, limits: &Limits) -> Extracted {
    let page = Address::parse("http://site.test/page.html").expect("an address");
    extract(html.as_bytes(), Some("text/html"), &page, limits)
}

/// What is found in a piece of markup: a line for each picture, with its alternative text.
fn found(html: &str) -> Vec<String> {
    lines(read(html, &Limits::default()))
}

fn lines(found: Extracted) -> Vec<String> {
    let picture = |picture: tusou_crawler::extract::Picture| {
        let path = picture.address.as_str();
        let path = path.strip_prefix("http://site.test").unwrap_or(path);
        match picture.alt {
            Some(alt) => format!("{} {path} {alt}", picture.found_by),
            None => format!("{} {path}", picture.found_by),
        }
    };
    found.pictures.into_iter().map(picture).collect()
}

#[test]
fn each_way_to_show_a_picture_is_found() {
    let table: &[(&str, &[&str])] = &[
        ("<img src=a.png alt=A>", &["img /a.png A"]),
        ("<noscript><img src=a.png></noscript>", &["img /a.png"]),
        (
            "<amp-img src=a.png alt=A></amp-img><amp-anim src=b.gif></amp-anim>",
            &["img /a.png A", "img /b.gif"],
        ),
        (
            "<video poster=a.jpg title=T><source src=a.mp4></video>",
            &["poster /a.jpg"],
        ),
        ("<input type=Image src=a.png alt=Go>", &["input /a.png Go"]),
        ("<input type=text src=a.png>", &[]),
        ("<input src=a.png>", &[]),
        ("<object data=a.png></object>", &["embedded /a.png"]),
        ("<object data=a type=image/webp></object>", &["embedded /a"]),
        ("<object data=a.png type=text/html></object>", &[]),
        ("<object data=a.swf></object>", &[]),
        ("<embed src=a.gif>", &["embedded /a.gif"]),
        ("<embed src=a.svg type=image/svg+xml>", &[]),
        (
            "<a href=large.jpg><img src=small.jpg alt=S></a>",
            &["link /large.jpg", "img /small.jpg S"],
        ),
        ("<area href=a.jpg>", &["link /a.jpg"]),
        ("<a href=a.jpg rel=nofollow>x</a>", &[]),
        ("<a href=/wiki/File:A.jpg>x</a>", &[]),
        ("<link rel=image_src href=a.png>", &["image_src /a.png"]),
        (
            "<link rel=preload as=image href=a.png><img src=a.png alt=A>",
            &["preload /a.png A"],
        ),
        (
            "<link rel=preload as=image href=a.png imagesrcset='b.png 1x, c.png 2x'>",
            &["preload /c.png"],
        ),
        ("<link rel=preload as=font href=a.woff2>", &[]),
        ("<link rel=preload as=image type=image/jxl href=a.jxl>", &[]),
        ("<link rel=preload as=image media=print href=a.png>", &[]),
        ("<link rel=icon href=a.png>", &[]),
        (
            "<meta property=og:image content=a.png><meta property=og:image:alt content=A>",
            &["og:image /a.png A"],
        ),
        (
            "<meta name=twitter:image content=a.png><meta name=twitter:image:alt content=A>",
            &["twitter:image /a.png A"],
        ),
        (
            "<meta name=twitter:image:src content=a.png>",
            &["twitter:image /a.png"],
        ),
        (
            "<meta property=og:image content=a.png><meta name=twitter:image content=a.png>",
            &["og:image /a.png"],
        ),
        ("<meta property=og:image content=''>", &[]),
    ];
    for (html, wanted) in table {
        assert_eq!(found(html), *wanted, "{html}");
    }
}

#[test]
fn what_scripts_load_late_is_found_beside_what_stands_there_till_then() {
    let table: &[(&str, &[&str])] = &[
        ("<img data-src=a.png alt=A>", &["lazy /a.png A"]),
        (
            "<img src=blank.gif data-src=a.png alt=A>",
            &["img /blank.gif A", "lazy /a.png A"],
        ),
        (
            "<img src=data:image/gif;base64,R0lGOD data-src=a.png>",
            &["lazy /a.png"],
        ),
        ("<img data-lazy-src=a.png>", &["lazy /a.png"]),
        ("<img data-lazy=a.png>", &["lazy /a.png"]),
        ("<img data-original=a.png>", &["lazy /a.png"]),
        ("<img data-echo=a.png>", &["lazy /a.png"]),
        ("<img data-actualsrc=a.png>", &["lazy /a.png"]),
        ("<img data-lazy=true src=a.png>", &["img /a.png"]),
        (
            "<img data-src=a.png data-srcset='a.png 1x, b.png 2x'>",
            &["lazy /b.png"],
        ),
        (
            "<img data-src=a.png data-srcset='b.png 0.5x'>",
            &["lazy /a.png"],
        ),
        (
            "<picture><source data-srcset='a.webp 800w, b.webp 1600w'><img data-src=c.png></picture>",
            &["picture /b.webp"],
        ),
        (
            "<picture><source type=image/jxl data-srcset=a.jxl><img data-src=c.png></picture>",
            &["lazy /c.png"],
        ),
        ("<div data-src=a.png></div>", &[]),
    ];
    for (html, wanted) in table {
        assert_eq!(found(html), *wanted, "{html}");
    }
}

#[test]
fn links_to_pictures_are_no_pages() {
    let page = Address::parse("http://site.test/").expect("an address");
    let html = b"<a href=a.jpg>x</a><a href=b.html>y</a><a href=/wiki/File:C.jpg>z</a>";
    let found = extract(html, Some("text/html"), &page, &Limits::default());
    let links: Vec<&str> = found.links.iter().map(Address::as_str).collect();
    assert_eq!(
        links,
        [
            "http://site.test/b.html",
            "http://site.test/wiki/File:C.jpg"
        ]
    );
}

#[test]
fn style_sheets_and_attributes_show_pictures() {
    let table: &[(&str, &[&str])] = &[
        (
            "<div style='background: url(a.png)'></div>",
            &["css /a.png"],
        ),
        (
            "<p style='background-image: url(&quot;a b.png&quot;)'>x</p>",
            &["css /a%20b.png"],
        ),
        ("<p style='color: red; width: calc(1px)'>x</p>", &[]),
        (
            "<p style='background: URL( a.png ), url(b.png)'>x</p>",
            &["css /a.png", "css /b.png"],
        ),
        ("<p style='background: url(a.png'>x</p>", &["css /a.png"]),
        (
            "<p style='background: url(a.png) !important; content: \"url(b.png)\"'>x</p>",
            &["css /a.png"],
        ),
        (
            "<p style='filter: url(a.svg); behavior: url(a.htc)'>x</p>",
            &[],
        ),
        ("<p style='background: url(#a)'>x</p>", &[]),
        (
            "<style>p { background: url(a.png) }</style>",
            &["css /a.png"],
        ),
        (
            "<style>@font-face { src: url(a.woff) } p { list-style-image: url('a.png') }</style>",
            &["css /a.png"],
        ),
        (
            "<style>/* url(a.png) */ p { content: url(b.png) }</style>",
            &["css /b.png"],
        ),
        (
            "<style>p { background: image-set('a.png' 1x, 'b.png' 2x) }</style>",
            &["css /b.png"],
        ),
        (
            "<style>p { background: -webkit-image-set(url(a.png) 96dpi, url(b.png) 300dpi) }</style>",
            &["css /b.png"],
        ),
        (
            "<style>p { background: image-set(url(a.jxl) 2x type('image/jxl'), url(a.png) 1x) }</style>",
            &["css /a.png"],
        ),
        (
            "<style>p { background: image-set(url(a.jxl) type('image/jxl')) }</style>",
            &[],
        ),
        (
            "<style>p { background: cross-fade(url(a.png), url(b.png)) }</style>",
            &["css /a.png", "css /b.png"],
        ),
        (
            "<style>@media print { p { background: url(a.png) } }</style>",
            &[],
        ),
        (
            "<style>@media screen { p { background: url(a.png) } }</style>",
            &["css /a.png"],
        ),
        (
            "<style>@media (prefers-color-scheme: dark) { p { background: url(a.png) } } p { mask: url(b.png) }</style>",
            &["css /b.png"],
        ),
        (
            "<style>p { & b { background: url(a.png) } }</style>",
            &["css /a.png"],
        ),
        (
            "<style>p { background: u\\72l(a.png) }</style>",
            &["css /a.png"],
        ),
        (
            "<style>p { background: url(a\\2e png) }</style>",
            &["css /a.png"],
        ),
        (
            "<style>p { background: url(a.png) } } b { background: url(b.png) }</style>",
            &["css /a.png", "css /b.png"],
        ),
        (
            "<style>p { background: url(a b.png); mask: url(c.png) }</style>",
            &["css /c.png"],
        ),
        (
            "<style media=print>p { background: url(a.png) }</style>",
            &[],
        ),
        (
            "<style type=text/x>p { background: url(a.png) }</style>",
            &[],
        ),
        (
            "<template><style>p { background: url(a.png) }</style></template>",
            &[],
        ),
        (
            "<div><template shadowrootmode=open><style>p { background: url(a.png) }</style></template></div>",
            &["css /a.png"],
        ),
        (
            "<svg><style>p { background: url(a.png) }</style></svg>",
            &["css /a.png"],
        ),
        (
            "<body background=a.png><table><td background=b.png>x</table>",
            &["css /a.png", "css /b.png"],
        ),
        ("<div background=a.png></div>", &[]),
        (
            "<div data-bg=a.png></div><div data-bg='url(b.png)'></div>",
            &["lazy /a.png", "lazy /b.png"],
        ),
        ("<div data-bg=true></div>", &[]),
        (
            "<svg><image href=a.png /><image xlink:href=b.png /></svg>",
            &["svg /a.png", "svg /b.png"],
        ),
        ("<feimage href=a.png>", &[]),
    ];
    for (html, wanted) in table {
        assert_eq!(found(html), *wanted, "{html}");
    }
}

#[test]
fn linked_style_sheets_are_told_and_their_pictures_are_read() {
    let html = "<link rel=stylesheet href=a.css><link rel='alternate stylesheet' href=no.css>\
                <link rel=stylesheet media=print href=no.css><link rel=stylesheet type=text/less href=no.less>\
                <style>@import 'b.css'; @import url(c.css) screen; @import url(no.css) print; \
                p {} @import 'late.css';</style><link rel=STYLESHEET href=a.css>";
    let mut found = read(html, &Limits::default());
    let sheets: Vec<&str> = found.sheets.iter().map(Address::path).collect();
    assert_eq!(sheets, ["/a.css", "/b.css", "/c.css"]);
    let base = Address::parse("http://cdn.test/x/a.css").expect("an address");
    let css = "@charset 'utf-8'; @layer base; @import 'd.css'; @namespace url(n); p { background: url(../p.png), url(data:,) }";
    let sheet = css::pictures(css, &base);
    assert_eq!(sheet.imports.len(), 1);
    assert_eq!(sheet.imports[0].as_str(), "http://cdn.test/x/d.css");
    found.add_sheet(&sheet, &Limits::default());
    found.add_sheet(&sheet, &Limits::default());
    assert_eq!(found.data_urls, 2);
    assert_eq!(lines(found), ["css http://cdn.test/p.png"]);
    let limits = Limits {
        max_sheets: 2,
        ..Limits::default()
    };
    let found = read(html, &limits);
    assert_eq!((found.sheets.len(), found.left_out), (2, 1));
}

#[test]
fn a_sheet_has_its_own_character_set() {
    let of = |body: &[u8], kind| css::decode(body, kind).into_owned();
    assert_eq!(
        of("a{content:'猫'}".as_bytes(), Some("text/css")),
        "a{content:'猫'}"
    );
    assert_eq!(
        of(b"@charset \"gbk\";\xC3\xA8", None),
        "@charset \"gbk\";猫"
    );
    assert_eq!(of(b"\xC3\xA8", Some("text/css; charset=gbk")), "猫");
    assert_eq!(
        of(b"\xEF\xBB\xBF\xC3\xA9", Some("text/css; charset=gbk")),
        "é"
    );
}

#[test]
fn icons_are_taken_where_they_are_wanted() {
    let html = "<link rel='shortcut icon' href=a.ico><link rel=apple-touch-icon href=b.png><link rel=mask-icon href=c.svg>";
    assert!(found(html).is_empty());
    let limits = Limits {
        icons: true,
        ..Limits::default()
    };
    assert_eq!(lines(read(html, &limits)), ["icon /a.ico", "icon /b.png"]);
}

#[test]
fn structured_data_name_pictures() {
    let table: &[(&str, &[&str])] = &[
        (r#"{"image": "a.png"}"#, &["json-ld /a.png"]),
        (
            r#"{"image": ["a.png", {"url": "b.png"}, {"@id": "/page.html#primaryimage"}]}"#,
            &["json-ld /a.png", "json-ld /b.png"],
        ),
        (
            r#"{"thumbnailUrl": ["a.png"], "contentUrl": "film.mp4"}"#,
            &["json-ld /a.png"],
        ),
        (
            r#"{"@type": "ImageObject", "contentUrl": "a.png", "url": "page.html"}"#,
            &["json-ld /a.png"],
        ),
        (
            r#"{"@graph": [{"@type": "ImageObject", "url": "a.png"}], "image": {"@type": "ImageObject", "contentUrl": "b.png"}}"#,
            &["json-ld /a.png", "json-ld /b.png"],
        ),
        (
            r#"{"image": 3, "thumbnailUrl": null, "logo": "c.png"}"#,
            &[],
        ),
        (r#"{"image": "data:image/png;base64,AAAA"}"#, &[]),
        (r#"{"image": "a.png""#, &[]),
    ];
    for (json, wanted) in table {
        let html = format!("<script type=application/ld+json>{json}</script>");
        let mut names = found(&html);
        names.sort();
        assert_eq!(names, *wanted, "{json}");
    }
    let html = r#"<img src=a.png alt=A><script type=application/ld+json>{"@type": "ImageObject", "contentUrl": "a.png", "caption": "C"}</script>"#;
    let picture = &read(html, &Limits::default()).pictures[0];
    assert_eq!(
        (picture.alt.as_deref(), picture.caption.as_deref()),
        (Some("A"), Some("C"))
    );
}

#[test]
fn the_other_candidates_are_kept_as_variants() {
    let variants = |html: &str| -> Vec<String> {
        let found = read(html, &Limits::default());
        let variants = found
            .pictures
            .into_iter()
            .flat_map(|picture| picture.variants);
        variants.map(|variant| variant.path().to_owned()).collect()
    };
    let table: &[(&str, &[&str])] = &[
        ("<img src=a.png>", &[]),
        (
            "<img src=a.png srcset='b.png 2x, c.png 3x'>",
            &["/b.png", "/a.png"],
        ),
        ("<img src=a.png srcset='a.png 1x, b.png 2x'>", &["/a.png"]),
        ("<img src=data:, srcset='a.png 1x, data:,x 2x'>", &[]),
        (
            "<img src=blank.png data-srcset='a.png 1x, b.png 2x'>",
            &["/a.png"],
        ),
        (
            "<picture><source srcset=a.jxl type=image/jxl><source srcset=d.png media=print><source srcset=a.webp><img src=a.png></picture>",
            &["/a.jxl", "/d.png", "/a.png"],
        ),
        (
            "<style>p { background: image-set('a.png' 1x, 'b.png' 2x) }</style>",
            &["/a.png"],
        ),
    ];
    for (html, wanted) in table {
        assert_eq!(variants(html), *wanted, "{html}");
    }
    let set: Vec<String> = (1..100)
        .map(|number| format!("a{number}.png {number}w"))
        .collect();
    assert_eq!(
        variants(&format!("<img srcset='{}'>", set.join(", "))).len(),
        16
    );
}
