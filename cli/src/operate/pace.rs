//! How fast passwords can be guessed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong passwords of one address before it has to wait.
const BURST: u32 = 5;
/// After so long one more may be tried.
const STEP: Duration = Duration::from_secs(10);
/// Addresses that are counted singly; those beyond share one count.
const MOST: usize = 4_096;

/// Counts wrong passwords by address; of IPv6, whose holders have 2⁶⁴ of them, by network.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<Option<IpAddr>, (f64, Instant)>>);

impl Pace {
    /// How long an address has to wait before it may try a password; `None` where it may now.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (wrong, at) = counts.get(&key(&counts, address))?;
        let left = remaining(*wrong, *at, now);
        let over = left - f64::from(BURST - 1);
        (over > 0.0).then(|| STEP.mul_f64(over))
    }

    /// Counts a wrong password.
    pub(super) fn wrong(&self, address: IpAddr, now: Instant) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|_, (wrong, at)| remaining(*wrong, *at, now) > 0.0);
        let key = key(&counts, address);
        let entry = counts.entry(key).or_insert((0.0, now));
        *entry = (remaining(entry.0, entry.1, now) + 1.0, now);
    }
}

fn key(counts: &HashMap<Option<IpAddr>, (f64, Instant)>, address: IpAddr) -> Option<IpAddr> {
    let counted = match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    };
    let singly = counts.len() < MOST || counts.contains_key(&Some(counted));
    singly.then_some(counted)
}

/// What is left of a count by now.
fn remaining(wrong: f64, at: Instant, now: Instant) -> f64 {
    let passed = now.saturating_duration_since(at).as_secs_f64() / STEP.as_secs_f64();
    (wrong - passed).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_wrong_waits_and_others_do_not() {
        let (pace, now) = (Pace::default(), Instant::now());
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for _ in 0..BURST {
            assert_eq!(pace.wait(address("192.0.2.1"), now), None);
            pace.wrong(address("192.0.2.1"), now);
        }
        assert_eq!(pace.wait(address("192.0.2.1"), now), Some(STEP));
        assert_eq!(pace.wait(address("192.0.2.2"), now), None);
        assert_eq!(pace.wait(address("192.0.2.1"), now + STEP), None);
        for _ in 0..BURST {
            pace.wrong(address("2001:db8::1"), now);
        }
        assert!(
            pace.wait(address("2001:db8::2"), now).is_some(),
            "one network is one"
        );
    }

    #[test]
    fn no_more_addresses_are_kept_than_the_bound() {
        let (pace, now) = (Pace::default(), Instant::now());
        for number in 0..u32::try_from(MOST).expect("small") + 500 {
            pace.wrong(IpAddr::V4(number.into()), now);
        }
        let kept = pace.0.lock().expect("nobody panics").len();
        assert!(kept <= MOST + 1, "{kept}");
        let beyond = IpAddr::V4([250, 0, 0, 1].into());
        assert!(
            pace.wait(beyond, now).is_some(),
            "those beyond share a count"
        );
    }
}
