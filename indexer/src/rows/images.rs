//! Whole images, read in one snapshot with the live indexes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{PgPool, Postgres, Transaction};
use time::OffsetDateTime;
use tusou_contract::message::vector_from_bytes;
use tusou_contract::{ImageFormat, ImageId};

use crate::error::Error;
use crate::rows::generations::{self, Generation};
use crate::rows::sightings;

pub(crate) use crate::rows::sightings::Seen;

/// Everything that a document shows of an image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImageRow {
    pub(crate) image_id: ImageId,
    pub(crate) rev: i64,
    pub(crate) format: ImageFormat,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bytes: u64,
    pub(crate) blob_key: String,
    pub(crate) relative_path: Option<String>,
    pub(crate) taken_at: Option<OffsetDateTime>,
    pub(crate) stored_at: OffsetDateTime,
    pub(crate) phash: Option<String>,
    pub(crate) colors: Vec<String>,
    pub(crate) nsfw: Option<f32>,
    /// `None` where no page was seen to show it.
    pub(crate) seen: Option<Seen>,
    /// By the model pack's digest.
    pub(crate) embeddings: BTreeMap<String, Vec<f32>>,
}

/// Images as they stood at one moment, and the indexes that were live at that moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) generations: Vec<Generation>,
    /// Those that have a row.
    pub(crate) images: HashMap<ImageId, ImageRow>,
}

/// Reads the images. A change that commits after the snapshot bumps `rev` beyond the one read.
pub(crate) async fn read(pool: &PgPool, ids: &BTreeSet<ImageId>) -> Result<Snapshot, Error> {
    let failed = Error::database("read images");
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let mut tx = pool.begin_with(begin).await.map_err(&failed)?;
    let generations = generations::live(&mut tx).await.map_err(&failed)?;
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows = image_rows(&mut tx, &ids).await.map_err(&failed)?;
    let mut seen = sightings::read(&mut tx, &ids).await.map_err(&failed)?;
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
    })
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
        "SELECT image_id, rev, format, width, height, bytes, blob_key, relative_path, taken_at, stored_at,
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
