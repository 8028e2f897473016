//! A page's style sheets: asked for as part of the page, each once an hour whichever pages link it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use reqwest::header::HeaderMap;
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tusou_ingest::Address;
use tusou_platform::door::{Limits, Longer};

use super::Fetcher;
use super::request::{Answered, Ask, NoAnswer};
use crate::error::CrawlError;
use crate::extract::Extracted;
use crate::extract::css::{self, Sheet};
use crate::failure::Failure;
use crate::frontier::HostLease;
use crate::host_files::HostRules;

/// The longest sheet that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 1 << 20;
/// The longest that one sheet may take.
const LONGEST: Duration = Duration::from_secs(20);
/// No further sheet of a page is asked for after this.
const LONGEST_ALL: Duration = Duration::from_secs(60);
/// How long a sheet is known, and that there is none.
const KNOWN: Duration = Duration::from_secs(3600);
/// How long one is not asked for again that could not be had.
const MISSED: Duration = Duration::from_secs(60);
/// What all known sheets may weigh, in bytes.
const CACHE_BYTES: u64 = 16 << 20;

/// The sheets that this process knows. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub(super) struct Sheets(Cache<Address, Known>);

#[derive(Debug, Clone)]
enum Known {
    Sheet(Arc<Sheet>),
    /// There is none, or it is not for us.
    None,
    /// It could not be had now.
    Missed,
}

/// What a page's sheets added to it.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// Of the pictures that they name, where there are any.
    digest: Option<[u8; 32]>,
    /// Whether one of them could not be had now: the page is to be looked at whole next time.
    pub(super) missing: bool,
}

impl Sheets {
    pub(super) fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(CACHE_BYTES)
            .weigher(weight)
            .expire_after(Ages);
        Self(cache.build())
    }
}

fn weight(address: &Address, known: &Known) -> u32 {
    /// What an address and its place take beside its text.
    const PLACE: usize = 128;
    let of = |address: &Address| address.as_str().len() + PLACE;
    let named: usize = match known {
        Known::Sheet(sheet) => {
            let pictures = sheet.pictures.iter();
            let variants = pictures.clone().flat_map(|picture| &picture.variants);
            let addresses = pictures.map(|picture| &picture.address).chain(variants);
            addresses.chain(&sheet.imports).map(of).sum()
        }
        Known::None | Known::Missed => 0,
    };
    u32::try_from(of(address) + named).unwrap_or(u32::MAX)
}

struct Ages;

impl Expiry<Address, Known> for Ages {
    fn expire_after_create(&self, _: &Address, known: &Known, _: Instant) -> Option<Duration> {
        Some(match known {
            Known::Sheet(_) | Known::None => KNOWN,
            Known::Missed => MISSED,
        })
    }
}

impl Added {
    /// The page's content as it is known by, given that of its answer: a sheet that changes what the
    /// page shows makes it another.
    pub(super) fn hash(&self, answer: [u8; 32]) -> [u8; 32] {
        let Some(digest) = self.digest else {
            return answer;
        };
        Sha256::new()
            .chain_update(answer)
            .chain_update(digest)
            .finalize()
            .into()
    }
}

impl Fetcher {
    /// Adds to a page what its style sheets show, as far as their hosts may be asked. One that cannot
    /// be had never fails the page.
    pub(super) async fn add_sheets(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        page: &mut Extracted,
    ) -> Result<Added, CrawlError> {
        let began = Instant::now();
        let limits = &self.settings.extract;
        let mut waiting: VecDeque<Address> = page.sheets.iter().cloned().collect();
        let mut asked = HashSet::new();
        let mut digest: Option<Sha256> = None;
        let mut missing = false;
        while let Some(address) = waiting.pop_front() {
            if asked.contains(&address) {
                continue;
            }
            if asked.len() >= limits.max_sheets {
                page.left_out += 1;
                continue;
            }
            let known = if began.elapsed() < LONGEST_ALL {
                self.sheet(lease, rules, &address).await?
            } else {
                Known::Missed
            };
            asked.insert(address);
            match known {
                Known::Sheet(sheet) => {
                    page.add_sheet(&sheet, limits);
                    for picture in &sheet.pictures {
                        let digest = digest.get_or_insert_default();
                        for address in [&picture.address].into_iter().chain(&picture.variants) {
                            digest.update(address.as_str());
                            digest.update(b"\n");
                        }
                    }
                    waiting.extend(sheet.imports.iter().cloned());
                }
                Known::None => {}
                Known::Missed => missing = true,
            }
        }
        Ok(Added {
            digest: digest.map(|digest| digest.finalize().into()),
            missing,
        })
    }

    /// One sheet, asked for by one page only of those that want it at a time.
    async fn sheet(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        address: &Address,
    ) -> Result<Known, CrawlError> {
        let mut broken = None;
        let ask = async {
            let asked = self.ask_sheet(lease, rules, address).await;
            asked.map_err(|cause| broken = Some(cause))
        };
        let known = self.sheets.0.try_get_with(address.clone(), ask).await;
        match (known, broken) {
            (Ok(known), _) => Ok(known),
            (Err(_), Some(cause)) => Err(cause),
            // Another page's asking broke, and was reported there.
            (Err(_), None) => Ok(Known::Missed),
        }
    }

    async fn ask_sheet(
        &self,
        lease: &HostLease,
        rules: &HostRules,
        address: &Address,
    ) -> Result<Known, CrawlError> {
        if self.frontier.is_kept_out(address).await? {
            return Ok(Known::None);
        }
        let limits = Limits {
            max_bytes: MAX_BYTES,
            total_timeout: self.settings.page.total_timeout.min(LONGEST),
            ..self.settings.page
        };
        let ask = Ask {
            address,
            kind: "sheet",
            accept: "text/css,*/*;q=0.1",
            conditions: HeaderMap::new(),
            follows: true,
            longer: Longer::Refuse,
            sieved: false,
        };
        let Answered { answer, address } = match self.answer(lease, rules, ask, &limits).await? {
            Ok(answered) => answered,
            Err(NoAnswer::Failed(Failure::Final { .. } | Failure::Skipped { .. })) => {
                return Ok(Known::None);
            }
            Err(_) => return Ok(Known::Missed),
        };
        if !is_css(answer.content_type()) {
            return Ok(Known::None);
        }
        let _turn = self
            .parsers
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let sheet = spawn_blocking(move || {
            let text = css::decode(&answer.body, answer.content_type());
            css::pictures(&text, &address)
        });
        // One that makes the parser panic is none.
        let sheet = sheet.await.ok().map(Arc::new);
        Ok(sheet.map_or(Known::None, Known::Sheet))
    }
}

/// Browsers take nothing else for a sheet.
fn is_css(content_type: Option<&str>) -> bool {
    content_type.is_none_or(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/css")
    })
}
