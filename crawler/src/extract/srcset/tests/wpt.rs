//! The cases of web-platform-tests for `srcset`, as tables of ours: which candidate a browser shows.
//!
//! Source: `html/semantics/embedded-content/the-img-element/srcset/`, `parse-a-srcset-attribute.html`
//! and `select-an-image-source.html`, <https://github.com/web-platform-tests/wpt>, 3-clause BSD licence.

use super::super::{best, candidates};

/// What cannot stand beside a number: the cases try each before and after it.
const NO_SPACE: &str = "\u{1}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
                        \u{2007}\u{2008}\u{2009}\u{200a}\u{200c}\u{200d}\u{202f}\u{205f}\u{3000}\u{feff}";

/// The attribute, and the URL that is shown: none where it is empty.
const PARSING: &[(&str, &str)] = &[
    // Splitting loop.
    ("", ""),
    (",", ""),
    (",,,", ""),
    ("  data:,a  1x  ", "data:,a"),
    ("\t\tdata:,a\t\t1x\t\t", "data:,a"),
    ("\n\ndata:,a\n\n1x\n\n", "data:,a"),
    (
        "\u{b}\u{b}data:,a\u{b}\u{b}1x\u{b}\u{b}",
        "\u{b}\u{b}data:,a\u{b}\u{b}1x\u{b}\u{b}",
    ),
    ("\u{c}\u{c}data:,a\u{c}\u{c}1x\u{c}\u{c}", "data:,a"),
    ("\r\rdata:,a\r\r1x\r\r", "data:,a"),
    (
        "\u{e}\u{e}data:,a\u{e}\u{e}1x\u{e}\u{e}",
        "\u{e}\u{e}data:,a\u{e}\u{e}1x\u{e}\u{e}",
    ),
    (
        "\u{f}\u{f}data:,a\u{f}\u{f}1x\u{f}\u{f}",
        "\u{f}\u{f}data:,a\u{f}\u{f}1x\u{f}\u{f}",
    ),
    (
        "\u{10}\u{10}data:,a\u{10}\u{10}1x\u{10}\u{10}",
        "\u{10}\u{10}data:,a\u{10}\u{10}1x\u{10}\u{10}",
    ),
    ("data:,a", "data:,a"),
    ("data:,a ", "data:,a"),
    ("data:,a ,", "data:,a"),
    ("data:,a,", "data:,a"),
    ("data:,a, ", "data:,a"),
    ("data:,a,,,", "data:,a"),
    ("data:,a,, , ", "data:,a"),
    (" data:,a", "data:,a"),
    (",,,data:,a", "data:,a"),
    (" , ,,data:,a", "data:,a"),
    ("\u{a0}data:,a", "\u{a0}data:,a"),
    ("data:,a\u{a0}", "data:,a\u{a0}"),
    // Descriptor tokenizer.
    ("data:,a 1x", "data:,a"),
    ("data:,a 1x ", "data:,a"),
    ("data:,a 1x,", "data:,a"),
    ("data:,a ( , data:,b 1x, ), data:,c", "data:,c"),
    ("data:,a ((( , data:,b 1x, ), data:,c", "data:,c"),
    ("data:,a [ , data:,b 1x, ], data:,c", "data:,b"),
    ("data:,a { , data:,b 1x, }, data:,c", "data:,b"),
    ("data:,a \" , data:,b 1x, \", data:,c", "data:,b"),
    ("data:,a \\,data:;\\,b, data:,c", "data:;\\,b"),
    ("data:,a, data:,b (", "data:,a"),
    ("data:,a, data:,b (  ", "data:,a"),
    ("data:,a, data:,b (,", "data:,a"),
    ("data:,a, data:,b (x", "data:,a"),
    ("data:,a, data:,b ()", "data:,a"),
    ("data:,a (, data:,b", ""),
    ("data:,a /*, data:,b, data:,c */", "data:,b"),
    ("data:,a //, data:,b", "data:,b"),
];

