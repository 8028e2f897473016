//! A host leased for redirects that lead to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{HostSlot, Slots};

/// Between two looks at a guest.
const LOOK: Duration = Duration::from_millis(250);
/// A guest whom nobody has asked for this long is given back.
const IDLE: Duration = Duration::from_secs(2);
/// The longest that a guest is kept, since no turn of its own can begin meanwhile.
const STAY: Duration = Duration::from_secs(10);

/// Keeps a guest's lease while it is used, and gives it back.
pub(super) async fn keep(slots: Slots, host: Arc<HostSlot>) {
    let (frontier, lease) = (&slots.0.frontier, slots.0.limits.lease);
    let (came, mut renewed) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = host.closed() => break,
        }
        if host.idle_for() > IDLE || came.elapsed() > STAY {
            break;
        }
        if renewed.elapsed() >= lease / 3 {
            let asked_at = Instant::now();
            match frontier.renew(&host.lease).await {
                Ok(true) => {
                    host.renewed(asked_at);
                    renewed = asked_at;
                }
                Ok(false) => {
                    host.close();
                    slots.forget(&host);
                    return;
                }
                // The lease runs out by itself, and no request begins after that.
                Err(cause) => tracing::debug!(%cause, "a guest's lease was not renewed"),
            }
        }
    }
    if let Err(cause) = slots.part(&host, Duration::ZERO).await {
        tracing::debug!(host = host.lease.origin, %cause, "a guest's lease runs out by itself");
    }
}
