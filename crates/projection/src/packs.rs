//! The models that a list of pack folders gives an index. No model is loaded for that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tusou_contract::PackManifest;
use tusou_contract::mapping::ModelField;
use tusou_contract::pack::MANIFEST;

use crate::error::Error;

/// Reads the manifests of the packs, in their order: the first one fills `image_embedding`.
///
/// # Errors
/// [`Error::Packs`], which names `models.packs`, the folder and the remedy.
pub fn models(packs: &[PathBuf]) -> Result<Vec<ModelField>, Error> {
    let unusable = |problem: &str| Error::Packs(format!("`models.packs` {problem}"));
    if packs.is_empty() {
        return Err(unusable(
            "names no pack; the first one fills `image_embedding`",
        ));
    }
    let models: Vec<ModelField> = packs
        .iter()
        .enumerate()
        .map(|(position, folder)| Ok(manifest(folder)?.model_field(position)))
        .collect::<Result<_, Error>>()?;
    let digests: BTreeSet<&str> = models.iter().map(|model| model.digest.as_str()).collect();
    if digests.len() < models.len() {
        return Err(unusable("names the same pack twice; leave one out"));
    }
    let fields: BTreeSet<&str> = models.iter().map(|model| model.field.as_str()).collect();
    if fields.len() < models.len() {
        return Err(unusable(
            "names two further packs of one name; give one of them another name in its pack.json",
        ));
    }
    Ok(models)
}

fn manifest(folder: &Path) -> Result<PackManifest, Error> {
    let path = folder.join(MANIFEST);
    let json = std::fs::read(&path).map_err(|cause| {
        Error::Packs(format!(
            "`models.packs` names {}, and {} cannot be read ({cause}); name the folder of a model pack",
            folder.display(),
            path.display(),
        ))
    })?;
    PackManifest::from_json(&json).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
        let cause = cause.unwrap_or_default();
        Error::Packs(format!(
            "`models.packs` names {}: {error}{cause}; build or fetch the pack again",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_is_not_there_is_named_with_its_key() {
        let error = models(&["/nowhere/lite".into()])
            .expect_err("there is no such folder")
            .to_string();
        assert!(
            error.contains("models.packs") && error.contains("/nowhere/lite"),
            "{error}"
        );
        let error = models(&[]).expect_err("no pack is named").to_string();
        assert!(error.contains("models.packs"), "{error}");
    }
}