/// The descriptors of one candidate, and whether it is shown.
const DESCRIPTORS: &[(&str, bool)] = &[
    ("foo", false),
    ("foo foo", false),
    ("foo 1x", false),
    ("foo 1x foo", false),
    ("foo 1w", false),
    ("foo 1w foo", false),
    ("1x 1x", false),
    ("1w 1w", false),
    ("1w 1x", false),
    ("1x 1w", false),
    ("1w 1h", true),
    ("1h 1w", true),
    ("1h 1h", false),
    ("1h 1x", false),
    ("1h 1w 1x", false),
    ("1x 1w 1h", false),
    ("1h", false),
    ("1h foo", false),
    ("foo 1h", false),
    ("0w", false),
    ("-1w", false),
    ("1w -1w", false),
    ("1.0w", false),
    ("1w 1.0w", false),
    ("1e0w", false),
    ("1w 1e0w", false),
    ("1www", false),
    ("1w 1www", false),
    ("+1w", false),
    ("1w +1w", false),
    ("1W", false),
    ("1w 1W", false),
    ("Infinityw", false),
    ("1w Infinityw", false),
    ("NaNw", false),
    ("1w NaNw", false),
    ("0x1w", false),
    ("0X1w", false),
    ("0x", true),
    ("-0x", true),
    ("1x -0x", false),
    ("-1x", false),
    ("1x -1x", false),
    ("1e0x", true),
    ("1E0x", true),
    ("1e-1x", true),
    ("1.5e1x", true),
    ("-x", false),
    (".x", false),
    ("-.x", false),
    ("1.x", false),
    (".5x", true),
    (".5e1x", true),
    ("1x 1.5e1x", false),
    ("1x 1e1.5x", false),
    ("1.0x", true),
    ("1x 1.0x", false),
    ("+1x", false),
    ("1X", false),
    ("Infinityx", false),
    ("NaNx", false),
    ("0x1x", false),
    ("0X1x", false),
    ("1w 0h", false),
    ("1w -1h", false),
    ("1w 1.0h", false),
    ("1w 1e0h", false),
    ("1w 1hhh", false),
    ("1w +1h", false),
    ("1w 1H", false),
    ("1w Infinityh", false),
    ("1w NaNh", false),
    ("0x1h", false),
    ("0X1h", false),
];

/// The attribute and `sizes`: of equals the first is shown, which is `data:,a` throughout.
const SELECTION: &[(&str, &str)] = &[
    ("data:,a 1x, data:,b 1x", ""),
    ("data:,a , data:,b 1x", ""),
    ("data:,a 1x, data:,b", ""),
    ("data:,a 1w, data:,b 1w", ""),
    ("data:,a 1w 1h, data:,b 1w", ""),
    ("data:,a 1w, data:,b 1w 1h", ""),
    ("data:,a 1w 1h, data:,b 1w 2h", ""),
    ("data:,a 1w 2h, data:,b 1w 1h", ""),
    ("data:,a , data:,b", ""),
    ("data:,a 1w, data:,b 1x", "1px"),
    ("data:,a 1x, data:,b 1w", "1px"),
    ("data:,a 1w, data:,b 2x", "0.5px"),
    ("data:,a 2x, data:,b 1w", "0.5px"),
];

/// In each of these cases the first candidate that is left is the one that a browser shows.
fn shown(srcset: &str) -> &str {
    candidates(srcset)
        .next()
        .map_or("", |candidate| candidate.url)
}

#[test]
fn the_attribute_is_parsed_as_in_browsers() {
    for (srcset, wanted) in PARSING {
        assert_eq!(shown(srcset), *wanted, "{srcset:?}");
    }
    let check = |descriptors: &str, is_shown: bool| {
        let srcset = format!("data:,a {descriptors}");
        let wanted = if is_shown { "data:,a" } else { "" };
        assert_eq!(shown(&srcset), wanted, "{srcset:?}");
    };
    for (descriptors, is_shown) in DESCRIPTORS {
        check(descriptors, *is_shown);
    }
    for space in NO_SPACE.chars() {
        for (before, unit) in [("", "w"), ("", "x"), ("1w ", "h")] {
            check(&format!("{before}1{space}{unit}"), false);
            check(&format!("{before}{space}1{unit}"), false);
        }
    }
}

#[test]
fn of_equal_candidates_the_first_is_taken() {
    for (srcset, sizes) in SELECTION {
        let offered = candidates(srcset).map(|candidate| (candidate, ()));
        let taken = best(offered, Some(sizes), 2_048).map(|(candidate, ())| candidate.url);
        assert_eq!(taken, Some("data:,a"), "{srcset:?} {sizes:?}");
    }
}
