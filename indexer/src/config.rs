//! What the indexer takes from the configuration, checked once at the start.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tusou_contract::PackManifest;
use tusou_contract::mapping::ModelField;
use tusou_contract::pack::MANIFEST;
use tusou_platform::Config;

use crate::error::Error;

/// The indexer's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The models whose embeddings a new index holds, in the order of `models.packs`.
    pub models: Vec<ModelField>,
    /// The alias that searches ask.
    pub alias: String,
    /// Primary shards of a new index.
    pub shards: u32,
    /// Replicas of a new index.
    pub replicas: u32,
    /// Unacknowledged messages allowed, a queue.
    pub prefetch: u16,
    /// Documents in a bulk, at most; distinct images in a batch, at most.
    pub bulk_documents: usize,
    /// Bytes in a bulk, at most, unless one document alone has more.
    pub bulk_bytes: usize,
    /// The longest that a changed image waits for its batch to fill.
    pub bulk_wait: Duration,
}

impl Settings {
    /// Reads the manifests of the packs in `models.packs`, and takes the rest as it is.
    ///
    /// # Errors
    /// [`Error::Config`], which names the key and the remedy.
    pub fn of(config: &Config) -> Result<Self, Error> {
        if config.models.packs.is_empty() {
            return Err(Error::Config {
                key: "models.packs",
                problem: "names no pack; the first one fills `image_embedding`".into(),
            });
        }
        let packs = config.models.packs.iter().enumerate();
        let models: Vec<ModelField> = packs
            .map(|(position, folder)| Ok(manifest(folder)?.model_field(position)))
            .collect::<Result<_, Error>>()?;
        let fields: BTreeSet<&str> = models.iter().map(|model| model.field.as_str()).collect();
        let digests: BTreeSet<&str> = models.iter().map(|model| model.digest.as_str()).collect();
        if fields.len() < models.len() || digests.len() < models.len() {
            return Err(Error::Config {
                key: "models.packs",
                problem: "names the same pack twice; leave one out".into(),
            });
        }
        Ok(Self {
            models,
            alias: config.elasticsearch.alias.clone(),
            shards: config.elasticsearch.shards,
            replicas: config.elasticsearch.replicas,
            prefetch: config.indexer.prefetch.max(1),
            bulk_documents: config.indexer.bulk_documents.max(1),
            bulk_bytes: config.indexer.bulk_bytes,
            bulk_wait: Duration::from_millis(config.indexer.bulk_wait_ms),
        })
    }
}

fn manifest(folder: &Path) -> Result<PackManifest, Error> {
    let path = folder.join(MANIFEST);
    let unusable = |problem: String| Error::Config {
        key: "models.packs",
        problem,
    };
    let json = std::fs::read(&path).map_err(|cause| {
        unusable(format!(
            "names {}, and {} cannot be read ({cause}); name the folder of a model pack",
            folder.display(),
            path.display(),
        ))
    })?;
    PackManifest::from_json(&json).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
        let cause = cause.unwrap_or_default();
        unusable(format!(
            "names {}: {error}{cause}; build or fetch the pack again",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_that_is_not_there_is_named_with_its_key() {
        let mut config = Config::default();
        config.models.packs = vec!["/nowhere/lite".into()];
        let error = Settings::of(&config)
            .expect_err("there is no such folder")
            .to_string();
        assert!(
            error.contains("models.packs") && error.contains("/nowhere/lite"),
            "{error}"
        );
        config.models.packs.clear();
        let error = Settings::of(&config)
            .expect_err("no pack is named")
            .to_string();
        assert!(error.contains("models.packs"), "{error}");
    }
}
