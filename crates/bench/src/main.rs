//! Benchmarks: each prints its floor, its figure and their ratio from the same run. `docs/measurements.md` says what
//! the figures mean and what they were.

mod check;
mod child;
mod fairness;
mod fanout;
mod growth;
mod load;
mod machine;
mod mill;
mod postgres;
mod proof;
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

/// As the service's program has it, since this one runs the service too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// A limit of the listener set for this run, NAME=VALUE; it is printed.
    #[arg(long = "limit", value_parser = limit)]
    limits: Vec<(String, u32)>,
    /// Connections of each side.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Where the databases are made: on the disk whose syncs count. The temporary folder unless named.
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Everything on PostgreSQL: floors by pgbench, the store alone, the service; a cluster of its own.
    Postgres {
        /// Within a minute, and rougher.
        #[arg(long)]
        quick: bool,
    },
    /// Fills a database and measures lists, traces, the start and memory.
    Growth {
        /// Incidents to write, about ten events each.
        #[arg(long)]
        incidents: u64,
        #[arg(long, value_enum)]
        backend: growth::Backend,
    },
    /// What one side's calls take while the other side attacks the service, with the default limits.
    Fairness {
        /// Measured seconds of each attack, and of quiet before and after them.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
    },
    /// The attacker of `fairness`; started by the benchmark itself.
    #[command(hide = true)]
    Attack {
        #[arg(value_enum)]
        kind: fairness::Kind,
        folder: PathBuf,
        port: u16,
    },
    /// The service under measurement; started by the benchmark itself.
    #[command(hide = true)]
    Serve {
        config: PathBuf,
        #[arg(long)]
        commits: bool,
        #[arg(long)]
        without_evidence: bool,
    },
}

fn limit(text: &str) -> Result<(String, u32), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.parse().map_err(|_| "VALUE is a whole number".to_owned())?))
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = cli.folder.as_deref();
        let report = match &cli.verb {
            Some(Verb::Serve { config, commits, without_evidence }) => {
                child::serve(config, *commits, *without_evidence).await?;
                return Ok(ExitCode::SUCCESS);
            }
            Some(Verb::Attack { kind, folder, port }) => {
                fairness::attack(*kind, folder, *port).await?;
                return Ok(ExitCode::SUCCESS);
            }
            Some(Verb::Fairness { seconds }) => fairness::run(folder, *seconds).await?,
            Some(Verb::Postgres { quick }) => {
                let mut run = postgres::Run::new(folder, *quick, cli.connections).await?;
                run.run().await?;
                run.report
            }
            Some(Verb::Growth { incidents, backend }) => growth::run(folder, *incidents, *backend).await?,
            None => {
                let mut bench = Bench::new(&cli).await?;
                bench.run().await?;
                bench.report
            }
        };
        let (missed, faults) = report.end();
        report.section(&format!("{missed} targets missed, {faults} faults"));
        // Figures that are not true are a failure; missed targets are a result.
        Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}
