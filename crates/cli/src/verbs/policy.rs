//! `handoff policy new|show|sigsum`: what both organisations agree to believe.

use crate::output::{self, Exit, Output, Refused, Usage};
use clap::Subcommand;
use handoff_domain::caller::{OPERATOR, OrgKind};
use handoff_domain::ids::OrgId;
use handoff_evidence::note::Cosigner;
use handoff_evidence::policy::{Group, Log, Needs, Parts, Policy, Range, Recorder, Witness};
use handoff_server::config::Config;
use handoff_server::serve::log_key;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a policy for the log of a configuration: its key, the recorder keys of every organisation, and the witnesses
    /// given, all of whom must sign. Both organisations check it, print its fingerprint in their agreement, and name it as
    /// `evidence.policy_file`.
    New {
        /// The service's configuration file.
        #[arg(long)]
        config: PathBuf,
        /// A witness: its name in the policy, `=`, its verifier key (`handoff witness key` prints it).
        #[arg(long = "witness", required = true, value_parser = witness)]
        witnesses: Vec<(String, Cosigner)>,
    },
    /// Show what a policy says, and its fingerprint.
    Show {
        /// The policy.
        policy: PathBuf,
    },
    /// Print the policy in the form Sigsum's tools read.
    Sigsum {
        /// The policy.
        policy: PathBuf,
    },
}

fn witness(text: &str) -> Result<(String, Cosigner), String> {
    let (name, vkey) = text.split_once('=').ok_or_else(|| "write NAME=VERIFIER_KEY".to_owned())?;
    let cosigner = Cosigner::from_vkey(vkey).map_err(|fault| fault.to_string())?;
    Ok((name.to_owned(), cosigner))
}

/// Makes or shows.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::New { config, witnesses } => {
            let policy = new(&Config::load(config)?, witnesses)?;
            match output {
                Output::Text => output::line(policy.text().trim_end()),
                Output::Json => output::json(&told(&policy)),
            }
        }
        What::Show { policy } => {
            let policy = read(policy)?;
            match output {
                Output::Json => output::json(&told(&policy)),
                Output::Text => {
                    output::line(&format!("fingerprint {}", policy.digest()));
                    let parts = policy.parts();
                    parts.logs.iter().for_each(|log| output::line(&format!("log {}", log.origin())));
                    for witness in &parts.witnesses {
                        output::line(&format!("witness {} signs as {}", witness.name, witness.key_name));
                    }
                    let quorum = parts.quorum.as_deref().unwrap_or("none: nothing is ever proven by witnesses");
                    output::line(&format!("quorum {quorum}"));
                    for recorder in &parts.recorders {
                        output::line(&format!("recorder of {}", recorder.org));
                    }
                }
            }
        }
        What::Sigsum { policy } => output::line(read(policy)?.to_sigsum().trim_end()),
    }
    Ok(Exit::Done)
}

/// Reads a policy a person named; one that is none is refused with its line and the remedy.
pub(super) fn read(file: &Path) -> anyhow::Result<Policy> {
    let text = String::from_utf8_lossy(&output::read(file)?).into_owned();
    Policy::read(&text).map_err(|error| Refused(format!("{}: {error}", file.display())).into())
}

fn told(policy: &Policy) -> serde_json::Value {
    let parts = policy.parts();
    json!({
        "fingerprint": policy.digest().to_string(),
        "logs": parts.logs.iter().map(Log::origin).collect::<Vec<_>>(),
        "witnesses": parts.witnesses.iter().map(|witness| &witness.name).collect::<Vec<_>>(),
        "quorum": parts.quorum,
        "recorders": parts.recorders.iter().map(|recorder| recorder.org.to_string()).collect::<Vec<_>>(),
        "text": policy.text(),
    })
}

fn new(config: &Config, witnesses: &[(String, Cosigner)]) -> anyhow::Result<Policy> {
    let key = log_key(config)?;
    let operator = OrgId::new(OPERATOR).ok_or_else(|| Usage("the operator has no legal name".to_owned()))?;
    let others = config.organisations.iter().filter(|org| org.kind != OrgKind::Operator).map(|org| org.id.clone());
    let orgs = std::iter::once(operator).chain(others);
    let recorders = orgs.map(|org| Recorder { key: key.recorder(&org).public(), org, indices: Range::ALL });
    let named = witnesses.iter().map(|(name, cosigner)| Witness {
        name: name.clone(),
        key_name: cosigner.name.clone(),
        key: cosigner.public,
        url: None,
    });
    let members = witnesses.iter().map(|(name, _)| name.clone()).collect();
    let parts = Parts {
        logs: vec![Log { key: key.public(), url: None, sizes: None }],
        witnesses: named.collect(),
        groups: vec![Group { name: "all-of-them".to_owned(), needs: Needs::All, members }],
        quorum: Some("all-of-them".to_owned()),
        recorders: recorders.collect(),
        ..Parts::default()
    };
    Policy::write(&parts).map_err(|error| Usage(format!("these make no policy: {error}")).into())
}
