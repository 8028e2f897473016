//! Pages that seeds reach.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;

use crate::address::{Address, Scope};

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
}

/// Makes pages known to seeds, and due where a seed gains by it.
///
/// A page that a seed reaches for the first time, or nearer than before, is read (again), since
/// its links now lead further. A seed takes no more than its `max_pages`, counted under its lock.
pub async fn reach_pages(
    tx: &mut PgConnection,
    seedlings: Vec<Seedling>,
) -> Result<Reached, sqlx::Error> {
    let wanted = without_known(tx, nearest(seedlings)).await?;
    let wanted = within_limits(tx, wanted).await?;
    if wanted.is_empty() {
        return Ok(Reached::default());
    }
    let mut depths: BTreeMap<&Address, i32> = BTreeMap::new();
    for ((_, address), depth) in &wanted {
        let least = depths.entry(address).or_insert(*depth);
        *least = (*least).min(*depth);
    }
    let hosts = host_ids(tx, depths.keys().map(|address| address.origin())).await?;
    let pages = upsert_pages(tx, &depths, &hosts).await?;
    let gained = upsert_seed_pages(tx, &wanted, &pages).await?;
    let due: Vec<(i64, i64)> = sqlx::query_as(
        "UPDATE pages SET state = 'due', due_at = now(), attempts = 0, reason = NULL
         WHERE page_id IN (SELECT page_id FROM pages WHERE page_id = ANY($1) ORDER BY page_id FOR NO KEY UPDATE)
         RETURNING page_id, host_id",
    )
    .bind(gained)
    .fetch_all(&mut *tx)
    .await?;
    Ok(Reached {
        due: due.len() as u64,
        hosts: due.into_iter().map(|(_, host_id)| host_id).collect(),
    })
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
    let known: BTreeSet<(i64, String)> = known.into_iter().collect();
    wanted.retain(|(seed, address), _| !known.contains(&(*seed, address.as_str().to_owned())));
    Ok(wanted)
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

/// Counts the pages that are new to each seed against its limit, nearest first. Leaves out what lies
/// beyond its bounds: they may have shrunk, or the seed gone, since the links were read.
async fn within_limits(tx: &mut PgConnection, mut wanted: Wanted) -> Result<Wanted, sqlx::Error> {
    let seed_ids: BTreeSet<i64> = wanted.keys().map(|(seed, _)| *seed).collect();
    if seed_ids.is_empty() {
        return Ok(wanted);
    }
    let seed_ids: Vec<i64> = seed_ids.into_iter().collect();
    let mut bounds = lock_bounds(tx, &seed_ids).await?;
    wanted.retain(|(seed, address), depth| {
        let bounds = bounds.get(seed);
        bounds.is_some_and(|bounds| bounds.contain(address, *depth))
    });
    // Asked again under the lock: another page may have brought the same links meanwhile.
    let (seeds, urls, _) = columns(&wanted);
    let members: Vec<(i64, String)> = sqlx::query_as(
        "SELECT wanted.seed_id, wanted.url FROM unnest($1::bigint[], $2::text[]) AS wanted (seed_id, url)
         JOIN pages USING (url)
         JOIN seed_pages ON seed_pages.page_id = pages.page_id AND seed_pages.seed_id = wanted.seed_id",
    )
    .bind(&seeds)
    .bind(&urls)
    .fetch_all(&mut *tx)
    .await?;
    let members: BTreeSet<(i64, String)> = members.into_iter().collect();
    let mut taken: BTreeMap<i64, i64> = BTreeMap::new();
    let mut by_depth: Vec<((i64, Address), i32)> = wanted.clone().into_iter().collect();
    by_depth.sort_by_key(|(_, depth)| *depth);
    for ((seed, address), _) in by_depth {
        if members.contains(&(seed, address.as_str().to_owned())) {
            continue;
        }
        match bounds.get_mut(&seed) {
            Some(bounds) if bounds.room > 0 => {
                bounds.room -= 1;
                *taken.entry(seed).or_insert(0) += 1;
            }
            _ => {
                wanted.remove(&(seed, address));
            }
        }
    }
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
    Ok(wanted)
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

async fn upsert_pages(
    tx: &mut PgConnection,
    depths: &BTreeMap<&Address, i32>,
    hosts: &HashMap<String, i64>,
) -> Result<HashMap<String, i64>, sqlx::Error> {
    let urls: Vec<&str> = depths.keys().map(|address| address.as_str()).collect();
    let host_ids: Vec<i64> = depths
        .keys()
        .map(|address| hosts[address.origin()])
        .collect();
    let least: Vec<i32> = depths.values().copied().collect();
    let pages: Vec<(String, i64)> = sqlx::query_as(
        "INSERT INTO pages (url, host_id, depth)
         SELECT url, host_id, depth
         FROM unnest($1::text[], $2::bigint[], $3::int[]) AS wanted (url, host_id, depth)
         ORDER BY url
         ON CONFLICT (url) DO UPDATE SET depth = LEAST(pages.depth, EXCLUDED.depth)
         RETURNING url, page_id",
    )
    .bind(urls)
    .bind(host_ids)
    .bind(least)
    .fetch_all(tx)
    .await?;
    Ok(pages.into_iter().collect())
}

/// The pages that a seed gained or now reaches nearer.
async fn upsert_seed_pages(
    tx: &mut PgConnection,
    wanted: &Wanted,
    pages: &HashMap<String, i64>,
) -> Result<Vec<i64>, sqlx::Error> {
    let mut rows: Vec<(i64, i64, i32)> = wanted
        .iter()
        .map(|((seed, address), depth)| (*seed, pages[address.as_str()], *depth))
        .collect();
    rows.sort_unstable();
    sqlx::query_scalar(
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
    .await
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
