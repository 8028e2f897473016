//! The picture towers of the configured packs, each on threads of its own.

use std::time::Instant;

use tusou_contract::Embedding;
use tusou_model::{
    Device, ModelError, ModelThreads, Pack, Preprocess, RgbImage, Runtime, Stopped, Tensor,
    VisionModel,
};
use tusou_platform::config;

use crate::error::{EncoderError, PictureError};
use crate::metrics;

/// Every configured model, in the order of the configuration.
#[derive(Debug)]
pub(crate) struct Models(Vec<Tower>);

#[derive(Debug)]
struct Tower {
    name: String,
    digest: String,
    preprocess: Preprocess,
    threads: ModelThreads<VisionModel>,
}

/// A picture's tensors, one for each model.
pub(crate) type Tensors = Vec<Tensor>;

/// A picture's embeddings, one for each model, or why there are none.
pub(crate) type Embedded = Result<Vec<Embedding>, PictureError>;

impl Models {
    /// Loads every pack, with that many sessions of one thread each: two runs at once beat one run
    /// on two threads. It reads and checks a hundred megabytes, so call it off the runtime's threads.
    pub(crate) fn load(config: &config::Models, sessions: usize) -> Result<Self, EncoderError> {
        if config.packs.is_empty() {
            return Err(EncoderError::NoPack);
        }
        let runtime = Runtime::load(&config.runtime)?;
        let towers = config
            .packs
            .iter()
            .map(|folder| Tower::load(&runtime, folder, sessions));
        Ok(Self(towers.collect::<Result<_, _>>()?))
    }

    /// A picture as each model takes it.
    pub(crate) fn prepare(&self, picture: &RgbImage) -> Tensors {
        self.0
            .iter()
            .map(|tower| tower.preprocess.tensor(picture))
            .collect()
    }

    /// Runs a batch through every model; one result for each picture, in order.
    pub(crate) async fn embed(&self, batch: Vec<Tensors>) -> Result<Vec<Embedded>, Stopped> {
        let mut pictures: Vec<Embedded> = batch.iter().map(|_| Ok(Vec::new())).collect();
        let mut by_picture: Vec<_> = batch.into_iter().map(Vec::into_iter).collect();
        for tower in &self.0 {
            let tensors: Vec<Tensor> = by_picture.iter_mut().filter_map(Iterator::next).collect();
            let (images, started) = (tensors.len(), Instant::now());
            let results = tower.threads.embed(tensors).await?;
            metrics::model_run(images, started.elapsed());
            for (picture, result) in pictures.iter_mut().zip(results) {
                tower.add(picture, result);
            }
        }
        Ok(pictures)
    }
}

impl Tower {
    fn load(
        runtime: &Runtime,
        folder: &std::path::Path,
        sessions: usize,
    ) -> Result<Self, EncoderError> {
        let pack = Pack::open(folder)?;
        let models = (0..sessions.max(1))
            .map(|_| VisionModel::load(runtime, &pack, Device::Auto, 1))
            .collect::<Result<Vec<_>, _>>()?;
        let (name, digest) = (pack.name().to_owned(), pack.digest().to_owned());
        tracing::info!(
            model = name,
            digest,
            dimension = pack.dimension(),
            sessions,
            device = "cpu",
            "model loaded"
        );
        let threads = ModelThreads::spawn(models).map_err(EncoderError::Thread)?;
        Ok(Self {
            name,
            digest,
            preprocess: pack.preprocess().clone(),
            threads,
        })
    }

    fn add(&self, picture: &mut Embedded, result: Result<Vec<f32>, ModelError>) {
        match (&mut *picture, result) {
            (Ok(embeddings), Ok(vector)) => embeddings.push(Embedding {
                model: self.name.clone(),
                digest: self.digest.clone(),
                vector,
            }),
            (Ok(_), Err(error)) => *picture = Err(error.into()),
            // The first failure stands.
            (Err(_), _) => {}
        }
    }
}
