//! What is broken when: a schedule that follows from its seed.

use std::collections::HashMap;
use std::time::Duration;

use super::rng::Rng;

/// A service of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// `tusou-crawler`
    Crawler,
    /// `tusou-encoder`
    Encoder,
    /// `tusou-indexer`
    Indexer,
    /// `tusou-search`
    Search,
}

/// A store of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Store {
    /// Postgres
    Postgres,
    /// RabbitMQ
    Rabbitmq,
    /// Elasticsearch
    Elasticsearch,
}

/// What becomes of connections through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// They break, and new ones with them.
    Cut,
    /// Nothing passes.
    Stalled,
    /// Little passes.
    Slow,
}

/// What the site answers in place of what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// 429 with `Retry-After: 1`.
    TooMany,
    /// 503
    Unavailable,
    /// The connection is reset.
    Reset,
    /// Fewer bytes than promised.
    Truncated,
    /// Nothing, for longer than anybody waits.
    Silence,
    /// 500
    Broken,
}

/// What is put into the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mail {
    /// A second copy of messages that are on their way, or of ones long done.
    Duplicate,
    /// What was true earlier: a failure of a picture that is encoded, a change long indexed.
    Stale,
    /// What nobody wrote: bytes, unknown pictures, wrong vectors.
    Garbage,
}

/// A change of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// New pages with new pictures.
    Grow,
    /// Other words and other pictures on pages.
    EditPages,
    /// Pages answer 404 or 410.
    DropPages,
    /// Pages redirect to a new address.
    MovePages,
    /// Picture URLs serve other bytes.
    SwapPictures,
    /// Picture URLs answer 404.
    DropPictures,
}

/// Something that is done to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// SIGKILL; started again.
    Kill(Part),
    /// SIGTERM; started again.
    Stop(Part),
    /// SIGSTOP, then SIGCONT.
    Pause(Part),
    /// Stopped and started again.
    RestartStore(Store),
    /// SIGSTOP of all its processes, then SIGCONT.
    PauseStore(Store),
    /// Through the proxy.
    Wire(Store, Line),
    /// The site misbehaves.
    Site(Answer),
    /// The blob store is full.
    FullDisk,
    /// Messages that the chain did not write.
    Queues(Mail),
    /// The site changes.
    Change(Mutation),
    /// What has changed is to be read again, and nothing else: what is read again is written again,
    /// and would hide that it was lost.
    Recrawl,
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Since the beginning.
    pub at: Duration,
    /// How long it lasts, where it lasts.
    pub lasts: Duration,
    /// What happens.
    pub fault: Fault,
    /// For what the fault chooses by itself.
    pub seed: u64,
}

/// All events of a run, by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Sorted by `at`.
    pub events: Vec<Event>,
    /// When faults end.
    pub ends: Duration,
}

/// Between two looks of the plan.
const STEP_MS: (u64, u64) = (300, 2_300);
/// Stores are stopped and paused one at a time.
const STACK: &str = "stack";
/// Between two rounds of changes.
const RECRAWL_EVERY: Duration = Duration::from_secs(24);

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Crawler, Self::Encoder, Self::Indexer, Self::Search];

    /// Those that a crawl needs.
    pub const CRAWL: [Self; 3] = [Self::Crawler, Self::Encoder, Self::Indexer];

    /// Its binary.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Crawler => "tusou-crawler",
            Self::Encoder => "tusou-encoder",
            Self::Indexer => "tusou-indexer",
            Self::Search => "tusou-search",
        }
    }
}

impl Store {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Rabbitmq, Self::Elasticsearch];

    /// As the local stack calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Rabbitmq => "rabbitmq",
            Self::Elasticsearch => "elasticsearch",
        }
    }
}

impl Fault {
    /// Every fault that is no change of the site.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for part in Part::ALL {
            all.extend([Self::Kill(part), Self::Stop(part), Self::Pause(part)]);
        }
        for store in Store::ALL {
            all.extend([Self::RestartStore(store), Self::PauseStore(store)]);
            all.extend([Line::Cut, Line::Stalled, Line::Slow].map(|line| Self::Wire(store, line)));
        }
        all.extend(
            [
                Answer::TooMany,
                Answer::Unavailable,
                Answer::Reset,
                Answer::Truncated,
                Answer::Silence,
                Answer::Broken,
            ]
            .map(Self::Site),
        );
        all.extend([Mail::Duplicate, Mail::Stale, Mail::Garbage].map(Self::Queues));
        all.push(Self::FullDisk);
        all
    }

    /// What a table counts it under.
    pub fn kind(self) -> String {
        let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
        match self {
            Self::Kill(part) => format!("SIGKILL {}", word(&part)),
            Self::Stop(part) => format!("SIGTERM {}", word(&part)),
            Self::Pause(part) => format!("SIGSTOP {}", word(&part)),
            Self::RestartStore(store) => format!("restart {}", word(&store)),
            Self::PauseStore(store) => format!("pause {}", word(&store)),
            Self::Wire(store, line) => format!("line to {} {}", word(&store), word(&line)),
            Self::Site(answer) => format!("site {}", word(&answer)),
            Self::FullDisk => "blob store full".into(),
            Self::Queues(mail) => format!("messages {}", word(&mail)),
            Self::Change(change) => format!("change {}", word(&change)),
            Self::Recrawl => "recrawl".into(),
        }
    }

    /// What two faults may not do at once.
    fn target(self) -> String {
        match self {
            Self::Kill(part) | Self::Stop(part) | Self::Pause(part) => format!("{part:?}"),
            Self::RestartStore(_) | Self::PauseStore(_) => STACK.into(),
            Self::Wire(store, _) => format!("line {store:?}"),
            Self::Site(_) => "site".into(),
            other => format!("{other:?}"),
        }
    }

    /// How long it lasts, and how long its target is busy with it.
    fn lasts(self, rng: &mut Rng) -> (Duration, Duration) {
        let lasts = match self {
            Self::Kill(_) | Self::Stop(_) => rng.millis(0, 2_500),
            Self::RestartStore(_) => rng.millis(0, 3_000),
            Self::Pause(_) | Self::PauseStore(_) => rng.millis(2_000, 8_000),
            Self::Wire(_, Line::Slow) => rng.millis(3_000, 9_000),
            Self::Wire(..) => rng.millis(300, 7_000),
            Self::Site(_) => rng.millis(1_500, 6_000),
            Self::FullDisk => rng.millis(2_000, 7_000),
            Self::Queues(_) | Self::Change(_) | Self::Recrawl => Duration::ZERO,
        };
        let rest = match self {
            Self::RestartStore(Store::Elasticsearch) => 26,
            Self::RestartStore(_) => 11,
            Self::PauseStore(_) | Self::Kill(_) | Self::Stop(_) => 3,
            _ => 1,
        };
        (lasts, lasts + Duration::from_secs(rest))
    }
}

