//! Officers' keys of the tests: who enrols them, and what they sign.

use crate::app::TestApp;
use crate::play::id;
use crate::witnesses::POLICY;
use anyhow::Context;
use handoff_client::api;
use handoff_domain::caller::Role;
use handoff_domain::ids::{OfficerId, OrgId, StationId};
use handoff_domain::values::{Salt, b64url_read};
use handoff_evidence::policy::{Policy, RegistrarKey};
use handoff_evidence::registry::{Alg, Book, Entry, RegistrarSignature, SignedUpdate as _, Update};
use handoff_evidence::signoff::DeviceKey;
use sha2::{Digest as _, Sha256};

/// Organisations whose policy names registrars: three each, of whom two must sign.
pub const REGISTRIES: [&str; 3] = ["A", "B", "SUP"];

fn seed(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

/// The key of an organisation's registrar, 1 to 3.
#[must_use]
pub fn registrar(org: &str, number: u8) -> RegistrarKey {
    RegistrarKey::from_seed(&seed(&format!("registrar {org} {number}")))
}

/// An officer's device key: A's sign with Ed25519, everybody else's with ES256.
///
/// # Errors
/// The seed is no key of P-256, which has not happened to any name here.
pub fn device(officer: &str) -> anyhow::Result<DeviceKey> {
    let seed = seed(&format!("device {officer}"));
    let alg = if officer.starts_with('a') { Alg::Ed25519 } else { Alg::Es256 };
    Ok(DeviceKey::of(alg, &seed)?)
}

/// The entry of an officer's device key.
///
/// # Errors
/// A name is no legal one.
pub fn entry(officer: &str, station: &str, roles: &[Role]) -> anyhow::Result<Entry> {
    let (key, salt) = (device(officer)?.public(), seed(&format!("salt {officer}")));
    let salt = Salt(salt.first_chunk().copied().unwrap_or_default());
    let officer = OfficerId::new(officer).context("no name of an officer")?;
    let station = StationId::new(station).context("no name of a station")?;
    Ok(Entry::of_device(&key, officer, station, roles.to_vec(), salt))
}

/// The log of a service, as its policy names it.
///
/// # Errors
/// It has no policy.
pub fn log(app: &TestApp) -> anyhow::Result<String> {
    let policy = Policy::read(&std::fs::read_to_string(app.path(POLICY))?)?;
    Ok(policy.parts().logs.first().context("a log")?.origin())
}

/// The next state of a registry, signed by two of its registrars; the book becomes it.
///
/// # Errors
/// The entries are no next state.
pub fn update(org: &str, log: &str, book: &mut Book, changed: &[Entry]) -> anyhow::Result<api::UpdateRegistryRequest> {
    let bytes = changed.iter().map(Entry::write).collect::<Result<Vec<_>, _>>()?;
    *book = book.with(book.version() + 1, &bytes)?;
    let state = book.state()?;
    let named = OrgId::new(org).context("no name of an organisation")?;
    let (count, root, version) = (state.count(), state.root(), book.version());
    let mut update = Update { count, log: log.to_owned(), org: named, root, sigs: Vec::new(), version };
    for number in [1, 2] {
        update.sign(&registrar(org, number))?;
    }
    let signature = |sig: &RegistrarSignature| api::RegistrarSignature {
        key: sig.key.clone(),
        signature: b64url_read(&sig.sig).unwrap_or_default(),
    };
    Ok(api::UpdateRegistryRequest {
        request_id: id(),
        claimed_time: None,
        organisation: org.into(),
        log: log.into(),
        version,
        count,
        root: root.to_string(),
        signatures: update.sigs.iter().map(signature).collect(),
        entries: bytes,
    })
}
