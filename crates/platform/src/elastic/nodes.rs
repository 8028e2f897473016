//! The nodes of a cluster, and which of them a request goes to.
//!
//! The client's own pool of several nodes goes round all of them, whether they answer or not, and gives a failed
//! request back. So there is a transport for each node here. All requests of ours can be repeated (writes have external
//! versions), so one that a node did not answer goes to the next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use elasticsearch::http::Method;
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::transport::Transport;

use super::ElasticError;
use super::connect::in_words;
use super::error::{MAX_REASON, cut, cut_to, words_of};
use crate::backoff::Backoff;

/// How long a node is passed over after its first failure; then twice as long each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a node that was passed over has to answer when it is looked at again.
const LOOK: Duration = Duration::from_secs(5);
/// How long a request is asked again while a node says that it cannot serve yet: another shard is made the first one
/// within a moment of a node's end, and until then those that live answer 503.
const PATIENCE: Duration = Duration::from_secs(3);
/// Before nodes are asked again for the first time; then twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// A request as any node can be asked it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// In words, for errors.
    pub(super) what: &'a str,
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) headers: HeaderMap,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) body: Option<Bytes>,
    /// Whether the time that is left goes along as `timeout`, so that the server stops by then too.
    pub(super) tell_time: bool,
}

/// The nodes, in the order of configuration. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Nodes {
    nodes: Arc<[Node]>,
    turn: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Node {
    name: String,
    transport: Transport,
    health: Mutex<Health>,
}

/// What came of asking every node once, none of which answered.
#[derive(Debug, Default)]
struct Round {
    /// Of each that was asked, what it said.
    told: Vec<String>,
    /// Whether one of them lives and cannot serve, which may pass in a moment.
    may_pass: bool,
}

impl Round {
    fn in_words(&self) -> String {
        match self.told.as_slice() {
            [] => "the time was up before one was asked".to_owned(),
            [one] => cut(one),
            several => {
                let count = several.len();
                let told: Vec<_> = several
                    .iter()
                    .map(|told| cut_to(told, MAX_REASON / count))
                    .collect();
                format!("none of {count} nodes answers: {}", told.join("; "))
            }
        }
    }
}

/// What is known of a node.
#[derive(Debug, Clone, Copy, Default)]
struct Health {
    /// Failures since it answered last.
    failures: u32,
    /// Until when it is passed over.
    until: Option<Instant>,
    /// Whether somebody is looking at it now.
    looked_at: bool,
}

impl Health {
    /// It did not answer. Several requests that failed at once count once.
    fn failed(&mut self, now: Instant) {
        if self.until.is_some_and(|until| now < until) {
            return;
        }
        let pause = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + pause.min(LONGEST_PAUSE));
    }

    /// Whether to look now if it answers again; the caller does, and nobody else meanwhile.
    fn take_look(&mut self, now: Instant) -> bool {
        let due = !self.looked_at && self.until.is_some_and(|until| until <= now);
        self.looked_at |= due;
        due
    }
}

/// Positions in the order in which to ask: those that answer, from `turn` on round, then those passed over, the one
/// whose time is up first before the others. Every position is in it once.
fn order(health: &[Health], turn: usize) -> Vec<usize> {
    let count = health.len();
    let mut order: Vec<usize> = (0..count)
        .map(|step| (turn % count + step) % count)
        .collect();
    order.sort_by_key(|position| health[*position].until);
    order
}

impl Nodes {
    /// Of `host:port` and transport of each; at least one.
    pub(super) fn new(transports: Vec<(String, Transport)>) -> Self {
        let nodes = transports.into_iter().map(|(name, transport)| Node {
            name,
            transport,
            health: Mutex::default(),
        });
        Self {
            nodes: nodes.collect(),
            turn: Arc::default(),
        }
    }