impl Plan {
    /// The schedule of a seed. Every fault comes once, in random order, then any; the site changes
    /// throughout, and what has changed is read again.
    pub fn new(seed: u64, ends: Duration) -> Self {
        let mut rng = Rng::new(seed);
        let mut events = changes(&mut rng, ends);
        let mut first = Fault::all();
        rng.shuffle(&mut first);
        let all = Fault::all();
        let mut free_at: HashMap<String, Duration> = HashMap::new();
        let mut at = Duration::from_millis(1_500);
        while at < ends {
            let is_free =
                |fault: &&Fault| free_at.get(&fault.target()).is_none_or(|free| *free <= at);
            // The stores take longest, and one at a time: those that are still to come go first.
            let by_need: [Vec<Fault>; 3] = [
                first
                    .iter()
                    .filter(|fault| fault.target() == STACK)
                    .filter(is_free)
                    .copied()
                    .collect(),
                first.iter().filter(is_free).copied().collect(),
                all.iter().filter(is_free).copied().collect(),
            ];
            if let Some(free) = by_need.into_iter().find(|free| !free.is_empty()) {
                let fault = *rng.pick(&free);
                let (lasts, busy) = fault.lasts(&mut rng);
                free_at.insert(fault.target(), at + busy);
                first.retain(|other| *other != fault);
                events.push(Event {
                    at,
                    lasts,
                    fault,
                    seed: rng.next(),
                });
            }
            let (least, most) = STEP_MS;
            at += rng.millis(least, most);
        }
        events.sort_by_key(|event| event.at);
        Self { events, ends }
    }
}

fn changes(rng: &mut Rng, ends: Duration) -> Vec<Event> {
    let all = [
        Mutation::Grow,
        Mutation::EditPages,
        Mutation::DropPages,
        Mutation::MovePages,
        Mutation::SwapPictures,
        Mutation::DropPictures,
    ];
    let rounds = (ends.as_secs() / RECRAWL_EVERY.as_secs()).max(3);
    let last = ends.mul_f64(0.95);
    let mut events = Vec::new();
    for round in 0..rounds {
        let begins = last.mul_f64((round as f64 + 0.35) / rounds as f64);
        let mut chosen = all.to_vec();
        rng.shuffle(&mut chosen);
        // A first round has all of them, so that a short run has them too.
        chosen.truncate(if round == 0 { all.len() } else { 3 });
        if !chosen.contains(&Mutation::Grow) {
            chosen.push(Mutation::Grow);
        }
        let mut at = begins;
        for change in chosen {
            events.push(Event {
                at,
                lasts: Duration::ZERO,
                fault: Fault::Change(change),
                seed: rng.next(),
            });
            at += rng.millis(0, 900);
        }
        events.push(Event {
            at: at + Duration::from_millis(1),
            lasts: Duration::ZERO,
            fault: Fault::Recrawl,
            seed: rng.next(),
        });
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_schedule() {
        let long = Duration::from_secs(600);
        assert_eq!(Plan::new(5, long), Plan::new(5, long));
        assert_ne!(Plan::new(5, long), Plan::new(6, long));
    }

    #[test]
    fn every_fault_comes_and_a_recrawl_follows_the_last_change() {
        for seed in 0..50 {
            let plan = Plan::new(seed, Duration::from_secs(120));
            for fault in Fault::all() {
                let comes = plan.events.iter().any(|event| event.fault == fault);
                assert!(comes, "seed {seed}: {fault:?}");
            }
            let position = |wanted: fn(&Fault) -> bool| {
                plan.events.iter().rposition(|event| wanted(&event.fault))
            };
            let change = position(|fault| matches!(fault, Fault::Change(_)));
            let recrawl = position(|fault| matches!(fault, Fault::Recrawl));
            assert!(change < recrawl, "seed {seed}");
            assert!(plan.events.is_sorted_by_key(|event| event.at));
        }
    }

    #[test]
    fn no_service_is_struck_twice_at_once() {
        for seed in 0..50 {
            let plan = Plan::new(seed, Duration::from_secs(300));
            let mut busy: HashMap<String, Duration> = HashMap::new();
            for event in &plan.events {
                let free = busy.get(&event.fault.target()).copied().unwrap_or_default();
                assert!(free <= event.at, "seed {seed}: {event:?}");
                busy.insert(event.fault.target(), event.at + event.lasts);
            }
        }
    }
}
