//! RFC 9309 case by case, as public suites for parsers of robots.txt have them, in our own words.
//! Where such a suite and the RFC differ, the RFC is followed, and the case says so.

use tusou_crawler::robots::Robots;

/// A file, and what each of some crawlers may fetch of it: `+` may, `-` may not.
struct Case {
    what: &'static str,
    robots: &'static [u8],
    asked: &'static [(&'static str, &'static str, char)],
}

const CASES: &[Case] = &[
    Case {
        what: "an empty file forbids nothing",
        robots: b"",
        asked: &[("foo", "/", '+'), ("foo", "/x/y?z", '+')],
    },
    Case {
        what: "keys and values are told apart by a colon, with or without spaces around it",
        robots: b"user-agent:foo\ndisallow : /a\n\tdisallow\t:\t/b \nDisallow:/c",
        asked: &[("foo", "/a", '-'), ("foo", "/b", '-'), ("foo", "/c", '-'), ("foo", "/d", '+')],
    },
    Case {
        what: "a missing colon is forgiven between two words",
        robots: b"user-agent foo\ndisallow /",
        asked: &[("foo", "/x", '-'), ("bar", "/x", '+')],
    },
    Case {
        what: "lines of unknown keys say nothing",
        robots: b"agent: foo\nforbid: /\nuser-agent: bar\nforbid: /\nnoindex: /x",
        asked: &[("foo", "/x", '+'), ("bar", "/x", '+')],
    },
    Case {
        what: "rules before the first crawler are nobody's, and each group has its own",
        robots: b"allow: /foo/\n\nuser-agent: foo\ndisallow: /\nallow: /x/\nuser-agent: bar\n\
                  disallow: /\nallow: /y/\n\n\nallow: /w/\nuser-agent: baz\n\nuser-agent: foo\nallow: /z/\ndisallow: /",
        asked: &[
            ("foo", "/x/b", '+'),
            ("foo", "/z/d", '+'),
            ("foo", "/y/c", '-'),
            ("foo", "/foo/", '-'),
            ("bar", "/y/c", '+'),
            ("bar", "/w/a", '+'),
            ("bar", "/z/d", '-'),
            ("baz", "/z/d", '+'),
            ("baz", "/foo/", '-'),
            ("other", "/foo/", '+'),
        ],
    },
    Case {
        what: "a sitemap or an unknown line between two crawlers does not part them",
        robots: b"user-agent: foo\nsitemap: https://x.test/s\nunknown: y\nuser-agent: *\ndisallow: /",
        asked: &[("foo", "/", '-'), ("bar", "/", '-')],
    },
    Case {
        what: "keys know no case",
        robots: b"USER-AGENT: foo\nALLOW: /x/\nDISALLOW: /\nuSeR-aGeNt: bar\ndIsAlLoW: /q",
        asked: &[("foo", "/x/y", '+'), ("foo", "/a", '-'), ("bar", "/q", '-'), ("bar", "/a", '+')],
    },
    Case {
        what: "crawlers' names know no case",
        robots: b"User-Agent: FOO BAR\nAllow: /x/\nDisallow: /",
        asked: &[("foo", "/x/y", '+'), ("Foo", "/a", '-'), ("FOO", "/a", '-'), ("bar", "/a", '+')],
    },
    Case {
        what: "a crawler's name ends where its letters do",
        robots: b"user-agent: *\ndisallow: /\nuser-agent: foo 2.1\nallow: /a\nuser-agent: bar/3\nallow: /b",
        asked: &[("foo", "/a", '+'), ("bar", "/b", '+'), ("baz", "/a", '-')],
    },
    Case {
        what: "a name that only begins alike is another",
        robots: b"user-agent: foobar\ndisallow: /\nuser-agent: foo-images\ndisallow: /",
        asked: &[("foo", "/x", '+'), ("foobar", "/x", '-'), ("foo-images", "/x", '-')],
    },
    Case {
        what: "who has a group of its own does not heed everybody's, wherever that stands",
        robots: b"user-agent: *\nallow: /\nuser-agent: foo\ndisallow: /\nuser-agent: *\ndisallow: /y",
        asked: &[("foo", "/x", '-'), ("bar", "/x", '+'), ("bar", "/y", '-')],
    },
    Case {
        what: "everybody's group is not needed",
        robots: b"user-agent: foo\nallow: /\nuser-agent: bar\ndisallow: /\nuser-agent: baz\ndisallow: /",
        asked: &[("quz", "/x", '+'), ("bar", "/x", '-'), ("foo", "/x", '+')],
    },
    Case {
        what: "paths know case",
        robots: b"user-agent: foo\ndisallow: /X/",
        asked: &[("foo", "/x/y", '+'), ("foo", "/X/y", '-')],
    },
    Case {
        what: "the longer match decides, whichever comes first",
        robots: b"user-agent: foo\ndisallow: /x/page.html\nallow: /x/\n\nuser-agent: bar\nallow: /x/page.html\ndisallow: /x/",
        asked: &[
            ("foo", "/x/page.html", '-'),
            ("foo", "/x/", '+'),
            ("bar", "/x/page.html", '+'),
            ("bar", "/x/", '-'),
            ("bar", "/", '+'),
        ],
    },
    Case {
        what: "of two as long the allowing one decides",
        robots: b"user-agent: foo\ndisallow: /x/page.html\nallow: /x/page.html\n\nuser-agent: bar\nallow: /page\ndisallow: /*.ht",
        asked: &[("foo", "/x/page.html", '+'), ("bar", "/page.html", '+'), ("bar", "/a.html", '-')],
    },
    Case {
        what: "an empty rule matches nothing",
        robots: b"user-agent: foo\ndisallow:\nallow:\n\nuser-agent: bar\ndisallow: /\nallow:",
        asked: &[("foo", "/x", '+'), ("bar", "/x", '-')],
    },
    Case {
        what: "a path without an ending slash is a prefix all the same",
        robots: b"user-agent: foo\ndisallow: /\nallow: /x/page\n\nuser-agent: bar\ndisallow: /\nallow: /x/page.",
        asked: &[
            ("foo", "/x/page", '+'),
            ("foo", "/x/pages", '+'),
            ("bar", "/x/page", '-'),
            ("bar", "/x/page.html", '+'),
        ],
    },
    Case {
        what: "queries are part of what is matched",
        robots: b"user-agent: foo\ndisallow: /\nallow: /foo/bar?qux=taz&baz=http://foo.bar?tar&par",
        asked: &[
            ("foo", "/foo/bar?qux=taz&baz=http://foo.bar?tar&par", '+'),
            ("foo", "/foo/bar?qux=taz", '-'),
        ],
    },
    Case {
        what: "letters outside ASCII are their UTF-8, escaped or not",
        robots: "user-agent: foo\ndisallow: /\nallow: /foo/bar/ツ\nallow: /b/%E3%83%84".as_bytes(),
        asked: &[
            ("foo", "/foo/bar/%E3%83%84", '+'),
            ("foo", "/foo/bar/%e3%83%84", '+'),
            ("foo", "/b/%E3%83%84", '+'),
            ("foo", "/b/", '-'),
        ],
    },
    Case {
        what: "escapes of plain letters are these letters (RFC 9309 \u{a7}2.2.2; not so in every suite)",
        robots: b"user-agent: foo\ndisallow: /\nallow: /foo/bar/%62%61%7A\nallow: /%7euser/",
        asked: &[
            ("foo", "/foo/bar/baz", '+'),
            ("foo", "/foo/bar/%62%61%7A", '+'),
            ("foo", "/~user/x", '+'),
            ("foo", "/%7Euser/x", '+'),
        ],
    },
    Case {
        what: "escapes of what parts a path are not the parts",
        robots: b"user-agent: foo\ndisallow: /a%2fb\ndisallow: /c/d",
        asked: &[("foo", "/a/b", '+'), ("foo", "/a%2Fb", '-'), ("foo", "/c%2Fd", '+')],
    },
    Case {
        what: "a star is any text, an empty one too",
        robots: b"user-agent: foo\ndisallow: /foo/bar/quz\nallow: /foo/*/qux",
        asked: &[
            ("foo", "/foo/bar/quz", '-'),
            ("foo", "/foo/quz", '+'),
            ("foo", "/foo//quz", '+'),
            ("foo", "/foo/bax/quz", '+'),
        ],
    },
    Case {
        what: "a dollar at the end is the end",
        robots: b"user-agent: foo\ndisallow: /foo/bar$\nallow: /foo/bar/qux",
        asked: &[
            ("foo", "/foo/bar", '-'),
            ("foo", "/foo/bar/qux", '+'),
            ("foo", "/foo/bar/", '+'),
            ("foo", "/foo/bar/baz", '+'),
            ("foo", "/foo/bar?", '+'),
        ],
    },
    Case {
        what: "what follows a number sign is a comment",
        robots: b"user-agent: foo # us\n# disallow: /\ndisallow: /foo/quz#qux/\nallow: / # all else",
        asked: &[("foo", "/foo/bar", '+'), ("foo", "/foo/quz", '-'), ("foo", "/foo/quz2", '-')],
    },
    Case {
        what: "a folder's index is a page of its own (RFC 9309 \u{a7}2.2.2; not so in every suite)",
        robots: b"user-agent: *\nallow: /open/index.html\ndisallow: /",
        asked: &[("foo", "/open/index.html", '+'), ("foo", "/open/", '-'), ("foo", "/open/x", '-')],
    },
    Case {
        what: "a byte order mark is none of the text, be it broken off",
        robots: b"\xEF\xBBuser-agent: foo\ndisallow: /x",
        asked: &[("foo", "/x", '-'), ("foo", "/y", '+')],
    },
    Case {
        what: "a byte order mark elsewhere is part of its line",
        robots: b"user-agent: foo\n\xEF\xBB\xBFdisallow: /x\ndisallow: /y",
        asked: &[("foo", "/x", '+'), ("foo", "/y", '-')],
    },
    Case {
        what: "every line ending is one, the last line needs none",
        robots: b"user-agent: foo\rdisallow: /a\r\ndisallow: /b\n\rdisallow: /c\r\r\ndisallow: /d",
        asked: &[
            ("foo", "/a", '-'),
            ("foo", "/b", '-'),
            ("foo", "/c", '-'),
            ("foo", "/d", '-'),
            ("foo", "/e", '+'),
        ],
    },
    Case {
        what: "a crawler that is named several times has all its groups, everybody's too",
        robots: b"user-agent: *\ndisallow: /1\nuser-agent: foo\nuser-agent: bar\ndisallow: /2\n\
                  user-agent: *\nuser-agent: bar\ndisallow: /3",
        asked: &[
            ("baz", "/1", '-'),
            ("baz", "/3", '-'),
            ("baz", "/2", '+'),
            ("bar", "/2", '-'),
            ("bar", "/3", '-'),
            ("bar", "/1", '+'),
            ("foo", "/3", '+'),
        ],
    },
    Case {
        what: "a page of HTML is a file without rules",
        robots: b"<html><head><title>Not found</title></head>\n<body>Disallow: everything</body></html>",
        asked: &[("foo", "/x", '+')],
    },
];

#[test]
fn each_case_is_as_the_rfc_has_it() {
    for Case {
        what,
        robots,
        asked,
    } in CASES
    {
        let parsed = Robots::parse(robots);
        for (crawler, path, wanted) in *asked {
            let allowed = parsed.allows_path(crawler, path);
            assert_eq!(allowed, *wanted == '+', "{what}: {crawler} {path}");
        }
    }
}

/// A line may be as long as the file: it is not cut where some parsers cut it.
#[test]
fn long_lines_are_read_whole() {
    let path = format!("/{}", "x".repeat(100_000));
    let robots = Robots::parse(format!("user-agent: foo\ndisallow: {path}b\nallow: /y").as_bytes());
    assert!(robots.allows_path("foo", &path));
    assert!(!robots.allows_path("foo", &format!("{path}b")));
}
