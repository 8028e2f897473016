//! Addresses that sites make without end, and the templates that they come of.

use proptest::prelude::*;
use tusou_ingest::Address;
use tusou_ingest::trap::{self, Trap};

fn address(path_and_query: &str) -> Address {
    let whole = format!("http://example.org{path_and_query}");
    Address::parse(&whole).expect("the test's address is one")
}

#[test]
fn what_nobody_writes_by_hand_is_a_trap() {
    let deep = "/s".to_owned() + &(0..24).map(|n| format!("/{n}x")).collect::<String>();
    let parameters = |count: u32| {
        let all: Vec<String> = (0..count).map(|n| format!("p{n}=1")).collect();
        format!("/a?{}", all.join("&"))
    };
    let (many, more) = (parameters(32), parameters(33));
    let query = |bytes: usize| format!("/a?q={}", "x".repeat(bytes));
    let (long, longer) = (query(1_000), query(1_100));
    let table = [
        ("/a/a/a/a", Some(Trap::Repeated)),
        ("/about/x/about/y/about/z/about", Some(Trap::Repeated)),
        ("/a/b/a/b/a/b", Some(Trap::Circle)),
        ("/x/a/b/c/a/b/c/a/b/c/d", Some(Trap::Circle)),
        (deep.as_str(), Some(Trap::Deep)),
        (more.as_str(), Some(Trap::Query)),
        (longer.as_str(), Some(Trap::Query)),
        ("/a?page=2&page=2&page=2", Some(Trap::Query)),
        // And what sites do write.
        ("/", None),
        ("/a/a/a", None),
        ("/tiles/0/0/0", None),
        ("/a/b/a/b", None),
        ("/2024/01/01/01-news", None),
        ("/a//b//c//d//", None),
        ("/a?tag=1&tag=2&tag=3&tag=4", None),
        (many.as_str(), None),
        (long.as_str(), None),
        (&deep[2..], None),
    ];
    for (given, wanted) in table {
        assert_eq!(trap::of(&address(given)), wanted, "{given}");
    }
}

#[test]
fn addresses_of_one_template_have_one_pattern() {
    let table = [
        ("/", "/"),
        ("/About/us.html", "/About/us.html"),
        ("/news/12345", "/news/#"),
        ("/news/2024-01-31/7.html", "/news/#-#-#/#.html"),
        ("/calendar/2024/01", "/calendar/#/#"),
        ("/p12x3", "/p#x#"),
        ("/u/123e4567-e89b-12d3-a456-426614174000/x", "/u/*/x"),
        ("/blob/0f3c9a1be2", "/blob/*"),
        ("/s/lit3py55t21z5v55vlm25s55/", "/s/*/"),
        // Words stay words: of hexadecimal letters, long ones, and those that are escaped.
        (
            "/facade/deadbeef/internationalisation",
            "/facade/deadbeef/internationalisation",
        ),
        ("/tag/%E5%9B%BE%31", "/tag/%E5%9B%BE#"),
        ("/list?page=2&sort=name", "/list?page&sort"),
        ("/list?sort=date&page=17&&", "/list?page&sort"),
        ("/list?f%5B1%5D=a&f%5B22%5D=b", "/list?f%5B#%5D"),
        ("/list?", "/list"),
        ("/list?=x", "/list?"),
    ];
    for (given, wanted) in table {
        assert_eq!(trap::pattern(&address(given)), wanted, "{given}");
    }
}

#[test]
fn a_long_pattern_is_cut_and_still_its_own() {
    let long = |end: &str| trap::pattern(&address(&format!("/{}/{end}", "long-".repeat(80))));
    assert_eq!(long("a").len(), 256);
    assert_ne!(long("a"), long("b"));
    assert_eq!(long("17"), long("4"));
}

proptest! {
    #[test]
    fn any_address_has_a_bounded_pattern(path in ".{0,400}", query in ".{0,200}") {
        if let Ok(address) = Address::parse(&format!("http://example.org/{path}?{query}")) {
            let pattern = trap::pattern(&address);
            prop_assert!(pattern.starts_with('/') && pattern.len() <= 256, "{}", pattern);
            trap::of(&address);
        }
    }

    #[test]
    fn numbers_make_no_other_pattern(a in 0u64.., b in 0u64.., word in "[g-z]{1,20}") {
        let of = |n: u64| trap::pattern(&address(&format!("/{word}/{n}/{word}-{n}?{word}={n}")));
        prop_assert_eq!(of(a), of(b));
    }
}
