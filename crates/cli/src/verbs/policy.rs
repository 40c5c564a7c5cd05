//! `handoff policy new|show|sigsum`: what both organisations agree to believe.

use crate::output::{self, Exit, Output, Refused, Usage};
use clap::Subcommand;
use handoff_domain::caller::{OPERATOR, OrgKind};
use handoff_domain::directory::stream_of;
use handoff_domain::ids::OrgId;
use handoff_evidence::lines::hex_read;
use handoff_evidence::note::Cosigner;
use handoff_evidence::policy::{Group, Log, Needs, Parts, Policy, Range, Recorder, Registrars, Witness};
use handoff_server::config::Config;
use handoff_server::keyring::hex;
use handoff_server::serve::log_key;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a policy for the log of a configuration: its key, the recorder keys of every organisation, the registrars
    /// given, and the witnesses given, all of whom must sign. Both organisations check it, print its fingerprint in
    /// their agreement, and name it as
    /// `evidence.policy_file`.
    New {
        /// The service's configuration file.
        #[arg(long)]
        config: PathBuf,
        /// A witness: its name in the policy, `=`, its verifier key (`handoff witness key` prints it).
        #[arg(long = "witness", required = true, value_parser = witness)]
        witnesses: Vec<(String, Cosigner)>,
        /// A registrar, who enrols officers' keys: its organisation, `=`, its public key in hexadecimal (`handoff keys
        /// registrar` prints it). Give as many as the organisation has.
        #[arg(long = "registrar", value_parser = registrar)]
        registrars: Vec<(OrgId, [u8; 32])>,
        /// How many of an organisation's registrars must sign, from 2; 2 unless given: the organisation, `=`, the
        /// number.
        #[arg(long, value_parser = needed)]
        registrars_needed: Vec<(OrgId, u64)>,
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

fn of_org(text: &str) -> Result<(OrgId, &str), String> {
    let (org, value) = text.split_once('=').ok_or_else(|| "write ORGANISATION=VALUE".to_owned())?;
    Ok((OrgId::new(org).ok_or_else(|| format!("{org:?} is no code name of an organisation"))?, value))
}

fn registrar(text: &str) -> Result<(OrgId, [u8; 32]), String> {
    let (org, digits) = of_org(text)?;
    hex_read(digits).map(|key| (org, key)).ok_or_else(|| "a key has 64 lower-case hexadecimal digits".to_owned())
}

fn needed(text: &str) -> Result<(OrgId, u64), String> {
    let (org, number) = of_org(text)?;
    number.parse().map(|number| (org, number)).map_err(|_| format!("{number:?} is no number"))
}

/// Registrars an organisation's policy asks for, unless it says otherwise: the fewest the policy's form allows, so that
/// no single person enrols anybody.
const REGISTRARS_NEEDED: u64 = 2;

/// Makes or shows.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.what {
        What::New { config, witnesses, registrars, registrars_needed } => {
            let config = Config::load(config)?;
            let registrars = registrars_of(&config, registrars, registrars_needed)?;
            let policy = new(&config, witnesses, registrars)?;
            match output {
                Output::Text => output::line(policy.text().trim_end()),
                Output::Json => output::json(&told(&policy)),
            }
        }
        What::Show { policy } => {
            let policy = read(policy)?;
            match output {
                Output::Json => output::json(&told(&policy)),
                Output::Text => show(&policy),
            }
        }
        What::Sigsum { policy } => output::line(read(policy)?.to_sigsum().trim_end()),
    }
    Ok(Exit::Done)
}

fn show(policy: &Policy) {
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
    for (org, Registrars { stream, keys, needed }) in &parts.registrars {
        output::line(&format!("registry of {org} in stream {stream}: {needed} of {} registrars must sign", keys.len()));
        keys.iter().for_each(|key| output::line(&format!("registrar of {org} {}", hex(key))));
    }
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
        "registrars": parts.registrars.iter().map(|(org, Registrars { stream, keys, needed })| json!({
            "organisation": org.to_string(), "stream": stream.to_string(), "needed": needed,
            "keys": keys.iter().map(|key| hex(key)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "text": policy.text(),
    })
}

/// The registrars of each organisation. The stream of its registry follows from its code name, so that everybody who
/// makes a policy finds the same one.
fn registrars_of(
    config: &Config,
    given: &[(OrgId, [u8; 32])],
    needed: &[(OrgId, u64)],
) -> anyhow::Result<BTreeMap<OrgId, Registrars>> {
    let mut found = BTreeMap::<OrgId, Registrars>::new();
    for (org, key) in given {
        // The operator has no officers, and an organisation nobody serves has no registry.
        if config.organisation(org).is_none_or(|found| found.kind == OrgKind::Operator) {
            return Err(
                Usage(format!("--registrar: {org} is no organisation with officers in the configuration")).into()
            );
        }
        let fresh = || {
            let stream = stream_of("registry", org.as_str());
            Registrars { stream, keys: Vec::new(), needed: REGISTRARS_NEEDED }
        };
        found.entry(org.clone()).or_insert_with(fresh).keys.push(*key);
    }
    for (org, number) in needed {
        let registrars = found.get_mut(org);
        let registrars = registrars.ok_or_else(|| Usage(format!("--registrars-needed: {org} has no --registrar")))?;
        registrars.needed = *number;
    }
    Ok(found)
}

fn new(
    config: &Config,
    witnesses: &[(String, Cosigner)],
    registrars: BTreeMap<OrgId, Registrars>,
) -> anyhow::Result<Policy> {
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
        registrars,
    };
    Policy::write(&parts).map_err(|error| Usage(format!("these make no policy: {error}")).into())
}
