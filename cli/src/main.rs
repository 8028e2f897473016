//! `tusou`: wires the library to a process.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tusou_cli::{Args, Error};
use tusou_platform::telemetry::chain;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    let ran = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(tusou_cli::run(args, &mut out)),
        Err(cause) => Err(Error::Output(cause)),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough, as with `| head`.
        Err(Error::Output(cause)) if cause.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // Nothing is left to be told where standard error is closed.
            let _ = writeln!(std::io::stderr(), "tusou: {}", chain(&error));
            ExitCode::from(error.exit_code())
        }
    }
}
