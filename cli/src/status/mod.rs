//! `tusou status`

mod gather;
mod report;
mod text;

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use tusou_platform::{Config, database};

pub use gather::gather;
pub use report::{DeadCount, ImageCounts, QueueCount, Rates, SeedStatus, Status, UrlCounts};

use crate::args;
use crate::error::Error;

/// Clears the screen and goes to its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Shows the status once, or again and again.
pub(crate) async fn run(
    config: &Config,
    args: &args::Status,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let pool = database::connect(&config.database).await?;
    loop {
        let status = gather(config, &pool).await?;
        if args.json {
            let pretty = args.watch.is_none();
            let json = if pretty {
                serde_json::to_string_pretty(&status)
            } else {
                serde_json::to_string(&status)
            };
            writeln!(out, "{}", json.expect("a status has plain values"))?;
        } else {
            if args.watch.is_some() && std::io::stdout().is_terminal() {
                write!(out, "{CLEAR}")?;
            }
            write!(out, "{}", text::status(&status))?;
        }
        out.flush()?;
        let Some(seconds) = args.watch else {
            return Ok(());
        };
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}
