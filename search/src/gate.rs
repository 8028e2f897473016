//! How many requests are in hand at once; the next one is turned away at once, not queued.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::SearchError;

/// A number of places.
#[derive(Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

/// A place, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

impl Gate {
    /// A gate with so many places.
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place, or [`SearchError::Busy`] where none is free.
    pub(crate) fn enter(&self) -> Result<Place, SearchError> {
        Arc::clone(&self.0)
            .try_acquire_owned()
            .map(Place)
            .map_err(|_| SearchError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gate_turns_away_until_a_place_is_free() {
        let gate = Gate::new(1);
        let place = gate.enter().expect("one place");
        assert_eq!(gate.enter().expect_err("full").code(), "busy");
        drop(place);
        assert!(gate.enter().is_ok());
    }
}
