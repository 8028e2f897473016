//! The registry of indexes, and what each of them holds.

use std::fmt;

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgPool, Postgres, Transaction};
use time::OffsetDateTime;
use tusou_contract::ImageId;
use tusou_contract::mapping::{IndexOptions, MAPPING_VERSION, ModelField};

use crate::error::Error;

/// Held while indexes are made, so that two who make one at once agree: `tusou` in ASCII.
const REGISTRY_LOCK: i64 = 0x74_75_73_6f_75;

/// The registry makes indexes and mends them; what they hold it does not judge.
const AS_MADE: bool = true;

/// What is done with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Written and filled, not yet searched.
    Building,
    /// Written, and the alias may point at it.
    Live,
    /// No longer written.
    Retired,
}

impl State {
    /// As the registry has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Live => "live",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A registered index.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// Its row.
    pub generation_id: i64,
    /// The index's name.
    pub index: String,
    /// Of the mapping that it was made with.
    pub mapping_version: u32,
    /// The models whose embeddings it holds; the first fills `image_embedding`.
    pub models: Vec<ModelField>,
    /// What is done with it.
    pub state: State,
    /// How it was made; `None` where a build that did not record it registered the index.
    pub options: Option<IndexOptions>,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// The last image whose back-fill message the broker has.
    pub backfilled_to: Option<ImageId>,
    /// When the index was last found whole.
    pub verified_at: Option<OffsetDateTime>,
    /// Whether it holds images that no page shows any more: the configuration's, not the registry's.
    pub keep_gone: bool,
}

impl Generation {
    /// Whether the indexer writes to it.
    pub fn is_written(&self) -> bool {
        self.state != State::Retired
    }

    /// Whether it lacks fields of this build's mapping: it is written without them.
    pub fn is_older(&self) -> bool {
        self.mapping_version < MAPPING_VERSION
    }

    /// # Errors
    /// [`Error::NewerMapping`] where this build does not know the index's mapping.
    pub(crate) fn check_version(&self) -> Result<(), Error> {
        if (1..=MAPPING_VERSION).contains(&self.mapping_version) {
            return Ok(());
        }
        Err(Error::NewerMapping {
            index: self.index.clone(),
            version: self.mapping_version,
        })
    }

    /// The digest of the model in `image_embedding`.
    pub(crate) fn first_digest(&self) -> &str {
        self.models
            .first()
            .map_or("", |model| model.digest.as_str())
    }

    pub(crate) fn digests(&self) -> Vec<&str> {
        self.models
            .iter()
            .map(|model| model.digest.as_str())
            .collect()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    generation_id: i64,
    index_name: String,
    mapping_version: i32,
    models: Json<Vec<ModelField>>,
    state: String,
    settings: Json<Value>,
    created_at: OffsetDateTime,
    backfilled_to: Option<Vec<u8>>,
    verified_at: Option<OffsetDateTime>,
}

impl Row {
    fn read(self, keep_gone: bool) -> Result<Generation, Error> {
        let unreadable = |problem: String| Error::Registry {
            index: self.index_name.clone(),
            problem,
        };
        let state = match self.state.as_str() {
            "building" => State::Building,
            "live" => State::Live,
            "retired" => State::Retired,
            other => return Err(unreadable(format!("`state` is {other:?}"))),
        };
        let recorded = self
            .settings
            .0
            .as_object()
            .is_some_and(|map| !map.is_empty());
        let options = recorded
            .then(|| serde_json::from_value(self.settings.0.clone()))
            .transpose()
            .map_err(|error| unreadable(format!("`settings`: {error}")))?;
        let backfilled_to = self
            .backfilled_to
            .map(|id| ImageId::from_digest(&id))
            .transpose()
            .map_err(|error| unreadable(format!("`backfilled_to`: {error}")))?;
        Ok(Generation {
            generation_id: self.generation_id,
            mapping_version: self.mapping_version.unsigned_abs(),
            models: self.models.0,
            state,
            options,
            created_at: self.created_at,
            backfilled_to,
            verified_at: self.verified_at,
            index: self.index_name,
            keep_gone,
        })
    }
}

/// Every registered index, the oldest first. `keep_gone` is `indexer.keep_gone`.
///
/// # Errors
/// [`Error::Database`], or [`Error::Registry`] where a row cannot be read.
pub async fn all(pool: &PgPool, keep_gone: bool) -> Result<Vec<Generation>, Error> {
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM generations ORDER BY generation_id")
        .fetch_all(pool)
        .await
        .map_err(Error::database("read the registry of indexes"))?;
    rows.into_iter().map(|row| row.read(keep_gone)).collect()
}

/// Every written index, the oldest first.
pub(crate) async fn written(
    tx: &mut Transaction<'_, Postgres>,
    keep_gone: bool,
) -> Result<Vec<Generation>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT * FROM generations WHERE state IN ('building', 'live') ORDER BY generation_id",
    )
    .fetch_all(&mut **tx)
    .await
    .map_err(Error::database("read the registry of indexes"))?;
    rows.into_iter().map(|row| row.read(keep_gone)).collect()
}

