//! Whole images, read in one snapshot with the written indexes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use sqlx::{PgPool, Postgres, Transaction};
use time::OffsetDateTime;
use tusou_contract::message::vector_from_bytes;
use tusou_contract::{BlobKey, ImageFetched, ImageFormat, ImageId, Rights};

use crate::error::Error;
use crate::rows::generations::{self, Generation};
use crate::rows::sightings::{self, Seen};

/// Everything that a document shows of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRow {
    /// The image.
    pub image_id: ImageId,
    /// The document's external version.
    pub rev: i64,
    /// Format of the original.
    pub format: ImageFormat,
    /// Pixels across, after orientation.
    pub width: u32,
    /// Pixels down, after orientation.
    pub height: u32,
    /// Size of the original.
    pub bytes: u64,
    /// Where the original lies, or lay.
    pub blob_key: String,
    /// For an imported image, its path below the folder.
    pub relative_path: Option<String>,
    /// What the file says of its rights.
    pub rights: Rights,
    /// When the picture was taken, by its own account.
    pub taken_at: Option<OffsetDateTime>,
    /// When it was stored.
    pub stored_at: OffsetDateTime,
    /// Perceptual hash, 16 hex digits.
    pub phash: Option<String>,
    /// Main colours by name.
    pub colors: Vec<String>,
    /// 0 to 1, where a model for it is configured.
    pub nsfw: Option<f32>,
    /// `None` where no page was seen to show it, or none does any more and such images are not kept.
    pub seen: Option<Seen>,
    /// By the model pack's digest.
    pub embeddings: BTreeMap<String, Vec<f32>>,
}

/// Images as they stood at one moment, and the indexes that were written at that moment.
#[derive(Debug)]
pub struct Snapshot {
    /// Building and live ones, the oldest first.
    pub generations: Vec<Generation>,
    /// Those that have a row.
    pub images: HashMap<ImageId, ImageRow>,
    /// The database's clock in microseconds, before anything was read: the version by which an image
    /// without a row is deleted. Whatever is written of that image later has a higher one.
    pub clock: i64,
}

/// Reads the images. A change that commits after the snapshot bumps `rev` beyond the one read.
///
/// Without `keep_gone` (`indexer.keep_gone`) an image whose sightings are all gone is as one that was
/// never seen.
///
/// # Errors
/// [`Error::Database`], or [`Error::Row`] where a row cannot be read.
pub async fn snapshot(
    pool: &PgPool,
    ids: &BTreeSet<ImageId>,
    keep_gone: bool,
) -> Result<Snapshot, Error> {
    let failed = Error::database("read images");
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let mut tx = pool.begin_with(begin).await.map_err(&failed)?;
    let clock: i64 = sqlx::query_scalar(
        "SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint",
    )
    .fetch_one(&mut *tx)
    .await
    .map_err(&failed)?;
    let generations = generations::written(&mut tx, keep_gone).await?;
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows = image_rows(&mut tx, &ids).await.map_err(&failed)?;
    let mut seen = sightings::read(&mut tx, &ids).await.map_err(&failed)?;
    seen.retain(|_, seen| keep_gone || seen.live > 0);
    let models = generations.iter().flat_map(|generation| &generation.models);
    let digests: BTreeSet<&str> = models.map(|model| model.digest.as_str()).collect();
    let mut embeddings = embeddings(&mut tx, &ids, &digests).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)?;
    let images = rows
        .into_iter()
        .map(|row| {
            let image_id =
                ImageId::from_digest(&row.image_id).expect("the schema checks the length");
            let seen = seen.remove(&row.image_id);
            let embeddings = embeddings.remove(&row.image_id).unwrap_or_default();
            Ok((image_id, row.read(image_id, seen, embeddings)?))
        })
        .collect::<Result<_, Error>>()?;
    Ok(Snapshot {
        generations,
        images,
        clock,
    })
}

/// The originals of images, as far as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originals {
    /// Their bytes are there: these messages have them encoded.
    pub kept: Vec<ImageFetched>,
    /// Their bytes are no longer kept.
    pub dropped: Vec<ImageId>,
}

