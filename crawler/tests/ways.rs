//! The ways in which a page shows a picture: which pictures each row of markup gives, and how they were found.

use tusou_crawler::extract::{Limits, extract};
use tusou_ingest::address::Address;

/// What is found in a piece of markup: a line for each picture, with its alternative text.
fn found(html: &str) -> Vec<String> {
    let page = Address::parse("http://site.test/page.html").expect("an address");
    let found = extract(
        html.as_bytes(),
        Some("text/html"),
        &page,
        &Limits::default(),
    );
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
