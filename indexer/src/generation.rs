//! The live indexes: made, registered, checked, and found again after a loss.

use sqlx::PgPool;
use tusou_contract::mapping::{IndexMeta, MAPPING_VERSION, ModelField, index_body};
use tusou_platform::elastic::Elastic;

use crate::config::Settings;
use crate::error::Error;
use crate::rows::generations::{Generation, Registry};

/// Makes sure that there is a live index for the configured models, that every live index is what
/// the registry says, and that the alias points at one of them.
///
/// Holds the registry's lock meanwhile, so indexers that start at once agree.
///
/// # Errors
/// [`Error::OtherModels`] where no live index was made for the configured models,
/// [`Error::ForeignIndex`] where an index is not what the registry says; otherwise whatever is away.
pub(crate) async fn open(
    pool: &PgPool,
    elastic: &Elastic,
    settings: &Settings,
) -> Result<(), Error> {
    let mut registry = Registry::lock(pool).await?;
    let mut live = registry.live().await?;
    if live.is_empty() {
        let made = registry
            .register(&settings.alias, MAPPING_VERSION, &settings.models)
            .await?;
        tracing::info!(index = made.index, "a new index begins");
        create(elastic, settings, &made).await?;
        live.push(made);
    }
    for generation in &live {
        if !is_there(elastic, generation).await? {
            let forgotten = registry.forget_contents(generation.generation_id).await?;
            create(elastic, settings, generation).await?;
            tracing::error!(
                index = generation.index,
                forgotten,
                "the index was lost and is made again, empty: an image is indexed again when it next changes"
            );
        }
    }
    let ours = live
        .iter()
        .rfind(|generation| is_ours(generation, settings));
    let Some(ours) = ours else {
        let newest = live.last().expect("a live index was made or found");
        return Err(Error::OtherModels {
            index: newest.index.clone(),
            holds: in_words(newest.mapping_version, &newest.models),
            wants: in_words(MAPPING_VERSION, &settings.models),
        });
    };
    let targets = elastic.alias(&settings.alias).await?;
    let aims_at = |generation: &Generation| targets.len() == 1 && targets[0] == generation.index;
    if !live.iter().any(aims_at) {
        elastic.point_alias(&settings.alias, &ours.index).await?;
        tracing::info!(
            alias = settings.alias,
            index = ours.index,
            "the alias points at the index"
        );
    }
    registry.commit().await
}

fn is_ours(generation: &Generation, settings: &Settings) -> bool {
    generation.mapping_version == MAPPING_VERSION && generation.models == settings.models
}

async fn create(
    elastic: &Elastic,
    settings: &Settings,
    generation: &Generation,
) -> Result<(), Error> {
    let body = index_body(&generation.models, settings.shards, settings.replicas);
    elastic.create_index(&generation.index, &body).await?;
    Ok(())
}

/// Whether the index is there. One that is there and not what the registry says is an error: it
/// was made by someone else, or by Elasticsearch itself on the way of a stray write.
async fn is_there(elastic: &Elastic, generation: &Generation) -> Result<bool, Error> {
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
fn in_words(mapping_version: u32, models: &[ModelField]) -> String {
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
