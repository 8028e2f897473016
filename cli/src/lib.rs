//! The operator's command: seeds, status, searches, configuration and schema.

mod args;
mod check;
mod dead;
mod error;
mod forget;
mod format;
mod gc;
mod import;
mod index;
mod migrate;
mod models;
mod operate;
mod outbox;
mod pause;
mod reconcile;
mod recrawl;
mod rows;
mod search;
mod seed;
mod shell;
mod span;
pub mod status;

use std::io::Write;

use tusou_platform::config::{self, Config, Log, Source};
use tusou_platform::telemetry;

pub use args::Args;
use args::{Command, ConfigCommand};
pub use error::Error;
pub use index::IndexError;
pub use models::ModelsError;
pub use operate::METRICS;

/// Runs one command and writes what it has to say to `out`.
///
/// # Errors
/// [`Error`], whose [`Error::exit_code`] is the process's.
pub async fn run(args: Args, out: &mut dyn Write) -> Result<(), Error> {
    // These two ask for nothing but the command's own definition.
    match &args.command {
        Command::Complete(asked) => return shell::complete(asked, out),
        Command::Manual(asked) => return shell::manual(asked, out),
        _ => {}
    }
    let (config, source) = config::load(args.config.as_deref())?;
    if matches!(args.command, Command::Operate) {
        return Box::pin(operate::run(config)).await;
    }
    tell_waits(&config)?;
    dispatch(&config, &source, args.command, out).await
}

/// Runs any command but those that serve, or ask nothing of the configuration.
async fn dispatch(
    config: &Config,
    source: &Source,
    command: Command,
    out: &mut dyn Write,
) -> Result<(), Error> {
    match command {
        Command::Operate | Command::Complete(_) | Command::Manual(_) => Ok(()),
        Command::Seed(seed) => seed::run(config, &seed, out).await,
        Command::Import(import) => import::run(config, &import, out).await,
        Command::Recrawl(recrawl) => recrawl::run(config, &recrawl, out).await,
        Command::Forget(forget) => forget::run(config, &forget, out).await,
        Command::Pause(pause) => pause::pause(config, &pause, out).await,
        Command::Resume(resume) => pause::resume(config, &resume, out).await,
        Command::Status(status) => status::run(config, &status, out).await,
        Command::Search(search) => search::run(config, &search, out).await,
        Command::Config {
            command: ConfigCommand::Check,
        } => check::run(config, source, out),
        Command::Reconcile(reconcile) => reconcile::run(config, &reconcile, out).await,
        Command::Index { command } => index::run(config, &command, out).await,
        Command::Models { command } => Ok(models::run(config, &command, out).await?),
        Command::Gc(gc) => gc::run(config, &gc, out).await,
        Command::Dead { command } => dead::run(config, &command, out).await,
        Command::Migrate(migrate) => migrate::run(config, &migrate, out).await,
    }
}

/// Warnings, and what is waited for, go to standard error; a person who waits wants to know for what.
fn tell_waits(config: &Config) -> Result<(), Error> {
    let log = Log {
        level: "warn,sqlx=error,tusou_platform=info".into(),
        ..config.log.clone()
    };
    telemetry::init("tusou", &log).map_err(Error::Telemetry)?;
    Ok(())
}
