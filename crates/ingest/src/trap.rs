//! Addresses that a site makes without end.
//!
//! Two rules, both of the address alone: [`of`] knows addresses that nobody writes by hand, and
//! [`pattern`] says which addresses come of one template, so that they can be counted.

use std::collections::{BTreeSet, HashMap};

use crate::address::Address;

/// A segment that stands so often in a path is a relative link followed in circles.
const REPEATS: usize = 4;
/// A run of segments that follows itself so often is one, too.
const ROUNDS: usize = 3;
/// The deepest path, in segments.
const MAX_SEGMENTS: usize = 24;
/// The longest query of a page, in bytes.
const MAX_QUERY: usize = 1_024;
/// The most parameters of a page.
const MAX_PARAMETERS: usize = 32;
/// A parameter that a query says so often with one value was added by every link.
const SAID: usize = 3;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;
/// The shortest word that is taken for an id where it mixes digits with the letters `a` to `f`.
const HEX_ID: usize = 8;
/// The shortest word that is taken for an id where it mixes digits with any letters.
const ANY_ID: usize = 16;
/// The groups of a UUID (RFC 9562 §4), in digits.
const UUID: [usize; 5] = [8, 4, 4, 4, 12];

/// Why an address is a trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trap {
    /// A segment stands in the path four times or more.
    Repeated,
    /// A run of two or more segments follows itself at least twice, as in `/a/b/a/b/a/b`.
    Circle,
    /// The path has more than 24 segments.
    Deep,
    /// The query is longer than 1,024 bytes, has more than 32 parameters, or says one of them with
    /// the same value three times or more.
    Query,
}

impl Trap {
    /// The trap as one stable word, for counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repeated => "repeated_segment",
            Self::Circle => "circle",
            Self::Deep => "deep_path",
            Self::Query => "endless_query",
        }
    }
}

/// Why a link to this page is not followed, if it is a trap.
pub fn of(address: &Address) -> Option<Trap> {
    let query = address.url().query().unwrap_or_default();
    if is_endless(query) {
        return Some(Trap::Query);
    }
    let path = address.path();
    // Too short for anything: most paths.
    if path.bytes().filter(|byte| *byte == b'/').count() < REPEATS {
        return None;
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    if segments.len() > MAX_SEGMENTS {
        return Some(Trap::Deep);
    }
    let mut times: HashMap<&str, usize> = HashMap::new();
    for segment in segments.iter().filter(|segment| !segment.is_empty()) {
        *times.entry(segment).or_insert(0) += 1;
    }
    if times.values().any(|times| *times >= REPEATS) {
        return Some(Trap::Repeated);
    }
    goes_round(&segments).then_some(Trap::Circle)
}

fn is_endless(query: &str) -> bool {
    if query.len() > MAX_QUERY {
        return true;
    }
    let mut said: HashMap<&str, usize> = HashMap::new();
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    for (position, parameter) in parameters.enumerate() {
        let times = said.entry(parameter).or_insert(0);
        *times += 1;
        if *times >= SAID || position >= MAX_PARAMETERS {
            return true;
        }
    }
    false
}

/// Whether a run of two or more segments follows itself.
fn goes_round(segments: &[&str]) -> bool {
    let longest = segments.len() / ROUNDS;
    (2..=longest).any(|run| {
        segments.windows(run * ROUNDS).any(|window| {
            let (first, rest) = window.split_at(run);
            rest.chunks(run).all(|round| round == first)
        })
    })
}

/// The template that an address comes of, at most 256 bytes: the same for addresses that differ in
/// numbers, dates, ids and what their parameters say.
///
/// Runs of digits become `#`; UUIDs and words that can only be ids `*`; escapes stay as they are,
/// since their digits are letters. Of the query the names are left, sorted, each once. A longer
/// pattern is cut and ends in a digest of the whole.
pub fn pattern(address: &Address) -> String {
    let mut pattern = String::with_capacity(address.as_str().len());
    write_template(address.path(), &mut pattern);
    if let Some(query) = address.url().query() {
        let names = query.split('&').filter(|parameter| !parameter.is_empty());
        let names = names.map(|parameter| {
            let mut name = String::new();
            let spelt = parameter.split('=').next().unwrap_or_default();
            write_template(spelt, &mut name);
            name
        });
        let names: BTreeSet<String> = names.collect();
        for (position, name) in names.iter().enumerate() {
            pattern.push(if position == 0 { '?' } else { '&' });
            pattern.push_str(name);
        }
    }
    if pattern.len() > MAX_PATTERN {
        let digest = format!("~{:016x}", fnv1a(pattern.as_bytes()));
        pattern.truncate(MAX_PATTERN - digest.len());
        pattern.push_str(&digest);
    }
    pattern
}

/// Writes a text of ASCII with its numbers and ids left out.
fn write_template(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        let end = if first == b'%' {
            // An escape of an octet that is no letter.
            rest.len().min(3)
        } else if let Some(length) = uuid(rest) {
            out.push('*');
            rest = &rest[length..];
            continue;
        } else {
            let word = rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
            if word > 0 {
                write_word(&rest[..word], out);
                rest = &rest[word..];
                continue;
            }
            1
        };
        out.push_str(&rest[..end]);
        rest = &rest[end..];
    }
}

fn write_word(word: &str, out: &mut String) {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        out.push_str(word);
        return;
    }
    let mixed = digits < word.len();
    let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if mixed && (word.len() >= ANY_ID || hex && word.len() >= HEX_ID) {
        out.push('*');
        return;
    }
    let mut in_number = false;
    for letter in word.chars() {
        let is_digit = letter.is_ascii_digit();
        if !is_digit {
            out.push(letter);
        } else if !in_number {
            out.push('#');
        }
        in_number = is_digit;
    }
}

/// The length of the UUID that the text begins with, if it does.
fn uuid(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    for (position, digits) in UUID.into_iter().enumerate() {
        if position > 0 {
            if bytes.get(at) != Some(&b'-') {
                return None;
            }
            at += 1;
        }
        let group = bytes.get(at..at + digits)?;
        if !group.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        at += digits;
    }
    let ends = bytes
        .get(at)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric());
    ends.then_some(at)
}

/// FNV-1a with 64 bits: the same in every build, and its collisions cost no more than a shared budget.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
