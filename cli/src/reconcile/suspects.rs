//! Images that differ at the first look, held until the second.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tusou_contract::ImageId;

/// Suspects held at once.
const AT_ONCE: usize = 10_000;

/// Suspects of one kind, and the time of their second look.
pub(super) struct Suspects {
    wait: Duration,
    ids: BTreeSet<ImageId>,
    last: Option<Instant>,
}

impl Suspects {
    pub(super) fn new(wait: Duration) -> Self {
        Self {
            wait,
            ids: BTreeSet::new(),
            last: None,
        }
    }

    pub(super) fn add(&mut self, ids: impl IntoIterator<Item = ImageId>) {
        let before = self.ids.len();
        self.ids.extend(ids);
        if self.ids.len() > before {
            self.last = Some(Instant::now());
        }
    }

    /// Whether they are so many that the second look is due first.
    pub(super) fn is_full(&self) -> bool {
        self.ids.len() >= AT_ONCE
    }

    /// All of them, once the last has had its time; none are held afterwards.
    pub(super) async fn take(&mut self) -> BTreeSet<ImageId> {
        if let Some(last) = self.last.take() {
            tokio::time::sleep_until(last + self.wait).await;
        }
        std::mem::take(&mut self.ids)
    }
}
