//! `tusou seed`

use std::io::Write;

use tusou_ingest::{Address, NewSeed, Scope, seeds};
use tusou_platform::{Config, database};

use crate::args::Seed;
use crate::error::Error;
use crate::format::number;

/// Adds every seed, or none where an address cannot be crawled.
pub(crate) async fn run(config: &Config, args: &Seed, out: &mut dyn Write) -> Result<(), Error> {
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
