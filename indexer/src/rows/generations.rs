//! The registry of indexes, and what each of them holds.

use sqlx::types::Json;
use sqlx::{PgPool, Postgres, Transaction};
use tusou_contract::ImageId;
use tusou_contract::mapping::ModelField;

use crate::error::Error;

/// Held while indexes are made, so that two indexers starting at once agree: `tusou` in ASCII.
const REGISTRY_LOCK: i64 = 0x74_75_73_6f_75;

/// A live index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) generation_id: i64,
    pub(crate) index: String,
    pub(crate) mapping_version: u32,
    pub(crate) models: Vec<ModelField>,
}

/// Every live index, the oldest first.
pub(crate) async fn live(tx: &mut Transaction<'_, Postgres>) -> sqlx::Result<Vec<Generation>> {
    let rows: Vec<(i64, String, i32, Json<Vec<ModelField>>)> = sqlx::query_as(
        "SELECT generation_id, index_name, mapping_version, models FROM generations
         WHERE state = 'live' ORDER BY generation_id",
    )
    .fetch_all(&mut **tx)
    .await?;
    let generation =
        |(generation_id, index, mapping_version, models): (_, _, i32, Json<_>)| Generation {
            generation_id,
            index,
            mapping_version: mapping_version.unsigned_abs(),
            models: models.0,
        };
    Ok(rows.into_iter().map(generation).collect())
}

/// The registry, locked until it is committed or dropped.
pub(crate) struct Registry(Transaction<'static, Postgres>);

impl Registry {
    pub(crate) async fn lock(pool: &PgPool) -> Result<Self, Error> {
        let failed = Error::database("lock the registry of indexes");
        let mut tx = pool.begin().await.map_err(&failed)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(REGISTRY_LOCK)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        Ok(Self(tx))
    }

    pub(crate) async fn live(&mut self) -> Result<Vec<Generation>, Error> {
        live(&mut self.0)
            .await
            .map_err(Error::database("read the registry of indexes"))
    }

    /// Registers an index named `<alias>-<yyyymmddhhmmss>` by the database's clock in UTC.
    pub(crate) async fn register(
        &mut self,
        alias: &str,
        mapping_version: u32,
        models: &[ModelField],
    ) -> Result<Generation, Error> {
        let (generation_id, index) = sqlx::query_as(
            "INSERT INTO generations (index_name, mapping_version, models, state)
             VALUES ($1 || to_char(clock_timestamp() AT TIME ZONE 'UTC', '-YYYYMMDDHH24MISS'), $2, $3, 'live')
             RETURNING generation_id, index_name",
        )
        .bind(alias)
        .bind(i32::try_from(mapping_version).expect("a mapping version is small"))
        .bind(Json(models))
        .fetch_one(&mut *self.0)
        .await
        .map_err(Error::database("register an index"))?;
        Ok(Generation {
            generation_id,
            index,
            mapping_version,
            models: models.to_vec(),
        })
    }

    /// Forgets what an index held: it was lost, and nothing is in it.
    pub(crate) async fn forget_contents(&mut self, generation_id: i64) -> Result<u64, Error> {
        let deleted = sqlx::query("DELETE FROM indexed WHERE generation_id = $1")
            .bind(generation_id)
            .execute(&mut *self.0)
            .await
            .map_err(Error::database("forget what a lost index held"))?;
        Ok(deleted.rows_affected())
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.0
            .commit()
            .await
            .map_err(Error::database("write the registry of indexes"))
    }
}

/// What an index holds of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holding {
    pub(crate) generation_id: i64,
    pub(crate) image_id: ImageId,
    /// At least this one, or refused at this one.
    pub(crate) rev: i64,
    /// Elasticsearch's own words, where it refused the document for good.
    pub(crate) refusal: Option<String>,
}

/// Records what the indexes hold now. An older `rev` never overwrites a newer one.
pub(crate) async fn record(pool: &PgPool, holdings: &[Holding]) -> Result<(), Error> {
    let mut sorted: Vec<&Holding> = holdings.iter().collect();
    sorted.sort_by_key(|holding| (holding.generation_id, holding.image_id));
    let generations: Vec<i64> = sorted.iter().map(|holding| holding.generation_id).collect();
    let ids: Vec<&[u8]> = sorted
        .iter()
        .map(|holding| holding.image_id.as_bytes().as_slice())
        .collect();
    let revs: Vec<i64> = sorted.iter().map(|holding| holding.rev).collect();
    let refusals: Vec<Option<&str>> = sorted
        .iter()
        .map(|holding| holding.refusal.as_deref())
        .collect();
    // The join leaves out a generation that was removed meanwhile.
    sqlx::query(
        "INSERT INTO indexed AS old (generation_id, image_id, rev, refusal)
         SELECT generation_id, image_id, rev, refusal
         FROM UNNEST($1::bigint[], $2::bytea[], $3::bigint[], $4::text[]) AS new (generation_id, image_id, rev, refusal)
         JOIN generations USING (generation_id)
         ORDER BY generation_id, image_id
         ON CONFLICT (generation_id, image_id)
         DO UPDATE SET rev = EXCLUDED.rev, refusal = EXCLUDED.refusal, indexed_at = now()
         WHERE old.rev < EXCLUDED.rev OR (old.rev = EXCLUDED.rev AND old.refusal IS DISTINCT FROM EXCLUDED.refusal)",
    )
    .bind(&generations)
    .bind(&ids)
    .bind(&revs)
    .bind(&refusals)
    .execute(pool)
    .await
    .map_err(Error::database("record what is indexed"))?;
    Ok(())
}
