//! A service of its own for one measurement: folder, certificates, configuration, tokens. As in production every
//! connection shows a client certificate and every token is bound to it; one machine carries all of a side.

use crate::child::Service;
use crate::way::Grpc;
use anyhow::Context;
use handoff_domain::caller::Role;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::auth::clients::read_thumbprint;
use handoff_server::config::{Alg, Config};
use handoff_server::dev_ca::{
    AUDIENCE, Plan, TokenRequest, issuer_key_file, issuer_of, machine_cert_file, machine_key_file, token, write,
};
use std::fmt::Write;
use std::path::Path;

/// Identities of each kind on each side. Each dispatch system and each officer has a token of its own.
pub(crate) const IDENTITIES: usize = 16;
/// Life of the tokens, in seconds.
const TOKEN_LIFE_S: u32 = 7_200;

/// The two organisations and their stations.
pub(crate) const SIDES: [(&str, &str); 2] = [("A", "A-01"), ("B", "B-07")];

/// Who speaks for a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Post {
    /// The dispatch system.
    System,
    /// A duty officer.
    Duty,
    /// An officer on a unit.
    Responder,
    /// The administrator.
    Admin,
}

impl Post {
    pub(crate) const ALL: [Self; 4] = [Self::System, Self::Duty, Self::Responder, Self::Admin];

    fn role(self) -> Role {
        match self {
            Self::System => Role::Adapter,
            Self::Duty => Role::DutyOfficer,
            Self::Responder => Role::Responder,
            Self::Admin => Role::Admin,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::System => "cad",
            Self::Duty => "duty",
            Self::Responder => "resp",
            Self::Admin => "admin",
        }
    }
}

/// Name of an identity: `cad-a-3`. Over gRPC all dispatch systems of a side are the machine that carries them, `cad-a-0`.
pub(crate) fn name(side: usize, post: Post, number: usize) -> String {
    format!("{}-{}-{number}", post.word(), SIDES[side].0.to_ascii_lowercase())
}

/// The machine that carries everybody of a side: the registered dispatch system of its station.
pub(crate) fn machine(side: usize) -> anyhow::Result<(OrgId, ClientId)> {
    let org = OrgId::new(SIDES[side].0).context("a name that is no organisation")?;
    Ok((org, ClientId::new(&name(side, Post::System, 0)).context("a name that is no client")?))
}

/// Certificate and key of a side's machine, PEM.
pub(crate) fn certificate(folder: &Path, side: usize) -> anyhow::Result<(String, String)> {
    let (org, client) = machine(side)?;
    let read = |file| std::fs::read_to_string(file);
    Ok((read(machine_cert_file(folder, &org, &client))?, read(machine_key_file(folder, &org, &client))?))
}

/// Makes the folder, its keys and the configuration; the database is migrated and its log opened.
pub(crate) async fn make(folder: &Path, url: &str) -> anyhow::Result<Config> {
    let mut organisations = Vec::new();
    for (org, _) in SIDES {
        organisations.push((OrgId::new(org).context("a name that is no organisation")?, Alg::EdDsa));
    }
    let machines = (0..SIDES.len()).map(machine).collect::<anyhow::Result<Vec<_>>>()?;
    let plan = Plan { folder: folder.to_owned(), organisations: organisations.clone(), machines, replace: false };
    write(&plan, SystemClock.now())?;
    let mut text = HEAD.replace(URL, url);
    for (side, (org, _)) in organisations.iter().enumerate() {
        let (machine, station) = (machine(side)?.1, SIDES[side].1);
        write!(
            text,
            r#"
[[organisation]]
id = "{org}"
kind = "party"
name = "{org}"
issuer = "{}"
jwks_file = "{org}.jwks.json"
alg = "EdDSA"
audience = "{AUDIENCE}"
grantable_roles = ["adapter", "dispatcher", "responder", "duty_officer", "supervisor", "admin"]
token_life_max_s = {TOKEN_LIFE_S}

[organisation.clients]
ca_file = "{org}.client-ca.pem"

[[organisation.clients.machine]]
name = "{machine}"
station = "{station}"
"#,
            issuer_of(org)
        )?;
    }
    let file = folder.join("handoff.toml");
    std::fs::write(&file, text)?;
    let config = Config::load_checked(&file)?;
    handoff_server::database::migrate(&config, SystemClock.now()).await?;
    Ok(config)
}

/// As [`make`], with the directory of the two stations in it.
pub(crate) async fn furnished(folder: &Path, url: &str) -> anyhow::Result<Config> {
    let config = make(folder, url).await?;
    let service = Service::start(folder, false).await?;
    Grpc::open(&config, folder, service.port, 1)?.furnish().await?;
    service.stop().await?;
    Ok(config)
}

/// What [`HEAD`] lifts, for the report: the officers of the load are far quicker than people.
pub(crate) const LIFTED: &str = "calls a second of one officer, one dispatch system and one organisation";
/// Stands for the address in [`HEAD`].
const URL: &str = "THE_URL";
const HEAD: &str = r#"profile = "development"

[server]
listen = "127.0.0.1:0"
metrics_listen = "127.0.0.1:0"
tls_cert_file = "server.pem"
tls_key_file = "server.key"
client_certificates = "required"
resume_key_file = "resume.key"

[server.limits]
person_calls_per_s = 100000
person_calls_burst = 100000
adapter_calls_per_s = 100000
adapter_calls_burst = 100000
organisation_calls_per_s = 100000
organisation_calls_burst = 100000

[database]
url = "THE_URL"

[evidence]
log_key_file = "log.key"

[sealing]
key_file = "sealing.key"

[log]
level = "warn"
format = "text"
"#;

/// Leads a copied folder to another database.
pub(crate) fn point(folder: &Path, url: &str, durability: &str) -> anyhow::Result<Config> {
    let file = folder.join("handoff.toml");
    let mut text = String::new();
    for line in std::fs::read_to_string(&file)?.lines() {
        if line.starts_with("url = ") {
            writeln!(text, "url = \"{url}\"\ndurability = \"{durability}\"")?;
        } else {
            writeln!(text, "{line}")?;
        }
    }
    std::fs::write(&file, text)?;
    Ok(Config::load_checked(&file)?)
}

/// A token of an identity.
pub(crate) fn token_of(
    config: &Config,
    folder: &Path,
    side: usize,
    post: Post,
    number: usize,
) -> anyhow::Result<String> {
    let (org, station) = SIDES[side];
    let org = OrgId::new(org).context("a name that is no organisation")?;
    let organisation = config.organisation(&org).context("an organisation without configuration")?;
    let name = name(side, post, number);
    let request = TokenRequest {
        subject: OfficerId::new(&name).context("a name that is no officer")?,
        roles: vec![post.role()],
        station: StationId::new(station),
        // The machine's own.
        client: None,
        bound: read_thumbprint(&machine_cert_file(folder, &org, &machine(side)?.1))?,
        life_s: TOKEN_LIFE_S,
    };
    Ok(token(organisation, &issuer_key_file(folder, &org), &request, SystemClock.now())?)
}
