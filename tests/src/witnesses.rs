//! The witnesses of the tests' services: named in the policy, played by the tests.

use handoff_evidence::note::CosignerKey;

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
