//! The models that a list of pack folders gives an index, and those that make its scores. No model
//! is loaded for that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tusou_contract::PackManifest;
use tusou_contract::mapping::ModelField;
use tusou_contract::pack::MANIFEST;

use crate::error::Error;

/// A model whose number is a field of documents, whatever index they are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoreModel {
    /// The document's field: `nsfw`.
    pub field: String,
    /// The model pack's name.
    pub model: String,
    /// The model pack's digest.
    pub digest: String,
}

/// The models that make vectors, in the order of the packs: the first one fills `image_embedding`.
/// Packs that make scores are left out: [`packs`] has those too.
///
/// # Errors
/// [`Error::Packs`], which names `models.packs`, the folder and the remedy.
pub fn models(folders: &[PathBuf]) -> Result<Vec<ModelField>, Error> {
    Ok(packs(folders)?.0)
}

/// Reads the manifests of the packs, in their order: the models that make vectors, and those that
/// make scores.
///
/// # Errors
/// [`Error::Packs`], which names `models.packs`, the folder and the remedy: also where no pack makes
/// vectors, a pack of scores comes first, one pack is named twice, or two fill one field.
pub fn packs(folders: &[PathBuf]) -> Result<(Vec<ModelField>, Vec<ScoreModel>), Error> {
    let mut packs = Vec::new();
    for folder in folders {
        packs.push((folder.as_path(), manifest(folder)?));
    }
    together(&packs)
}

fn together(packs: &[(&Path, PackManifest)]) -> Result<(Vec<ModelField>, Vec<ScoreModel>), Error> {
    let unusable = |problem: &str| Error::Packs(format!("`models.packs` {problem}"));
    let (mut models, mut scores) = (Vec::new(), Vec::new());
    for (folder, pack) in packs {
        match pack.scores() {
            Some(_) if models.is_empty() => {
                return Err(unusable(&format!(
                    "names {} first, which makes scores and no vectors; name the pack first that is to \
                     fill `image_embedding`",
                    folder.display()
                )));
            }
            Some(field) => scores.push(ScoreModel {
                field: field.to_owned(),
                model: pack.name.clone(),
                digest: pack.digest(),
            }),
            None => models.push(pack.model_field(models.len())),
        }
    }
    if models.is_empty() {
        return Err(unusable(
            "names no pack; the first one fills `image_embedding`",
        ));
    }
    let all = || {
        let scores = scores.iter().map(|score| (&score.digest, &score.field));
        let models = models.iter().map(|model| (&model.digest, &model.field));
        models.chain(scores)
    };
    let digests: BTreeSet<&String> = all().map(|(digest, _)| digest).collect();
    if digests.len() < all().count() {
        return Err(unusable("names the same pack twice; leave one out"));
    }
    let mut fields = BTreeSet::new();
    if let Some((_, field)) = all().find(|(_, field)| !fields.insert(*field)) {
        return Err(unusable(&format!(
            "names two packs that fill `{field}`; leave one out, or give one of them another `field` in \
             its pack.json"
        )));
    }
    Ok((models, scores))
}

fn manifest(folder: &Path) -> Result<PackManifest, Error> {
    let path = folder.join(MANIFEST);
    let json = std::fs::read(&path).map_err(|cause| {
        Error::Packs(format!(
            "`models.packs` names {}, and {} cannot be read ({cause}); `tusou models fetch {}` gets it where that is a \
             known name, or name the folder of a model pack",
            folder.display(),
            path.display(),
            folder.file_name().unwrap_or_default().to_string_lossy(),
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
        assert!(error.contains("`tusou models fetch lite`"), "{error}");
        let error = models(&[]).expect_err("no pack is named").to_string();
        assert!(error.contains("models.packs"), "{error}");
    }

    /// Packs: name, the digit of a file's checksum, further keys.
    fn read(written: &[(&str, char, &str)]) -> Result<(Vec<ModelField>, Vec<ScoreModel>), Error> {
        let pack = |(name, digit, keys): &(&str, char, &str)| {
            let sha256 = digit.to_string().repeat(64);
            let text = format!(
                r#"{{"name":"{name}","dimension":4,"files":{{"visual/model.onnx":"{sha256}"}}{keys}}}"#
            );
            let pack = PackManifest::from_json(text.as_bytes()).expect("the manifest is whole");
            (Path::new("/packs"), pack)
        };
        let packs: Vec<_> = written.iter().map(pack).collect();
        together(&packs)
    }

    const SCORE: &str = r#","visual":{"score":{"field":"nsfw","column":1}}"#;
    const COPY: &str = r#","field":"copy_embedding""#;

    #[test]
    fn further_packs_fill_their_fields_and_scores_are_no_models_of_an_index() {
        let written = [
            ("lite", 'a', ""),
            ("nsfw", 'b', SCORE),
            ("sscd", 'c', COPY),
            ("plain", 'd', ""),
        ];
        let (models, scores) = read(&written).expect("they can be used together");
        let fields: Vec<&str> = models.iter().map(|model| model.field.as_str()).collect();
        assert_eq!(
            fields,
            ["image_embedding", "copy_embedding", "image_embedding_plain"]
        );
        let [score] = scores.as_slice() else {
            panic!("{scores:?}")
        };
        assert_eq!((&*score.field, &*score.model), ("nsfw", "nsfw"));
        // Where it is the first, it fills the field that searches ask.
        let (models, _) = read(&written[2..]).expect("they can be used together");
        assert_eq!(models[0].field, "image_embedding");
    }

    #[test]
    fn packs_that_do_not_go_together_are_refused() {
        for (written, said) in [
            (&[("nsfw", 'a', SCORE)][..], "names"),
            (&[("nsfw", 'a', SCORE), ("lite", 'b', "")], "first"),
            (&[("lite", 'a', ""), ("x", 'a', COPY)], "twice"),
            (
                &[("lite", 'a', ""), ("x", 'b', COPY), ("y", 'c', COPY)],
                "copy_embedding",
            ),
            (
                &[("lite", 'a', ""), ("x", 'b', SCORE), ("y", 'c', SCORE)],
                "nsfw",
            ),
        ] {
            let error = read(written).expect_err(said).to_string();
            assert!(
                error.contains("models.packs") && error.contains(said),
                "{error}"
            );
        }
    }
}
