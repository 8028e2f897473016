//! RFC 9309: its own examples, the cases that parsers commonly miss, and any bytes.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tusou_crawler::robots::{MAX_BYTES, PRODUCT_TOKEN, Robots};

/// Asserts what a crawler may fetch: each line of `cases` is a token, a path, and `+` or `-`.
fn check(robots: &str, cases: &[(&str, &str, bool)]) {
    let parsed = Robots::parse(robots.as_bytes());
    for (token, path, wanted) in cases {
        assert_eq!(
            parsed.allows_path(token, path),
            *wanted,
            "{token} {path} in\n{robots}"
        );
    }
}

/// For one rule set of `*`.
fn check_rules(rules: &str, cases: &[(&str, bool)]) {
    let cases: Vec<_> = cases
        .iter()
        .map(|(path, wanted)| ("tusoubot", *path, *wanted))
        .collect();
    check(&format!("User-agent: *\n{rules}"), &cases);
}

#[test]
fn the_simple_example_of_the_rfc() {
    let robots = "
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
";
    check(
        robots,
        &[
            ("tusoubot", "/a.gif", false),
            ("tusoubot", "/a.gif?x", true),
            ("tusoubot", "/example/a", false),
            ("tusoubot", "/example", true),
            ("tusoubot", "/publications/x", true),
            ("tusoubot", "/publications/x.gif", true),
            ("foobot", "/", false),
            ("foobot", "/example/page.html", true),
            ("foobot", "/example/allowed.gif", true),
            ("FooBot", "/other", false),
            ("barbot", "/example/page.html", false),
            ("bazbot", "/example/page.html", false),
            ("bazbot", "/example/a.gif", true),
            ("quxbot", "/example/", true),
            ("quxbot", "/a.gif", true),
        ],
    );
}

#[test]
fn the_longest_match_of_the_rfc() {
    check(
        "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n",
        &[
            ("foobot", "/example/page/x", true),
            ("foobot", "/example/page/disallowed.gif", false),
            ("otherbot", "/example/page/disallowed.gif", true),
        ],
    );
}

#[test]
fn groups_of_one_agent_are_merged() {
    check(
        "user-agent: a\ndisallow: /1\n\nuser-agent: b\ndisallow: /2\n\nUSER-AGENT: A\ndisallow: /3",
        &[
            ("a", "/1", false),
            ("a", "/2", true),
            ("a", "/3", false),
            ("b", "/3", true),
            ("c", "/1", true),
        ],
    );
    check(
        "user-agent: *\ndisallow: /1\nuser-agent: a\nallow: /\nuser-agent: *\ndisallow: /2",
        &[("x", "/1", false), ("x", "/2", false), ("a", "/1", true)],
    );
    // Lines of other records, empty lines and comments do not divide a group.
    check(
        "user-agent: a\nsitemap: http://x.test/s.xml\n\n# now b\ncrawl-delay: 3\nhost: x\nuser-agent: b\ndisallow: /",
        &[("a", "/1", false), ("b", "/1", false), ("c", "/1", true)],
    );
    // An empty rule is a rule: it ends the run of user agents.
    check(
        "user-agent: a\ndisallow:\nuser-agent: b\ndisallow: /",
        &[("a", "/1", true), ("b", "/1", false)],
    );
}

#[test]
fn agents_are_compared_by_product_token() {
    let of = |line: &str| {
        Robots::parse(format!("{line}\ndisallow: /").as_bytes()).allows_path(PRODUCT_TOKEN, "/x")
    };
    for line in [
        "User-agent: tusoubot",
        "User-agent: TusouBot/1.0",
        "user-agent:tusoubot (+https://x.test/)",
        "User-agent : tusoubot # us",
        "useragent: tusoubot",
        "User-agent tusoubot",
        "User-agent: *",
        "User-agent: * # all",
        "User-agent: *  x",
    ] {
        assert!(!of(line), "{line}");
    }
    for line in [
        "User-agent: tusou",
        "User-agent: tusoubot-images",
        "User-agent: *x",
        "User-agent:",
        "# User-agent: *",
        "",
    ] {
        assert!(of(line), "{line}");
    }
    // A group of our own sets `*` aside, even where it has no rules.
    check(
        "user-agent: *\ndisallow: /\nuser-agent: tusoubot\n",
        &[("tusoubot", "/", true), ("other", "/", false)],
    );
}

