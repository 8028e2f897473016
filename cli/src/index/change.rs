//! `tusou index rollback` and `tusou index drop`

use std::io::Write;

use tusou_projection::{Generation, State};

use super::args;
use super::context::Context;
use super::error::IndexError;
use crate::error::Error;

/// Points the alias at the newest live index that is older than the one behind it, where that one
/// lacks nothing: it was written all the time, unless it was lost meanwhile.
pub(super) async fn rollback(
    context: &Context<'_>,
    args: &args::Rollback,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let current = context.chosen(None)?;
    let before = |generation: &&Generation| {
        generation.state == State::Live && generation.generation_id < current.generation_id
    };
    let earlier = context.generations.iter().rfind(before);
    let target = earlier.ok_or_else(|| IndexError::NothingBefore {
        current: current.index.clone(),
    })?;
    if !tusou_projection::is_there(&context.elastic, target).await? {
        return Err(IndexError::NotThere {
            name: target.index.clone(),
        }
        .into());
    }
    let missing = tusou_projection::missing(&context.pool, target, current).await?;
    if missing > 0 {
        return Err(IndexError::Behind {
            name: target.index.clone(),
            missing,
        }
        .into());
    }
    if args.dry_run {
        writeln!(
            out,
            "the alias {} would point at {} again, instead of {}",
            context.alias(),
            target.index,
            current.index
        )?;
        return Ok(());
    }
    tusou_projection::point(&context.pool, &context.elastic, context.alias(), target).await?;
    writeln!(
        out,
        "the alias {} points at {} again; {} stays and is still written: \
         `tusou index migrate {}` moves to it once more, `tusou index drop {}` lets it go",
        context.alias(),
        target.index,
        current.index,
        current.index,
        current.index
    )?;
    Ok(())
}

/// Retires an index that is not searched, then deletes it. Where the first was done and the second
/// was not, it goes on there.
pub(super) async fn drop(
    context: &Context<'_>,
    args: &args::Drop,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let generation = context.named(&args.name)?;
    if context.is_behind_alias(generation) {
        return Err(IndexError::Searched {
            name: generation.index.clone(),
            alias: context.alias().to_owned(),
        }
        .into());
    }
    let mut written = context
        .generations
        .iter()
        .filter(|known| known.is_written());
    if generation.is_written() && written.all(|known| known.index == generation.index) {
        return Err(IndexError::Last {
            name: generation.index.clone(),
        }
        .into());
    }
    if args.dry_run {
        writeln!(
            out,
            "index {} ({}) would be let go and deleted",
            generation.index, generation.state
        )?;
        return Ok(());
    }
    let was_there =
        tusou_projection::drop_index(&context.pool, &context.elastic, generation).await?;
    let words = if was_there {
        "is deleted"
    } else {
        "was not there any more"
    };
    writeln!(
        out,
        "index {} is no longer written, and {words}",
        generation.index
    )?;
    Ok(())
}
