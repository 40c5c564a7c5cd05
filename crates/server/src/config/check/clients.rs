//! Client certificates: nothing that lets one side come in as the other, and nothing that lets nobody in.

use super::{Findings, chain};
use crate::auth::clients::{read_authorities, thumbprint};
use crate::auth::revoked::Revoked;
use crate::config::{ClientCertificates, Organisation, Profile};
use crate::dev_ca;
use handoff_domain::caller::{OrgKind, Role};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(findings: &mut Findings<'_>) {
    let config = findings.config;
    let required = config.server.client_certificates == ClientCertificates::Required;
    if !required && config.profile == Profile::Production {
        let remedy = "set client_certificates = \"required\" and name each organisation's clients.ca_file";
        findings.add("server.client_certificates", "is `off`: a stolen token could be used from anywhere", remedy);
    }
    let mut owners = BTreeMap::new();
    for (at, organisation) in config.organisations.iter().enumerate() {
        let key = |name: &str| format!("organisation[{at}].{name}");
        if let Some(Err(error)) = organisation.revoked_file.as_deref().map(Revoked::read) {
            let remedy = "name a file with tokens = [], subjects = [] and certificates = []";
            findings.add_of_one(&key("revoked_file"), chain(&error), remedy);
        }
        if required && organisation.clients.ca_file.is_none() {
            let remedy = "name the authorities that issue its client certificates";
            findings.add(&key("clients.ca_file"), "is missing, so that nobody of it could connect", remedy);
        }
        check_authorities(findings, at, &mut owners);
        check_machines(findings, at, organisation);
    }
    check_prefixes(findings);
}

/// Authorities that can be used, of this organisation alone.
fn check_authorities(findings: &mut Findings<'_>, at: usize, owners: &mut BTreeMap<[u8; 32], usize>) {
    let config = findings.config;
    let key = format!("organisation[{at}].clients.ca_file");
    let Some(file) = config.organisations[at].clients.ca_file.as_deref() else { return };
    let authorities = match read_authorities(file) {
        Ok(authorities) => authorities,
        Err(error) => {
            let remedy = "name a PEM file of its authorities; `handoff dev-ca` makes one for development";
            return findings.add(&key, chain(&error), remedy);
        }
    };
    let mark = dev_ca::CERT_MARK.as_bytes();
    for authority in &authorities {
        let owner = *owners.entry(thumbprint(authority)).or_insert(at);
        if owner != at {
            let what = format!("holds an authority of organisation {} too", config.organisations[owner].id);
            findings.add(&key, what, "give each organisation authorities of its own");
        }
        let development = authority.windows(mark.len()).any(|bytes| bytes == mark);
        if development && config.profile == Profile::Production {
            let remedy = "name the organisation's own authority, or use profile = \"development\"";
            findings.add(&key, "holds an authority of `handoff dev-ca`", remedy);
        }
    }
}

fn check_machines(findings: &mut Findings<'_>, at: usize, organisation: &Organisation) {
    let mut names = BTreeSet::new();
    for (number, machine) in organisation.clients.machines.iter().enumerate() {
        let key = |name: &str| format!("organisation[{at}].clients.machine[{number}].{name}");
        if !names.insert(&machine.name) {
            findings.add(&key("name"), "is the name of another machine too", "give each machine one of its own");
        }
        if machine.witness && machine.station.is_some() {
            findings.add(&key("witness"), "stands beside `station`", "give the witness a machine of its own");
        }
        if machine.witness && !organisation.grantable_roles.contains(&Role::Witness) {
            let remedy = "add `witness` to grantable_roles, or leave it out";
            findings.add(&key("witness"), "makes it a witness, which the organisation may not grant", remedy);
        }
        let speaks = machine.station.is_some();
        if speaks && organisation.kind != OrgKind::Party {
            findings.add(&key("station"), "only a party has stations", "leave it out");
        } else if speaks && !organisation.grantable_roles.contains(&Role::Adapter) {
            let remedy = "add `adapter` to grantable_roles, or leave the station out";
            findings.add(&key("station"), "makes it a system adapter, which the organisation may not grant", remedy);
        }
    }
}

/// No prefix may begin with another organisation's, or one name could be two machines'.
fn check_prefixes(findings: &mut Findings<'_>) {
    let config = findings.config;
    let prefixes: Vec<_> = config.organisations.iter().map(Organisation::machine_prefix).collect();
    for (at, prefix) in prefixes.iter().enumerate() {
        let key = format!("organisation[{at}].clients.prefix");
        let (scheme, rest) = prefix.split_once("://").unwrap_or_default();
        let plain = prefix.bytes().all(|byte| byte.is_ascii_graphic());
        if scheme.is_empty() || rest.len() < 2 || !rest.ends_with('/') || !plain {
            findings.add(
                &key,
                format!("`{prefix}` is no beginning of a name"),
                "write scheme://…/, ending with a slash",
            );
        }
        if let Some(other) =
            (0..at).find(|other| prefix.starts_with(&prefixes[*other]) || prefixes[*other].starts_with(prefix))
        {
            let what = format!("overlaps the prefix of organisation {}", config.organisations[other].id);
            findings.add(&key, what, "give each organisation one of its own");
        }
    }
}