#[test]
fn the_longest_pattern_decides_and_allow_wins_a_tie() {
    check_rules("allow: /p\ndisallow: /", &[("/page", true), ("/x", false)]);
    check_rules(
        "disallow: /folder\nallow: /folder",
        &[("/folder/page", true)],
    );
    check_rules(
        "allow: /page\ndisallow: /*.htm",
        &[("/page.htm", false), ("/page.html", false), ("/page", true)],
    );
    check_rules("allow: /page\ndisallow: /*.ph", &[("/page.php5", true)]);
    check_rules(
        "allow: /$\ndisallow: /",
        &[("/", true), ("/page.htm", false), ("/?x", false)],
    );
    check_rules(
        "disallow: /x/page.html\nallow: /x/",
        &[("/x/page.html", false), ("/x/", true)],
    );
    check_rules("disallow: /a*\nallow: /a", &[("/ab", false)]);
    check_rules("disallow:\ndisallow: /b", &[("/a", true), ("/b", false)]);
}

#[test]
fn patterns_know_two_special_characters() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("/", &["/", "/x", "/?y"], &[]),
        ("*", &["/", "/x"], &[]),
        (
            "/fish",
            &["/fish", "/fish.html", "/fishheads/y", "/fish?id=x"],
            &["/Fish.asp", "/catfish", "/desert/fish"],
        ),
        (
            "/fish*",
            &["/fish", "/fish.html", "/fish?id"],
            &["/Fish", "/catfish"],
        ),
        (
            "/fish/",
            &["/fish/", "/fish/?id=1", "/fish/salmon"],
            &["/fish", "/fish.html"],
        ),
        (
            "/*.php",
            &["/index.php", "/a/b.php?x", "/a.php/", "/a.phpx"],
            &["/", "/windows.PHP"],
        ),
        (
            "/*.php$",
            &["/a.php", "/a/b.php"],
            &["/a.php?x", "/a.php/", "/a.php5", "/windows.PHP"],
        ),
        (
            "/fish*.php",
            &["/fish.php", "/fishheads/catfish.php?x"],
            &["/Fish.PHP", "/xfish.php"],
        ),
        ("/a$", &["/a"], &["/a/", "/ab", "/a?"]),
        ("/a*$", &["/a", "/ab/c?d"], &["/b"]),
        ("/**a***b", &["/ab", "/xaxb"], &["/ba"]),
        ("/ab*ab$", &["/abab", "/abxab"], &["/ab", "/aba"]),
        ("/a$b", &["/a$b", "/a%24bc"], &["/a", "/ab"]),
        ("/a%24", &["/a$", "/a%24b"], &["/a"]),
        ("/a%2Ab", &["/a*b", "/a%2ab"], &["/axb"]),
        ("$", &[], &["/", "/x"]),
        ("fish", &[], &["/fish", "/"]),
        ("*fish", &["/fish", "/x/fish"], &["/"]),
        ("http://x.test/a", &[], &["/a", "/http://x.test/a"]),
        ("/a#b", &["/a", "/ac"], &["/b"]),
        ("/a b", &["/a%20b"], &["/a"]),
    ];
    for (pattern, matched, others) in table {
        let cases = matched
            .iter()
            .map(|path| (*path, false))
            .chain(others.iter().map(|path| (*path, true)));
        check_rules(&format!("disallow: {pattern}"), &cases.collect::<Vec<_>>());
    }
}

