//! What is asked, read at the edge: parameters become types here, and nowhere else.

mod ask;
mod filters;
mod parameters;
mod words;

use std::str::FromStr;

use tusou_contract::ImageId;

use crate::config::{DEFAULT_K, MAX_K};
use crate::error::SearchError;

pub(crate) use ask::{Ask, FROM, Mode, PAGE, Picture, SEARCH, SIMILAR, Subject};
pub(crate) use filters::Filters;
pub(crate) use parameters::{Parameters, unknown};
pub(crate) use words::Words;

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

/// How many sightings are wanted: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(u16);

impl Limit {
    /// The number.
    pub(crate) fn get(self) -> i64 {
        self.0.into()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(20)
    }
}

impl FromStr for Limit {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        match text.trim().parse() {
            Ok(limit) if (1..=100).contains(&limit) => Ok(Self(limit)),
            _ => Err(parameters::invalid(
                "limit",
                "is the number of sightings; it takes 1 to 100",
            )),
        }
    }
}

/// An image's id in a path or a parameter.
pub(crate) fn image_id(field: &str, text: &str) -> Result<ImageId, SearchError> {
    text.parse().map_err(|_| {
        SearchError::parameter(
            "invalid_id",
            field,
            "an image's id is 64 hexadecimal digits",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_takes_1_to_100() {
        assert_eq!("1".parse::<K>().expect("least").get(), 1);
        assert_eq!(" 100 ".parse::<K>().expect("most").get(), 100);
        for text in ["", "0", "101", "-1", "1.5", "ten", "99999999999999999999"] {
            let error = text.parse::<K>().expect_err("refused");
            assert_eq!(error.code(), "invalid_k", "{text}");
        }
    }
}
