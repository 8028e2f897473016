//! Files of a folder become images and sightings by the same rows as pictures of the web.
//!
//! A file is an image URL that is never due: what a conditional request is for those of the web, its
//! stamp is here. The path of an image is that of its first file in the order of addresses, whichever
//! was imported first.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;
use tusou_contract::{ImageId, SightingContext};

use super::super::budget::Budgets;
use super::super::image::{FetchedUrl, ImageBatch, ImagesRecorded, PictureWritten, record_images};
use super::super::page::bump;
use super::super::settle::{End, Ended, Terms};
use super::super::sightings::{self, Sight};
use super::super::{Validators, image_id};
use super::{Kind, Reading, lock_page};
use crate::folder::relative_path;
use crate::verify::VerifiedImage;

/// The reason of a file's row that is there no more.
const GONE: &str = "file_gone";

/// A file that was imported before, or that could not be.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KnownFile {
    /// Its row.
    pub image_url_id: i64,
    /// Its address.
    pub url: String,
    /// Its stamp then; none where it is to be looked at again.
    pub stamp: Option<String>,
    /// Why it brought no picture; none where it did.
    pub failure: Option<String>,
    /// Where the picture's original lies.
    pub blob_key: Option<String>,
    /// When its row was last written.
    due_at: OffsetDateTime,
}

/// The next known files of the folder of this address, in the order of their own addresses.
pub async fn known_files(
    pool: &PgPool,
    folder: &str,
    after: Option<&str>,
    most: i64,
) -> Result<Vec<KnownFile>, sqlx::Error> {
    // Between the slash after the folder's name and what comes after a slash.
    let first = format!("{folder}/");
    let end = format!("{folder}0");
    sqlx::query_as(
        r#"SELECT image_url_id, url, etag AS stamp, CASE WHEN state <> 'done' THEN coalesce(reason, '') END AS failure,
                  blob_key, due_at
           FROM image_urls LEFT JOIN images USING (image_id)
           WHERE url LIKE 'folder:%' AND url COLLATE "C" > $1 AND url COLLATE "C" < $2
             AND reason IS DISTINCT FROM $4
           ORDER BY url COLLATE "C" LIMIT $3"#,
    )
    .bind(after.unwrap_or(&first))
    .bind(end)
    .bind(most)
    .bind(GONE)
    .fetch_all(pool)
    .await
}

/// A file that was looked at.
#[derive(Debug, Clone)]
pub struct LookedAt<'a> {
    /// Its address.
    pub url: &'a str,
    /// Tells when it has changed.
    pub stamp: &'a str,
    /// What is said of it; empty where nothing is.
    pub caption: &'a str,
    /// Its picture, whose blob is durable, or why it is none, in a short word.
    pub picture: Result<&'a VerifiedImage, &'a str>,
}

/// What [`record_files`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesRecorded {
    /// What became of the pictures, in the order of the files that have one.
    pub pictures: Vec<PictureWritten>,
    /// Messages that are owed to the broker.
    pub owed: u64,
}

