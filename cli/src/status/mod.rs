//! `tusou status`

mod gather;
pub(crate) mod held_up;
pub(crate) mod history;
pub(crate) mod left_out;
pub(crate) mod look;
mod models;
pub(crate) mod report;
mod services;
mod text;
mod watch;

use std::io::Write;
use std::time::Duration;

use sqlx::PgPool;
use tusou_platform::Config;
use tusou_platform::telemetry::chain;

pub use gather::gather;
pub use report::{
    DeadCount, Discovered, Filling, ImageCounts, ListStatus, ModelStatus, Pause, QueueCount, Rates,
    SeedStatus, ServiceState, ServiceStatus, Status, UrlCounts,
};

use crate::args;
use crate::error::Error;

/// The longest wait for Postgres before the status is shown without its counts.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows the status once, again and again, or live in a terminal. Where Postgres is away it shows what the others say;
/// once, that is an error all the same.
pub(crate) async fn run(
    config: &Config,
    args: &args::Status,
    out: &mut dyn Write,
) -> Result<(), Error> {
    if let (Some(seconds), false, true) = (args.watch, args.json, watch::is_possible()) {
        return watch::run(config, Duration::from_secs(seconds), out).await;
    }
    let mut pool = None;
    loop {
        let (status, failed) = match look(config, &mut pool).await {
            Ok(status) => (status, None),
            // What only a person mends: another schema, a wrong address.
            Err(error) if !error.may_pass() => return Err(error),
            Err(error) => {
                pool = None;
                let status = gather::without_rows(config, chain(&error)).await;
                (status, Some(error))
            }
        };
        show(&status, args, out)?;
        match (args.watch, failed) {
            (Some(seconds), _) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            (None, Some(error)) => return Err(error),
            (None, None) => return Ok(()),
        }
    }
}

async fn look(config: &Config, pool: &mut Option<PgPool>) -> Result<Status, Error> {
    let pool = match pool {
        Some(pool) => pool,
        None => pool.insert(look::connected(config).await?),
    };
    gather(config, pool).await
}

fn show(status: &Status, args: &args::Status, out: &mut dyn Write) -> Result<(), Error> {
    if args.json {
        let json = if args.watch.is_none() {
            serde_json::to_string_pretty(status)
        } else {
            serde_json::to_string(status)
        };
        writeln!(out, "{}", json.expect("a status has plain values"))?;
    } else {
        write!(out, "{}", text::status(status))?;
    }
    out.flush()?;
    Ok(())
}
