//! Where a picture's bytes are kept.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ImageFormat, ImageId};

/// A blob's key: a relative path of ASCII letters, digits, `/`, `.` and `-`, never with `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BlobKey(String);

/// A text that is not a [`BlobKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a blob key: it takes a relative path without `..`")]
pub struct InvalidBlobKey(pub String);

impl BlobKey {
    /// The bytes as they were fetched: `originals/e3/e3b0….jpg`.
    pub fn original(id: &ImageId, format: ImageFormat) -> Self {
        let hex = id.to_string();
        Self(format!(
            "originals/{}/{hex}.{}",
            &hex[..2],
            format.extension()
        ))
    }

    /// The encoder's thumbnail: `thumbnails/e3/e3b0….jpg`.
    pub fn thumbnail(id: &ImageId) -> Self {
        let hex = id.to_string();
        Self(format!("thumbnails/{}/{hex}.jpg", &hex[..2]))
    }

    /// A mark, without bytes, that the image was removed on request: messages about it that are still
    /// under way have nothing left to do. `removed/e3/e3b0….mark`
    pub fn removed(id: &ImageId) -> Self {
        let hex = id.to_string();
        Self(format!("removed/{}/{hex}.mark", &hex[..2]))
    }

    /// The key as a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for BlobKey {
    type Error = InvalidBlobKey;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.chars().all(plain);
        if text.split('/').all(segment) {
            Ok(Self(text))
        } else {
            Err(InvalidBlobKey(text))
        }
    }
}

impl From<BlobKey> for String {
    fn from(key: BlobKey) -> Self {
        key.0
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_keys_are_valid_and_others_are_refused() {
        let id = ImageId::of(b"x");
        for key in [
            BlobKey::original(&id, ImageFormat::Jpeg),
            BlobKey::thumbnail(&id),
        ] {
            assert_eq!(BlobKey::try_from(key.as_str().to_owned()), Ok(key));
        }
        for text in ["", "/etc/passwd", "a/../b", "a//b", "a b"] {
            assert!(BlobKey::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
