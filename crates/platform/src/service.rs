//! What every service's `main` does: arguments (`--config FILE`, `--version`), configuration,
//! telemetry, operator's routes, signals, and a bounded end.

use std::error::Error;
use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::config::{self, Config};
use crate::ops::{self, Health};
use crate::shutdown::Shutdown;
use crate::telemetry::{self, build, chain};
use crate::trace::Exporter;

/// From the request to end to the end: within the 30 s that supervisors give, with room to say so.
const DRAIN: Duration = Duration::from_secs(28);

/// For blocking tasks that still run when the body has ended.
const LEFTOVERS: Duration = Duration::from_secs(1);

/// What a service is given to run with.
#[derive(Debug, Clone)]
pub struct ServiceContext {
    /// The whole configuration.
    pub config: Config,
    /// What the service says of itself.
    pub health: Health,
    /// The metrics, for a service that serves [`ops::router`] itself.
    pub metrics: PrometheusHandle,
    /// Told when the process is to end.
    pub shutdown: Shutdown,
}

/// Runs a service to its end and returns the process's exit code.
///
/// Reads the arguments and the configuration, installs telemetry, serves the operator's routes at
/// `listen(&config)` (`None`: the service merges [`ops::router`] into a router
/// of its own), and runs `body`. After SIGTERM or SIGINT the body has 28 s; then the process exits.
///
/// `name` is the binary's name; `about` its description in one line for `--help`. `body`'s error may
/// be any `std::error::Error` or `anyhow::Error`; it is logged once with its causes.
///
/// Exit codes: 0 after a clean end, 1 after an error, 2 for arguments or a configuration that
/// cannot be used, 130 and 143 after a second signal.
pub fn run<F, Fut, E>(
    name: &'static str,
    about: &'static str,
    listen: Option<fn(&Config) -> SocketAddr>,
    body: F,
) -> ExitCode
where
    F: FnOnce(ServiceContext) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync + 'static>>,
{
    let explicit = match arguments(name, about) {
        Ok(explicit) => explicit,
        Err(code) => return code,
    };
    let (config, source) = match config::load(explicit.as_deref()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse(name, &error),
    };
    let metrics = match telemetry::init(name, &config.log) {
        Ok(metrics) => metrics,
        Err(error) => return refuse(name, &error),
    };
    log_panics();
    tracing::info!(version = build(), %source, "{name} starts");
    if !source.ignored.is_empty() {
        tracing::debug!(variables = ?source.ignored, "variables that name no key are ignored");
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "{name} cannot start its threads");
            return ExitCode::FAILURE;
        }
    };
    let traces = {
        let _within = runtime.enter();
        match Exporter::start(name, &config.traces) {
            Ok(traces) => traces,
            Err(error) => return refuse(name, &error),
        }
    };
    let ended = runtime.block_on(Box::pin(attend(name, listen, config, metrics, body)));
    traces.end();
    runtime.shutdown_timeout(LEFTOVERS);
    match ended {
        Ok(()) => {
            tracing::info!("{name} ends");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(error = chain(&*error), "{name} ends with an error");
            ExitCode::FAILURE
        }
    }
}

async fn attend<F, Fut, E>(
    name: &'static str,
    listen: Option<fn(&Config) -> SocketAddr>,
    config: Config,
    metrics: PrometheusHandle,
    body: F,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    F: FnOnce(ServiceContext) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Into<Box<dyn Error + Send + Sync + 'static>>,
{
    let shutdown = Shutdown::on_signals();
    let health = Health::new();
    match listen {
        Some(listen) => {
            let listen = listen(&config);
            let served = ops::serve(listen, health.clone(), metrics.clone(), shutdown.clone());
            let address = served.await?;
            tracing::info!(%address, "metrics and health are served");
        }
        None => {
            let upkeep = ops::upkeep(health.clone(), metrics.clone(), shutdown.clone());
            tokio::spawn(upkeep);
        }
    }
    tokio::spawn(bound_the_end(name, shutdown.clone()));
    let context = ServiceContext {
        config,
        health,
        metrics,
        shutdown,
    };
    body(context).await.map_err(Into::into)
}

/// Ends the process when it takes too long to end by itself. The wait is a thread's, so that a
/// runtime whose threads are all blocked ends too.
async fn bound_the_end(name: &'static str, shutdown: Shutdown) {
    shutdown.requested().await;
    std::thread::spawn(move || {
        std::thread::sleep(DRAIN);
        let seconds = DRAIN.as_secs();
        tracing::error!("{name} did not end within {seconds} s of being asked to: it is ended");
        std::process::exit(1);
    });
}

fn arguments(name: &'static str, about: &'static str) -> Result<Option<PathBuf>, ExitCode> {
    let command = clap::Command::new(name).version(build()).about(about).arg(
        clap::Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(
                "The configuration [default: $TUSOU_CONFIG, ./tusou.toml, \
                     .stack/tusou.toml in a folder above, /etc/tusou/tusou.toml]",
            ),
    );
    match command.try_get_matches() {
        Ok(matches) => Ok(matches.get_one::<PathBuf>("config").cloned()),
        Err(answer) => {
            // When standard output is closed there is nobody left to tell.
            let _ = answer.print();
            Err(ExitCode::from(
                u8::try_from(answer.exit_code()).unwrap_or(2),
            ))
        }
    }
}

/// Says why the service cannot start, before there is a log.
fn refuse(name: &str, error: &(dyn Error + 'static)) -> ExitCode {
    // When standard error is closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "{name}: {}", chain(error));
    ExitCode::from(2)
}

/// A panic goes to the log like every other error, with its place.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let said = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no words");
        let place = panic.location().map(ToString::to_string);
        let backtrace = std::backtrace::Backtrace::capture();
        let thread = std::thread::current();
        tracing::error!(
            thread = thread.name(),
            place,
            backtrace = matches!(
                backtrace.status(),
                std::backtrace::BacktraceStatus::Captured
            )
            .then(|| backtrace.to_string()),
            "panic: {said}"
        );
    }));
}
