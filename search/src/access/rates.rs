//! How often one client may ask.
//!
//! Source of the method: the generic cell rate algorithm (ITU-T I.371), as `governor` has it. Source of the headers:
//! draft-ietf-httpapi-ratelimit-headers-10.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::client::{Client, counted};

pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Clients that are counted singly: some 10 MB. Whoever comes beyond them shares a count with others.
const MOST_CLIENTS: usize = 100_000;
/// Shared counts.
const CROWDS: u64 = 4_096;
/// How often clients are forgotten whose rate is as a new one's.
const SWEEP: Duration = Duration::from_secs(10);

/// A rate and what may come at once before it counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// Requests a second.
    pub(crate) per_second: NonZeroU32,
    /// Requests at once.
    pub(crate) burst: NonZeroU32,
}

type Limiter =
    RateLimiter<Client, DashMapStateStore<Client>, DefaultClock, StateInformationMiddleware>;

/// The counts of all clients.
#[derive(Debug)]
pub(crate) struct Rates {
    rate: Rate,
    most: usize,
    limiter: Arc<Limiter>,
    hashes: RandomState,
}

/// What is said of a client's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Requests that it may ask at once now.
    pub(crate) remaining: u32,
    /// Seconds until it may ask as many as ever.
    pub(crate) reset: u64,
    /// Seconds until it may ask again, where it may not now.
    pub(crate) wait: Option<u64>,
}

impl Rates {
    /// Counts by this rate. Call it on the runtime: a task sweeps while this lives.
    pub(crate) fn new(rate: Rate) -> Self {
        Self::with_most(rate, MOST_CLIENTS)
    }

    fn with_most(rate: Rate, most: usize) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        let limiter = RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>();
        let limiter = Arc::new(limiter);
        tokio::spawn(sweep(Arc::downgrade(&limiter)));
        Self {
            rate,
            most,
            limiter,
            hashes: RandomState::new(),
        }
    }

    /// Counts a request.
    pub(crate) fn count(&self, client: Client) -> Standing {
        let client = match client {
            Client::Address(address) => self.singly_or_in_a_crowd(address),
            Client::Key(_) | Client::Crowd(_) => client,
        };
        match self.limiter.check_key(&client) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = self.rate.burst.get().saturating_sub(remaining);
                Standing {
                    remaining,
                    reset: u64::from(used.div_ceil(self.rate.per_second.get())),
                    wait: None,
                }
            }
            Err(until) => {
                let wait = until.wait_time_from(self.limiter.clock().now());
                Standing {
                    remaining: 0,
                    reset: self.window(),
                    // A second at least: a wait of none would be no wait.
                    wait: Some((wait.as_millis().div_ceil(1_000) as u64).max(1)),
                }
            }
        }
    }

    fn singly_or_in_a_crowd(&self, address: IpAddr) -> Client {
        let address = counted(address);
        if self.limiter.len() < self.most {
            return Client::Address(address);
        }
        let crowd = self.hashes.hash_one(address) % CROWDS;
        Client::Crowd(u16::try_from(crowd).expect("there are fewer crowds"))
    }

    /// Seconds in which a burst is made up for.
    fn window(&self) -> u64 {
        u64::from(self.rate.burst.get().div_ceil(self.rate.per_second.get()))
    }

    /// Tells the client where it stands.
    pub(crate) fn tell(&self, standing: Standing, headers: &mut HeaderMap) {
        let policy = format!("\"search\";q={};w={}", self.rate.burst, self.window());
        let state = format!("\"search\";r={};t={}", standing.remaining, standing.reset);
        for (name, value) in [(POLICY, policy), (STATE, state)] {
            let value = HeaderValue::try_from(value).expect("digits and plain signs");
            headers.insert(name, value);
        }
    }
}

async fn sweep(limiter: Weak<Limiter>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(limiter) = limiter.upgrade() else {
            return;
        };
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(per_second: u32, burst: u32, most: usize) -> Rates {
        let some = |number| NonZeroU32::new(number).expect("not zero");
        let rate = Rate {
            per_second: some(per_second),
            burst: some(burst),
        };
        Rates::with_most(rate, most)
    }

    fn address(number: u32) -> Client {
        Client::Address(std::net::Ipv4Addr::from_bits(number).into())
    }

    #[tokio::test]
    async fn a_burst_passes_and_what_is_beyond_it_waits() {
        let rates = rates(1, 3, 10);
        let standings: Vec<_> = (0..4).map(|_| rates.count(address(1))).collect();
        let told = |standing: &Standing| (standing.remaining, standing.reset, standing.wait);
        let told: Vec<_> = standings.iter().map(told).collect();
        assert_eq!(
            told,
            [(2, 1, None), (1, 2, None), (0, 3, None), (0, 3, Some(1))]
        );
        // Another client is another count.
        assert_eq!(rates.count(address(2)).wait, None);
        assert_eq!(rates.count(Client::Key(0)).wait, None);
        let mut headers = HeaderMap::new();
        rates.tell(standings[1], &mut headers);
        assert_eq!(headers[&POLICY], "\"search\";q=3;w=3");
        assert_eq!(headers[&STATE], "\"search\";r=1;t=2");
    }

    #[tokio::test]
    async fn any_number_of_addresses_takes_bounded_memory_and_keys_stay_single() {
        let rates = rates(1, 1, 10);
        for number in 0..100_000 {
            rates.count(address(number));
        }
        assert!(
            rates.limiter.len() <= 10 + CROWDS as usize,
            "{}",
            rates.limiter.len()
        );
        assert_eq!(rates.count(Client::Key(3)).wait, None);
        // In a crowd that long, everyone has to wait.
        assert!(rates.count(address(7)).wait.is_some());
    }
}
