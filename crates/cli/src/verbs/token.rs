//! `handoff token`: development tokens only.

use crate::output::{self, Exit, Output, Usage};
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
