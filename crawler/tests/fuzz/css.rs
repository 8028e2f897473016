//! What style sheets name.

use tusou_crawler::extract::{Limits, css, extract};
use tusou_testkit::Fuzz;

use super::{check_address, page, seeds};

#[test]
fn any_sheet_is_read() {
    let fuzz = Fuzz {
        name: "css",
        seeds: seeds(&[
            "@charset \"utf-8\"; @import url(a.css) screen; @import 'b.css'; p { background: url(c.png) no-repeat }",
            "@media print { a { b: url(d.png) } } @font-face { src: url(e.woff) } li { list-style-image: url('f.png') }",
            "a::before { content: image-set('g.png' 1x, \"h.png\" 2dppx type('image/png'), url(i.avif) type(\"image/avif\")) }",
            "a { --b: url(j.png); c: var(--b, linear-gradient(red, url(k.png))) !important; & d { e: url(l\\2e png) } }",
            "a { b: url(data:image/png;base64,AA==), url(//o.test/m.png), url(#n) } /* url(no.png) */ <!-- -->",
        ]),
        words: &[
            b"url(",
            b")",
            b"(",
            b"{",
            b"}",
            b"[",
            b"]",
            b";",
            b":",
            b",",
            b"\"",
            b"'",
            b"\\",
            b"/*",
            b"*/",
            b"@import ",
            b"@media print",
            b"@font-face",
            b"image-set(",
            b"type(",
            b"2x",
            b"1e9x",
            b"-1x",
            b"data:,",
            b"http://",
            b"//[::1]:",
            b"\n",
            b"\0",
            b"\xff",
            b"\xe7\x8c\xab",
            b"<!--",
            b"!important",
        ],
    };
    fuzz.run(|input| {
        let text = css::decode(input, Some("text/css"));
        let sheet = css::pictures(&text, &page());
        let mut places: Vec<_> = sheet
            .pictures
            .iter()
            .map(|picture| &picture.address)
            .collect();
        places.sort_by_key(|address| address.as_str());
        places.dedup();
        assert_eq!(places.len(), sheet.pictures.len(), "a picture twice");
        for picture in &sheet.pictures {
            check_address(&picture.address);
            picture.variants.iter().for_each(check_address);
            assert!(!picture.variants.contains(&picture.address) && picture.variants.len() < 16);
        }
        sheet.imports.iter().for_each(check_address);
        let counted = [sheet.data_urls, sheet.unparsable, sheet.left_out];
        assert!(counted.iter().sum::<u32>() as usize <= input.len());
        assert_eq!(sheet, css::pictures(&text, &page()));
        // The same sheet within a page names the same pictures, where no tag or reference is in it.
        if !text.contains(['<', '&', '\0', '\r']) {
            let html = format!("<style>{text}");
            let found = extract(
                html.as_bytes(),
                Some("text/html; charset=utf-8"),
                &page(),
                &Limits::default(),
            );
            let own = page();
            let of_sheet = sheet
                .pictures
                .iter()
                .map(|picture| &picture.address)
                .filter(|it| **it != own);
            let of_page: Vec<_> = found
                .pictures
                .iter()
                .map(|picture| &picture.address)
                .collect();
            assert_eq!(of_sheet.collect::<Vec<_>>(), of_page);
        }
    });
}
