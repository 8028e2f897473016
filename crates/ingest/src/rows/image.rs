//! Pictures whose bytes came: their images, and the sightings at every page that shows their URLs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use tusou_contract::{BlobKey, ImageFetched, ImageId, Queue};

use super::outbox::{Owed, owe};
use super::page::raise;
use super::removals::{come_back, kept_out_images, kept_out_urls, turn_away};
use super::settle::{End, Ended, Terms, end_image_urls, next_look};
use super::{Validators, image_id, image_ids, sightings};
use crate::address::Address;
use crate::verify::VerifiedImage;

/// An image URL as it was fetched.
#[derive(Debug, Clone)]
pub struct FetchedUrl {
    /// Its row.
    pub image_url_id: i64,
    /// When it was due, as the lease read it. A URL that became due again meanwhile stays due.
    pub due_at: OffsetDateTime,
    /// HTTP status.
    pub status: u16,
    /// What the next request may say of this answer; none after a redirect.
    pub validators: Validators,
    /// The address that answered, where redirects led to another.
    pub led_to: Option<Address>,
}

/// Image URLs to write together, each at most once.
#[derive(Debug, Clone, Default)]
pub struct ImageBatch<'a> {
    /// Those that brought a picture.
    pub stored: Vec<(FetchedUrl, &'a VerifiedImage)>,
    /// Those that brought nothing new.
    pub ended: Vec<Ended>,
}

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureWritten {
    /// It is stored.
    Stored(StoredImage),
    /// It is kept out by a removal: its URL is skipped.
    KeptOut,
    /// Its URL's row is there no more: nothing was written.
    Missing,
}

/// A picture that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredImage {
    /// The image.
    pub id: ImageId,
    /// Whether its bytes were new to the store.
    pub new: bool,
    /// Whether its original had been dropped, or removed with its image, and is kept again. The image's row is locked: put the
    /// blob before the transaction commits, since it may have been deleted after an earlier put.
    pub restored: bool,
}

/// What [`record_images`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagesRecorded {
    /// What became of the batch's pictures, in their order.
    pub pictures: Vec<PictureWritten>,
    /// Messages that are owed to the broker for the batch.
    pub owed: u64,
}

/// A picture of the batch whose URL is there and that is not kept out.
struct Came<'a> {
    url: &'a FetchedUrl,
    image: &'a VerifiedImage,
    /// What the URL showed before.
    before: Option<ImageId>,
}

/// Writes the images that URLs' bytes are, their sightings, and what is owed to the broker.
///
/// The blobs must be durable before this is called, and are to be put again where
/// [`StoredImage::restored`] says so. Where a URL showed another image before, that image's
/// sightings by this URL are gone since now.
pub async fn record_images(
    tx: &mut PgConnection,
    batch: &ImageBatch<'_>,
    terms: &Terms,
) -> Result<ImagesRecorded, sqlx::Error> {
    let before = lock(tx, batch).await?;
    let mut pictures = Vec::with_capacity(batch.stored.len());
    let mut ended: Vec<Ended> = batch.ended.clone();
    let mut came = Vec::new();
    let ids: Vec<&[u8]> = batch
        .stored
        .iter()
        .map(|(_, image)| &image.id.as_bytes()[..])
        .collect();
    let kept_out = kept_out_images(tx, &ids).await?;
    let led_to = batch
        .stored
        .iter()
        .filter_map(|(url, _)| url.led_to.as_ref());
    let led_to: Vec<&str> = led_to.map(Address::as_str).collect();
    let led_out = kept_out_urls(tx, &led_to).await?;
    for (url, image) in &batch.stored {
        let Some(before) = before.get(&url.image_url_id) else {
            pictures.push(PictureWritten::Missing);
            continue;
        };
        let led_out = url
            .led_to
            .as_ref()
            .is_some_and(|to| led_out.contains(to.as_str()));
        if led_out || kept_out.contains(&image.id.as_bytes()[..]) {
            pictures.push(PictureWritten::KeptOut);
            ended.push(removed(url));
            continue;
        }
        pictures.push(PictureWritten::Stored(StoredImage {
            id: image.id,
            new: false,
            restored: false,
        }));
        came.push(Came {
            url,
            image,
            before: *before,
        });
    }

    let images = insert(tx, &came).await?;
    turn_away(tx, &away(batch, &pictures)).await?;
    write_urls(tx, &came, terms).await?;
    end_image_urls(tx, &ended.iter().collect::<Vec<_>>(), terms).await?;
    let mut changed = see(tx, &came, &ended, &before).await?;
    changed.extend(&images.changed);
    // The message of a new image brings its sightings along: a second one would say nothing.
    changed.retain(|id| !images.new.contains(id));
    raise(tx, &changed).await?;
    let mut owed: Vec<Owed> = changed
        .iter()
        .map(|id| Owed::changed(*id, terms.coalesce))
        .collect();
    let wanted = to_encode_again(tx, &came, &images).await?;
    for Came { image, .. } in &came {
        let fetched = ImageFetched {
            image_id: image.id,
            blob_key: image.blob_key(),
            format: image.format,
        };
        if images.new.contains(&image.id) {
            owed.push(Owed::now(&fetched));
        } else if wanted.contains(&image.id) {
            owed.push(Owed::by(Queue::ImagesReencode, &fetched));
        }
    }
    let owed = owe(tx, owed).await?;
    // The first of the batch with these bytes brought them.
    let mut told = HashSet::new();
    for picture in &mut pictures {
        if let PictureWritten::Stored(stored) = picture
            && told.insert(stored.id)
        {
            stored.new = images.new.contains(&stored.id);
            stored.restored = images.restored.contains(&stored.id);
        }
    }
    Ok(ImagesRecorded { pictures, owed })
}

