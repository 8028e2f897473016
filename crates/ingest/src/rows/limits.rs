//! Which of the pictures that pages show become known: by patterns of their URLs, and no more than
//! pages, hosts and seeds may have.
//!
//! What is left out gets no row; how many it is, and why, stands with the page. Where no limit is set,
//! nothing is asked or counted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::page::{PagePicture, PageRecord};
use super::reach::host_ids;
use super::walk::SeedOf;
use crate::address::Address;
use crate::wanted::Patterns;

/// Limits of the pictures that pages show. A limit of 0 is none.
#[derive(Debug, Clone)]
pub struct PictureLimits {
    /// Which URLs are asked for; `None`: all.
    pub patterns: Option<Arc<Patterns>>,
    /// Pictures of a page: the first ones.
    pub per_page: u32,
    /// Image URLs of a host that become known.
    pub per_host: u64,
}

impl PictureLimits {
    /// None at all.
    pub const NONE: Self = Self {
        patterns: None,
        per_page: 0,
        per_host: 0,
    };

    /// Whether a picture's URL may be asked for.
    pub fn allow(&self, address: &Address) -> bool {
        let patterns = self.patterns.as_ref();
        patterns.is_none_or(|patterns| patterns.allow(address))
    }

    /// What is taken of what a page shows, in its order, and how much is not.
    pub(super) fn choose<'a>(&self, record: &'a PageRecord) -> Shows<'a> {
        let mut left = PicturesLeft::default();
        if self.patterns.is_none() && self.per_page == 0 {
            let pictures = record.pictures.iter().collect();
            return Shows {
                record,
                pictures,
                left,
            };
        }
        let mut taken_of: HashMap<Option<&str>, HashSet<&Address>> = HashMap::new();
        let mut refused = HashSet::new();
        let mut pictures = Vec::new();
        for picture in &record.pictures {
            let address = &picture.address;
            // What a sitemap or a feed names is its pages', each of which has its own.
            let taken = taken_of.entry(picture.context.page.as_deref()).or_default();
            let is_full = self.per_page > 0 && taken.len() >= self.per_page as usize;
            if !self.allow(address) {
                left.pattern += u32::from(refused.insert(address));
            } else if is_full && !taken.contains(address) {
                left.page_limit += u32::from(refused.insert(address));
            } else {
                taken.insert(address);
                pictures.push(picture);
            }
        }
        Shows {
            record,
            pictures,
            left,
        }
    }
}

/// Pictures that a page shows and that are not taken, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PicturesLeft {
    /// By their URLs.
    #[serde(skip_serializing_if = "is_none")]
    pub pattern: u32,
    /// The page has more than are taken of one.
    #[serde(skip_serializing_if = "is_none")]
    pub page_limit: u32,
    /// Their host has as many as are taken of one.
    #[serde(skip_serializing_if = "is_none")]
    pub host_limit: u32,
    /// The page's seeds have as many as they may.
    #[serde(skip_serializing_if = "is_none")]
    pub seed_limit: u32,
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

impl PicturesLeft {
    /// Each count with its word.
    pub fn counts(&self) -> [(&'static str, u32); 4] {
        [
            ("pattern", self.pattern),
            ("page_limit", self.page_limit),
            ("host_limit", self.host_limit),
            ("seed_limit", self.seed_limit),
        ]
    }

    /// Adds what another page leaves.
    pub fn add(&mut self, other: &Self) {
        self.pattern += other.pattern;
        self.page_limit += other.page_limit;
        self.host_limit += other.host_limit;
        self.seed_limit += other.seed_limit;
    }
}

/// A page that was read, and what is taken of what it shows.
pub(super) struct Shows<'a> {
    pub(super) record: &'a PageRecord,
    pub(super) pictures: Vec<&'a PagePicture>,
    pub(super) left: PicturesLeft,
}

/// What the seeds of a batch's pages may still take; those with a limit are locked.
pub(super) struct Rooms {
    /// Which seeds reach a page.
    of_page: BTreeMap<i64, Vec<i64>>,
    /// Those with a limit.
    left: BTreeMap<i64, i64>,
    taken: BTreeMap<i64, i64>,
}

