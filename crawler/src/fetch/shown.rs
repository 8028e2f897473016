//! A page as it is to be read: as the server sent it, or as a browser shows it.

use std::collections::HashSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tusou_contract::SightingContext;
use tusou_ingest::{Address, PagePicture};
use tusou_platform::door::Answer;

use super::Fetcher;
use super::page::parser_failed;
use crate::error::CrawlError;
use crate::extract::Extracted;
use crate::failure::Failure;
use crate::frontier::{DueUrl, HostLease};
use crate::host_files::Rules;
use crate::metrics;
use crate::render::{Job, NotRendered, Rendered};

/// When to come again where fetching waits.
const WAITING: Duration = Duration::from_secs(30);
/// How a picture is found that no element of a page shows, but its styles and scripts do.
const FOUND_BY: &str = "rendered";

/// What is to be read.
#[derive(Debug)]
pub(super) enum Shown {
    /// This, as the server sent it.
    Sent(Extracted),
    /// This, as a browser shows it, with pictures that are in no element.
    Rendered(Extracted, Vec<Address>),
    /// Nothing.
    Failed(Failure),
    /// Nothing for now, for reasons that are not the page's own.
    Later(Duration),
}

impl Fetcher {
    /// The page to read, where its owner lets its pictures be taken.
    pub(super) async fn shown(
        &self,
        lease: &HostLease,
        url: &DueUrl,
        answer: &Answer,
        sent: Extracted,
    ) -> Result<Shown, CrawlError> {
        let Some(why) = self.renderer.wants(url, &sent, &answer.body) else {
            return Ok(Shown::Sent(sent));
        };
        let Rules::Known(rules) = self.rules.of(&lease.origin).await? else {
            return Ok(Shown::Later(WAITING));
        };
        let job = Job {
            fetcher: self,
            lease,
            rules: &rules,
            page: &url.address,
            answer,
        };
        match self.renderer.render(job).await {
            Ok(rendered) => Ok(self.read(url, sent, rendered).await),
            Err(NotRendered::Off) => {
                metrics::not_rendered("off");
                tracing::debug!(url = %url.address, ?why, "needs a browser: set `render.chromium`");
                Ok(Shown::Sent(sent))
            }
            Err(NotRendered::Later(after)) => Ok(Shown::Later(after)),
            Err(NotRendered::Crashed) => Ok(self.or_sent(url, "render_crashed", sent)),
            Err(NotRendered::TimedOut) => Ok(self.or_sent(url, "render_timeout", sent)),
        }
    }

    /// Tries again while there are attempts left; what the server sent is better than nothing.
    fn or_sent(&self, url: &DueUrl, reason: &'static str, sent: Extracted) -> Shown {
        if !self.is_last_attempt(url) {
            return Shown::Failed(Failure::again(reason));
        }
        metrics::not_rendered(reason);
        tracing::info!(url = %url.address, reason, "is read without a browser");
        Shown::Sent(sent)
    }

    async fn read(&self, url: &DueUrl, sent: Extracted, rendered: Rendered) -> Shown {
        let Some(mut page) = self.parse(rendered.address, rendered.answer).await else {
            return Shown::Failed(parser_failed());
        };
        // What would have been shown may be missing: pictures are not to be thought gone for that.
        let is_less = rendered.own_missing || (rendered.other_missing && page.pictures.is_empty());
        if is_less && !self.gate.is_open() {
            return Shown::Later(WAITING);
        }
        if is_less && !self.is_last_attempt(url) {
            return Shown::Failed(Failure::again("render_incomplete"));
        }
        // Both as it was sent and as it is shown.
        page.directives = sent.directives.and_nearer(&page.directives);
        let known: HashSet<&Address> = page.links.iter().collect();
        let led: Vec<Address> = rendered
            .led
            .into_iter()
            .filter(|led| !known.contains(led))
            .collect();
        page.links.extend(led);
        Shown::Rendered(page, rendered.pictures)
    }

    fn is_last_attempt(&self, url: &DueUrl) -> bool {
        url.attempts.saturating_add(1) >= self.settings.max_attempts
    }
}

/// What a rendered page is known by: its answer says little of it.
pub(super) fn content_hash(page: &Extracted, pictures: &[Address]) -> [u8; 32] {
    let shown = page.pictures.iter().map(|picture| {
        let texts = [&picture.alt, &picture.title, &picture.caption];
        let texts = texts
            .map(|text| text.as_deref().unwrap_or_default())
            .join("\n");
        format!("shows {}\n{texts}", picture.address)
    });
    let wanted = pictures.iter().map(|picture| format!("wants {picture}"));
    let links = page.links.iter().map(|link| format!("leads to {link}"));
    let title = format!("is called {}", page.title.as_deref().unwrap_or_default());
    let said = format!("asks {:?}", page.directives);
    let mut all: Vec<String> = shown
        .chain(wanted)
        .chain(links)
        .chain([title, said])
        .collect();
    // Answers to scripts come in any order.
    all.sort_unstable();
    let digest = all.iter().fold(Sha256::new(), |digest, one| {
        digest
            .chain_update((one.len() as u64).to_le_bytes())
            .chain_update(one)
    });
    digest.finalize().into()
}

/// A picture that no element shows.
pub(super) fn picture(address: Address) -> PagePicture {
    PagePicture {
        address,
        alt: String::new(),
        title: String::new(),
        caption: String::new(),
        nearby: String::new(),
        context: SightingContext {
            found_by: Some(FOUND_BY.to_owned()),
            ..SightingContext::default()
        },
        rights: Default::default(),
    }
}
