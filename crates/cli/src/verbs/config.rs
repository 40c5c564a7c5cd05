//! `handoff config check|show`

use crate::output::{self, Exit};
use clap::Subcommand;
use handoff_server::config::Config;
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
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.what {
        What::Check { config } => match Config::load_checked(config) {
            Ok(_) => {
                output::line("ok");
                Ok(Exit::Done)
            }
            Err(error) => {
                output::note(&error.to_string());
                Ok(Exit::Refused)
            }
        },
        What::Show { config } => {
            output::line(Config::load(config)?.show().trim_end());
            Ok(Exit::Done)
        }
    }
}
