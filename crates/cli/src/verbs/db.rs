//! `handoff db migrate|backup|check`

use crate::output::{self, Exit, Output};
use clap::Subcommand;
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::Config;
use handoff_server::database;
use std::path::PathBuf;

/// What to do with the database of a configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create it, bring its schema up to date, make the log's key and open the log.
    Migrate {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Write a consistent copy, beside a running service or without one.
    Backup {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The new file.
        #[arg(long)]
        to: PathBuf,
    },
    /// Check the file, the log and every invariant.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
}

/// Does it.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    match args.what {
        What::Migrate { config } => migrate(&Config::load(&config)?).await,
        What::Backup { config, to } => {
            let config = Config::load(&config)?;
            database::backup(&config, &to).await?;
            output::note(&format!("copied to {}", to.display()));
            Ok(Exit::Done)
        }
        What::Check { config } => check(&Config::load(&config)?.database.url, output).await,
    }
}

/// Creates or updates the database, and writes position 0 where the log is new.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<Exit> {
    if database::migrate(config, SystemClock.now()).await? {
        output::note(&format!("made the log's key {}", config.evidence.log_key_file.display()));
    }
    output::note("the database is ready");
    Ok(Exit::Done)
}

/// Checks a database: its raw structure, then the invariants over its log.
pub(crate) async fn check(url: &str, output: Output) -> anyhow::Result<Exit> {
    let checked = database::check(url).await?;
    checked.findings.iter().for_each(|finding| output::line(finding));
    let report = &checked.report;
    match output {
        Output::Text => output::line(&report.to_string()),
        Output::Json => output::json(&serde_json::json!({
            "clean": checked.is_clean(), "findings": checked.findings, "report": report.to_string(),
        })),
    }
    Ok(if checked.is_clean() { Exit::Done } else { Exit::Refused })
}