#[test]
fn escapes_do_not_matter_where_the_rfc_says_so() {
    // RFC 9309 §2.2.2, both ways round.
    let same = [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        (
            "/foo/bar?baz=https://foo.bar",
            "/foo/bar?baz=https%3A%2F%2Ffoo.bar",
        ),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/%e3%83%84"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/%7Ejoe/", "/~joe/"),
        ("/a?b=%3f", "/a?b=?"),
    ];
    for (a, b) in same {
        check_rules(&format!("disallow: {a}"), &[(a, false), (b, false)]);
        check_rules(&format!("disallow: {b}"), &[(a, false), (b, false)]);
    }
    check_rules("disallow: /a%2Fb", &[("/a/b", true), ("/a%2fb", false)]);
    check_rules("disallow: /a/b", &[("/a%2Fb", true)]);
    check_rules("disallow: /*/print", &[("/a?x=/print", false)]);
    check_rules("disallow: /100%", &[("/100%", false), ("/100", true)]);
}

#[test]
fn lines_end_in_every_way_and_odd_bytes_are_no_harm() {
    for end in ["\n", "\r", "\r\n", "\n\n", "\r\r\n"] {
        let robots = ["User-agent: *", "Disallow: /a", "Disallow: /b"].join(end);
        check(
            &robots,
            &[("x", "/a", false), ("x", "/b", false), ("x", "/c", true)],
        );
    }
    let marked = Robots::parse(b"\xEF\xBB\xBFUser-agent: *\nDisallow: /a");
    assert!(!marked.allows_path("x", "/a"));
    let odd = Robots::parse(
        b"\xFF\xFE\0\nUser-agent: *\n\xC3\x28: /\nDisallow: /\xE9t\xE9\nDisallow: /b\0c",
    );
    assert!(
        !odd.allows_path("x", "/%E9t%E9")
            && odd.allows_path("x", "/b")
            && odd.allows_path("x", "/a")
    );
    let html = "<!doctype html><title>404: not found</title><p>User-agent: what?</p>";
    check(html, &[("x", "/a", true)]);
}

#[test]
fn common_slips_are_forgiven() {
    for rule in [
        "disallow /a",
        "Dissallow: /a",
        "disalow: /a",
        "DISALLOW\t:\t/a\t",
        "diasllow:/a",
    ] {
        check_rules(rule, &[("/a", false), ("/b", true)]);
    }
    check_rules(
        "disallow anything you like",
        &[("/a", true), ("/anything", true)],
    );
    check("disallow: /\nallow: /x", &[("x", "/a", true)]);
}

#[test]
fn robots_txt_itself_is_always_allowed() {
    check_rules(
        "disallow: /",
        &[
            ("/robots.txt", true),
            ("/robots.txtx", false),
            ("/x/robots.txt", false),
        ],
    );
    assert!(Robots::disallow_all().allows_path("x", "/robots.txt"));
}

#[test]
fn the_outcome_of_asking_says_what_holds() {
    let body = b"user-agent: *\ndisallow: /a";
    let of = |status| Robots::from_status(status, body);
    for status in [200, 203, 206] {
        assert!(
            !of(Some(status)).allows_path("x", "/a") && of(Some(status)).allows_path("x", "/b"),
            "{status}"
        );
    }
    for status in [301, 302, 400, 401, 403, 404, 410, 418, 451] {
        assert_eq!(of(Some(status)), Robots::allow_all(), "{status}");
        assert!(of(Some(status)).allows_path("x", "/a"));
    }
    for status in [
        Some(429),
        Some(500),
        Some(503),
        Some(599),
        Some(100),
        Some(999),
        None,
    ] {
        assert!(
            of(status).is_unreachable() && !of(status).allows_path("x", "/b"),
            "{status:?}"
        );
    }
    assert!(!of(Some(200)).is_unreachable());
}