impl Rooms {
    /// Locks the pages' seeds where one of them has a limit, all of them, since a transaction takes such
    /// locks in one go; `None` where none has.
    pub(super) async fn open(
        tx: &mut PgConnection,
        seeds: &BTreeMap<i64, Vec<SeedOf>>,
    ) -> Result<Option<Self>, sqlx::Error> {
        if !seeds.values().flatten().any(|seed| seed.limits_images) {
            return Ok(None);
        }
        let ids: BTreeSet<i64> = seeds.values().flatten().map(|seed| seed.seed_id).collect();
        let rooms: Vec<(i64, Option<i64>)> = sqlx::query_as(
            "SELECT seed_id, max_images - images FROM seeds
             WHERE seed_id = ANY($1) ORDER BY seed_id FOR NO KEY UPDATE",
        )
        .bind(ids.into_iter().collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
        let there: HashSet<i64> = rooms.iter().map(|(seed, _)| *seed).collect();
        let of_page = seeds.iter().map(|(page, seeds)| {
            let seeds = seeds.iter().map(|seed| seed.seed_id);
            (*page, seeds.filter(|seed| there.contains(seed)).collect())
        });
        Ok(Some(Self {
            of_page: of_page.collect(),
            left: rooms
                .into_iter()
                .filter_map(|(seed, room)| Some((seed, room?)))
                .collect(),
            taken: BTreeMap::new(),
        }))
    }

    /// Takes a new picture of these pages: false where every seed that reaches one is full.
    fn take(&mut self, pages: &[i64]) -> bool {
        let seeds = pages.iter().filter_map(|page| self.of_page.get(page));
        let seeds: BTreeSet<i64> = seeds.flatten().copied().collect();
        let mut is_taken = false;
        for seed in seeds {
            match self.left.get_mut(&seed) {
                None => is_taken = true,
                Some(left) if *left > 0 => {
                    *left -= 1;
                    *self.taken.entry(seed).or_insert(0) += 1;
                    is_taken = true;
                }
                Some(_) => {}
            }
        }
        is_taken
    }

    async fn close(self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.taken.is_empty() {
            return Ok(());
        }
        let (seeds, counts): (Vec<i64>, Vec<i64>) = self.taken.into_iter().unzip();
        sqlx::query(
            "UPDATE seeds SET images = images + taken.count
             FROM unnest($1::bigint[], $2::bigint[]) AS taken (seed_id, count)
             WHERE seeds.seed_id = taken.seed_id",
        )
        .bind(seeds)
        .bind(counts)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Which of these URLs do not become known, since their hosts or their pages' seeds have as many as they
/// may: those that are new, the first of the first page first. Says so in what the pages leave. `wanted`
/// are those that a seed reaches and nothing keeps out.
pub(super) async fn beyond<'a>(
    tx: &mut PgConnection,
    shown: &mut [Shows<'a>],
    wanted: &BTreeMap<&'a str, &'a Address>,
    per_host: u64,
    mut rooms: Option<Rooms>,
) -> Result<HashSet<&'a str>, sqlx::Error> {
    let mut beyond = HashSet::new();
    if wanted.is_empty() || (per_host == 0 && rooms.is_none()) {
        return Ok(beyond);
    }
    let mut hosts = match per_host {
        0 => None,
        most => Some(HostCounts::open(tx, wanted, most).await?),
    };
    // Under the locks: whoever brought the same URLs meanwhile has written them.
    let known: Vec<String> = sqlx::query_scalar("SELECT url FROM image_urls WHERE url = ANY($1)")
        .bind(wanted.keys().copied().collect::<Vec<_>>())
        .fetch_all(&mut *tx)
        .await?;
    let known: HashSet<&str> = known.iter().map(String::as_str).collect();
    let mut pages_of: HashMap<&str, Vec<i64>> = HashMap::new();
    for shows in shown.iter() {
        for picture in &shows.pictures {
            let pages = pages_of.entry(picture.address.as_str()).or_default();
            pages.push(shows.record.page_id);
        }
    }
    let mut judged = HashSet::new();
    let mut full_hosts = HashSet::new();
    for shows in shown.iter() {
        for picture in &shows.pictures {
            let url = picture.address.as_str();
            if known.contains(url) || !wanted.contains_key(url) || !judged.insert(url) {
                continue;
            }
            if hosts.as_ref().is_some_and(|hosts| hosts.is_full(url)) {
                full_hosts.insert(url);
                beyond.insert(url);
            } else if rooms
                .as_mut()
                .is_some_and(|rooms| !rooms.take(&pages_of[url]))
            {
                beyond.insert(url);
            } else if let Some(hosts) = &mut hosts {
                hosts.take(url);
            }
        }
    }
    for shows in shown {
        let mut counted = HashSet::new();
        for picture in &shows.pictures {
            let url = picture.address.as_str();
            if beyond.contains(url) && counted.insert(url) {
                if full_hosts.contains(url) {
                    shows.left.host_limit += 1;
                } else {
                    shows.left.seed_limit += 1;
                }
            }
        }
    }
    if let Some(hosts) = hosts {
        hosts.close(tx).await?;
    }
    if let Some(rooms) = rooms {
        rooms.close(tx).await?;
    }
    Ok(beyond)
}

/// The hosts' counts, which are locked, and raised by all that may become known.
struct HostCounts<'a> {
    host_of: HashMap<&'a str, i64>,
    /// For each host how many more it may have, and by how many its count is raised for nothing.
    counts: BTreeMap<i64, (i64, i64)>,
}

impl<'a> HostCounts<'a> {
    async fn open(
        tx: &mut PgConnection,
        wanted: &BTreeMap<&'a str, &'a Address>,
        most: u64,
    ) -> Result<Self, sqlx::Error> {
        let hosts = host_ids(tx, wanted.values().map(|address| address.origin())).await?;
        let host_of: HashMap<&str, i64> = wanted
            .iter()
            .map(|(url, address)| (*url, hosts[address.origin()]))
            .collect();
        let mut asked: BTreeMap<i64, i64> = BTreeMap::new();
        for host in host_of.values() {
            *asked.entry(*host).or_insert(0) += 1;
        }
        let raised: Vec<(i64, i64)> = sqlx::query_as(
            "INSERT INTO image_counts (host_id, image_urls)
             SELECT host_id, count FROM unnest($1::bigint[], $2::bigint[]) AS asked (host_id, count)
             ORDER BY host_id
             ON CONFLICT (host_id) DO UPDATE SET image_urls = image_counts.image_urls + EXCLUDED.image_urls
             RETURNING host_id, image_urls",
        )
        .bind(asked.keys().copied().collect::<Vec<_>>())
        .bind(asked.values().copied().collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let count = |(host, raised): (i64, i64)| {
            let asked = asked.get(&host).copied().unwrap_or(0);
            (host, (most.saturating_sub(raised - asked), asked))
        };
        Ok(Self {
            counts: raised.into_iter().map(count).collect(),
            host_of,
        })
    }

    fn is_full(&self, url: &str) -> bool {
        let count = self.host_of.get(url).and_then(|host| self.counts.get(host));
        count.is_some_and(|(room, _)| *room <= 0)
    }

    fn take(&mut self, url: &str) {
        let host = self.host_of.get(url);
        if let Some((room, surplus)) = host.and_then(|host| self.counts.get_mut(host)) {
            *room -= 1;
            *surplus -= 1;
        }
    }

    async fn close(self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let surplus = self.counts.iter().filter(|(_, (_, surplus))| *surplus > 0);
        let (hosts, counts): (Vec<i64>, Vec<i64>) = surplus
            .map(|(host, (_, surplus))| (*host, *surplus))
            .unzip();
        if hosts.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE image_counts SET image_urls = image_counts.image_urls - surplus.count
             FROM unnest($1::bigint[], $2::bigint[]) AS surplus (host_id, count)
             WHERE image_counts.host_id = surplus.host_id",
        )
        .bind(hosts)
        .bind(counts)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Counts the known image URLs of every host where that has not been done and a limit is set, and forgets
/// the counts where none is: they would not be kept. Called before a crawl begins.
pub async fn count_images_of_hosts(pool: &PgPool, per_host: u64) -> Result<(), sqlx::Error> {
    let statement = if per_host == 0 {
        "DELETE FROM image_counts"
    } else {
        "INSERT INTO image_counts (host_id, image_urls)
         SELECT host_id, count(*) FROM image_urls
         WHERE NOT EXISTS (SELECT FROM image_counts) GROUP BY host_id
         ON CONFLICT (host_id) DO NOTHING"
    };
    sqlx::query(statement).execute(pool).await?;
    Ok(())
}
