//! Writing and deleting documents: bulks with an outcome for each item.

use std::time::Instant;

use tokio::sync::Semaphore;
use tusou_contract::{Document, ImageId};
use tusou_platform::Shutdown;
use tusou_platform::elastic::{BulkItem, BulkOutcome, Elastic, ElasticError, Source};
use tusou_projection::{Generation, Holding, Outcome};

use crate::config::Settings;
use crate::error::Error;
use crate::metrics;
use crate::patience::Patience;

/// Two connections saturate two cores of the server, one gives half.
const BULKS_AT_ONCE: usize = 2;

/// Writes bulks, a bounded number at once.
#[derive(Debug)]
pub(crate) struct Writer {
    elastic: Elastic,
    slots: Semaphore,
    most_documents: usize,
    most_bytes: usize,
    shutdown: Shutdown,
}

/// A document on its way to one index, or out of it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    generation_id: i64,
    image_id: ImageId,
    item: BulkItem,
}

impl Job {
    pub(crate) fn of(generation: &Generation, document: &Document) -> Self {
        let source = serde_json::to_vec(document).expect("a document holds only plain values");
        Self {
            generation_id: generation.generation_id,
            image_id: document.image_id,
            item: BulkItem {
                index: generation.index.clone(),
                id: document.image_id.to_string(),
                version: document.rev,
                source: Some(source.into()),
            },
        }
    }

    /// Takes the image's document out, where its version is not above `version`.
    pub(crate) fn delete(generation: &Generation, image_id: ImageId, version: i64) -> Self {
        Self {
            generation_id: generation.generation_id,
            image_id,
            item: BulkItem {
                index: generation.index.clone(),
                id: image_id.to_string(),
                version,
                source: None,
            },
        }
    }

    fn bytes(&self) -> usize {
        self.item.source.as_ref().map_or(0, Source::len)
    }

    fn holding(self, refusal: Option<String>) -> Holding {
        let Self {
            generation_id,
            image_id,
            item,
        } = self;
        Holding {
            generation_id,
            image_id,
            rev: item.version,
            outcome: match (refusal, item.source) {
                (Some(reason), _) => Outcome::Refused(reason),
                (None, Some(_)) => Outcome::Held,
                (None, None) => Outcome::Deleted,
            },
        }
    }
}

impl Writer {
    pub(crate) fn new(elastic: Elastic, settings: &Settings, shutdown: &Shutdown) -> Self {
        Self {
            elastic,
            slots: Semaphore::new(BULKS_AT_ONCE),
            most_documents: settings.bulk_documents,
            most_bytes: settings.bulk_bytes,
            shutdown: shutdown.clone(),
        }
    }

    /// Writes every job to its end: what became of each, in no certain order. Items that
    /// Elasticsearch is too busy for are sent again, they alone.
    ///
    /// # Errors
    /// [`Error::Elastic`] where it is away or stays too busy: some jobs may have been written, and
    /// writing them again does no harm. [`Error::IndexGone`] where an index is not there.
    pub(crate) async fn write(&self, jobs: Vec<Job>) -> Result<Vec<Holding>, Error> {
        let mut holdings = Vec::with_capacity(jobs.len());
        for mut jobs in chunks(jobs, self.most_documents, self.most_bytes) {
            let mut patience = Patience::new(&self.shutdown);
            while !jobs.is_empty() {
                let sent = jobs.len();
                let (done, busy, why) = self.send(jobs).await?;
                holdings.extend(done);
                jobs = busy;
                if jobs.len() < sent {
                    patience.progress();
                }
                if let Some(why) = why {
                    tracing::debug!(items = jobs.len(), why, "Elasticsearch is busy");
                    metrics::wait("elasticsearch");
                    if !patience.wait().await {
                        return Err(ElasticError::Away(format!("it stays too busy: {why}")).into());
                    }
                }
            }
        }
        Ok(holdings)
    }

    /// One bulk: what was settled, what is to be sent again, and why.
    async fn send(
        &self,
        jobs: Vec<Job>,
    ) -> Result<(Vec<Holding>, Vec<Job>, Option<String>), Error> {
        let items: Vec<BulkItem> = jobs.iter().map(|job| job.item.clone()).collect();
        let outcomes = {
            let _slot = self
                .slots
                .acquire()
                .await
                .expect("the semaphore is never closed");
            let started = Instant::now();
            let outcomes = self.elastic.bulk(&items).await?;
            metrics::bulk(started.elapsed());
            outcomes
        };
        let (mut done, mut busy, mut why) = (Vec::new(), Vec::new(), None);
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            match outcome {
                BulkOutcome::Written => {
                    metrics::document(if job.item.source.is_some() {
                        "written"
                    } else {
                        "deleted"
                    });
                    done.push(job.holding(None));
                }
                BulkOutcome::Superseded => {
                    metrics::document("superseded");
                    done.push(job.holding(None));
                }
                BulkOutcome::Busy { reason } => {
                    why = Some(reason);
                    busy.push(job);
                }
                // A document that is not there answers a delete as superseded: the index itself is gone.
                BulkOutcome::Refused { status: 404, .. } => {
                    return Err(Error::IndexGone(job.item.index));
                }
                BulkOutcome::Conflict { reason } => {
                    metrics::document("refused");
                    let image_id = job.image_id;
                    tracing::warn!(%image_id, index = job.item.index, reason, "document refused");
                    done.push(job.holding(Some(reason)));
                }
                BulkOutcome::Refused { status, reason } => {
                    metrics::document("refused");
                    let image_id = job.image_id;
                    tracing::warn!(%image_id, index = job.item.index, status, reason, "document refused");
                    done.push(job.holding(Some(reason)));
                }
            }
        }
        Ok((done, busy, why))
    }
}

/// Splits jobs into bulks within both bounds; a document that alone is beyond the bytes goes alone.
fn chunks(jobs: Vec<Job>, most_documents: usize, most_bytes: usize) -> Vec<Vec<Job>> {
    let mut chunks: Vec<Vec<Job>> = Vec::new();
    let mut bytes = 0;
    for job in jobs {
        let fits = bytes + job.bytes() <= most_bytes;
        match chunks.last_mut() {
            Some(chunk) if fits && chunk.len() < most_documents => {
                bytes += job.bytes();
                chunk.push(job);
            }
            _ => {
                bytes = job.bytes();
                chunks.push(vec![job]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(bytes: usize) -> Job {
        let image_id = ImageId::of(b"x");
        let item = BulkItem {
            index: "i".into(),
            id: image_id.to_string(),
            version: 1,
            source: Some(vec![b' '; bytes].into()),
        };
        Job {
            generation_id: 1,
            image_id,
            item,
        }
    }

    #[test]
    fn bulks_stay_within_documents_and_bytes() {
        let sizes = |bytes: &[usize]| -> Vec<Vec<usize>> {
            let jobs = bytes.iter().map(|bytes| job(*bytes)).collect();
            chunks(jobs, 3, 100)
                .iter()
                .map(|chunk| chunk.iter().map(Job::bytes).collect())
                .collect()
        };
        assert_eq!(sizes(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(sizes(&[1, 1, 1, 1]), [vec![1, 1, 1], vec![1]]);
        assert_eq!(sizes(&[60, 40, 1]), [vec![60, 40], vec![1]]);
        assert_eq!(sizes(&[500, 1, 500]), [vec![500], vec![1], vec![500]]);
    }
}
