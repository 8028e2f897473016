//! Indexes that documents do not fit: what they hold up, and that it is said once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tusou_platform::ops::Health;
use tusou_projection::{Generation, Outcome};

use crate::bulk::{Conflict, Written};
use crate::error::Error;

/// The indexes in conflict, for as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Conflicts(Mutex<BTreeMap<i64, Conflict>>);

impl Conflicts {
    /// Takes in what a batch came to: new conflicts are logged, and the service is not ready while there are any.
    ///
    /// # Errors
    /// [`Error::Conflict`] where an index takes none of our documents and no later one takes them in its place:
    /// nothing may be acknowledged. A later one is what `tusou index create` makes, to be moved to; what the earlier one
    /// lacks then is not recorded as held there, so `tusou index rollback` refuses it.
    pub(crate) fn judge(
        &self,
        generations: &[Generation],
        written: &Written,
        health: &Health,
    ) -> Result<(), Error> {
        // It is whole after every statement.
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = !open.is_empty();
        take_in(&mut open, generations, written);
        match open.values().next() {
            Some(conflict) => health.set("index", Err(in_words(conflict).to_string())),
            None if known => {
                tracing::info!("the indexes take documents again");
                health.set("index", Ok(()));
            }
            None => {}
        }
        let newest = generations.last().map(|newest| newest.generation_id);
        let mut conflicts = written.conflicts.iter();
        let stops = conflicts.find(|conflict| Some(conflict.generation_id) == newest);
        stops.map_or(Ok(()), |conflict| Err(in_words(conflict)))
    }
}

fn take_in(open: &mut BTreeMap<i64, Conflict>, generations: &[Generation], written: &Written) {
    let written_to: BTreeSet<i64> = generations
        .iter()
        .map(|known| known.generation_id)
        .collect();
    open.retain(|id, _| written_to.contains(id));
    if !open.is_empty() {
        let taken: BTreeSet<i64> = written
            .holdings
            .iter()
            .filter(|holding| holding.outcome == Outcome::Held)
            .map(|holding| holding.generation_id)
            .collect();
        open.retain(|id, _| !taken.contains(id) || written.conflicts_with(*id));
    }
    for conflict in &written.conflicts {
        let before = open.insert(conflict.generation_id, conflict.clone());
        if before.is_none() {
            tracing::error!(error = %in_words(conflict), "an index does not fit its documents");
        }
    }
}

fn in_words(conflict: &Conflict) -> Error {
    Error::Conflict {
        index: conflict.index.clone(),
        reason: conflict.reason.clone(),
    }
}
