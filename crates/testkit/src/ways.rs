//! A site whose pages show pictures in every way that is known: for whoever finds pictures, and for a
//! browser that says which ones it asks for.

use std::fmt::Write as _;

/// A file of the site.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path, from the root.
    pub path: String,
    /// Its type.
    pub content_type: &'static str,
    /// What it holds.
    pub body: Vec<u8>,
}

/// The pages, by name.
const PAGES: [(&str, &str); 10] = [
    ("img", include_str!("ways/img.html")),
    ("lazy", include_str!("ways/lazy.html")),
    ("noscript", include_str!("ways/noscript.html")),
    ("css", include_str!("ways/css.html")),
    ("linked", include_str!("ways/linked.html")),
    ("head", include_str!("ways/head.html")),
    ("embedded", include_str!("ways/embedded.html")),
    ("amp", include_str!("ways/amp.html")),
    ("base", include_str!("ways/base.html")),
    ("shadow", include_str!("ways/shadow.html")),
];

const SHEETS: [(&str, &str); 8] = [
    (
        "/css/site.css",
        "@charset \"utf-8\"; @import 'deeper/deep.css'; @import url(/css/imported.css) screen;\n\
         .linked { background: url(../p/linked-sheet.png) } .nobody { background: url(/p/nobody2.png) }\n\
         @font-face { font-family: f; src: url(f.woff) }",
    ),
    (
        "/css/second.css",
        ".second { list-style-image: url(\"/p/second.png\") } } .second li { content: none; background: url(/p/after-brace.png) }",
    ),
    ("/css/print.css", "p { background: url(/p/printed.png) }"),
    (
        "/css/alternate.css",
        "p { background: url(/p/alternate.png) }",
    ),
    (
        "/css/imported.css",
        ".imported { background: url(/p/imported.png) }",
    ),
    (
        "/css/imported-print.css",
        ".imported { background: url(/p/imported-print.png) }",
    ),
    (
        "/css/deeper/deep.css",
        ".deep { background: url(../../p/deep.png) }",
    ),
    (
        "/elsewhere/deep/sheet.css",
        ".based { background: url(../sheet.png) }",
    ),
];

/// Values of `sizes`, of which the first half mean one pixel and the others the window's width: from
/// web-platform-tests, `…/the-img-element/sizes/sizes-iframed.sub.html`, 3-clause BSD licence.
const SIZES: [&str; 44] = [
    "1px",
    "0",
    "-0",
    "+0",
    "+1px",
    ".1px",
    "0.1em",
    "0.1ex",
    "0.1ch",
    "0.1rem",
    "0.1vw",
    "0.1vh",
    "1mm",
    "0.01in",
    "/* */1px/* */",
    "(),1px",
    "x(),1px",
    "{},1px",
    "1px,(",
    "\\(,1px",
    "calc(1px)",
    "(min-width:0) calc(1px)",
    "(min-width:0) 1px, 100vw",
    "(123) 100vw, 1px",
    "print 100vw, 1px",
    ", 1px",
    "1px,",
    "-0e-0px",
    "0.2e1px",
    "1px, foo bar",
    "100vw",
    "",
    ",",
    "-1px",
    "1",
    "0.1%",
    "0.1deg",
    "0.1dppx",
    "inherit",
    "auto",
    "1p/* */x",
    "100vw, 1px",
    "foo bar",
    "1e1.5px",
];

/// The site's pages and style sheets.
pub fn files() -> Vec<File> {
    let page = |name: &str, html: &str| File {
        path: format!("/{name}.html"),
        content_type: "text/html; charset=utf-8",
        body: html.as_bytes().to_vec(),
    };
    let mut files: Vec<File> = PAGES.iter().map(|(name, html)| page(name, html)).collect();
    files.push(page("sizes", &sizes()));
    files.extend(SHEETS.iter().map(|(path, css)| File {
        path: (*path).to_owned(),
        content_type: "text/css",
        body: css.as_bytes().to_vec(),
    }));
    files
}

/// A page with a picture for each value of `sizes`.
fn sizes() -> String {
    let mut html =
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sizes</title>".to_owned();
    for (number, sizes) in SIZES.iter().enumerate() {
        let set = format!(
            "/p/s{number}-50.png 50w, /p/s{number}-51.png 51w, /p/s{number}-4000.png 4000w"
        );
        writeln!(
            html,
            "<img srcset=\"{set}\" sizes=\"{sizes}\" alt=\"{number}\">"
        )
        .expect("a string grows");
    }
    html
}
