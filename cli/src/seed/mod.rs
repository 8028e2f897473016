//! `tusou seed`: adds, lists, edits and removes

pub(crate) mod args;
mod list;

use std::io::Write;
use std::net::IpAddr;

use sqlx::PgPool;
use tusou_ingest::removals::{self, KeptOut};
use tusou_ingest::seeds::{self, SeedChange};
use tusou_ingest::{Address, NewSeed, Rendering, Scope};
use tusou_platform::{Config, database};

use crate::error::Error;
use crate::format::{number, table};
use args::{Edit, List, Remove, Seed, SeedCommand};
pub(crate) use list::name as list_name;

/// Runs a command about seeds.
pub(crate) async fn run(config: &Config, args: &Seed, out: &mut dyn Write) -> Result<(), Error> {
    match &args.command {
        None if !args.list.files.is_empty() => list::run(config, &args.list, out).await,
        None => add(config, args, out).await,
        Some(SeedCommand::List(list)) => show(config, list, out).await,
        Some(SeedCommand::Lists(lists)) => list::show(config, lists, out).await,
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
    let render = rendering(&args.render);
    let pool = database::connect(&config.database).await?;
    for url in &urls {
        refuse_kept_out(&pool, url).await?;
    }
    let beyond = urls.iter().any(is_beyond_loopback);
    if args.list.dry_run {
        return would_add(&pool, args, &urls, scope, out).await;
    }
    for url in urls {
        let seed = NewSeed {
            url,
            scope,
            max_depth: args.depth,
            max_pages: args.limit,
            max_images: args.max_images,
            render,
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
            "seed {}  {}  {scope}, depth {}, {}{}: {known}",
            added.seed_id,
            seed.url,
            seed.max_depth,
            at_most(seed.max_pages, seed.max_images),
            rendered(render),
        )?;
    }
    if render == Rendering::Always && config.render.chromium.as_os_str().is_empty() {
        writeln!(
            out,
            "Nothing is rendered until `render.chromium` names Chromium's program: set it, and start the \
             crawler again."
        )?;
    }
    if beyond {
        ask_for_contact(config, out)?;
    }
    writeln!(out, "`tusou status` shows how far it is.")?;
    Ok(())
}

/// Says what would become of each address.
async fn would_add(
    pool: &PgPool,
    args: &Seed,
    urls: &[Address],
    scope: Scope,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let known = seeds::list(pool)
        .await
        .map_err(Error::query("read the seeds"))?;
    for url in urls {
        let (url, scope) = (url.to_string(), scope.to_string());
        let is_known = known
            .iter()
            .any(|seed| seed.url == url && seed.scope == scope);
        let said = if is_known {
            "is there; its bounds would be these"
        } else {
            "would be added"
        };
        writeln!(
            out,
            "{url}  {scope}, depth {}, {}{}: {said}",
            args.depth,
            at_most(args.limit, args.max_images),
            rendered(rendering(&args.render)),
        )?;
    }
    Ok(())
}

/// Says what keeps the crawler from asking foreign hosts, if that is so.
fn ask_for_contact(config: &Config, out: &mut dyn Write) -> Result<(), Error> {
    if config.crawler.contact.is_empty() {
        writeln!(
            out,
            "Nothing beyond this machine is asked until `crawler.contact` says who crawls: set it to a \
             page or mail address where site owners reach you, and start the crawler again."
        )?;
    }
    Ok(())
}

/// The most pages and, where they are limited, pictures.
fn at_most(pages: u64, images: u64) -> String {
    let pages = format!("at most {} pages", number(pages));
    match images {
        0 => pages,
        images => format!("{pages} and {} pictures", number(images)),
    }
}

fn rendering(word: &str) -> Rendering {
    word.parse().expect("the arguments allow no other word")
}

/// As a seed's bounds say it; the usual is not said.
fn rendered(render: Rendering) -> &'static str {
    match render {
        Rendering::Auto => "",
        Rendering::Always => ", always rendered",
        Rendering::Never => ", never rendered",
    }
}

/// Whether an address is not plainly one of this machine.
fn is_beyond_loopback(url: &Address) -> bool {
    let host = url.url().host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
    literal.map_or(host != "localhost", |address: IpAddr| {
        !address.to_canonical().is_loopback()
    })
}

/// A seed whose own page is kept out would crawl nothing.
async fn refuse_kept_out(pool: &PgPool, url: &Address) -> Result<(), Error> {
    match kept_out_by(pool, url).await? {
        None => Ok(()),
        Some(kept) => Err(Error::KeptOut {
            url: url.to_string(),
            subject: kept.subject,
            since: kept.removed_at.date(),
            why: kept.why,
        }),
    }
}

async fn kept_out_by(pool: &PgPool, url: &Address) -> Result<Option<KeptOut>, Error> {
    removals::kept_out_by(pool, url)
        .await
        .map_err(Error::query("look what keeps a seed's page out"))
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
    let mut kept_out = String::new();
    for seed in &seeds {
        let Ok(url) = Address::parse(&seed.url) else {
            continue;
        };
        if let Some(kept) = kept_out_by(&pool, &url).await? {
            kept_out.push_str(&format!(
                "Seed {} crawls nothing: `tusou forget undo {}` lets its page in again.\n",
                seed.seed_id, kept.subject
            ));
        }
    }
    let head = [
        "", "seed", "scope", "depth", "limit", "pages", "due", "pictures", "render",
    ];
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
            seed.max_images.map_or_else(String::new, |most| {
                format!("≤ {}", number(most.unsigned_abs()))
            }),
            seed.render,
        ]
    }));
    write!(out, "{}{kept_out}", table(&rows))?;
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
        max_images: args.max_images,
        render: args.render.as_deref().map(rendering),
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
        "seed {}  {}  {}, depth {}, {}{}: {bounds}",
        args.id,
        edited.url,
        edited.scope,
        edited.max_depth,
        at_most(edited.max_pages, edited.max_images),
        rendered(edited.render),
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
