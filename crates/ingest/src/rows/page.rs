//! Pages that were read: their links, what they show, and the sightings that come of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::PgConnection;
use sqlx::types::Json;
use time::{Duration, OffsetDateTime};
use tusou_contract::{ImageId, SightingContext, SightingRights};

use super::Validators;
use super::limits::{PicturesLeft, Rooms};
use super::outbox::{Owed, owe};
use super::reach::{LeftOut, Reached, Seedling, reach_pages, wake_hosts};
use super::settle::{Ended, Terms, end_pages, next_look};
use super::shown::{self, Shown};
use super::sightings;
use super::walk::{SeedOf, seeds_of};
use crate::address::Address;

/// A picture as a page shows it.
#[derive(Debug, Clone)]
pub struct PagePicture {
    /// Where its bytes are.
    pub address: Address,
    /// Alternative text.
    pub alt: String,
    /// The `title` attribute.
    pub title: String,
    /// The figure's caption.
    pub caption: String,
    /// The text around it.
    pub nearby: String,
    /// What else stands around it.
    pub context: SightingContext,
    /// What the page says of its rights.
    pub rights: SightingRights,
}

/// A page that was read.
#[derive(Debug, Clone)]
pub struct PageRecord {
    /// Its row.
    pub page_id: i64,
    /// When it was due, as the lease read it. A page that became due again meanwhile (a further
    /// seed reached it) stays due.
    pub due_at: OffsetDateTime,
    /// Its host, which is being crawled and needs no waking.
    pub host_id: i64,
    /// HTTP status.
    pub status: u16,
    /// `<title>`.
    pub title: Option<String>,
    /// Its language: a BCP 47 tag.
    pub lang: Option<String>,
    /// Addresses on the page that are no URLs.
    pub unparsable: u32,
    /// Where its links lead; its seeds decide which of them they follow.
    pub links: Vec<Address>,
    /// The address that it gives as its own: its seeds reach it in the page's stead, so not a link further.
    pub canonical: Option<Address>,
    /// What it shows.
    pub pictures: Vec<PagePicture>,
    /// What the next request may say of this answer.
    pub validators: Validators,
    /// SHA-256 of the body and of the headers that rule it.
    pub content_hash: [u8; 32],
    /// What came of reading it, where it is a sitemap or a feed.
    pub reading: Reading,
}

/// What came of reading a sitemap or a feed, for those who look after the crawl.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whether it is a feed.
    pub feed: bool,
    /// Pages and sitemaps that it names.
    pub named: u32,
    /// Pages, pictures and sitemaps that were left out because of a bound.
    pub left_out: u32,
    /// Why it was not read to its end, in one word.
    pub cut: Option<&'static str>,
}

/// Pages to write together, each at most once.
#[derive(Debug, Clone, Default)]
pub struct PageBatch<'a> {
    /// Those that were read.
    pub read: Vec<&'a PageRecord>,
    /// Those that brought nothing new.
    pub ended: Vec<Ended>,
}

/// What pages brought, all of them together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSummary {
    /// Pages that became due.
    pub pages: u64,
    /// Image URLs that became due.
    pub image_urls: u64,
    /// Images whose documents change.
    pub images: u64,
    /// Pages of the batch whose rows are there no more: nothing was written of them.
    pub missing: HashSet<i64>,
    /// Links that are not followed.
    pub left_out: LeftOut,
    /// Pictures that are shown and not taken.
    pub pictures_left: PicturesLeft,
}

