//! Rows of a list become image URLs and what the list says of them; those that it no longer has go.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::Duration;
use tusou_contract::ImageId;

use super::super::again_where_it_met;
use super::super::page::bump;
use super::super::reach::wake_hosts;
use super::super::removals::kept_out_urls;
use super::super::shown::{Wanted, insert_new, lock, take_up_again};
use super::super::sightings::{self, Place, Sight};
use super::{Progress, Reading, lock_page, write_progress};
use crate::list::ListRow;

/// Pictures that are looked through at once for those that a list no longer names.
const WINDOW: i64 = 10_000;

/// Rows of a list to write together.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// The good ones.
    pub rows: &'a [ListRow],
    /// How far the list is with them, but for what [`RowsRecorded::add_to`] adds.
    pub progress: &'a Progress,
    /// How long "this image has changed" rests in the outbox.
    pub coalesce: Duration,
}

/// What [`record_rows`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowsRecorded {
    /// Image URLs that became due.
    pub due: u64,
    /// Images that were known and are seen here now.
    pub seen: u64,
    /// Rows that are kept out by a removal.
    pub kept_out: u64,
    /// Rows whose picture this reading has named before: the first one stands.
    pub doubled: u64,
}

impl RowsRecorded {
    /// Its part of [`Progress::left_out`].
    pub fn add_to(&self, left_out: &mut BTreeMap<String, u64>) {
        for (reason, count) in [("removed", self.kept_out), ("doubled", self.doubled)] {
            if count > 0 {
                *left_out.entry(reason.to_owned()).or_default() += count;
            }
        }
    }
}

/// Writes rows of a list, and how far it is with them, in one transaction: killed anywhere, it goes on
/// after the last rows that were written.
pub async fn record_rows(
    pool: &PgPool,
    reading: &Reading,
    named: Named<'_>,
) -> Result<RowsRecorded, sqlx::Error> {
    again_where_it_met(async || {
        let mut tx = pool.begin().await?;
        let recorded = record(&mut tx, reading, named).await?;
        tx.commit().await?;
        Ok(recorded)
    })
    .await
}

async fn record(
    tx: &mut PgConnection,
    reading: &Reading,
    named: Named<'_>,
) -> Result<RowsRecorded, sqlx::Error> {
    let mut recorded = RowsRecorded::default();
    lock_page(tx, reading.page_id).await?;
    let mut rows: BTreeMap<&str, &ListRow> = BTreeMap::new();
    for row in named.rows {
        let url = row.address.as_str();
        recorded.doubled += u64::from(rows.contains_key(url));
        rows.entry(url).or_insert(row);
    }
    let urls: Vec<&str> = rows.keys().copied().collect();
    for url in kept_out_urls(tx, &urls).await? {
        recorded.kept_out += u64::from(rows.remove(url.as_str()).is_some());
    }
    let mut wanted: BTreeMap<&str, Wanted<'_>> = rows
        .iter()
        .map(|(url, row)| (*url, Wanted::asked_for(&row.address)))
        .collect();
    let (mut known, mut due) = insert_new(tx, &wanted).await?;
    wanted.retain(|url, _| !known.contains_key(*url));
    due.extend(take_up_again(tx, &wanted).await?);
    let urls: Vec<&str> = wanted.keys().copied().collect();
    known.extend(lock(tx, &urls, &HashSet::new()).await?);

    // One that was removed meanwhile is not known.
    let there = rows.iter();
    let there: BTreeMap<i64, &ListRow> = there
        .filter_map(|(url, row)| Some((known.get(*url)?.0, *row)))
        .collect();
    let written = write_words(tx, reading, &there).await?;
    recorded.doubled += (there.len() - written.len()) as u64;
    let seen = known.into_values().filter_map(|(url, image)| {
        let place = (reading.page_id, url);
        written.contains(&url).then_some((image?, place))
    });
    let mut seen: Vec<Sight> = seen.collect();
    seen.sort_unstable();
    let changed = sightings::see_at_pages(tx, &seen).await?;
    recorded.seen = bump(tx, changed, named.coalesce).await?;
    let mut progress = named.progress.clone();
    recorded.add_to(&mut progress.left_out);
    write_progress(tx, reading.page_id, &progress).await?;
    recorded.due = due.len() as u64;
    wake_hosts(tx, &BTreeSet::from_iter(due)).await?;
    Ok(recorded)
}

