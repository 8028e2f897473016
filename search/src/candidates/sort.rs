//! The orders that an answer may have.

use std::cmp::Reverse;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use super::Candidate;

/// How an answer's pictures are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// The most relevant first.
    #[default]
    Relevance,
    /// The latest first seen, first.
    Newest,
    /// The earliest first seen, first.
    Oldest,
    /// The most pixels first.
    Largest,
    /// The fewest pixels first.
    Smallest,
}

impl Sort {
    /// Every order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Relevance,
        Self::Newest,
        Self::Oldest,
        Self::Largest,
        Self::Smallest,
    ];

    /// Its name in requests and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Largest => "largest",
            Self::Smallest => "smallest",
        }
    }

    /// Orders what stands for a candidate each (a candidate, or a group by its best). `items` come in the order of
    /// relevance, in which equal ones stay.
    pub(crate) fn apply<T>(self, items: &mut [T], of: impl Fn(&T) -> &Candidate) {
        match self {
            Self::Relevance => {}
            Self::Newest => items.sort_by_key(|item| Reverse(of(item).first_seen_ms)),
            Self::Oldest => items.sort_by_key(|item| of(item).first_seen_ms),
            Self::Largest => items.sort_by_key(|item| Reverse(of(item).pixels())),
            Self::Smallest => items.sort_by_key(|item| of(item).pixels()),
        }
    }
}

/// No order has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such order; there are relevance, newest, oldest, largest and smallest")]
pub(crate) struct UnknownSort;

impl FromStr for Sort {
    type Err = UnknownSort;

    fn from_str(name: &str) -> Result<Self, UnknownSort> {
        let mut all = Self::ALL.into_iter();
        all.find(|sort| sort.name() == name).ok_or(UnknownSort)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidate;
    use super::*;

    #[test]
    fn each_order_is_its_own_and_equal_ones_stay_in_that_of_relevance() {
        let one = |name: &str, width, first_seen_ms| {
            let made = Candidate {
                width,
                first_seen_ms,
                ..candidate(name)
            };
            (name.to_owned(), made)
        };
        let relevant = [
            one("a", 100, 2),
            one("b", 300, 1),
            one("c", 100, 3),
            one("d", 300, 2),
            one("e", 200, 1),
        ];
        for (sort, expected) in [
            (Sort::Relevance, "abcde"),
            (Sort::Newest, "cadbe"),
            (Sort::Oldest, "beadc"),
            (Sort::Largest, "bdeac"),
            (Sort::Smallest, "acebd"),
        ] {
            let mut items = relevant.clone();
            sort.apply(&mut items, |(_, candidate)| candidate);
            let order: String = items.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(order, expected, "{}", sort.name());
        }
    }

    #[test]
    fn names_go_both_ways() {
        for sort in Sort::ALL {
            assert_eq!(sort.name().parse(), Ok(sort));
            assert_eq!(serde_json::to_value(sort).expect("a word"), sort.name());
            assert!(UnknownSort.to_string().contains(sort.name()));
        }
        assert_eq!("Newest".parse::<Sort>(), Err(UnknownSort));
        assert_eq!(Sort::default(), Sort::Relevance);
    }
}
