//! Opaque tokens: a few bytes with their kind and a checksum, as text that is safe in a URL.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// Bytes of the checksum: of so many mangled tokens one in four thousand million passes.
const CHECK: usize = 4;

/// What a token stands for, with the version of its layout. A changed layout takes a new number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A place among the candidates of a search.
    Search = 1,
    /// A place among the sightings of a picture.
    Sightings = 2,
}

/// The token of these bytes.
pub(crate) fn seal(kind: Kind, bytes: &[u8]) -> String {
    let mut whole = Vec::with_capacity(1 + bytes.len() + CHECK);
    whole.push(kind as u8);
    whole.extend_from_slice(bytes);
    whole.extend_from_slice(&checksum(&whole));
    URL_SAFE_NO_PAD.encode(whole)
}

/// The bytes of a token of that kind; `None` for any other text.
pub(crate) fn open<const N: usize>(kind: Kind, text: &str) -> Option<[u8; N]> {
    // Looked at before it is decoded: a text is as long as its sender likes.
    if text.len() != (1 + N + CHECK).div_ceil(3) * 4 - padding(1 + N + CHECK) {
        return None;
    }
    let whole = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (body, check) = whole.split_last_chunk::<CHECK>()?;
    let (first, bytes) = body.split_first()?;
    if *first != kind as u8 || *check != checksum(body) {
        return None;
    }
    bytes.try_into().ok()
}

/// The characters that base64 would fill up with.
const fn padding(bytes: usize) -> usize {
    (3 - bytes % 3) % 3
}

fn checksum(bytes: &[u8]) -> [u8; CHECK] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    *digest.first_chunk().expect("32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_as_what_it_was_sealed_as_and_as_nothing_else() {
        let text = seal(Kind::Search, b"abcde");
        assert_eq!(open(Kind::Search, &text), Some(*b"abcde"));
        assert_eq!(open::<5>(Kind::Sightings, &text), None);
        assert_eq!(open::<4>(Kind::Search, &text), None);
        assert_eq!(open::<5>(Kind::Search, &text[1..]), None);
        assert_eq!(open::<5>(Kind::Search, &format!("{text}A")), None);
        assert!(
            text.bytes()
                .all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
        );
    }

    #[test]
    fn every_length_has_its_token() {
        assert_eq!(open(Kind::Search, &seal(Kind::Search, b"")), Some([]));
        assert_eq!(open(Kind::Search, &seal(Kind::Search, b"a")), Some(*b"a"));
        assert_eq!(open(Kind::Search, &seal(Kind::Search, b"ab")), Some(*b"ab"));
        assert_eq!(
            open(Kind::Search, &seal(Kind::Search, b"abc")),
            Some(*b"abc")
        );
    }
}
