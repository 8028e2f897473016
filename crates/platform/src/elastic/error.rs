//! What Elasticsearch did not do, and whether it may do it later.

use tusou_contract::{Disposition, Verdict};

/// The most characters of Elasticsearch's own words: it quotes whole documents.
pub(super) const MAX_REASON: usize = 500;

/// Elasticsearch did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ElasticError {
    /// No node answers, or they answer 502, 503, 504: later.
    #[error("Elasticsearch is away: {0}")]
    Away(String),
    /// It answers the whole request with 429, "too many requests": later, and less at once.
    #[error("Elasticsearch has too much to do: {0}")]
    Overloaded(String),
    /// It answers the whole request with 413: a smaller one may pass.
    #[error(
        "a request is too large for Elasticsearch, or for a proxy before it (its `http.max_content_length`): {0}"
    )]
    TooLarge(String),
    /// Documents of two encodings in one bulk, named here: a body has one.
    #[error("documents of one bulk are encoded in two ways: {0} and {1}")]
    Mixed(&'static str, &'static str),
    /// It refuses the request.
    #[error("Elasticsearch refused {what} with {status}: {reason}")]
    Refused {
        /// the request in words
        what: String,
        /// HTTP status
        status: u16,
        /// its own words, cut to 500 characters
        reason: String,
    },
    /// Its answer cannot be read.
    #[error("an answer of Elasticsearch cannot be read: {0}")]
    Answer(String),
    /// `elasticsearch.*` cannot be used; names the key.
    #[error("{0}")]
    Config(String),
}

impl Verdict for ElasticError {
    fn disposition(&self) -> Disposition {
        match self {
            // A refusal concerns the whole request (credentials, a missing index, a mapping of
            // another build), not the message that happened to be in it: nothing may be dropped.
            Self::Away(_)
            | Self::Overloaded(_)
            | Self::TooLarge(_)
            | Self::Answer(_)
            | Self::Refused { .. } => Disposition::Later,
            Self::Config(_) | Self::Mixed(..) => Disposition::Fatal,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Away(_) => "elasticsearch_away",
            Self::Overloaded(_) => "elasticsearch_overloaded",
            Self::TooLarge(_) => "elasticsearch_too_large",
            Self::Mixed(..) => "elasticsearch_mixed_bulk",
            Self::Refused { .. } => "elasticsearch_refused",
            Self::Answer(_) => "elasticsearch_answer",
            Self::Config(_) => "elasticsearch_config",
        }
    }
}

/// The text, cut to 500 characters.
pub(super) fn cut(text: &str) -> String {
    cut_to(text, MAX_REASON)
}

/// The text, cut to that many characters.
pub(super) fn cut_to(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Elasticsearch's `error` object in words: its type and reason, and those of its causes.
pub(super) fn in_words(error: &serde_json::Value) -> String {
    let mut words = String::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        let part = |key: &str| error.get(key).and_then(|value| value.as_str());
        let text = match (part("type"), part("reason")) {
            (Some(kind), Some(reason)) => format!("{kind}: {reason}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => error
                .as_str()
                .map_or_else(|| error.to_string(), str::to_owned),
        };
        if !words.is_empty() {
            words.push_str("; ");
        }
        words.push_str(&text);
        cause = error.get("caused_by");
    }
    cut(&words)
}

/// The `error` of a failed request, or its body where there is none.
pub(super) fn words_of(body: &[u8]) -> String {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(answer) if !answer["error"].is_null() => in_words(&answer["error"]),
        _ => cut(&String::from_utf8_lossy(body)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes_and_cut() {
        let error = json!({"type": "a", "reason": "b", "caused_by": {"type": "c", "reason": "d"}});
        assert_eq!(in_words(&error), "a: b; c: d");
        assert_eq!(in_words(&json!("plain")), "plain");
        assert_eq!(
            in_words(&json!({"reason": "é".repeat(900)}))
                .chars()
                .count(),
            500
        );
    }
}