/// Which of the images can be encoded from the bytes that are kept. One without a row is in neither
/// list.
///
/// # Errors
/// [`Error::Database`], or [`Error::Row`] where a row cannot be read.
pub async fn originals(pool: &PgPool, ids: &[ImageId]) -> Result<Originals, Error> {
    let bytes: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows: Vec<(Vec<u8>, String, String, bool)> = sqlx::query_as(
        "SELECT image_id, blob_key, format, original_dropped_at IS NULL FROM images
         WHERE image_id = ANY($1) ORDER BY image_id",
    )
    .bind(&bytes)
    .fetch_all(pool)
    .await
    .map_err(Error::database("read where originals lie"))?;
    let mut originals = Originals {
        kept: Vec::new(),
        dropped: Vec::new(),
    };
    for (image_id, blob_key, format, kept) in rows {
        let image_id = ImageId::from_digest(&image_id).expect("the schema checks the length");
        if !kept {
            originals.dropped.push(image_id);
            continue;
        }
        let unreadable = |problem: &str| Error::Row {
            image_id,
            problem: problem.to_owned(),
        };
        originals.kept.push(ImageFetched {
            image_id,
            blob_key: BlobKey::try_from(blob_key).map_err(|_| unreadable("`blob_key` is none"))?,
            format: ImageFormat::from_name(&format)
                .ok_or_else(|| unreadable("`format` is none"))?,
        });
    }
    Ok(originals)
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    image_id: Vec<u8>,
    rev: i64,
    format: String,
    width: i32,
    height: i32,
    bytes: i64,
    blob_key: String,
    relative_path: Option<String>,
    rights: Value,
    taken_at: Option<OffsetDateTime>,
    stored_at: OffsetDateTime,
    phash: Option<String>,
    colors: Vec<String>,
    nsfw: Option<f32>,
}

impl Row {
    fn read(
        self,
        image_id: ImageId,
        seen: Option<Seen>,
        embeddings: BTreeMap<String, Vec<u8>>,
    ) -> Result<ImageRow, Error> {
        let unreadable = |problem: &str| Error::Row {
            image_id,
            problem: problem.to_owned(),
        };
        let vector = |(digest, bytes): (String, Vec<u8>)| {
            let vector = vector_from_bytes(&bytes);
            Ok((
                digest,
                vector.ok_or_else(|| unreadable("an embedding is no vector of f32"))?,
            ))
        };
        Ok(ImageRow {
            image_id,
            rev: self.rev,
            format: ImageFormat::from_name(&self.format)
                .ok_or_else(|| unreadable("`format` is none"))?,
            width: u32::try_from(self.width).map_err(|_| unreadable("`width` is negative"))?,
            height: u32::try_from(self.height).map_err(|_| unreadable("`height` is negative"))?,
            bytes: u64::try_from(self.bytes).map_err(|_| unreadable("`bytes` is negative"))?,
            blob_key: self.blob_key,
            relative_path: self.relative_path,
            rights: sightings::read_rights(&self.rights),
            taken_at: self.taken_at,
            stored_at: self.stored_at,
            phash: self.phash,
            colors: self.colors,
            nsfw: self.nsfw,
            seen,
            embeddings: embeddings
                .into_iter()
                .map(vector)
                .collect::<Result<_, Error>>()?,
        })
    }
}

async fn image_rows(tx: &mut Transaction<'_, Postgres>, ids: &[&[u8]]) -> sqlx::Result<Vec<Row>> {
    sqlx::query_as(
        "SELECT image_id, rev, format, width, height, bytes, blob_key, relative_path, rights, taken_at, stored_at,
                phash, coalesce(colors, '{}') AS colors, nsfw
         FROM images LEFT JOIN encodings USING (image_id) WHERE image_id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(&mut **tx)
    .await
}

async fn embeddings(
    tx: &mut Transaction<'_, Postgres>,
    ids: &[&[u8]],
    digests: &BTreeSet<&str>,
) -> sqlx::Result<HashMap<Vec<u8>, BTreeMap<String, Vec<u8>>>> {
    let digests: Vec<&str> = digests.iter().copied().collect();
    let rows: Vec<(Vec<u8>, String, Vec<u8>)> = sqlx::query_as(
        "SELECT image_id, digest, vector FROM embeddings WHERE image_id = ANY($1) AND digest = ANY($2)",
    )
    .bind(ids)
    .bind(&digests)
    .fetch_all(&mut **tx)
    .await?;
    let mut by_image: HashMap<_, BTreeMap<_, _>> = HashMap::new();
    for (image_id, digest, vector) in rows {
        by_image.entry(image_id).or_default().insert(digest, vector);
    }
    Ok(by_image)
}
