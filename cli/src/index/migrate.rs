//! `tusou index migrate` and `tusou index rebuild`

use std::io::Write;

use tusou_projection::{Generation, Walked};

use super::context::{Context, tell};
use super::error::IndexError;
use super::fill::{Filler, Sent, Until};
use super::{args, verify};
use crate::error::Error;
use crate::format::number;

/// Images looked at at once.
const PAGE: u32 = 1_000;

/// Fills an index, checks it, and has searches ask it. May be stopped and repeated at any point.
pub(super) async fn run(
    context: &Context<'_>,
    args: &args::Migrate,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let generation = context.building(args.name.as_deref())?;
    if context.is_searched(generation) {
        writeln!(
            out,
            "searches ask {} already; `tusou index rebuild {}` fills what it lacks",
            generation.index, generation.index
        )?;
        return Ok(());
    }
    if !tusou_projection::is_there(&context.elastic, generation).await? {
        return Err(IndexError::NotThere {
            name: generation.index.clone(),
        }
        .into());
    }
    if args.dry_run {
        let sent = count(context, generation).await?;
        write!(out, "{}", in_words("would be sent", &sent))?;
        return Ok(());
    }
    let reference = context.searched();
    let filler = Filler::open(context, generation).await?;
    tell(&format!("filling {}", generation.index));
    let sent = filler.fill(generation.backfilled_to, true).await?;
    write!(out, "{}", in_words("were sent", &sent))?;
    match filler.settle(Until::Encoded(reference)).await {
        Err(Error::Index(IndexError::Stuck { missing, .. })) if args.allow_missing => {
            writeln!(
                out,
                "{} images stay out of it, or lack a vector of a further model",
                number(missing)
            )?;
        }
        settled => settled?,
    }
    filler.close().await;
    tell("checking it against Postgres");
    let report = verify::verify(context, generation).await?;
    if !(report.is_whole() || args.allow_missing && report.only_misses()) {
        return Err(report.error(generation).into());
    }
    tusou_projection::set_verified(&context.pool, generation.generation_id).await?;
    tusou_projection::point(&context.pool, &context.elastic, context.alias(), generation).await?;
    let (_, failed) = tusou_projection::of_models(&context.pool, generation).await?;
    if failed > 0 {
        writeln!(
            out,
            "one of its models failed for {} images: `tusou status` shows why",
            number(failed)
        )?;
    }
    writeln!(
        out,
        "searches ask {} now: {} images, {} refused",
        generation.index,
        number(report.whole),
        number(report.refused)
    )?;
    if let Some(before) = reference {
        writeln!(
            out,
            "{} is still written: `tusou index rollback` goes back to it, `tusou index drop {}` lets it go",
            before.index, before.index
        )?;
    }
    Ok(())
}

/// Makes lost indexes again, then sends what the index really lacks to the indexer, and waits until
/// it is there. Nothing is encoded again: an image without its embedding stays out.
pub(super) async fn rebuild(
    context: &Context<'_>,
    args: &args::Rebuild,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let generation = match (args.name.as_deref(), context.searched()) {
        // The alias goes with its index: the newest live one was behind it.
        (None, None) => newest_live(context)?,
        (name, _) => context.chosen(name)?,
    };
    let there = tusou_projection::is_there(&context.elastic, generation).await?;
    if args.dry_run {
        for known in &context.generations {
            if known.is_written() && !tusou_projection::is_there(&context.elastic, known).await? {
                writeln!(
                    out,
                    "index {} was lost and would be made again",
                    known.index
                )?;
                if known.index != generation.index {
                    fills(&known.index, out)?;
                }
            }
        }
        if !there {
            writeln!(
                out,
                "all that {} should hold would be sent",
                generation.index
            )?;
            return Ok(());
        }
        let (lacking, _) = lacking(context, generation, None).await?;
        writeln!(out, "{} images would be sent", number(lacking))?;
        return Ok(());
    }
    let lost = tusou_projection::mend(
        &context.pool,
        &context.elastic,
        context.alias(),
        &context.options(),
    )
    .await?;
    for index in &lost {
        writeln!(out, "index {index} was lost and is made again")?;
        if *index != generation.index {
            fills(index, out)?;
        }
    }
    let filler = Filler::open(context, generation).await?;
    let (sent, images) = lacking(context, generation, Some(&filler)).await?;
    writeln!(
        out,
        "{} images looked at, {} sent to the indexer",
        number(images),
        number(sent)
    )?;
    filler.settle(Until::Stored).await?;
    filler.close().await;
    let report = verify::verify(context, generation).await?;
    if !report.is_whole() {
        return Err(report.error(generation).into());
    }
    tusou_projection::set_verified(&context.pool, generation.generation_id).await?;
    writeln!(
        out,
        "index {} is whole: {} images, {} refused",
        generation.index,
        number(report.whole),
        number(report.refused)
    )?;
    let behind = context.elastic.alias(context.alias()).await?;
    if !behind.contains(&generation.index) {
        writeln!(
            out,
            "searches ask {}: `tusou index migrate {}` moves them",
            behind.join(", "),
            generation.index
        )?;
    }
    Ok(())
}

/// Another lost index is made again with this one, and stays empty.
fn fills(other: &str, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "  empty: `tusou index rebuild {other}` fills it")
}

fn newest_live<'a>(context: &'a Context<'_>) -> Result<&'a Generation, IndexError> {
    let mut live = context.generations.iter();
    live.rfind(|generation| generation.state == tusou_projection::State::Live)
        .ok_or_else(|| IndexError::NoneSearched {
            alias: context.alias().to_owned(),
        })
}

/// Compares every image with what the index really holds, and with `filler` sends what it lacks:
/// how many images that is, and how many were looked at.
async fn lacking(
    context: &Context<'_>,
    generation: &Generation,
    filler: Option<&Filler<'_>>,
) -> Result<(u64, u64), Error> {
    let (pool, elastic) = (&context.pool, &context.elastic);
    let (mut lacking, mut images) = (0, 0);
    let mut after = None;
    loop {
        let page =
            tusou_projection::compare_registry(pool, elastic, generation, after.as_ref(), PAGE)
                .await?;
        images += page.seen;
        let wrong: Vec<_> = page.absent.iter().chain(&page.behind).copied().collect();
        lacking += wrong.len() as u64;
        if let Some(filler) = filler {
            tusou_projection::forget(pool, generation, &wrong).await?;
            filler.reindex(&wrong).await?;
        }
        let Some(next) = page.next else {
            return Ok((lacking, images));
        };
        after = Some(next);
    }
}

async fn count(context: &Context<'_>, generation: &Generation) -> Result<Sent, Error> {
    let mut sent = Sent::default();
    let mut after = generation.backfilled_to;
    loop {
        let page: Vec<Walked> =
            tusou_projection::walk(&context.pool, generation, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(sent);
        };
        after = Some(last.image_id);
        sent.add(Sent::of(&page));
    }
}

fn in_words(done: &str, sent: &Sent) -> String {
    let mut text = format!(
        "{} images looked at; {} {done} to the indexer, {} to the encoder\n",
        number(sent.images),
        number(sent.reindexed),
        number(sent.reencoded)
    );
    if sent.refetched > 0 {
        text.push_str(&format!(
            "{} addresses are fetched again: their originals are no longer kept\n",
            number(sent.refetched)
        ));
    }
    text
}
