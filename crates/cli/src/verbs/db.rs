//! `handoff db migrate|backup|move|check`

use crate::output::{self, Exit, Output};
use clap::Subcommand;
use handoff_engine::check::Invariant;
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::Config;
use handoff_server::database;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What to do with the database of a configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

/// Which database.
#[derive(Debug, clap::Args)]
struct Of {
    /// The configuration file.
    #[arg(long)]
    config: PathBuf,
    /// Another database than the configuration's: sqlite:FILE or postgres://USER@HOST/NAME.
    #[arg(long)]
    database: Option<String>,
}

impl Of {
    fn config(self) -> anyhow::Result<Config> {
        Ok(Config::load(&self.config)?.over(self.database))
    }
}

#[derive(Debug, Subcommand)]
enum What {
    /// Create it, bring its schema up to date, make the log's key and open the log.
    Migrate {
        #[command(flatten)]
        of: Of,
    },
    /// Write a consistent copy, beside a running service or without one.
    Backup {
        #[command(flatten)]
        of: Of,
        /// The new file.
        #[arg(long)]
        to: PathBuf,
    },
    /// Move it into another, empty database of either kind, with no service running: the same log, feeds, answers and
    /// cursors. A restore is the move of a backup. The old one must not be served any more.
    Move {
        #[command(flatten)]
        of: Of,
        /// Where to: sqlite:FILE or postgres://USER@HOST/NAME; a password comes from PGPASSFILE.
        #[arg(long)]
        to: String,
    },
    /// Keep the mark of the tree for a replica that has none yet (`evidence.mark_file`). Make sure before that this is the
    /// newest database and not one from a backup: that is what the mark is for.
    Mark {
        #[command(flatten)]
        of: Of,
    },
    /// Check the file, the log and every invariant.
    Check {
        #[command(flatten)]
        of: Of,
    },
}

/// Does it.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<Exit> {
    match args.what {
        What::Migrate { of } => {
            let made = migrate(&of.config()?).await?;
            if output == Output::Json {
                output::json(&json!({"ready": true, "key_made": made}));
            }
            Ok(Exit::Done)
        }
        What::Backup { of, to } => {
            let config = of.config()?;
            database::backup(&config, &to).await?;
            output::note(&format!("copied to {}", to.display()));
            if output == Output::Json {
                output::json(&json!({"copied_to": to}));
            }
            Ok(Exit::Done)
        }
        What::Move { of, to } => move_to(&of.config()?, &to, output).await,
        What::Mark { of } => {
            let marked = database::mark(&of.config()?).await?;
            output::note(&match marked {
                Some(size) => format!("the checkpoint of {size} entries is marked"),
                None => "no checkpoint was signed yet; there is nothing to mark".to_owned(),
            });
            if output == Output::Json {
                output::json(&json!({"marked": marked}));
            }
            Ok(Exit::Done)
        }
        What::Check { of } => {
            let config = of.config()?;
            check(&config, database::address(&config)?.expose_secret(), output).await
        }
    }
}

/// Creates or updates the database, and writes position 0 where the log is new. Whether a key was made.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<bool> {
    let made = database::migrate(config, SystemClock.now()).await?;
    if made {
        output::note(&format!("made the log's key {}", config.evidence.log_key_file.display()));
    }
    output::note("the database is ready");
    Ok(made)
}

async fn move_to(config: &Config, to: &str, output: Output) -> anyhow::Result<Exit> {
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{msg:12} {bar:40} {pos}/{len}")?);
    let mut show = |at: database::Progress| {
        bar.set_message(at.table);
        bar.set_length(at.of);
        bar.set_position(at.rows);
    };
    let moved = database::move_to(config, to, &mut show).await;
    bar.finish_and_clear();
    let moved = moved?;
    let findings: Vec<String> =
        moved.findings.iter().map(|finding| format!("{}: {}", finding.check, finding.detail)).collect();
    findings.iter().for_each(|finding| output::note(finding));
    match output {
        Output::Text => output::line(&format!("moved {} events, {} rows in all", moved.events, moved.rows)),
        Output::Json => output::json(&json!({"events": moved.events, "rows": moved.rows, "findings": findings})),
    }
    output::note("serve the new database from now on, and never the old one again: two logs would go on from one end");
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Refused })
}

/// Checks a database: its raw structure, then the invariants over its log.
pub(crate) async fn check(config: &Config, url: &str, output: Output) -> anyhow::Result<Exit> {
    let checked = database::check(config, url).await?;
    let report = &checked.report;
    match output {
        Output::Text => {
            checked.findings.iter().for_each(|finding| output::line(finding));
            output::line(&report.to_string());
        }
        Output::Json => output::json(&json!({
            "clean": checked.is_clean(), "findings": checked.findings, "events": report.events,
            "incidents": report.incidents, "invariants": report.invariants.iter().map(invariant).collect::<Vec<_>>(),
        })),
    }
    Ok(if checked.is_clean() { Exit::Done } else { Exit::Refused })
}

fn invariant(invariant: &Invariant) -> Value {
    let violations = invariant.violations.iter().map(|violation| {
        json!({
            "incident": violation.incident.map(|id| id.to_string()), "position": violation.position,
            "en": violation.text_en, "zh": violation.text_zh,
        })
    });
    json!({
        "number": invariant.number, "en": invariant.name_en, "zh": invariant.name_zh, "checks": invariant.checks,
        "violated": invariant.violated(), "violations": violations.collect::<Vec<_>>(),
    })
}
