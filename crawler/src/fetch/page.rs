//! A page's answer: read, and what its owner lets be taken from it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tusou_contract::SightingContext;
use tusou_ingest::{Address, PagePicture, PageRecord, Reading, Validators, tracking};
use tusou_platform::door::Answer;

use super::Fetcher;
use super::canonical::{Preferred, may_stand_for};
use super::request::target;
use super::sheets::Added;
use super::shown::{self, Shown};
use crate::directives::{Directives, from_headers};
use crate::error::CrawlError;
use crate::extract::{self, Extracted};
use crate::failure::Failure;
use crate::frontier::{DueUrl, HostLease, Outcome};
use crate::host_files::HostRules;
use crate::link_header::HeaderLinks;
use crate::revisit;

impl Fetcher {
    pub(super) async fn page(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
        answer: Answer,
    ) -> Result<Read, CrawlError> {
        if answer.status != 304 {
            return self.whole_page(lease, rules, url, answer).await;
        }
        if url.content_hash.is_none() {
            return Ok(Outcome::Failed(Failure::end("http_304", 304)).into());
        }
        let said = from_headers(&answer.headers, &self.settings.agent);
        let reserved = rules.tdm.reserves(url.address.path_and_query());
        let now = OffsetDateTime::now_utc();
        let refusal = said.refusal(self.settings.obey, reserved, now);
        if refusal.is_none() && !self.renderer.is_told(url) {
            return Ok(Outcome::Unchanged { status: 304 }.into());
        }
        // Validators are kept of pages only that let everything be taken and are not rendered: this
        // one asks now what it did not ask before, and its own metadata, which may say otherwise, is
        // in the body; or what it shows is to be seen by a browser now.
        let whole = DueUrl {
            validators: Validators::default(),
            ..url.clone()
        };
        let limits = &self.settings.page;
        match self.answer(lease, rules, (&whole).into(), limits).await? {
            Ok(answered) if answered.answer.status == 304 => {
                Ok(Outcome::Failed(Failure::end("http_304", 304)).into())
            }
            Ok(answered) => self.whole_page(lease, rules, url, answered.answer).await,
            Err(none) => Ok(Outcome::Failed(none.into_failure()).into()),
        }
    }

