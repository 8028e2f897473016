//! The candidates of the latest searches, so that a further page is one of the same list.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use moka::policy::EvictionPolicy;

/// The most bytes of all lists together.
const MOST_BYTES: u64 = 64 << 20;

/// The lists lately made, by the fingerprint of what was asked and the digest of what was found. The least
/// lately used go first: a list that was just made must be there for its second page, however often others are
/// asked for.
#[derive(Clone)]
pub(crate) struct Kept<T: ?Sized>(Cache<(u64, u64), Arc<T>>);

impl<T: ?Sized> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// What knows how many bytes it takes in memory.
pub(crate) trait Weigh {
    /// Those bytes, about.
    fn weight(&self) -> usize;
}

impl<T: Weigh + ?Sized + Send + Sync + 'static> Kept<T> {
    /// Keeps lists for that long, at most 64 MiB of them.
    pub(crate) fn new(time: Duration) -> Self {
        Self::bounded(time, MOST_BYTES)
    }

    fn bounded(time: Duration, bytes: u64) -> Self {
        let weigher =
            |_: &(u64, u64), list: &Arc<T>| u32::try_from(list.weight()).unwrap_or(u32::MAX);
        let cache = Cache::builder()
            .max_capacity(bytes)
            .weigher(weigher)
            .time_to_live(time)
            .eviction_policy(EvictionPolicy::lru());
        Self(cache.build())
    }

    /// The list, where it is still kept.
    pub(crate) async fn get(&self, fingerprint: u64, digest: u64) -> Option<Arc<T>> {
        self.0.get(&(fingerprint, digest)).await
    }

    /// Keeps a list, whose digest is [`super::cursor::digest`].
    pub(crate) async fn insert(&self, fingerprint: u64, digest: u64, list: Arc<T>) {
        self.0.insert((fingerprint, digest), list).await;
    }

    #[cfg(test)]
    /// Bytes that the lists take, about: counted some time after they come and go.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Candidate;
    use super::super::tests::candidate;
    use super::*;

    impl Weigh for [Candidate] {
        fn weight(&self) -> usize {
            size_of_val(self)
        }
    }

    const LONG: Duration = Duration::from_secs(3_600);

    fn list(of: usize) -> Arc<[Candidate]> {
        (0..of)
            .map(|number| candidate(&number.to_string()))
            .collect()
    }

    #[tokio::test]
    async fn a_list_is_found_by_both_what_was_asked_and_what_was_found() {
        let kept = Kept::new(LONG);
        kept.insert(1, 2, list(3)).await;
        assert_eq!(kept.get(1, 2).await.map(|list| list.len()), Some(3));
        assert_eq!(kept.get(2, 2).await, None);
        assert_eq!(kept.get(1, 3).await, None);
    }

    #[tokio::test]
    async fn more_than_fits_puts_out_the_least_lately_used_and_never_the_new_one() {
        let one = list(10).weight() as u64;
        let kept = Kept::bounded(LONG, 3 * one);
        for number in 0..3 {
            kept.insert(number, 0, list(10)).await;
        }
        // Asked for again and again, and yet older than the ones that come.
        for _ in 0..50 {
            assert!(kept.get(0, 0).await.is_some());
        }
        kept.0.run_pending_tasks().await;
        for number in 3..9 {
            kept.insert(number, 0, list(10)).await;
            kept.0.run_pending_tasks().await;
            assert!(kept.get(number, 0).await.is_some(), "{number}");
            assert!(kept.bytes() <= 3 * one, "{}", kept.bytes());
        }
        assert_eq!(kept.get(0, 0).await, None);
    }

    #[tokio::test]
    async fn after_its_time_a_list_is_gone() {
        let kept = Kept::new(Duration::ZERO);
        kept.insert(1, 2, list(3)).await;
        assert_eq!(kept.get(1, 2).await, None);
    }
}
