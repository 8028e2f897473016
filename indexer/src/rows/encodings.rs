//! Storing what the encoder made of images.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};
use tusou_contract::message::vector_to_bytes;
use tusou_contract::{Embedding, Encoding, EncodingOutcome, ImageEmbedded, ImageId, Score};

use super::failures;
use crate::error::Error;

/// Stores the outcomes in one transaction, and bumps `rev` of those images whose documents may have
/// changed: a repeated message changes none, nor does a failure. A failure never hides a success.
/// Of two outcomes of one image, what the later in the list brings counts; what it lacks stays.
///
/// Returns the images that have no row; nothing is stored for them.
pub(crate) async fn store(
    pool: &PgPool,
    outcomes: &[&ImageEmbedded],
) -> Result<HashSet<ImageId>, Error> {
    if outcomes.is_empty() {
        return Ok(HashSet::new());
    }
    let failed = Error::database("store embeddings");
    let mut tx = pool.begin().await.map_err(&failed)?;
    let asked: BTreeSet<ImageId> = outcomes.iter().map(|message| message.image_id).collect();
    let locked = lock(&mut tx, &asked).await.map_err(&failed)?;
    let known: BTreeSet<ImageId> = locked.iter().map(|(id, _)| *id).collect();
    let outcomes: Vec<(ImageId, &EncodingOutcome)> = outcomes
        .iter()
        .filter(|message| known.contains(&message.image_id))
        .map(|message| (message.image_id, &message.outcome))
        .collect();
    let mut changed = upsert_embeddings(&mut tx, &outcomes)
        .await
        .map_err(&failed)?;
    changed.extend(
        upsert_encodings(&mut tx, &outcomes)
            .await
            .map_err(&failed)?,
    );
    failures::store(&mut tx, &outcomes).await.map_err(&failed)?;
    let changed: Vec<Vec<u8>> = changed.into_iter().collect();
    // Not below the clock: an image that was removed and found again may have been deleted in the
    // index by the clock, a moment after its new row began.
    sqlx::query(
        "UPDATE images SET rev = greatest(rev + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
         WHERE image_id = ANY($1)",
    )
        .bind(&changed)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    let encoded: Vec<&[u8]> = locked
        .iter()
        .filter(|(_, encode_again)| *encode_again)
        .map(|(id, _)| id.as_bytes().as_slice())
        .collect();
    if !encoded.is_empty() {
        // What their originals were fetched again for is done: they may be dropped.
        sqlx::query("UPDATE images SET encode_again = false WHERE image_id = ANY($1)")
            .bind(&encoded)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
    }
    tx.commit().await.map_err(&failed)?;
    Ok(asked.difference(&known).copied().collect())
}

/// Locks the images' rows, in one order so that two writers cannot wait for each other; those
/// that are there, and whether they were fetched again to be encoded.
async fn lock(
    tx: &mut Transaction<'_, Postgres>,
    ids: &BTreeSet<ImageId>,
) -> sqlx::Result<Vec<(ImageId, bool)>> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let known: Vec<(Vec<u8>, bool)> = sqlx::query_as(
        "SELECT image_id, encode_again AND original_dropped_at IS NULL FROM images
         WHERE image_id = ANY($1) ORDER BY image_id FOR NO KEY UPDATE",
    )
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    let read = |(id, encode_again): (Vec<u8>, bool)| {
        let id = ImageId::from_digest(&id).expect("the schema checks the length");
        (id, encode_again)
    };
    Ok(known.into_iter().map(read).collect())
}

async fn upsert_embeddings(
    tx: &mut Transaction<'_, Postgres>,
    outcomes: &[(ImageId, &EncodingOutcome)],
) -> sqlx::Result<BTreeSet<Vec<u8>>> {
    let mut rows: BTreeMap<(&[u8], &str), &Embedding> = BTreeMap::new();
    for (image_id, outcome) in outcomes {
        if let EncodingOutcome::Encoded(encoding) = outcome {
            for embedding in &encoding.embeddings {
                rows.insert((image_id.as_bytes(), &embedding.digest), embedding);
            }
        }
    }
    let ids: Vec<&[u8]> = rows.keys().map(|(image_id, _)| *image_id).collect();
    let digests: Vec<&str> = rows.keys().map(|(_, digest)| *digest).collect();
    let models: Vec<&str> = rows.values().map(|row| row.model.as_str()).collect();
    let vectors: Vec<Vec<u8>> = rows
        .values()
        .map(|row| vector_to_bytes(&row.vector))
        .collect();
    let changed: Vec<Vec<u8>> = sqlx::query_scalar(
        "INSERT INTO embeddings AS old (image_id, digest, model, vector)
         SELECT * FROM UNNEST($1::bytea[], $2::text[], $3::text[], $4::bytea[])
         ON CONFLICT (image_id, digest)
         DO UPDATE SET model = EXCLUDED.model, vector = EXCLUDED.vector, stored_at = now()
         WHERE (old.model, old.vector) IS DISTINCT FROM (EXCLUDED.model, EXCLUDED.vector)
         RETURNING image_id",
    )
    .bind(&ids)
    .bind(&digests)
    .bind(&models)
    .bind(&vectors)
    .fetch_all(&mut **tx)
    .await?;
    Ok(changed.into_iter().collect())
}