/// Writes pages' links, pictures and sightings, and what is owed to the broker for them.
///
/// Pictures whose bytes are known become sightings at once; the others when their bytes come. A
/// sighting of a page that the page no longer shows is gone since now. Rows that would not change
/// are not touched: `sightings.last_seen` is written with what else changes of a sighting, and by
/// itself once it is more than a day old.
pub async fn record_pages(
    tx: &mut PgConnection,
    batch: &PageBatch<'_>,
    terms: &Terms,
) -> Result<PageSummary, sqlx::Error> {
    let seeds = seeds_of_pages(tx, &batch.read).await?;
    let rooms = Rooms::open(tx, &seeds).await?;
    let links = seedlings(&batch.read, &seeds);
    let reached = if links.is_empty() {
        Reached::default()
    } else {
        reach_pages(tx, links, terms.budgets).await?
    };
    let mut wake = reached.hosts;

    let there = lock(tx, batch).await?;
    let read: Vec<&PageRecord> = batch
        .read
        .iter()
        .copied()
        .filter(|record| there.contains(&record.page_id))
        .collect();
    let seeded = seeded(tx, &read).await?;
    let gone: Vec<i64> = batch
        .ended
        .iter()
        .filter(|page| page.gone)
        .map(|page| page.id)
        .collect();
    let shown = Shown {
        read: &read,
        seeded: &seeded,
        gone: &gone,
        limits: &terms.pictures,
    };
    let written = shown::write(tx, &shown, rooms).await?;
    wake.extend(&written.due);

    write_read(tx, &read, &written.left, terms).await?;
    end_pages(tx, &batch.ended.iter().collect::<Vec<_>>(), terms).await?;

    // Last, since every page that shows the same logo waits for its row here.
    let mut changed = sightings::see_at_pages(tx, &written.seen).await?;
    changed.extend(sightings::part(tx, &written.parted).await?);
    let images = bump(tx, changed, terms.coalesce).await?;
    for record in &read {
        wake.remove(&record.host_id);
    }
    wake_hosts(tx, &wake).await?;
    let mut pictures_left = PicturesLeft::default();
    for left in &written.left {
        pictures_left.add(left);
    }
    let asked = batch.read.iter().map(|record| record.page_id);
    let asked = asked.chain(batch.ended.iter().map(|page| page.id));
    Ok(PageSummary {
        pages: reached.due,
        image_urls: written.due.len() as u64,
        images,
        missing: asked.filter(|id| !there.contains(id)).collect(),
        left_out: reached.left_out,
        pictures_left,
    })
}

/// The seeds of the pages that link anywhere or show anything.
async fn seeds_of_pages(
    tx: &mut PgConnection,
    read: &[&PageRecord],
) -> Result<BTreeMap<i64, Vec<SeedOf>>, sqlx::Error> {
    let leads = |record: &&&PageRecord| {
        !record.links.is_empty() || record.canonical.is_some() || !record.pictures.is_empty()
    };
    let leading = read.iter().filter(leads);
    let ids: Vec<i64> = leading.map(|record| record.page_id).collect();
    let mut seeds: BTreeMap<i64, Vec<SeedOf>> = BTreeMap::new();
    if ids.is_empty() {
        return Ok(seeds);
    }
    for (page, seed) in seeds_of(tx, &ids).await? {
        seeds.entry(page).or_default().push(seed);
    }
    Ok(seeds)
}

/// What the pages' seeds reach by their links.
fn seedlings(read: &[&PageRecord], seeds: &BTreeMap<i64, Vec<SeedOf>>) -> Vec<Seedling> {
    let mut found = Vec::new();
    for record in read {
        for seed in seeds.get(&record.page_id).into_iter().flatten() {
            found.extend(record.links.iter().filter_map(|link| seed.follow(link)));
            found.extend(record.canonical.iter().filter_map(|own| seed.stay(own)));
        }
    }
    found
}

/// Locks the batch's pages, so that a seed's removal either sees what they show or is seen here.
/// Those that are there.
async fn lock(tx: &mut PgConnection, batch: &PageBatch<'_>) -> Result<HashSet<i64>, sqlx::Error> {
    let read = batch.read.iter().map(|record| record.page_id);
    let ids: Vec<i64> = read.chain(batch.ended.iter().map(|page| page.id)).collect();
    let there: Vec<i64> = sqlx::query_scalar(
        "SELECT page_id FROM pages WHERE page_id = ANY($1) ORDER BY url FOR NO KEY UPDATE",
    )
    .bind(ids)
    .fetch_all(tx)
    .await?;
    Ok(there.into_iter().collect())
}

/// Those pages that a seed reaches still. They are locked.
async fn seeded(tx: &mut PgConnection, read: &[&PageRecord]) -> Result<HashSet<i64>, sqlx::Error> {
    if read.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: Vec<i64> = read.iter().map(|record| record.page_id).collect();
    let seeded: Vec<i64> = sqlx::query_scalar(
        "SELECT page_id FROM unnest($1::bigint[]) AS read (page_id)
         WHERE EXISTS (SELECT FROM seed_pages WHERE seed_pages.page_id = read.page_id)",
    )
    .bind(ids)
    .fetch_all(tx)
    .await?;
    Ok(seeded.into_iter().collect())
}

