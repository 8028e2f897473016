//! What owners ask by metadata, headers and tdmrep.json, in every form that is met, and by any text.

use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::macros::datetime;
use tusou_crawler::directives::tdm::Reservations;
use tusou_crawler::directives::{Directives, Obey, from_headers};
use tusou_crawler::extract::{Limits, extract, extract_as};
use tusou_crawler::robots::PRODUCT_TOKEN;
use tusou_ingest::Address;

const ALL: Obey = Obey {
    noai: true,
    tdm: true,
};
const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

fn headers(lines: &[(&'static str, &str)]) -> Directives {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header's value");
        headers.append(HeaderName::from_static(name), value);
    }
    from_headers(&headers, PRODUCT_TOKEN)
}

fn robots(lines: &[&str]) -> Directives {
    let lines: Vec<_> = lines.iter().map(|line| ("x-robots-tag", *line)).collect();
    headers(&lines)
}

fn meta(metas: &str) -> Directives {
    let page = Address::parse("http://site.test/").expect("an address");
    extract(
        metas.as_bytes(),
        Some("text/html"),
        &page,
        &Limits::default(),
    )
    .directives
}

/// The directives by name, for a table.
fn words(directives: Directives) -> String {
    let Directives {
        noindex,
        nofollow,
        noimageindex,
        noai,
        noimageai,
        unavailable_after,
        tdm_reserved,
    } = directives;
    let mut words: Vec<String> = [
        (noindex, "noindex"),
        (nofollow, "nofollow"),
        (noimageindex, "noimageindex"),
        (noai, "noai"),
        (noimageai, "noimageai"),
    ]
    .into_iter()
    .filter(|(said, _)| *said)
    .map(|(_, word)| word.to_owned())
    .collect();
    words.extend(unavailable_after.map(|time| format!("until {}", time.unix_timestamp())));
    words.extend(tdm_reserved.map(|reserved| format!("tdm {reserved}")));
    words.join(" ")
}

#[test]
fn a_header_is_read_in_every_form() {
    let until = datetime!(2010-06-25 23:00 UTC).unix_timestamp();
    let until = |rest: &str| format!("{rest}until {until}");
    let table: &[(&[&str], String)] = &[
        (&["noindex"], "noindex".into()),
        (&["NoIndex , NOFOLLOW"], "noindex nofollow".into()),
        (&["none"], "noindex nofollow".into()),
        (&["all"], String::new()),
        (&["index, follow, noarchive, nosnippet"], String::new()),
        (&["noindex", "noimageindex"], "noindex noimageindex".into()),
        (&["noai, noimageai"], "noai noimageai".into()),
        (&["noindex; nofollow"], "noindex nofollow".into()),
        (&["noindex nofollow"], "noindex nofollow".into()),
        (&["noindex:"], "noindex".into()),
        // Values after a colon are no crawlers' names, and no directives.
        (&["noai, max-image-preview:large"], "noai".into()),
        (&["max-image-preview: none, max-snippet:-1"], String::new()),
        (&["max-snippet:-1 noindex"], "noindex".into()),
        (&["noindex max-video-preview: 0"], "noindex".into()),
        // A crawler's name holds for what follows it, up to the next one, on its line only.
        (&["tusoubot: noindex, nofollow"], "noindex nofollow".into()),
        (&["TusouBot/1.0 : noindex"], "noindex".into()),
        (&["*: noindex"], "noindex".into()),
        (&["robots: noimageindex"], "noimageindex".into()),
        (&["otherbot: noindex"], String::new()),
        (&["otherbot: noindex, none"], String::new()),
        (&["noai, otherbot: noindex"], "noai".into()),
        (
            &["otherbot: noindex, tusoubot: nofollow"],
            "nofollow".into(),
        ),
        (
            &["tusoubot: nofollow, otherbot: noindex, nofollow"],
            "nofollow".into(),
        ),
        (
            &["otherbot: max-image-preview:large, noindex"],
            String::new(),
        ),
        (
            &["tusoubot: max-image-preview:large, noindex"],
            "noindex".into(),
        ),
        (&["otherbot: noindex", "nofollow"], "nofollow".into()),
        (&["tusoubots: noindex"], String::new()),
        // Times hold colons and commas of their own.
        (&["unavailable_after: 25 Jun 2010 15:00:00 PST"], until("")),
        (
            &["Unavailable_After:25-Jun-10 15:00:00 PST, noindex"],
            until("noindex "),
        ),
        (
            &["unavailable_after: Friday, 25-Jun-10 23:00:00 GMT, noai"],
            until("noai "),
        ),
        (
            &["nofollow, unavailable_after: Fri, 25 Jun 2010 23:00:00 GMT"],
            until("nofollow "),
        ),
        (
            &["unavailable_after: 2010-06-25T15:00:00-08:00; noai"],
            until("noai "),
        ),
        (
            &["tusoubot: unavailable_after: 2010-06-25 15:00 PST"],
            until(""),
        ),
        (
            &["otherbot: unavailable_after: Fri, 25 Jun 2010 23:00:00 GMT, noai"],
            String::new(),
        ),
        (&["unavailable_after: one day, noindex"], "noindex".into()),
        (&["unavailable_after:, noindex"], "noindex".into()),
        (
            &[
                "unavailable_after: 2010-06-25T23:00Z",
                "unavailable_after: 2030-01-01",
            ],
            until(""),
        ),
        (
            &["", ",,;", ":", "::noindex::", "\u{fc}\u{fc}: noai"],
            "noindex".into(),
        ),
    ];
    for (lines, expected) in table {
        assert_eq!(&words(robots(lines)), expected, "{lines:?}");
    }
}

#[test]
fn a_time_is_read_in_every_form() {
    let time = |text: &str| {
        let mut directives = Directives::default();
        directives.add(&format!("unavailable_after: {text}"), PRODUCT_TOKEN);
        directives.unavailable_after
    };
    let three = datetime!(2010-06-25 15:00 UTC);
    for text in [
        "25 Jun 2010 15:00:00 GMT",
        "25 Jun 2010 15:00",
        "25 June 2010 15:00:00 UT",
        "Fri, 25 Jun 2010 15:00:00 +0000",
        "Fri, 25 Jun 10 15:00:00 Z",
        "Friday, 25-Jun-10 15:00:00 GMT",
        "25-JUN-2010 15:00:00 gmt",
        "Fri Jun 25 15:00:00 2010",
        "Jun 25, 2010 15:00:00",
        "2010-06-25T15:00:00Z",
        "2010-06-25t15:00:00.123z",
        "2010-06-25T17:00+02:00",
        "2010-06-25 15:00:00",
        "2010-06-25 10:00:00 -0500",
        "2010-06-25 10:00:00 EST",
        "2010-06-25 17:00:00 CEST",
        "25 Jun 2010 15:00:00 NOWHERE",
    ] {
        assert_eq!(time(text), Some(three), "{text}");
    }
    let day = Some(datetime!(2010-06-25 0:00 UTC));
    assert_eq!(time("2010-06-25"), day);
    assert_eq!(time("25 Jun 2010"), day);
    assert_eq!(time("25-Jun-99"), Some(datetime!(1999-06-25 0:00 UTC)));
    assert_eq!(
        time("2016-12-31T23:59:60Z"),
        Some(datetime!(2016-12-31 23:59:59 UTC))
    );
    for text in [
        "",
        "never",
        "Friday",
        "15:00:00 GMT",
        "2010-13-01",
        "2010-02-30",
        "32 Jun 2010",
        "25 Jun 2010 25:00:00",
        "25 Jun Jul 2010",
        "0000-01-01",
        "9999-12-31T23:59:59-12:00",
        "2010-06-25T15:00:00+99:00",
        "25 Jun 2010 15:00:00:00",
        "1277478000",
        "2010\u{2013}06\u{2013}25",
    ] {
        assert_eq!(time(text), None, "{text}");
    }
}

#[test]
fn metadata_is_read_by_both_names_and_joined_with_headers() {
    assert_eq!(
        words(meta(
            "<meta name=ROBOTS content='noai,unavailable_after: Fri, 25 Jun 2010 15:00:00 PST'>
             <meta name=TusouBot content=noimageindex><meta name=otherbot content=noindex>
             <meta name=TDM-Reservation content=1>"
        )),
        format!(
            "noimageindex noai until {} tdm true",
            datetime!(2010-06-25 23:00 UTC).unix_timestamp()
        )
    );
    assert_eq!(words(meta("<meta name=tdm-reservation content=2>")), "");
    let said = robots(&["noindex, unavailable_after: 2030-01-01"]).and_nearer(&meta(
        "<meta name=robots content='all, nofollow, unavailable_after: 2029-01-01'>",
    ));
    let until = datetime!(2029-01-01 0:00 UTC).unix_timestamp();
    assert_eq!(words(said), format!("noindex nofollow until {until}"));
}

#[test]
fn a_crawler_of_another_name_is_called_by_that() {
    let page = Address::parse("http://site.test/").expect("an address");
    let metas = b"<meta name=shopbot content=nofollow><meta name=tusoubot content=noindex>";
    let found = extract_as("shopbot", metas, None, &page, &Limits::default());
    assert_eq!(words(found.directives), "nofollow");
    let value = HeaderValue::from_static("ShopBot: noai, tusoubot: noindex");
    let name = HeaderName::from_static("x-robots-tag");
    let headers = HeaderMap::from_iter([(name, value)]);
    assert_eq!(words(from_headers(&headers, "shopbot")), "noai");
}

#[test]
fn of_reservations_the_nearest_counts() {
    let refusal = |header: Option<&str>, content: Option<&str>, by_file: bool, obey: Obey| {
        let lines: Vec<_> = header
            .map(|value| ("tdm-reservation", value))
            .into_iter()
            .collect();
        let mut nearer = Directives::default();
        if let Some(content) = content {
            nearer.reserve(content);
        }
        headers(&lines)
            .and_nearer(&nearer)
            .refusal(obey, by_file, NOW)
    };
    let reserved = Some("tdm_reserved");
    assert_eq!(refusal(None, None, false, ALL), None);
    assert_eq!(refusal(None, None, true, ALL), reserved);
    assert_eq!(refusal(Some("0"), None, true, ALL), None);
    assert_eq!(refusal(Some("1"), None, false, ALL), reserved);
    assert_eq!(refusal(Some("1"), Some("0"), true, ALL), None);
    assert_eq!(refusal(Some("0"), Some("1"), false, ALL), reserved);
    // Any other value is unset, and two values that differ are taken for the owner.
    assert_eq!(refusal(Some("yes"), Some("2"), true, ALL), reserved);
    assert_eq!(refusal(Some("true"), None, false, ALL), None);
    assert_eq!(refusal(Some("0, 1"), None, false, ALL), reserved);
    let deaf = Obey { tdm: false, ..ALL };
    assert_eq!(refusal(Some("1"), Some("1"), true, deaf), None);
}

#[test]
fn a_refusal_names_its_reason() {
    let refusal = |line: &str, obey: Obey| robots(&[line]).refusal(obey, false, NOW);
    assert_eq!(refusal("nofollow", ALL), None);
    assert_eq!(refusal("noindex", ALL), Some("noindex"));
    assert_eq!(refusal("none", ALL), Some("noindex"));
    assert_eq!(refusal("noimageindex", ALL), Some("noimageindex"));
    assert_eq!(refusal("noai", ALL), Some("noai"));
    assert_eq!(refusal("noimageai", ALL), Some("noai"));
    let deaf = Obey { noai: false, ..ALL };
    assert_eq!(refusal("noai, noimageai", deaf), None);
    assert_eq!(refusal("noai, noimageindex", deaf), Some("noimageindex"));
    assert_eq!(
        refusal("unavailable_after: 2026-06-01", ALL),
        Some("unavailable")
    );
    assert_eq!(
        refusal("unavailable_after: 2026-06-01T12:00Z", ALL),
        Some("unavailable")
    );
    assert_eq!(refusal("unavailable_after: 2026-06-01T12:01Z", ALL), None);
}

#[test]
fn the_first_location_that_matches_decides() {
    let file = |json: &str| Reservations::from_status(Some(200), json.as_bytes());
    // The report's own example.
    let example = file(
        r#"[{"location": "/directory-a/", "tdm-reservation": 1},
            {"location": "/directory-b/html/", "tdm-reservation": 1, "tdm-policy": "https://provider.test/p.json"},
            {"location": "/directory-b/images/*.jpg", "tdm-reservation": 0}]"#,
    );
    assert!(example.reserves("/directory-a/x.pdf"));
    assert!(example.reserves("/directory-b/html/"));
    for free in [
        "/",
        "/directory-a",
        "/Directory-a/x",
        "/directory-b/images/1.jpg",
    ] {
        assert!(!example.reserves(free), "{free}");
    }
    let ordered = file(
        r#"[{"location": "/open/", "tdm-reservation": 0}, {"location": "/*.png$", "tdm-reservation": 1},
            {"location": "/odd", "tdm-reservation": 2}, {"location": "/", "tdm-reservation": "1"}]"#,
    );
    for (path, reserved) in [
        ("/open/a.png", false),
        ("/a.png", true),
        ("/odd", false),
        ("/a.png?v=2", true),
        ("/", true),
    ] {
        assert_eq!(ordered.reserves(path), reserved, "{path}");
    }
    // Special characters and escapes are a robots.txt's.
    let spelled = file(
        r#"[{"location": "/path/foo-%24", "tdm-reservation": 1}, {"location": "/%7euser", "tdm-reservation": 1}]"#,
    );
    assert!(spelled.reserves("/path/foo-$"));
    assert!(spelled.reserves("/~user/x"));
    assert!(!spelled.reserves("/path/foo-"));
}