#[test]
fn delays_and_sitemaps_are_read() {
    let robots = Robots::parse(
        b"Sitemap: https://x.test/a.xml\nuser-agent: a\ncrawl-delay: 1.5\ndisallow: /b\nuser-agent: a\ncrawl-delay: 2\n\
          user-agent: b\ncrawl-delay: -1\nuser-agent: c\ncrawl-delay: inf\nuser-agent: d\ncrawl-delay: soon\n\
          user-agent: *\nallow: /\ncrawl-delay: 10\nsitemap:/relative.xml\nSITEMAP :  http://x.test/b.xml  # second",
    );
    assert_eq!(robots.crawl_delay("A"), Some(Duration::from_secs(2)));
    for token in ["b", "c", "d"] {
        assert_eq!(robots.crawl_delay(token), None, "{token}");
    }
    assert_eq!(robots.crawl_delay("other"), Some(Duration::from_secs(10)));
    // Another crawler's delay is not ours, though by the RFC the two share their rules.
    let shared = Robots::parse(b"user-agent: a\nuser-agent: b\ncrawl-delay: 60\nuser-agent: *\ncrawl-delay: 1\ndisallow: /");
    assert_eq!(shared.crawl_delay("b"), Some(Duration::from_secs(60)));
    assert_eq!(shared.crawl_delay("other"), Some(Duration::from_secs(1)));
    assert!(!shared.allows_path("a", "/x"));
    let odd = Robots::parse(
        b"user-agent: c\ncrawl-delay: 1e300\nuser-agent: d\ndisallow: /\ncrawl-delay: NaN",
    );
    assert_eq!(odd.crawl_delay("c"), Some(Duration::from_secs(86_400)));
    assert_eq!(odd.crawl_delay("d"), None);
    let sitemaps: Vec<_> = robots
        .sitemaps()
        .iter()
        .map(|address| address.as_str())
        .collect();
    assert_eq!(sitemaps, ["https://x.test/a.xml", "http://x.test/b.xml"]);
}

#[test]
fn half_a_megabyte_is_read_and_no_half_line() {
    let mut robots = "user-agent: *\ndisallow: /first\n".to_owned();
    robots.push_str(&"#".repeat(MAX_BYTES - robots.len() - "\ndisallow: /".len()));
    let last = "\ndisallow: /last";
    robots.push_str(last);
    let parsed = Robots::parse(robots.as_bytes());
    assert!(!parsed.allows_path("x", "/first"));
    assert!(parsed.allows_path("x", "/other") && parsed.allows_path("x", "/last"));
    robots.replace_range(40..40 + last.len(), "");
    let parsed = Robots::parse(robots.as_bytes());
    assert!(!parsed.allows_path("x", "/last") && parsed.allows_path("x", "/other"));
}

/// A matcher that tries every choice would not come back from this one.
#[test]
fn many_stars_end() {
    let pattern = "*a".repeat(1_000);
    let robots = format!(
        "user-agent: *\n{}",
        format!("disallow: /{pattern}b\n").repeat(200)
    );
    let path = format!("/{}", "a".repeat(2_000));
    let started = Instant::now();
    check(&robots, &[("x", &path, true)]);
    eprintln!("many stars: {:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_a_robots_txt(body in prop::collection::vec(any::<u8>(), 0..400), path in "/[ -~]{0,40}") {
        let robots = Robots::parse(&body);
        let _ = robots.crawl_delay("tusoubot");
        prop_assert!(robots.allows_path("tusoubot", "/robots.txt"));
        let _ = robots.allows_path("tusoubot", &path);
    }

    #[test]
    fn any_lines_are_a_robots_txt(
        lines in prop::collection::vec("(user-agent|disallow|allow|crawl-delay|sitemap)[: ]{0,2}[*$/a%2?é ]{0,12}", 0..20),
        path in "/[a*$%2?/]{0,20}",
    ) {
        let robots = Robots::parse(lines.join("\n").as_bytes());
        prop_assert!(robots.allows_path("tusoubot", "/robots.txt"));
        let _ = robots.allows_path("a", &path);
    }

    #[test]
    fn a_path_forbids_itself_and_what_follows(path in "/[a-z0-9/?=&.~%\u{e9}-]{0,30}", more in "[a-z/]{0,10}") {
        let robots = Robots::parse(format!("user-agent: *\ndisallow: {path}").as_bytes());
        let text = path.clone() + &more;
        prop_assume!(path == path.trim() && text != "/robots.txt");
        // A stray `%` may join what follows into an escape.
        prop_assume!(!path.chars().rev().take(2).any(|c| c == '%') || more.is_empty());
        prop_assert!(!robots.allows_path("x", &text));
    }

    #[test]
    fn without_rules_everything_is_allowed(path in "/\\PC{0,40}") {
        prop_assert!(Robots::parse(b"").allows_path("x", &path));
    }
}
