//! Sitemaps that seeds ask for, and what they tell of pages.
//!
//! A sitemap is a row of `pages` of its own kind: due, leased, visited again and kept out as pages
//! are. It belongs to its seeds, and is counted apart from their pages.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::reach::host_ids;
use super::removals::kept_out_urls;
use crate::address::Address;

/// Sitemaps that a robots.txt or an index names.
#[derive(Debug, Clone)]
pub struct NamedSitemaps<'a> {
    /// The seeds that are to ask for them, each with its depth at whatever names them: naming a
    /// sitemap is no link further.
    pub seeds: &'a [(i64, i32)],
    /// Where they are; the first ones are taken where not all can be.
    pub sitemaps: &'a [Address],
    /// How many indexes lead to them.
    pub level: u32,
    /// The most sitemaps of a seed.
    pub most: u64,
}

/// What [`reach_sitemaps`] wrote.
#[derive(Debug, Clone, Default)]
pub struct SitemapsReached {
    /// Sitemaps that became due: new ones, and ones new to a seed.
    pub due: u64,
    /// Hosts with something newly due, to be woken at the end of the transaction.
    pub hosts: BTreeSet<i64>,
    /// Sitemaps beyond a seed's bound, once for each seed.
    pub left_out: u64,
    /// Sitemaps that a removal keeps out.
    pub removed: u64,
}

/// Makes sitemaps known to seeds, and due where a seed gains by it.
///
/// They are in nobody's scope: who names them vouches for them. A seed that follows no links where
/// they are named asks for none. An address that is known as a page stays one; what it
/// answers is read as what it is. Loops end here: what belongs to a seed already is left as it is.
pub async fn reach_sitemaps(
    tx: &mut PgConnection,
    named: &NamedSitemaps<'_>,
) -> Result<SitemapsReached, sqlx::Error> {
    let mut reached = SitemapsReached::default();
    let mut wanted: Vec<&Address> = Vec::new();
    let mut seen = HashSet::new();
    wanted.extend(
        named
            .sitemaps
            .iter()
            .filter(|address| seen.insert(*address)),
    );
    let urls: Vec<&str> = wanted.iter().map(|address| address.as_str()).collect();
    let removed = kept_out_urls(tx, &urls).await?;
    wanted.retain(|address| !removed.contains(address.as_str()));
    reached.removed = removed.len() as u64;
    if wanted.is_empty() || named.seeds.is_empty() {
        return Ok(reached);
    }
    let rooms = rooms(tx, named).await?;
    let taken = take(tx, &wanted, &rooms, &mut reached).await?;
    let addresses: BTreeMap<&str, &Address> = taken
        .iter()
        .map(|(_, address)| (address.as_str(), *address))
        .collect();
    if addresses.is_empty() {
        return Ok(reached);
    }
    let depth = named.seeds.iter().map(|(_, depth)| *depth).min();
    let rows = upsert(tx, &addresses, depth.unwrap_or(0), named.level).await?;
    let depths: BTreeMap<i64, i32> = named.seeds.iter().copied().collect();
    let members = taken.iter().filter_map(|(seed, address)| {
        let row = rows.get(address.as_str())?;
        Some((*seed, row.page_id, depths[seed]))
    });
    let gained = join(tx, members.collect()).await?;
    let (made, known): (Vec<&Row>, Vec<&Row>) = rows
        .values()
        .filter(|row| gained.contains(&row.page_id))
        .partition(|row| row.made);
    reached.due = (made.len() + known.len()) as u64;
    reached.hosts.extend(made.iter().map(|row| row.host_id));
    reached.hosts.extend(known.iter().map(|row| row.host_id));
    read_again(tx, known.iter().map(|row| row.page_id).collect()).await?;
    Ok(reached)
}

