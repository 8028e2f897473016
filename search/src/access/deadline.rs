//! What a request carries on its way: the time that it may still take, and its place in the gate.
//!
//! Both are held beside the task, so that whatever is called on the way of a request can ask for them. A task that
//! is spawned from it has neither: take [`Deadline::current`] before, and give it along.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use crate::error::SearchError;
use crate::gate::{Gate, Place};

tokio::task_local! {
    static PASSAGE: Passage;
}

/// What is asked of a store where no request is on its way, as in tests.
const ELSE: Duration = Duration::from_secs(10);

/// The moment at which a request is given up. Every wait for a store is at most [`Deadline::left`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The deadline of the request on whose way this is called.
    pub(crate) fn current() -> Self {
        PASSAGE
            .try_with(|passage| passage.deadline)
            .unwrap_or_else(|_| Self::after(ELSE))
    }

    /// The time that is left; zero once it is past.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

#[derive(Debug)]
struct Passage {
    deadline: Deadline,
    gate: Gate,
    place: RefCell<Option<Place>>,
}

/// Takes the request's place in the gate, where it has none yet.
///
/// A request that brings a picture, or names one to be fetched, gets its place only with this call, once the
/// picture is there: else slow senders would hold every place while the machine idles.
///
/// # Errors
/// [`SearchError::Busy`] where no place is free.
pub(crate) fn arrived() -> Result<(), SearchError> {
    let entered = PASSAGE.try_with(|passage| {
        let mut place = passage.place.borrow_mut();
        if place.is_none() {
            *place = Some(passage.gate.enter()?);
        }
        Ok(())
    });
    entered.unwrap_or(Ok(()))
}

/// Runs a request's work with a place, within `time`.
///
/// # Errors
/// [`SearchError::Busy`] where no place is free, [`SearchError::Timeout`] where it took too long.
pub(crate) async fn pass<T>(
    gate: &Gate,
    time: Duration,
    arrives_later: bool,
    work: impl Future<Output = T>,
) -> Result<T, SearchError> {
    if arrives_later && gate.is_full() {
        return Err(SearchError::Busy);
    }
    let place = (!arrives_later).then(|| gate.enter()).transpose()?;
    let passage = Passage {
        deadline: Deadline::after(time),
        gate: gate.clone(),
        place: RefCell::new(place),
    };
    let work = async {
        let done = tokio::time::timeout(time, work).await;
        let place = PASSAGE.with(|passage| passage.place.take());
        if let Some(place) = place {
            place.answered();
        }
        done.map_err(|_| SearchError::Timeout)
    };
    PASSAGE.scope(passage, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_picture_s_place_is_taken_when_it_has_arrived() {
        let gate = Gate::new(1, ELSE);
        pass(&gate, ELSE, true, async {
            assert!(!gate.is_full());
            arrived().expect("one is free");
            assert!(gate.is_full());
            arrived().expect("the same");
            let next = pass(&gate, ELSE, false, async {}).await;
            assert_eq!(next.expect_err("full").code(), "busy");
            assert!(Deadline::current().left() <= ELSE);
        })
        .await
        .expect("it passes");
        assert!(!gate.is_full());
    }

    #[tokio::test]
    async fn what_takes_too_long_ends_and_gives_its_place_back() {
        let gate = Gate::new(1, ELSE);
        let never = std::future::pending::<()>();
        let ended = pass(&gate, Duration::from_millis(1), false, never).await;
        assert_eq!(ended.expect_err("too long").code(), "timeout");
        assert!(!gate.is_full());
        assert!(arrived().is_ok());
        assert!(Deadline::after(Duration::ZERO).left().is_zero());
    }
}
