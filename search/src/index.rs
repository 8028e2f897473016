//! Whether the index behind the alias may be asked, and with which model: it must have been made by
//! one of this service's own. Vectors of another model are of no use even when they have the same
//! dimension.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;
use tokio::sync::Notify;
use tusou_contract::mapping::{IMAGE_EMBEDDING, IndexMeta, ModelField};
use tusou_contract::pack::COPY_EMBEDDING;
use tusou_platform::Shutdown;
use tusou_platform::elastic::{Elastic, ElasticError};
use tusou_platform::ops::Health;

use crate::error::SearchError;
use crate::metrics;

/// What a search is told while the alias points nowhere.
pub(crate) const NOTHING_YET: &str =
    "nothing is indexed yet; crawl or import pictures, and search again";
const FOREIGN: &str = "the index was made with another model than this service runs; \
     whoever runs it must point it at the index's model, or build an index with this one";
const AWAY: &str = "the index does not answer; try again in a moment";

const LOOK_WHEN_WELL: Duration = Duration::from_secs(10);
const LOOK_WHEN_NOT: Duration = Duration::from_secs(1);

/// Indexes that were found to be of one of this service's models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    indexes: Vec<String>,
    /// The digest of the model whose vectors they hold in [`IMAGE_EMBEDDING`].
    pub(crate) digest: String,
    /// The digest of the model that tells copies, where all of them hold its vectors in [`COPY_EMBEDDING`].
    pub(crate) copies: Option<String>,
    /// The oldest of their mappings' versions.
    pub(crate) mapping_version: u32,
}

impl Target {
    /// Whether hits of these indexes may be shown.
    pub(crate) fn holds(&self, indexes: &BTreeSet<String>) -> bool {
        indexes.iter().all(|index| self.indexes.contains(index))
    }
}

/// Why the alias may not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    /// For the person who asks.
    public: &'static str,
    /// For the log and the operator.
    reason: String,
}

/// Looks at the alias's mapping again and again, and at once when asked to.
#[derive(Debug)]
pub(crate) struct IndexWatch {
    elastic: Elastic,
    alias: String,
    state: RwLock<Result<Arc<Target>, Refusal>>,
    wanted: Notify,
}

impl IndexWatch {
    /// One that has not looked yet.
    pub(crate) fn new(elastic: Elastic, alias: String) -> Self {
        let unknown = Refusal {
            public: AWAY,
            reason: "not looked at yet".into(),
        };
        Self {
            elastic,
            alias,
            state: RwLock::new(Err(unknown)),
            wanted: Notify::new(),
        }
    }

    /// What may be asked.
    pub(crate) fn target(&self) -> Result<Arc<Target>, SearchError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state
            .clone()
            .map_err(|refusal| SearchError::IndexNotReady(refusal.public.into()))
    }

    /// Looks at the alias's mapping now.
    pub(crate) async fn look(&self, own: &[ModelField]) -> Result<Arc<Target>, SearchError> {
        let seen = judge(&self.alias, self.elastic.mapping(&self.alias).await, own);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = seen.map(Arc::new);
        self.target()
    }

    /// Has the alias looked at soon: a search found it changed or gone.
    pub(crate) fn look_soon(&self) {
        self.wanted.notify_one();
    }

    /// Looks until the end, and says what it saw to the operator.
    pub(crate) async fn watch(&self, own: &[ModelField], health: &Health, shutdown: &Shutdown) {
        let mut said = None;
        loop {
            // What a search is refused with is in the state; the loop only goes on.
            let _ = self.look(own).await;
            let state = self
                .state
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let well = state.is_ok();
            metrics::index_ready(well);
            health.set(
                "index",
                state.as_ref().map(drop).map_err(|no| no.reason.clone()),
            );
            if said.as_ref() != Some(&state) {
                match &state {
                    Ok(target) => tracing::info!(indexes = ?target.indexes, "the index is ready"),
                    Err(refusal) => tracing::warn!(reason = refusal.reason, "no index to search"),
                }
                said = Some(state);
            }
            let wait = if well { LOOK_WHEN_WELL } else { LOOK_WHEN_NOT };
            tokio::select! {
                () = self.wanted.notified() => {}
                going_on = shutdown.sleep(wait) => if !going_on { return },
            }
        }
    }
}