/// How many more sitemaps each seed may have, as it stands under its lock.
async fn rooms(
    tx: &mut PgConnection,
    named: &NamedSitemaps<'_>,
) -> Result<BTreeMap<i64, i64>, sqlx::Error> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT seeds.seed_id, $3 - seeds.sitemaps FROM seeds
         JOIN unnest($1::bigint[], $2::int[]) AS naming (seed_id, depth) USING (seed_id)
         WHERE naming.depth < max_depth ORDER BY seeds.seed_id FOR NO KEY UPDATE OF seeds",
    )
    .bind(
        named
            .seeds
            .iter()
            .map(|(seed, _)| *seed)
            .collect::<Vec<_>>(),
    )
    .bind(
        named
            .seeds
            .iter()
            .map(|(_, depth)| *depth)
            .collect::<Vec<_>>(),
    )
    .bind(i64::try_from(named.most).unwrap_or(i64::MAX))
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The sitemaps that are new to each seed, as far as it has room for them.
async fn take<'a>(
    tx: &mut PgConnection,
    wanted: &[&'a Address],
    rooms: &BTreeMap<i64, i64>,
    reached: &mut SitemapsReached,
) -> Result<Vec<(i64, &'a Address)>, sqlx::Error> {
    let urls: Vec<&str> = wanted.iter().map(|address| address.as_str()).collect();
    let pages: Vec<String> =
        sqlx::query_scalar("SELECT url FROM pages WHERE url = ANY($1) AND kind <> 'sitemap'")
            .bind(&urls)
            .fetch_all(&mut *tx)
            .await?;
    let pages: HashSet<String> = pages.into_iter().collect();
    let members: Vec<(i64, String)> = sqlx::query_as(
        "SELECT seed_id, url FROM pages JOIN seed_pages USING (page_id)
         WHERE url = ANY($1) AND seed_id = ANY($2)",
    )
    .bind(&urls)
    .bind(rooms.keys().copied().collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let members: HashSet<(i64, String)> = members.into_iter().collect();
    let mut taken = Vec::new();
    for (seed, room) in rooms {
        let mut room = *room;
        for address in wanted {
            let url = address.as_str();
            if pages.contains(url) || members.contains(&(*seed, url.to_owned())) {
                continue;
            }
            if room > 0 {
                room -= 1;
                taken.push((*seed, *address));
            } else {
                reached.left_out += 1;
            }
        }
    }
    Ok(taken)
}

/// A sitemap's row.
struct Row {
    page_id: i64,
    host_id: i64,
    /// Whether this statement made it.
    made: bool,
}

/// The rows of sitemaps, by URL; none of what became known as a page meanwhile.
async fn upsert(
    tx: &mut PgConnection,
    addresses: &BTreeMap<&str, &Address>,
    depth: i32,
    level: u32,
) -> Result<BTreeMap<String, Row>, sqlx::Error> {
    let hosts = host_ids(tx, addresses.values().map(|address| address.origin())).await?;
    let host_ids: Vec<i64> = addresses
        .values()
        .map(|address| hosts[address.origin()])
        .collect();
    let rows: Vec<(String, i64, i64, bool)> = sqlx::query_as(
        "INSERT INTO pages (url, host_id, depth, kind, sitemap_level)
         SELECT url, host_id, $3, 'sitemap', $4
         FROM unnest($1::text[], $2::bigint[]) AS wanted (url, host_id) ORDER BY url
         ON CONFLICT (url) DO UPDATE SET depth = LEAST(pages.depth, EXCLUDED.depth),
                sitemap_level = LEAST(pages.sitemap_level, EXCLUDED.sitemap_level)
            WHERE pages.kind = 'sitemap'
         RETURNING url, page_id, host_id, xmax = 0",
    )
    .bind(addresses.keys().copied().collect::<Vec<_>>())
    .bind(host_ids)
    .bind(depth)
    .bind(i32::try_from(level).unwrap_or(i32::MAX))
    .fetch_all(tx)
    .await?;
    let row = |(url, page_id, host_id, made)| {
        let row = Row {
            page_id,
            host_id,
            made,
        };
        (url, row)
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Makes sitemaps belong to seeds, and counts them there: the rows that a seed gained.
async fn join(
    tx: &mut PgConnection,
    mut members: Vec<(i64, i64, i32)>,
) -> Result<HashSet<i64>, sqlx::Error> {
    members.sort_unstable();
    let gained: Vec<(i64, i64)> = sqlx::query_as(
        "INSERT INTO seed_pages (seed_id, page_id, depth)
         SELECT seed_id, page_id, depth
         FROM unnest($1::bigint[], $2::bigint[], $3::int[]) AS wanted (seed_id, page_id, depth)
         ORDER BY seed_id, page_id ON CONFLICT (seed_id, page_id) DO NOTHING
         RETURNING seed_id, page_id",
    )
    .bind(members.iter().map(|row| row.0).collect::<Vec<_>>())
    .bind(members.iter().map(|row| row.1).collect::<Vec<_>>())
    .bind(members.iter().map(|row| row.2).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    for (seed, _) in &gained {
        *counts.entry(*seed).or_default() += 1;
    }
    sqlx::query(
        "UPDATE seeds SET sitemaps = sitemaps + gained.count
         FROM unnest($1::bigint[], $2::bigint[]) AS gained (seed_id, count)
         WHERE seeds.seed_id = gained.seed_id",
    )
    .bind(counts.keys().copied().collect::<Vec<_>>())
    .bind(counts.values().copied().collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(gained.into_iter().map(|(_, page)| page).collect())
}

/// Makes sitemaps due whose entries a further seed is to follow.
async fn read_again(tx: &mut PgConnection, known: Vec<i64>) -> Result<(), sqlx::Error> {
    if known.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE pages SET state = 'due', due_at = now(), attempts = 0, reason = NULL, revisit_at = NULL,
                etag = NULL, last_modified = NULL, content_hash = NULL
         WHERE page_id IN (SELECT page_id FROM pages WHERE page_id = ANY($1) ORDER BY url FOR NO KEY UPDATE)",
    )
    .bind(known)
    .execute(tx)
    .await?;
    Ok(())
}

/// Makes settled pages due that have changed since they were fetched, by the account of a sitemap whose
/// seeds reach them: how many, and their hosts, to be woken at the end of the transaction. A time to
/// come says nothing, or the page would be due with every look at the sitemap. Validators stay: where
/// the account is wrong, a 304 says so.
pub async fn renew_pages(
    tx: &mut PgConnection,
    sitemap: i64,
    changed: &[(Address, OffsetDateTime)],
) -> Result<(u64, BTreeSet<i64>), sqlx::Error> {
    let hosts: Vec<i64> = sqlx::query_scalar(
        "UPDATE pages SET state = 'due', due_at = now(), attempts = 0, reason = NULL, revisit_at = NULL
         WHERE page_id IN (
             SELECT pages.page_id FROM unnest($2::text[], $3::timestamptz[]) AS told (url, changed)
             JOIN pages USING (url)
             WHERE kind = 'page' AND state IN ('done', 'failed') AND fetched_at < changed AND changed <= now()
               AND EXISTS (SELECT FROM seed_pages AS own JOIN seed_pages AS naming USING (seed_id)
                           WHERE own.page_id = pages.page_id AND naming.page_id = $1)
             ORDER BY url FOR NO KEY UPDATE OF pages)
         RETURNING host_id",
    )
    .bind(sitemap)
    .bind(changed.iter().map(|(url, _)| url.as_str()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, at)| *at).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok((hosts.len() as u64, hosts.into_iter().collect()))
}
