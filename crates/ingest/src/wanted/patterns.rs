//! Patterns of picture URLs.

use crate::address::Address;

/// Which picture URLs are asked for. `*` stands for any characters, none included; everything else
/// stands for itself, `?` and brackets too, since URLs hold them. A pattern is for the whole URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Patterns {
    /// None where everything is asked for: nothing is then to be compared.
    pub fn new(include: &[String], exclude: &[String]) -> Option<Self> {
        let patterns = Self {
            include: include.to_vec(),
            exclude: exclude.to_vec(),
        };
        (patterns != Self::default()).then_some(patterns)
    }

    /// Whether the URL is asked for: one of the patterns to include stands for it, or there is none, and
    /// none of those to exclude.
    pub fn allow(&self, address: &Address) -> bool {
        let url = address.as_str().as_bytes();
        let any = |patterns: &[String]| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| stands_for(pattern.as_bytes(), url))
        };
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

/// Whether a pattern stands for a text. What the latest `*` stands for is made longer where the rest does
/// not fit: an earlier one need never be looked at again.
fn stands_for(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((position, begin)) = star else {
                    return false;
                };
                (at, seen) = (position + 1, begin + 1);
                star = Some((position, begin + 1));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, stands) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("*a", "ab", false),
            ("a*c", "abbc", true),
            ("a*c", "abcb", false),
            ("*ab*ab", "abxabab", true),
            ("*ab*ab", "ab", false),
            ("a**c", "ac", true),
            ("*?x=[1]", "y?x=[1]", true),
            ("a?", "ab", false),
        ] {
            assert_eq!(
                stands_for(pattern.as_bytes(), text.as_bytes()),
                stands,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn what_is_excluded_is_not_asked_for_although_it_is_included() {
        let list = |texts: &[&str]| {
            texts
                .iter()
                .map(|&text| text.to_owned())
                .collect::<Vec<_>>()
        };
        let allows = |include: &[&str], exclude: &[&str], url: &str| {
            let patterns = Patterns::new(&list(include), &list(exclude)).expect("some");
            patterns.allow(&Address::parse(url).expect("a URL"))
        };
        assert!(allows(&["*.jpg"], &["*/thumb/*"], "http://a.test/x.jpg"));
        assert!(!allows(
            &["*.jpg"],
            &["*/thumb/*"],
            "http://a.test/thumb/x.jpg"
        ));
        assert!(!allows(&["*.jpg"], &[], "http://a.test/x.png"));
        assert!(allows(&[], &["*.png"], "http://a.test/x.jpg"));
        assert!(!allows(&[], &["https://*"], "https://a.test/x.jpg"));
        assert_eq!(Patterns::new(&[], &[]), None);
    }
}
