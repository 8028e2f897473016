//! Parts of an address that say who reads a page, and nothing of the page.

use percent_encoding::percent_decode_str;

use crate::address::Address;

/// Names of query and path parameters that are dropped from the addresses that pages hold.
///
/// A rule is a whole name (`fbclid`) or the beginning of one (`utm_*`). Names are compared decoded
/// and without regard to ASCII case: the same word is written both ways.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    names: Vec<String>,
    beginnings: Vec<String>,
}

impl Rules {
    /// The rules as the configuration writes them. An empty one, and `*` alone, rule nothing.
    pub fn new(rules: &[String]) -> Self {
        let mut read = Self::default();
        for rule in rules.iter().map(|rule| rule.trim().to_ascii_lowercase()) {
            let (name, list) = match rule.strip_suffix('*') {
                Some(beginning) => (beginning.to_owned(), &mut read.beginnings),
                None => (rule, &mut read.names),
            };
            if !name.is_empty() {
                list.push(name);
            }
        }
        read
    }

    /// The address without the parameters that the rules name, in its query (`?utm_source=x`) and in
    /// its path (`/a;jsessionid=x`). The others keep their order and their spelling; a query of
    /// which nothing is left loses its `?`.
    pub fn clean(&self, address: &Address) -> Address {
        let query = address.url().query();
        let query = query.and_then(|query| self.without(query, '&', |_| true));
        let path = self.path(address.path());
        if query.is_none() && path.is_none() {
            return address.clone();
        }
        address.replaced(path.as_deref(), query.as_deref())
    }

    /// The path without the parameters of its segments that are named, or none where it has none. Such
    /// a parameter has a value: `;` may stand for itself.
    fn path(&self, path: &str) -> Option<String> {
        if !path.contains(';') {
            return None;
        }
        let mut changed = false;
        let segments: Vec<String> = path
            .split('/')
            .map(|segment| {
                let (name, parameters) = segment.split_once(';').unwrap_or((segment, ""));
                let kept = self.without(parameters, ';', |parameter| parameter.contains('='));
                match kept {
                    None => segment.to_owned(),
                    Some(kept) => {
                        changed = true;
                        let between = if kept.is_empty() { "" } else { ";" };
                        format!("{name}{between}{kept}")
                    }
                }
            })
            .collect();
        changed.then(|| segments.join("/"))
    }

    /// The parameters that are not dropped, or none where all are kept.
    fn without(&self, text: &str, between: char, may: fn(&str) -> bool) -> Option<String> {
        let dropped = |parameter: &str| {
            let name = parameter.split('=').next().unwrap_or_default();
            !name.is_empty() && may(parameter) && self.names(name)
        };
        if !text.split(between).any(dropped) {
            return None;
        }
        let mut kept = String::with_capacity(text.len());
        for parameter in text.split(between).filter(|parameter| !dropped(parameter)) {
            if !kept.is_empty() {
                kept.push(between);
            }
            kept.push_str(parameter);
        }
        Some(kept)
    }

    /// Whether a rule names the parameter, whose name is as the address spells it.
    fn names(&self, name: &str) -> bool {
        let name = percent_decode_str(name).decode_utf8_lossy();
        let begins = |beginning: &String| {
            let head = name.as_bytes().get(..beginning.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()))
        };
        self.names
            .iter()
            .any(|rule| name.eq_ignore_ascii_case(rule))
            || self.beginnings.iter().any(begins)
    }
}