/// What is kept of an image beside its vectors.
#[derive(Clone, Copy, Default)]
struct Row<'a> {
    encoding: Option<&'a Encoding>,
    failure: Option<(&'a str, &'a str)>,
    score: Option<&'a Score>,
}

impl<'a> Row<'a> {
    fn add(&mut self, outcome: &'a EncodingOutcome) {
        match outcome {
            EncodingOutcome::Encoded(encoding) => {
                self.encoding = Some(encoding);
                self.failure = None;
                self.score = encoding.scores.last().or(self.score);
            }
            EncodingOutcome::Failed { reason, detail } if self.encoding.is_none() => {
                self.failure = Some((reason, detail));
            }
            EncodingOutcome::Failed { .. } => {}
        }
    }
}

async fn upsert_encodings(
    tx: &mut Transaction<'_, Postgres>,
    outcomes: &[(ImageId, &EncodingOutcome)],
) -> sqlx::Result<BTreeSet<Vec<u8>>> {
    let mut rows: BTreeMap<&[u8], Row<'_>> = BTreeMap::new();
    for (image_id, outcome) in outcomes {
        rows.entry(image_id.as_bytes()).or_default().add(outcome);
    }
    let ids: Vec<&[u8]> = rows.keys().copied().collect();
    let rows: Vec<Row<'_>> = rows.into_values().collect();
    let of = |read: fn(&Encoding) -> Option<&str>| -> Vec<Option<&str>> {
        rows.iter().map(|row| read(row.encoding?)).collect()
    };
    let phashes = of(|encoding| Some(encoding.phash.as_str()));
    let thumbnails = of(|encoding| Some(encoding.thumbnail.as_ref()?.as_str()));
    let colors = rows.iter().map(|row| {
        row.encoding
            .map_or_else(|| json!([]), |encoding| json!(encoding.colors))
    });
    let failures = rows.iter().map(|row| row.failure);
    let scores = rows.iter().map(|row| row.score);
    // An array of arrays cannot be unnested row by row, so colours travel as JSON.
    let changed: Vec<Vec<u8>> = sqlx::query_scalar(
        "INSERT INTO encodings AS old (image_id, phash, colors, thumbnail_key, failure, detail, nsfw, nsfw_digest)
         SELECT image_id, phash, ARRAY(SELECT jsonb_array_elements_text(colors)), thumbnail_key, failure, detail,
                nsfw, nsfw_digest
         FROM UNNEST($1::bytea[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::text[], $7::real[], $8::text[])
              AS new (image_id, phash, colors, thumbnail_key, failure, detail, nsfw, nsfw_digest)
         ON CONFLICT (image_id)
         DO UPDATE SET phash = EXCLUDED.phash, colors = EXCLUDED.colors, thumbnail_key = EXCLUDED.thumbnail_key,
             failure = EXCLUDED.failure, detail = EXCLUDED.detail, encoded_at = now(),
             nsfw = coalesce(EXCLUDED.nsfw, old.nsfw), nsfw_digest = coalesce(EXCLUDED.nsfw_digest, old.nsfw_digest)
         WHERE (EXCLUDED.failure IS NULL OR old.failure IS NOT NULL)
             AND (old.phash, old.colors, old.thumbnail_key, old.failure, old.detail, old.nsfw, old.nsfw_digest)
                 IS DISTINCT FROM
                 (EXCLUDED.phash, EXCLUDED.colors, EXCLUDED.thumbnail_key, EXCLUDED.failure, EXCLUDED.detail,
                  coalesce(EXCLUDED.nsfw, old.nsfw), coalesce(EXCLUDED.nsfw_digest, old.nsfw_digest))
         RETURNING image_id",
    )
    .bind(&ids)
    .bind(&phashes)
    .bind(colors.collect::<Vec<_>>())
    .bind(&thumbnails)
    .bind(failures.clone().map(|failure| Some(failure?.0)).collect::<Vec<_>>())
    .bind(failures.map(|failure| Some(failure?.1)).collect::<Vec<_>>())
    .bind(scores.clone().map(|score| Some(score?.value)).collect::<Vec<_>>())
    .bind(scores.map(|score| Some(score?.digest.as_str())).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(changed.into_iter().collect())
}
