//! `handoff token`: development tokens only.

use crate::output::{self, Exit};
use anyhow::Context;
use handoff_domain::caller::Role;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::Config;
use handoff_server::dev_ca::{TokenRequest, issuer_key_file, token};
use std::path::PathBuf;

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
    /// Life in seconds.
    #[arg(long, default_value_t = 900)]
    life: u32,
}

/// Prints a token.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = Config::load(&args.config)?;
    let org = OrgId::new(&args.org).context("--org is not a code name")?;
    let organisation = config.organisation(&org).context("--org is not in the configuration")?;
    let roles = args.roles.iter().map(|role| Role::parse(role).with_context(|| format!("no role {role}")));
    let request = TokenRequest {
        subject: OfficerId::new(&args.subject).context("--subject is not a pseudonym")?,
        roles: roles.collect::<anyhow::Result<_>>()?,
        station: args
            .station
            .as_deref()
            .map(|s| StationId::new(s).context("--station is not a code name"))
            .transpose()?,
        client: args.client.as_deref().map(|s| ClientId::new(s).context("--client is not a code name")).transpose()?,
        life_s: args.life,
    };
    let key = issuer_key_file(&args.folder, &org);
    output::line(&token(organisation, &key, &request, SystemClock.now())?);
    Ok(Exit::Done)
}
