//! Waiting longer after each failure in a row, with jitter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Doubling waits from `first` to `most`, each between half and the whole of its step, so that
/// processes that failed together do not come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts at `first`; no wait is longer than `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            failures: 0,
        }
    }

    /// The wait after one more failure.
    pub fn next_wait(&mut self) -> Duration {
        let doubled = 2u32
            .checked_pow(self.failures)
            .and_then(|factor| self.first.checked_mul(factor))
            .unwrap_or(self.most);
        self.failures = self.failures.saturating_add(1);
        let step = doubled.min(self.most);
        step / 2 + (step / 2).mul_f64(fraction())
    }

    /// Failures since the last [`Backoff::reset`].
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It worked: the next failure waits `first` again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A number from 0 to 1: each [`RandomState`] has keys of its own.
fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    bits as f64 / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_start_again_after_success() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for step in [100, 200, 350, 350] {
            let wait = backoff.next_wait();
            let step = Duration::from_millis(step);
            assert!(wait >= step / 2 && wait <= step, "{wait:?} of {step:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= Duration::from_millis(100));
    }

    #[test]
    fn many_failures_stay_at_the_most() {
        let most = Duration::from_secs(60);
        let mut backoff = Backoff::new(Duration::from_secs(1), most);
        for _ in 0..1_000 {
            backoff.next_wait();
        }
        let wait = backoff.next_wait();
        assert!(wait >= most / 2 && wait <= most, "{wait:?}");
        assert_eq!(backoff.failures(), 1_001);
    }
}
