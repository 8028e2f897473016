//! `tusou index create`

use std::io::Write;

use tusou_contract::mapping::{IndexOptions, MAPPING_VERSION, ModelField};
use tusou_projection::{Wanted, in_words};

use super::args;
use super::context::Context;
use super::error::IndexError;
use crate::error::Error;

/// Registers an index as building and makes it. From then on the indexer writes to it.
pub(super) async fn run(
    context: &Context<'_>,
    args: &args::Create,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let config = &context.config.models;
    let configured = tusou_projection::models(&config.packs)?;
    let models = match (args.packs.is_empty(), context.searched()) {
        (false, _) => {
            let folders: Vec<_> = args.packs.iter().map(|pack| config.locate(pack)).collect();
            tusou_projection::models(&folders)?
        }
        // What is searched now is not to be lost by leaving a pack out of the configuration.
        (true, Some(searched)) if !covers(&configured, &searched.models) => searched.models.clone(),
        (true, _) => configured.clone(),
    };
    let ours = context.options();
    let options = IndexOptions {
        index_type: args.index_type.unwrap_or(ours.index_type),
        shards: args.shards.unwrap_or(ours.shards),
        replicas: args.replicas.unwrap_or(ours.replicas),
        m: args.m.unwrap_or(ours.m),
        ef_construction: args.ef_construction.unwrap_or(ours.ef_construction),
        oversample: args.oversample.unwrap_or(ours.oversample),
        preload: args.preload.unwrap_or(ours.preload),
    };
    check(&models, &configured, &options)?;
    let what = format!("{}, {options}", in_words(MAPPING_VERSION, &models));
    if args.dry_run {
        writeln!(out, "would make an index: {what}")?;
        return Ok(());
    }
    let wanted = Wanted {
        alias: context.alias().to_owned(),
        models,
        options,
    };
    let made = tusou_projection::create(&context.pool, &context.elastic, &wanted).await?;
    writeln!(out, "index {} is being built: {what}", made.index)?;
    writeln!(
        out,
        "What changes is written to it from now on; `tusou index migrate` brings the rest."
    )?;
    Ok(())
}

/// Whether each of the models is among those that are configured.
fn covers(configured: &[ModelField], models: &[ModelField]) -> bool {
    let known = |model: &ModelField| configured.iter().any(|known| known.digest == model.digest);
    models.iter().all(known)
}

fn check(
    models: &[ModelField],
    configured: &[ModelField],
    options: &IndexOptions,
) -> Result<(), IndexError> {
    for model in models {
        if !covers(configured, std::slice::from_ref(model)) {
            let digest: String = model.digest.chars().take(16).collect();
            return Err(IndexError::NotConfigured {
                model: format!("{} ({digest}…)", model.model),
            });
        }
        if let Some(problem) = options.index_type.refuses(model.dimension) {
            return Err(IndexError::Unfit {
                index_type: options.index_type.to_string(),
                problem,
                model: model.model.clone(),
                dimension: model.dimension,
            });
        }
    }
    Ok(())
}
