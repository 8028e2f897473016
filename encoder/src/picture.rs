//! One picture's way, from its delivery to its settlement.

use tusou_contract::message::image_of;
use tusou_contract::{
    Disposition, EncodingOutcome, ImageEmbedded, ImageFetched, ImageId, Queue, Verdict as _,
};
use tusou_platform::blobs::{BlobError, BlobStore};
use tusou_platform::broker::{BrokerError, Delivery, Settled};
use tusou_platform::trace::Span;

use crate::engine::{Engine, Failure, Probe};
use crate::error::{EncoderError, PictureError, in_words};
use crate::metrics::{self, Held};
use crate::publish::{NotPublished, Results};

/// What a picture goes through. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Stages {
    pub(crate) engine: Engine,
    pub(crate) max_attempts: u32,
}

/// Why no further picture can be taken now.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The connection to the broker is gone.
    Broker(String),
    /// The blobs are away; asking for this one again tells when they are back.
    Blobs(Probe),
    /// An operator has paused the encoder.
    Paused,
    /// The process cannot go on.
    Fatal(EncoderError),
}

impl From<BrokerError> for Stop {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Away(_) => Self::Broker(error.to_string()),
            BrokerError::Refused { .. } => Self::Fatal(error.into()),
        }
    }
}

impl From<NotPublished> for Stop {
    fn from(error: NotPublished) -> Self {
        Self::Broker(error.to_string())
    }
}

impl Stages {
    /// Encodes a delivered picture, publishes what came of it, and then settles the delivery. In a
    /// model run of its own where it is to be `alone`.
    pub(crate) async fn handle(
        &self,
        delivery: Delivery,
        results: &Results,
        alone: bool,
    ) -> Result<(), Stop> {
        let _inflight = Held::inflight();
        // Before anything else: what kills the process is not to be touched once more.
        let read = match delivery.suspect() {
            Some(error) => Err(error.into()),
            None => delivery.read::<ImageFetched>().map_err(PictureError::from),
        };
        let message = match read {
            Ok(message) => message,
            Err(error) => {
                let image = image_of(delivery.body());
                return Box::pin(self.fail(delivery, image, error.into(), results)).await;
            }
        };
        let image_id = message.image_id;
        let trace = delivery.trace();
        let span = Span::child("encode", trace.as_ref());
        let encoded = Box::pin(self.engine.encode(&message, alone)).await;
        drop(span);
        match encoded {
            Ok(encoding) => {
                // The failures of single models are told with the rest and recorded by the indexer. They
                // are no dead letters: a model that fails for every picture would fill that queue, and stop
                // the others.
                let outcome = EncodingOutcome::Encoded(encoding);
                let result = ImageEmbedded { image_id, outcome };
                results.publish(&result, trace).await?;
                self.settle(delivery, Ok(()), &image_id.to_string()).await
            }
            Err(failure) => Box::pin(self.fail(delivery, Some(image_id), failure, results)).await,
        }
    }

    /// Tells the indexer of an image that is given up, settles the delivery, and says whether any
    /// further picture can be taken.
    async fn fail(
        &self,
        delivery: Delivery,
        image: Option<ImageId>,
        Failure { error, probe }: Failure,
        results: &Results,
    ) -> Result<(), Stop> {
        let error = match error {
            PictureError::Blob(cause) if is_alone(&self.engine.blobs, &cause).await => {
                PictureError::BlobUnusable(cause)
            }
            other => other,
        };
        if let Some(image_id) = image
            && self.is_final(&error, &delivery)
            && is_told(&error, delivery.queue())
        {
            let (reason, detail) = (error.reason().to_owned(), in_words(&error));
            let outcome = EncodingOutcome::Failed { reason, detail };
            results
                .publish(&ImageEmbedded { image_id, outcome }, delivery.trace())
                .await?;
        }
        let stop = match error.disposition() {
            Disposition::Later => probe.map(Stop::Blobs),
            Disposition::Fatal => return Err(Stop::Fatal(error.into_fatal())),
            _ => None,
        };
        let subject = image.map_or_else(|| "unreadable".to_owned(), |id| id.to_string());
        self.settle(delivery, Err(error), &subject).await?;
        stop.map_or(Ok(()), Err)
    }

    /// Whether the delivery will be a dead letter, by the rule that settles it.
    fn is_final(&self, error: &PictureError, delivery: &Delivery) -> bool {
        match error.disposition() {
            Disposition::DeadLetter => true,
            Disposition::Retry { .. } => delivery.attempt() >= self.max_attempts,
            _ => false,
        }
    }

    async fn settle(
        &self,
        delivery: Delivery,
        outcome: Result<(), PictureError>,
        subject: &str,
    ) -> Result<(), Stop> {
        let attempt = delivery.attempt();
        let settled = delivery.settle(&outcome).await?;
        match (settled, &outcome) {
            (Settled::Done, Ok(())) => {
                tracing::debug!(image = subject, attempt, "encoded");
                metrics::image("encoded");
            }
            (Settled::Done, Err(error)) => metrics::image(error.reason()),
            (Settled::Later, Err(error)) => {
                tracing::debug!(image = subject, attempt, error = in_words(error), "later");
                metrics::image("later");
            }
            (Settled::Dead, Err(error)) => {
                let reason = error.reason();
                tracing::warn!(
                    image = subject,
                    attempt,
                    reason,
                    error = in_words(error),
                    "dead letter"
                );
                metrics::image(reason);
            }
            (Settled::Later | Settled::Dead, Ok(())) => {}
        }
        Ok(())
    }
}

/// Whether a failure is that of one blob alone: the store itself works. One such blob is no reason
/// to stop for all others.
pub(crate) async fn is_alone(blobs: &BlobStore, error: &BlobError) -> bool {
    matches!(
        error,
        BlobError::Store { .. } | BlobError::Bucket { .. } | BlobError::Folder { .. }
    ) && blobs.probe().await.is_ok()
}

/// Whether a failure for good is news to the indexer.
///
/// A back-fill that finds no bytes says nothing of the picture: originals are not kept for ever, and
/// where it was never encoded an earlier failure has the better reason.
fn is_told(error: &PictureError, queue: Queue) -> bool {
    !(queue == Queue::ImagesReencode && matches!(error, PictureError::BlobMissing(_)))
}
