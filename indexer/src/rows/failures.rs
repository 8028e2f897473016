//! Which models made nothing of which images.

use std::collections::BTreeMap;

use sqlx::{Postgres, Transaction};
use tusou_contract::{EncodingOutcome, ImageId, ModelFailure};

/// What a model came to with an image.
enum Came<'a> {
    Made,
    Failed(&'a ModelFailure),
}

/// By image and digest.
type Results<'a> = BTreeMap<(&'a [u8], &'a str), Came<'a>>;

impl<'a> Came<'a> {
    fn fail(&mut self, failure: &'a ModelFailure) {
        if let Self::Failed(last) = self {
            *last = failure;
        }
    }
}

/// Stores the failures of single models, and forgets those of models that succeed now. Where a model
/// succeeded before, its failure is not written: what it made is still there. Call it after the
/// embeddings and scores are stored, under the images' locks.
pub(super) async fn store(
    tx: &mut Transaction<'_, Postgres>,
    outcomes: &[(ImageId, &EncodingOutcome)],
) -> sqlx::Result<()> {
    let mut results: Results<'_> = BTreeMap::new();
    for (image_id, outcome) in outcomes {
        let EncodingOutcome::Encoded(encoding) = outcome else {
            continue;
        };
        let image_id = image_id.as_bytes().as_slice();
        for failure in &encoding.failures {
            let came = results.entry((image_id, &failure.digest));
            came.and_modify(|came| came.fail(failure))
                .or_insert(Came::Failed(failure));
        }
        let embeddings = encoding.embeddings.iter().map(|made| &made.digest);
        let scores = encoding.scores.iter().map(|made| &made.digest);
        for digest in embeddings.chain(scores) {
            results.insert((image_id, digest), Came::Made);
        }
    }
    forget(tx, &results).await?;
    record(tx, &results).await
}

async fn forget(tx: &mut Transaction<'_, Postgres>, results: &Results<'_>) -> sqlx::Result<()> {
    let (ids, digests): (Vec<&[u8]>, Vec<&str>) = results
        .iter()
        .filter(|(_, result)| matches!(result, Came::Made))
        .map(|(key, _)| *key)
        .unzip();
    sqlx::query(
        "DELETE FROM model_failures USING UNNEST($1::bytea[], $2::text[]) AS made (image_id, digest)
         WHERE model_failures.image_id = made.image_id AND model_failures.digest = made.digest",
    )
    .bind(&ids)
    .bind(&digests)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn record(tx: &mut Transaction<'_, Postgres>, results: &Results<'_>) -> sqlx::Result<()> {
    let failures = || {
        results.iter().filter_map(|(key, result)| match result {
            Came::Failed(failure) => Some((key.0, *failure)),
            Came::Made => None,
        })
    };
    if failures().next().is_none() {
        return Ok(());
    }
    let texts = |read: fn(&ModelFailure) -> &str| -> Vec<&str> {
        failures().map(|(_, failure)| read(failure)).collect()
    };
    sqlx::query(
        "INSERT INTO model_failures AS old (image_id, digest, model, reason, detail)
         SELECT * FROM UNNEST($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[])
             AS new (image_id, digest, model, reason, detail)
         WHERE NOT EXISTS (SELECT FROM embeddings
                           WHERE embeddings.image_id = new.image_id AND embeddings.digest = new.digest)
           AND NOT EXISTS (SELECT FROM encodings
                           WHERE encodings.image_id = new.image_id AND nsfw_digest = new.digest)
         ON CONFLICT (image_id, digest)
         DO UPDATE SET model = EXCLUDED.model, reason = EXCLUDED.reason, detail = EXCLUDED.detail, failed_at = now()
         WHERE (old.model, old.reason, old.detail) IS DISTINCT FROM (EXCLUDED.model, EXCLUDED.reason, EXCLUDED.detail)",
    )
    .bind(failures().map(|(image_id, _)| image_id).collect::<Vec<_>>())
    .bind(texts(|failure| &failure.digest))
    .bind(texts(|failure| &failure.model))
    .bind(texts(|failure| &failure.reason))
    .bind(texts(|failure| &failure.detail))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
