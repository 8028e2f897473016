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

/// The one field of the document that a pack can score.
pub const NSFW: &str = "nsfw";

/// The field of a model that tells copies of a picture from others, by convention.
pub const COPY_EMBEDDING: &str = "copy_embedding";

/// What the name of a further pack's field ends in.
const FIELD_END: &str = "_embedding";

/// The longest name of a field.
const MAX_FIELD: usize = 64;

/// The part of a pack's manifest that says which pack it is. Other keys are left to who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PackManifest {
    /// The pack's name: `lite`. Lower-case ASCII letters, digits, `-` and `_`.
    pub name: String,
    /// Numbers in a vector; 1 for a score.
    pub dimension: usize,
    /// The document's field where the pack is not the first: `copy_embedding`.
    #[serde(default)]
    pub field: Option<String>,
    /// What is said of the picture tower.
    #[serde(default)]
    pub visual: VisualPart,
    /// SHA-256 of each file, in hex, by its path below the pack's folder.
    pub files: BTreeMap<String, String>,
}

/// Of the picture tower, what an index has to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct VisualPart {
    /// Where its numbers are no vector: which of them is the score of what.
    #[serde(default)]
    pub score: Option<ScorePart>,
}

/// Which of the numbers that a picture tower makes is a score, 0 to 1.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ScorePart {
    /// The document's field: [`NSFW`].
    pub field: String,
    /// Its place in the picture tower's row of numbers, from 0.
    pub column: usize,
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
        if let Some(field) = &manifest.field
            && let Some(problem) = refuses(field)
        {
            return Err(invalid("field", problem));
        }
        if let Some(score) = &manifest.visual.score {
            if score.field != NSFW {
                return Err(invalid("visual.score.field", "takes nsfw alone"));
            }
            if score.column >= MAX_DIMENSION {
                return Err(invalid("visual.score.column", "takes 0 to 4095"));
            }
            if manifest.field.is_some() {
                return Err(invalid(
                    "field",
                    "is for vectors, and the pack makes scores: leave it out",
                ));
            }
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

    /// The document's field that the pack scores. Such a pack makes no vector, and is none of an
    /// index's models.
    pub fn scores(&self) -> Option<&str> {
        let score = self.visual.score.as_ref()?;
        Some(&score.field)
    }

    /// The document's field for the pack at this position among those of `models.packs` that make
    /// vectors: the first fills [`IMAGE_EMBEDDING`], a further one the field that its manifest names,
    /// or else `image_embedding_<name>`.
    pub fn field(&self, position: usize) -> String {
        match (position, &self.field) {
            (0, _) => IMAGE_EMBEDDING.to_owned(),
            (_, Some(field)) => field.clone(),
            (_, None) => format!("{IMAGE_EMBEDDING}_{}", self.name.replace('-', "_")),
        }
    }

    /// What an index with the pack at this position, as [`Self::field`] counts, says of it.
    pub fn model_field(&self, position: usize) -> ModelField {
        ModelField {
            field: self.field(position),
            model: self.name.clone(),
            digest: self.digest(),
            dimension: self.dimension,
        }
    }
}

/// What is wrong with the name of a further pack's field, if anything.
fn refuses(field: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = field.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || !field.chars().all(plain) || field.len() > MAX_FIELD {
        return Some("takes at most 64 lower-case letters, digits and _, a letter first");
    }
    if field == IMAGE_EMBEDDING {
        return Some("cannot be image_embedding: the first pack fills that, whichever it is");
    }
    (!field.ends_with(FIELD_END)).then_some("has to end in _embedding, as copy_embedding does")
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

    /// A manifest with further keys.
    fn with(keys: &str) -> Result<PackManifest, PackManifestError> {
        let sha256 = "ab".repeat(32);
        let text = format!(
            r#"{{"name":"sscd-x","dimension":2,"files":{{"visual/model.onnx":"{sha256}"}},{keys}}}"#
        );
        PackManifest::from_json(text.as_bytes())
    }

    #[test]
    fn a_further_pack_names_its_field_and_the_first_has_none_of_its_own() {
        let pack = with(r#""field":"copy_embedding","visual":{"model":"visual/model.onnx"}"#);
        let pack = pack.expect("the manifest is whole");
        assert_eq!(pack.field(0), "image_embedding");
        assert_eq!(pack.field(2), "copy_embedding");
        assert_eq!(pack.scores(), None);
        let plain = with(r#""licence":"MIT""#).expect("the manifest is whole");
        assert_eq!(plain.field(1), "image_embedding_sscd_x");
        // What it is called in a document is not what it is.
        assert_eq!(pack.digest(), plain.digest());
        for field in [
            "image_embedding",
            "nsfw",
            "Copy_embedding",
            "1_embedding",
            "",
            "a-b_embedding",
        ] {
            let error = with(&format!(r#""field":"{field}""#)).expect_err(field);
            assert!(error.to_string().contains("`field`"), "{error}");
        }
    }

    #[test]
    fn a_pack_of_scores_says_which_number_is_the_score_of_what() {
        let pack = with(r#""visual":{"score":{"field":"nsfw","column":1}}"#);
        let pack = pack.expect("the manifest is whole");
        assert_eq!(pack.scores(), Some("nsfw"));
        for (keys, key) in [
            (
                r#""visual":{"score":{"field":"rev","column":1}}"#,
                "visual.score.field",
            ),
            (
                r#""visual":{"score":{"field":"nsfw","column":4096}}"#,
                "visual.score.column",
            ),
            (
                r#""field":"a_embedding","visual":{"score":{"field":"nsfw","column":1}}"#,
                "field",
            ),
        ] {
            let error = with(keys).expect_err(keys);
            assert!(error.to_string().contains(&format!("`{key}`")), "{error}");
        }
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
