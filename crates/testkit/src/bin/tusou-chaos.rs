//! `tusou-chaos`: the oracle as a program.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::Value;
use tusou_testkit::chaos::{self, Options, Scenario};

/// Breaks the chain for a while, by a seed, and says what became of every picture
#[derive(Debug, Parser)]
struct Args {
    /// How long faults come
    #[arg(long, default_value_t = 10.0, global = true)]
    minutes: f64,
    /// Of schedule and site; the same seed gives the same ones
    #[arg(long, default_value_t = 1, global = true)]
    seed: u64,
    /// Hosts of the site
    #[arg(long, default_value_t = 4, global = true, value_parser = clap::value_parser!(u8).range(1..=200))]
    hosts: u8,
    /// Pages of the site at the beginning
    #[arg(long, default_value_t = 120)]
    pages: usize,
    /// Mounts no blob store of its own, and fills none
    #[arg(long)]
    no_disk: bool,
    /// Writes the record there
    #[arg(long, value_name = "FILE", global = true)]
    json: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes one thing away for as long, with the crawler at full speed: bounds must hold
    Soak {
        /// elasticsearch, encoder, disk, postgres; all at once without one
        scenarios: Vec<Scenario>,
    },
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "its output is its purpose")]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let lasts = Duration::from_secs_f64(args.minutes * 60.0);
    let (text, record, clean) = match args.command {
        None => {
            let options = Options {
                seed: args.seed,
                duration: lasts,
                hosts: args.hosts,
                pages: args.pages,
                disk: !args.no_disk,
            };
            let report = chaos::run(&options).await?;
            (report.to_string(), report.json(), report.verdict.is_clean())
        }
        Some(Command::Soak { scenarios }) => soak(scenarios, lasts, args.seed, args.hosts).await?,
    };
    if let Some(file) = args.json {
        std::fs::write(file, format!("{record:#}\n"))?;
    }
    println!("{text}");
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All scenarios at once, each in a world of its own.
async fn soak(
    mut scenarios: Vec<Scenario>,
    lasts: Duration,
    seed: u64,
    hosts: u8,
) -> anyhow::Result<(String, Value, bool)> {
    if scenarios.is_empty() {
        scenarios = Scenario::ALL.to_vec();
    }
    let running = scenarios
        .into_iter()
        .map(|scenario| Box::pin(chaos::soak(scenario, lasts, seed, hosts)));
    let (mut texts, mut records, mut clean) = (Vec::new(), Vec::new(), true);
    for soaked in futures::future::try_join_all(running).await? {
        clean &= soaked.is_clean();
        texts.push(soaked.to_string());
        records.push(soaked.json());
    }
    Ok((texts.join("\n\n"), Value::Array(records), clean))
}
