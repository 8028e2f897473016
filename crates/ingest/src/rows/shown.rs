//! What pages show: the image URLs, and the words beside them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::PgConnection;
use sqlx::types::Json;
use tusou_contract::ImageId;

use super::limits::{PictureLimits, PicturesLeft, Rooms, Shows, beyond};
use super::page::{PagePicture, PageRecord};
use super::reach::host_ids;
use super::removals::kept_out_urls;
use super::sightings::{Place, Sight};
use crate::address::Address;

/// What is to be written.
pub(super) struct Shown<'a> {
    /// Pages that were read. Their rows are locked.
    pub(super) read: &'a [&'a PageRecord],
    /// Those of them that a seed reaches still.
    pub(super) seeded: &'a HashSet<i64>,
    /// Pages that show nothing any more. Their rows are locked.
    pub(super) gone: &'a [i64],
    /// Which of the pictures that they show become known.
    pub(super) limits: &'a PictureLimits,
}

/// What was written.
pub(super) struct Written {
    /// The hosts of image URLs that became due, one for each URL.
    pub(super) due: Vec<i64>,
    /// Pictures whose bytes are known, where they are shown now.
    pub(super) seen: Vec<Sight>,
    /// Where pictures are no longer shown.
    pub(super) parted: Vec<Place>,
    /// What each page that was read shows and is not taken.
    pub(super) left: Vec<PicturesLeft>,
}

/// A picture's URL, as the pages of the batch show it.
pub(super) struct Wanted<'a> {
    address: &'a Address,
    /// Whether one of the pages that show it is reached by a seed, or a list names it.
    seeded: bool,
}

impl<'a> Wanted<'a> {
    /// A URL that is to be fetched whatever page shows it.
    pub(super) fn asked_for(address: &'a Address) -> Self {
        Self {
            address,
            seeded: true,
        }
    }
}

pub(super) type Known = HashMap<String, (i64, Option<ImageId>)>;

/// Rows of one statement: an image sitemap shows tens of thousands of pictures.
const ROWS: usize = 5_000;

pub(super) async fn write(
    tx: &mut PgConnection,
    shown: &Shown<'_>,
    rooms: Option<Rooms>,
) -> Result<Written, sqlx::Error> {
    let kept_out = kept_out(tx, shown.read).await?;
    let read = shown.read.iter().map(|record| shown.limits.choose(record));
    let mut read: Vec<Shows<'_>> = read.collect();
    for shows in &mut read {
        shows
            .pictures
            .retain(|picture| !is_kept_out(picture, &kept_out));
    }
    let mut wanted: BTreeMap<&str, Wanted<'_>> = BTreeMap::new();
    for Shows {
        record, pictures, ..
    } in &read
    {
        let seeded = shown.seeded.contains(&record.page_id);
        for picture in pictures {
            let address = &picture.address;
            wanted
                .entry(address.as_str())
                .or_insert(Wanted {
                    address,
                    seeded: false,
                })
                .seeded |= seeded;
        }
    }
    let seeded = wanted.iter().filter(|(_, wanted)| wanted.seeded);
    let seeded = seeded.map(|(url, wanted)| (*url, wanted.address)).collect();
    for url in beyond(tx, &mut read, &seeded, shown.limits.per_host, rooms).await? {
        wanted.remove(url);
    }
    let before = shown_before(tx, shown).await?;
    let (mut known, mut due) = insert_new(tx, &wanted).await?;
    wanted.retain(|url, _| !known.contains_key(*url));
    due.extend(take_up_again(tx, &wanted).await?);
    let urls: Vec<&str> = wanted.keys().copied().collect();
    known.extend(lock(tx, &urls, &before).await?);
    let (seen, parted) = replace(tx, &read, &known, before).await?;
    let left = read.into_iter().map(|shows| shows.left).collect();
    Ok(Written {
        due,
        seen,
        parted,
        left,
    })
}

/// What a removal keeps out of what the pages show: pictures, and pages that a sitemap or feed names
/// as those that show them.
async fn kept_out(
    tx: &mut PgConnection,
    read: &[&PageRecord],
) -> Result<HashSet<String>, sqlx::Error> {
    let pictures = read.iter().flat_map(|record| &record.pictures);
    let urls: BTreeSet<&str> = pictures
        .flat_map(|picture| {
            [
                Some(picture.address.as_str()),
                picture.context.page.as_deref(),
            ]
        })
        .flatten()
        .collect();
    kept_out_urls(tx, &urls.into_iter().collect::<Vec<_>>()).await
}

fn is_kept_out(picture: &PagePicture, kept_out: &HashSet<String>) -> bool {
    let page = picture.context.page.as_ref();
    kept_out.contains(picture.address.as_str()) || page.is_some_and(|page| kept_out.contains(page))
}

