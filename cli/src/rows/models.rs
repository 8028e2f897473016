//! What each model has made of the pictures.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgPool;
use sqlx::types::Json;
use tusou_contract::ImageId;
use tusou_contract::mapping::ModelField;

use super::{Snapshot, digests, image_ids, unsigned};
use crate::error::Error;
use crate::status::ModelStatus;

/// The most kinds of failure that are told.
const KINDS: i64 = 200;

/// A picture that was encoded and has no vector, score or failure of the digest `$1`. `$2`: although it
/// has a failure.
macro_rules! lacking {
    ($rest:literal) => {
        concat!(
            "FROM encodings WHERE failure IS NULL AND nsfw_digest IS DISTINCT FROM $1
             AND NOT EXISTS (SELECT FROM embeddings
                 WHERE embeddings.image_id = encodings.image_id AND digest = $1)
             AND ($2 OR NOT EXISTS (SELECT FROM model_failures
                 WHERE model_failures.image_id = encodings.image_id AND digest = $1)) ",
            $rest
        )
    };
}

impl Snapshot {
    /// The models of every written index.
    pub(crate) async fn indexed_models(&mut self) -> Result<Vec<ModelField>, Error> {
        let rows: Vec<Json<Vec<ModelField>>> = sqlx::query_scalar(
            "SELECT models FROM generations WHERE state <> 'retired' ORDER BY generation_id",
        )
        .fetch_all(&mut *self.0)
        .await
        .map_err(Error::query("read the models of the indexes"))?;
        Ok(rows.into_iter().flat_map(|models| models.0).collect())
    }

    /// Fills in what became of the pictures by each model.
    pub(crate) async fn models(
        &mut self,
        mut models: Vec<ModelStatus>,
    ) -> Result<Vec<ModelStatus>, Error> {
        let failed = Error::query("count what models made");
        for model in &mut models {
            let (made, lacking): (i64, i64) = sqlx::query_as(concat!(
                "SELECT (SELECT count(*) FROM embeddings WHERE digest = $1)
                      + (SELECT count(*) FROM encodings WHERE nsfw_digest = $1), (SELECT count(*) ",
                lacking!(")")
            ))
            .bind(&model.digest)
            .bind(false)
            .fetch_one(&mut *self.0)
            .await
            .map_err(&failed)?;
            (model.made, model.lacking) = (unsigned(made), unsigned(lacking));
        }
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT digest, reason, count(*) FROM model_failures WHERE digest = ANY($1)
             GROUP BY digest, reason ORDER BY count(*) DESC LIMIT $2",
        )
        .bind(
            models
                .iter()
                .map(|model| &*model.digest)
                .collect::<Vec<_>>(),
        )
        .bind(KINDS)
        .fetch_all(&mut *self.0)
        .await
        .map_err(&failed)?;
        for (digest, reason, count) in rows {
            if let Some(model) = models.iter_mut().find(|model| model.digest == digest) {
                model.failed.insert(reason, unsigned(count));
            }
        }
        Ok(models)
    }
}

/// What a model has made, and for how many pictures it failed, by reason.
pub(crate) async fn made(
    pool: &PgPool,
    digest: &str,
) -> Result<(u64, BTreeMap<String, u64>), Error> {
    let failed = Error::query("count what a model made");
    let made: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM embeddings WHERE digest = $1)
              + (SELECT count(*) FROM encodings WHERE nsfw_digest = $1)",
    )
    .bind(digest)
    .fetch_one(pool)
    .await
    .map_err(&failed)?;
    let reasons: Vec<(String, i64)> = sqlx::query_as(
        "SELECT reason, count(*) FROM model_failures WHERE digest = $1
         GROUP BY reason ORDER BY count(*) DESC LIMIT $2",
    )
    .bind(digest)
    .bind(KINDS)
    .fetch_all(pool)
    .await
    .map_err(&failed)?;
    let reasons = reasons.into_iter();
    Ok((
        unsigned(made),
        reasons
            .map(|(reason, count)| (reason, unsigned(count)))
            .collect(),
    ))
}

/// The next pictures that lack what the model makes, in the order of their ids; with `failed` also those
/// that it failed for.
pub(crate) async fn lacking(
    pool: &PgPool,
    digest: &str,
    failed: bool,
    after: Option<ImageId>,
    most: usize,
) -> Result<BTreeSet<ImageId>, Error> {
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(concat!(
        "SELECT image_id ",
        lacking!("AND image_id > $3 ORDER BY image_id LIMIT $4")
    ))
    .bind(digest)
    .bind(failed)
    .bind(after.map_or(Vec::new(), |id| id.as_bytes().to_vec()))
    .bind(i64::try_from(most).unwrap_or(i64::MAX))
    .fetch_all(pool)
    .await
    .map_err(Error::query("look for pictures that a model has not seen"))?;
    Ok(image_ids(ids))
}

/// Those of the pictures that a message to the encoder in the outbox is about.
pub(crate) async fn owed(
    pool: &PgPool,
    ids: &BTreeSet<ImageId>,
) -> Result<BTreeSet<ImageId>, Error> {
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT DISTINCT image_id FROM outbox
         WHERE image_id = ANY($1) AND queue IN ('images.fetched', 'images.reencode')",
    )
    .bind(digests(ids))
    .fetch_all(pool)
    .await
    .map_err(Error::query("look for pictures in the outbox"))?;
    Ok(image_ids(ids))
}
