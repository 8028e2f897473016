//! What a status says. Its JSON is what programs read: keys are added, never changed.

use std::collections::BTreeMap;

use serde::Serialize;
use tusou_ingest::lists::ListState;

pub use super::services::{ServiceState, ServiceStatus};

/// How far everything is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Status {
    /// Nothing is due, on its way or waiting: what was found is searchable, or has its reason.
    pub done: bool,
    /// An estimate; absent where nothing moves.
    pub time_left_seconds: Option<u64>,
    /// Pages by state.
    pub pages: UrlCounts,
    /// Image URLs by state.
    pub image_urls: UrlCounts,
    /// What sites name by themselves.
    pub discovered: Discovered,
    /// Hosts that have something due.
    pub hosts: HostCounts,
    /// Addresses on pages that are no URLs.
    pub unparsable_urls: u64,
    /// Pictures that pages show and that are not taken, by why: counted at each page.
    pub pictures_left: BTreeMap<String, u64>,
    /// The seeds, the oldest first.
    pub seeds: Vec<SeedStatus>,
    /// Lists and imported folders, the oldest first.
    pub lists: Vec<ListStatus>,
    /// Pictures by what became of them.
    pub images: ImageCounts,
    /// What each model made: those in use, then others that a written index holds.
    pub models: Vec<ModelStatus>,
    /// Pictures seen at pages, now.
    pub sightings: u64,
    /// Messages that the crawler still owes the broker.
    pub outbox: u64,
    /// The broker's queues, by name; empty where it does not tell.
    pub queues: Vec<QueueCount>,
    /// Dead letters by queue and reason.
    pub dead: Vec<DeadCount>,
    /// Messages that wait to be tried again, by queue and reason.
    pub retrying: Vec<DeadCount>,
    /// Over the last minute.
    pub rates: Rates,
    /// The index that searches ask, where there is one.
    pub index: Option<String>,
    /// Indexes that are being filled beside it.
    pub filling: Vec<Filling>,
    /// The services at the addresses of this configuration.
    pub services: Vec<ServiceStatus>,
    /// What rests until it is resumed.
    pub pauses: Vec<Pause>,
    /// What keeps things from going on, in sentences; empty where all goes on.
    pub held_up: Vec<String>,
    /// What could not be looked at, and why.
    pub problems: Vec<String>,
    /// Postgres does not answer: nothing that it holds is counted here.
    pub postgres_away: bool,
}

/// Hosts that have something due, paused ones left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct HostCounts {
    /// All of them.
    pub due: u64,
    /// Those that could not be reached in their last turn, and rest.
    pub out_of_reach: u64,
}

/// URLs by state, the failed and skipped ones by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UrlCounts {
    /// Still to be fetched.
    pub due: u64,
    /// Fetched.
    pub done: u64,
    /// Given up after their attempts.
    pub failed: BTreeMap<String, u64>,
    /// Not to be fetched.
    pub skipped: BTreeMap<String, u64>,
}

/// What sites name by sitemaps and feeds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Discovered {
    /// Sitemaps by state; they are not among the pages.
    pub sitemaps: UrlCounts,
    /// Pages that were read as feeds.
    pub feeds: u64,
    /// Pages and further sitemaps that all of them name.
    pub named: u64,
    /// Pages, pictures and sitemaps that were left out because of a bound.
    pub left_out: u64,
    /// Sitemaps and feeds that were not read to their end: broken, or longer than the bound.
    pub cut: u64,
}

/// How far one seed is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeedStatus {
    /// Its number.
    pub seed_id: i64,
    /// Where it begins.
    pub url: String,
    /// `host`, `domain` or `prefix`.
    pub scope: String,
    /// Links followed in a row.
    pub max_depth: u32,
    /// The most pages.
    pub max_pages: u64,
    /// None of its pages and image URLs is due.
    pub done: bool,
    /// Its pages.
    pub pages: UrlCounts,
    /// The image URLs that its pages show.
    pub image_urls: UrlCounts,
}

