//! `handoff dev-ca`

use super::dev_config::{self, Org, PARTY_ROLES};
use super::replay::mapping::Mapping;
use crate::output::{self, Exit, Output};
use anyhow::Context;
use handoff_domain::ids::{ClientId, OrgId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::Alg;
use handoff_server::dev_ca::{Plan, write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What to make, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for certificates and keys.
    #[arg(long)]
    folder: PathBuf,
    /// Organisations to make token issuers for.
    #[arg(long = "org", required_unless_present = "mapping")]
    orgs: Vec<String>,
    /// Machines to make client certificates for, as ORG/NAME.
    #[arg(long = "machine")]
    machines: Vec<String>,
    /// A replay's mapping: make the issuers of its organisations and a configuration, handoff.toml, that serves them.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// With --mapping: where the service is to listen.
    #[arg(long, requires = "mapping", default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// With --mapping: where its metrics are to be read.
    #[arg(long, requires = "mapping", default_value = "127.0.0.1:9464")]
    metrics_listen: SocketAddr,
    /// Make existing certificates and keys anew; the log's key never is.
    #[arg(long)]
    replace: bool,
}

/// Writes the development authority.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let mapping = args.mapping.as_deref().map(Mapping::load).transpose()?;
    let of_mapping = mapping.iter().flat_map(Mapping::organisation_names);
    let organisations = args
        .orgs
        .iter()
        .map(String::as_str)
        .chain(of_mapping)
        .map(|name| {
            Ok((OrgId::new(name).context("an organisation's code name has 1 to 64 letters and digits")?, Alg::EdDsa))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let machines = args.machines.iter().map(|text| machine(text, &organisations)).collect::<anyhow::Result<_>>()?;
    let plan = Plan { folder: args.folder.clone(), organisations, machines, replace: args.replace };
    for made in write(&plan, SystemClock.now())? {
        tell(output, &made.file, made.new);
    }
    if let Some(mapping) = &mapping {
        let file = args.folder.join(dev_config::FILE);
        let new = args.replace || !file.exists();
        if new {
            let text = configuration(mapping, &args.listen.to_string(), &args.metrics_listen.to_string())?;
            std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        }
        tell(output, &file, new);
    }
    Ok(Exit::Done)
}

/// A machine of one of the organisations.
fn machine(text: &str, organisations: &[(OrgId, Alg)]) -> anyhow::Result<(OrgId, ClientId)> {
    let (org, name) = text.split_once('/').context("a machine is written ORG/NAME")?;
    let (org, _) = organisations
        .iter()
        .find(|(known, _)| known.as_str() == org)
        .with_context(|| format!("--machine {text}: {org} is none of the organisations named by --org"))?;
    let name = ClientId::new(name).context("a machine's name has 1 to 64 letters and digits")?;
    Ok((org.clone(), name))
}

fn configuration(mapping: &Mapping, listen: &str, metrics_listen: &str) -> anyhow::Result<String> {
    let party = |org| Org { id: org, kind: "party", name: org, roles: PARTY_ROLES };
    let mut organisations: Vec<_> = mapping.organisations.iter().map(|org| party(org.id.as_str())).collect();
    let superior = |id| Org { id, kind: "superior", name: id, roles: &["superior"] };
    organisations.extend(mapping.superior.as_deref().map(superior));
    dev_config::text(listen, metrics_listen, dev_config::DATABASE, &organisations)
}

fn tell(output: Output, file: &Path, new: bool) {
    match output {
        Output::Json => output::json(&serde_json::json!({"file": file, "new": new})),
        Output::Text => output::line(&format!("{} {}", if new { "made" } else { "kept" }, file.display())),
    }
}
