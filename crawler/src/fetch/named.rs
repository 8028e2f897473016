//! Sitemaps and feeds: files that name pages, and the pictures on them.
//!
//! What their owners say counts as on a page: `nofollow` keeps what they name from being followed, and
//! a refusal keeps pictures from being taken from them.

use std::collections::HashSet;

use time::OffsetDateTime;
use tusou_contract::{Rights, SightingContext, SightingRights};
use tusou_ingest::{Address, PagePicture, PageRecord, Reading, SeedOf, Validators};
use tusou_platform::door::Answer;

use super::Fetcher;
use super::page::Taken;
use super::request::Answered;
use crate::directives::{Directives, from_headers};
use crate::error::CrawlError;
use crate::failure::Failure;
use crate::feed::{self, Feed};
use crate::frontier::{DueUrl, HostLease, Kind, Outcome};
use crate::host_files::HostRules;
use crate::sitemap::{self, Sitemap};
use crate::{metrics, revisit};

/// Where a sitemap is looked for that robots.txt names none.
pub(crate) const WELL_KNOWN: &str = "/sitemap.xml";
/// Indexes that lead to a sitemap, at most; the protocol has one.
const MAX_LEVEL: u32 = 3;
/// Pages made known with one transaction, over all seeds.
const PAGES: usize = 4_000;
/// Pictures taken from one sitemap.
const MAX_IMAGES: usize = 50_000;

/// What is known of a file before it is read.
struct File {
    status: u16,
    said: Directives,
    taken: Taken,
    validators: Validators,
    content_hash: [u8; 32],
}

impl File {
    /// Whether it says what it said when it was read last.
    fn is_unchanged(&self, url: &DueUrl) -> bool {
        url.content_hash.as_deref() == Some(self.content_hash.as_slice())
            && url.validators == self.validators
    }
}

/// Whether the sitemap is one that nobody named: it is looked for, and may well not be there.
fn is_guess(rules: &HostRules, address: &Address) -> bool {
    address.path_and_query() == WELL_KNOWN && !rules.robots.sitemaps().contains(address)
}

/// Why a sitemap brought nothing: that there is none where one was looked for is no failure.
pub(super) fn quiet(rules: &HostRules, url: &DueUrl, failure: Failure) -> Failure {
    match failure {
        Failure::Final {
            status: Some(status @ 400..=499),
            ..
        } if url.kind == Kind::Sitemap && is_guess(rules, &url.address) => {
            Failure::not_used("no_sitemap", status)
        }
        other => other,
    }
}

impl Fetcher {
    /// Makes the sitemaps of a host due for those of its seeds that have not been told of them: those
    /// that its robots.txt names, wherever they are, else the one at the well-known place.
    pub(crate) async fn tell_seeds(&self, lease: &HostLease) -> Result<(), CrawlError> {
        if !self.settings.discovery.sitemaps {
            return Ok(());
        }
        let Some(untold) = self.frontier.untold(lease).await? else {
            return Ok(());
        };
        let robots = crate::robots::Robots::from_status(Some(untold.status), &untold.body);
        let mut sitemaps = robots.sitemaps().to_vec();
        if sitemaps.is_empty() {
            let well_known = Address::parse(&format!("{}{WELL_KNOWN}", lease.origin));
            sitemaps.extend(well_known.ok());
        }
        let due = self.frontier.tell_seeds(lease, &untold, &sitemaps).await?;
        if due > 0 {
            tracing::debug!(host = lease.origin, due, "sitemaps are asked for");
        }
        Ok(())
    }

    /// What a sitemap's answer brings.
    pub(super) async fn sitemap(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
        answered: Answered,
    ) -> Result<Outcome, CrawlError> {
        let Answered { answer, address } = answered;
        let status = answer.status;
        if status == 304 {
            return Ok(match url.content_hash {
                Some(_) => Outcome::Unchanged { status },
                None => Outcome::Failed(Failure::end("http_304", 304)),
            });
        }
        let mut file = self.file(rules, &address, &answer);
        if address != url.address {
            // What another address says of itself is nothing to this one.
            file.validators = Validators::default();
        }
        if file.is_unchanged(url) {
            return Ok(Outcome::Unchanged { status });
        }
        if feed::root(&answer.body) == Some(feed::Root::Feed) {
            return self.read_feed(lease, url, address, answer, file).await;
        }
        let read = self.read_sitemap(lease, rules, url, answer, file).await?;
        Ok(read.unwrap_or_else(|| {
            let reason = if is_guess(rules, &url.address) {
                "no_sitemap"
            } else {
                "not_a_sitemap"
            };
            Outcome::Failed(Failure::not_used(reason, status))
        }))
    }

