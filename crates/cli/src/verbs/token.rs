//! `handoff token`: development tokens only.

use crate::output::{self, Exit, Output, Usage};
use anyhow::Context;
use handoff_domain::caller::Role;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::auth::clients::{Thumbprint, read_thumbprint};
use handoff_server::config::Config;
use handoff_server::dev_ca::{TokenRequest, issuer_key_file, token};
use std::path::{Path, PathBuf};

/// For whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration whose development issuer signs.
    #[arg(long)]
    config: PathBuf,
    /// The folder `dev-ca` wrote to.
    #[arg(long)]
    folder: PathBuf,
    /// Organisation.
    #[arg(long)]
    org: String,
    /// The officer's pseudonym, or the dispatch system's name.
    #[arg(long)]
    subject: String,
    /// Roles: adapter, dispatcher, responder, `duty_officer`, supervisor, superior, auditor, admin.
    #[arg(long = "role", required = true)]
    roles: Vec<String>,
    /// Station.
    #[arg(long)]
    station: Option<String>,
    /// Client program, for a dispatch system.
    #[arg(long)]
    client: Option<String>,
    /// Certificate of the machine it is to be used over, where the service asks for certificates.
    #[arg(long)]
    client_cert: Option<PathBuf>,
    /// Life in seconds.
    #[arg(long, default_value_t = 900)]
    life: u32,
}

/// Prints a token.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let config = Config::load(&args.config)?;
    let wrong = |what: &str| Usage(what.to_owned());
    let org = OrgId::new(&args.org).ok_or_else(|| wrong("--org is not a code name"))?;
    let organisation = config.organisation(&org).ok_or_else(|| wrong("--org is not in the configuration"))?;
    let roles = args.roles.iter().map(|role| Role::parse(role).ok_or_else(|| wrong(&format!("no role {role}"))));
    let request = TokenRequest {
        subject: OfficerId::new(&args.subject).ok_or_else(|| wrong("--subject is not a pseudonym"))?,
        roles: roles.collect::<Result<_, _>>()?,
        station: args
            .station
            .as_deref()
            .map(|s| StationId::new(s).ok_or_else(|| wrong("--station is not a code name")))
            .transpose()?,
        client: args
            .client
            .as_deref()
            .map(|s| ClientId::new(s).ok_or_else(|| wrong("--client is not a code name")))
            .transpose()?,
        bound: args.client_cert.as_deref().map(thumbprint_of).transpose()?,
        life_s: args.life,
    };
    let key = issuer_key_file(&args.folder, &org);
    let token = token(organisation, &key, &request, SystemClock.now())?;
    match output {
        Output::Text => output::line(&token),
        Output::Json => output::json(&serde_json::json!({"token": token, "life_s": args.life})),
    }
    Ok(Exit::Done)
}

/// Thumbprint of the certificate in a file.
fn thumbprint_of(file: &Path) -> anyhow::Result<Thumbprint> {
    let thumbprint = read_thumbprint(file).with_context(|| format!("reading {}", file.display()))?;
    thumbprint.ok_or_else(|| Usage(format!("{} holds no certificate in PEM form", file.display())).into())
}
