//! The models that turn queries into vectors: of each a picture tower and a text tower, each on a
//! thread of its own. There is more than one while an index of a new model is being built.

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

/// Every configured pack, loaded.
#[derive(Debug)]
pub(crate) struct Models {
    identities: Vec<ModelField>,
    loaded: Vec<Loaded>,
}

/// The loaded towers of one pack.
#[derive(Debug)]
pub(crate) struct Loaded {
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
    /// Opens the packs and loads their towers. Reads every file of each pack: call it off the
    /// runtime's own threads.
    pub(crate) fn load(models: &config::Models, health: &Health) -> Result<Self, LoadError> {
        let runtime = Runtime::load(&models.runtime)?;
        let (mut identities, mut loaded) = (Vec::new(), Vec::new());
        for folder in &models.packs {
            let pack = Pack::open(folder)?;
            loaded.push(Loaded::load(&runtime, &pack, health.clone())?);
            identities.push(pack.field(IMAGE_EMBEDDING));
        }
        Ok(Self { identities, loaded })
    }

    /// The packs' names and digests, in their order: the index must be of one of them.
    pub(crate) fn identities(&self) -> &[ModelField] {
        &self.identities
    }

    /// The pack of this digest.
    pub(crate) fn of(&self, digest: &str) -> Option<&Loaded> {
        let mut identities = self.identities.iter();
        let position = identities.position(|identity| identity.digest == digest)?;
        self.loaded.get(position)
    }
}

impl Loaded {
    fn load(runtime: &Runtime, pack: &Pack, health: Health) -> Result<Self, LoadError> {
        let vision = VisionModel::load(runtime, pack, Device::Auto, RUN_THREADS)?;
        let text = TextModel::load(runtime, pack, Device::Auto, RUN_THREADS)?;
        Ok(Self {
            preprocess: pack.preprocess().clone(),
            vision: ModelThreads::spawn(vec![vision])?,
            text: text
                .map(|text| ModelThreads::spawn(vec![text]))
                .transpose()?,
            health,
        })
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