/// Writes files that are new or changed: their images by [`record_images`], and their sightings. Where
/// [`StoredImage::restored`](crate::StoredImage::restored) says so, blobs are to be put again before
/// the transaction commits.
pub async fn record_files(
    tx: &mut PgConnection,
    reading: &Reading,
    files: &[LookedAt<'_>],
    terms: &Terms,
) -> Result<FilesRecorded, sqlx::Error> {
    if files.is_empty() {
        return Ok(FilesRecorded::default());
    }
    lock_page(tx, reading.page_id).await?;
    let rows = insert(tx, files).await?;
    let row = |file: &LookedAt<'_>| &rows[file.url];
    let pictures = files
        .iter()
        .filter_map(|file| Some((file, file.picture.ok()?)));
    let pictures: Vec<(&LookedAt<'_>, &VerifiedImage)> = pictures.collect();
    write_words(tx, reading, &pictures, &rows).await?;
    let fetched = |file: &LookedAt<'_>| FetchedUrl {
        image_url_id: row(file).image_url_id,
        due_at: row(file).due_at,
        status: 0,
        validators: Validators::default(),
        led_to: None,
    };
    let failed = files
        .iter()
        .filter_map(|file| Some((file, file.picture.err()?)));
    let failed = failed.map(|(file, reason)| Ended {
        id: row(file).image_url_id,
        due_at: row(file).due_at,
        status: None,
        reason: Some(reason.to_owned()),
        end: End::Failed,
        gone: true,
    });
    let batch = ImageBatch {
        stored: pictures
            .iter()
            .map(|(file, image)| (fetched(file), *image))
            .collect(),
        ended: failed.collect(),
    };
    let terms = &never_due(terms);
    let recorded = record_images(tx, &batch, terms).await?;
    let mut owed = recorded.owed;

    // A file that brings the same picture may say something else of it.
    let outcomes = || pictures.iter().zip(&recorded.pictures);
    let seen = outcomes().filter_map(|((file, _), written)| match written {
        PictureWritten::Stored(stored) => {
            Some((stored.id, (reading.page_id, row(file).image_url_id)))
        }
        PictureWritten::KeptOut | PictureWritten::Missing => None,
    });
    let mut seen: Vec<Sight> = seen.collect();
    seen.sort_unstable();
    let mut changed = sightings::see_at_pages(tx, &seen).await?;
    let new = new(&recorded);
    let before = rows.values().filter_map(|row| row.image_id.as_deref());
    let mut touched: BTreeSet<ImageId> = before.map(image_id).collect();
    touched.extend(seen.iter().map(|(id, _)| *id));
    changed.extend(settle_paths(tx, &touched).await?);
    // The message of a new image brings all that along.
    changed.retain(|id| !new.contains(id));
    owed += bump(tx, changed, terms.coalesce).await?;

    let kept_out = outcomes().filter(|(_, written)| !matches!(written, PictureWritten::Stored(_)));
    let kept_out: HashSet<&str> = kept_out.map(|((file, _), _)| file.url).collect();
    let settled = files.iter().filter(|file| !kept_out.contains(file.url));
    let (ids, stamps): (Vec<i64>, Vec<&str>) = settled
        .map(|file| (row(file).image_url_id, file.stamp))
        .unzip();
    sqlx::query(
        "UPDATE image_urls SET etag = settled.stamp, status = NULL
         FROM unnest($1::bigint[], $2::text[]) AS settled (image_url_id, stamp)
         WHERE image_urls.image_url_id = settled.image_url_id",
    )
    .bind(ids)
    .bind(stamps)
    .execute(tx)
    .await?;
    Ok(FilesRecorded {
        pictures: recorded.pictures,
        owed,
    })
}

/// Ends the sightings of files that are there no more; how many messages are owed for it. Their images
/// stay, as those of pages do.
pub async fn record_vanished(
    tx: &mut PgConnection,
    reading: &Reading,
    files: &[KnownFile],
    terms: &Terms,
) -> Result<u64, sqlx::Error> {
    if files.is_empty() {
        return Ok(0);
    }
    lock_page(tx, reading.page_id).await?;
    let ids: Vec<i64> = files.iter().map(|file| file.image_url_id).collect();
    let before: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM image_urls WHERE image_url_id = ANY($1) AND image_id IS NOT NULL",
    )
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    let ended = files.iter().map(|file| Ended {
        id: file.image_url_id,
        due_at: file.due_at,
        status: None,
        reason: Some(GONE.to_owned()),
        end: End::Skipped,
        gone: true,
    });
    let batch = ImageBatch {
        stored: Vec::new(),
        ended: ended.collect(),
    };
    let terms = &never_due(terms);
    let recorded = record_images(tx, &batch, terms).await?;
    let touched = before.iter().map(|digest| image_id(digest)).collect();
    let changed = settle_paths(tx, &touched).await?;
    Ok(recorded.owed + bump(tx, changed, terms.coalesce).await?)
}

/// Files are looked at when their folder is imported, not by the crawler.
fn never_due(terms: &Terms) -> Terms {
    Terms {
        revisit_max_seconds: 0,
        budgets: Budgets::UNBOUNDED,
        ..terms.clone()
    }
}

