//! Where the next page of a search begins, as an opaque token.

use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::Candidate;
use crate::error::SearchError;
use crate::token::{self, Kind};

/// Where the next page of a search begins. As text it is 38 characters that are safe in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Of everything that was asked; whoever makes it hashes that.
    pub(crate) fingerprint: u64,
    /// Of the candidates, as [`digest`] makes it.
    pub(crate) digest: u64,
    /// How many groups come before the page.
    pub(crate) place: u16,
}

/// Why a cursor is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CursorError {
    /// It is no text that this service made.
    #[error("`cursor` is none that this service made; leave it out for the first page")]
    Invalid,
    /// It is of another search.
    #[error(
        "`cursor` was made for another request; repeat that request with it, or leave it out for the first page"
    )]
    Foreign,
    /// What the search finds has changed.
    #[error(
        "what this request finds has changed since `cursor` was made; leave it out for the first page"
    )]
    Stale,
}

impl CursorError {
    /// A short, stable, snake-case word.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_cursor",
            Self::Foreign => "foreign_cursor",
            Self::Stale => "stale_cursor",
        }
    }
}

impl From<CursorError> for SearchError {
    fn from(error: CursorError) -> Self {
        Self::parameter(error.code(), "cursor", error.to_string())
    }
}

impl Cursor {
    /// The token.
    pub(crate) fn encode(&self) -> String {
        let mut bytes = [0; 18];
        bytes[..8].copy_from_slice(&self.fingerprint.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.digest.to_be_bytes());
        bytes[16..].copy_from_slice(&self.place.to_be_bytes());
        token::seal(Kind::Search, &bytes)
    }

    /// Whether it was made for what is asked now; looked at before anything is searched.
    ///
    /// # Errors
    /// [`CursorError::Foreign`].
    pub(crate) fn belongs_to(&self, fingerprint: u64) -> Result<(), CursorError> {
        if self.fingerprint == fingerprint {
            Ok(())
        } else {
            Err(CursorError::Foreign)
        }
    }

    /// Whether it was made for these candidates; looked at where they are no longer kept and had to be searched
    /// again.
    ///
    /// # Errors
    /// [`CursorError::Stale`].
    pub(crate) fn agrees_with(&self, digest: u64) -> Result<(), CursorError> {
        if self.digest == digest {
            Ok(())
        } else {
            Err(CursorError::Stale)
        }
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes: [u8; 18] = token::open(Kind::Search, text).ok_or(CursorError::Invalid)?;
        let number = |from: usize| {
            let bytes = bytes[from..from + 8].try_into().expect("eight bytes");
            u64::from_be_bytes(bytes)
        };
        Ok(Self {
            fingerprint: number(0),
            digest: number(8),
            place: u16::from_be_bytes([bytes[16], bytes[17]]),
        })
    }
}

/// The digest of a list of candidates: their ids in this order.
pub(crate) fn digest(list: &[Candidate]) -> u64 {
    let mut hasher = Sha256::new();
    for candidate in list {
        hasher.update(candidate.image_id.as_bytes());
    }
    let digest: [u8; 32] = hasher.finalize().into();
    u64::from_be_bytes(*digest.first_chunk().expect("32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidate;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn another_search_and_another_list_are_told_apart() {
        let list = [candidate("a"), candidate("b")];
        let turned = [candidate("b"), candidate("a")];
        assert_ne!(digest(&list), digest(&turned));
        assert_ne!(digest(&list), digest(&list[..1]));
        let cursor = Cursor {
            fingerprint: 1,
            digest: digest(&list),
            place: 20,
        };
        assert_eq!(cursor.belongs_to(1), Ok(()));
        assert_eq!(cursor.belongs_to(2), Err(CursorError::Foreign));
        assert_eq!(cursor.agrees_with(digest(&list)), Ok(()));
        assert_eq!(cursor.agrees_with(digest(&turned)), Err(CursorError::Stale));
        let told: SearchError = CursorError::Stale.into();
        assert_eq!(
            (told.code(), told.field()),
            ("stale_cursor", Some("cursor"))
        );
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_and_a_mangled_one_does_not(
            fingerprint: u64, digest: u64, place: u16, at in 0_usize..31, put in "[A-Za-z0-9_-]",
        ) {
            let cursor = Cursor { fingerprint, digest, place };
            let text = cursor.encode();
            prop_assert_eq!(text.parse(), Ok(cursor));
            let mut mangled = text.clone();
            mangled.replace_range(at..=at, &put);
            if mangled != text {
                prop_assert_eq!(mangled.parse::<Cursor>(), Err(CursorError::Invalid));
            }
        }

        #[test]
        fn no_text_panics_it(text in any::<String>()) {
            prop_assert_eq!(text.parse::<Cursor>(), Err(CursorError::Invalid));
        }
    }
}
