//! What open_clip does to a text before its tokenizer sees it (`open_clip/tokenizer.py`).
//!
//! Two of its steps are not done: `ftfy`, which mends text that was decoded wrongly, and HTML entities,
//! which no query has.

use std::borrow::Cow;

use crate::pack::Clean;

/// The text, cleaned.
pub(crate) fn clean(text: &str, how: Option<Clean>) -> String {
    let Some(how) = how else {
        return text.to_owned();
    };
    let text = match how {
        Clean::Canonicalize => Cow::Owned(
            text.chars()
                .filter(|c| *c == '_' || !c.is_ascii_punctuation())
                .map(|c| if c == '_' { ' ' } else { c })
                .collect(),
        ),
        Clean::Lower | Clean::Whitespace => Cow::Borrowed(text),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    match how {
        Clean::Whitespace => text,
        Clean::Lower | Clean::Canonicalize => text.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cleaned_as_open_clip_cleans_them() {
        let text = " A_red  “Kite”,\tflying! 红色的风筝。\n";
        for (how, expected) in [
            (None, text),
            (
                Some(Clean::Whitespace),
                "A_red “Kite”, flying! 红色的风筝。",
            ),
            (Some(Clean::Lower), "a_red “kite”, flying! 红色的风筝。"),
            (
                Some(Clean::Canonicalize),
                "a red “kite” flying 红色的风筝。",
            ),
        ] {
            assert_eq!(clean(text, how), expected, "{how:?}");
        }
    }
}
