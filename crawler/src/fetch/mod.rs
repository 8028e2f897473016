//! One URL: fetched, read or verified, and its outcome written.

mod canonical;
mod image;
mod named;
mod page;
mod request;
mod resource;
mod sheets;
mod shown;
mod sieve;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tusou_ingest::{Address, StoredImage};
use tusou_platform::blobs::BlobStore;
use tusou_platform::door::{Door, Limits};
use tusou_platform::ops::Health;
use tusou_platform::trace::Span;

use crate::config::Settings;
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::frontier::{DueUrl, Frontier, HostLease, Kind, Outcome, Written};
use crate::gate::Gate;
use crate::host_files::{HostFiles, HostRules};
use crate::metrics;
use crate::render::Renderer;
use crate::slots::{HostSlot, Slot, SlotRefused, Slots};
use crate::writer::Writer;
use page::Read;
use request::{Answered, NoAnswer};
use sheets::Sheets;

pub(crate) use resource::NotHad;

/// Bodies in memory at once, in MiB: what a crawler process may hold whatever servers send.
const BODIES_MIB: u32 = 384;

/// An address as traces tell it: what stands in a query may be a secret.
fn without_query(address: &Address) -> String {
    let text = address.as_str();
    text.split('?').next().unwrap_or(text).to_owned()
}

/// How long what lies beyond loopback is let be where the configuration does not say who asks.
pub(crate) const NO_CONTACT: Duration = Duration::from_secs(300);

/// When a page that is to be rendered is asked for where too many wait for that.
const FULL: Duration = Duration::from_secs(30);

/// Fetches URLs of leased hosts. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    pub(crate) settings: Arc<Settings>,
    door: Door,
    pub(crate) slots: Slots,
    pub(crate) blobs: BlobStore,
    pub(crate) frontier: Frontier,
    pub(crate) writer: Writer,
    pub(crate) rules: Arc<HostFiles>,
    pub(crate) gate: Gate,
    health: Health,
    pub(crate) renderer: Renderer,
    bodies: Arc<Semaphore>,
    /// Parsing is bound by the processor and holds a tree many times the page: one a core.
    parsers: Arc<Semaphore>,
    sheets: Sheets,
}

/// What a fetch says of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostSays {
    /// Go on.
    GoOn,
    /// It could not be reached, and nothing was written: the URL may not be to blame.
    Unreached(Failure),
}

/// The leave to fetch a URL of a host now, and the room for its body.
#[derive(Debug)]
pub(crate) struct Admission {
    slot: Slot,
    room: OwnedSemaphorePermit,
}

