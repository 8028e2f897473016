//! A model pack: a folder with an ONNX file for each tower, a tokenizer, and a manifest.

pub mod describe;
mod manifest;
mod signature;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tusou_contract::mapping::ModelField;

use crate::{ModelError, Preprocess};

pub use manifest::{
    Channels, Clean, FORMAT, Layout, MANIFEST, Manifest, Padding, Pooling, Relevance, ScoreOf,
    Textual, Visual,
};

/// A pack on disk whose files are all there and unchanged.
#[derive(Debug, Clone)]
pub struct Pack {
    folder: PathBuf,
    manifest: Manifest,
    digest: String,
    preprocess: Preprocess,
}

impl Pack {
    /// Opens a pack and checks every file against the manifest.
    ///
    /// # Errors
    /// [`ModelError::Absent`]; [`ModelError::Read`] and [`ModelError::Invalid`], which name the file.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, ModelError> {
        let folder = folder.into();
        let path = folder.join(MANIFEST);
        if !path.exists() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            return Err(ModelError::Absent {
                name: name.into_owned(),
                folder,
            });
        }
        let manifest: Manifest = read_json(&path)?;
        let invalid = |reason| ModelError::Invalid {
            path: path.clone(),
            reason,
        };
        manifest.check().map_err(invalid)?;
        let mut lines = Sha256::new();
        for (name, expected) in &manifest.files {
            check_file(&folder.join(name), expected)?;
            lines.update(format!("{name} {expected}\n"));
        }
        let path = folder.join(&manifest.visual.preprocess);
        let preprocess: Preprocess = read_json(&path)?;
        preprocess
            .check()
            .map_err(|reason| ModelError::Invalid { path, reason })?;
        Ok(Self {
            folder,
            manifest,
            digest: hex::encode(lines.finalize()),
            preprocess,
        })
    }

    /// What the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The pack's name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.manifest.dimension
    }

    /// The pack's identity: the SHA-256, in hex, of a line `name sha256` for each file, sorted by
    /// name. An index made with another digest is refused, even of the same dimension.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How pictures become tensors.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The document's field that this pack fills.
    pub fn field(&self, field: &str) -> ModelField {
        ModelField {
            field: field.to_owned(),
            model: self.name().to_owned(),
            digest: self.digest.clone(),
            dimension: self.dimension(),
        }
    }

    /// Where a file of the pack lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The pack's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = std::fs::read(path).map_err(|cause| ModelError::Read {
        path: path.into(),
        cause,
    })?;
    serde_json::from_slice(&text).map_err(|cause| ModelError::Invalid {
        path: path.into(),
        reason: cause.to_string(),
    })
}

fn check_file(path: &Path, expected: &str) -> Result<(), ModelError> {
    let found = describe::sha256(path).map_err(|cause| ModelError::Read {
        path: path.into(),
        cause,
    })?;
    if found == expected {
        return Ok(());
    }
    let reason = format!("its SHA-256 is {found}, and the manifest says {expected}");
    Err(ModelError::Invalid {
        path: path.into(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A pack of two files, whose model is not one: enough for everything that is read here.
    fn write_pack(folder: &Path) -> serde_json::Value {
        let preprocess = r#"{"size":224,"mean":[0.5,0.5,0.5],"std":[0.5,0.5,0.5],"interpolation":"bicubic","resize_mode":"shortest"}"#;
        fs::write(folder.join("model.onnx"), b"weights").expect("a temporary file is written");
        fs::write(folder.join("preprocess.json"), preprocess).expect("a temporary file is written");
        let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        serde_json::json!({
            "format": 1, "name": "tiny", "licence": "CC0-1.0", "dimension": 4,
            "visual": {"model": "model.onnx", "preprocess": "preprocess.json", "input": "i", "output": "o"},
            "files": {"preprocess.json": sha256(preprocess.as_bytes()), "model.onnx": sha256(b"weights")},
        })
    }

    fn open(folder: &Path, manifest: &serde_json::Value) -> Result<Pack, ModelError> {
        fs::write(folder.join(MANIFEST), manifest.to_string())
            .expect("a temporary file is written");
        Pack::open(folder)
    }

    #[test]
    fn the_digest_is_that_of_the_sorted_lines() {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        let manifest = write_pack(folder.path());
        let pack = open(folder.path(), &manifest).expect("the pack is whole");
        let line = |name: &str| {
            format!(
                "{name} {}\n",
                manifest["files"][name].as_str().expect("a checksum")
            )
        };
        let lines = line("model.onnx") + &line("preprocess.json");
        assert_eq!(pack.digest(), hex::encode(Sha256::digest(lines)));
        assert_eq!(pack.field("image_embedding").dimension, 4);
    }

    #[test]
    fn a_changed_file_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        let manifest = write_pack(folder.path());
        fs::write(folder.path().join("model.onnx"), b"other").expect("a temporary file is written");
        let error = open(folder.path(), &manifest).expect_err("the checksum differs");
        assert!(error.to_string().contains("model.onnx"), "{error}");
    }

    #[test]
    fn bad_manifests_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a temporary folder is made");
        let good = write_pack(folder.path());
        let cases = [
            ("/format", serde_json::json!(2), "format 2"),
            ("/dimension", serde_json::json!(0), "positive"),
            ("/files", serde_json::json!({}), "no checksum"),
            (
                "/files",
                serde_json::json!({"../x": "", "model.onnx": "", "preprocess.json": ""}),
                "inside the pack",
            ),
            ("/name", serde_json::json!(7), "expected a string"),
        ];
        for (key, value, expected) in cases {
            let mut manifest = good.clone();
            *manifest.pointer_mut(key).expect("the key is there") = value;
            let error = open(folder.path(), &manifest).expect_err("it is refused");
            assert!(
                error.to_string().contains(expected),
                "{error} should say {expected}"
            );
        }
        let error = Pack::open(folder.path().join("absent")).expect_err("nothing is there");
        assert!(
            error.to_string().contains("tusou models fetch absent"),
            "{error}"
        );
    }
}
