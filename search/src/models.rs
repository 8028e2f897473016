//! The models that turn queries into vectors: of each a picture tower and a text tower, each on a
//! thread of its own. There is more than one while an index of a new model is being built.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tusou_contract::mapping::{IMAGE_EMBEDDING, ModelField};
use tusou_model::pack::Relevance;
use tusou_model::{
    Batch, Batcher, Crop, Device, Model, ModelError, Pack, PictureInput, Runtime, TextModel,
    VisionModel, Window,
};
use tusou_platform::config;
use tusou_platform::ops::Health;

use crate::error::SearchError;
use crate::metrics::{self, Step, timed};

/// Threads of one run. Queries come singly and many at once, so more threads a run would only
/// take the cores from each other.
const RUN_THREADS: usize = 1;
/// What comes while a model is busy is one run; a query that finds it idle waits for no others.
const WINDOW: Window = Window {
    most: 16,
    wait: Duration::ZERO,
};
/// Words whose vectors are kept, of each model: 20 MB of vectors of 512 numbers.
const WORDS_KEPT: u64 = 10_000;

/// Every configured pack that makes embeddings, loaded.
#[derive(Debug)]
pub(crate) struct Models {
    identities: Vec<ModelField>,
    loaded: Vec<Loaded>,
    /// Whether a model scores pictures for safety: then they can be left out by it.
    pub(crate) are_scored: bool,
}

/// The loaded towers of one pack.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The least cosines of answers, as measured for the pack.
    pub(crate) relevance: Relevance,
    input: PictureInput,
    vision: Batcher<VisionModel>,
    text: Option<Text>,
    health: Health,
}

/// A text tower, and what it made lately: people type the same words again and again.
#[derive(Debug)]
struct Text {
    batcher: Batcher<TextModel>,
    made: Cache<String, Arc<Vec<f32>>>,
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
        let mut are_scored = false;
        for folder in &models.packs {
            let pack = Pack::open(folder)?;
            // A score is no place in a space: nothing is near it.
            if pack.manifest().is_score() {
                are_scored = true;
                continue;
            }
            loaded.push(Loaded::load(
                &runtime,
                &pack,
                models.device,
                health.clone(),
            )?);
            identities.push(pack.field(IMAGE_EMBEDDING));
        }
        Ok(Self {
            identities,
            loaded,
            are_scored,
        })
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
    fn load(
        runtime: &Runtime,
        pack: &Pack,
        device: Device,
        health: Health,
    ) -> Result<Self, LoadError> {
        let vision = VisionModel::load(runtime, pack, device, RUN_THREADS)?;
        let text = TextModel::load(runtime, pack, device, RUN_THREADS)?;
        tracing::info!(
            model = pack.name(),
            digest = pack.digest(),
            device = %vision.provider(),
            words = text.is_some(),
            "model loaded"
        );
        health.tell(pack.name(), vision.provider().to_string());
        Ok(Self {
            relevance: pack.manifest().relevance,
            input: vision.input().clone(),
            vision: Batcher::start(vec![vision], WINDOW, |_| ())?,
            text: text.map(Text::start).transpose()?,
            health,
        })
    }

    /// Whether it knows words.
    pub(crate) fn has_words(&self) -> bool {
        self.text.is_some()
    }

    /// How pictures are taken.
    pub(crate) fn input(&self) -> &PictureInput {
        &self.input
    }

    /// The unit vector of a picture.
    pub(crate) async fn image(&self, crop: Crop) -> Result<Vec<f32>, SearchError> {
        timed(Step::EncodeImage, self.one(&self.vision, &crop)).await
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
        timed(Step::EncodeText, async {
            if let Some(made) = text.made.get(words).await {
                metrics::words_known();
                return Ok(made.to_vec());
            }
            let vector = self.one(&text.batcher, words).await?;
            let kept = Arc::new(vector.clone());
            text.made.insert(words.to_owned(), kept).await;
            Ok(vector)
        })
        .await
    }

    async fn one<M: Model>(
        &self,
        batcher: &Batcher<M>,
        item: &<M::Batch as Batch>::Item,
    ) -> Result<Vec<f32>, SearchError> {
        let row = batcher.push(item, false).get().await;
        row.map_err(|stopped| {
            self.health.fail(stopped.to_string());
            SearchError::internal(stopped)
        })?
        .map_err(SearchError::internal)
    }
}

impl Text {
    fn start(model: TextModel) -> Result<Self, std::io::Error> {
        Ok(Self {
            batcher: Batcher::start(vec![model], WINDOW, |_| ())?,
            made: Cache::new(WORDS_KEPT),
        })
    }
}
