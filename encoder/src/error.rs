//! What ends the encoder, and what ends a picture.

use std::time::Duration;

use tusou_contract::{BlobKey, Disposition, ImageId, MessageError, Verdict};
use tusou_model::{DecodeError, ModelError, Stopped};
use tusou_platform::blobs::BlobError;
use tusou_platform::broker::{BrokerError, Quarantined};
use tusou_platform::telemetry::chain;

/// The encoder cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// `models.packs` is empty.
    #[error("models.packs names no model pack: name at least one folder")]
    NoPack,
    /// A model cannot be loaded or used.
    #[error("a model cannot be used")]
    Model(#[from] ModelError),
    /// The system gives no thread for a model.
    #[error("no thread for the model")]
    Thread(#[source] std::io::Error),
    /// The model's thread died.
    #[error("the model cannot go on")]
    ModelStopped(#[from] Stopped),
    /// `blobs.url` cannot be used.
    #[error("the blobs cannot be used")]
    Blobs(#[from] BlobError),
    /// RabbitMQ refuses what the encoder asks.
    #[error("the queues cannot be used")]
    Broker(#[from] BrokerError),
    /// A picture showed that the process cannot go on.
    #[error("the encoder cannot go on")]
    Picture(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Every decoder thread hangs.
    #[error("every decoder thread hangs in a picture: restart the encoder")]
    Stuck,
}

/// A picture that did not become an embedding.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// The message cannot be read.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It may be what kills the process.
    #[error(transparent)]
    Quarantined(#[from] Quarantined),
    /// The bytes are not there; they may be on their way.
    #[error("blob {0} is not there")]
    BlobMissing(BlobKey),
    /// The bytes are not there because the picture was removed on request.
    #[error("image {0} was removed")]
    Removed(ImageId),
    /// The bytes are not those that were stored.
    #[error("blob {0} has other bytes than its image: it is damaged")]
    BlobDamaged(BlobKey),
    /// The store failed, or holds too much.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// This blob cannot be read or written, while the store can.
    #[error("the store works, but not for this picture")]
    BlobUnusable(#[source] BlobError),
    /// The bytes are no picture, or too costly a one.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The decoder took too long.
    #[error("decoding took longer than {} ms", .0.as_millis())]
    DecodeTimeout(Duration),
    /// Preparing the picture broke an invariant of ours; the panic is in the log.
    #[error("preparing the picture panicked")]
    Panicked,
    /// The model failed for this picture.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model's thread died.
    #[error(transparent)]
    ModelStopped(#[from] Stopped),
    /// The process is to end before the picture's turn.
    #[error("the encoder is ending")]
    Ending,
}

impl PictureError {
    /// The error that ends the process, of one whose verdict is fatal.
    pub(crate) fn into_fatal(self) -> EncoderError {
        match self {
            Self::Model(error) => error.into(),
            Self::Blob(error) => error.into(),
            Self::ModelStopped(error) => error.into(),
            other => EncoderError::Picture(Box::new(other)),
        }
    }
}

impl Verdict for PictureError {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Message(error) => error.disposition(),
            Self::Quarantined(error) => error.disposition(),
            Self::BlobMissing(_) | Self::BlobUnusable(_) => Disposition::Retry {
                after: Duration::from_secs(10),
            },
            Self::Removed(_) => Disposition::Discard,
            Self::Blob(error) => error.disposition(),
            Self::Decode(error) => error.disposition(),
            Self::BlobDamaged(_) | Self::DecodeTimeout(_) | Self::Panicked => {
                Disposition::DeadLetter
            }
            Self::Model(error) => error.disposition(),
            Self::ModelStopped(_) => Disposition::Fatal,
            Self::Ending => Disposition::Later,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Message(error) => error.reason(),
            Self::Quarantined(error) => error.reason(),
            Self::BlobMissing(_) => "blob_missing",
            Self::Removed(_) => "removed",
            Self::BlobDamaged(_) => "blob_damaged",
            Self::BlobUnusable(_) => "blob_unusable",
            Self::Blob(error) => error.reason(),
            Self::Decode(error) => error.reason(),
            Self::DecodeTimeout(_) => "decode_timeout",
            Self::Panicked => "prepare_panicked",
            Self::Model(error) => error.reason(),
            Self::ModelStopped(_) => "model_stopped",
            Self::Ending => "ending",
        }
    }
}

/// The most characters of an error in a message.
const MAX_DETAIL: usize = 1_000;

/// An error with its causes in one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    chain(error).chars().take(MAX_DETAIL).collect()
}
