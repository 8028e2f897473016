//! Logs and metrics of a process.

mod limit;

use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};
use crate::{metric, ops};

pub use limit::METRICS as LOG_METRICS;
pub(crate) use limit::tell as tell_left_out;

/// The version of this build, the same for every package of the workspace.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version, with the commit where who built it told that by `TUSOU_COMMIT`.
pub fn build() -> &'static str {
    static BUILD: LazyLock<String> = LazyLock::new(|| match option_env!("TUSOU_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("{VERSION}+{commit}"),
        _ => VERSION.to_owned(),
    });
    &BUILD
}

crate::catalogue! {
    /// What every process says of itself.
    METRICS;
    Gauge BUILD_INFO = "tusou_build_info" ["service", "version"] "1, with the binary's name and its version";
    Gauge STARTED = "process_start_time_seconds" [] "When the process began, in seconds since 1970";
}

/// Upper bounds of every `*_seconds` histogram: from a resize to a whole slow fetch.
const SECONDS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0,
    30.0, 60.0,
];

/// Upper bounds of every `*_bytes` histogram: 1 KiB to 64 MiB.
const BYTES: [f64; 9] = [
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Upper bounds of every other histogram: how many pictures, messages or outcomes at once.
const COUNTS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// Telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is no list of directives.
    #[error(
        "log.level = {level:?} is no list of directives; give `info` or `info,tusou_crawler=debug`"
    )]
    Level {
        /// What it says.
        level: String,
        /// Why that cannot be read.
        #[source]
        cause: tracing_subscriber::filter::ParseError,
    },
    /// A subscriber is there already: `init` was called twice.
    #[error("the log cannot be started")]
    Log(#[source] tracing_subscriber::util::TryInitError),
    /// A recorder is there already, or its buckets are wrong.
    #[error("the metrics cannot be started")]
    Metrics(#[source] metrics_exporter_prometheus::BuildError),
}

/// Installs the log subscriber (to standard error), the metrics recorder and the TLS provider.
/// Call it once, first in `main`.
///
/// `service` is the binary's name; it labels `tusou_build_info`.
pub fn init(service: &'static str, config: &Log) -> Result<PrometheusHandle, TelemetryError> {
    install_tls();
    install_log(config)?;
    let handle = install_metrics().map_err(TelemetryError::Metrics)?;
    metric::describe(METRICS);
    metric::describe(ops::METRICS);
    metric::describe(LOG_METRICS);
    metrics::gauge!(BUILD_INFO, "service" => service, "version" => build()).set(1.0);
    metrics::gauge!(STARTED).set(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |since| since.as_secs_f64()),
    );
    Ok(handle)
}

/// Chooses aws-lc-rs for TLS. Needed before the first TLS connection, since `ring` is linked too
/// and rustls then refuses to choose; harmless when called again.
pub fn install_tls() {
    // An error means that a provider is there already, which is what is wanted.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Reads `log.level`; also what the validation of the configuration asks.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    // What lapin calls a warning is an answer that publishers ask for and handle.
    let returns = "lapin::returned_messages=error".parse()?;
    // That a browser which was ended is gone; whoever ended it says why.
    let browsers = "chromiumoxide=off".parse()?;
    let filter = EnvFilter::builder().parse(level)?;
    Ok(filter.add_directive(returns).add_directive(browsers))
}

fn install_log(config: &Log) -> Result<(), TelemetryError> {
    use tracing_subscriber::prelude::*;

    let filter = filter(&config.level).map_err(|cause| TelemetryError::Level {
        level: config.level.clone(),
        cause,
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(limit::Limit)
        .with(lines)
        .try_init()
        .map_err(TelemetryError::Log)
}

fn install_metrics() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&COUNTS)?
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)?
        .install_recorder()
}

/// An error and its causes in one line, `a: b: c`; a cause that the line already ends with is not
/// said twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_names_every_cause_once() {
        let error = Outer(std::io::Error::other("inner"));
        assert_eq!(chain(&error), "outer: inner");
    }

    #[test]
    fn levels_are_read() {
        assert!(filter("info,tusou_crawler=debug").is_ok());
        assert!(filter("info,=loud=").is_err());
    }
}
