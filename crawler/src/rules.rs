//! The robots.txt of an origin: from memory, from the host's row, or from the host itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use tusou_ingest::Address;
use tusou_platform::door::{Door, FetchError, Limits};

use crate::error::CrawlError;
use crate::frontier::{Failure, Frontier};
use crate::robots::Robots;

/// RFC 9309 §2.4: not longer than 24 hours.
const KEEP: Duration = Duration::from_secs(24 * 3600);
/// How long this process trusts its own copy before it looks at the row again.
const KEEP_IN_MEMORY: Duration = Duration::from_secs(60);
/// Copies in memory, at most.
const COPIES: usize = 10_000;
/// RFC 9309 §2.3.1.2: at least five redirects.
const REDIRECTS: usize = 5;

/// What is known of an origin's rules.
#[derive(Debug, Clone)]
pub(crate) enum Rules {
    /// They are these.
    Known(Arc<Robots>),
    /// They were asked for just now and could not be had: nothing may be fetched.
    Unreachable(Failure),
    /// They could not be had a short while ago; it is too early to ask again.
    Wait,
}

/// Rules by origin.
#[derive(Debug)]
pub(crate) struct RuleBook {
    door: Door,
    frontier: Frontier,
    limits: Limits,
    /// How long a failure to reach robots.txt is remembered.
    rest: Duration,
    copies: Mutex<HashMap<String, (Instant, Arc<Robots>)>>,
}

impl RuleBook {
    pub(crate) fn new(door: Door, frontier: Frontier, limits: Limits, rest: Duration) -> Self {
        Self {
            door,
            frontier,
            limits,
            rest,
            copies: Mutex::default(),
        }
    }

    /// The rules of an origin.
    pub(crate) async fn of(&self, origin: &str) -> Result<Rules, CrawlError> {
        if let Some(robots) = self.copy(origin) {
            return Ok(Rules::Known(robots));
        }
        if let Some(row) = self.frontier.robots(origin).await?.filter(|row| row.fresh) {
            let status = row
                .robots_status
                .and_then(|status| u16::try_from(status).ok());
            let robots = Robots::from_status(status, &row.robots_body.unwrap_or_default());
            return Ok(if robots.is_unreachable() {
                Rules::Wait
            } else {
                Rules::Known(self.keep_copy(origin, robots))
            });
        }
        self.fetch(origin).await
    }

    async fn fetch(&self, origin: &str) -> Result<Rules, CrawlError> {
        let (status, body, failure) = match self.ask(origin).await {
            Ok((status, body)) => (Some(status), body, Failure::again("robots_unavailable")),
            Err(cause) => (None, Default::default(), Failure::from(&cause)),
        };
        let robots = Robots::from_status(status, &body);
        let keep = if robots.is_unreachable() {
            self.rest
        } else {
            KEEP
        };
        self.frontier
            .store_robots(origin, status, &body, keep)
            .await?;
        tracing::debug!(origin, ?status, bytes = body.len(), "robots.txt");
        Ok(if robots.is_unreachable() {
            Rules::Unreachable(failure)
        } else {
            Rules::Known(self.keep_copy(origin, robots))
        })
    }

    /// Status and body, redirects followed. A chain too long or broken counts as 404: RFC 9309
    /// §2.3.1.2 lets the crawler assume that there is none.
    async fn ask(&self, origin: &str) -> Result<(u16, bytes::Bytes), FetchError> {
        let Ok(mut address) = Address::parse(&format!("{origin}/robots.txt")) else {
            return Ok((404, bytes::Bytes::new()));
        };
        for _ in 0..=REDIRECTS {
            let answer = self
                .door
                .get(address.url(), HeaderMap::new(), &self.limits)
                .await?;
            if !(300..400).contains(&answer.status) {
                return Ok((answer.status, answer.body));
            }
            match answer
                .redirect(address.url())
                .map(|target| Address::parse(target.as_str()))
            {
                Some(Ok(target)) => address = target,
                _ => break,
            }
        }
        Ok((404, bytes::Bytes::new()))
    }

    fn copy(&self, origin: &str) -> Option<Arc<Robots>> {
        let copies = self.copies.lock().expect("no holder of this lock panics");
        let (since, robots) = copies.get(origin)?;
        (since.elapsed() < KEEP_IN_MEMORY).then(|| Arc::clone(robots))
    }

    fn keep_copy(&self, origin: &str, robots: Robots) -> Arc<Robots> {
        let robots = Arc::new(robots);
        let mut copies = self.copies.lock().expect("no holder of this lock panics");
        if copies.len() >= COPIES {
            copies.clear();
        }
        copies.insert(origin.to_owned(), (Instant::now(), Arc::clone(&robots)));
        robots
    }
}
