//! `tusou seed`: adds, lists, edits and removes

pub(crate) mod args;

use std::io::Write;

use tusou_ingest::seeds::{self, SeedChange};
use tusou_ingest::{Address, NewSeed, Scope};
use tusou_platform::{Config, database};

use crate::error::Error;
use crate::format::{number, table};
use args::{Edit, List, Remove, Seed, SeedCommand};

/// Runs a command about seeds.
pub(crate) async fn run(config: &Config, args: &Seed, out: &mut dyn Write) -> Result<(), Error> {
    match &args.command {
        None => add(config, args, out).await,
        Some(SeedCommand::List(list)) => show(config, list, out).await,
        Some(SeedCommand::Edit(edit)) => change(config, edit, out).await,
        Some(SeedCommand::Remove(remove)) => end(config, remove, out).await,
    }
}

/// Adds every seed, or none where an address cannot be crawled.
async fn add(config: &Config, args: &Seed, out: &mut dyn Write) -> Result<(), Error> {
    let urls = args.urls.iter().map(|url| Address::parse(url));
    let urls: Vec<Address> = urls.collect::<Result<_, _>>().map_err(Error::Seed)?;
    let scope: Scope = args
        .scope
        .parse()
        .expect("the arguments allow no other word");
    let pool = database::connect(&config.database).await?;
    for url in urls {
        let seed = NewSeed {
            url,
            scope,
            max_depth: args.depth,
            max_pages: args.limit,
        };
        let added = seeds::add(&pool, &seed)
            .await
            .map_err(Error::query("add a seed"))?;
        let known = if added.known {
            "was there; its bounds are now these"
        } else {
            "added"
        };
        writeln!(
            out,
            "seed {}  {}  {scope}, depth {}, at most {} pages: {known}",
            added.seed_id,
            seed.url,
            seed.max_depth,
            number(seed.max_pages),
        )?;
    }
    writeln!(out, "`tusou status` shows how far it is.")?;
    Ok(())
}

async fn show(config: &Config, args: &List, out: &mut dyn Write) -> Result<(), Error> {
    let pool = database::connect(&config.database).await?;
    let seeds = seeds::list(&pool)
        .await
        .map_err(Error::query("read the seeds"))?;
    if args.json {
        let text = serde_json::to_string_pretty(&seeds).expect("rows are JSON");
        writeln!(out, "{text}")?;
        return Ok(());
    }
    if seeds.is_empty() {
        writeln!(out, "There is no seed yet; `tusou seed URL` adds one.")?;
        return Ok(());
    }
    let head = ["", "seed", "scope", "depth", "limit", "pages", "due"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(seeds.into_iter().map(|seed| {
        vec![
            seed.url,
            seed.seed_id.to_string(),
            seed.scope,
            seed.max_depth.to_string(),
            number(seed.max_pages.unsigned_abs()),
            number(seed.pages.unsigned_abs()),
            number(seed.due.unsigned_abs()),
        ]
    }));
    write!(out, "{}", table(&rows))?;
    Ok(())
}

async fn change(config: &Config, args: &Edit, out: &mut dyn Write) -> Result<(), Error> {
    let scope = args.scope.as_deref().map(|scope| {
        let scope: Result<Scope, _> = scope.parse();
        scope.expect("the arguments allow no other word")
    });
    let change = SeedChange {
        scope,
        max_depth: args.depth,
        max_pages: args.limit,
    };
    let pool = database::connect(&config.database).await?;
    let edited = seeds::edit(&pool, args.id, change, args.dry_run).await?;
    let (bounds, due) = if args.dry_run {
        ("would have these bounds", "would be")
    } else {
        ("has these bounds now", "are")
    };
    writeln!(
        out,
        "seed {}  {}  {}, depth {}, at most {} pages: {bounds}",
        args.id,
        edited.url,
        edited.scope,
        edited.max_depth,
        number(edited.max_pages),
    )?;
    writeln!(
        out,
        "{} of its pages {due} read again; {} no longer belong to it, of which {} {due} skipped.",
        number(edited.due),
        number(edited.left),
        number(edited.skipped),
    )?;
    Ok(())
}

async fn end(config: &Config, args: &Remove, out: &mut dyn Write) -> Result<(), Error> {
    let pool = database::connect(&config.database).await?;
    let removed = seeds::remove(&pool, args.id, args.dry_run).await?;
    let (gone, skipped) = if args.dry_run {
        ("would be removed", "would be skipped")
    } else {
        ("removed", "are skipped")
    };
    writeln!(
        out,
        "seed {}  {}: {gone}; {} due pages and {} due image URLs {skipped}, since no other seed \
         reaches them. What was found stays.",
        args.id,
        removed.url,
        number(removed.pages),
        number(removed.image_urls),
    )?;
    Ok(())
}
