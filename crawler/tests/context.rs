//! What stands around a picture: headings, links, and the words of its block.

use tusou_crawler::extract::{Extracted, Limits, Picture, extract};
use tusou_ingest::address::Address;

fn read(html: &str) -> Extracted {
    let page = Address::parse("http://site.test/page.html").expect("an address");
    extract(
        html.as_bytes(),
        Some("text/html; charset=utf-8"),
        &page,
        &Limits::default(),
    )
}

/// One text of each picture, in the order of the page.
fn each(html: &str, pick: fn(Picture) -> Option<String>) -> Vec<String> {
    let pictures = read(html).pictures.into_iter();
    pictures
        .map(|picture| pick(picture).unwrap_or_default())
        .collect()
}

#[test]
fn the_heading_before_it() {
    let table: &[(&str, &[&str])] = &[
        (
            "<img src=a><h1>One</h1><img src=b><p><img src=c>",
            &["", "One", "One"],
        ),
        (
            "<h1>One <b>and</b>\n only</h1><h2></h2><img src=a>",
            &["One and only"],
        ),
        (
            "<h1>One</h1><img src=a><h2>Two</h2><h3>Three</h3><img src=b>",
            &["One", "Three"],
        ),
        (
            "<h2><a href=x><img src=a> Two</a></h2><img src=b>",
            &["", "Two"],
        ),
        ("<h1>Un<h2>closed<img src=a>", &[""]),
        (
            "<h1>One</h1><template><h2>No</h2></template><img src=a>",
            &["One"],
        ),
        ("<h1>One</h1><img src=a><h1>Two</h1><img src=a>", &["One"]),
    ];
    for (html, wanted) in table {
        assert_eq!(each(html, |picture| picture.heading), *wanted, "{html}");
    }
}

#[test]
fn the_text_of_its_link() {
    let table: &[(&str, &[&str])] = &[
        (
            "<a href=x>A <b>cat</b> <img src=a></a><img src=b>",
            &["A cat", ""],
        ),
        (
            "<a href=x><img src=a><div>Title</div><div>More</div></a>",
            &["Title More"],
        ),
        ("<a href=a.png>The large one</a>", &["The large one"]),
        ("<a href=a.png><img src=b.png></a>", &["", ""]),
        ("<a href=x aria-label='A cat'><img src=a></a>", &["A cat"]),
        ("<a href=x title='A cat'><img src=a> Cat</a>", &["Cat"]),
        ("<a name=x>No link <img src=a></a>", &[""]),
        (
            "<a href=x>One <img src=a><a href=y>Two <img src=b>",
            &["One", "Two"],
        ),
    ];
    for (html, wanted) in table {
        assert_eq!(each(html, |picture| picture.link_text), *wanted, "{html}");
    }
}

#[test]
fn the_words_of_its_block() {
    let table: &[(&str, &[&str])] = &[
        (
            "<p>Other</p><p>Before <img src=a> <b>after</b>.</p><p>Other</p>",
            &["Before after."],
        ),
        ("<p>Line<br>two <img src=a></p>", &["Line two"]),
        (
            "<p>Other</p><div>\n <img src=a>\n </div>\n<p>The next</p><p>Other</p>",
            &["The next"],
        ),
        (
            "<div><img src=a></div><div><img src=b></div><p>Of b</p>",
            &["", "Of b"],
        ),
        (
            "<p>Both <img src=a> and <img src=b></p>",
            &["Both and", "Both and"],
        ),
        (
            "<ul><li><img src=a> One<li><img src=b> Two</ul>",
            &["One", "Two"],
        ),
        (
            "<p>Text <svg><path></svg> goes <img src=a> on</p>",
            &["Text goes on"],
        ),
        (
            "<p>Text<script>var no</script><style>p {}</style> <img src=a></p>",
            &["Text"],
        ),
        ("<p>Words</p><img src=a>", &[""]),
        ("<p>猫 <img src=a> 图</p>", &["猫 图"]),
        ("<img src=a><textarea>no</textarea>", &[""]),
    ];
    for (html, wanted) in table {
        assert_eq!(each(html, |picture| picture.nearby), *wanted, "{html}");
    }
}

#[test]
fn the_words_around_it_are_bounded_on_both_sides() {
    for word in ["猫猫 ", "word ", "é "] {
        let (before, after) = (word.repeat(5_000), word.repeat(5_000));
        let html = format!("<p>{before} FIRST <img src=a> THEN {after} LATE <img src=b> LAST</p>");
        let nearby = each(&html, |picture| picture.nearby);
        for text in &nearby {
            assert!(
                text.chars().count() <= 300 && !text.contains('\u{fffd}'),
                "{text}"
            );
        }
        assert!(
            nearby[0].contains("FIRST THEN") && !nearby[0].contains("LATE"),
            "{nearby:?}"
        );
        let sides: Vec<&str> = nearby[0].split("FIRST THEN").collect();
        assert!(
            sides.iter().all(|side| side.chars().count() > 100),
            "{nearby:?}"
        );
        assert!(
            nearby[1].ends_with("LATE LAST") && !nearby[1].contains("THEN"),
            "{nearby:?}"
        );
    }
}

#[test]
fn what_assistive_technology_reads() {
    let html = "<img src=a aria-label='A cat'><div role=img aria-label=Dog title=D style='background: url(b)'></div>\
                <input type=image src=c aria-label=Go><video poster=d aria-label=Film></video>";
    assert_eq!(
        each(html, |picture| picture.label),
        ["A cat", "Dog", "Go", "Film"]
    );
    assert_eq!(each(html, |picture| picture.title), ["", "D", "", ""]);
}

#[test]
fn what_is_asked_for_ahead_stands_where_it_is_shown() {
    let html =
        "<link rel=preload as=image href=a.png><h1>One</h1><p>Words <img src=a.png alt=A></p>";
    let picture = read(html).pictures.remove(0);
    assert_eq!(
        (
            picture.found_by.to_string(),
            picture.alt,
            picture.heading,
            picture.nearby
        ),
        (
            "preload".to_owned(),
            Some("A".to_owned()),
            Some("One".to_owned()),
            Some("Words".to_owned())
        )
    );
}