/// Writes what the list says of pictures; those that this reading had not named before.
async fn write_words(
    tx: &mut PgConnection,
    reading: &Reading,
    rows: &BTreeMap<i64, &ListRow>,
) -> Result<HashSet<i64>, sqlx::Error> {
    let written: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO page_images (page_id, listed, image_url_id, caption, rights, context)
         SELECT $1, $2, * FROM unnest($3::bigint[], $4::text[], $5::jsonb[], $6::jsonb[])
         ON CONFLICT (page_id, image_url_id) DO UPDATE
            SET listed = EXCLUDED.listed, caption = EXCLUDED.caption, rights = EXCLUDED.rights,
                context = EXCLUDED.context
            WHERE page_images.listed IS DISTINCT FROM EXCLUDED.listed
         RETURNING image_url_id",
    )
    .bind(reading.page_id)
    .bind(reading.pass)
    .bind(rows.keys().copied().collect::<Vec<_>>())
    .bind(
        rows.values()
            .map(|row| row.caption.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.values()
            .map(|row| Json(&row.rights))
            .collect::<Vec<_>>(),
    )
    .bind(
        rows.values()
            .map(|row| Json(&row.context))
            .collect::<Vec<_>>(),
    )
    .fetch_all(tx)
    .await?;
    Ok(written.into_iter().collect())
}

/// Ends what earlier readings of the list named and this one does not, a window at a time: how many
/// pictures, once no more are left. To be called when the list was read to its end; it may be repeated.
pub async fn forget_unnamed(
    pool: &PgPool,
    reading: &Reading,
    coalesce: Duration,
) -> Result<u64, sqlx::Error> {
    let (mut gone, mut last) = (0, 0);
    loop {
        let window: Vec<(i64, bool)> = sqlx::query_as(
            "SELECT image_url_id, listed IS DISTINCT FROM $2 FROM page_images
             WHERE page_id = $1 AND image_url_id > $3 ORDER BY image_url_id LIMIT $4",
        )
        .bind(reading.page_id)
        .bind(reading.pass)
        .bind(last)
        .bind(WINDOW)
        .fetch_all(pool)
        .await?;
        let Some((end, _)) = window.last() else {
            return Ok(gone);
        };
        last = *end;
        let unnamed = window.iter().filter(|(_, unnamed)| *unnamed);
        let unnamed: Vec<Place> = unnamed.map(|(url, _)| (reading.page_id, *url)).collect();
        if unnamed.is_empty() {
            continue;
        }
        again_where_it_met(async || {
            let mut tx = pool.begin().await?;
            part(&mut tx, reading, &unnamed, coalesce).await?;
            tx.commit().await
        })
        .await?;
        gone += unnamed.len() as u64;
    }
}

async fn part(
    tx: &mut PgConnection,
    reading: &Reading,
    unnamed: &[Place],
    coalesce: Duration,
) -> Result<(), sqlx::Error> {
    lock_page(tx, reading.page_id).await?;
    let urls: Vec<i64> = unnamed.iter().map(|(_, url)| *url).collect();
    // As for any page that shows less: see `shown::lock`.
    sqlx::query("SELECT FROM image_urls WHERE image_url_id = ANY($1) ORDER BY url FOR SHARE")
        .bind(&urls)
        .execute(&mut *tx)
        .await?;
    sqlx::query("DELETE FROM page_images WHERE page_id = $1 AND image_url_id = ANY($2)")
        .bind(reading.page_id)
        .bind(&urls)
        .execute(&mut *tx)
        .await?;
    let changed: BTreeSet<ImageId> = sightings::part(tx, unnamed).await?;
    bump(tx, changed, coalesce).await?;
    Ok(())
}
