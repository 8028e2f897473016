//! Storing what the encoder made of images.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};
use tusou_contract::message::vector_to_bytes;
use tusou_contract::{Embedding, EncodingOutcome, ImageEmbedded, ImageId};

use crate::error::Error;

/// Stores the outcomes in one transaction, and bumps `rev` of those images whose rows changed: a
/// repeated message changes none. A failure never hides an earlier success. Of two outcomes of one
/// image, the later in the list counts.
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
    let known = lock(&mut tx, &asked).await.map_err(&failed)?;
    let outcomes = outcomes
        .iter()
        .filter(|message| known.contains(&message.image_id));
    let latest: BTreeMap<ImageId, &EncodingOutcome> = outcomes
        .map(|message| (message.image_id, &message.outcome))
        .collect();
    let mut changed = upsert_embeddings(&mut tx, &latest).await.map_err(&failed)?;
    changed.extend(upsert_encodings(&mut tx, &latest).await.map_err(&failed)?);
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
    tx.commit().await.map_err(&failed)?;
    Ok(asked.difference(&known).copied().collect())
}

/// Locks the images' rows, in one order so that two writers cannot wait for each other; those
/// that are there.
async fn lock(
    tx: &mut Transaction<'_, Postgres>,
    ids: &BTreeSet<ImageId>,
) -> sqlx::Result<BTreeSet<ImageId>> {
    let ids: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
    let known: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT image_id FROM images WHERE image_id = ANY($1) ORDER BY image_id FOR NO KEY UPDATE",
    )
    .bind(&ids)
    .fetch_all(&mut **tx)
    .await?;
    Ok(known
        .iter()
        .map(|id| ImageId::from_digest(id).expect("the schema checks the length"))
        .collect())
}

async fn upsert_embeddings(
    tx: &mut Transaction<'_, Postgres>,
    outcomes: &BTreeMap<ImageId, &EncodingOutcome>,
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

async fn upsert_encodings(
    tx: &mut Transaction<'_, Postgres>,
    outcomes: &BTreeMap<ImageId, &EncodingOutcome>,
) -> sqlx::Result<BTreeSet<Vec<u8>>> {
    let ids: Vec<&[u8]> = outcomes.keys().map(|id| id.as_bytes().as_slice()).collect();
    let mut phashes: Vec<Option<&str>> = Vec::new();
    let mut colors = Vec::new();
    let mut thumbnails: Vec<Option<&str>> = Vec::new();
    let mut failures: Vec<Option<&str>> = Vec::new();
    let mut details: Vec<Option<&str>> = Vec::new();
    for outcome in outcomes.values() {
        let (encoding, failure) = match outcome {
            EncodingOutcome::Encoded(encoding) => (Some(encoding), None),
            EncodingOutcome::Failed { reason, detail } => (None, Some((reason, detail))),
        };
        phashes.push(encoding.map(|encoding| encoding.phash.as_str()));
        colors.push(encoding.map_or_else(|| json!([]), |encoding| json!(encoding.colors)));
        thumbnails.push(encoding.and_then(|encoding| Some(encoding.thumbnail.as_ref()?.as_str())));
        failures.push(failure.map(|(reason, _)| reason.as_str()));
        details.push(failure.map(|(_, detail)| detail.as_str()));
    }
    // An array of arrays cannot be unnested row by row, so colours travel as JSON.
    let changed: Vec<Vec<u8>> = sqlx::query_scalar(
        "INSERT INTO encodings AS old (image_id, phash, colors, thumbnail_key, failure, detail)
         SELECT image_id, phash, ARRAY(SELECT jsonb_array_elements_text(colors)), thumbnail_key, failure, detail
         FROM UNNEST($1::bytea[], $2::text[], $3::jsonb[], $4::text[], $5::text[], $6::text[])
              AS new (image_id, phash, colors, thumbnail_key, failure, detail)
         ON CONFLICT (image_id)
         DO UPDATE SET phash = EXCLUDED.phash, colors = EXCLUDED.colors, thumbnail_key = EXCLUDED.thumbnail_key,
             failure = EXCLUDED.failure, detail = EXCLUDED.detail, encoded_at = now()
         WHERE (EXCLUDED.failure IS NULL OR old.failure IS NOT NULL)
             AND (old.phash, old.colors, old.thumbnail_key, old.failure, old.detail) IS DISTINCT FROM
                 (EXCLUDED.phash, EXCLUDED.colors, EXCLUDED.thumbnail_key, EXCLUDED.failure, EXCLUDED.detail)
         RETURNING image_id",
    )
    .bind(&ids)
    .bind(&phashes)
    .bind(&colors)
    .bind(&thumbnails)
    .bind(&failures)
    .bind(&details)
    .fetch_all(&mut **tx)
    .await?;
    Ok(changed.into_iter().collect())
}