/// Pictures that are not written: their blobs are not to stay.
fn away(batch: &ImageBatch<'_>, pictures: &[PictureWritten]) -> BTreeMap<ImageId, BlobKey> {
    let stored = batch.stored.iter().zip(pictures);
    let away = stored.filter(|(_, picture)| !matches!(picture, PictureWritten::Stored(_)));
    away.map(|((_, image), _)| (image.id, image.blob_key()))
        .collect()
}

fn removed(url: &FetchedUrl) -> Ended {
    Ended {
        id: url.image_url_id,
        due_at: url.due_at,
        status: Some(url.status),
        reason: Some("removed".to_owned()),
        end: End::Skipped,
        gone: true,
    }
}

/// Locks the batch's URLs, before the pages that show them are read: see `shown::lock`. What each
/// showed until now.
async fn lock(
    tx: &mut PgConnection,
    batch: &ImageBatch<'_>,
) -> Result<HashMap<i64, Option<ImageId>>, sqlx::Error> {
    let stored = batch.stored.iter().map(|(url, _)| url.image_url_id);
    let ids: Vec<i64> = stored.chain(batch.ended.iter().map(|url| url.id)).collect();
    let rows: Vec<(i64, Option<Vec<u8>>)> = sqlx::query_as(
        "SELECT image_url_id, image_id FROM image_urls
         WHERE image_url_id = ANY($1) ORDER BY url FOR NO KEY UPDATE",
    )
    .bind(ids)
    .fetch_all(tx)
    .await?;
    let before = |(id, image): (i64, Option<Vec<u8>>)| {
        let image = image.and_then(|digest| ImageId::from_digest(&digest).ok());
        (id, image)
    };
    Ok(rows.into_iter().map(before).collect())
}

#[derive(Default)]
struct Images {
    /// Not known before.
    new: HashSet<ImageId>,
    /// Whose originals had been dropped or removed.
    restored: HashSet<ImageId>,
    /// Known ones of which the file now tells something else.
    changed: BTreeSet<ImageId>,
}

