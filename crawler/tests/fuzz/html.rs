//! What a page says.

use tusou_crawler::extract::{self, Extracted, MAX_VARIANTS, extract};
use tusou_ingest::Address;
use tusou_testkit::Fuzz;

use super::{check_address, check_text, page, seeds};

const LIMITS: extract::Limits = extract::Limits {
    max_links: 50,
    max_pictures: 20,
    max_srcset_width: 2_048,
    max_text: 100,
    max_sheets: 4,
    max_bytes: 4_000,
    icons: true,
};

fn check_page(found: &Extracted, length: usize) {
    assert!(found.links.len() <= LIMITS.max_links);
    assert!(found.pictures.len() <= LIMITS.max_pictures);
    for (place, link) in found.links.iter().enumerate() {
        check_address(link);
        assert!(!found.links[..place].contains(link), "{link} twice");
    }
    for (place, picture) in found.pictures.iter().enumerate() {
        check_address(&picture.address);
        let same = |other: &extract::Picture| other.address == picture.address;
        assert!(
            !found.pictures[..place].iter().any(same),
            "{} twice",
            picture.address
        );
        let texts = [
            &picture.alt,
            &picture.title,
            &picture.caption,
            &picture.label,
            &picture.link_text,
            &picture.heading,
        ];
        for text in texts {
            check_text(text.as_ref(), LIMITS.max_text);
        }
        check_text(picture.nearby.as_ref(), 300);
        assert!(picture.variants.len() <= MAX_VARIANTS);
        for variant in &picture.variants {
            check_address(variant);
            assert_ne!(*variant, picture.address);
        }
    }
    assert!(found.sheets.len() <= LIMITS.max_sheets);
    found.sheets.iter().for_each(check_address);
    check_text(found.title.as_ref(), LIMITS.max_text);
    check_address(&found.base);
    // Each of these stands for some bytes of the page.
    let counted =
        u64::from(found.unparsable_links) + u64::from(found.data_urls) + u64::from(found.left_out);
    assert!(counted <= length as u64, "{counted} of {length} bytes");
}

#[test]
fn any_page_is_read() {
    let fuzz = Fuzz {
        name: "html",
        seeds: seeds(&[
            include_str!("../pages/gallery.html"),
            "<!doctype html><html lang=en><head><base href='/b/'><title>T</title><meta charset=utf-8>\
             <meta name=robots content='noai, noindex'><meta property=og:image content=/og.png>\
             <meta http-equiv=refresh content='5; url=next.html'><link rel=canonical href=/c>",
            "<picture><source srcset='a.webp 1x, b.webp 2x' type=image/webp media='(min-width: 1px)'>\
             <img src=c.jpg srcset='d.jpg 320w, e.jpg 640w' sizes=100vw alt='A &amp; B' title=t></picture>",
            "<figure><figure><img src=1.png><figcaption>one <b>two</b></figcaption></figure>\
             <img src=data:image/png;base64,AAAA><figcaption>three</figcaption></figure>",
            "<svg><title>x</title><a href=s><image href=i.png/></a><foreignObject><img src=f.png></foreignObject></svg>",
            "<script type='application/ld+json'>{\"@type\":\"ImageObject\",\"contentUrl\":\"/l.png\",\
             \"license\":\"/licence\",\"creditText\":\"C\"}</script><img src=/l.png><a rel=license href=/licence>L</a>",
            "<template><img src=no.png></template><noscript><img src=yes.png></noscript><iframe src=/f></iframe>\
             <textarea><img src=no></textarea><!-- <img src=no> --><![CDATA[<img src=no>]]><plaintext>",
            "<h1>H</h1><p>Before <a href=x title=t><img src=a.png aria-label=L></a> after<br><h2>I</h2><div data-bg=b.png>",
            "<style>@import 'i.css'; p { background: url(s.png) }</style><p style='background: image-set(\"t.png\" 2x)'>\
             <link rel='stylesheet icon' href=l.css><body background=u.png><svg><image xlink:href=v.png /></svg>",
            "<?xml version='1.0' encoding='iso-8859-1'?><html xmlns='http://www.w3.org/1999/xhtml'><img src='a'/></html>",
        ]),
        words: &[
            b"<img src=",
            b"<a href=",
            b"<figure>",
            b"</figure>",
            b"<figcaption>",
            b"<svg>",
            b"</svg>",
            b"<math><mi>",
            b"<h1>",
            b"</h1>",
            b"<p>",
            b"<br>",
            b"</a>",
            b" style='background:url(",
            b"url(",
            b"<link rel=stylesheet href=",
            b"<template>",
            b"</template>",
            b"<script>",
            b"</script>",
            b"<style>",
            b"<title>",
            b"<textarea>",
            b"<base href='http://o.test/'>",
            b"<meta name=robots content=none>",
            b"<picture>",
            b"<source srcset='",
            b"<!--",
            b"-->",
            b"<![CDATA[",
            b"]]>",
            b"&amp;",
            b"&#x0;",
            b"&#1114112;",
            b"&nGt",
            b"\"",
            b"'",
            b">",
            b"/>",
            b"=",
            b"\0",
            b"\r\n",
            b"data:,",
            b"http://",
            b"//[::1]:",
            b" srcset='a 1w, b 2x'",
            b" alt=\"\xe7\x8c\xab\"",
            b"\xff\xfe",
            b"{\"@type\":\"ImageObject\"}",
        ],
    };
    let kinds = [
        None,
        Some("text/html; charset=utf-8"),
        Some("text/html; charset=gbk"),
        Some("application/xhtml+xml"),
    ];
    fuzz.run(|input| {
        let kind = kinds[input.len() % kinds.len()];
        let found = extract(input, kind, &page(), &LIMITS);
        check_page(&found, input.len());
        assert_eq!(found, extract(input, kind, &page(), &LIMITS));
    });
}

