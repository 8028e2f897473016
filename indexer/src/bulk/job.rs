//! One document on its way, and how many of them make a bulk.

use std::collections::VecDeque;

use tusou_contract::{Document, ImageId};
use tusou_platform::elastic::{BulkEncoding, BulkItem, Source};
use tusou_projection::{Generation, Holding, Outcome};

use super::pace::Limits;

/// Bytes that a bulk has for an item beside its document: the action's line.
const ACTION_BYTES: usize = 200;

/// A document on its way to one index, or out of it.
#[derive(Debug, Clone)]
pub struct Job {
    pub(super) generation_id: i64,
    pub(super) image_id: ImageId,
    pub(super) item: BulkItem,
}

impl Job {
    /// Writes the document, encoded as the server takes it: some ten microseconds of work.
    pub fn of(generation: &Generation, document: &Document, encoding: BulkEncoding) -> Self {
        Self {
            generation_id: generation.generation_id,
            image_id: document.image_id,
            item: BulkItem {
                index: generation.index.clone(),
                id: document.image_id.to_string(),
                version: document.rev,
                source: Some(encoding.document(document)),
            },
        }
    }

    /// Takes the image's document out, where its version is not above `version`.
    pub fn delete(generation: &Generation, image_id: ImageId, version: i64) -> Self {
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

    pub(super) fn bytes(&self) -> usize {
        ACTION_BYTES + self.item.source.as_ref().map_or(0, Source::len)
    }

    pub(super) fn holding(self, refusal: Option<String>) -> Holding {
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

/// Takes the first jobs that make a bulk within both bounds; one that alone is beyond the bytes goes alone.
pub(super) fn next_bulk(jobs: &mut VecDeque<Job>, limits: Limits) -> Vec<Job> {
    let mut bytes = 0;
    let fitting = jobs.iter().take(limits.documents).take_while(|job| {
        bytes += job.bytes();
        bytes <= limits.bytes
    });
    let fitting = fitting.count().max(1).min(jobs.len());
    jobs.drain(..fitting).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A job of so many bytes in all.
    pub(crate) fn job(bytes: usize) -> Job {
        let image_id = ImageId::of(b"x");
        let item = BulkItem {
            index: "i".into(),
            id: image_id.to_string(),
            version: 1,
            source: Some(vec![b' '; bytes - ACTION_BYTES].into()),
        };
        Job {
            generation_id: 1,
            image_id,
            item,
        }
    }

    fn limits(documents: usize, bytes: usize) -> Limits {
        Limits {
            in_flight: 1,
            documents,
            bytes,
        }
    }

    #[test]
    fn bulks_stay_within_documents_and_bytes() {
        let sizes = |bytes: &[usize]| -> Vec<Vec<usize>> {
            let mut jobs = bytes.iter().map(|bytes| job(*bytes)).collect();
            let mut bulks = Vec::new();
            while !VecDeque::is_empty(&jobs) {
                let bulk = next_bulk(&mut jobs, limits(3, 1_000));
                bulks.push(bulk.iter().map(Job::bytes).collect());
            }
            bulks
        };
        assert_eq!(sizes(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(
            sizes(&[201, 201, 201, 201]),
            [vec![201, 201, 201], vec![201]]
        );
        assert_eq!(sizes(&[600, 400, 201]), [vec![600, 400], vec![201]]);
        assert_eq!(
            sizes(&[5_000, 201, 5_000]),
            [vec![5_000], vec![201], vec![5_000]]
        );
    }

    #[test]
    fn a_bulk_that_is_too_large_by_half_is_always_divided() {
        for count in 2..20 {
            let mut jobs: VecDeque<Job> = (0..count).map(|_| job(ACTION_BYTES)).collect();
            let bytes: usize = jobs.iter().map(Job::bytes).sum();
            let bulk = next_bulk(&mut jobs, limits(usize::MAX, bytes / 2));
            assert!(bulk.len() < count, "{count}");
        }
    }
}