/// A file's row, and what its file brought before.
#[derive(sqlx::FromRow)]
struct Row {
    url: String,
    image_url_id: i64,
    due_at: OffsetDateTime,
    image_id: Option<Vec<u8>>,
}

/// Makes the files' rows where they are new, and locks them. What they are in the end is for
/// `record_images` to say: nobody sees them before the transaction commits.
async fn insert(
    tx: &mut PgConnection,
    files: &[LookedAt<'_>],
) -> Result<HashMap<String, Row>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "INSERT INTO image_urls (host_id, url)
         SELECT host_id, file.url FROM hosts, unnest($2::text[]) AS file (url) WHERE origin = $1
         ORDER BY file.url ON CONFLICT (url) DO UPDATE SET due_at = EXCLUDED.due_at
         RETURNING url, image_url_id, due_at, image_id",
    )
    .bind(Kind::Folder.origin())
    .bind(files.iter().map(|file| file.url).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.url.clone(), row)).collect())
}

async fn write_words(
    tx: &mut PgConnection,
    reading: &Reading,
    pictures: &[(&LookedAt<'_>, &VerifiedImage)],
    rows: &HashMap<String, Row>,
) -> Result<(), sqlx::Error> {
    let context = SightingContext {
        found_by: Some(Kind::Folder.as_str().to_owned()),
        ..SightingContext::default()
    };
    let words: BTreeMap<i64, &str> = pictures
        .iter()
        .map(|(file, _)| (rows[file.url].image_url_id, file.caption))
        .collect();
    sqlx::query(
        "INSERT INTO page_images (page_id, context, image_url_id, caption)
         SELECT $1, $2, * FROM unnest($3::bigint[], $4::text[])
         ON CONFLICT (page_id, image_url_id) DO UPDATE SET caption = EXCLUDED.caption
            WHERE page_images.caption <> EXCLUDED.caption",
    )
    .bind(reading.page_id)
    .bind(Json(&context))
    .bind(words.keys().copied().collect::<Vec<_>>())
    .bind(words.values().copied().collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

fn new(recorded: &ImagesRecorded) -> HashSet<ImageId> {
    let new = recorded
        .pictures
        .iter()
        .filter_map(|written| match written {
            PictureWritten::Stored(stored) if stored.new => Some(stored.id),
            _ => None,
        });
    new.collect()
}

/// Gives images the path of the first of their files, where they have one; those of which it is
/// another now. The rows are locked before they are looked at: of two folders that bring the same
/// picture at once, the later one sees the other's.
async fn settle_paths(
    tx: &mut PgConnection,
    images: &BTreeSet<ImageId>,
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    if images.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<&[u8]> = images.iter().map(|id| &id.as_bytes()[..]).collect();
    let paths: Vec<(Vec<u8>, Option<String>)> = sqlx::query_as(
        "SELECT image_id, relative_path FROM images WHERE image_id = ANY($1) ORDER BY image_id FOR NO KEY UPDATE",
    )
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    let first: Vec<(Vec<u8>, String)> = sqlx::query_as(
        r#"SELECT image_id, min(url COLLATE "C") FROM image_urls
           WHERE image_id = ANY($1) AND url LIKE 'folder:%' GROUP BY image_id"#,
    )
    .bind(&ids)
    .fetch_all(&mut *tx)
    .await?;
    let first: HashMap<Vec<u8>, String> = first
        .into_iter()
        .filter_map(|(id, url)| Some((id, relative_path(&url)?)))
        .collect();
    let moved = paths.iter().filter_map(|(id, path)| {
        let now = first.get(id)?;
        (path.as_ref() != Some(now)).then_some((&id[..], now.as_str()))
    });
    let (ids, paths): (Vec<&[u8]>, Vec<&str>) = moved.unzip();
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    sqlx::query(
        "UPDATE images SET relative_path = moved.path
         FROM unnest($1::bytea[], $2::text[]) AS moved (image_id, path)
         WHERE images.image_id = moved.image_id",
    )
    .bind(&ids)
    .bind(paths)
    .execute(tx)
    .await?;
    Ok(ids.into_iter().map(image_id).collect())
}
