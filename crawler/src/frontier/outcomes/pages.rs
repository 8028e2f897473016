//! Pages that were fetched together.

use tusou_ingest::{PageBatch, record_pages};

use super::super::traces::follow_pictures;
use super::super::{Frontier, transaction};
use super::{Job, Outcome, Written, of_held, tell_left_out};
use crate::error::CrawlError;
use crate::metrics;

impl Frontier {
    pub(super) async fn write_pages(
        &self,
        jobs: &[&Job],
    ) -> Result<Vec<Option<Written>>, CrawlError> {
        let (held, summary) = transaction!(self, |tx| {
            let held = Self::held(tx, jobs).await?;
            let read = of_held(jobs, &held).filter_map(|job| match &job.outcome {
                Outcome::Page(record) => Some(record),
                _ => None,
            });
            let ended = of_held(jobs, &held).filter_map(|job| self.ended(job));
            let batch = PageBatch {
                read: read.collect(),
                ended: ended.collect(),
            };
            let summary = record_pages(tx, &batch, &self.terms).await?;
            let followed = of_held(jobs, &held)
                .filter_map(|job| job.url.trace.as_ref().map(|trace| (job.url.id, trace)));
            follow_pictures(tx, &followed.collect::<Vec<_>>()).await?;
            Ok((held, summary))
        })?;
        self.gate.outbox_written(summary.images);
        tell_left_out(&summary.left_out);
        metrics::pictures_left(&summary.pictures_left);
        tracing::debug!(
            outcomes = jobs.len(),
            pages = summary.pages,
            image_urls = summary.image_urls,
            images = summary.images,
            "pages were written"
        );
        let written = |(job, held): (&&Job, bool)| {
            held.then(|| match &job.outcome {
                _ if summary.missing.contains(&job.url.id) => Written::Removed,
                Outcome::Failed(failure) => Written::Failed {
                    again: self.comes_again(&job.url, failure),
                },
                Outcome::Unchanged { .. } => Written::Unchanged,
                _ => Written::Page,
            })
        };
        Ok(jobs.iter().zip(held).map(written).collect())
    }
}