    /// What a page brings that turns out to be a sitemap or a feed; `None` where it is neither of what
    /// the configuration wants.
    pub(super) async fn file_for_page(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
        answer: &Answer,
    ) -> Result<Option<Outcome>, CrawlError> {
        let root = feed::root(&answer.body);
        let wanted = &self.settings.discovery;
        let is_wanted = match root {
            Some(feed::Root::Feed) => wanted.feeds,
            Some(feed::Root::Sitemap) => wanted.sitemaps,
            None => false,
        };
        if !is_wanted {
            return Ok(None);
        }
        let file = self.file(rules, &url.address, answer);
        let (status, answer) = (answer.status, answer.clone());
        if file.is_unchanged(url) {
            return Ok(Some(Outcome::Unchanged { status }));
        }
        if root == Some(feed::Root::Feed) {
            let address = url.address.clone();
            return Ok(Some(
                self.read_feed(lease, url, address, answer, file).await?,
            ));
        }
        self.read_sitemap(lease, rules, url, answer, file).await
    }

    fn file(&self, rules: &HostRules, address: &Address, answer: &Answer) -> File {
        let said = from_headers(&answer.headers, &self.settings.agent);
        let reserved = rules.tdm.reserves(address.path_and_query());
        let refusal = said.refusal(self.settings.obey, reserved, OffsetDateTime::now_utc());
        let taken = Taken {
            refusal,
            left: false,
        };
        // As of a page: what is taken may change although the answer does not.
        let settled = refusal.is_none() && said.unavailable_after.is_none();
        File {
            status: answer.status,
            validators: if settled {
                revisit::validators(answer)
            } else {
                Validators::default()
            },
            content_hash: taken.hash(revisit::content_hash(answer)),
            said,
            taken,
        }
    }

    /// Follows what a sitemap names, in transactions of their own; its own outcome comes last. `None`
    /// where it is no sitemap.
    async fn read_sitemap(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        url: &DueUrl,
        answer: Answer,
        file: File,
    ) -> Result<Option<Outcome>, CrawlError> {
        let limits = sitemap::Limits {
            max_bytes: self.settings.discovery.max_sitemap_bytes,
            max_images: MAX_IMAGES,
            ..sitemap::Limits::default()
        };
        let parsed = self.on_parser(move || sitemap::parse(&answer.body, &limits));
        let Some(mut sitemap) = parsed.await else {
            return Ok(Some(parser_failed()));
        };
        if sitemap.kind == sitemap::Kind::Other {
            return Ok(None);
        }
        let naming = self.frontier.naming(url).await?;
        let mut reading = Reading {
            named: count(sitemap.entries.len() + sitemap.sitemaps.len()),
            left_out: sitemap.left_out,
            cut: (!sitemap.whole).then_some("cut"),
            ..Reading::default()
        };
        if let Some(cut) = reading.cut {
            tracing::info!(url = %url.address, named = reading.named, "a sitemap is {cut}: what was read of it is used");
        }
        metrics::left_out("sitemap_bound", sitemap.left_out.into());
        let seeds = &naming.seeds;
        sitemap
            .entries
            .retain(|entry| seeds.iter().any(|seed| seed.follow(&entry.loc).is_some()));
        if !file.said.nofollow {
            self.follow(lease, url, seeds, &sitemap).await?;
            let level = naming.level + 1;
            if level <= MAX_LEVEL {
                let further = &sitemap.sitemaps;
                let over = self.frontier.follow_index(lease, url, level, further);
                let over = over.await?;
                reading.left_out = reading.left_out.saturating_add(count(over as usize));
            } else {
                let deeper = count(sitemap.sitemaps.len());
                reading.left_out = reading.left_out.saturating_add(deeper);
                metrics::left_out("sitemap_depth", deeper.into());
            }
        }
        let unparsable = sitemap.unparsable;
        let pictures = if file.taken.word().is_none() {
            self.sitemap_pictures(lease, rules, sitemap)
        } else {
            Vec::new()
        };
        let record = record(lease, url, file);
        Ok(Some(Outcome::Page(PageRecord {
            unparsable,
            pictures,
            reading,
            ..record
        })))
    }

    async fn follow(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        seeds: &[SeedOf],
        sitemap: &Sitemap,
    ) -> Result<(), CrawlError> {
        let mut seen = HashSet::new();
        let (mut pages, mut changed) = (Vec::new(), Vec::new());
        for entry in &sitemap.entries {
            let page = self.settings.tracking.clean(&entry.loc);
            if !seen.insert(page.clone()) {
                continue;
            }
            changed.extend(entry.lastmod.map(|at| (page.clone(), at)));
            pages.push(page);
        }
        for pages in pages.chunks((PAGES / seeds.len().max(1)).max(1)) {
            self.frontier.follow_named(lease, url, pages).await?;
        }
        let mut renewed = 0;
        for changed in changed.chunks(PAGES) {
            renewed += self.frontier.renew_named(lease, url, changed).await?;
        }
        metrics::renewed(renewed);
        Ok(())
    }

