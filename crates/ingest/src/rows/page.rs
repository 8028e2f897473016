//! A page that was read: its links, what it shows, and the sightings that come of it.

use std::collections::{BTreeSet, HashMap};

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use tusou_contract::ImageId;

use super::gone::part_page;
use super::outbox::{Owed, owe};
use super::reach::{Seedling, host_ids, reach_pages, wake_hosts};
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
    /// Addresses on the page that are no URLs.
    pub unparsable: u32,
    /// Pages that seeds reach by its links.
    pub links: Vec<Seedling>,
    /// What it shows.
    pub pictures: Vec<PagePicture>,
}

/// What a page brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageSummary {
    /// Pages that became due.
    pub pages: u64,
    /// Image URLs that became due.
    pub image_urls: u64,
    /// Images whose documents change.
    pub images: u64,
}

/// Writes a page's links, pictures and sightings, and what is owed to the broker for them.
///
/// Pictures whose bytes are known become sightings at once; the others when their bytes come. A
/// sighting of this page that the page no longer shows is gone since now.
pub async fn record_page(
    tx: &mut PgConnection,
    record: PageRecord,
    coalesce: Duration,
) -> Result<PageSummary, sqlx::Error> {
    let page_id = record.page_id;
    let reached = reach_pages(tx, record.links).await?;
    let mut wake = reached.hosts;
    let seeded = is_seeded(tx, page_id).await?;
    let (urls, new_hosts) = upsert_image_urls(tx, page_id, seeded, &record.pictures).await?;
    let new_urls = new_hosts.len() as u64;
    wake.extend(new_hosts);
    replace_page_images(tx, page_id, &record.pictures, &urls).await?;
    sqlx::query(
        "UPDATE pages SET state = CASE WHEN due_at = $5 THEN 'done' ELSE state END,
                attempts = attempts + 1, reason = NULL, status = $2, title = $3,
                unparsable = $4, moved_to = NULL, fetched_at = now()
         WHERE page_id = $1",
    )
    .bind(page_id)
    .bind(i32::from(record.status))
    .bind(record.title)
    .bind(i32::try_from(record.unparsable).unwrap_or(i32::MAX))
    .bind(record.due_at)
    .execute(&mut *tx)
    .await?;
    // Last, since every page that shows the same logo waits for its row here.
    let mut changed = see(tx, page_id).await?;
    changed.extend(part_page(tx, page_id).await?);
    let images = bump(tx, changed, coalesce).await?;
    wake.remove(&record.host_id);
    wake_hosts(tx, &wake).await?;
    Ok(PageSummary {
        pages: reached.due,
        image_urls: new_urls,
        images,
    })
}

/// Whether a seed reaches the page still. Its row is locked, so that a seed's removal either sees
/// what this page shows or is seen here.
async fn is_seeded(tx: &mut PgConnection, page_id: i64) -> Result<bool, sqlx::Error> {
    sqlx::query("SELECT FROM pages WHERE page_id = $1 FOR NO KEY UPDATE")
        .bind(page_id)
        .execute(&mut *tx)
        .await?;
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM seed_pages WHERE page_id = $1)")
        .bind(page_id)
        .fetch_one(tx)
        .await
}

/// The ids of the pictures' URLs, and the hosts of those that became due. The rows are locked for
/// share, with those that the page showed before: a picture's own transaction either sees this
/// page's words or is seen by it.
async fn upsert_image_urls(
    tx: &mut PgConnection,
    page_id: i64,
    seeded: bool,
    pictures: &[PagePicture],
) -> Result<(HashMap<String, i64>, Vec<i64>), sqlx::Error> {
    let addresses: BTreeSet<&Address> = pictures.iter().map(|picture| &picture.address).collect();
    let hosts = host_ids(tx, addresses.iter().map(|address| address.origin())).await?;
    let urls: Vec<&str> = addresses.iter().map(|address| address.as_str()).collect();
    let host_ids: Vec<i64> = addresses
        .iter()
        .map(|address| hosts[address.origin()])
        .collect();
    let mut due: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO image_urls (url, host_id, state, reason)
         SELECT wanted.url, wanted.host_id,
                CASE WHEN $3 THEN 'due' ELSE 'skipped' END::url_state,
                CASE WHEN $3 THEN NULL ELSE 'seed_removed' END
         FROM unnest($1::text[], $2::bigint[]) AS wanted (url, host_id)
         WHERE NOT EXISTS (SELECT FROM image_urls WHERE image_urls.url = wanted.url)
         ORDER BY wanted.url ON CONFLICT (url) DO NOTHING RETURNING host_id",
    )
    .bind(&urls)
    .bind(host_ids)
    .bind(seeded)
    .fetch_all(&mut *tx)
    .await?;
    if seeded {
        due.extend(take_up_again(tx, &urls).await?);
    } else {
        due.clear();
    }
    let ids: Vec<(String, i64)> = sqlx::query_as(
        "SELECT url, image_url_id FROM image_urls
         WHERE image_url_id IN (
             SELECT image_url_id FROM image_urls WHERE url = ANY($1)
             UNION SELECT image_url_id FROM page_images WHERE page_id = $2)
         ORDER BY url FOR SHARE",
    )
    .bind(&urls)
    .bind(page_id)
    .fetch_all(tx)
    .await?;
    Ok((ids.into_iter().collect(), due))
}

