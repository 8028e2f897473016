//! One batch: stored, read, written, recorded.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgPool;
use tusou_contract::{ImageEmbedded, ImageId};

use crate::bulk::{Job, Writer};
use crate::document::document;
use crate::error::Error;
use crate::metrics;
use crate::rows::generations::{self, Generation, Holding};
use crate::rows::{encodings, images};
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

/// Brings the changed images into every live index. Doing it again does no harm.
///
/// Returns the images in trouble; all others are durably indexed, or wait for their encoding.
pub(crate) async fn index(
    pool: &PgPool,
    writer: &Writer,
    changes: &[&Change],
) -> Result<Troubles, Error> {
    let outcomes: Vec<&ImageEmbedded> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Embedded(message) => Some(message),
            Change::Changed(_) => None,
        })
        .collect();
    encodings::store(pool, &outcomes).await?;
    metrics::embeddings_stored(outcomes.len());
    let ids: BTreeSet<ImageId> = changes.iter().map(|change| change.image_id()).collect();
    let snapshot = images::read(pool, &ids).await?;
    if snapshot.generations.is_empty() {
        return Err(Error::IndexGone("(none is registered as live)".into()));
    }
    let mut jobs = Vec::new();
    for generation in &snapshot.generations {
        for image in snapshot.images.values() {
            if let Some(document) = document(image, &generation.models) {
                jobs.push(Job::of(generation, &document));
            }
        }
    }
    let holdings = writer.write(jobs).await?;
    generations::record(pool, &holdings).await?;
    let unknown = ids
        .into_iter()
        .filter(|id| !snapshot.images.contains_key(id));
    let mut troubles: Troubles = unknown.map(|id| (id, Trouble::Unknown)).collect();
    troubles.extend(refusals(holdings, &snapshot.generations));
    Ok(troubles)
}

fn refusals(
    holdings: Vec<Holding>,
    generations: &[Generation],
) -> impl Iterator<Item = (ImageId, Trouble)> {
    holdings.into_iter().filter_map(|holding| {
        let reason = holding.refusal?;
        let mut live = generations.iter();
        let index = live.find(|generation| generation.generation_id == holding.generation_id)?;
        Some((
            holding.image_id,
            Trouble::Refused {
                index: index.index.clone(),
                reason,
            },
        ))
    })
}
