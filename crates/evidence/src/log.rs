//! The log's identity: its key and the origin that follows from it (evidence, 4). A new key is a new log.

use crate::lines::hex;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use handoff_domain::event::directory::LogOpened;
use handoff_domain::values::Salt;
use sha2::{Digest as _, Sha256};

/// Every origin begins so; the lower-case hexadecimal SHA-256 of the log's public key follows.
pub const ORIGIN_PREFIX: &str = "sigsum.org/v1/tree/";

/// First word of a seed file; the seed in base64url follows.
const SEED_MARK: &str = "handoff-log-seed/1 ";

/// A seed file that is none. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log seed: expected \"handoff-log-seed/1 \", 43 characters of base64url and a line end")]
pub struct SeedError;

/// The log's Ed25519 key. Wiped when dropped; `Debug` shows only the origin.
#[derive(Clone)]
pub struct LogKey(SigningKey);

impl std::fmt::Debug for LogKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogKey").field(&self.origin()).finish()
    }
}

impl LogKey {
    /// The key of a 32-byte seed (RFC 8032), drawn elsewhere.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads the content of a seed file, exactly as [`seed_file`](Self::seed_file) writes it.
    ///
    /// # Errors
    /// [`SeedError`] for anything else.
    pub fn from_seed_file(content: &[u8]) -> Result<Self, SeedError> {
        let text = content.strip_prefix(SEED_MARK.as_bytes()).and_then(|rest| rest.strip_suffix(b"\n"));
        let bytes = URL_SAFE_NO_PAD.decode(text.ok_or(SeedError)?).map_err(|_| SeedError)?;
        Ok(Self::from_seed(&<[u8; 32]>::try_from(bytes).map_err(|_| SeedError)?))
    }

    /// The content of a seed file: one line of ASCII. Whoever reads it is the log.
    #[must_use]
    pub fn seed_file(&self) -> String {
        format!("{SEED_MARK}{}\n", URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The log's name ([`origin_of`] its public key).
    #[must_use]
    pub fn origin(&self) -> String {
        origin_of(&self.public())
    }

    /// The fact at position 0 of this log.
    #[must_use]
    pub fn opened(&self, salt: Salt) -> LogOpened {
        LogOpened { origin: self.origin(), salt, policy: None, predecessor: None }
    }

    /// Signs the text of a head, which `note` makes: a log key signs nothing else.
    pub(crate) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.0.sign(text).to_bytes()
    }
}

/// The name of the log with this public key: [`ORIGIN_PREFIX`] and the key's lower-case hexadecimal SHA-256.
#[must_use]
pub fn origin_of(public: &[u8; 32]) -> String {
    format!("{ORIGIN_PREFIX}{}", hex(&Sha256::digest(public)))
}

#[cfg(test)]
mod tests;