    /// The pictures of pages that may be fetched themselves: of others nobody knows what their owner
    /// lets be taken.
    fn sitemap_pictures(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        sitemap: Sitemap,
    ) -> Vec<PagePicture> {
        let (agent, tracking) = (&self.settings.agent, &self.settings.tracking);
        let may_take = |page: &Address| {
            let reserved = self.settings.obey.tdm && rules.tdm.reserves(page.path_and_query());
            page.origin() != lease.origin || (rules.robots.allows(agent, page) && !reserved)
        };
        let mut seen = HashSet::new();
        let mut pictures = Vec::new();
        for entry in sitemap.entries {
            if entry.images.is_empty() || !may_take(&entry.loc) {
                continue;
            }
            let page = tracking.clean(&entry.loc);
            for image in entry.images {
                let address = tracking.clean(&image.loc);
                if !seen.insert(address.clone()) {
                    continue;
                }
                let license = image.license.map(|license| license.as_str().to_owned());
                pictures.push(PagePicture {
                    address,
                    alt: String::new(),
                    title: image.title.unwrap_or_default(),
                    caption: image.caption.unwrap_or_default(),
                    nearby: String::new(),
                    context: SightingContext {
                        found_by: Some("sitemap".to_owned()),
                        page: Some(page.as_str().to_owned()),
                        ..SightingContext::default()
                    },
                    rights: SightingRights {
                        rights: Rights {
                            license,
                            ..Rights::default()
                        },
                        acquire: None,
                    },
                });
            }
        }
        pictures
    }

    async fn read_feed(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        base: Address,
        answer: Answer,
        file: File,
    ) -> Result<Outcome, CrawlError> {
        let agent = self.settings.agent.clone();
        let parsed = self
            .on_parser(move || feed::parse(&answer.body, &agent, &base, &feed::Limits::default()));
        let Some(feed) = parsed.await else {
            return Ok(parser_failed());
        };
        let Feed {
            title,
            lang,
            links,
            next,
            pictures,
            unparsable,
            left_out,
            whole,
            ..
        } = feed;
        metrics::left_out("feed_bound", left_out.into());
        let tracking = &self.settings.tracking;
        let named = count(links.len());
        let links = links.iter().chain(&next).map(|link| tracking.clean(link));
        let links = if file.said.nofollow {
            Vec::new()
        } else {
            links.collect()
        };
        let pictures = if file.taken.word().is_none() {
            let picture = |picture: feed::Picture| PagePicture {
                address: tracking.clean(&picture.address),
                alt: picture.alt.unwrap_or_default(),
                title: picture.title.unwrap_or_default(),
                caption: picture.caption.unwrap_or_default(),
                nearby: String::new(),
                context: SightingContext {
                    found_by: Some("feed".to_owned()),
                    heading: picture.heading,
                    page: picture
                        .page
                        .map(|page| tracking.clean(&page).as_str().to_owned()),
                    variants: picture
                        .variants
                        .iter()
                        .map(|variant| variant.as_str().to_owned())
                        .collect(),
                    ..SightingContext::default()
                },
                rights: picture.rights,
            };
            pictures.into_iter().map(picture).collect()
        } else {
            Vec::new()
        };
        let record = record(lease, url, file);
        Ok(Outcome::Page(PageRecord {
            title,
            lang,
            unparsable,
            links,
            pictures,
            reading: Reading {
                feed: true,
                named,
                left_out,
                cut: (!whole).then_some("cut"),
            },
            ..record
        }))
    }
}

/// What the row of a file is to say, without what it names.
fn record(lease: &HostLease, url: &DueUrl, file: File) -> PageRecord {
    PageRecord {
        page_id: url.id,
        due_at: url.due_at,
        host_id: lease.host_id,
        status: file.status,
        title: None,
        lang: None,
        unparsable: 0,
        links: Vec::new(),
        canonical: None,
        pictures: Vec::new(),
        validators: file.validators,
        content_hash: file.content_hash,
        reading: Reading::default(),
    }
}

/// Ours to mend: what was known of the file stays.
fn parser_failed() -> Outcome {
    Outcome::Failed(Failure::Final {
        reason: "parser_failed".to_owned(),
        status: None,
    })
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
