//! Asking a process to end, once, everywhere.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Told to every loop. Cheap to clone; once requested it stays so.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that only [`Shutdown::request`] triggers.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that SIGTERM and SIGINT trigger; a second signal ends the process at once with 143
    /// (SIGTERM) or 130 (SIGINT). Call it within a Tokio runtime; it panics outside of one.
    pub fn on_signals() -> Self {
        let shutdown = Self::new();
        let handler = |kind| signal(kind).expect("within a runtime, these signals can be caught");
        let terminate = handler(SignalKind::terminate());
        let interrupt = handler(SignalKind::interrupt());
        tokio::spawn(listen(shutdown.clone(), terminate, interrupt));
        shutdown
    }

    /// Asks everything to end.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether the end was asked for.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Resolves when the end is asked for.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// Sleeps, but not past the request to end; `false` when the end was asked for.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.requested() => false,
            () = tokio::time::sleep(duration) => true,
        }
    }
}

async fn listen(shutdown: Shutdown, mut terminate: Signal, mut interrupt: Signal) {
    loop {
        // The exit code by which shells and supervisors know a signal: 128 + its number.
        let (name, code) = tokio::select! {
            _ = terminate.recv() => ("SIGTERM", 143),
            _ = interrupt.recv() => ("SIGINT", 130),
        };
        if shutdown.is_requested() {
            tracing::warn!(signal = name, "second signal: ending at once");
            std::process::exit(code);
        }
        tracing::info!(signal = name, "asked to end: finishing what is at hand");
        shutdown.request();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleep_ends_with_the_request() {
        let shutdown = Shutdown::new();
        assert!(shutdown.sleep(Duration::ZERO).await);
        let other = shutdown.clone();
        let sleeper = tokio::spawn(async move { other.sleep(Duration::from_secs(3600)).await });
        shutdown.request();
        assert!(!sleeper.await.expect("the sleeper does not panic"));
        assert!(shutdown.is_requested());
        assert!(!shutdown.sleep(Duration::ZERO).await);
    }
}
