//! What is asked, read at the edge: parameters become types here, and nowhere else.

use std::str::FromStr;

use tusou_contract::ImageId;

use crate::config::{DEFAULT_K, MAX_K, MAX_QUERY_CHARS};
use crate::error::SearchError;
use crate::upload::Upload;

/// What to find the nearest pictures of.
#[derive(Debug)]
pub(crate) enum Query {
    /// What the words mean.
    Words(Words),
    /// An uploaded picture.
    Picture(Upload),
    /// A picture of the index.
    Like(ImageId),
}

/// How many hits are wanted: 1 to [`MAX_K`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct K(usize);

impl K {
    /// The number.
    pub(crate) fn get(self) -> usize {
        self.0
    }
}

impl Default for K {
    fn default() -> Self {
        Self(DEFAULT_K)
    }
}

impl FromStr for K {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        match text.trim().parse() {
            Ok(k) if (1..=MAX_K).contains(&k) => Ok(Self(k)),
            _ => Err(SearchError::parameter(
                "invalid_k",
                "k",
                format!("`k` is the number of hits; it takes 1 to {MAX_K}"),
            )),
        }
    }
}

/// A query in words: trimmed, not empty, with a letter or digit, without control characters, at
/// most [`MAX_QUERY_CHARS`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(String);

impl Words {
    /// The words.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Words {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        let refuse = |code, detail: &str| Err(SearchError::parameter(code, "q", detail));
        let text = text.trim();
        if text.is_empty() {
            return refuse("empty_query", "`q` is empty; type some words");
        }
        let characters = text.chars().count();
        if characters > MAX_QUERY_CHARS {
            return refuse(
                "query_too_long",
                &format!("`q` has {characters} characters; it takes at most {MAX_QUERY_CHARS}"),
            );
        }
        if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
            return refuse(
                "control_characters",
                "`q` has control characters; leave them out",
            );
        }
        if !text.chars().any(char::is_alphanumeric) {
            return refuse("no_words", "`q` has no letter or digit; type some words");
        }
        Ok(Self(text.split_whitespace().collect::<Vec<_>>().join(" ")))
    }
}

/// An image's id in a path.
pub(crate) fn image_id(text: &str) -> Result<ImageId, SearchError> {
    text.parse().map_err(|_| {
        SearchError::parameter("invalid_id", "id", "an image's id is 64 hexadecimal digits")
    })
}

/// The parameters of a query string, each known and given at most once.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads a query string; `known` names what this route takes.
    pub(crate) fn read(
        query: Option<&str>,
        known: &'static [&'static str],
    ) -> Result<Self, SearchError> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let Some(known) = known.iter().find(|known| **known == name) else {
                return Err(unknown(&name, known));
            };
            if found.iter().any(|(earlier, _)| earlier == known) {
                return Err(SearchError::parameter(
                    "repeated_parameter",
                    *known,
                    format!("`{known}` is given twice; give it once"),
                ));
            }
            found.push((known, value.into_owned()));
        }
        Ok(Self(found))
    }

    /// A parameter's text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The `k` parameter, or its default.
    pub(crate) fn k(&self) -> Result<K, SearchError> {
        self.get("k").map_or_else(|| Ok(K::default()), str::parse)
    }
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
    use proptest::prelude::*;

    fn code<T: std::fmt::Debug>(result: Result<T, SearchError>) -> &'static str {
        result.expect_err("refused").code()
    }

    #[test]
    fn k_takes_1_to_100() {
        assert_eq!("1".parse::<K>().expect("least").get(), 1);
        assert_eq!(" 100 ".parse::<K>().expect("most").get(), 100);
        for text in ["", "0", "101", "-1", "1.5", "ten", "99999999999999999999"] {
            assert_eq!(code(text.parse::<K>()), "invalid_k", "{text}");
        }
    }

    #[test]
    fn words_are_trimmed_and_bad_ones_refused_by_name() {
        let words = |text: &str| text.parse::<Words>();
        assert_eq!(
            words("  red \t bird\n").expect("words").as_str(),
            "red bird"
        );
        assert_eq!(words("红色的鸟").expect("Chinese").as_str(), "红色的鸟");
        assert!(words(&"鸟".repeat(MAX_QUERY_CHARS)).is_ok());
        assert_eq!(code(words(" \n ")), "empty_query");
        assert_eq!(
            code(words(&"鸟".repeat(MAX_QUERY_CHARS + 1))),
            "query_too_long"
        );
        assert_eq!(code(words("bird\0")), "control_characters");
        assert_eq!(code(words("🐦🐦")), "no_words");
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused() {
        let read = |query| Parameters::read(Some(query), &["q", "k"]);
        let parameters = read("q=red+bird&k=3").expect("both are known");
        assert_eq!(parameters.get("q"), Some("red bird"));
        assert_eq!(parameters.k().expect("3").get(), 3);
        assert_eq!(code(read("q=a&q=b")), "repeated_parameter");
        assert_eq!(code(read("size=3")), "unknown_parameter");
    }

    proptest! {
        #[test]
        fn no_text_panics_a_reader(text in any::<String>()) {
            if let Ok(words) = text.parse::<Words>() {
                prop_assert!(words.as_str().chars().count() <= MAX_QUERY_CHARS);
                prop_assert!(!words.as_str().is_empty());
            }
            let _ = Parameters::read(Some(&text), &["q"]);
            let _ = text.parse::<K>();
        }
    }
}
