//! The picture towers of the configured packs, each on threads of its own.

use std::path::Path;
use std::time::Duration;

use tusou_contract::{Disposition, Embedding, ModelFailure, Score, Verdict as _};
use tusou_model::{
    Batcher, Device, ModelError, Needed, Pack, PictureInput, Provider, RgbImage, Row, Runtime,
    Stalled, VisionModel, Window, thumbnail,
};
use tusou_platform::config;
use tusou_platform::ops::Health;

use crate::config::Settings;
use crate::error::{EncoderError, PictureError, in_words};
use crate::metrics;

/// A model that ends no batch for so long while pictures wait is not well. The largest model takes a
/// few seconds for a batch on one core.
pub(crate) const STALLED: Duration = Duration::from_secs(120);

/// Every configured model, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Models(Vec<Tower>);

#[derive(Debug)]
struct Tower {
    name: String,
    digest: String,
    /// The document's field, where the model gives a score and no embedding.
    score: Option<String>,
    provider: Provider,
    input: PictureInput,
    batcher: Batcher<VisionModel>,
}

/// A picture on its way through every model.
#[derive(Debug)]
pub(crate) struct Rows(Vec<Row>);

/// What the models made of a picture: of at least one of them, something.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) embeddings: Vec<Embedding>,
    pub(crate) scores: Vec<Score>,
    pub(crate) failures: Vec<ModelFailure>,
}

impl Models {
    /// Loads every pack. It reads and checks hundreds of megabytes, so call it off the runtime's threads.
    pub(crate) fn load(config: &config::Models, settings: &Settings) -> Result<Self, EncoderError> {
        if config.packs.is_empty() {
            return Err(EncoderError::NoPack);
        }
        let runtime = Runtime::load(&config.runtime)?;
        let towers = config
            .packs
            .iter()
            .map(|folder| Tower::load(&runtime, folder, config.device, settings));
        Ok(Self(towers.collect::<Result<_, _>>()?))
    }

    /// Says what each model runs on.
    pub(crate) fn tell(&self, health: &Health) {
        for tower in &self.0 {
            health.tell(&tower.name, tower.provider.to_string());
        }
    }

    /// What a picture must still have when it is decoded at a reduced size, for every model and for the
    /// thumbnail.
    pub(crate) fn needed(&self) -> Needed {
        let needs = self.0.iter().map(|tower| tower.input.preprocess().needed());
        needs.fold(thumbnail::NEEDED, Needed::and)
    }

    /// Writes a picture into the next batch of every model, or into batches of its own where it is to be
    /// `alone`. It waits for nobody.
    pub(crate) fn push(&self, picture: &RgbImage, alone: bool) -> Rows {
        let push = |tower: &Tower| tower.batcher.push(&tower.input.crop(picture), alone);
        Rows(self.0.iter().map(push).collect())
    }

    /// Waits for what every model makes of a picture. Where some fail, what the others made is kept;
    /// where all do, or one may do better later, it is the first such failure.
    pub(crate) async fn collect(&self, rows: Rows) -> Result<Made, PictureError> {
        let (mut made, mut first_failure) = (Made::default(), None);
        for (tower, row) in self.0.iter().zip(rows.0) {
            match row.get().await? {
                Ok(vector) => tower.add(&mut made, vector),
                Err(error) if error.disposition() != Disposition::DeadLetter => {
                    return Err(error.into());
                }
                Err(error) => {
                    made.failures.push(tower.failure(&error));
                    first_failure.get_or_insert(error);
                }
            }
        }
        if made.embeddings.is_empty() && made.scores.is_empty() {
            let failure = first_failure.expect("a model gave neither a result nor a failure");
            return Err(failure.into());
        }
        Ok(made)
    }

    /// An error where pictures wait and some model has ended no batch for longer than `most`.
    pub(crate) fn check_progress(&self, most: Duration) -> Result<(), String> {
        let mut towers = self.0.iter();
        towers.try_for_each(|tower| check(&tower.name, tower.batcher.stalled(), most))
    }
}

fn check(model: &str, stalled: Stalled, most: Duration) -> Result<(), String> {
    if stalled.since <= most {
        return Ok(());
    }
    Err(format!(
        "model {model} has ended no batch for {} s while {} pictures wait: restart the encoder",
        stalled.since.as_secs(),
        stalled.items
    ))
}

impl Tower {
    fn load(
        runtime: &Runtime,
        folder: &Path,
        device: Device,
        settings: &Settings,
    ) -> Result<Self, EncoderError> {
        let pack = Pack::open(folder)?;
        let first = VisionModel::load(runtime, &pack, device, 1)?;
        let (provider, input) = (first.provider(), first.input().clone());
        // The others go where the first one could.
        let (sessions, device) = match provider {
            Provider::Cpu => (settings.sessions.cpu, Device::Cpu),
            Provider::Cuda => (settings.sessions.cuda, Device::Cuda),
        };
        let mut models = vec![first];
        while models.len() < sessions {
            models.push(VisionModel::load(runtime, &pack, device, 1)?);
        }
        let window = Window {
            most: settings.batch.min((BATCH_BYTES / input.bytes()).max(1)),
            wait: settings.batch_wait,
        };
        let (name, digest) = (pack.name().to_owned(), pack.digest().to_owned());
        tracing::info!(
            model = name,
            digest,
            dimension = pack.dimension(),
            sessions,
            batch = window.most,
            device = %provider,
            "model loaded"
        );
        metrics::model_loaded(&name, provider);
        let counted = name.clone();
        let ran = move |ran| metrics::model_run(&counted, ran);
        let score = pack.manifest().visual.score.as_ref();
        Ok(Self {
            batcher: Batcher::start(models, window, ran).map_err(EncoderError::Thread)?,
            score: score.map(|score| score.field.clone()),
            name,
            digest,
            provider,
            input,
        })
    }

    fn add(&self, made: &mut Made, vector: Vec<f32>) {
        let (model, digest) = (self.name.clone(), self.digest.clone());
        match &self.score {
            None => made.embeddings.push(Embedding {
                model,
                digest,
                vector,
            }),
            Some(field) => made.scores.push(Score {
                model,
                digest,
                field: field.clone(),
                value: vector[0],
            }),
        }
    }

    fn failure(&self, error: &ModelError) -> ModelFailure {
        let reason = error.reason();
        metrics::model_failed(&self.name, reason);
        ModelFailure {
            model: self.name.clone(),
            digest: self.digest.clone(),
            reason: reason.to_owned(),
            detail: in_words(error),
        }
    }
}

/// The most bytes of one batch's tensor, whatever `encoder.batch` says.
const BATCH_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests;