/// What the pages showed until now, by page and URL. Whoever writes there locks the page.
async fn shown_before(
    tx: &mut PgConnection,
    shown: &Shown<'_>,
) -> Result<HashSet<Place>, sqlx::Error> {
    let read = shown.read.iter().map(|record| record.page_id);
    let pages: Vec<i64> = read.chain(shown.gone.iter().copied()).collect();
    if pages.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT page_id, image_url_id FROM page_images WHERE page_id = ANY($1)")
            .bind(pages)
            .fetch_all(tx)
            .await?;
    Ok(rows.into_iter().collect())
}

/// Writes the URLs that are new: their ids, and the hosts of those that are due.
pub(super) async fn insert_new(
    tx: &mut PgConnection,
    wanted: &BTreeMap<&str, Wanted<'_>>,
) -> Result<(Known, Vec<i64>), sqlx::Error> {
    if wanted.is_empty() {
        return Ok((Known::new(), Vec::new()));
    }
    let hosts = host_ids(tx, wanted.values().map(|wanted| wanted.address.origin())).await?;
    let (mut known, mut due) = (Known::new(), Vec::new());
    let all: Vec<&Wanted<'_>> = wanted.values().collect();
    // In the order of their URLs, chunk by chunk, as the locks are taken.
    for chunk in all.chunks(ROWS) {
        for (url, id, host, is_due) in insert_chunk(tx, chunk, &hosts).await? {
            due.extend(is_due.then_some(host));
            known.insert(url, (id, None));
        }
    }
    Ok((known, due))
}

async fn insert_chunk(
    tx: &mut PgConnection,
    chunk: &[&Wanted<'_>],
    hosts: &HashMap<String, i64>,
) -> Result<Vec<(String, i64, i64, bool)>, sqlx::Error> {
    let urls: Vec<&str> = chunk.iter().map(|wanted| wanted.address.as_str()).collect();
    let host_ids: Vec<i64> = chunk
        .iter()
        .map(|wanted| hosts[wanted.address.origin()])
        .collect();
    sqlx::query_as(
        "INSERT INTO image_urls (url, host_id, state, reason)
         SELECT wanted.url, wanted.host_id,
                CASE WHEN seeded THEN 'due' ELSE 'skipped' END::url_state,
                CASE WHEN seeded THEN NULL ELSE 'seed_removed' END
         FROM unnest($1::text[], $2::bigint[], $3::bool[]) AS wanted (url, host_id, seeded)
         WHERE NOT EXISTS (SELECT FROM image_urls WHERE image_urls.url = wanted.url)
         ORDER BY wanted.url ON CONFLICT (url) DO NOTHING
         RETURNING url, image_url_id, host_id, state = 'due'",
    )
    .bind(urls)
    .bind(host_ids)
    .bind(chunk.iter().map(|wanted| wanted.seeded).collect::<Vec<_>>())
    .fetch_all(tx)
    .await
}

/// Due again are image URLs that were let go with their seed, and those that no page showed any more:
/// what they last answered may be long ago, and nobody has asked since. Their bytes are wanted,
/// whatever they are. (A subquery with a limit is looked up for each row; `EXISTS` below an `OR` may be
/// made into a table of all that pages show.)
pub(super) async fn take_up_again(
    tx: &mut PgConnection,
    wanted: &BTreeMap<&str, Wanted<'_>>,
) -> Result<Vec<i64>, sqlx::Error> {
    let seeded = wanted.iter().filter(|(_, wanted)| wanted.seeded);
    let urls: Vec<&str> = seeded.map(|(url, _)| *url).collect();
    if urls.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "UPDATE image_urls SET state = 'due', due_at = now(), attempts = 0, reason = NULL,
                etag = NULL, last_modified = NULL, revisit_at = NULL
         WHERE image_url_id IN (
             SELECT image_url_id FROM image_urls
             WHERE url = ANY($1) AND (
                 (state = 'skipped' AND reason = 'seed_removed')
                 OR (state <> 'due' AND (
                     SELECT page_id FROM page_images
                     WHERE page_images.image_url_id = image_urls.image_url_id LIMIT 1) IS NULL))
             ORDER BY url FOR NO KEY UPDATE)
         RETURNING host_id",
    )
    .bind(urls)
    .fetch_all(tx)
    .await
}

