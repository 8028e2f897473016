//! Indexes: made, registered, checked, found again after a loss, put behind the alias, let go.

use sqlx::PgPool;
use tusou_contract::mapping::{
    IndexMeta, IndexOptions, MAPPING_VERSION, ModelField, index_body_of,
};
use tusou_platform::elastic::Elastic;

use crate::error::Error;
use crate::loading::end_before_searches;
use crate::rows::generations::{Generation, Registry, State};

/// What a configuration wants of an index.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The alias that searches ask.
    pub alias: String,
    /// The models of its packs, in their order.
    pub models: Vec<ModelField>,
    /// How a new index is made.
    pub options: IndexOptions,
}

/// Makes sure that there is a live index, that every written index is there and is what the registry
/// says, and that the alias points at a live one. For whoever writes documents with these packs.
///
/// Holds the registry's lock meanwhile, so those who do it at once agree.
///
/// # Errors
/// [`Error::OtherModels`] where a written index needs embeddings that none of the packs makes,
/// [`Error::NewerMapping`] where a later build made it, [`Error::ForeignIndex`] where an index is not what the registry says; otherwise whatever is away.
pub async fn open(pool: &PgPool, elastic: &Elastic, wanted: &Wanted) -> Result<(), Error> {
    let mut registry = Registry::lock(pool).await?;
    let mut written = registry.written().await?;
    for generation in &written {
        generation.check_version()?;
    }
    if let Some(other) = written
        .iter()
        .find(|generation| !is_fed(generation, wanted))
    {
        return Err(Error::OtherModels {
            index: other.index.clone(),
            holds: in_words(other.mapping_version, &other.models),
            wants: in_words(MAPPING_VERSION, &wanted.models),
        });
    }
    if !written.iter().any(|index| index.state == State::Live) {
        written.push(begin(&mut registry, elastic, wanted, State::Live).await?);
    }
    let lost = mend_written(&mut registry, elastic, &written, &wanted.options).await?;
    aim(elastic, &wanted.alias, &written, &lost).await?;
    registry.commit().await
}

/// Makes written indexes that were lost again, empty, and sees that the alias points at a live one.
/// The indexes that were lost.
///
/// # Errors
/// [`Error::ForeignIndex`] where an index is not what the registry says; otherwise whatever is away.
pub async fn mend(
    pool: &PgPool,
    elastic: &Elastic,
    alias: &str,
    options: &IndexOptions,
) -> Result<Vec<String>, Error> {
    let mut registry = Registry::lock(pool).await?;
    let written = registry.written().await?;
    let lost = mend_written(&mut registry, elastic, &written, options).await?;
    aim(elastic, alias, &written, &lost).await?;
    registry.commit().await?;
    Ok(lost)
}

/// Registers a new index as building and makes it.
///
/// # Errors
/// [`Error::Elastic`] where Elasticsearch is away or refuses such an index, [`Error::Database`].
pub async fn create(
    pool: &PgPool,
    elastic: &Elastic,
    wanted: &Wanted,
) -> Result<Generation, Error> {
    let mut registry = Registry::lock(pool).await?;
    let made = begin(&mut registry, elastic, wanted, State::Building).await?;
    registry.commit().await?;
    Ok(made)
}

/// Points the alias at this index alone, in one step, and marks the index live. The one before stays
/// live and written. Its first load ends, and what was written to both is searchable in this one first, so that no
/// search finds less than the one before it.
///
/// # Errors
/// Whatever is away; then the alias may or may not have moved, and doing it again does no harm.
pub async fn point(
    pool: &PgPool,
    elastic: &Elastic,
    alias: &str,
    generation: &Generation,
) -> Result<(), Error> {
    let mut registry = Registry::lock(pool).await?;
    registry
        .set_state(generation.generation_id, State::Live)
        .await?;
    end_before_searches(elastic, generation).await?;
    elastic.refresh(&generation.index).await?;
    elastic.point_alias(alias, &generation.index).await?;
    elastic.refresh(&generation.index).await?;
    registry.commit().await
}

/// Retires an index, forgets what it held, then deletes it: whether it was there. Nobody may ask it
/// any more.
///
/// # Errors
/// Whatever is away. Doing it again does no harm.
pub async fn drop_index(
    pool: &PgPool,
    elastic: &Elastic,
    generation: &Generation,
) -> Result<bool, Error> {
    let mut registry = Registry::lock(pool).await?;
    registry
        .set_state(generation.generation_id, State::Retired)
        .await?;
    registry.forget_contents(generation.generation_id).await?;
    registry.commit().await?;
    Ok(elastic.delete_index(&generation.index).await?)
}