/// Writes the rows of pages that were read. What a page is known by is kept only where it is done:
/// one that became due again meanwhile is to be read whatever it answers.
async fn write_read(
    tx: &mut PgConnection,
    read: &[&PageRecord],
    left: &[PicturesLeft],
    terms: &Terms,
) -> Result<(), sqlx::Error> {
    if read.is_empty() {
        return Ok(());
    }
    let (min, max) = terms.revisits();
    let counts = |count: fn(&PageRecord) -> u32| -> Vec<i32> {
        let counts = read.iter().map(|page| count(page));
        counts
            .map(|count| i32::try_from(count).unwrap_or(i32::MAX))
            .collect()
    };
    sqlx::query(concat!(
        "UPDATE pages SET
            state = CASE WHEN pages.due_at = came.due_at THEN 'done' ELSE pages.state END,
            attempts = pages.attempts + 1, reason = came.cut, status = came.status, title = came.title, lang = came.lang,
            unparsable = came.unparsable, pictures_left = came.pictures_left, moved_to = NULL, fetched_at = now(),
            is_feed = came.is_feed, named = came.named, left_out = came.left_out,
            etag = CASE WHEN pages.due_at = came.due_at THEN came.etag ELSE pages.etag END,
            last_modified = CASE WHEN pages.due_at = came.due_at THEN came.last_modified ELSE pages.last_modified END,
            content_hash = CASE WHEN pages.due_at = came.due_at THEN came.content_hash ELSE pages.content_hash END,
            revisit_seconds = CASE WHEN $2 = 0 THEN pages.revisit_seconds
                                   ELSE ", next_look!("pages", "pages.content_hash IS DISTINCT FROM came.content_hash"), " END,
            revisit_at = CASE WHEN $2 > 0 AND pages.due_at = came.due_at
                              THEN now() + make_interval(secs => ",
                                   next_look!("pages", "pages.content_hash IS DISTINCT FROM came.content_hash"), ") END
         FROM unnest($3::bigint[], $4::timestamptz[], $5::int[], $6::text[], $7::int[], $8::text[],
                     $9::text[], $10::bytea[], $11::text[], $12::bool[], $13::int[], $14::int[], $15::text[], $16::jsonb[])
              AS came (page_id, due_at, status, title, unparsable, etag, last_modified, content_hash, lang,
                       is_feed, named, left_out, cut, pictures_left)
         WHERE pages.page_id = came.page_id"
    ))
    .bind(min)
    .bind(max)
    .bind(read.iter().map(|page| page.page_id).collect::<Vec<_>>())
    .bind(read.iter().map(|page| page.due_at).collect::<Vec<_>>())
    .bind(read.iter().map(|page| i32::from(page.status)).collect::<Vec<_>>())
    .bind(read.iter().map(|page| page.title.as_deref()).collect::<Vec<_>>())
    .bind(counts(|page| page.unparsable))
    .bind(read.iter().map(|page| page.validators.etag.as_deref()).collect::<Vec<_>>())
    .bind(read.iter().map(|page| page.validators.last_modified.as_deref()).collect::<Vec<_>>())
    .bind(read.iter().map(|page| &page.content_hash[..]).collect::<Vec<_>>())
    .bind(read.iter().map(|page| page.lang.as_deref()).collect::<Vec<_>>())
    .bind(read.iter().map(|page| page.reading.feed).collect::<Vec<_>>())
    .bind(counts(|page| page.reading.named))
    .bind(counts(|page| page.reading.left_out))
    .bind(read.iter().map(|page| page.reading.cut).collect::<Vec<_>>())
    .bind(left.iter().map(Json).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Raises the revision of images whose documents change, in the order of their ids.
pub(super) async fn raise(
    tx: &mut PgConnection,
    images: &BTreeSet<ImageId>,
) -> Result<(), sqlx::Error> {
    if images.is_empty() {
        return Ok(());
    }
    let ids: Vec<&[u8]> = images.iter().map(|id| &id.as_bytes()[..]).collect();
    sqlx::query(
        "UPDATE images SET rev = rev + 1
         WHERE image_id IN (SELECT image_id FROM images WHERE image_id = ANY($1) ORDER BY image_id FOR NO KEY UPDATE)",
    )
    .bind(ids)
    .execute(tx)
    .await?;
    Ok(())
}

/// Raises the revision of images whose documents change, and owes the indexer a message for each.
pub(super) async fn bump(
    tx: &mut PgConnection,
    images: BTreeSet<ImageId>,
    coalesce: Duration,
) -> Result<u64, sqlx::Error> {
    raise(tx, &images).await?;
    let owed = images
        .iter()
        .map(|id| Owed::changed(*id, coalesce))
        .collect();
    owe(tx, owed).await?;
    Ok(images.len() as u64)
}
