//! Benchmarks: each prints its floor, its figure and their ratio from the same run. `docs/measurements.md` says what
//! the figures mean and what they were.

mod child;
mod fanout;
mod load;
mod record;
mod report;
mod rusq;
mod sections;
mod setup;
mod story;
mod way;

use clap::{Parser, Subcommand};
use sections::{Bench, Only};
use std::path::PathBuf;
use std::process::ExitCode;

/// Floors, figures, ratios.
#[derive(Debug, Parser)]
#[command(name = "handoff-bench")]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// What to measure; everything unless named.
    #[arg(value_enum)]
    only: Vec<Only>,
    /// Measured seconds of each load.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Commands under way at once, one load for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,256")]
    in_flight: Vec<usize>,
    /// Connections of each side.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Where the databases are made: on the disk whose syncs count. The temporary folder unless named.
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The service under measurement; started by the benchmark itself.
    #[command(hide = true)]
    Serve {
        config: PathBuf,
        #[arg(long)]
        commits: bool,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(Verb::Serve { config, commits }) = &cli.verb {
            child::serve(config, *commits).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut bench = Bench::new(&cli).await?;
        bench.run().await?;
        let (missed, faults) = bench.report.end();
        bench.report.section(&format!("{missed} targets missed, {faults} faults"));
        // Figures that are not true are a failure; missed targets are a result.
        Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}
