//! The pace of one host: requests begin no closer together than its delay, which follows how fast
//! and how well the host answers.
//!
//! The delay is never less than the configured one and the host's `Crawl-delay`. Above these it
//! moves as Scrapy's AutoThrottle has it, by half of the way with each answer: towards the latency
//! over the requests allowed at once where an answer took longer than half a second, down to the
//! least where it did not. An error, a 429 or a 503 never lowers it: each doubles it. A host that
//! answers fast and well is asked at the least delay.

use std::time::{Duration, Instant};

/// Answers within this time say that the host is at ease.
const EASY: Duration = Duration::from_millis(500);
/// What the first error makes of no delay at all.
const FIRST_STEP: Duration = Duration::from_millis(100);
/// A delay that latency or errors led to is forgotten below this.
const FORGOTTEN: Duration = Duration::from_millis(10);

/// Bounds of a host's delay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaceLimits {
    /// The configured delay.
    pub(crate) least: Duration,
    /// The longest that latency and errors lead to.
    pub(crate) most: Duration,
    /// Requests at once.
    pub(crate) concurrency: u32,
}

/// Hands out start times, each a delay after the one before.
#[derive(Debug)]
pub(crate) struct Pace {
    limits: PaceLimits,
    /// `Crawl-delay`, capped.
    asked: Duration,
    /// What latency and errors have led to.
    adapted: Duration,
    /// When the latest request began, or later: when its answer came, since it may have been on its
    /// way to the host until then.
    latest: Option<Instant>,
    /// No request before this, whatever the delay.
    not_before: Option<Instant>,
}

impl Pace {
    /// The pace of a host whose delay was `adapted` when it was last asked.
    pub(crate) fn new(limits: PaceLimits, adapted: Duration) -> Self {
        Self {
            limits,
            asked: Duration::ZERO,
            adapted: adapted.min(limits.most),
            latest: None,
            not_before: None,
        }
    }

    /// The host's `Crawl-delay` is this.
    pub(crate) fn ask(&mut self, delay: Duration) {
        self.asked = delay;
    }

    /// Requests may have begun up to this time.
    pub(crate) fn asked_at(&mut self, at: Instant) {
        self.latest = self.latest.max(Some(at));
    }

    /// No request is to begin before this time.
    pub(crate) fn rest_until(&mut self, at: Instant) {
        self.not_before = self.not_before.max(Some(at));
    }

    /// The time between two starts.
    pub(crate) fn delay(&self) -> Duration {
        self.limits.least.max(self.asked).max(self.adapted)
    }

    /// What is to be remembered of the delay; zero where it is the least.
    pub(crate) fn adapted(&self) -> Duration {
        if self.adapted > self.limits.least {
            self.adapted
        } else {
            Duration::ZERO
        }
    }

    /// How long it is until the next start.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let paced = self.latest.map(|latest| latest + self.delay());
        let next = paced.max(self.not_before);
        next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// Begins a request, or says how long that has to wait.
    pub(crate) fn start(&mut self, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(now);
        if wait.is_zero() {
            self.asked_at(now);
            Ok(())
        } else {
            Err(wait)
        }
    }

    /// An answer that took `latency` to begin.
    pub(crate) fn answered(&mut self, latency: Duration) {
        let target = if latency > EASY {
            latency / self.limits.concurrency.max(1)
        } else {
            Duration::ZERO
        };
        let floor = self.limits.least.max(self.asked);
        let next = (self.adapted.max(floor) + target.max(floor)) / 2;
        self.adapted = if next < floor + FORGOTTEN {
            Duration::ZERO
        } else {
            next.min(self.limits.most)
        };
    }

    /// No answer, a 429 or a 503.
    pub(crate) fn failed(&mut self) {
        let doubled = self.delay().saturating_mul(2).max(FIRST_STEP);
        // Never lower: the delay may be above the most by itself.
        self.adapted = doubled.min(self.limits.most).max(self.adapted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pace(least: Duration, adapted: Duration) -> Pace {
        let limits = PaceLimits {
            least,
            most: 2_000 * MS,
            concurrency: 2,
        };
        Pace::new(limits, adapted)
    }

    #[test]
    fn starts_are_at_least_the_delay_apart() {
        let mut pace = pace(20 * MS, Duration::ZERO);
        let now = Instant::now();
        assert_eq!(pace.start(now), Ok(()));
        assert_eq!(pace.start(now + 5 * MS), Err(15 * MS));
        assert_eq!(pace.start(now + 20 * MS), Ok(()));
        // The request before was on its way until its answer came.
        pace.asked_at(now + 28 * MS);
        assert_eq!(pace.start(now + 40 * MS), Err(8 * MS));
        pace.ask(100 * MS);
        assert_eq!(pace.start(now + 48 * MS), Err(80 * MS));
        pace.rest_until(now + 500 * MS);
        assert_eq!(pace.wait(now + 400 * MS), 100 * MS);
        assert_eq!(pace.start(now + 500 * MS), Ok(()));
    }

    #[test]
    fn fast_answers_add_nothing() {
        for least in [Duration::ZERO, 150 * MS] {
            let mut pace = pace(least, Duration::ZERO);
            for latency in [0, 10, 100, 499] {
                pace.answered(latency * MS);
                assert_eq!((pace.delay(), pace.adapted()), (least, Duration::ZERO));
            }
        }
    }

    #[test]
    fn a_slow_host_is_asked_less_often_and_a_fast_one_more_often_again() {
        let mut pace = pace(Duration::ZERO, Duration::ZERO);
        let mut before = pace.delay();
        for _ in 0..20 {
            pace.answered(1_000 * MS);
            assert!(pace.delay() >= before && pace.delay() <= 500 * MS);
            before = pace.delay();
        }
        assert!(before > 490 * MS, "{before:?}");
        for _ in 0..10 {
            pace.answered(5 * MS);
        }
        assert_eq!(pace.delay(), Duration::ZERO);
    }

    #[test]
    fn errors_double_the_delay_within_its_bounds() {
        let mut pace = pace(Duration::ZERO, Duration::ZERO);
        let mut delays = Vec::new();
        for _ in 0..7 {
            pace.failed();
            delays.push(pace.delay().as_millis());
        }
        assert_eq!(delays, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(pace.adapted(), 2_000 * MS);
        // A `Crawl-delay` above the most is the host's own wish.
        pace.ask(5_000 * MS);
        pace.failed();
        assert_eq!(pace.delay(), 5_000 * MS);
    }

    #[test]
    fn what_a_host_led_to_is_remembered() {
        let mut pace = pace(50 * MS, 800 * MS);
        assert_eq!(pace.delay(), 800 * MS);
        pace.answered(5 * MS);
        assert_eq!(pace.delay(), 425 * MS);
        assert_eq!(Pace::new(pace.limits, 9_000 * MS).delay(), 2_000 * MS);
    }
}
