//! Seals the personal values of one command before it enters the queue, so that no plain value ever reaches a rule.

use crate::ids;
use handoff_domain::ids::Digest;
use handoff_domain::values::{Salt, Sealed};
use handoff_evidence::disclosure::{Disclosure, Sealer, Value};

/// Seals with fresh salts and keeps the disclosures for the side table.
#[derive(Debug, Default)]
pub struct Sealing {
    sealer: Sealer,
    failed: Vec<String>,
    /// Salt of the first value, where it was drawn before.
    drawn: Option<Salt>,
}

impl Sealing {
    /// Nothing sealed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Seals the first value under a salt drawn before: the digest of a text to be signed off is shown before it is
    /// signed, and has to be the same one then.
    #[must_use]
    pub fn with_salt(salt: Salt) -> Self {
        Self { drawn: Some(salt), ..Self::default() }
    }

    /// Seals a text that will stand at `path` of the event's body.
    pub fn text(&mut self, path: &str, value: &str) -> Sealed {
        self.seal(path, &Value::Text(value.to_owned()))
    }

    /// Seals an exact point.
    pub fn point(&mut self, path: &str, lat7: u64, lon7: u64) -> Sealed {
        self.seal(path, &Value::Point { lat7, lon7 })
    }

    fn seal(&mut self, path: &str, value: &Value) -> Sealed {
        let salt = self.drawn.take().unwrap_or_else(ids::salt);
        match self.sealer.seal(salt, path, value) {
            Ok(sealed) => sealed,
            Err(_) => {
                self.failed.push(path.to_owned());
                Sealed([0; 32])
            }
        }
    }

    /// What has to be kept beside the events, or the paths whose values cannot enter the log.
    ///
    /// # Errors
    /// The paths of values outside the profile.
    pub fn finish(self) -> Result<Vec<Disclosure>, Vec<String>> {
        if self.failed.is_empty() { Ok(self.sealer.into_disclosures()) } else { Err(self.failed) }
    }
}

/// `sha256:` of bytes, for requests and maps.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest(sha2::Sha256::digest(bytes).into())
}
