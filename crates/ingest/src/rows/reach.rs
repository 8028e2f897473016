//! Pages that seeds reach.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::PgConnection;

use super::budget::{Accounts, Budgets, Spent};
use super::removals::kept_out_urls;
use crate::address::{Address, Scope};
use crate::trap;

/// A page that a seed reaches at a depth.
#[derive(Debug, Clone)]
pub struct Seedling {
    /// The seed.
    pub seed_id: i64,
    /// Links between the seed's page and this one.
    pub depth: i32,
    /// The page.
    pub address: Address,
}

/// What [`reach_pages`] wrote.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    /// Pages that became due: new ones, ones new to a seed, and ones now nearer to it.
    pub due: u64,
    /// Hosts with something newly due, to be woken at the end of the transaction.
    pub hosts: BTreeSet<i64>,
    /// Links that are not followed.
    pub left_out: LeftOut,
}

/// Links that are not followed although a seed reaches them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// By [`trap::of`].
    pub traps: u64,
    /// Kept out by a removal.
    pub removed: u64,
    /// Their host's budget was spent.
    pub host_budget: u64,
    /// Their pattern's budget was spent.
    pub pattern_budget: u64,
    /// Budgets of which the last page was spent just now: the host's origin, and the pattern, empty
    /// for the host as a whole.
    pub spent: Vec<(String, String)>,
}

impl LeftOut {
    /// Adds what another call left out.
    pub fn add(&mut self, other: Self) {
        self.traps += other.traps;
        self.removed += other.removed;
        self.host_budget += other.host_budget;
        self.pattern_budget += other.pattern_budget;
        self.spent.extend(other.spent);
    }
}

/// Makes pages known to seeds, and due where a seed gains by it.
///
/// A page that a seed reaches for the first time, or nearer than before, is read (again), since
/// its links now lead further. A seed takes no more than its `max_pages`, counted under its lock, and
/// a host no more new pages than its budgets, counted likewise. Traps and what a removal keeps out
/// are not made known. A seed's own page (depth 0) is no trap, and is taken whatever was spent.
pub async fn reach_pages(
    tx: &mut PgConnection,
    seedlings: Vec<Seedling>,
    budgets: Budgets,
) -> Result<Reached, sqlx::Error> {
    let mut reached = Reached::default();
    let wanted = without_known(tx, nearest(seedlings)).await?;
    let wanted = without_traps(wanted, &mut reached.left_out);
    let wanted = without_removed(tx, wanted, &mut reached.left_out).await?;
    let (wanted, hosts) = within_limits(tx, wanted, budgets, &mut reached.left_out).await?;
    if wanted.is_empty() {
        return Ok(reached);
    }
    let mut depths: BTreeMap<&Address, i32> = BTreeMap::new();
    for ((_, address), depth) in &wanted {
        let least = depths.entry(address).or_insert(*depth);
        *least = (*least).min(*depth);
    }
    let pages = upsert_pages(tx, &depths, &hosts).await?;
    let gained = upsert_seed_pages(tx, &wanted, &pages).await?;
    // A page that was made just now is due by itself: most of them.
    let (made, known): (Vec<&Page>, Vec<&Page>) = pages
        .values()
        .filter(|page| gained.contains(&page.page_id))
        .partition(|page| page.made);
    reached.due = made.len() as u64;
    reached.hosts.extend(made.iter().map(|page| page.host_id));
    if known.is_empty() {
        return Ok(reached);
    }
    let known: Vec<i64> = known.iter().map(|page| page.page_id).collect();
    let due: Vec<i64> = sqlx::query_scalar(
        "UPDATE pages SET state = 'due', due_at = now(), attempts = 0, reason = NULL, revisit_at = NULL,
                etag = NULL, last_modified = NULL, content_hash = NULL
         WHERE page_id IN (SELECT page_id FROM pages WHERE page_id = ANY($1) ORDER BY page_id FOR NO KEY UPDATE)
         RETURNING host_id",
    )
    .bind(known)
    .fetch_all(&mut *tx)
    .await?;
    reached.due += due.len() as u64;
    reached.hosts.extend(due);
    Ok(reached)
}

type Wanted = BTreeMap<(i64, Address), i32>;

fn nearest(seedlings: Vec<Seedling>) -> Wanted {
    let mut wanted = Wanted::new();
    for seedling in seedlings {
        let least = wanted
            .entry((seedling.seed_id, seedling.address))
            .or_insert(seedling.depth);
        *least = (*least).min(seedling.depth);
    }
    wanted
}

