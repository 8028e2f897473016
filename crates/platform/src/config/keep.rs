//! How long originals are kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Once a picture is encoded its original may go: a search shows its thumbnail, and a new model has
/// the original fetched again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeepOriginals {
    /// All of them, for good.
    #[default]
    Always,
    /// None: each goes as soon as its picture is encoded.
    None,
    /// For so many days from when it was stored, at least one.
    Days(u32),
}

/// A text that is no such rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is neither `always` nor `none` nor days from 1d to 36500d")]
pub struct UnknownRule;

impl FromStr for KeepOriginals {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        match text {
            "always" => return Ok(Self::Always),
            "none" => return Ok(Self::None),
            _ => {}
        }
        let days = text.strip_suffix('d').ok_or(UnknownRule)?;
        let days = days.parse().map_err(|_| UnknownRule)?;
        if (1..=36_500).contains(&days) {
            Ok(Self::Days(days))
        } else {
            Err(UnknownRule)
        }
    }
}

impl fmt::Display for KeepOriginals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::None => f.write_str("none"),
            Self::Days(days) => write!(f, "{days}d"),
        }
    }
}

impl TryFrom<String> for KeepOriginals {
    type Error = UnknownRule;

    fn try_from(text: String) -> Result<Self, UnknownRule> {
        text.parse()
    }
}

impl From<KeepOriginals> for String {
    fn from(rule: KeepOriginals) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        for rule in [
            KeepOriginals::Always,
            KeepOriginals::None,
            KeepOriginals::Days(1),
            KeepOriginals::Days(36_500),
        ] {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        for text in [
            "", "d", "0d", "-1d", "1", "36501d", "30 d", "Always", "1.5d",
        ] {
            assert_eq!(text.parse::<KeepOriginals>(), Err(UnknownRule), "{text}");
        }
    }
}
