//! `handoff config check|show`

use crate::output::{self, Exit, Output};
use clap::Subcommand;
use handoff_server::config::{Config, ConfigError};
use serde_json::json;
use std::path::PathBuf;

/// Check or show.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say everything that is wrong with a configuration and the files it names.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Show the configuration in force, secrets masked.
    Show {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
    },
}

/// Checks or shows.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::Check { config } => match Config::load_checked(config) {
            Ok(_) => {
                match output {
                    Output::Text => output::line("ok"),
                    Output::Json => output::json(&json!({"ok": true, "problems": []})),
                }
                Ok(Exit::Done)
            }
            Err(ConfigError::Refused(problems)) => {
                if output == Output::Json {
                    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                    output::json(&json!({"ok": false, "problems": problems}));
                }
                output::note(&ConfigError::Refused(problems).to_string());
                Ok(Exit::Refused)
            }
            Err(error) => Err(error.into()),
        },
        What::Show { config } => {
            let shown = Config::load(config)?.show();
            match output {
                Output::Text => output::line(shown.trim_end()),
                Output::Json => output::json(&serde_json::to_value(toml::from_str::<toml::Value>(&shown)?)?),
            }
            Ok(Exit::Done)
        }
    }
}