/// Whether the packs make every embedding that the index needs.
fn is_fed(generation: &Generation, wanted: &Wanted) -> bool {
    let made = |digest: &str| wanted.models.iter().any(|model| model.digest == digest);
    generation.digests().into_iter().all(made)
}

/// Registers a new index and makes it.
async fn begin(
    registry: &mut Registry,
    elastic: &Elastic,
    wanted: &Wanted,
    state: State,
) -> Result<Generation, Error> {
    let Wanted {
        alias,
        models,
        options,
    } = wanted;
    let made = registry.register(alias, models, options, state).await?;
    tracing::info!(index = made.index, "a new index begins");
    make(elastic, &made, options).await?;
    Ok(made)
}

async fn make(
    elastic: &Elastic,
    generation: &Generation,
    otherwise: &IndexOptions,
) -> Result<(), Error> {
    let options = generation.options.as_ref().unwrap_or(otherwise);
    let body = index_body_of(generation.mapping_version, &generation.models, options);
    elastic.create_index(&generation.index, &body).await?;
    Ok(())
}

async fn mend_written(
    registry: &mut Registry,
    elastic: &Elastic,
    written: &[Generation],
    otherwise: &IndexOptions,
) -> Result<Vec<String>, Error> {
    let mut lost = Vec::new();
    for generation in written {
        if is_there(elastic, generation).await? {
            continue;
        }
        generation.check_version()?;
        let forgotten = registry.forget_contents(generation.generation_id).await?;
        make(elastic, generation, otherwise).await?;
        tracing::error!(
            index = generation.index,
            forgotten,
            "the index was lost and is made again, empty: `tusou index rebuild {}` fills it, with nothing encoded again",
            generation.index
        );
        lost.push(generation.index.clone());
    }
    Ok(lost)
}

/// Points the alias at a live index where it points at none: the newest, and rather at one that was
/// not lost.
async fn aim(
    elastic: &Elastic,
    alias: &str,
    written: &[Generation],
    lost: &[String],
) -> Result<(), Error> {
    let targets = elastic.alias(alias).await?;
    let live: Vec<&Generation> = written
        .iter()
        .filter(|generation| generation.state == State::Live)
        .collect();
    let aimed_at = |generation: &&Generation| targets.len() == 1 && targets[0] == generation.index;
    if live.iter().any(aimed_at) {
        return Ok(());
    }
    let whole = live
        .iter()
        .rfind(|generation| !lost.contains(&generation.index));
    let Some(best) = whole.or(live.last()) else {
        return Ok(());
    };
    end_before_searches(elastic, best).await?;
    elastic.point_alias(alias, &best.index).await?;
    tracing::info!(alias, index = best.index, "the alias points at the index");
    Ok(())
}

/// Whether the index is there.
///
/// # Errors
/// [`Error::ForeignIndex`] for one that is there and not what the registry says: it was made by
/// someone else, or by Elasticsearch itself on the way of a stray write.
pub async fn is_there(elastic: &Elastic, generation: &Generation) -> Result<bool, Error> {
    let Some(mapping) = elastic.mapping(&generation.index).await? else {
        return Ok(false);
    };
    let meta = &mapping[&generation.index]["mappings"]["_meta"];
    let meta: Option<IndexMeta> = serde_json::from_value(meta.clone()).ok();
    let agrees = meta.as_ref().is_some_and(|meta| {
        meta.mapping_version == generation.mapping_version && meta.models == generation.models
    });
    if agrees {
        return Ok(true);
    }
    Err(Error::ForeignIndex {
        index: generation.index.clone(),
        wants: in_words(generation.mapping_version, &generation.models),
        found: meta.map_or_else(
            || "nothing of models".to_owned(),
            |meta| in_words(meta.mapping_version, &meta.models),
        ),
    })
}

/// `mapping 1 with lite (512 numbers, digest 0123456789abcdef) in image_embedding`
pub fn in_words(mapping_version: u32, models: &[ModelField]) -> String {
    let models: Vec<String> = models
        .iter()
        .map(
            |ModelField {
                 field,
                 model,
                 digest,
                 dimension,
             }| {
                let digest: String = digest.chars().take(16).collect();
                format!("{model} ({dimension} numbers, digest {digest}) in {field}")
            },
        )
        .collect();
    format!("mapping {mapping_version} with {}", models.join(", "))
}
