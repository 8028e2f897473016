//! The document that Elasticsearch holds for an image.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{ImageFormat, ImageId};

/// The most captions that a document carries: the most seen ones.
pub const MAX_CAPTIONS: usize = 32;
/// The most host names that a document carries.
pub const MAX_HOSTS: usize = 64;

/// A whole document: the projection of an image's rows. It is always written whole, with
/// `rev` as its external version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Also the `_id`.
    pub image_id: ImageId,
    /// The file name of the earliest sighting's URL, percent-decoded.
    pub image_name: String,
    /// The blob's key; for an imported folder, the path below it.
    pub relative_path: String,
    /// Pixels across, after orientation.
    pub width: u32,
    /// Pixels down, after orientation.
    pub height: u32,
    /// Pixels in all. Since mapping version 2.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pixels: Option<u32>,
    /// Pixels across over pixels down. Since mapping version 2.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub aspect: Option<f32>,
    /// Size of the original.
    pub bytes: u64,
    /// Format of the original.
    pub format: ImageFormat,
    /// The 64-bit perceptual hash, 16 hex digits.
    pub phash: Option<String>,
    /// The hash in four parts, each with its place ([`phash_bands`]): of two hashes that differ in at
    /// most 3 bits one part is the same, and Elasticsearch finds it. Since mapping version 2.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub phash_bands: Vec<String>,
    /// Main colours by name, at most 5.
    pub colors: Vec<String>,
    /// 0 to 1, where a model for it is configured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nsfw: Option<f32>,
    /// Distinct alt texts, titles and captions, the most seen first; at most [`MAX_CAPTIONS`].
    pub captions: Vec<String>,
    /// Host names of pages and pictures, without port; at most [`MAX_HOSTS`].
    pub hosts: Vec<String>,
    /// Rights found with the image.
    #[serde(default)]
    pub rights: Rights,
    /// When the picture was taken, by its own account.
    #[serde(
        skip_serializing_if = "Option::is_none",
        default,
        with = "time::serde::rfc3339::option"
    )]
    pub taken_at: Option<OffsetDateTime>,
    /// The first sighting.
    #[serde(with = "time::serde::rfc3339")]
    pub first_seen: OffsetDateTime,
    /// The latest sighting.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen: OffsetDateTime,
    /// How many sightings are live.
    pub sightings: u32,
    /// Bumped by every transaction that changes what this document shows.
    pub rev: i64,
    /// One unit vector for each model, by its field: `image_embedding` first.
    #[serde(flatten)]
    pub embeddings: std::collections::BTreeMap<String, Vec<f32>>,
}

/// How many pixels a picture has.
pub fn pixels(width: u32, height: u32) -> u64 {
    u64::from(width) * u64::from(height)
}

/// Pixels across over pixels down.
pub fn aspect(width: u32, height: u32) -> f32 {
    width.max(1) as f32 / height.max(1) as f32
}

/// A perceptual hash as a number: 16 hex digits; `None` for any other text.
pub fn phash_bits(phash: &str) -> Option<u64> {
    // The reader of numbers would take a sign and fewer digits too.
    let digits = phash.len() == 16 && phash.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits
        .then(|| u64::from_str_radix(phash, 16).ok())
        .flatten()
}

/// The four 16-bit parts of a perceptual hash of 16 hex digits, each after its place: `0-00ff`. Empty for
/// any other text.
///
/// Source: Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index Hashing" (2012).
pub fn phash_bands(phash: &str) -> Vec<String> {
    if phash_bits(phash).is_none() {
        return Vec::new();
    }
    (0..4)
        .map(|place| format!("{place}-{}", &phash[place * 4..place * 4 + 4]))
        .collect()
}

/// Rights found with an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Address of the licence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub license: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub creator: Option<String>,
    /// Who is to be credited.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credit: Option<String>,
    /// The copyright line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub copyright: Option<String>,
}

impl Rights {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what is missing here, field by field.
    pub fn complete(&mut self, other: Self) {
        let Self {
            license,
            creator,
            credit,
            copyright,
        } = other;
        self.license = self.license.take().or(license);
        self.creator = self.creator.take().or(creator);
        self.credit = self.credit.take().or(credit);
        self.copyright = self.copyright.take().or(copyright);
    }
}

/// Rights as they were found with one sighting of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingRights {
    /// What a document carries too.
    #[serde(flatten)]
    pub rights: Rights,
    /// Address of a page that says how a licence is had.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acquire: Option<String>,
}

impl SightingRights {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes over what is missing here, field by field.
    pub fn complete(&mut self, other: Self) {
        self.rights.complete(other.rights);
        self.acquire = self.acquire.take().or(other.acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_sixteen_hex_digits() {
        assert_eq!(phash_bits("00000000000000ff"), Some(255));
        assert_eq!(phash_bits("FFFFFFFFFFFFFFFF"), Some(u64::MAX));
        for text in [
            "",
            "ff",
            "+0000000000000ff",
            "00000000000000fg",
            "鸟鸟鸟鸟鸟f",
        ] {
            assert_eq!(phash_bits(text), None, "{text}");
            assert!(phash_bands(text).is_empty(), "{text}");
        }
    }
}