/// Due again are image URLs that were let go with their seed, and those that no page showed any more:
/// what they last answered may be long ago, and nobody has asked since.
async fn take_up_again(tx: &mut PgConnection, urls: &[&str]) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "UPDATE image_urls SET state = 'due', due_at = now(), attempts = 0, reason = NULL
         WHERE image_url_id IN (
             SELECT image_url_id FROM image_urls
             WHERE url = ANY($1) AND (
                 (state = 'skipped' AND reason = 'seed_removed')
                 OR (state <> 'due' AND NOT EXISTS (
                     SELECT FROM page_images WHERE page_images.image_url_id = image_urls.image_url_id)))
             ORDER BY url FOR NO KEY UPDATE)
         RETURNING host_id",
    )
    .bind(urls)
    .fetch_all(tx)
    .await
}

async fn replace_page_images(
    tx: &mut PgConnection,
    page_id: i64,
    pictures: &[PagePicture],
    urls: &HashMap<String, i64>,
) -> Result<(), sqlx::Error> {
    let mut seen = BTreeSet::new();
    let mut rows: Vec<(i64, &PagePicture)> = pictures
        .iter()
        .map(|picture| (urls[picture.address.as_str()], picture))
        .filter(|(id, _)| seen.insert(*id))
        .collect();
    rows.sort_unstable_by_key(|(id, _)| *id);
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    sqlx::query("DELETE FROM page_images WHERE page_id = $1 AND image_url_id <> ALL($2)")
        .bind(page_id)
        .bind(&ids)
        .execute(&mut *tx)
        .await?;
    let texts = |pick: fn(&PagePicture) -> &str| -> Vec<&str> {
        rows.iter().map(|(_, picture)| pick(picture)).collect()
    };
    sqlx::query(
        "INSERT INTO page_images (page_id, image_url_id, alt, title, caption)
         SELECT $1, id, alt, title, caption
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS shown (id, alt, title, caption)
         ON CONFLICT (page_id, image_url_id)
            DO UPDATE SET alt = EXCLUDED.alt, title = EXCLUDED.title, caption = EXCLUDED.caption",
    )
    .bind(page_id)
    .bind(&ids)
    .bind(texts(|picture| &picture.alt))
    .bind(texts(|picture| &picture.title))
    .bind(texts(|picture| &picture.caption))
    .execute(tx)
    .await?;
    Ok(())
}

/// Sees at this page every picture whose bytes are known.
async fn see(tx: &mut PgConnection, page_id: i64) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    let seen: Vec<Vec<u8>> = sqlx::query_scalar(
        "INSERT INTO sightings (image_id, page_id, image_url_id, alt, title, caption, nearby, rights)
         SELECT image_id, page_id, image_url_id, alt, title, caption, nearby, page_images.rights
         FROM page_images JOIN image_urls USING (image_url_id)
         WHERE page_id = $1 AND image_id IS NOT NULL
         ORDER BY image_id, image_url_id
         ON CONFLICT (image_id, page_id, image_url_id)
            DO UPDATE SET alt = EXCLUDED.alt, title = EXCLUDED.title, caption = EXCLUDED.caption,
                          nearby = EXCLUDED.nearby, rights = EXCLUDED.rights,
                          last_seen = now(), gone_since = NULL
         RETURNING image_id",
    )
    .bind(page_id)
    .fetch_all(tx)
    .await?;
    Ok(image_ids(seen))
}

pub(super) fn image_ids(rows: Vec<Vec<u8>>) -> BTreeSet<ImageId> {
    rows.iter()
        .map(|row| ImageId::from_digest(row).expect("the column holds 32 bytes by its check"))
        .collect()
}

/// Raises the revision of images whose documents change, and owes the indexer a message for each.
pub(super) async fn bump(
    tx: &mut PgConnection,
    images: BTreeSet<ImageId>,
    coalesce: Duration,
) -> Result<u64, sqlx::Error> {
    if images.is_empty() {
        return Ok(0);
    }
    let ids: Vec<&[u8]> = images.iter().map(|id| &id.as_bytes()[..]).collect();
    sqlx::query(
        "UPDATE images SET rev = rev + 1
         WHERE image_id IN (SELECT image_id FROM images WHERE image_id = ANY($1) ORDER BY image_id FOR NO KEY UPDATE)",
    )
    .bind(ids)
    .execute(&mut *tx)
    .await?;
    let owed = images
        .iter()
        .map(|id| Owed::changed(*id, coalesce))
        .collect();
    owe(tx, owed).await?;
    Ok(images.len() as u64)
}