#[test]
fn a_file_that_is_none_reserves_nothing() {
    let all = br#"[{"location": "/", "tdm-reservation": 1}]"#;
    assert!(Reservations::from_status(Some(200), all).reserves("/"));
    for status in [None, Some(304), Some(404), Some(429), Some(500)] {
        assert!(
            !Reservations::from_status(status, all).reserves("/"),
            "{status:?}"
        );
    }
    for body in [
        "",
        "<html>",
        "[",
        "1",
        "[1, null, {}, [\"/\"]]",
        r#"[{"location": "/"}]"#,
        r#"[{"tdm-reservation": 1}]"#,
        r#"[{"location": "", "tdm-reservation": 1}]"#,
        r#"[{"location": 5, "tdm-reservation": 1}]"#,
        r#"[{"location": "/", "tdm-reservation": true}]"#,
    ] {
        assert!(
            !Reservations::parse(body.as_bytes()).reserves("/"),
            "{body}"
        );
    }
    // Forgiven: a byte order mark, a rule without its array, a location without its slash.
    let alone = "\u{feff}{\"location\": \"a/\", \"tdm-reservation\": 1}";
    assert!(Reservations::parse(alone.as_bytes()).reserves("/a/b"));
    // Depth is bounded by the parser.
    let deep = "[".repeat(400_000);
    assert_eq!(
        Reservations::parse(deep.as_bytes()),
        Reservations::default()
    );
}