/// The registry, locked until it is committed or dropped.
#[derive(Debug)]
pub struct Registry(Transaction<'static, Postgres>);

impl Registry {
    /// Waits for the lock.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn lock(pool: &PgPool) -> Result<Self, Error> {
        let failed = Error::database("lock the registry of indexes");
        let mut tx = pool.begin().await.map_err(&failed)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(REGISTRY_LOCK)
            .execute(&mut *tx)
            .await
            .map_err(&failed)?;
        Ok(Self(tx))
    }

    /// Every written index, the oldest first.
    ///
    /// # Errors
    /// [`Error::Database`], or [`Error::Registry`] where a row cannot be read.
    pub async fn written(&mut self) -> Result<Vec<Generation>, Error> {
        written(&mut self.0, AS_MADE).await
    }

    /// Registers an index named `<alias>-<yyyymmddhhmmss>` by the database's clock in UTC; where
    /// that name is taken it waits for the next second.
    pub(crate) async fn register(
        &mut self,
        alias: &str,
        models: &[ModelField],
        options: &IndexOptions,
        state: State,
    ) -> Result<Generation, Error> {
        let failed = Error::database("register an index");
        loop {
            let made: Option<Row> = sqlx::query_as(
                "INSERT INTO generations (index_name, mapping_version, models, state, settings)
                 VALUES ($1 || to_char(clock_timestamp() AT TIME ZONE 'UTC', '-YYYYMMDDHH24MISS'), $2, $3, $4, $5)
                 ON CONFLICT (index_name) DO NOTHING
                 RETURNING *",
            )
            .bind(alias)
            .bind(i32::try_from(MAPPING_VERSION).expect("a mapping version is small"))
            .bind(Json(models))
            .bind(state.name())
            .bind(Json(options))
            .fetch_optional(&mut *self.0)
            .await
            .map_err(&failed)?;
            if let Some(made) = made {
                return made.read(AS_MADE);
            }
            sqlx::query("SELECT pg_sleep(0.3)")
                .execute(&mut *self.0)
                .await
                .map_err(&failed)?;
        }
    }

    /// Changes what is done with an index.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn set_state(&mut self, generation_id: i64, state: State) -> Result<(), Error> {
        sqlx::query("UPDATE generations SET state = $2 WHERE generation_id = $1")
            .bind(generation_id)
            .bind(state.name())
            .execute(&mut *self.0)
            .await
            .map_err(Error::database("change the state of an index"))?;
        Ok(())
    }

    /// Forgets what an index held, and how far it was filled: it was lost, or is let go. How many
    /// images it held.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn forget_contents(&mut self, generation_id: i64) -> Result<u64, Error> {
        let failed = Error::database("forget what an index held");
        sqlx::query(
            "UPDATE generations SET backfilled_to = NULL, verified_at = NULL WHERE generation_id = $1",
        )
        .bind(generation_id)
        .execute(&mut *self.0)
        .await
        .map_err(&failed)?;
        let deleted = sqlx::query("DELETE FROM indexed WHERE generation_id = $1")
            .bind(generation_id)
            .execute(&mut *self.0)
            .await
            .map_err(&failed)?;
        Ok(deleted.rows_affected())
    }

    /// Makes the changes last, and unlocks.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn commit(self) -> Result<(), Error> {
        self.0
            .commit()
            .await
            .map_err(Error::database("write the registry of indexes"))
    }
}

