//! `tusou recrawl`

use std::io::Write;

use tusou_ingest::seeds::{self, SeedError};
use tusou_ingest::{Address, Again, DueAgain, recrawl};
use tusou_platform::{Config, database};

use crate::error::Error;
use crate::format::number;

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["target", "all"])))]
pub(crate) struct Recrawl {
    /// A seed's number, as `tusou seed list` shows it, or the URL of one page or picture
    #[arg(value_name = "SEED|URL")]
    target: Option<String>,
    /// Whatever a seed reaches
    #[arg(long)]
    all: bool,
    /// Says what would be done, and does nothing
    #[arg(long)]
    dry_run: bool,
}

/// Makes what was fetched due again.
pub(crate) async fn run(config: &Config, args: &Recrawl, out: &mut dyn Write) -> Result<(), Error> {
    let again = match args.target.as_deref() {
        None => Again::All,
        Some(target) => match target.parse() {
            Ok(seed) => Again::Seed(seed),
            Err(_) => Again::Url(Address::parse(target).map_err(Error::Argument)?),
        },
    };
    let pool = database::connect(&config.database).await?;
    let failed = Error::query("make URLs due again");
    if let Again::Seed(seed) = again
        && !seeds::exists(&pool, seed).await.map_err(&failed)?
    {
        return Err(SeedError::Unknown(seed).into());
    }
    let due = recrawl(&pool, &again, args.dry_run).await.map_err(failed)?;
    if let Again::Url(url) = &again
        && due == DueAgain::default()
    {
        return Err(Error::NotCrawled {
            what: "URL",
            name: url.to_string(),
            remedy: "`tusou seed` has it crawled",
        });
    }
    writeln!(
        out,
        "{} pages and {} image URLs {} due again.",
        number(due.pages),
        number(due.image_urls),
        if args.dry_run { "would be" } else { "are" },
    )?;
    Ok(())
}