/// Writes the images that are new, and brings those that are known up to date.
async fn insert(tx: &mut PgConnection, came: &[Came<'_>]) -> Result<Images, sqlx::Error> {
    let mut images: BTreeMap<ImageId, &VerifiedImage> = BTreeMap::new();
    for Came { image, .. } in came {
        images.insert(image.id, image);
    }
    if images.is_empty() {
        return Ok(Images::default());
    }
    let keys: Vec<String> = images
        .values()
        .map(|image| image.blob_key().into())
        .collect();
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "INSERT INTO images (image_id, format, width, height, bytes, blob_key, rights, taken_at, frames)
         SELECT * FROM unnest($1::bytea[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::text[],
                              $7::jsonb[], $8::timestamptz[], $9::int[])
              AS came (image_id, format, width, height, bytes, blob_key, rights, taken_at, frames)
         ORDER BY came.image_id ON CONFLICT (image_id) DO NOTHING RETURNING image_id",
    )
    .bind(images.keys().map(|id| &id.as_bytes()[..]).collect::<Vec<_>>())
    .bind(images.values().map(|image| image.format.as_str()).collect::<Vec<_>>())
    .bind(images.values().map(|image| i32::try_from(image.width).unwrap_or(i32::MAX)).collect::<Vec<_>>())
    .bind(images.values().map(|image| i32::try_from(image.height).unwrap_or(i32::MAX)).collect::<Vec<_>>())
    .bind(images.values().map(|image| i64::try_from(image.bytes.len()).unwrap_or(i64::MAX)).collect::<Vec<_>>())
    .bind(keys)
    .bind(images.values().map(|image| Json(&image.rights)).collect::<Vec<_>>())
    .bind(images.values().map(|image| image.taken_at).collect::<Vec<_>>())
    .bind(images.values().map(|image| frames(image)).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    let mut found = Images {
        new: image_ids(&rows),
        ..Images::default()
    };
    let back = come_back(tx, &rows.iter().map(Vec::as_slice).collect::<Vec<_>>()).await?;
    found
        .restored
        .extend(back.iter().map(|digest| image_id(digest)));
    images.retain(|id, _| !found.new.contains(id));
    bring_up_to_date(tx, &images, &mut found).await?;
    Ok(found)
}

fn frames(image: &VerifiedImage) -> Option<i32> {
    Some(i32::try_from(image.frames?).unwrap_or(i32::MAX))
}

/// Claims originals again that had been dropped, and locks the images' rows where that is so: each is
/// as old as this, since a failure from before says nothing of what is to come. Writes what files
/// tell of themselves where an earlier build read less.
async fn bring_up_to_date(
    tx: &mut PgConnection,
    images: &BTreeMap<ImageId, &VerifiedImage>,
    found: &mut Images,
) -> Result<(), sqlx::Error> {
    if images.is_empty() {
        return Ok(());
    }
    let rows: Vec<(Vec<u8>, bool, bool)> = sqlx::query_as(
        "WITH stale AS (
             SELECT images.image_id, original_dropped_at IS NOT NULL AS dropped, came.rights, came.taken_at, came.frames,
                    (images.rights, images.taken_at) IS DISTINCT FROM (came.rights, came.taken_at) AS told
             FROM unnest($1::bytea[], $2::jsonb[], $3::timestamptz[], $4::int[])
                  AS came (image_id, rights, taken_at, frames)
             JOIN images USING (image_id)
             WHERE original_dropped_at IS NOT NULL
                OR (images.rights, images.taken_at, images.frames)
                   IS DISTINCT FROM (came.rights, came.taken_at, came.frames)
             ORDER BY images.image_id FOR NO KEY UPDATE OF images)
         UPDATE images SET original_dropped_at = NULL, rights = stale.rights, taken_at = stale.taken_at, frames = stale.frames,
                stored_at = CASE WHEN stale.dropped THEN now() ELSE stored_at END
         FROM stale WHERE images.image_id = stale.image_id
         RETURNING images.image_id, stale.dropped, stale.told",
    )
    .bind(images.keys().map(|id| &id.as_bytes()[..]).collect::<Vec<_>>())
    .bind(images.values().map(|image| Json(&image.rights)).collect::<Vec<_>>())
    .bind(images.values().map(|image| image.taken_at).collect::<Vec<_>>())
    .bind(images.values().map(|image| frames(image)).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    for (digest, dropped, told) in &rows {
        let id = image_id(digest);
        if *dropped {
            found.restored.insert(id);
        }
        if *told {
            found.changed.insert(id);
        }
    }
    Ok(())
}

/// Writes the rows of URLs that brought a picture. What an answer is known by is kept only where the
/// URL is done: one that became due again meanwhile is to be fetched whatever it answers.
async fn write_urls(
    tx: &mut PgConnection,
    came: &[Came<'_>],
    terms: &Terms,
) -> Result<(), sqlx::Error> {
    if came.is_empty() {
        return Ok(());
    }
    let (min, max) = terms.revisits();
    let urls = || came.iter().map(|came| came.url);
    sqlx::query(concat!(
        "UPDATE image_urls SET
            state = CASE WHEN image_urls.due_at = came.due_at THEN 'done' ELSE image_urls.state END,
            attempts = image_urls.attempts + 1, reason = NULL, status = came.status,
            image_id = came.image_id, fetched_at = now(),
            etag = CASE WHEN image_urls.due_at = came.due_at THEN came.etag ELSE image_urls.etag END,
            last_modified = CASE WHEN image_urls.due_at = came.due_at
                                 THEN came.last_modified ELSE image_urls.last_modified END,
            revisit_seconds = CASE WHEN $2 = 0 THEN image_urls.revisit_seconds
                                   ELSE ", next_look!("image_urls", "image_urls.image_id IS DISTINCT FROM came.image_id"), " END,
            revisit_at = CASE WHEN $2 > 0 AND image_urls.due_at = came.due_at
                              THEN now() + make_interval(secs => ",
                                   next_look!("image_urls", "image_urls.image_id IS DISTINCT FROM came.image_id"), ") END
         FROM unnest($3::bigint[], $4::timestamptz[], $5::int[], $6::bytea[], $7::text[], $8::text[])
              AS came (image_url_id, due_at, status, image_id, etag, last_modified)
         WHERE image_urls.image_url_id = came.image_url_id"
    ))
    .bind(min)
    .bind(max)
    .bind(urls().map(|url| url.image_url_id).collect::<Vec<_>>())
    .bind(urls().map(|url| url.due_at).collect::<Vec<_>>())
    .bind(urls().map(|url| i32::from(url.status)).collect::<Vec<_>>())
    .bind(came.iter().map(|came| &came.image.id.as_bytes()[..]).collect::<Vec<_>>())
    .bind(urls().map(|url| url.validators.etag.as_deref()).collect::<Vec<_>>())
    .bind(urls().map(|url| url.validators.last_modified.as_deref()).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Brings sightings to what the URLs show now. One whose URL shows the image that it showed before
/// is as it was: pages write the words of pictures that are known by themselves.
async fn see(
    tx: &mut PgConnection,
    came: &[Came<'_>],
    ended: &[Ended],
    before: &HashMap<i64, Option<ImageId>>,
) -> Result<BTreeSet<ImageId>, sqlx::Error> {
    let differs = came
        .iter()
        .filter(|came| came.before != Some(came.image.id));
    let fetched: Vec<(i64, ImageId)> = differs
        .map(|came| (came.url.image_url_id, came.image.id))
        .collect();
    let mut changed = sightings::see_by_urls(tx, &fetched).await?;
    let showed = |url: i64| before.get(&url).is_some_and(Option::is_some);
    let mut parted: Vec<(i64, Option<ImageId>)> = fetched
        .into_iter()
        .map(|(url, now)| (url, Some(now)))
        .collect();
    parted.extend(
        ended
            .iter()
            .filter(|url| url.gone)
            .map(|url| (url.id, None)),
    );
    // A URL that showed nothing has no live sighting.
    parted.retain(|(url, _)| showed(*url));
    changed.extend(sightings::part_urls(tx, &parted).await?);
    Ok(changed)
}

/// Known images that an index wants an embedding of which they do not have, or of any where there is
/// no index yet: those whose originals are back, and those that the encoder gave up because they
/// were lost. Besides those whose originals were fetched again for a model.
async fn to_encode_again(
    tx: &mut PgConnection,
    came: &[Came<'_>],
    images: &Images,
) -> Result<HashSet<ImageId>, sqlx::Error> {
    let known: BTreeSet<ImageId> = came.iter().map(|came| came.image.id).collect();
    let known: Vec<ImageId> = known
        .into_iter()
        .filter(|id| !images.new.contains(id))
        .collect();
    if known.is_empty() {
        return Ok(HashSet::new());
    }
    let mut again = HashSet::new();
    if !images.restored.is_empty() {
        let asked: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT image_id FROM images WHERE image_id = ANY($1) AND encode_again",
        )
        .bind(
            images
                .restored
                .iter()
                .map(|id| &id.as_bytes()[..])
                .collect::<Vec<_>>(),
        )
        .fetch_all(&mut *tx)
        .await?;
        again.extend(asked.iter().map(|digest| image_id(digest)));
    }
    let rows: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT known.image_id FROM unnest($1::bytea[], $2::bool[]) AS known (image_id, restored)
         LEFT JOIN encodings ON encodings.image_id = known.image_id
         WHERE (restored OR failure = 'blob_missing')
           AND (NOT EXISTS (SELECT FROM generations WHERE state <> 'retired')
                OR EXISTS (
                    SELECT FROM generations, jsonb_array_elements(models) AS wanted (entry)
                    WHERE state <> 'retired' AND NOT EXISTS (
                        SELECT FROM embeddings
                        WHERE embeddings.image_id = known.image_id AND digest = entry ->> 'digest')))",
    )
    .bind(known.iter().map(|id| &id.as_bytes()[..]).collect::<Vec<_>>())
    .bind(known.iter().map(|id| images.restored.contains(id)).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    again.extend(rows.iter().map(|digest| image_id(digest)));
    Ok(again)
}
