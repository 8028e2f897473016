//! A stored picture to all that its pixels tell: the encoder without its queues.

use std::sync::Arc;

use bytes::Bytes;
use tusou_contract::{BlobKey, Encoding, ImageFetched};
use tusou_platform::blobs::BlobStore;
use tusou_platform::{Config, Shutdown};

use crate::config::Settings;
use crate::error::{EncoderError, PictureError};
use crate::models::{Made, Models};
use crate::prepare::Preparer;

/// The blobs, the decoders and the models. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(crate) blobs: BlobStore,
    pub(crate) models: Arc<Models>,
    preparer: Preparer,
    /// Requested when every decoder thread hangs.
    pub(crate) stuck: Shutdown,
}

/// What failed at the blob store, to be tried until it works.
#[derive(Debug, Clone)]
pub(crate) enum Probe {
    /// Reading.
    Read(BlobKey),
    /// Writing: a full disk can still be read.
    Write(BlobKey, Bytes),
}

/// A picture's failure, and what it says about the blob store.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: PictureError,
    pub(crate) probe: Option<Probe>,
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Self {
        Self { error, probe: None }
    }
}

impl Engine {
    /// Opens the blobs and loads every model.
    ///
    /// # Errors
    /// [`EncoderError`]: blobs or models that cannot be used.
    pub async fn open(config: &Config) -> Result<Self, EncoderError> {
        Self::with(config, &Settings::of(config)).await
    }

    pub(crate) async fn with(config: &Config, settings: &Settings) -> Result<Self, EncoderError> {
        let blobs = BlobStore::open(&config.blobs)?;
        let models = load_models(config, settings).await?;
        let stuck = Shutdown::new();
        let preparer = Preparer::new(settings, blobs.clone(), Arc::clone(&models), stuck.clone());
        Ok(Self {
            blobs,
            models,
            preparer,
            stuck,
        })
    }

    /// What the picture gives: whatever some model could make of it.
    ///
    /// # Errors
    /// Why it gives nothing.
    pub async fn try_encode(
        &self,
        message: &ImageFetched,
    ) -> Result<Encoding, Box<dyn std::error::Error + Send + Sync>> {
        match Box::pin(self.encode(message, false)).await {
            Ok(encoding) => Ok(encoding),
            Err(failure) => Err(failure.error.into()),
        }
    }

    /// What the picture gives, in model runs of its own where it is to be `alone`.
    pub(crate) async fn encode(
        &self,
        message: &ImageFetched,
        alone: bool,
    ) -> Result<Encoding, Failure> {
        let prepared = self
            .preparer
            .prepare(message, alone)
            .await
            .map_err(|error| {
                let probe = Some(Probe::Read(message.blob_key.clone()));
                Failure { error, probe }
            })?;
        let Made {
            embeddings,
            scores,
            failures,
        } = self.models.collect(prepared.rows).await?;
        let (key, jpeg) = (
            BlobKey::thumbnail(&message.image_id),
            Bytes::from(prepared.thumbnail),
        );
        self.blobs.put(&key, jpeg.clone()).await.map_err(|error| {
            let probe = Some(Probe::Write(key.clone(), jpeg));
            Failure {
                error: error.into(),
                probe,
            }
        })?;
        Ok(Encoding {
            embeddings,
            scores,
            failures,
            phash: prepared.phash,
            colors: prepared.colors,
            thumbnail: Some(key),
        })
    }
}

async fn load_models(config: &Config, settings: &Settings) -> Result<Arc<Models>, EncoderError> {
    let (models, settings) = (config.models.clone(), settings.clone());
    let loaded = tokio::task::spawn_blocking(move || Models::load(&models, &settings)).await;
    loaded
        .expect("loading neither panics nor is aborted")
        .map(Arc::new)
}