    async fn whole_page(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
        answer: Answer,
    ) -> Result<Read, CrawlError> {
        let status = answer.status;
        if (300..400).contains(&status) {
            let outcome = match target(&answer, &url.address) {
                Ok(target) => Outcome::Moved { status, target },
                Err(failure) => Outcome::Failed(failure),
            };
            return Ok(outcome.into());
        }
        if may_be_file(&answer)
            && let Some(outcome) = self.file_for_page(lease, rules, url, &answer).await?
        {
            return Ok(outcome.into());
        }
        if !is_html(&answer) {
            let failure = Failure::not_used("not_html", status);
            return Ok(Outcome::Failed(failure).into());
        }
        let beside = HeaderLinks::of(&answer.headers, &url.address);
        let headers = from_headers(&answer.headers, &self.settings.agent);
        let validators = revisit::validators(&answer);
        let answer_hash = revisit::content_hash(&answer);
        let Some(sent) = self.parse(url.address.clone(), answer.clone()).await else {
            return Ok(Outcome::Failed(parser_failed()).into());
        };
        let reserved = rules.tdm.reserves(url.address.path_and_query());
        let now = OffsetDateTime::now_utc();
        let said = headers.and_nearer(&sent.directives);
        let shown = match said.refusal(self.settings.obey, reserved, now) {
            None => self.shown(lease, url, &answer, sent).await?,
            Some(_) => Shown::Sent(sent),
        };
        let (mut page, unshown, answer_hash) = match shown {
            Shown::Sent(page) => (page, None, answer_hash),
            Shown::Rendered(page, pictures) => {
                let hash = shown::content_hash(&page, &pictures);
                (page, Some(pictures), hash)
            }
            Shown::Failed(failure) => return Ok(Outcome::Failed(failure).into()),
            Shown::Later(after) => return Ok(Read::Later(after)),
        };
        let is_rendered = unshown.is_some();
        if self.settings.discovery.feeds {
            page.links.append(&mut page.feeds);
        }
        page.links.extend(beside.neighbours);
        page.canonical = match (page.canonical.take(), beside.canonical) {
            // Two that differ: neither is meant.
            (Some(own), Some(other)) => (own == other).then_some(own),
            (own, other) => own.or(other),
        };
        let said = headers.and_nearer(&page.directives);
        let refusal = said.refusal(self.settings.obey, reserved, now);
        let preferred = match (refusal, &page.canonical) {
            (None, Some(canonical)) => self.preferred(rules, url, canonical, &said).await?,
            _ => Preferred::default(),
        };
        let taken = Taken {
            refusal,
            left: preferred.left,
        };
        // A browser has seen to the style sheets itself.
        let sheets = match taken.word() {
            None if !is_rendered => self.add_sheets(lease, rules, &mut page).await?,
            _ => Added::default(),
        };
        let content_hash = sheets.hash(taken.hash(answer_hash));
        // What is taken may change although the answer does not: then every answer is wanted whole.
        let settled = taken.word().is_none()
            && !is_rendered
            && preferred.canonical.is_none()
            && !sheets.missing
            && said.unavailable_after.is_none();
        let validators = if settled {
            validators
        } else {
            Validators::default()
        };
        // The same content under another entity tag is written: the next request is to say that one.
        if url.content_hash.as_deref() == Some(content_hash.as_slice())
            && url.validators == validators
        {
            return Ok(Outcome::Unchanged { status }.into());
        }
        if let Some(why) = taken.word() {
            tracing::debug!(url = %url.address, why, "its pictures are not taken from it");
        }
        let record = PageRecord {
            page_id: url.id,
            due_at: url.due_at,
            host_id: lease.host_id,
            status,
            unparsable: page.unparsable_links,
            links: self.links(&page, &said),
            canonical: preferred.canonical,
            pictures: if taken.word().is_none() {
                self.pictures(page.pictures, unshown.unwrap_or_default())
            } else {
                Vec::new()
            },
            title: page.title,
            lang: page.lang,
            validators,
            content_hash,
            reading: Reading::default(),
        };
        Ok(Outcome::Page(record).into())
    }

    /// What the page shows, and what a browser wanted beside that.
    fn pictures(&self, shown: Vec<extract::Picture>, wanted: Vec<Address>) -> Vec<PagePicture> {
        let tracking = &self.settings.tracking;
        let shown = shown.into_iter();
        let mut pictures: Vec<_> = shown
            .map(|picture| page_picture(picture, tracking))
            .collect();
        let known: HashSet<Address> = pictures.iter().map(|one| one.address.clone()).collect();
        let wanted = wanted.iter().map(|address| tracking.clean(address));
        let wanted = wanted.filter(|address| !known.contains(address));
        pictures.extend(wanted.map(shown::picture));
        pictures
    }

    /// Where the page leads, as far as its owner lets its links be followed.
    fn links(&self, page: &Extracted, said: &Directives) -> Vec<Address> {
        if said.nofollow {
            return Vec::new();
        }
        let cleaned = page
            .links
            .iter()
            .map(|link| self.settings.tracking.clean(link));
        cleaned.collect()
    }

    /// What comes of the canonical address that a page gives.
    async fn preferred(
        &self,
        rules: &HostRules,
        url: &DueUrl,
        canonical: &Address,
        said: &Directives,
    ) -> Result<Preferred, CrawlError> {
        let canonical = self.settings.tracking.clean(canonical);
        let same_origin = canonical.origin() == url.address.origin();
        let agent = &self.settings.agent;
        if !may_stand_for(&canonical, &url.address)
            || (same_origin && !rules.robots.allows(agent, &canonical))
        {
            return Ok(Preferred::default());
        }
        let known = self.frontier.known_page(&canonical).await?;
        let first_reading = url.content_hash.is_none();
        Ok(Preferred {
            left: known.stands(first_reading && !said.nofollow),
            canonical: (!said.nofollow).then_some(canonical),
        })
    }