/// Judges what the alias's mapping says of the models.
fn judge(
    alias: &str,
    mapping: Result<Option<Value>, ElasticError>,
    own: &[ModelField],
) -> Result<Target, Refusal> {
    let refuse = |public, reason| Err(Refusal { public, reason });
    let indexes = match mapping {
        Ok(Some(Value::Object(indexes))) if !indexes.is_empty() => indexes,
        Ok(_) => {
            return refuse(
                NOTHING_YET,
                format!("there is no index behind `{alias}` yet"),
            );
        }
        Err(error) => return refuse(AWAY, error.to_string()),
    };
    let mut target: Option<Target> = None;
    for (index, body) in indexes {
        // `_meta` is whatever the index's maker wrote: what cannot be read names no model.
        let (models, version) = IndexMeta::deserialize(&body["mappings"]["_meta"])
            .map(|meta| (meta.models, meta.mapping_version))
            .unwrap_or_default();
        let of = |field| models.iter().find(|model| model.field == field);
        let first = of(IMAGE_EMBEDDING);
        let copies = of(COPY_EMBEDDING).map(|model| model.digest.clone());
        let known = first.filter(|first| own.iter().any(|own| own.digest == first.digest));
        let Some(model) = known else {
            let reason = format!(
                "index `{index}` was made with {}, and this service runs {}",
                in_words(first.as_slice()),
                in_words(own)
            );
            return refuse(FOREIGN, reason);
        };
        let target = target.get_or_insert_with(|| Target {
            indexes: Vec::new(),
            digest: model.digest.clone(),
            copies: copies.clone(),
            mapping_version: version,
        });
        target.mapping_version = target.mapping_version.min(version);
        if target.copies != copies {
            target.copies = None;
        }
        if target.digest != model.digest {
            let reason = format!("the indexes behind `{alias}` were made with different models");
            return refuse(FOREIGN, reason);
        }
        target.indexes.push(index);
    }
    Ok(target.expect("there is at least one index"))
}

fn in_words<M: std::borrow::Borrow<ModelField>>(models: &[M]) -> String {
    if models.is_empty() {
        return "no model that it names".to_owned();
    }
    let named = |model: &M| {
        let model = model.borrow();
        let digest: String = model.digest.chars().take(16).collect();
        format!("{} ({digest}…)", model.model)
    };
    models.iter().map(named).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tusou_contract::mapping::{IndexOptions, index_body};

    fn model(digest: &str) -> ModelField {
        ModelField {
            field: "image_embedding".into(),
            model: "lite".into(),
            digest: digest.into(),
            dimension: 512,
        }
    }

    fn made_with(digests: &[&str]) -> Result<Option<Value>, ElasticError> {
        let indexes = digests.iter().enumerate().map(|(at, digest)| {
            (
                format!("i-{at}"),
                index_body(
                    std::slice::from_ref(&model(digest)),
                    &IndexOptions::default(),
                ),
            )
        });
        Ok(Some(Value::Object(indexes.collect())))
    }

    #[test]
    fn an_index_of_the_same_model_may_be_asked() {
        let own = [model("d1"), model("d2")];
        let target = judge("a", made_with(&["d1", "d1"]), &own).expect("the same model");
        assert_eq!(target.digest, "d1");
        let holds = |index: &str| target.holds(&BTreeSet::from([index.to_owned()]));
        assert!(holds("i-1") && !holds("i-2") && target.holds(&BTreeSet::new()));
    }

    #[test]
    fn an_index_of_another_model_is_refused_though_its_dimension_is_the_same() {
        for digests in [&["d2"][..], &["d1", "d2"]] {
            let own = [model("d1")];
            let refusal = judge("a", made_with(digests), &own).expect_err("another model");
            assert_eq!(refusal.public, FOREIGN);
            assert!(refusal.reason.contains("lite (d2…)"), "{}", refusal.reason);
        }
    }

    #[test]
    fn of_several_models_the_index_s_own_is_taken() {
        let own = [model("d1"), model("d2")];
        let target = judge("a", made_with(&["d2"]), &own).expect("one of them");
        assert_eq!(target.digest, "d2");
        // Both at once have no one space of vectors.
        let refusal = judge("a", made_with(&["d1", "d2"]), &own).expect_err("two models");
        assert_eq!(refusal.public, FOREIGN);
    }

    #[test]
    fn no_alias_no_meta_and_no_answer_are_told_apart() {
        let public = |mapping| {
            judge("a", mapping, &[model("d1")])
                .expect_err("nothing to ask")
                .public
        };
        assert_eq!(public(Ok(None)), NOTHING_YET);
        assert_eq!(public(Ok(Some(json!({})))), NOTHING_YET);
        assert_eq!(public(Ok(Some(json!({"i": {"mappings": {}}})))), FOREIGN);
        assert_eq!(public(Err(ElasticError::Away("refused".into()))), AWAY);
    }
}
