//! An image's identity: the SHA-256 of its bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The SHA-256 of an image's bytes, written as 64 lower-case hex digits.
///
/// It is the blob key, the Elasticsearch `_id` and the message key: the same bytes at a second URL
/// are the same image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId([u8; 32]);

/// A text that is not an [`ImageId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an image id: it takes 64 hexadecimal digits")]
pub struct InvalidImageId(pub String);

impl ImageId {
    /// The id of an image with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The id whose digest is `bytes`: 32 of them, as Postgres holds it.
    pub fn from_digest(bytes: &[u8]) -> Result<Self, InvalidImageId> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| InvalidImageId(hex::encode(bytes)))
    }

    /// The digest, 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageId({self})")
    }
}

impl FromStr for ImageId {
    type Err = InvalidImageId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| InvalidImageId(text.to_owned()))?;
        Ok(Self(digest))
    }
}

impl Serialize for ImageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_sha256_of_the_bytes() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(ImageId::of(b"").to_string(), empty);
        assert_eq!(empty.parse::<ImageId>(), Ok(ImageId::of(b"")));
    }

    #[test]
    fn refuses_what_is_not_64_hex_digits() {
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(66)] {
            assert_eq!(
                text.parse::<ImageId>(),
                Err(InvalidImageId(text.to_owned()))
            );
        }
    }
}