    /// Parses on a thread of its own; `None` where the parser panicked.
    pub(super) async fn parse(&self, page: Address, answer: Answer) -> Option<Extracted> {
        let settings = Arc::clone(&self.settings);
        self.on_parser(move || {
            let (agent, kind) = (&settings.agent, answer.content_type());
            extract::extract_as(agent, &answer.body, kind, &page, &settings.extract)
        })
        .await
    }

    /// Runs a parser on a thread of its own, one a core; `None` where it panicked.
    pub(super) async fn on_parser<T: Send + 'static>(
        &self,
        parse: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _turn = self
            .parsers
            .acquire()
            .await
            .expect("the semaphore is never closed");
        spawn_blocking(parse).await.ok()
    }
}

/// What came of reading a page.
#[derive(Debug)]
pub(super) enum Read {
    Outcome(Box<Outcome>),
    /// It is to be read another time, for reasons that are not its own.
    Later(Duration),
}

impl From<Outcome> for Read {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(Box::new(outcome))
    }
}

/// Ours to mend: what was known of the page stays.
pub(super) fn parser_failed() -> Failure {
    Failure::Final {
        reason: "parser_failed".to_owned(),
        status: None,
    }
}

/// What keeps a page's pictures from being taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) refusal: Option<&'static str>,
    /// They are left to the page's canonical address.
    pub(super) left: bool,
}

impl Taken {
    /// One word; none where they are taken.
    pub(super) fn word(self) -> Option<&'static str> {
        self.refusal.or(self.left.then_some("canonical"))
    }

    /// The page's content as it is known by: the same answer is another content once something else
    /// is taken from it, as when the host's tdmrep.json changes or a time has passed.
    pub(super) fn hash(self, answer: [u8; 32]) -> [u8; 32] {
        match self.word() {
            None => answer,
            Some(word) => Sha256::new()
                .chain_update(answer)
                .chain_update(word)
                .finalize()
                .into(),
        }
    }
}

fn page_picture(picture: extract::Picture, tracking: &tracking::Rules) -> PagePicture {
    let clean = |address: &Address| tracking.clean(address).as_str().to_owned();
    PagePicture {
        address: tracking.clean(&picture.address),
        alt: picture.alt.unwrap_or_default(),
        title: picture.title.unwrap_or_default(),
        caption: picture.caption.unwrap_or_default(),
        nearby: picture.nearby.unwrap_or_default(),
        context: SightingContext {
            label: picture.label,
            link_text: picture.link_text,
            heading: picture.heading,
            variants: picture.variants.iter().map(clean).collect(),
            found_by: Some(picture.found_by.to_string()),
            ..SightingContext::default()
        },
        rights: picture.rights,
    }
}

/// Whether the first element is to tell what an answer is: one of a type that feeds and sitemaps have, or
/// with a beginning that no page of HTML has.
fn may_be_file(answer: &Answer) -> bool {
    let body = answer
        .body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(&answer.body);
    let body = body.trim_ascii_start();
    let begins = |with: &[u8]| {
        body.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    match media_type(answer).as_deref() {
        Some("text/html" | "application/xhtml+xml") => [&b"<?xml"[..], b"<rss", b"<feed", b"<rdf"]
            .into_iter()
            .any(begins),
        Some("text/plain") | None => begins(b"<"),
        Some(kind) => kind.ends_with("/xml") || kind.ends_with("+xml"),
    }
}

/// The type that an answer says it has, without its parameters, in lower case.
fn media_type(answer: &Answer) -> Option<String> {
    let kind = answer.content_type()?.split(';').next().unwrap_or_default();
    Some(kind.trim().to_ascii_lowercase())
}

/// A page says so by its type, or, without one, by its first bytes.
fn is_html(answer: &Answer) -> bool {
    match media_type(answer) {
        Some(kind) => kind == "text/html" || kind == "application/xhtml+xml",
        None => {
            let head = &answer.body[..answer.body.len().min(512)];
            let text = String::from_utf8_lossy(head).to_ascii_lowercase();
            let text = text.trim_start();
            text.starts_with("<!doctype html") || text.contains("<html") || text.contains("<head")
        }
    }
}
