//! Image URLs that were fetched together.

use sqlx::PgConnection;
use tusou_contract::BlobKey;
use tusou_ingest::{FetchedUrl, ImageBatch, PictureWritten, record_images};
use tusou_platform::blobs::BlobStore;

use super::super::traces::{follow_messages, leave};
use super::super::{Frontier, transaction};
use super::{Job, Outcome, Written, of_held};
use crate::error::CrawlError;

impl Frontier {
    /// Hands the traces of fetched pictures on to their messages.
    async fn follow(
        &self,
        tx: &mut PgConnection,
        jobs: &[&Job],
        held: &[bool],
    ) -> Result<(), sqlx::Error> {
        let (mut fetched, mut ended) = (Vec::new(), Vec::new());
        for job in of_held(jobs, held) {
            let Some(trace) = &job.url.trace else {
                continue;
            };
            match &job.outcome {
                Outcome::Failed(failure) if self.comes_again(&job.url, failure) => continue,
                Outcome::Image { image, .. } => fetched.push((image.id, trace)),
                _ => {}
            }
            ended.push(job.url.id);
        }
        follow_messages(tx, &fetched).await?;
        leave(tx, &ended).await
    }

    /// Puts the blobs again of originals that had been dropped or removed.
    pub(super) async fn write_images(
        &self,
        jobs: &[&Job],
        blobs: &BlobStore,
    ) -> Result<Vec<Option<Written>>, CrawlError> {
        let (held, recorded) = transaction!(self, |tx| {
            let held = Self::held(tx, jobs).await?;
            let stored = of_held(jobs, &held).filter_map(|job| match &job.outcome {
                Outcome::Image {
                    status,
                    image,
                    validators,
                    led_to,
                } => {
                    let fetched = FetchedUrl {
                        image_url_id: job.url.id,
                        due_at: job.url.due_at,
                        status: *status,
                        validators: validators.clone(),
                        led_to: led_to.clone(),
                    };
                    Some((fetched, image))
                }
                _ => None,
            });
            let ended = of_held(jobs, &held).filter_map(|job| self.ended(job));
            let batch = ImageBatch {
                stored: stored.collect(),
                ended: ended.collect(),
            };
            let recorded = record_images(tx, &batch, &self.terms).await?;
            self.follow(tx, jobs, &held).await?;
            for ((_, image), written) in batch.stored.iter().zip(&recorded.pictures) {
                if let PictureWritten::Stored(stored) = written
                    && stored.restored
                {
                    blobs.put(&image.blob_key(), image.bytes.clone()).await?;
                    blobs.delete(&BlobKey::removed(&image.id)).await?;
                }
            }
            Ok((held, recorded))
        })?;
        self.gate.outbox_written(recorded.owed);
        let mut pictures = recorded.pictures.into_iter();
        let written = |(job, held): (&&Job, bool)| {
            held.then(|| match &job.outcome {
                Outcome::Failed(failure) => Written::Failed {
                    again: self.comes_again(&job.url, failure),
                },
                Outcome::Image { .. } => match pictures.next() {
                    Some(PictureWritten::Stored(stored)) => Written::Image(stored),
                    Some(PictureWritten::KeptOut | PictureWritten::Missing) | None => {
                        Written::Removed
                    }
                },
                _ => Written::Unchanged,
            })
        };
        Ok(jobs.iter().zip(held).map(written).collect())
    }
}
