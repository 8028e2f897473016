//! One batch: stored, read, written, recorded.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tusou_contract::{ImageEmbedded, ImageId};
use tusou_platform::elastic::BulkEncoding;
use tusou_projection::{Generation, Holding, Outcome, Snapshot, document, record, snapshot};

use crate::bulk::Job;
use crate::error::Error;
use crate::metrics;
use crate::pipeline::Context;
use crate::rows::{encodings, removals};
use crate::work::Change;

/// Why an image's messages are dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It has no row.
    Unknown,
    /// An index refused its document, in Elasticsearch's own words.
    Refused { index: String, reason: String },
}

impl Trouble {
    /// Whether it is this message's trouble: an image that is gone is no trouble to a message that
    /// says so.
    pub(crate) fn concerns(&self, change: &Change) -> bool {
        *self != Self::Unknown || matches!(change, Change::Embedded(_))
    }

    pub(crate) fn error(&self, image_id: ImageId) -> Error {
        match self.clone() {
            Self::Unknown => Error::UnknownImage(image_id),
            Self::Refused { index, reason } => Error::DocumentRefused {
                image_id,
                index,
                reason,
            },
        }
    }
}

/// The images in trouble.
pub(crate) type Troubles = HashMap<ImageId, Trouble>;

/// Brings the changed images into every written index, and out of it those that no longer have a
/// document. Doing it again does no harm.
///
/// Returns the images in trouble; all others are durably indexed, or wait for their encoding.
///
/// # Errors
/// Whatever is away, and [`Error::Conflict`]: nothing may be acknowledged.
pub(crate) async fn index(context: &Context, changes: &[&Change]) -> Result<Troubles, Error> {
    let pool = &context.pool;
    let outcomes: Vec<&ImageEmbedded> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Embedded(message) => Some(message),
            Change::Changed(_) => None,
        })
        .collect();
    let unknown = encodings::store(pool, &outcomes).await?;
    let unknown = removals::others(pool, unknown).await?;
    metrics::embeddings_stored(outcomes.len());
    let ids: BTreeSet<ImageId> = changes.iter().map(|change| change.image_id()).collect();
    let snapshot = snapshot(pool, &ids, context.keep_gone).await?;
    if snapshot.generations.is_empty() {
        return Err(Error::IndexGone("(none is registered as live)".into()));
    }
    let removed: BTreeSet<ImageId> = changes
        .iter()
        .filter(|change| matches!(change, Change::Changed(_)))
        .map(|change| change.image_id())
        .filter(|id| !snapshot.images.contains_key(id))
        .collect();
    let snapshot = Arc::new(snapshot);
    let of = snapshot.clone();
    let written = context
        .writer
        .write(move |encoding| jobs(&of, &removed, encoding));
    let written = written.await?;
    record(pool, &written.holdings).await?;
    context
        .conflicts
        .judge(&snapshot.generations, &written, &context.health)?;
    let mut troubles: Troubles = unknown
        .into_iter()
        .map(|id| (id, Trouble::Unknown))
        .collect();
    troubles.extend(refusals(written.holdings, &snapshot.generations));
    Ok(troubles)
}

/// What is to be written to each index, and what is to be deleted there.
fn jobs(snapshot: &Snapshot, removed: &BTreeSet<ImageId>, encoding: BulkEncoding) -> Vec<Job> {
    let mut jobs = Vec::new();
    for generation in &snapshot.generations {
        for image in snapshot.images.values() {
            jobs.push(match document(image, generation) {
                Some(document) => Job::of(generation, &document, encoding),
                None => Job::delete(generation, image.image_id, image.rev),
            });
        }
        for image_id in removed {
            jobs.push(Job::delete(generation, *image_id, snapshot.clock));
        }
    }
    jobs
}

fn refusals(
    holdings: Vec<Holding>,
    generations: &[Generation],
) -> impl Iterator<Item = (ImageId, Trouble)> {
    holdings.into_iter().filter_map(|holding| {
        let Outcome::Refused(reason) = holding.outcome else {
            return None;
        };
        let mut written = generations.iter();
        let index = written.find(|generation| generation.generation_id == holding.generation_id)?;
        Some((
            holding.image_id,
            Trouble::Refused {
                index: index.index.clone(),
                reason,
            },
        ))
    })
}
