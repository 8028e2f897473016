//! Walking over every image in the order of ids: what an index should hold, and what was recorded.

use sqlx::PgPool;
use tusou_contract::ImageId;

use crate::error::Error;
use crate::rows::generations::Generation;

/// An image, as one index should hold it and as the indexer recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walked {
    /// The image.
    pub image_id: ImageId,
    /// Its present revision.
    pub rev: i64,
    /// Whether the index should hold a document: there are an embedding of its first model, and a
    /// sighting (a live one, where gone images are not kept) or an imported path.
    pub expected: bool,
    /// Whether it was encoded, and yet has neither an embedding of one of the index's models nor a
    /// record of that model's failure.
    pub lacks_embedding: bool,
    /// Whether one of the index's models failed for it: it is not owed to the encoder again.
    pub model_failed: bool,
    /// The revision that the index was recorded to hold.
    pub held: Option<i64>,
    /// Whether Elasticsearch refused that revision for good.
    pub refused: bool,
}

/// `$1` the generation, `$2` the digest of its first model, `$3` the digests of all, `$4` whether gone
/// images are kept.
macro_rules! walked {
    ($rest:literal) => {
        concat!(
            "SELECT images.image_id, images.rev,
                    shown AND EXISTS (SELECT FROM embeddings
                        WHERE embeddings.image_id = images.image_id AND digest = $2) AS expected,
                    shown AND encodings.image_id IS NOT NULL AND failure IS NULL AND
                        EXISTS (SELECT FROM unnest($3::text[]) AS wanted (digest)
                            WHERE NOT EXISTS (SELECT FROM embeddings
                                WHERE embeddings.image_id = images.image_id AND embeddings.digest = wanted.digest)
                            AND NOT EXISTS (SELECT FROM model_failures
                                WHERE model_failures.image_id = images.image_id
                                  AND model_failures.digest = wanted.digest)) AS lacks,
                    shown AND EXISTS (SELECT FROM model_failures
                        WHERE model_failures.image_id = images.image_id AND digest = ANY($3)) AS failed,
                    indexed.rev, refusal IS NOT NULL
             FROM images
             CROSS JOIN LATERAL (SELECT relative_path IS NOT NULL OR EXISTS
                 (SELECT FROM sightings WHERE sightings.image_id = images.image_id
                  AND ($4 OR gone_since IS NULL)) AS shown) AS sight
             LEFT JOIN encodings ON encodings.image_id = images.image_id
             LEFT JOIN indexed ON indexed.image_id = images.image_id AND generation_id = $1 ",
            $rest
        )
    };
}

type Row = (Vec<u8>, i64, bool, bool, bool, Option<i64>, bool);

/// The next `limit` images after `after`, in the order of their ids; fewer at the end.
///
/// # Errors
/// [`Error::Database`].
pub async fn walk(
    pool: &PgPool,
    generation: &Generation,
    after: Option<&ImageId>,
    limit: u32,
) -> Result<Vec<Walked>, Error> {
    let after: &[u8] = after.map_or(&[], |id| id.as_bytes());
    let rows: Vec<Row> = sqlx::query_as(walked!(
        "WHERE images.image_id > $5 ORDER BY images.image_id LIMIT $6"
    ))
    .bind(generation.generation_id)
    .bind(generation.first_digest())
    .bind(generation.digests())
    .bind(generation.keep_gone)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
    .map_err(Error::database("walk over the images"))?;
    Ok(rows.into_iter().map(read).collect())
}

/// The same of these images, as far as they have rows.
///
/// # Errors
/// [`Error::Database`].
pub async fn look(
    pool: &PgPool,
    generation: &Generation,
    ids: &[ImageId],
) -> Result<Vec<Walked>, Error> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let rows: Vec<Row> = sqlx::query_as(walked!(
        "WHERE images.image_id = ANY($5) ORDER BY images.image_id"
    ))
    .bind(generation.generation_id)
    .bind(generation.first_digest())
    .bind(generation.digests())
    .bind(generation.keep_gone)
    .bind(&ids)
    .fetch_all(pool)
    .await
    .map_err(Error::database("look at images"))?;
    Ok(rows.into_iter().map(read).collect())
}

fn read((image_id, rev, expected, lacks_embedding, model_failed, held, refused): Row) -> Walked {
    Walked {
        image_id: ImageId::from_digest(&image_id).expect("the schema checks the length"),
        rev,
        expected,
        lacks_embedding,
        model_failed,
        held,
        refused,
    }
}

