//! The pace of one host: fetches begin no closer together than its delay.

use std::time::Duration;

use tokio::time::Instant;

/// Hands out start times, each `delay` after the one before.
#[derive(Debug)]
pub(crate) struct Pace {
    delay: Duration,
    next: Instant,
}

impl Pace {
    pub(crate) fn new(delay: Duration) -> Self {
        Self {
            delay,
            next: Instant::now(),
        }
    }

    pub(crate) fn delay(&self) -> Duration {
        self.delay
    }

    /// Waits for the next start. Cancel-safe: a start that was not taken is not lost.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep_until(self.next).await;
        self.next = Instant::now() + self.delay;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn starts_are_at_least_the_delay_apart() {
        let delay = Duration::from_millis(20);
        let mut pace = Pace::new(delay);
        let mut starts = Vec::new();
        for _ in 0..4 {
            pace.wait().await;
            starts.push(Instant::now());
        }
        assert!(
            starts.windows(2).all(|pair| pair[1] - pair[0] >= delay),
            "{starts:?}"
        );
    }
}
