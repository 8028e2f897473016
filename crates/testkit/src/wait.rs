//! Waiting for what other processes do.

use std::time::{Duration, Instant};

/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// Waits until `holds` says so, and panics with `what` after `limit`.
///
/// The limit bounds a test that failed; it is not a claim about speed, so let it be generous.
pub async fn wait_until(limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    wait_for(limit, what, async || holds().await.then_some(())).await;
}

/// Waits until `look` finds something, and panics with `what` after `limit`.
pub async fn wait_for<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            start.elapsed() < limit,
            "still waiting after {limit:?}: {what}"
        );
        tokio::time::sleep(STEP).await;
    }
}
