//! `tusou migrate`

use std::io::Write;

use tusou_platform::{Config, database};

use crate::args::Migrate;
use crate::error::Error;

/// Brings the schema forward, or back where that is asked for.
pub(crate) async fn run(config: &Config, args: &Migrate, out: &mut dyn Write) -> Result<(), Error> {
    let pool = database::connect_unchecked(&config.database).await?;
    if let Some(version) = args.back_to {
        database::migrate_back(&pool, version).await?;
        writeln!(out, "the schema is back at version {version}")?;
        return Ok(());
    }
    let applied = database::migrate(&pool).await?;
    if applied.is_empty() {
        writeln!(
            out,
            "the schema was at version {} already",
            database::wanted_version()
        )?;
    }
    for version in applied {
        writeln!(out, "migration {version} applied")?;
    }
    Ok(())
}