/// How far a list or an imported folder is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListStatus {
    /// What was read of it.
    #[serde(flatten)]
    pub list: ListState,
    /// It was read to its end, and none of its image URLs is due.
    pub done: bool,
    /// The image URLs that it names.
    pub image_urls: UrlCounts,
}

/// Pictures by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImageCounts {
    /// Different pictures stored.
    pub stored: u64,
    /// That were decoded and encoded.
    pub encoded: u64,
    /// That cannot be encoded, or not by the first model of the index that searches ask, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Searchable as they are now.
    pub indexed: u64,
    /// That Elasticsearch refuses, by its reason.
    pub refused: BTreeMap<String, u64>,
    /// On their way into the index.
    pub pending: u64,
    /// That no page shows and no folder brought: nothing to find them by.
    pub unseen: u64,
}

/// What a model made of the pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModelStatus {
    /// The model pack's name.
    pub model: String,
    /// The model pack's digest.
    pub digest: String,
    /// The document's field.
    pub field: String,
    /// What it runs on in the encoder that was asked; `None` where none answers, or it does not run there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// It makes a score and no vector.
    pub scores: bool,
    /// `models.packs` names it.
    pub configured: bool,
    /// A written index has its field; of a score every one has.
    pub indexed: bool,
    /// Pictures with its vector or score.
    pub made: u64,
    /// Pictures that were encoded without it.
    pub lacking: u64,
    /// Pictures that it failed for, by reason; others may have worked.
    pub failed: BTreeMap<String, u64>,
}

/// A queue's messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueCount {
    /// The queue's name at the broker.
    pub name: String,
    /// Waiting.
    pub ready: u64,
    /// Being worked on.
    pub unacknowledged: u64,
    /// Processes that take from it now.
    pub consumers: u64,
}

/// Dead letters of a queue that share their reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadCount {
    /// The dead queue.
    pub queue: String,
    /// A short word: `foreign_message`.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// An index that is written and not yet searched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Filling {
    /// Its name.
    pub index: String,
    /// Pictures that it holds as they are now.
    pub indexed: u64,
}

/// Something that rests on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// As `tusou resume` takes it: `crawl`, `encoder`, `indexer` or `host http://example.org`.
    pub what: String,
    /// In the words of whoever paused it.
    pub why: String,
    /// RFC 3339, where it is known.
    pub since: Option<String>,
}

/// Over the last minute, or since the first where that is shorter ago.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Pages fetched.
    pub pages_per_second: f64,
    /// New pictures stored.
    pub images_stored_per_second: f64,
    /// Pictures encoded.
    pub images_encoded_per_second: f64,
    /// Documents written.
    pub images_indexed_per_second: f64,
}

impl UrlCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.due + self.done + sum(&self.failed) + sum(&self.skipped)
    }
}

impl ImageCounts {
    /// Pictures of which this status cannot say what became: none, as long as the rows are whole.
    pub fn unaccounted(&self) -> u64 {
        let told =
            self.indexed + self.pending + self.unseen + sum(&self.failed) + sum(&self.refused);
        self.stored.saturating_sub(told)
    }
}

impl QueueCount {
    /// Whether messages here are parked for good.
    pub fn is_dead(&self) -> bool {
        self.name.ends_with(".dead")
    }

    /// Whether messages here wait to be tried again.
    pub fn is_retry(&self) -> bool {
        self.name.ends_with(".retry")
    }
}

impl Status {
    /// Fills in what follows from the counts.
    pub(super) fn conclude(mut self) -> Self {
        let queues = self.queues.iter().filter(|queue| !queue.is_dead());
        let queued: u64 = queues.map(|queue| queue.ready + queue.unacknowledged).sum();
        self.done = self.problems.is_empty()
            && self.pages.due == 0
            && self.discovered.sitemaps.due == 0
            && self.image_urls.due == 0
            && self.outbox == 0
            && self.images.pending == 0
            && queued == 0;
        self.time_left_seconds = match self.done {
            true => Some(0),
            false if self.stands() => None,
            false => self.time_left(),
        };
        self
    }

