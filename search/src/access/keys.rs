//! API keys: who may use the API, where it is not open to all.

use std::hint::black_box;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HeaderName};
use sha2::{Digest as _, Sha256};

use crate::error::SearchError;

/// Where a key may be sent, beside `Authorization: Bearer`.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The keys of the configuration. Of a key only its digest is kept.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<(String, [u8; 32])>);

impl Keys {
    /// Keys as `name:key`, which the configuration has checked.
    pub(crate) fn new(keys: &[String]) -> Self {
        let named = keys.iter().filter_map(|key| key.split_once(':'));
        Self(
            named
                .map(|(name, key)| (name.to_owned(), Sha256::digest(key.as_bytes()).into()))
                .collect(),
        )
    }

    /// Whether everyone may ask.
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the key at a position.
    pub(crate) fn name(&self, position: usize) -> Option<&str> {
        self.0.get(position).map(|(name, _)| name.as_str())
    }

    /// The position of the key that a request carries; `None` where it carries none, or everyone may ask.
    ///
    /// # Errors
    /// [`SearchError::Key`] for a key that nobody has.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Result<Option<usize>, SearchError> {
        let Some(sent) = sent(headers).filter(|_| !self.is_open()) else {
            return Ok(None);
        };
        let found = self.find(&Sha256::digest(sent).into());
        let unknown = SearchError::Key {
            code: "unknown_key",
            detail: "nobody has this API key; check it, or ask who runs this service for one",
        };
        found.map(Some).ok_or(unknown)
    }

    /// Compares with every key, and every byte of it, so that the time tells nothing.
    fn find(&self, digest: &[u8; 32]) -> Option<usize> {
        let mut found = None;
        for (position, (_, known)) in self.0.iter().enumerate() {
            let mut differs = 0;
            for (one, other) in known.iter().zip(digest) {
                differs |= black_box(one ^ other);
            }
            found = if differs == 0 { Some(position) } else { found };
        }
        found
    }
}

/// The key in `X-API-Key`, or else that in `Authorization: Bearer`. Another scheme is not ours: a proxy before this
/// service may want it.
fn sent(headers: &HeaderMap) -> Option<&[u8]> {
    if let Some(key) = headers.get(API_KEY) {
        return Some(key.as_bytes());
    }
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| key.trim().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn a_key_is_found_in_either_header_and_only_whole() {
        let keys = Keys::new(&[
            "one:0123456789abcdef".into(),
            "two:fedcba9876543210:x".into(),
        ]);
        let of = |given: &[(HeaderName, &str)]| keys.of(&headers(given));
        assert_eq!(
            of(&[(API_KEY, "0123456789abcdef")]).expect("known"),
            Some(0)
        );
        let bearer = [(AUTHORIZATION, "bearer fedcba9876543210:x")];
        assert_eq!(of(&bearer).expect("known"), Some(1));
        assert_eq!(keys.name(1), Some("two"));
        assert_eq!(of(&[]).expect("none"), None);
        let basic = [(AUTHORIZATION, "Basic dHVzb3U6c2VzYW1l")];
        assert_eq!(of(&basic).expect("not ours"), None);
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "one:0123456789abcdef",
        ] {
            let refused = of(&[(API_KEY, wrong)]).expect_err("nobody's");
            assert_eq!(
                (refused.code(), refused.status()),
                ("unknown_key", 401),
                "{wrong}"
            );
        }
        // The header of its own wins over one that a proxy may have left.
        let both = [(API_KEY, "0123456789abcdef"), (AUTHORIZATION, "Bearer x")];
        assert_eq!(of(&both).expect("known"), Some(0));
        assert!(!format!("{keys:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn without_keys_everyone_may_ask() {
        let keys = Keys::default();
        assert!(keys.is_open());
        assert_eq!(keys.of(&headers(&[(API_KEY, "any")])).expect("open"), None);
    }
}
