//! The parameters of a query string or form: each known, and given at most once.

use std::str::FromStr;

use crate::error::SearchError;

/// The most values of a parameter that takes several.
const MAX_VALUES: usize = 20;

/// The parameters of a query string, each known and given at most once.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Nothing at all.
    pub(crate) const NONE: Self = Self(Vec::new());

    /// Reads a query string; `known` names what this route takes.
    pub(crate) fn read(
        query: Option<&str>,
        known: &'static [&'static str],
    ) -> Result<Self, SearchError> {
        let mut read = Self(Vec::new());
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            read.add(&name, value.into_owned(), known)?;
        }
        Ok(read)
    }

    /// Takes one more, of a query string or of a form.
    pub(crate) fn add(
        &mut self,
        name: &str,
        value: String,
        known: &'static [&'static str],
    ) -> Result<(), SearchError> {
        let Some(known) = known.iter().find(|known| **known == name) else {
            return Err(unknown(name, known));
        };
        if self.get(known).is_some() {
            return Err(SearchError::parameter(
                "repeated_parameter",
                *known,
                format!("`{known}` is given twice; give it once"),
            ));
        }
        self.0.push((known, value));
        Ok(())
    }

    /// A parameter's text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A parameter as its type, or that type's default.
    pub(crate) fn parse<T>(&self, name: &str) -> Result<T, SearchError>
    where
        T: Default + FromStr<Err = SearchError>,
    {
        self.get(name).map_or_else(|| Ok(T::default()), str::parse)
    }

    /// A parameter that is `on` or `off`.
    pub(crate) fn switch(&self, name: &str, otherwise: bool) -> Result<bool, SearchError> {
        match self.get(name) {
            None => Ok(otherwise),
            Some("on") => Ok(true),
            Some("off") => Ok(false),
            Some(_) => Err(invalid(name, "takes `on` or `off`")),
        }
    }

    /// The values of a parameter that takes several, separated by commas; at most [`MAX_VALUES`].
    pub(crate) fn list(&self, name: &str) -> Result<Vec<&str>, SearchError> {
        let Some(text) = self.get(name) else {
            return Ok(Vec::new());
        };
        let values: Vec<&str> = text.split(',').map(str::trim).collect();
        if values.iter().any(|value| value.is_empty()) {
            return Err(invalid(name, "has an empty value; leave it out"));
        }
        if values.len() > MAX_VALUES {
            return Err(invalid(name, &format!("takes at most {MAX_VALUES} values")));
        }
        Ok(values)
    }

    /// A query string that asks the same again: without what is named first, and with these beside, in place of their
    /// like.
    pub(crate) fn again(&self, without: &[&str], with: &[(&str, &str)]) -> String {
        let left_out = |name: &str| {
            without.contains(&name) || with.iter().any(|(replaced, _)| *replaced == name)
        };
        let same = self.pairs().filter(|(name, _)| !left_out(name));
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(same).extend_pairs(with).finish()
    }

    /// Those that are given.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Without those of these that have no value: a form sends them where nothing was chosen.
    pub(crate) fn chosen(mut self, among: &[&str]) -> Self {
        self.0
            .retain(|(name, value)| !value.is_empty() || !among.contains(name));
        self
    }

    /// Without these.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(name));
        self
    }

    /// Whether none of these is given.
    pub(crate) fn lacks(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.get(name).is_none())
    }
}

/// A parameter whose value is not one of its own.
pub(crate) fn invalid(name: &str, wanted: &str) -> SearchError {
    SearchError::parameter("invalid_value", name, format!("`{name}` {wanted}"))
}

/// A parameter or form field that is not taken here.
pub(crate) fn unknown(name: &str, known: &[&str]) -> SearchError {
    // A name is shown back, so it is cut: it is as long as its sender likes.
    let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
    let detail = if known.is_empty() {
        format!("`{name}` is not known here; nothing is")
    } else {
        format!(
            "`{name}` is not known here; known are: {}",
            known.join(", ")
        )
    };
    SearchError::parameter("unknown_parameter", name, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, SearchError>) -> &'static str {
        result.expect_err("refused").code()
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let read = |query| Parameters::read(Some(query), &["q", "k"]);
        let parameters = read("q=red+bird&k=3").expect("both are known");
        assert_eq!(parameters.get("q"), Some("red bird"));
        assert_eq!(code(read("q=a&q=b")), "repeated_parameter");
        assert_eq!(code(read("size=3")), "unknown_parameter");
    }

    #[test]
    fn what_was_asked_is_asked_again_but_for_what_changes() {
        let query = "q=red+%26+blue&cursor=abc&all=off";
        let asked = Parameters::read(Some(query), &["q", "cursor", "all"]).expect("all are known");
        assert_eq!(asked.again(&[], &[]), query);
        let changed = asked.again(&["cursor"], &[("all", "on"), ("lang", "zh")]);
        assert_eq!(changed, "q=red+%26+blue&all=on&lang=zh");
    }

    #[test]
    fn switches_and_lists_take_their_own_values_alone() {
        let read = |query| Parameters::read(Some(query), &["a", "b"]).expect("both are known");
        assert!(read("a=on").switch("a", false).expect("on"));
        assert!(read("").switch("a", true).expect("as otherwise"));
        assert_eq!(code(read("a=1").switch("a", false)), "invalid_value");
        assert_eq!(read("b=x,+y").list("b").expect("two"), ["x", "y"]);
        assert_eq!(code(read("b=x,,y").list("b")), "invalid_value");
        let many = format!("b={}", "x,".repeat(MAX_VALUES) + "x");
        let many = Parameters::read(Some(&many), &["b"]).expect("known");
        assert_eq!(code(many.list("b")), "invalid_value");
    }
}
