//! `tusou index`: indexes beside each other, and which of them searches ask.

pub(crate) mod args;
mod change;
mod context;
mod create;
mod error;
mod fill;
mod list;
mod migrate;
mod verify;

use std::io::Write;

use tusou_platform::Config;

pub(crate) use context::tell;
pub use error::IndexError;

use crate::error::Error;
use args::Command;

pub(crate) async fn run(
    config: &Config,
    command: &Command,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let context = context::Context::open(config).await?;
    match command {
        Command::List(args) => list::run(&context, args, out).await,
        Command::Create(args) => create::run(&context, args, out).await,
        Command::Migrate(args) => Box::pin(migrate::run(&context, args, out)).await,
        Command::Verify(args) => verify::run(&context, args, out).await,
        Command::Rollback(args) => change::rollback(&context, args, out).await,
        Command::Drop(args) => change::drop(&context, args, out).await,
        Command::Rebuild(args) => Box::pin(migrate::rebuild(&context, args, out)).await,
    }
}
