//! The witnesses of the tests' services: named in the policy, played by the tests.

use crate::app::TestApp;
use crate::officers::{REGISTRIES, registrar};
use handoff_evidence::note::CosignerKey;
use std::path::Path;

/// The policy in a service's folder.
pub const POLICY: &str = "handoff.policy";
/// The witnesses of that policy: name in it, name in their lines, seed.
pub(crate) const WITNESSES: [(&str, &str, u8); 2] = [("A", "a.test/witness", 0xa1), ("B", "b.test/witness", 0xb1)];

/// The key of an organisation's witness in [`POLICY`].
///
/// # Panics
/// There is no such witness.
#[must_use]
pub fn witness(name: &str) -> CosignerKey {
    let found = WITNESSES.iter().find(|(known, ..)| *known == name);
    let key = found.and_then(|(_, key_name, seed)| CosignerKey::from_seed(key_name, &[*seed; 32]));
    key.unwrap_or_else(|| panic!("{name} has no witness"))
}

/// Makes the policy of a service: both organisations' witnesses are named, both must sign; so are registrars of
/// A, B and the superior.
pub(crate) fn agree(app: &TestApp) -> anyhow::Result<()> {
    agree_with(app, &REGISTRIES)
}

/// The same, with registrars of these organisations alone.
pub(crate) fn agree_with(app: &TestApp, registries: &[&str]) -> anyhow::Result<()> {
    let config = app.config_file();
    let named: Vec<_> = WITNESSES.map(|(name, ..)| format!("{name}={}", witness(name).cosigner().vkey())).into();
    let mut args = vec!["policy", "new", "--config", &config];
    named.iter().for_each(|named| args.extend(["--witness", named]));
    let hex = |key: [u8; 32]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let of = |org: &str, number| format!("{org}={}", hex(registrar(org, number).public()));
    let registrars: Vec<_> = registries.iter().flat_map(|org| [1, 2, 3].map(|number| of(org, number))).collect();
    registrars.iter().for_each(|registrar| args.extend(["--registrar", registrar]));
    Ok(std::fs::write(app.path(POLICY), app.done(&args)?)?)
}

/// What a configuration says of a policy that is there. Every replica keeps a mark of its own.
pub(crate) fn configured(policy: &Path, config: &str) -> String {
    if policy.exists() { format!("policy_file = \"{POLICY}\"\nmark_file = \"{config}.mark\"\n") } else { String::new() }
}
