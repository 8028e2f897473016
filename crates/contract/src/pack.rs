//! What a model pack's manifest says of its identity.
//!
//! The indexer has to know which embeddings belong to an index, and loads no model for that.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::mapping::{IMAGE_EMBEDDING, ModelField};

/// The manifest's file name in the pack's folder.
pub const MANIFEST: &str = "pack.json";

/// The most numbers in a vector that Elasticsearch takes.
pub const MAX_DIMENSION: usize = 4096;

/// The part of a pack's manifest that says which pack it is. Other keys are left to who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackManifest {
    /// The pack's name: `lite`. Lower-case ASCII letters, digits, `-` and `_`.
    pub name: String,
    /// Numbers in a vector.
    pub dimension: usize,
    /// SHA-256 of each file, in hex, by its path below the pack's folder.
    pub files: BTreeMap<String, String>,
}

/// A manifest that does not say which pack it is.
#[derive(Debug, thiserror::Error)]
pub enum PackManifestError {
    /// Not JSON, or a key is missing or of another type.
    #[error("the manifest cannot be read")]
    Json(#[source] serde_json::Error),
    /// A key has a value that no pack has; names the key.
    #[error("`{key}` {problem}")]
    Invalid {
        /// The key.
        key: String,
        /// What is wrong with its value.
        problem: &'static str,
    },
}

impl PackManifest {
    /// Reads `pack.json`.
    ///
    /// # Errors
    /// [`PackManifestError`] where a key is missing or has a value that no pack has.
    pub fn from_json(json: &[u8]) -> Result<Self, PackManifestError> {
        let manifest: Self = serde_json::from_slice(json).map_err(PackManifestError::Json)?;
        let invalid = |key: &str, problem| PackManifestError::Invalid {
            key: key.to_owned(),
            problem,
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if manifest.name.is_empty() || !manifest.name.chars().all(plain) {
            return Err(invalid("name", "takes lower-case letters, digits, - and _"));
        }
        if !(1..=MAX_DIMENSION).contains(&manifest.dimension) {
            return Err(invalid("dimension", "takes 1 to 4096"));
        }
        if manifest.files.is_empty() {
            return Err(invalid("files", "names no file"));
        }
        let digest = |text: &String| text.len() == 64 && hex::decode(text).is_ok();
        match manifest.files.iter().find(|(_, sha256)| !digest(sha256)) {
            Some((path, _)) => Err(invalid(
                &format!("files.{path}"),
                "takes a SHA-256: 64 hexadecimal digits",
            )),
            None => Ok(manifest),
        }
    }

    /// The pack's identity: SHA-256, in hex, over the lines `<path> <sha256>\n` in the order of the
    /// paths.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for (path, sha256) in &self.files {
            digest.update(format!("{path} {sha256}\n"));
        }
        hex::encode(digest.finalize())
    }

    /// The document's field for the pack at this position in `models.packs`: the first fills
    /// [`IMAGE_EMBEDDING`], a further one `image_embedding_<name>`.
    pub fn field(&self, position: usize) -> String {
        match position {
            0 => IMAGE_EMBEDDING.to_owned(),
            _ => format!("{IMAGE_EMBEDDING}_{}", self.name.replace('-', "_")),
        }
    }

    /// What an index with the pack at this position says of it.
    pub fn model_field(&self, position: usize) -> ModelField {
        ModelField {
            field: self.field(position),
            model: self.name.clone(),
            digest: self.digest(),
            dimension: self.dimension,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, dimension: usize, sha256: &str) -> String {
        format!(
            r#"{{"name":"{name}","dimension":{dimension},"licence":"Apache-2.0",
                 "files":{{"visual/model.onnx":"{sha256}","textual/model.onnx":"{sha256}"}}}}"#
        )
    }

    #[test]
    fn the_digest_is_over_the_sorted_lines() {
        let sha256 = "ab".repeat(32);
        let pack = PackManifest::from_json(manifest("lite", 512, &sha256).as_bytes());
        let pack = pack.expect("the manifest is whole");
        let lines = format!("textual/model.onnx {sha256}\nvisual/model.onnx {sha256}\n");
        assert_eq!(pack.digest(), hex::encode(Sha256::digest(lines)));
        assert_eq!(pack.field(0), "image_embedding");
        assert_eq!(pack.field(1), "image_embedding_lite");
    }

    #[test]
    fn a_wrong_value_is_named() {
        let sha256 = "ab".repeat(32);
        for (text, key) in [
            (manifest("", 512, &sha256), "name"),
            (manifest("a b", 512, &sha256), "name"),
            (manifest("lite", 0, &sha256), "dimension"),
            (manifest("lite", 5_000, &sha256), "dimension"),
            (manifest("lite", 512, "ab"), "files.textual/model.onnx"),
        ] {
            let error = PackManifest::from_json(text.as_bytes()).expect_err(key);
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
        for text in ["", "{}", r#"{"name":"lite","dimension":512}"#] {
            let error = PackManifest::from_json(text.as_bytes()).expect_err(text);
            assert!(matches!(error, PackManifestError::Json(_)));
        }
    }
}
