//! The model that turns queries into vectors: its picture tower and its text tower, each on a
//! thread of its own.

use tusou_contract::mapping::{IMAGE_EMBEDDING, ModelField};
use tusou_model::{
    Device, Model, ModelError, ModelThreads, Pack, Preprocess, Runtime, Tensor, TextModel,
    VisionModel,
};
use tusou_platform::config;
use tusou_platform::ops::Health;

use crate::error::SearchError;
use crate::metrics::{Step, timed};

/// Threads of one run. Queries come singly and many at once, so more threads a run would only
/// take the cores from each other.
const RUN_THREADS: usize = 1;

/// The loaded towers of the first configured pack.
#[derive(Debug)]
pub(crate) struct Models {
    identity: ModelField,
    preprocess: Preprocess,
    vision: ModelThreads<VisionModel>,
    text: Option<ModelThreads<TextModel>>,
    health: Health,
}

/// The model cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The pack, the runtime or a tower.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The system gives no thread.
    #[error("no thread for the model")]
    Thread(#[from] std::io::Error),
}

impl Models {
    /// Opens the first pack and loads its towers. Reads every file of the pack: call it off the
    /// runtime's own threads.
    pub(crate) fn load(models: &config::Models, health: Health) -> Result<Self, LoadError> {
        let folder = models
            .packs
            .first()
            .expect("the start refuses an empty list");
        let pack = Pack::open(folder)?;
        let runtime = Runtime::load(&models.runtime)?;
        let vision = VisionModel::load(&runtime, &pack, Device::Auto, RUN_THREADS)?;
        let text = TextModel::load(&runtime, &pack, Device::Auto, RUN_THREADS)?;
        Ok(Self {
            identity: pack.field(IMAGE_EMBEDDING),
            preprocess: pack.preprocess().clone(),
            vision: ModelThreads::spawn(vec![vision])?,
            text: text
                .map(|text| ModelThreads::spawn(vec![text]))
                .transpose()?,
            health,
        })
    }

    /// The pack's name and digest, which the index must agree with.
    pub(crate) fn identity(&self) -> &ModelField {
        &self.identity
    }

    /// How pictures become tensors.
    pub(crate) fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The unit vector of a picture.
    pub(crate) async fn image(&self, tensor: Tensor) -> Result<Vec<f32>, SearchError> {
        timed(Step::EncodeImage, self.one(&self.vision, tensor)).await
    }

    /// The unit vector of words.
    pub(crate) async fn words(&self, words: &str) -> Result<Vec<f32>, SearchError> {
        let Some(text) = &self.text else {
            return Err(SearchError::parameter(
                "no_text_model",
                "q",
                "the model that runs here knows no words; search by a picture",
            ));
        };
        timed(Step::EncodeText, self.one(text, words.to_owned())).await
    }

    async fn one<M: Model>(
        &self,
        threads: &ModelThreads<M>,
        item: M::Item,
    ) -> Result<Vec<f32>, SearchError> {
        let mut results = threads.embed(vec![item]).await.map_err(|stopped| {
            self.health.fail(stopped.to_string());
            SearchError::internal(stopped)
        })?;
        results
            .pop()
            .expect("one result for one item")
            .map_err(SearchError::internal)
    }
}
