//! The file `/.well-known/tdmrep.json`, by which a server reserves the rights to text and data mining.
//!
//! TDM Reservation Protocol (W3C Community Group final report, 10 May 2024,
//! <https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/>), section "TDM File on
//! the Origin Server": an array of rules; the first whose location matches decides. Locations are
//! matched as the paths of a robots.txt are, so with `*`, `$` and percent-encoding as in RFC 9309.
//!
//! Everything here is pure: asking, caching and pacing live elsewhere.

use serde_json::Value;

use crate::robots::pattern::{Pattern, Target};

/// How many rules are read.
const MAX_RULES: usize = 10_000;

/// What a server reserves by its file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reservations {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    location: Pattern,
    /// None for a value that the protocol does not know: it counts as unset.
    reserved: Option<bool>,
}

impl Reservations {
    /// Reads a file. Any bytes are one: what is no rule says nothing, and what is no JSON reserves
    /// nothing. A rule that stands alone, without its array, is forgiven: the owner's wish is plain.
    pub fn parse(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let rules = match serde_json::from_slice(body) {
            Ok(Value::Array(rules)) => rules,
            Ok(rule @ Value::Object(_)) => vec![rule],
            _ => Vec::new(),
        };
        let rules = rules.iter().take(MAX_RULES).filter_map(Rule::read);
        Self {
            rules: rules.collect(),
        }
    }

    /// What follows from asking a server for its file: its rules where there is one. Whatever else
    /// the server answers, it does not take part in the protocol, and reserves nothing by it.
    ///
    /// `status` is that of the last answer, redirects followed, or none where no answer came.
    pub fn from_status(status: Option<u16>, body: &[u8]) -> Self {
        match status {
            Some(200..=299) => Self::parse(body),
            _ => Self::default(),
        }
    }

    /// Whether the file reserves what lies at a path with its query.
    pub fn reserves(&self, path_and_query: &str) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let target = Target::new(path_and_query.as_bytes());
        let decisive = self
            .rules
            .iter()
            .find(|rule| rule.location.matches(&target));
        decisive.and_then(|rule| rule.reserved).unwrap_or(false)
    }
}

impl Rule {
    /// A rule needs its location and its reservation; its policy is for people.
    fn read(rule: &Value) -> Option<Self> {
        let location = rule.get("location")?.as_str()?.trim();
        let reserved = match rule.get("tdm-reservation")? {
            Value::Number(number) => number.as_u64().and_then(reservation),
            Value::String(text) => text.trim().parse().ok().and_then(reservation),
            _ => None,
        };
        let location = match location.as_bytes().first()? {
            b'/' | b'*' => Pattern::new(location.as_bytes()),
            _ => Pattern::new(format!("/{location}").as_bytes()),
        };
        Some(Self { location, reserved })
    }
}

/// The meaning of `tdm-reservation`, wherever it stands: 1 is reserved, 0 is not, and anything else
/// is an error by which it counts as unset.
pub(crate) fn reservation(value: u64) -> Option<bool> {
    match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
