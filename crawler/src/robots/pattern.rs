//! Path patterns of robots.txt (RFC 9309 §2.2.2 and §2.2.3), matched in time linear in the path.
//!
//! Pattern and path are brought to one spelling first: escapes of unreserved characters are
//! decoded, other escapes get upper-case digits, octets outside ASCII are escaped. `*` and `$`
//! are escaped in a path, since a pattern that means them literally must escape them.

use memchr::memmem;
use tusou_ingest::address::{escape, is_unreserved};

/// A rule's pattern.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    normal: Glob,
    /// The same with the delimiters in its query decoded, where that makes a difference.
    loose: Option<Glob>,
}

/// A path with its query, ready to be compared with many patterns.
#[derive(Debug)]
pub(crate) struct Target {
    normal: Vec<u8>,
    loose: Option<Vec<u8>>,
}

/// Literal octets with `*` between them.
#[derive(Debug, Clone, PartialEq)]
struct Glob {
    /// The octets with one `*` for each run of them.
    text: Vec<u8>,
    /// Whether the pattern must reach the path's end.
    to_end: bool,
}

impl Pattern {
    /// The pattern as it stands after `Allow:` or `Disallow:`.
    pub(crate) fn new(value: &[u8]) -> Self {
        let (value, to_end) = match value.strip_suffix(b"$") {
            Some(value) => (value, true),
            None => (value, false),
        };
        let text = normal(value, |byte| byte == b'$');
        let loose = loose(&text).map(|text| Glob::new(&text, to_end));
        Self {
            normal: Glob::new(&text, to_end),
            loose,
        }
    }

    /// The pattern's weight: the longer, the more specific.
    pub(crate) fn octets(&self) -> usize {
        self.normal.text.len() + usize::from(self.normal.to_end)
    }

    /// Whether the pattern matches the path from its start.
    ///
    /// RFC 9309 §2.2.2 wants `?baz=https://foo.bar` and `?baz=https%3A%2F%2Ffoo.bar` to be one,
    /// hence the second comparison.
    pub(crate) fn matches(&self, target: &Target) -> bool {
        if self.normal.matches(&target.normal) {
            return true;
        }
        if self.loose.is_none() && target.loose.is_none() {
            return false;
        }
        let glob = self.loose.as_ref().unwrap_or(&self.normal);
        glob.matches(target.loose.as_ref().unwrap_or(&target.normal))
    }
}

impl Target {
    /// The path and query of a URL.
    pub(crate) fn new(path_and_query: &[u8]) -> Self {
        let normal = normal(path_and_query, |byte| matches!(byte, b'*' | b'$'));
        let loose = loose(&normal);
        Self { normal, loose }
    }
}

impl Glob {
    fn new(text: &[u8], to_end: bool) -> Self {
        let mut text = text.to_vec();
        text.dedup_by(|next, last| *next == b'*' && *last == b'*');
        Self { text, to_end }
    }

    /// Takes each literal at its first place after the one before: for `*` alone, the first place is always as good as any other.
    fn matches(&self, path: &[u8]) -> bool {
        let mut literals = self.text.split(|byte| *byte == b'*');
        let first = literals.next().expect("a split gives at least one part");
        let Some(mut rest) = path.strip_prefix(first) else {
            return false;
        };
        let Some(last) = literals.next_back() else {
            return !self.to_end || rest.is_empty();
        };
        for literal in literals {
            let Some(at) = memmem::find(rest, literal) else {
                return false;
            };
            rest = &rest[at + literal.len()..];
        }
        if self.to_end {
            rest.ends_with(last)
        } else {
            memmem::find(rest, last).is_some()
        }
    }
}

/// One spelling of `text`; the octets named by `escaped` are escaped as well.
fn normal(text: &[u8], escaped: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        match escape(&text[at..]) {
            Some(value) if is_unreserved(value) => out.push(value),
            Some(value) => push_escape(&mut out, value),
            None if !byte.is_ascii_graphic() || escaped(byte) => push_escape(&mut out, byte),
            None => out.push(byte),
        }
        at += if escape(&text[at..]).is_some() { 3 } else { 1 };
    }
    out
}

/// `text` with the escaped delimiters `:/?@` of its query decoded; none where it has none.
fn loose(text: &[u8]) -> Option<Vec<u8>> {
    let query = memchr::memchr(b'?', text)? + 1;
    let (path, query) = text.split_at(query);
    memchr::memchr(b'%', query)?;
    let mut out = path.to_vec();
    let mut changed = false;
    let mut at = 0;
    while at < query.len() {
        match escape(&query[at..]).filter(|value| matches!(value, b':' | b'/' | b'?' | b'@')) {
            Some(value) => {
                out.push(value);
                changed = true;
                at += 3;
            }
            None => {
                out.push(query[at]);
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([
        b'%',
        DIGITS[usize::from(byte >> 4)],
        DIGITS[usize::from(byte & 15)],
    ]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The textbook definition, by recursion over every choice.
    fn by_definition(pattern: &[u8], to_end: bool, path: &[u8]) -> bool {
        match pattern.split_first() {
            None => !to_end || path.is_empty(),
            Some((b'*', rest)) => {
                (0..=path.len()).any(|at| by_definition(rest, to_end, &path[at..]))
            }
            Some((byte, rest)) => {
                path.first() == Some(byte) && by_definition(rest, to_end, &path[1..])
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn matching_is_as_defined(pattern in "[ab*]{0,8}", to_end: bool, path in "[ab]{0,10}") {
            let glob = Glob::new(pattern.as_bytes(), to_end);
            let wanted = by_definition(pattern.as_bytes(), to_end, path.as_bytes());
            prop_assert_eq!(glob.matches(path.as_bytes()), wanted);
        }
    }
}