/// How many images `reference` was recorded to hold that `generation` neither holds nor refused at
/// that revision, and should hold: those that its first model failed for it does not. The indexer records both in one transaction, so a crawl that goes on does not
/// show here.
///
/// # Errors
/// [`Error::Database`].
pub async fn missing(
    pool: &PgPool,
    generation: &Generation,
    reference: &Generation,
) -> Result<u64, Error> {
    let missing: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM indexed AS old
         JOIN images USING (image_id)
         LEFT JOIN indexed AS new ON new.image_id = old.image_id AND new.generation_id = $1
         WHERE old.generation_id = $2 AND old.refusal IS NULL AND (new.rev IS NULL OR new.rev < old.rev)
             AND ($3 OR relative_path IS NOT NULL OR EXISTS
                 (SELECT FROM sightings WHERE sightings.image_id = images.image_id AND gone_since IS NULL))
             AND NOT EXISTS (SELECT FROM model_failures
                 WHERE model_failures.image_id = images.image_id AND digest = $4)",
    )
    .bind(generation.generation_id)
    .bind(reference.generation_id)
    .bind(generation.keep_gone)
    .bind(generation.first_digest())
    .fetch_one(pool)
    .await
    .map_err(Error::database("compare two indexes"))?;
    Ok(missing.unsigned_abs())
}

/// How many images that were encoded more than `seconds` ago the index should hold, and was never
/// recorded to hold or refuse.
///
/// # Errors
/// [`Error::Database`].
pub async fn unfilled(pool: &PgPool, generation: &Generation, seconds: f64) -> Result<u64, Error> {
    let unfilled: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM images
         JOIN embeddings ON embeddings.image_id = images.image_id AND digest = $2
             AND embeddings.stored_at < now() - $3 * interval '1 second'
         LEFT JOIN indexed ON indexed.image_id = images.image_id AND generation_id = $1
         WHERE indexed.rev IS NULL AND (relative_path IS NOT NULL OR EXISTS
             (SELECT FROM sightings WHERE sightings.image_id = images.image_id
              AND ($4 OR gone_since IS NULL)))",
    )
    .bind(generation.generation_id)
    .bind(generation.first_digest())
    .bind(seconds)
    .bind(generation.keep_gone)
    .fetch_one(pool)
    .await
    .map_err(Error::database("count what an index lacks"))?;
    Ok(unfilled.unsigned_abs())
}

/// How many images that the index should show lack an embedding of one of its models, and how many one
/// of its models failed for: the first are owed to the encoder, the second are not.
///
/// # Errors
/// [`Error::Database`].
pub async fn of_models(pool: &PgPool, generation: &Generation) -> Result<(u64, u64), Error> {
    let (lacking, failed): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE lacks), count(*) FILTER (WHERE failed) FROM (
             SELECT EXISTS (SELECT FROM unnest($1::text[]) AS wanted (digest)
                        WHERE NOT EXISTS (SELECT FROM embeddings
                            WHERE embeddings.image_id = images.image_id AND embeddings.digest = wanted.digest)
                        AND NOT EXISTS (SELECT FROM model_failures
                            WHERE model_failures.image_id = images.image_id
                              AND model_failures.digest = wanted.digest)) AS lacks,
                    EXISTS (SELECT FROM model_failures
                        WHERE model_failures.image_id = images.image_id AND digest = ANY($1)) AS failed
             FROM images JOIN encodings USING (image_id)
             WHERE failure IS NULL AND (relative_path IS NOT NULL OR EXISTS
                 (SELECT FROM sightings WHERE sightings.image_id = images.image_id
                  AND ($2 OR gone_since IS NULL)))) AS told",
    )
    .bind(generation.digests())
    .bind(generation.keep_gone)
    .fetch_one(pool)
    .await
    .map_err(Error::database("count what models lack"))?;
    Ok((lacking.unsigned_abs(), failed.unsigned_abs()))
}

/// How many images an index was recorded to hold, and how many of its documents were refused.
///
/// # Errors
/// [`Error::Database`].
pub async fn recorded(pool: &PgPool, generation: &Generation) -> Result<(u64, u64), Error> {
    let (held, refused): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE refusal IS NULL), count(*) FILTER (WHERE refusal IS NOT NULL)
         FROM indexed WHERE generation_id = $1",
    )
    .bind(generation.generation_id)
    .fetch_one(pool)
    .await
    .map_err(Error::database("count what an index holds"))?;
    Ok((held.unsigned_abs(), refused.unsigned_abs()))
}

/// Forgets that an index holds these images: it was found not to. Those that it was recorded to hold
/// get a new revision, since Elasticsearch refuses one that it remembers as deleted.
///
/// # Errors
/// [`Error::Database`].
pub async fn forget(pool: &PgPool, generation: &Generation, ids: &[ImageId]) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let failed = Error::database("forget what an index does not hold");
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let mut tx = pool.begin().await.map_err(&failed)?;
    // In the order of ids, as everybody locks images.
    sqlx::query(
        "SELECT image_id FROM images WHERE image_id = ANY($1) ORDER BY image_id FOR NO KEY UPDATE",
    )
    .bind(&ids)
    .execute(&mut *tx)
    .await
    .map_err(&failed)?;
    sqlx::query(
        "WITH gone AS (
             DELETE FROM indexed WHERE generation_id = $1 AND image_id = ANY($2) RETURNING image_id)
         UPDATE images
         SET rev = greatest(rev + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
         FROM gone WHERE images.image_id = gone.image_id",
    )
    .bind(generation.generation_id)
    .bind(&ids)
    .execute(&mut *tx)
    .await
    .map_err(&failed)?;
    tx.commit().await.map_err(&failed)
}
