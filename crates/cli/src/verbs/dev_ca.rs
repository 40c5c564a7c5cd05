//! `handoff dev-ca`

use crate::output::{self, Exit, Output};
use anyhow::Context;
use handoff_domain::ids::OrgId;
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::Alg;
use handoff_server::dev_ca::{Plan, write};
use std::path::PathBuf;

/// What to make, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for certificates and keys.
    #[arg(long)]
    folder: PathBuf,
    /// Organisations to make token issuers for.
    #[arg(long = "org", required = true)]
    orgs: Vec<String>,
    /// Make existing certificates and keys anew; the log's key never is.
    #[arg(long)]
    replace: bool,
}

/// Writes the development authority.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let organisations = args
        .orgs
        .iter()
        .map(|name| {
            Ok((OrgId::new(name).context("an organisation's code name has 1 to 64 letters and digits")?, Alg::EdDsa))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let plan = Plan { folder: args.folder.clone(), organisations, replace: args.replace };
    for made in write(&plan, SystemClock.now())? {
        match output {
            Output::Json => output::json(&serde_json::json!({"file": made.file, "new": made.new})),
            Output::Text => {
                let word = if made.new { "made" } else { "kept" };
                output::line(&format!("{word} {}", made.file.display()));
            }
        }
    }
    Ok(Exit::Done)
}