#[test]
fn what_is_read_of_headers_is_bounded() {
    let late = format!("{}noindex", "x, ".repeat(10_000));
    assert_eq!(robots(&[&late]), Directives::default());
    let mut many = vec!["all"; 64];
    many.push("noindex");
    assert_eq!(robots(&many), Directives::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_header_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let names = ["x-robots-tag", "tdm-reservation"].map(HeaderName::from_static);
            let headers = names.into_iter().map(|name| (name, value.clone())).collect();
            from_headers(&headers, PRODUCT_TOKEN);
        }
    }

    #[test]
    fn any_list_is_read(list in "(noindex|tusoubot|unavailable_after|Fri|25|Jun|2010|15:00|-08:00|[,;: \t]|.){0,30}") {
        let mut directives = Directives::default();
        directives.add(&list, PRODUCT_TOKEN);
        directives.reserve(&list);
    }

    #[test]
    fn any_file_is_read(body in proptest::collection::vec(any::<u8>(), 0..300), path in "/.{0,20}") {
        Reservations::parse(&body).reserves(&path);
    }

    /// Whatever another crawler is told, and whatever surrounds it, is none of ours.
    #[test]
    fn what_others_are_told_is_not_ours(said in "(noindex|none|noai|noimageindex|max-snippet:3)(, (noindex|none|noai|max-snippet:3)){0,5}") {
        let line = format!("otherbot: {said}");
        prop_assert_eq!(robots(&[&line]), Directives::default());
        let line = format!("tusoubot: nofollow, otherbot: {said}");
        prop_assert_eq!(words(robots(&[&line])), "nofollow");
    }
}
