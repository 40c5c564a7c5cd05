use ed25519_dalek::{Signer as _, SigningKey};
use handoff_domain::ids::OrgId;

/// The Ed25519 key of one registrar: it enrols officers' keys and agrees to policies, and is never held by the service.
/// Wiped when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct RegistrarKey(SigningKey);

impl std::fmt::Debug for RegistrarKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RegistrarKey(..)")
    }
}

impl RegistrarKey {
    /// The key of a 32-byte seed (RFC 8032), drawn elsewhere.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key, as the policy lists it.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs bytes that say what they are: the text of a succession, or the digest of a registry update.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// The name of an organisation's signature lines: all its registrars share it, their key ids tell them apart.
#[must_use]
pub fn registrar_name(org: &OrgId) -> String {
    format!("{org}/registrar")
}