/// Leaves out what the seed knows at this depth already: most links of most pages.
async fn without_known(tx: &mut PgConnection, mut wanted: Wanted) -> Result<Wanted, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let (seeds, urls, depths) = columns(&wanted);
    let known: Vec<(i64, String)> = sqlx::query_as(
        "SELECT wanted.seed_id, wanted.url
         FROM unnest($1::bigint[], $2::text[], $3::int[]) AS wanted (seed_id, url, depth)
         JOIN pages USING (url)
         JOIN seed_pages ON seed_pages.page_id = pages.page_id
          AND seed_pages.seed_id = wanted.seed_id AND seed_pages.depth <= wanted.depth",
    )
    .bind(&seeds)
    .bind(&urls)
    .bind(&depths)
    .fetch_all(tx)
    .await?;
    let known = by_seed(known);
    wanted.retain(|(seed, address), _| !holds(&known, *seed, address));
    Ok(wanted)
}

fn without_traps(mut wanted: Wanted, left_out: &mut LeftOut) -> Wanted {
    wanted.retain(|(_, address), depth| {
        let trap = *depth > 0 && trap::of(address).is_some();
        left_out.traps += u64::from(trap);
        !trap
    });
    wanted
}

async fn without_removed(
    tx: &mut PgConnection,
    mut wanted: Wanted,
    left_out: &mut LeftOut,
) -> Result<Wanted, sqlx::Error> {
    let urls: BTreeSet<&str> = wanted.keys().map(|(_, address)| address.as_str()).collect();
    let urls: Vec<&str> = urls.into_iter().collect();
    let removed = kept_out_urls(tx, &urls).await?;
    if !removed.is_empty() {
        let before = wanted.len();
        wanted.retain(|(_, address), _| !removed.contains(address.as_str()));
        left_out.removed += (before - wanted.len()) as u64;
    }
    Ok(wanted)
}

/// URLs by seed.
type BySeed = HashMap<i64, HashSet<String>>;

fn by_seed(rows: Vec<(i64, String)>) -> BySeed {
    let mut by_seed = BySeed::new();
    for (seed, url) in rows {
        by_seed.entry(seed).or_default().insert(url);
    }
    by_seed
}

fn holds(by_seed: &BySeed, seed: i64, address: &Address) -> bool {
    let urls = by_seed.get(&seed);
    urls.is_some_and(|urls| urls.contains(address.as_str()))
}

/// A seed's bounds as they stand under its lock.
struct Bounds {
    room: i64,
    max_depth: i32,
    /// `None` where the row is no scope of this build: nothing is left out for that.
    scope: Option<(Address, Scope)>,
}

impl Bounds {
    /// Whether the seed goes there; its own page is its start wherever that redirects.
    fn contain(&self, address: &Address, depth: i32) -> bool {
        let within = |(from, scope): &(Address, Scope)| scope.contains(from, address);
        depth == 0 || (depth <= self.max_depth && self.scope.as_ref().is_none_or(within))
    }
}

async fn lock_bounds(
    tx: &mut PgConnection,
    seed_ids: &[i64],
) -> Result<HashMap<i64, Bounds>, sqlx::Error> {
    let rows: Vec<(i64, i64, i32, String, String)> = sqlx::query_as(
        "SELECT seed_id, max_pages - pages, max_depth, scope_url, scope FROM seeds
         WHERE seed_id = ANY($1) ORDER BY seed_id FOR NO KEY UPDATE",
    )
    .bind(seed_ids)
    .fetch_all(tx)
    .await?;
    let bounds = |(seed, room, max_depth, url, scope): (i64, i64, i32, String, String)| {
        let scope = Address::parse(&url).ok().zip(scope.parse().ok());
        let bounds = Bounds {
            room,
            max_depth,
            scope,
        };
        (seed, bounds)
    };
    Ok(rows.into_iter().map(bounds).collect())
}