    /// Whether a stage of the way to the index does not work, so that no rate tells when the end comes.
    fn stands(&self) -> bool {
        let services = self.services.iter();
        let mut stages = services.filter(|service| service.name != "search");
        let rests = |pause: &Pause| ["crawl", "encoder", "indexer"].contains(&pause.what.as_str());
        stages.any(|stage| stage.state != ServiceState::Ready) || self.pauses.iter().any(rests)
    }

    /// As long as the slowest stage needs for what is known to be left. Pages are still being found,
    /// so early in a crawl it is too short.
    fn time_left(&self) -> Option<u64> {
        let stages = [
            (self.pages.due, self.rates.pages_per_second),
            (self.images.pending, self.rates.images_indexed_per_second),
        ];
        let mut longest: Option<u64> = None;
        for (left, rate) in stages {
            if left == 0 {
                continue;
            }
            if rate <= 0.0 {
                return None;
            }
            longest = longest.max(Some((left as f64 / rate).ceil() as u64));
        }
        longest
    }
}

/// The sum over all reasons.
pub(crate) fn sum(reasons: &BTreeMap<String, u64>) -> u64 {
    reasons.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, ready: u64) -> QueueCount {
        QueueCount {
            name: name.into(),
            ready,
            unacknowledged: 0,
            consumers: 1,
        }
    }

    #[test]
    fn done_needs_everything_to_be_at_rest() {
        let done = |change: fn(&mut Status)| {
            let mut status = Status {
                queues: vec![queue("images.fetched.dead", 7)],
                ..Status::default()
            };
            change(&mut status);
            status.conclude().done
        };
        assert!(done(|_| ()));
        assert!(done(|status| status.pages.done = 3));
        assert!(!done(|status| status.pages.due = 1));
        assert!(!done(|status| status.discovered.sitemaps.due = 1));
        assert!(!done(|status| status.image_urls.due = 1));
        assert!(!done(|status| status.outbox = 1));
        assert!(!done(|status| status.images.pending = 1));
        assert!(!done(|status| status
            .queues
            .push(queue("images.fetched.retry", 1))));
        assert!(!done(|status| status
            .problems
            .push("RabbitMQ is away".into())));
    }

    #[test]
    fn the_slowest_stage_says_how_long() {
        let mut status = Status::default();
        status.pages.due = 100;
        status.rates.pages_per_second = 10.0;
        assert_eq!(status.clone().conclude().time_left_seconds, Some(10));
        status.images.pending = 100;
        assert_eq!(status.clone().conclude().time_left_seconds, None);
        status.rates.images_indexed_per_second = 0.5;
        assert_eq!(status.conclude().time_left_seconds, Some(200));
    }

    #[test]
    fn no_time_is_told_while_a_stage_stands() {
        let mut status = Status::default();
        status.pages.due = 100;
        status.rates.pages_per_second = 10.0;
        let service = |name, state| ServiceStatus {
            name,
            address: ([127, 0, 0, 1], 9182).into(),
            state,
            waits_for: BTreeMap::new(),
            about: BTreeMap::new(),
            version: None,
        };
        // Searches are no stage of the way to the index.
        status.services = vec![
            service("encoder", ServiceState::Ready),
            service("search", ServiceState::Silent),
        ];
        assert_eq!(status.clone().conclude().time_left_seconds, Some(10));
        let mut without_encoder = status.clone();
        without_encoder.services[0].state = ServiceState::Silent;
        assert_eq!(without_encoder.conclude().time_left_seconds, None);
        status.pauses = vec![Pause {
            what: "indexer".into(),
            why: String::new(),
            since: None,
        }];
        assert_eq!(status.conclude().time_left_seconds, None);
    }
}
