//! The demo's folder: certificates, keys, configuration.

use crate::verbs::dev_config::{self, Org, PARTY_ROLES};
use anyhow::Context;
use handoff_domain::ids::OrgId;
use handoff_engine::clock::{Clock, SystemClock};
use handoff_server::config::{Alg, Config};
use handoff_server::dev_ca::{Plan, write as write_ca};
use std::path::Path;

/// Organisations of the demo.
const ORGS: &[Org<'_>] = &[
    Org { id: "A", kind: "party", name: "North corps", roles: PARTY_ROLES },
    Org { id: "B", kind: "party", name: "South county", roles: PARTY_ROLES },
    Org { id: "SUP", kind: "superior", name: "Joint command", roles: &["superior"] },
    Org { id: "AUD", kind: "audit", name: "Audit office", roles: &["auditor"] },
];

/// Makes the folder and its configuration.
pub(crate) fn write(folder: &Path, port: u16, database: Option<&str>) -> anyhow::Result<Config> {
    let organisations = ORGS
        .iter()
        .map(|org| OrgId::new(org.id).map(|id| (id, Alg::EdDsa)).context("a demo organisation has no legal name"))
        .collect::<anyhow::Result<Vec<_>>>()?;
    write_ca(
        &Plan { folder: folder.to_owned(), organisations, machines: Vec::new(), replace: false },
        SystemClock.now(),
    )?;
    let file = folder.join(dev_config::FILE);
    let database = database.unwrap_or(dev_config::DATABASE);
    std::fs::write(&file, dev_config::text(&format!("127.0.0.1:{port}"), "127.0.0.1:0", database, ORGS)?)?;
    Ok(Config::load_checked(&file)?)
}
