//! The demo's folder: certificates, keys, configuration.

use anyhow::Context;
use handoff_domain::ids::OrgId;
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::{Alg, Config};
use handoff_server::dev_ca::{AUDIENCE, Plan, issuer_of, write as write_ca};
use std::fmt::Write;
use std::path::Path;

/// Organisations of the demo: code name, kind, name, roles its issuer may grant.
const ORGS: &[(&str, &str, &str, &str)] = &[
    ("A", "party", "North corps", PARTY_ROLES),
    ("B", "party", "South county", PARTY_ROLES),
    ("SUP", "superior", "Joint command", r#"["superior"]"#),
    ("AUD", "audit", "Audit office", r#"["auditor"]"#),
];
const PARTY_ROLES: &str = r#"["adapter", "dispatcher", "responder", "duty_officer", "supervisor", "admin"]"#;

/// Makes the folder and its configuration.
pub(crate) fn write(folder: &Path, port: u16) -> anyhow::Result<Config> {
    let organisations = ORGS
        .iter()
        .map(|(id, ..)| OrgId::new(id).map(|id| (id, Alg::EdDsa)).context("a demo organisation has no legal name"))
        .collect::<anyhow::Result<Vec<_>>>()?;
    write_ca(&Plan { folder: folder.to_owned(), organisations, replace: false }, SystemClock.now())?;
    let file = folder.join("handoff.toml");
    std::fs::write(&file, text(port)?)?;
    Ok(Config::load_checked(&file)?)
}

fn text(port: u16) -> anyhow::Result<String> {
    let mut text = format!(
        r#"profile = "development"

[server]
listen = "127.0.0.1:{port}"
metrics_listen = "127.0.0.1:0"
tls_cert_file = "server.pem"
tls_key_file = "server.key"
resume_key_file = "resume.key"

[database]
url = "sqlite:handoff.db"

[evidence]
log_key_file = "log.key"

[log]
level = "warn"
format = "text"
"#
    );
    for (id, kind, name, roles) in ORGS {
        let org = OrgId::new(id).context("a demo organisation has no legal name")?;
        write!(
            text,
            r#"
[[organisation]]
id = "{id}"
kind = "{kind}"
name = "{name}"
issuer = "{}"
jwks_file = "{id}.jwks.json"
alg = "EdDSA"
audience = "{AUDIENCE}"
grantable_roles = {roles}
token_life_max_s = 86400
"#,
            issuer_of(&org)
        )?;
    }
    Ok(text)
}