impl Fetcher {
    pub(crate) fn new(
        settings: Arc<Settings>,
        rules: HostFiles,
        blobs: BlobStore,
        writer: Writer,
        gate: Gate,
        health: Health,
        renderer: Renderer,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            settings,
            door: rules.door().clone(),
            slots: rules.slots().clone(),
            blobs,
            frontier: rules.frontier().clone(),
            writer,
            rules: Arc::new(rules),
            gate,
            health,
            renderer,
            bodies: Arc::new(Semaphore::new(BODIES_MIB as usize)),
            parsers: Arc::new(Semaphore::new(cores)),
            sheets: Sheets::new(),
        }
    }

    fn limits(&self, kind: Kind) -> &Limits {
        match kind {
            Kind::Page => &self.settings.page,
            Kind::Sitemap => &self.settings.sitemap,
            Kind::Image => &self.settings.image,
        }
    }

    /// Waits until a URL of this kind may be fetched of a leased host.
    pub(crate) async fn admit(
        self,
        host: Arc<HostSlot>,
        kind: Kind,
    ) -> Result<Admission, SlotRefused> {
        let place = host.place().await?;
        // Room last of all, since a host's pace may be slow; and a start only with room, since what
        // is late by its own waiting would be too near to the next.
        place.due().await?;
        let room = Arc::clone(&self.bodies)
            .acquire_many_owned((mib(self.limits(kind).max_bytes) + beside(kind)).min(BODIES_MIB))
            .await
            .expect("the semaphore is never closed");
        let slot = place.start().await?;
        Ok(Admission { slot, room })
    }

    /// Fetches a URL and writes its outcome, as a piece of a trace where somebody follows it.
    pub(crate) async fn fetch(
        &self,
        admission: Admission,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
    ) -> Result<HostSays, CrawlError> {
        let mut span = match url.kind {
            Kind::Page => Span::root("fetch page"),
            Kind::Image => Span::child("fetch image", url.trace.as_ref()),
            Kind::Sitemap => Span::default(),
        };
        span.say("url.full", || without_query(&url.address));
        let followed = DueUrl {
            trace: span.parent(),
            ..url.clone()
        };
        self.fetch_followed(admission, lease, rules, &followed)
            .await
    }

    async fn fetch_followed(
        &self,
        admission: Admission,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
    ) -> Result<HostSays, CrawlError> {
        let Admission { slot, mut room } = admission;
        let _message = (url.kind == Kind::Image).then(|| self.gate.expect(1));
        if url.kind == Kind::Page && self.renderer.is_full_for(url) {
            self.put_off(url, FULL, "render_busy").await?;
            return Ok(HostSays::GoOn);
        }
        let limits = self.limits(url.kind);
        let outcome = match self
            .answer_in(slot, lease, rules, url.into(), limits)
            .await?
        {
            Err(NoAnswer::Unreached(failure)) => return Ok(HostSays::Unreached(failure)),
            Err(NoAnswer::NoContact) => {
                self.lacks_contact(url.address.as_str());
                self.put_off(url, NO_CONTACT, "contact_unset").await?;
                return Ok(HostSays::GoOn);
            }
            Err(NoAnswer::Later(after)) => {
                self.put_off(url, after, "put_off").await?;
                return Ok(HostSays::GoOn);
            }
            Err(NoAnswer::Failed(failure)) => Outcome::Failed(named::quiet(rules, url, failure)),
            Ok(answered) => {
                // Others need not wait for what this body might have been.
                let kept = mib(answered.answer.body.len() as u64) + beside(url.kind);
                let kept = kept as usize;
                drop(room.split(room.num_permits().saturating_sub(kept)));
                match url.kind {
                    Kind::Page => match self.page(lease, rules, url, answered.answer).await? {
                        Read::Outcome(outcome) => *outcome,
                        Read::Later(after) => {
                            self.put_off(url, after, "put_off").await?;
                            return Ok(HostSays::GoOn);
                        }
                    },
                    Kind::Sitemap => self.sitemap(lease, rules, url, answered).await?,
                    Kind::Image => self.image(lease, rules, url, answered).await?,
                }
            }
        };
        self.write(lease, url, outcome).await?;
        Ok(HostSays::GoOn)
    }

    /// A URL is to be asked for another time, for reasons that are not its own.
    async fn put_off(
        &self,
        url: &DueUrl,
        after: Duration,
        word: &'static str,
    ) -> Result<(), CrawlError> {
        self.frontier.put_off(url, after).await?;
        metrics::outcome(url.kind, word);
        Ok(())
    }

    /// What is asked for lies beyond loopback, or leads there, and `crawler.contact` is not set.
    pub(crate) fn lacks_contact(&self, asked: &str) {
        let reason = format!(
            "{asked} is beyond loopback and not asked: set `crawler.contact` to a page or mail address where site owners reach you"
        );
        tracing::warn!("{reason}");
        self.health.set("contact", Err(reason));
    }

    /// Writes what a fetch brought.
    pub(crate) async fn write(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        outcome: Outcome,
    ) -> Result<(), CrawlError> {
        let failure = match &outcome {
            Outcome::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        let _messages = match &outcome {
            Outcome::Page(record) => Some(self.gate.expect(record.pictures.len())),
            _ => None,
        };
        let written = self.writer.write(lease, url, outcome).await?;
        if let Written::Image(StoredImage { id, new: true, .. }) = written {
            metrics::stored();
            tracing::debug!(url = %url.address, image = %id, "new image");
        }
        let Some(failure) = failure else {
            metrics::outcome(url.kind, written.word());
            return Ok(());
        };
        let word = failure.reason();
        metrics::outcome(url.kind, word);
        tracing::debug!(url = %url.address, reason = word, ?written, "brought nothing");
        Ok(())
    }
}

/// Room for what is asked for beside a body, in MiB: a page's style sheets, one after another.
fn beside(kind: Kind) -> u32 {
    match kind {
        Kind::Page => mib(sheets::MAX_BYTES),
        Kind::Sitemap | Kind::Image => 0,
    }
}

/// Room for so many bytes, in MiB begun.
fn mib(bytes: u64) -> u32 {
    let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(BODIES_MIB);
    mib.clamp(1, BODIES_MIB)
}
