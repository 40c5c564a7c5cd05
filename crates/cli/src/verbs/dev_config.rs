//! The configuration of a development service: what `demo` starts, and what `dev-ca --mapping` writes for a replay.

use anyhow::Context;
use handoff_domain::ids::OrgId;
use handoff_server::dev_ca::{AUDIENCE, issuer_of};
use std::fmt::Write;

/// Name of the configuration file in a development folder.
pub(crate) const FILE: &str = "handoff.toml";

/// The database of a development folder, unless another one is named.
pub(crate) const DATABASE: &str = "sqlite:handoff.db";

/// Roles the issuer of a station's organisation may grant.
pub(crate) const PARTY_ROLES: &[&str] = &["adapter", "dispatcher", "responder", "duty_officer", "supervisor", "admin"];

/// One organisation of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Org<'a> {
    /// Code name.
    pub(crate) id: &'a str,
    /// Party, superior or audit.
    pub(crate) kind: &'a str,
    /// What people call it.
    pub(crate) name: &'a str,
    /// What its issuer may grant.
    pub(crate) roles: &'a [&'a str],
}

/// A configuration over the files `dev-ca` makes, which lie in the same folder.
pub(crate) fn text(
    listen: &str,
    metrics_listen: &str,
    database: &str,
    organisations: &[Org<'_>],
) -> anyhow::Result<String> {
    let mut text = format!(
        r#"profile = "development"

[server]
listen = "{listen}"
metrics_listen = "{metrics_listen}"
tls_cert_file = "server.pem"
tls_key_file = "server.key"
client_certificates = "off"
resume_key_file = "resume.key"

# For replays: officers are played by a program, many times faster than people.
[server.limits]
person_calls_per_s = 100000
person_calls_burst = 100000
adapter_calls_per_s = 100000
adapter_calls_burst = 100000
organisation_calls_per_s = 100000
organisation_calls_burst = 100000

[database]
url = "{database}"

[evidence]
log_key_file = "log.key"

[sealing]
key_file = "sealing.key"

[log]
level = "warn"
format = "text"
"#
    );
    for Org { id, kind, name, roles } in organisations {
        let org = OrgId::new(id).with_context(|| format!("{id:?} is no legal code name of an organisation"))?;
        write!(
            text,
            r#"
[[organisation]]
id = "{id}"
kind = "{kind}"
name = {name:?}
issuer = "{}"
jwks_file = "{id}.jwks.json"
alg = "EdDSA"
audience = "{AUDIENCE}"
grantable_roles = {roles:?}
token_life_max_s = 86400
"#,
            issuer_of(&org)
        )?;
    }
    Ok(text)
}
