//! The `Link` header (RFC 8288): where an answer leads beside its body.

use reqwest::header::{HeaderMap, LINK};
use tusou_ingest::Address;

/// The most links of one answer that are read.
const MAX_LINKS: usize = 64;

/// What an answer's `Link` headers name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderLinks {
    /// The next and the previous page (`rel=next`, `rel=prev`).
    pub neighbours: Vec<Address>,
    /// The one address that `rel=canonical` prefers; none where it names several.
    pub canonical: Option<Address>,
}

impl HeaderLinks {
    /// Reads the headers of an answer from `base`. What is malformed is passed over; a link about
    /// another resource (`anchor`) is none of this one's.
    pub fn of(headers: &HeaderMap, base: &Address) -> Self {
        let mut found = Self::default();
        let mut canonical = Vec::new();
        let values = headers.get_all(LINK).iter();
        let values = values.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
        for link in values.flat_map(links).take(MAX_LINKS) {
            let Ok(target) = base.join(link.target) else {
                continue;
            };
            let has = |wanted: &str| {
                let mut words = link.rel.split_ascii_whitespace();
                words.any(|word| word.eq_ignore_ascii_case(wanted))
            };
            if ["next", "prev", "previous"].into_iter().any(has)
                && target != *base
                && !found.neighbours.contains(&target)
            {
                found.neighbours.push(target.clone());
            }
            if has("canonical") && !canonical.contains(&target) {
                canonical.push(target);
            }
        }
        if let [one] = canonical.as_slice() {
            found.canonical = Some(one.clone()).filter(|one| one != base);
        }
        found
    }
}

/// A link of a header's value.
struct Link<'v> {
    target: &'v str,
    /// Its relations; empty for a link of another resource.
    rel: String,
}

/// The links of a value: `<target>; name=value; name="value", <target>`, ….
fn links(value: &str) -> impl Iterator<Item = Link<'_>> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let start = rest.find('<')?;
        let (target, after) = rest[start + 1..].split_once('>')?;
        let mut rel = None;
        let mut has_anchor = false;
        rest = after;
        while let Some(parameter) = rest.trim_start().strip_prefix(';') {
            let (name, value, after) = parameter_of(parameter);
            rest = after;
            match name.to_ascii_lowercase().as_str() {
                // RFC 8288 §3.3: the first of several.
                "rel" => rel = rel.or(Some(value)),
                "anchor" => has_anchor = true,
                _ => {}
            }
        }
        let rel = rel.filter(|_| !has_anchor).unwrap_or_default();
        Some(Link { target, rel })
    })
}

/// A parameter's name and value, and what follows it.
fn parameter_of(text: &str) -> (&str, String, &str) {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(rest) = rest.strip_prefix('=') else {
        return (name.trim(), String::new(), rest);
    };
    let rest = rest.trim_start();
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([';', ',']).unwrap_or(rest.len());
        return (name.trim(), rest[..end].trim().to_owned(), &rest[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (name.trim(), value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (name.trim(), value, "")
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn of(values: &[&str]) -> (Vec<String>, Option<String>) {
        let base = Address::parse("http://a.test/b/c?d").expect("an address");
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes());
            headers.append(LINK, value.expect("the test's header value is valid"));
        }
        let found = HeaderLinks::of(&headers, &base);
        let text = |address: &Address| address.as_str().to_owned();
        (
            found.neighbours.iter().map(text).collect(),
            found.canonical.as_ref().map(text),
        )
    }

    #[test]
    fn neighbours_are_read_in_every_form() {
        for (values, wanted) in [
            (&["<?p=2>; rel=next"][..], &["http://a.test/b/c?p=2"][..]),
            (&["</2>;rel=\"next\""], &["http://a.test/2"]),
            (
                &["</2> ; title=\"a, b; c\\\"d\" ; REL = \"start Next\""],
                &["http://a.test/2"],
            ),
            (
                &["</1>; rel=prev, </2>; rel=next"],
                &["http://a.test/1", "http://a.test/2"],
            ),
            (
                &["</1>; rel=previous", "</2>; rel=next"],
                &["http://a.test/1", "http://a.test/2"],
            ),
            (&["</2>; rel=next, </2>; rel=next"], &["http://a.test/2"]),
            (
                &["<http://b.test/2?a,b;c>; rel=next"],
                &["http://b.test/2?a,b;c"],
            ),
            (&["</2>; rel=next; rel=stylesheet"], &["http://a.test/2"]),
            (&["</2>; rel=stylesheet; rel=next"], &[]),
            (&["</2>; rel=next; anchor=\"/other\""], &[]),
            (&["</b/c?d>; rel=next"], &[]),
            (
                &[
                    "</2>; rel=nextish",
                    "</2>",
                    "rel=next",
                    "<",
                    "</2",
                    "</2>;;rel",
                    "",
                ],
                &[],
            ),
            (&["</2>; rel=\"next"], &["http://a.test/2"]),
            (&["<ftp://a.test/2>; rel=next"], &[]),
        ] {
            assert_eq!(of(values).0, wanted, "{values:?}");
        }
    }

    #[test]
    fn one_canonical_address_is_meant() {
        let canonical = |values: &[&str]| of(values).1;
        assert_eq!(
            canonical(&["</c>; rel=\"canonical\""]).as_deref(),
            Some("http://a.test/c")
        );
        let twice = ["</c>; rel=canonical", "<http://a.test/c>; rel=canonical"];
        assert_eq!(canonical(&twice).as_deref(), Some("http://a.test/c"));
        assert_eq!(
            canonical(&["</c>; rel=canonical, </d>; rel=canonical"]),
            None
        );
        assert_eq!(canonical(&["</b/c?d>; rel=canonical"]), None);
    }
}
