//! `handoff`: one binary, one verb per file.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or a check failed, 2 wrong use (also
//! a file that is not there), 3 the service or the store could not be reached.

#![expect(
    unreachable_pub,
    clippy::exit,
    clippy::large_futures,
    clippy::print_stderr,
    reason = "a program: nobody links to it, it talks on stderr, and each future is run once"
)]

mod output;
mod verbs;

use clap::{Parser, Subcommand};
use output::{Exit, Output};
use std::process::ExitCode;

/// Every command makes and drops some hundreds of small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Shared incident lifecycle of two stations: who has custody, who owes the next move.
#[derive(Debug, Parser)]
#[command(name = "handoff", version, about, long_about = None)]
struct Cli {
    /// How data is printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve both stations.
    Serve(verbs::serve::Args),
    /// Start a service with two invented stations, play the main cases, keep running.
    Demo(verbs::demo::Args),
    /// Drive recorded calls through a service as both stations' systems.
    Replay(verbs::replay::Args),
    /// Follow the own organisation's feed.
    Watch(verbs::watch::Args),
    /// Receive, show and work on incidents.
    Incident(verbs::incident::Args),
    /// Offer, agree, sign, take over.
    Handoff(verbs::handoff::Args),
    /// Ask boundary maps, or check a set of boundary files.
    Territory(verbs::territory::Args),
    /// Trace a case, give its evidence out, prove the log.
    Audit(verbs::audit::Args),
    /// Erase sealed values of a case, on a legal ground.
    Erase(verbs::erase::Args),
    /// Check a bundle of evidence, with no service and no network.
    Verify(verbs::verify::Args),
    /// Make or show the policy both organisations agree to believe.
    Policy(verbs::policy::Args),
    /// Show, draft, sign and bring changes of an organisation's registry of officers' keys.
    Registry(verbs::registry::Args),
    /// Mirror the log of a service, validate every entry, cosign its checkpoints.
    Witness(verbs::witness::Args),
    /// Make keys, print public ones, show which a configuration names.
    Keys(verbs::keys::Args),
    /// Make a development token.
    Token(verbs::token::Args),
    /// Make development certificates and keys.
    DevCa(verbs::dev_ca::Args),
    /// Migrate, back up or check the database.
    Db(verbs::db::Args),
    /// Check or show a configuration.
    Config(verbs::config::Args),
    /// Print shell completions.
    Completions(verbs::completions::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("handoff: cannot start: {error}");
            return ExitCode::from(Exit::Unreachable as u8);
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            eprintln!("handoff: {error:#}");
            ExitCode::from(Exit::of(&error) as u8)
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let output = cli.output;
    match cli.verb {
        Verb::Serve(args) => verbs::serve::run(args).await,
        Verb::Demo(args) => verbs::demo::run(args, output).await,
        Verb::Replay(args) => verbs::replay::run(args, output).await,
        Verb::Watch(args) => verbs::watch::run(args, output).await,
        Verb::Incident(args) => verbs::incident::run(args, output).await,
        Verb::Handoff(args) => verbs::handoff::run(args, output).await,
        Verb::Territory(args) => verbs::territory::run(args, output).await,
        Verb::Audit(args) => verbs::audit::run(args, output).await,
        Verb::Erase(args) => verbs::erase::run(args, output).await,
        Verb::Verify(args) => verbs::verify::run(&args, output),
        Verb::Policy(args) => verbs::policy::run(&args, output),
        Verb::Registry(args) => verbs::registry::run(args, output).await,
        Verb::Witness(args) => verbs::witness::run(args, output).await,
        Verb::Keys(args) => verbs::keys::run(&args, output),
        Verb::Token(args) => verbs::token::run(&args, output),
        Verb::DevCa(args) => verbs::dev_ca::run(&args, output),
        Verb::Db(args) => verbs::db::run(args, output).await,
        Verb::Config(args) => verbs::config::run(&args, output),
        Verb::Completions(args) => verbs::completions::run(&args),
    }
}
