//! How many requests are in hand at once. The next one is turned away at once, not queued: whoever
//! waits in a line that only grows gets no answer in time, and nobody else does either.
//!
//! How many are too many depends on what they ask: 64 searches by kept words are nothing, 64 large
//! pictures are half a minute of two cores. So the places follow the time that requests spend in them. While
//! it is above a target, there are fewer places; once it is well below and all are taken, there are more. With
//! all places taken, the time in them is places over throughput (Little's law), so this settles where the machine
//! is busy and an answer takes between half the target and the target. Source: additive increase and
//! multiplicative decrease, D.-M. Chiu and R. Jain, 1989, on concurrency instead of a window.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::SearchError;

/// The longest that an answer should take, in a service that is asked too much.
const TARGET: Duration = Duration::from_secs(1);
/// The target is at most this share of the time that a request may take.
const TARGET_SHARE: u32 = 4;
/// Fewer places than this would leave a core idle while another request waits for a store.
const LEAST: usize = 4;

/// A number of places, at most as many as it was made with. Cheap to clone; clones share the places.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Mutex<Places>>);

#[derive(Debug)]
struct Places {
    /// How many are taken.
    taken: usize,
    /// How many there are now.
    open: usize,
    least: usize,
    most: usize,
    target: Duration,
    /// When their number last fell; who came before that tells nothing about the new number.
    fell: Instant,
}

/// A place, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Gate,
    entered: Instant,
    answered: bool,
}

impl Gate {
    /// A gate with so many places at most, for requests that may take `timeout`.
    pub(crate) fn new(most: usize, timeout: Duration) -> Self {
        Self(Arc::new(Mutex::new(Places::new(
            most,
            TARGET.min(timeout / TARGET_SHARE),
            Instant::now(),
        ))))
    }

    /// A place, or [`SearchError::Busy`] where none is free.
    pub(crate) fn enter(&self) -> Result<Place, SearchError> {
        if !self.lock().enter() {
            return Err(SearchError::Busy);
        }
        Ok(Place {
            gate: self.clone(),
            entered: Instant::now(),
            answered: false,
        })
    }

    /// Whether [`Gate::enter`] would turn away now.
    pub(crate) fn is_full(&self) -> bool {
        let places = self.lock();
        places.taken >= places.open
    }

    /// How many places there are now.
    pub(crate) fn open(&self) -> usize {
        self.lock().open
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // What is behind the lock is whole after every statement, so a panic elsewhere spoils nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Gives it back after an answer was made. One that is only dropped belonged to a client that went away,
    /// from whose haste nothing can be learned.
    pub(crate) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = Instant::now();
        self.gate.lock().leave(self.entered, now, self.answered);
    }
}

impl Places {
    fn new(most: usize, target: Duration, now: Instant) -> Self {
        Self {
            taken: 0,
            open: most,
            least: LEAST.min(most),
            most,
            target,
            fell: now,
        }
    }

    fn enter(&mut self) -> bool {
        let free = self.taken < self.open;
        self.taken += usize::from(free);
        free
    }

    fn leave(&mut self, entered: Instant, now: Instant, answered: bool) {
        let full = self.taken >= self.open;
        self.taken -= 1;
        let took = now.saturating_duration_since(entered);
        if took > self.target {
            if entered >= self.fell {
                self.open = (self.open - self.open.div_ceil(4)).max(self.least);
                self.fell = now;
            }
        } else if answered && full && took * 2 <= self.target {
            self.open = (self.open + 1).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gate_turns_away_until_a_place_is_free() {
        let gate = Gate::new(1, Duration::from_secs(10));
        let place = gate.enter().expect("one place");
        assert!(gate.is_full());
        assert_eq!(gate.enter().expect_err("full").code(), "busy");
        place.answered();
        assert!(!gate.is_full());
        assert!(gate.enter().is_ok());
    }

    /// What came of a minute.
    #[derive(Debug)]
    struct Minute {
        served: usize,
        /// In places, milliseconds; of the last half, when the number has settled.
        slowest: u64,
        open: usize,
    }

    /// A machine whose cores share themselves out evenly among what is in hand, asked ten times as much as it can do.
    fn minute(places: &mut Places, start: Instant, cores: f64, work_ms: f64) -> Minute {
        const MINUTE: u64 = 60_000;
        let mut in_hand: Vec<(u64, f64)> = Vec::new();
        let (mut due, mut served, mut slowest) = (0.0, 0, 0);
        for now in 0..MINUTE {
            due += 10.0 * cores / work_ms;
            while due >= 1.0 {
                due -= 1.0;
                if places.enter() {
                    in_hand.push((now, work_ms));
                }
            }
            let share = (cores / in_hand.len() as f64).min(1.0);
            let mut waiting = Vec::new();
            for (entered, left) in in_hand {
                if left > share {
                    waiting.push((entered, left - share));
                    continue;
                }
                let at = |ms| start + Duration::from_millis(ms);
                places.leave(at(entered), at(now + 1), true);
                served += 1;
                if now > MINUTE / 2 {
                    slowest = slowest.max(now + 1 - entered);
                }
            }
            in_hand = waiting;
        }
        for (entered, _) in in_hand {
            let at = |ms| start + Duration::from_millis(ms);
            places.leave(at(entered), at(MINUTE), false);
        }
        Minute {
            served,
            slowest,
            open: places.open,
        }
    }

    #[test]
    fn ten_times_too_much_is_served_at_the_machine_s_own_rate_and_in_time() {
        let start = Instant::now();
        for (cores, work_ms) in [(2.0, 2.0), (2.0, 20.0), (2.0, 150.0), (16.0, 80.0)] {
            let mut places = Places::new(64, TARGET, start);
            let minute = minute(&mut places, start, cores, work_ms);
            let sustainable = 60_000.0 * cores / work_ms;
            let share = minute.served as f64 / sustainable;
            assert!(share > 0.9, "{cores} cores, {work_ms} ms: {minute:?}");
            assert!(
                minute.slowest <= 1_100,
                "{cores} cores, {work_ms} ms: {minute:?}"
            );
        }
    }

    #[test]
    fn places_come_back_once_requests_are_light_again() {
        let start = Instant::now();
        let mut places = Places::new(64, TARGET, start);
        let heavy = minute(&mut places, start, 2.0, 150.0);
        assert!((6..=20).contains(&heavy.open), "{heavy:?}");
        let light = minute(&mut places, start + Duration::from_secs(60), 2.0, 2.0);
        assert_eq!(light.open, 64);
    }

    #[test]
    fn the_haste_of_clients_that_go_away_opens_nothing_and_one_slow_crowd_closes_once() {
        let start = Instant::now();
        let later = |ms| start + Duration::from_millis(ms);
        let mut places = Places::new(64, TARGET, start);
        for _ in 0..64 {
            assert!(places.enter());
        }
        for ms in 2_000..2_064 {
            places.leave(start, later(ms), true);
        }
        assert_eq!(places.open, 48);
        for _ in 0..48 {
            assert!(places.enter());
        }
        for ms in 3_000..3_048 {
            places.leave(later(2_999), later(ms), false);
        }
        assert_eq!(places.open, 48);
    }
}