/// Records how far an index's back-fill is; `None` begins it anew.
///
/// # Errors
/// [`Error::Database`].
pub async fn set_backfilled(
    pool: &PgPool,
    generation_id: i64,
    to: Option<&ImageId>,
) -> Result<(), Error> {
    sqlx::query("UPDATE generations SET backfilled_to = $2 WHERE generation_id = $1")
        .bind(generation_id)
        .bind(to.map(|id| id.as_bytes().as_slice()))
        .execute(pool)
        .await
        .map_err(Error::database("record how far a back-fill is"))?;
    Ok(())
}

/// Records that an index was found whole just now.
///
/// # Errors
/// [`Error::Database`].
pub async fn set_verified(pool: &PgPool, generation_id: i64) -> Result<(), Error> {
    sqlx::query("UPDATE generations SET verified_at = now() WHERE generation_id = $1")
        .bind(generation_id)
        .execute(pool)
        .await
        .map_err(Error::database("record that an index is whole"))?;
    Ok(())
}

/// What an index has of an image now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The index.
    pub generation_id: i64,
    /// The image.
    pub image_id: ImageId,
    /// At least this one; refused or deleted at this one.
    pub rev: i64,
    /// What became of the document.
    pub outcome: Outcome,
}

/// What became of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is there.
    Held,
    /// Elasticsearch refused it for good, in its own words.
    Refused(String),
    /// There is none any more.
    Deleted,
}

/// Records what the indexes hold now. An older `rev` never overwrites a newer one.
///
/// # Errors
/// [`Error::Database`].
pub async fn record(pool: &PgPool, holdings: &[Holding]) -> Result<(), Error> {
    let failed = Error::database("record what is indexed");
    let mut sorted: Vec<&Holding> = holdings.iter().collect();
    sorted.sort_by_key(|holding| (holding.generation_id, holding.image_id));
    let (deleted, kept): (Vec<&Holding>, Vec<&Holding>) = sorted
        .into_iter()
        .partition(|holding| holding.outcome == Outcome::Deleted);
    let mut tx = pool.begin().await.map_err(&failed)?;
    if !kept.is_empty() {
        let (generations, ids, revs) = columns(&kept);
        let refusals: Vec<Option<&str>> = kept
            .iter()
            .map(|holding| match &holding.outcome {
                Outcome::Refused(reason) => Some(reason.as_str()),
                Outcome::Held | Outcome::Deleted => None,
            })
            .collect();
        // The join leaves out a generation that was removed or retired meanwhile.
        sqlx::query(
            "INSERT INTO indexed AS old (generation_id, image_id, rev, refusal)
             SELECT generation_id, image_id, rev, refusal
             FROM UNNEST($1::bigint[], $2::bytea[], $3::bigint[], $4::text[]) AS new (generation_id, image_id, rev, refusal)
             JOIN generations USING (generation_id)
             WHERE state <> 'retired'
             ORDER BY generation_id, image_id
             ON CONFLICT (generation_id, image_id)
             DO UPDATE SET rev = EXCLUDED.rev, refusal = EXCLUDED.refusal, indexed_at = now()
             WHERE old.rev < EXCLUDED.rev OR (old.rev = EXCLUDED.rev AND old.refusal IS DISTINCT FROM EXCLUDED.refusal)",
        )
        .bind(&generations)
        .bind(&ids)
        .bind(&revs)
        .bind(&refusals)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    }
    if !deleted.is_empty() {
        let (generations, ids, revs) = columns(&deleted);
        sqlx::query(
            "DELETE FROM indexed
             USING UNNEST($1::bigint[], $2::bytea[], $3::bigint[]) AS gone (generation_id, image_id, rev)
             WHERE indexed.generation_id = gone.generation_id AND indexed.image_id = gone.image_id
                 AND indexed.rev <= gone.rev",
        )
        .bind(&generations)
        .bind(&ids)
        .bind(&revs)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
    }
    tx.commit().await.map_err(&failed)
}

fn columns<'a>(holdings: &[&'a Holding]) -> (Vec<i64>, Vec<&'a [u8]>, Vec<i64>) {
    let generations = holdings.iter().map(|holding| holding.generation_id);
    let ids = holdings
        .iter()
        .map(|holding| holding.image_id.as_bytes().as_slice());
    let revs = holdings.iter().map(|holding| holding.rev);
    (generations.collect(), ids.collect(), revs.collect())
}