    /// Asks one node after the other until one answers: status, and the whole body. While one says that it cannot
    /// serve (502, 503, 504), all are asked again for [`PATIENCE`].
    ///
    /// # Errors
    /// [`ElasticError::Away`] when none answers `within` that time with other than 502, 503 or 504.
    pub(super) async fn send(
        &self,
        request: Request<'_>,
        within: Duration,
    ) -> Result<(u16, Bytes), ElasticError> {
        let begun = Instant::now();
        let deadline = begun + within;
        let mut backoff = Backoff::new(FIRST_WAIT, PATIENCE);
        loop {
            let failed = match self.round(&request, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let wait = backoff.next_wait();
            let next = Instant::now() + wait;
            if !failed.may_pass || next >= deadline.min(begun + PATIENCE) {
                return Err(ElasticError::Away(failed.in_words()));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Asks each node once, until one answers.
    async fn round(&self, request: &Request<'_>, deadline: Instant) -> Result<(u16, Bytes), Round> {
        let mut round = Round::default();
        for position in self.turns() {
            let node = &self.nodes[position];
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let words = match node.send(request, left).await {
                Ok((status @ 502..=504, body)) => {
                    round.may_pass = true;
                    format!(
                        "it answers {} with {status}: {}",
                        request.what,
                        words_of(&body)
                    )
                }
                Ok(answer) => {
                    node.answered();
                    return Ok(answer);
                }
                Err(error) => in_words(&error),
            };
            if self.nodes.len() > 1 {
                let failures = node.failed();
                tracing::debug!(node = node.name, failures, reason = words, "passed over");
            }
            round.told.push(format!("{}: {words}", node.name));
        }
        Err(round)
    }

    /// Positions in the order in which to ask now. Whoever is due to be looked at again is, meanwhile: no request
    /// waits for a node that may be silent while another answers.
    fn turns(&self) -> Vec<usize> {
        let now = Instant::now();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let several = self.nodes.len() > 1;
        let health = self.nodes.iter().enumerate().map(|(position, node)| {
            let mut health = node.health();
            if several && health.take_look(now) {
                tokio::spawn(self.clone().look(position));
            }
            *health
        });
        order(&health.collect::<Vec<_>>(), turn)
    }

    async fn look(self, position: usize) {
        let node = &self.nodes[position];
        let request = Request {
            what: "its health",
            method: Method::Get,
            path: "/_cluster/health",
            headers: HeaderMap::new(),
            query: &[
                ("filter_path", "status"),
                ("master_timeout", "2s"),
                ("timeout", "2s"),
            ],
            body: None,
            tell_time: false,
        };
        // Without the right to ask for it, it answers 403; it answers.
        match node.send(&request, LOOK).await {
            Ok((502..=504, _)) | Err(_) => {
                node.failed();
            }
            Ok(_) => {
                tracing::info!(node = node.name, "answers again");
                node.answered();
            }
        }
        node.health().looked_at = false;
    }
}

impl Node {
    async fn send(
        &self,
        request: &Request<'_>,
        left: Duration,
    ) -> Result<(u16, Bytes), elasticsearch::Error> {
        let time = format!("{}ms", left.as_millis().max(1));
        let mut query = request.query.to_vec();
        if request.tell_time {
            query.push(("timeout", &time));
        }
        let answer = self
            .transport
            .send(
                request.method,
                request.path,
                request.headers.clone(),
                Some(&query),
                request.body.clone(),
                Some(left),
            )
            .await?;
        let status = answer.status_code().as_u16();
        // What breaks off midway is no answer.
        Ok((status, answer.bytes().await?))
    }

    fn answered(&self) {
        let mut health = self.health();
        *health = Health {
            looked_at: health.looked_at,
            ..Health::default()
        };
    }

    /// How often it has failed since it answered last.
    fn failed(&self) -> u32 {
        let mut health = self.health();
        health.failed(Instant::now());
        health.failures
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        // Plain values are whole whatever panicked.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_over(until: Option<Instant>) -> Health {
        Health {
            until,
            ..Health::default()
        }
    }

    #[test]
    fn requests_go_round_those_that_answer_and_end_with_the_others() {
        let now = Instant::now();
        let later = |seconds| Some(now + Duration::from_secs(seconds));
        let well = [passed_over(None); 3];
        let begun: Vec<_> = (0..4).map(|turn| order(&well, turn)).collect();
        assert_eq!(begun, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);

        let some = [later(9), None, later(3), None].map(passed_over);
        assert_eq!(order(&some, 0), [1, 3, 2, 0]);
        assert_eq!(order(&some, 2), [3, 1, 2, 0]);
        let none = [later(9), later(3)].map(passed_over);
        assert_eq!(order(&none, 0), [1, 0]);
    }

    #[test]
    fn the_pause_doubles_with_every_failure_up_to_a_bound() {
        let mut now = Instant::now();
        let mut health = Health::default();
        let mut pauses = Vec::new();
        for _ in 0..20 {
            health.failed(now);
            // What was under way fails a moment later.
            health.failed(now + Duration::from_millis(1));
            let until = health.until.expect("passed over");
            pauses.push((until - now).as_secs());
            now = until;
        }
        assert_eq!(pauses[..6], [1, 2, 4, 8, 16, 30]);
        assert!(pauses[6..].iter().all(|pause| *pause == 30));
    }

    #[test]
    fn one_looks_again_and_only_when_it_is_time() {
        let now = Instant::now();
        let mut health = Health::default();
        assert!(!health.take_look(now), "it answers");
        health.failed(now);
        assert!(!health.take_look(now), "it has just failed");
        let then = now + FIRST_PAUSE;
        assert!(health.take_look(then));
        assert!(!health.take_look(then), "somebody looks already");
    }

    proptest::proptest! {
        #[test]
        fn every_node_is_asked_once_and_none_that_answers_after_one_that_does_not(
            pauses in proptest::collection::vec(proptest::option::of(0_u64..60), 1..9),
            turn: usize,
        ) {
            let now = Instant::now();
            let until = |pause: &Option<u64>| pause.map(|seconds| now + Duration::from_secs(seconds));
            let health: Vec<_> = pauses.iter().map(until).map(passed_over).collect();
            let order = order(&health, turn);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            proptest::prop_assert_eq!(sorted, (0..pauses.len()).collect::<Vec<_>>());
            proptest::prop_assert!(order.is_sorted_by_key(|position| pauses[*position]));
        }
    }
}