/// Which of the wanted pages are known at all, and which belong to their seed. Asked under the seeds'
/// locks: another page may have brought the same links meanwhile.
async fn standing(
    tx: &mut PgConnection,
    wanted: &Wanted,
) -> Result<(HashSet<String>, BySeed), sqlx::Error> {
    let (seeds, urls, _) = columns(wanted);
    let rows: Vec<(i64, String, bool)> = sqlx::query_as(
        "SELECT wanted.seed_id, wanted.url, seed_pages.page_id IS NOT NULL
         FROM unnest($1::bigint[], $2::text[]) AS wanted (seed_id, url)
         JOIN pages USING (url)
         LEFT JOIN seed_pages ON seed_pages.page_id = pages.page_id AND seed_pages.seed_id = wanted.seed_id",
    )
    .bind(&seeds)
    .bind(&urls)
    .fetch_all(tx)
    .await?;
    let known = rows.iter().map(|(_, url, _)| url.clone()).collect();
    let members = rows.into_iter().filter(|(.., member)| *member);
    let members = by_seed(members.map(|(seed, url, _)| (seed, url)).collect());
    Ok((known, members))
}

/// Counts the pages that are new to each seed against its limit, and those that are new at all
/// against their host's budgets, nearest first. Leaves out what lies beyond a seed's bounds: they may
/// have shrunk, or the seed gone, since the links were read. What is left comes with its hosts.
async fn within_limits(
    tx: &mut PgConnection,
    mut wanted: Wanted,
    budgets: Budgets,
    left_out: &mut LeftOut,
) -> Result<(Wanted, HashMap<String, i64>), sqlx::Error> {
    let seed_ids: BTreeSet<i64> = wanted.keys().map(|(seed, _)| *seed).collect();
    if seed_ids.is_empty() {
        return Ok((wanted, HashMap::new()));
    }
    let seed_ids: Vec<i64> = seed_ids.into_iter().collect();
    let mut bounds = lock_bounds(tx, &seed_ids).await?;
    wanted.retain(|(seed, address), depth| {
        let bounds = bounds.get(seed);
        bounds.is_some_and(|bounds| bounds.contain(address, *depth))
    });
    let (known, members) = standing(tx, &wanted).await?;
    // A seed that is full takes nothing, so nothing is counted for it.
    wanted.retain(|(seed, address), _| {
        let room = bounds.get(seed).is_some_and(|bounds| bounds.room > 0);
        room || holds(&members, *seed, address)
    });
    if wanted.is_empty() {
        return Ok((wanted, HashMap::new()));
    }
    let hosts = host_ids(tx, wanted.keys().map(|(_, address)| address.origin())).await?;
    let new = wanted.keys().map(|(_, address)| address);
    let new: BTreeSet<&Address> = new
        .filter(|address| !known.contains(address.as_str()))
        .collect();
    let new = new
        .into_iter()
        .map(|address| (address, hosts[address.origin()]));
    let mut accounts = Accounts::open(tx, new, budgets).await?;
    let mut taken: BTreeMap<i64, i64> = BTreeMap::new();
    let mut by_depth: Vec<((i64, Address), i32)> = wanted.clone().into_iter().collect();
    by_depth.sort_by_key(|(_, depth)| *depth);
    for ((seed, address), depth) in by_depth {
        if holds(&members, seed, &address) {
            continue;
        }
        let spent = accounts.spent(&address).filter(|_| depth > 0);
        match (spent, bounds.get_mut(&seed)) {
            (None, Some(bounds)) if bounds.room > 0 => {
                bounds.room -= 1;
                *taken.entry(seed).or_insert(0) += 1;
                accounts.take(&address);
                continue;
            }
            (Some(Spent::Host), _) => left_out.host_budget += 1,
            (Some(Spent::Pattern), _) => left_out.pattern_budget += 1,
            (None, _) => {}
        }
        wanted.remove(&(seed, address));
    }
    let origins: HashMap<i64, &String> = hosts.iter().map(|(origin, id)| (*id, origin)).collect();
    let used_up = accounts.close(tx).await?;
    let used_up = used_up.into_iter().filter_map(|(host, pattern)| {
        let origin = origins.get(&host)?;
        Some(((*origin).clone(), pattern))
    });
    left_out.spent.extend(used_up);
    if !taken.is_empty() {
        let (seeds, counts): (Vec<i64>, Vec<i64>) = taken.into_iter().unzip();
        sqlx::query(
            "UPDATE seeds SET pages = pages + taken.count
             FROM unnest($1::bigint[], $2::bigint[]) AS taken (seed_id, count)
             WHERE seeds.seed_id = taken.seed_id",
        )
        .bind(seeds)
        .bind(counts)
        .execute(tx)
        .await?;
    }
    Ok((wanted, hosts))
}

