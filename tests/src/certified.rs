//! The service with client certificates: each organisation's own authority, its machines, tokens bound to them.

use crate::app::{TestApp, who};
use crate::play::{id, intake};
use crate::refusal::told;
use anyhow::Context;
use handoff_client::{Client, Machine, Token, api};
use handoff_domain::ids::{ClientId, OrgId};
use handoff_server::auth::clients::{Thumbprint, read_thumbprint};
use handoff_server::dev_ca::{machine_cert_file, machine_key_file};

/// Machines that `dev-ca` makes: organisation, name, station it speaks for.
const MACHINES: &[(&str, &str, Option<&str>)] = &[
    ("A", "cad-a", Some("A-01")),
    ("A", "desk-a", None),
    // Vouched for by A's authority, and in no list.
    ("A", "lost-a", None),
    ("B", "cad-b", Some("B-07")),
    ("SUP", "desk-s", None),
    ("AUD", "desk-au", None),
];
/// The one that is registered nowhere.
const UNREGISTERED: &str = "lost-a";
/// Where A's list of what it has taken back stands.
pub const REVOKED: &str = "A.revoked.toml";

/// A running service whose directory is furnished and which takes nobody without a certificate.
///
/// # Errors
/// It does not start, or refuses the directory.
pub async fn start() -> anyhow::Result<TestApp> {
    let mut app = TestApp::furnished(false).await?;
    app.stop().await?;
    let folder = app.path("").to_string_lossy().into_owned();
    let machines: Vec<String> = MACHINES.iter().map(|(org, name, _)| format!("{org}/{name}")).collect();
    let mut args = vec!["dev-ca", "--folder", &folder];
    for org in ["A", "B", "SUP", "AUD"] {
        args.extend(["--org", org]);
    }
    args.extend(machines.iter().flat_map(|machine| ["--machine", machine]));
    app.done(&args)?;
    app.configure("client_certificates = \"off\"", "client_certificates = \"required\"")?;
    for (org, next) in [("A", "B"), ("B", "SUP"), ("SUP", "AUD")] {
        let before = format!("\n[[organisation]]\nid = \"{next}\"");
        app.configure(&before, &format!("{}{before}", section(org)))?;
    }
    let text = std::fs::read_to_string(app.config_file())?;
    std::fs::write(app.config_file(), text + &section("AUD"))?;
    std::fs::write(app.path(REVOKED), "tokens = []\nsubjects = []\ncertificates = []\n")?;
    app.configure("id = \"A\"", &format!("id = \"A\"\nrevoked_file = \"{REVOKED}\""))?;
    app.start()?;
    Ok(app)
}

/// What stands in the configuration of an organisation's machines.
fn section(org: &str) -> String {
    let mut text = format!("\n[organisation.clients]\nca_file = \"{org}.client-ca.pem\"\n");
    for (of, name, station) in MACHINES.iter().filter(|(_, name, _)| *name != UNREGISTERED) {
        if *of == org {
            text.push_str(&format!("\n[[organisation.clients.machine]]\nname = \"{name}\"\n"));
            text.push_str(&station.map(|station| format!("station = \"{station}\"\n")).unwrap_or_default());
        }
    }
    text
}

fn names(machine: &str) -> anyhow::Result<(OrgId, ClientId)> {
    let (org, name, _) = MACHINES.iter().find(|(_, name, _)| *name == machine).context("there is no such machine")?;
    Ok((OrgId::new(org).context("an organisation")?, ClientId::new(name).context("a machine")?))
}

/// Certificate and key of a machine.
///
/// # Errors
/// There is no such machine.
pub fn machine(app: &TestApp, name: &str) -> anyhow::Result<Machine> {
    let (org, name) = names(name)?;
    let text = |file| std::fs::read_to_string(file);
    let folder = app.path("");
    let cert_pem = text(machine_cert_file(&folder, &org, &name))?;
    Ok(Machine { cert_pem, key_pem: text(machine_key_file(&folder, &org, &name))? })
}

/// Thumbprint of a machine's certificate.
///
/// # Errors
/// There is no such machine.
pub fn thumbprint(app: &TestApp, name: &str) -> anyhow::Result<Thumbprint> {
    let (org, name) = names(name)?;
    read_thumbprint(&machine_cert_file(&app.path(""), &org, &name))?.context("a certificate")
}

/// A token of one of the cast, bound to a machine's certificate.
///
/// # Errors
/// There is no such machine, or nobody of that name.
pub fn token(app: &TestApp, person: &str, machine: &str) -> anyhow::Result<String> {
    app.token_bound_to(&who(person)?, Some(thumbprint(app, machine)?))
}

/// An incident of A's, taken in by its dispatch system over its certificate.
///
/// # Errors
/// It is refused.
pub async fn receive(app: &TestApp) -> anyhow::Result<String> {
    let incident = id();
    let request = api::ReceiveRequest {
        request_id: id(),
        incident: incident.clone(),
        intake: Some(intake(44.1, 86.1)),
        ..Default::default()
    };
    told(client(app, "cad-a", None)?.incidents().receive(request).await)?;
    Ok(incident)
}

/// A connection over a machine's certificate, with a token or without one.
///
/// # Errors
/// There is no such machine.
pub fn client(app: &TestApp, over: &str, token: Option<String>) -> anyhow::Result<Client> {
    let ca = std::fs::read_to_string(app.path("ca.pem"))?;
    let token = token.map_or_else(Token::none, Token::new);
    Ok(Client::connect_as(&machine(app, over)?, &format!("https://{}", app.address()), &ca, token)?)
}