/// The picture that an `img` of this attribute shows.
fn shown(html: &str) -> Option<Address> {
    let found = extract(
        html.as_bytes(),
        Some("text/html; charset=utf-8"),
        &page(),
        &LIMITS,
    );
    assert!(found.pictures.len() <= 1);
    found
        .pictures
        .into_iter()
        .next()
        .map(|picture| picture.address)
}

#[test]
fn any_srcset_is_read() {
    let fuzz = Fuzz {
        name: "srcset",
        seeds: seeds(&[
            "a.png",
            "a.png 1x, b.png 2x, c.png 3.5x",
            "a.png 320w, b.png 640w, c.png 4096w",
            "  a,b.png , ,, c.png(1,2) 2x (x , y) 3w,",
            "data:image/png;base64,AA== 1x, http://o.test/p.png 2x",
        ]),
        words: &[
            b",",
            b" ",
            b"\t",
            b"(",
            b")",
            b"1x",
            b"0.5x",
            b"-1x",
            b"1e9x",
            b"NaNx",
            b"320w",
            b"+1w",
            b"18446744073709551616w",
            b"10h",
            b"//o.test/",
        ],
    };
    fuzz.run(|input| {
        // As the tokenizer has it.
        let text = String::from_utf8_lossy(input).replace('\0', "\u{fffd}");
        let value = text.replace('&', "&amp;").replace('"', "&quot;");
        let own = shown(&format!("<img srcset=\"{value}\">"));
        let source = shown(&format!(
            "<picture><source srcset=\"{value}\"><img></picture>"
        ));
        assert_eq!(own, source);
        if let Some(address) = own {
            check_address(&address);
            if input.len() > 2_048 {
                // Looking for it would take longer than finding it.
                return;
            }
            // It is written there, between blanks and commas: nothing that nobody wrote.
            let page = page();
            let is_it = |text: &str| page.join(text.trim_end_matches(',')).as_ref() == Ok(&address);
            let mut words = text.split_ascii_whitespace();
            assert!(
                words.any(|word| {
                    let mut commas = word.match_indices(',');
                    is_it(word) || commas.any(|(comma, _)| is_it(&word[comma + 1..]))
                }),
                "{address}"
            );
        }
    });
}