fn columns(wanted: &Wanted) -> (Vec<i64>, Vec<String>, Vec<i32>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for ((seed, address), depth) in wanted {
        columns.0.push(*seed);
        columns.1.push(address.as_str().to_owned());
        columns.2.push(*depth);
    }
    columns
}

/// The ids of the hosts with these origins, which are made where they are new.
pub(super) async fn host_ids(
    tx: &mut PgConnection,
    origins: impl Iterator<Item = &str>,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let origins: BTreeSet<&str> = origins.collect();
    let origins: Vec<&str> = origins.into_iter().collect();
    sqlx::query(
        "INSERT INTO hosts (origin) SELECT wanted.origin FROM unnest($1::text[]) AS wanted (origin)
         WHERE NOT EXISTS (SELECT FROM hosts WHERE hosts.origin = wanted.origin)
         ORDER BY wanted.origin ON CONFLICT (origin) DO NOTHING",
    )
    .bind(&origins)
    .execute(&mut *tx)
    .await?;
    let ids: Vec<(String, i64)> =
        sqlx::query_as("SELECT origin, host_id FROM hosts WHERE origin = ANY($1)")
            .bind(&origins)
            .fetch_all(tx)
            .await?;
    Ok(ids.into_iter().collect())
}

/// A page's row.
struct Page {
    page_id: i64,
    host_id: i64,
    /// Whether this statement made it.
    made: bool,
}

async fn upsert_pages(
    tx: &mut PgConnection,
    depths: &BTreeMap<&Address, i32>,
    hosts: &HashMap<String, i64>,
) -> Result<HashMap<String, Page>, sqlx::Error> {
    let urls: Vec<&str> = depths.keys().map(|address| address.as_str()).collect();
    let host_ids: Vec<i64> = depths
        .keys()
        .map(|address| hosts[address.origin()])
        .collect();
    let least: Vec<i32> = depths.values().copied().collect();
    // A row that was not updated has no `xmax`.
    let pages: Vec<(String, i64, i64, bool)> = sqlx::query_as(
        "INSERT INTO pages (url, host_id, depth)
         SELECT url, host_id, depth
         FROM unnest($1::text[], $2::bigint[], $3::int[]) AS wanted (url, host_id, depth)
         ORDER BY url
         ON CONFLICT (url) DO UPDATE SET depth = LEAST(pages.depth, EXCLUDED.depth)
         RETURNING url, page_id, host_id, xmax = 0",
    )
    .bind(urls)
    .bind(host_ids)
    .bind(least)
    .fetch_all(tx)
    .await?;
    let page = |(url, page_id, host_id, made)| {
        let page = Page {
            page_id,
            host_id,
            made,
        };
        (url, page)
    };
    Ok(pages.into_iter().map(page).collect())
}

/// The pages that a seed gained or now reaches nearer.
async fn upsert_seed_pages(
    tx: &mut PgConnection,
    wanted: &Wanted,
    pages: &HashMap<String, Page>,
) -> Result<HashSet<i64>, sqlx::Error> {
    let mut rows: Vec<(i64, i64, i32)> = wanted
        .iter()
        .map(|((seed, address), depth)| (*seed, pages[address.as_str()].page_id, *depth))
        .collect();
    rows.sort_unstable();
    let gained: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO seed_pages (seed_id, page_id, depth)
         SELECT seed_id, page_id, depth
         FROM unnest($1::bigint[], $2::bigint[], $3::int[]) AS wanted (seed_id, page_id, depth)
         ORDER BY seed_id, page_id
         ON CONFLICT (seed_id, page_id) DO UPDATE SET depth = EXCLUDED.depth
            WHERE seed_pages.depth > EXCLUDED.depth
         RETURNING page_id",
    )
    .bind(rows.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.1).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.2).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(gained.into_iter().collect())
}

/// Makes hosts worth a lease now. Called last in a transaction, so that whoever releases a host
/// either sees the new URLs or is followed by this update.
pub async fn wake_hosts(tx: &mut PgConnection, hosts: &BTreeSet<i64>) -> Result<(), sqlx::Error> {
    if hosts.is_empty() {
        return Ok(());
    }
    let hosts: Vec<i64> = hosts.iter().copied().collect();
    sqlx::query(
        "UPDATE hosts SET next_due_at = LEAST(next_due_at, now())
         WHERE host_id IN (SELECT host_id FROM hosts WHERE host_id = ANY($1) ORDER BY host_id FOR NO KEY UPDATE)",
    )
    .bind(hosts)
    .execute(tx)
    .await?;
    Ok(())
}
