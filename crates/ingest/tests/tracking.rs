//! Parameters that are dropped, and what stays as it was.

use proptest::prelude::*;
use tusou_ingest::{Address, tracking::Rules};

fn rules(names: &[&str]) -> Rules {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    Rules::new(&names)
}

fn cleaned(rules: &Rules, path_and_query: &str) -> String {
    let whole = format!("http://example.org{path_and_query}");
    let address = Address::parse(&whole).expect("the test's address is one");
    rules.clean(&address).path_and_query().to_owned()
}

#[test]
fn named_parameters_go_and_the_others_keep_order_and_spelling() {
    let rules = rules(&["utm_*", "fbclid", "JSESSIONID", "PHPSESSID"]);
    let table = [
        ("/a", "/a"),
        ("/a?", "/a?"),
        ("/a?b=1", "/a?b=1"),
        ("/a?utm_source=x", "/a"),
        ("/a?fbclid", "/a"),
        ("/a?utm_source=x&utm_medium=y&fbclid=z", "/a"),
        ("/a?z=%7e&utm_source=x&b=+1&z=2", "/a?z=%7e&b=+1&z=2"),
        ("/a?utm_source=x&b=1", "/a?b=1"),
        ("/a?b=1&utm_source=x", "/a?b=1"),
        ("/a?b=utm_source=x", "/a?b=utm_source=x"),
        // A name is a whole one, but for those that only begin so.
        (
            "/a?fbclid2=x&xfbclid=y&utm=z",
            "/a?fbclid2=x&xfbclid=y&utm=z",
        ),
        ("/a?utm_=x", "/a"),
        // Case and escapes are no other name.
        ("/a?UTM_Source=x&phpsessid=1&b=2", "/a?b=2"),
        ("/a?utm%5Fsource=x&%66bclid=y&b=2", "/a?b=2"),
        ("/a?b&&c&fbclid=1", "/a?b&&c"),
        // Paths keep their case, and every parameter that is not named.
        ("/A/b;jsessionid=0F3", "/A/b"),
        ("/a;jsessionid=0F3/b;v=1;jsessionid=2;w", "/a/b;v=1;w"),
        ("/a;jsessionid=1?fbclid=2&c=3", "/a?c=3"),
        ("/a;jsessionid?b=1", "/a;jsessionid?b=1"),
        ("/jsessionid=1/utm_source=2", "/jsessionid=1/utm_source=2"),
        ("/a;b;c", "/a;b;c"),
        ("/;jsessionid=1", "/"),
    ];
    for (given, wanted) in table {
        assert_eq!(cleaned(&rules, given), wanted, "{given}");
    }
}

#[test]
fn no_rule_and_a_rule_for_everything_drop_nothing() {
    for rules in [rules(&[]), rules(&["", "*", "  "])] {
        let address = "/a;jsessionid=1?utm_source=x&b=1";
        assert_eq!(cleaned(&rules, address), address);
    }
}

proptest! {
    #[test]
    fn cleaning_is_done_once_and_for_all(path in "[a-z/;=]{0,12}", query in "[a-zA-Z_=&%25;+]{0,24}") {
        let rules = rules(&["a*", "b", "c"]);
        let whole = format!("http://example.org/{path}?{query}");
        let address = Address::parse(&whole).expect("nothing here is refused");
        let once = rules.clean(&address);
        prop_assert_eq!(&rules.clean(&once), &once);
        prop_assert!(once.as_str().len() <= address.as_str().len());
        // What comes out is an address as any other.
        prop_assert_eq!(&Address::parse(once.as_str()).expect("it is one"), &once);
    }

    #[test]
    fn what_no_rule_names_stays_as_it_is(path in "[d-z/;=]{0,12}", query in "[d-z_=&%25;+]{0,24}") {
        let whole = format!("http://example.org/{path}?{query}");
        let address = Address::parse(&whole).expect("nothing here is refused");
        prop_assert_eq!(rules(&["a*", "b", "c"]).clean(&address), address);
    }
}
