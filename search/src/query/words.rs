//! A query in words.

use std::str::FromStr;

use crate::config::MAX_QUERY_CHARS;
use crate::error::SearchError;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::{K, Parameters};

    #[test]
    fn words_are_trimmed_and_bad_ones_refused_by_name() {
        let words = |text: &str| text.parse::<Words>();
        let code = |text: &str| words(text).expect_err("refused").code();
        assert_eq!(
            words("  red \t bird\n").expect("words").as_str(),
            "red bird"
        );
        assert_eq!(words("红色的鸟").expect("Chinese").as_str(), "红色的鸟");
        assert!(words(&"鸟".repeat(MAX_QUERY_CHARS)).is_ok());
        assert_eq!(code(" \n "), "empty_query");
        assert_eq!(code(&"鸟".repeat(MAX_QUERY_CHARS + 1)), "query_too_long");
        assert_eq!(code("bird\0"), "control_characters");
        assert_eq!(code("🐦🐦"), "no_words");
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
