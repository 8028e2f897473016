//! Addresses and scopes: tables of spellings, and properties over any text.

use proptest::prelude::*;
use tusou_ingest::address::{Address, MAX_LENGTH, Scope};

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn spellings_of_one_address_are_one() {
    let table = [
        ("http://example.org", "http://example.org/"),
        ("  http://example.org/ \n", "http://example.org/"),
        ("HTTP://EXAMPLE.org/Path", "http://example.org/Path"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("https://example.org:80/a", "https://example.org:80/a"),
        ("http://example.org/a#part", "http://example.org/a"),
        ("http://example.org/a/./b/../c", "http://example.org/a/c"),
        (
            "http://example.org/%7euser/%2e%2e/x",
            "http://example.org/x",
        ),
        (
            "http://example.org/%7Euser/a%2db",
            "http://example.org/~user/a-b",
        ),
        (
            "http://example.org/caf%c3%a9",
            "http://example.org/caf%C3%A9",
        ),
        ("http://example.org/café", "http://example.org/caf%C3%A9"),
        ("http://example.org/a%2fb", "http://example.org/a%2Fb"),
        ("http://example.org/100%", "http://example.org/100%"),
        ("http://example.org/%%32%45", "http://example.org/%%32E"),
        ("http://example.org/%4%41", "http://example.org/%4%41"),
        ("http://example.org/a b", "http://example.org/a%20b"),
        ("http://example.org\\a\\b", "http://example.org/a/b"),
        (
            "http://example.org/a?Q=%7e&utm_source=x#y",
            "http://example.org/a?Q=%7e&utm_source=x",
        ),
        ("http://example.org/a?", "http://example.org/a?"),
        (
            "http://例え.テスト/図",
            "http://xn--r8jz45g.xn--zckzah/%E5%9B%B3",
        ),
        ("http://@example.org/", "http://example.org/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://exa\tmple.org/", "http://example.org/"),
    ];
    for (given, wanted) in table {
        assert_eq!(address(given).as_str(), wanted, "{given}");
    }
}

#[test]
fn what_cannot_be_fetched_is_named_by_a_word() {
    let long = format!("http://example.org/{}", "a".repeat(MAX_LENGTH));
    let longer = "http://example.org/".to_owned() + &"./".repeat(100_000);
    let table = [
        ("", "unparsable"),
        ("example.org/a", "unparsable"),
        ("/a", "unparsable"),
        ("//example.org/", "unparsable"),
        ("http://exa mple.org/", "unparsable"),
        ("http://[bad/", "unparsable"),
        ("http://example.org:99999/", "unparsable"),
        ("http://1.2.3.4.5/", "unparsable"),
        ("http://", "no_host"),
        ("ftp://example.org/", "scheme"),
        ("mailto:a@example.org", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("data:image/png;base64,AAAA", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("http://user@example.org/", "userinfo"),
        ("http://user:secret@example.org/", "userinfo"),
        ("https://:secret@example.org/", "userinfo"),
        (long.as_str(), "too_long"),
        (longer.as_str(), "too_long"),
    ];
    for (given, wanted) in table {
        let error = Address::parse(given).expect_err(given);
        assert_eq!(error.reason(), wanted, "{given}");
        assert!(
            !error.to_string().contains("secret") && error.to_string().len() < 500,
            "{error}"
        );
    }
}

#[test]
fn a_long_text_may_be_a_short_address() {
    let text = format!("http://example.org/a#{}", "x".repeat(MAX_LENGTH));
    assert_eq!(address(&text).as_str(), "http://example.org/a");
    let exact = format!("http://example.org/{}", "a".repeat(MAX_LENGTH - 19));
    assert_eq!(address(&exact).as_str().len(), MAX_LENGTH);
}

#[test]
fn references_resolve_against_their_base() {
    let base = address("http://example.org/a/b/c?q#f");
    let table = [
        ("d", "http://example.org/a/b/d"),
        ("../d", "http://example.org/a/d"),
        ("../../../../d", "http://example.org/d"),
        ("/d", "http://example.org/d"),
        ("//other.test/d", "http://other.test/d"),
        ("?x", "http://example.org/a/b/c?x"),
        ("", "http://example.org/a/b/c?q"),
        (" d ", "http://example.org/a/b/d"),
    ];
    for (given, wanted) in table {
        assert_eq!(base.join(given).expect(given).as_str(), wanted, "{given}");
    }
    assert_eq!(
        base.join("http://[bad").expect_err("no URL").reason(),
        "unparsable"
    );
    assert_eq!(base.join("tel:1").expect_err("no page").reason(), "scheme");
}

#[test]
fn an_address_has_parts() {
    let it = address("http://Example.org:8080/a/My%20cat%20%E7%8C%AB.jpg?x=1/2#f");
    assert_eq!(it.origin(), "http://example.org:8080");
    assert_eq!(it.host_name(), "example.org");
    assert_eq!(it.path_and_query(), "/a/My%20cat%20%E7%8C%AB.jpg?x=1/2");
    assert_eq!(it.file_name(), "My cat 猫.jpg");
    assert_eq!(
        address("https://example.org:443/").origin(),
        "https://example.org"
    );
    let names = [
        ("http://example.org/a/", "example.org"),
        ("http://[::1]:9/", "[::1]"),
        ("http://example.org/..%2F..%5Cetc%00", ".._.._etc"),
        ("http://example.org/%FF.png", "\u{fffd}.png"),
        ("http://example.org/%00", "example.org"),
    ];
    for (given, wanted) in names {
        assert_eq!(address(given).file_name(), wanted, "{given}");
    }
}

#[test]
fn an_address_is_one_string_in_json() {
    let it = address("http://example.org/a");
    let json = serde_json::to_string(&it).expect("a string");
    assert_eq!(json, "\"http://example.org/a\"");
    assert_eq!(
        serde_json::from_str::<Address>("\"HTTP://example.org:80/a\"").expect("an address"),
        it
    );
    assert!(serde_json::from_str::<Address>("\"ftp://example.org/\"").is_err());
}

#[test]
fn a_scope_bounds_the_crawl() {
    use Scope::{Domain, Host, Prefix};
    let table = [
        (Host, "http://a.test/x/y", "http://a.test/z", true),
        (Host, "http://a.test/", "https://a.test/z", true),
        (Host, "http://a.test:8801/", "http://a.test:8801/z", true),
        (
            Host,
            "http://127.0.0.1:8801/",
            "http://127.0.0.1:8802/",
            false,
        ),
        (Host, "http://a.test/", "https://a.test:8443/", false),
        (Host, "http://a.test/", "http://www.a.test/", false),
        (
            Domain,
            "http://www.example.co.uk/",
            "https://img.example.co.uk:8443/",
            true,
        ),
        (
            Domain,
            "http://www.example.co.uk/",
            "http://other.co.uk/",
            false,
        ),
        (
            Domain,
            "http://anna.github.io/",
            "http://bert.github.io/",
            false,
        ),
        (Domain, "http://github.io/", "http://anna.github.io/", false),
        (
            Domain,
            "http://a.食狮.公司.cn/",
            "http://b.食狮.公司.cn/",
            true,
        ),
        (
            Domain,
            "http://食狮.公司.cn/",
            "http://其他.公司.cn/",
            false,
        ),
        (Domain, "http://a.intern/", "http://b.intern/", false),
        (Domain, "http://localhost:1/", "http://localhost:2/", true),
        (Domain, "http://localhost/", "http://example.org/", false),
        (Domain, "http://127.0.0.1/", "http://127.0.0.1:81/", true),
        (Domain, "http://127.0.0.1/", "http://126.0.0.1/", false),
        (Domain, "http://[::1]/", "http://[::1]:81/", true),
        (Domain, "http://com/", "http://com.com/", false),
        (Prefix, "http://a.test/x/y.html", "http://a.test/x/z/", true),
        (Prefix, "http://a.test/x/y.html", "http://a.test/x/?q", true),
        (Prefix, "http://a.test/x/", "http://a.test/xy", false),
        (Prefix, "http://a.test/x", "http://a.test/z", true),
        (Prefix, "http://a.test/%7Ex/", "http://a.test/~x/y", true),
        (Prefix, "http://a.test/x/", "http://b.test/x/", false),
    ];
    for (scope, seed, candidate, wanted) in table {
        let found = scope.contains(&address(seed), &address(candidate));
        assert_eq!(found, wanted, "{scope} of {seed}: {candidate}");
    }
}

#[test]
fn a_scope_is_written_as_one_word() {
    for name in ["host", "domain", "prefix"] {
        let scope: Scope = name.parse().expect(name);
        assert_eq!(scope.to_string(), name);
        assert_eq!(
            serde_json::to_string(&scope).expect("a string"),
            format!("\"{name}\"")
        );
    }
    let error = "site".parse::<Scope>().expect_err("no scope");
    assert!(error.to_string().contains("site") && error.to_string().contains("prefix"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn normalising_twice_is_normalising_once(rest in "[a-zA-Z0-9%/.?#:@\\\\ é~-]{0,60}") {
        if let Ok(once) = Address::parse(&format!("http://example.org/{rest}")) {
            let twice = Address::parse(once.as_str()).expect("an address parses again");
            prop_assert_eq!(&once, &twice);
            prop_assert!(once.as_str().len() <= MAX_LENGTH && once.as_str().is_ascii());
        }
    }

    #[test]
    fn escapes_settle_at_once(rest in "(%|%2|%25|%4|1|E|e|%7e|%41|%32|/){0,24}") {
        let once = address(&format!("http://example.org/{rest}"));
        prop_assert_eq!(&address(once.as_str()), &once);
    }

    #[test]
    fn any_text_is_an_address_or_an_error(base in "(http://[a-z]{1,8}/)?\\PC{0,40}", reference in any::<String>()) {
        let base = Address::parse(&base).unwrap_or_else(|_| address("http://example.org/a/b"));
        match base.join(&reference) {
            Ok(found) => {
                prop_assert_eq!(&address(found.as_str()), &found);
                prop_assert!(found.as_str().starts_with(found.origin()));
                prop_assert!(found.path_and_query().starts_with('/'));
                prop_assert!(!found.file_name().is_empty());
                prop_assert!(Scope::Prefix.contains(&found, &found) && Scope::Domain.contains(&found, &found));
            }
            Err(error) => prop_assert!(!error.reason().is_empty()),
        }
    }
}