/// Locks for share the URLs that were known, with those that the pages showed before: a picture's own
/// transaction either sees these pages' words or is seen by them. (Nobody else sees those that
/// this transaction made.)
pub(super) async fn lock(
    tx: &mut PgConnection,
    urls: &[&str],
    before: &HashSet<Place>,
) -> Result<Known, sqlx::Error> {
    if urls.is_empty() && before.is_empty() {
        return Ok(Known::new());
    }
    let before: HashSet<i64> = before.iter().map(|(_, url)| *url).collect();
    let rows: Vec<(String, i64, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT url, image_url_id, image_id FROM image_urls
         WHERE image_url_id IN (
             SELECT image_url_id FROM image_urls WHERE url = ANY($1) UNION SELECT unnest($2::bigint[]))
         ORDER BY url FOR SHARE",
    )
    .bind(urls)
    .bind(before.into_iter().collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    let known = |(url, id, image): (String, i64, Option<Vec<u8>>)| {
        let image = image.and_then(|digest| ImageId::from_digest(&digest).ok());
        (url, (id, image))
    };
    Ok(rows.into_iter().map(known).collect())
}

/// Brings `page_images` to what the pages show now, touching only what differs.
async fn replace(
    tx: &mut PgConnection,
    read: &[Shows<'_>],
    known: &Known,
    mut before: HashSet<Place>,
) -> Result<(Vec<Sight>, Vec<Place>), sqlx::Error> {
    let mut now: BTreeMap<Place, &PagePicture> = BTreeMap::new();
    let mut seen = Vec::new();
    for Shows {
        record, pictures, ..
    } in read
    {
        for picture in pictures {
            // One that is beyond a limit, or was removed meanwhile, is not known.
            let Some((id, image)) = known.get(picture.address.as_str()) else {
                continue;
            };
            let place = (record.page_id, *id);
            if now.contains_key(&place) {
                continue;
            }
            now.insert(place, *picture);
            seen.extend(image.map(|image| (image, place)));
        }
    }
    let new = now.iter().filter(|(place, _)| !before.contains(place));
    let new: Vec<(Place, &PagePicture)> = new.map(|(place, picture)| (*place, *picture)).collect();
    let kept = now.iter().filter(|(place, _)| before.contains(place));
    let kept: Vec<(Place, &PagePicture)> =
        kept.map(|(place, picture)| (*place, *picture)).collect();
    before.retain(|place| !now.contains_key(place));
    let parted: Vec<Place> = before.into_iter().collect();
    delete(tx, &parted).await?;
    // Nobody else writes what a locked page shows: no row of these can be there.
    write_words(
        tx,
        "INSERT INTO page_images (page_id, image_url_id, alt, title, caption, nearby, rights, context)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[])",
        &new,
    )
    .await?;
    write_words(
        tx,
        "UPDATE page_images SET alt = shown.alt, title = shown.title, caption = shown.caption, nearby = shown.nearby,
                rights = shown.rights, context = shown.context
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::jsonb[])
              AS shown (page_id, image_url_id, alt, title, caption, nearby, rights, context)
         WHERE page_images.page_id = shown.page_id AND page_images.image_url_id = shown.image_url_id
           AND (page_images.alt, page_images.title, page_images.caption, page_images.nearby, page_images.rights,
                page_images.context)
               IS DISTINCT FROM (shown.alt, shown.title, shown.caption, shown.nearby, shown.rights, shown.context)",
        &kept,
    )
    .await?;
    seen.sort_unstable();
    Ok((seen, parted))
}

async fn delete(tx: &mut PgConnection, parted: &[Place]) -> Result<(), sqlx::Error> {
    if parted.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "DELETE FROM page_images USING unnest($1::bigint[], $2::bigint[]) AS parted (page_id, image_url_id)
         WHERE page_images.page_id = parted.page_id AND page_images.image_url_id = parted.image_url_id",
    )
    .bind(parted.iter().map(|place| place.0).collect::<Vec<_>>())
    .bind(parted.iter().map(|place| place.1).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_words(
    tx: &mut PgConnection,
    statement: &'static str,
    rows: &[(Place, &PagePicture)],
) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(ROWS) {
        write_chunk(tx, statement, rows).await?;
    }
    Ok(())
}

async fn write_chunk(
    tx: &mut PgConnection,
    statement: &'static str,
    rows: &[(Place, &PagePicture)],
) -> Result<(), sqlx::Error> {
    let texts = |pick: fn(&PagePicture) -> &str| -> Vec<&str> {
        rows.iter().map(|(_, picture)| pick(picture)).collect()
    };
    let rights = rows.iter().map(|(_, picture)| Json(&picture.rights));
    let context = rows.iter().map(|(_, picture)| Json(&picture.context));
    sqlx::query(statement)
        .bind(rows.iter().map(|(place, _)| place.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(place, _)| place.1).collect::<Vec<_>>())
        .bind(texts(|picture| &picture.alt))
        .bind(texts(|picture| &picture.title))
        .bind(texts(|picture| &picture.caption))
        .bind(texts(|picture| &picture.nearby))
        .bind(rights.collect::<Vec<_>>())
        .bind(context.collect::<Vec<_>>())
        .execute(tx)
        .await?;
    Ok(())
}
