use crate::ed25519::verifies;
use crate::event::hash;
use crate::json::{self, ReadError, WriteError};
use crate::lines::{hex, hex_read};
use crate::policy::{Policy, RegistrarKey};
use handoff_domain::ids::{Digest, OrgId};
use handoff_domain::node::{FromNode as _, Malformed, Node, ToNode as _};
use handoff_domain::values::{b64url, b64url_read};
use std::borrow::Cow;

pub use handoff_domain::event::directory::{RegistrarSignature, RegistryUpdated as Update};

/// Why an update does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// Not canonical JSON of the profile.
    #[error("not canonical")]
    Profile(#[from] ReadError),
    /// Not the members of an update.
    #[error("not an update of a registry")]
    Shape(#[from] Malformed),
    /// It cannot be written.
    #[error("cannot be written")]
    Write(#[from] WriteError),
    /// For another log.
    #[error("it is for another log")]
    OtherLog,
    /// Versions begin at 1.
    #[error("version 0")]
    Version,
    /// The policy gives this organisation no registrars.
    #[error("{0} has no registrars in the policy")]
    NoRegistrars(OrgId),
    /// A key or signature in no one spelling; its place, from 1.
    #[error("signature {0} is not spelled as it must be")]
    Spelling(usize),
    /// Out of order, or one registrar twice.
    #[error("signature {0} is out of order or given twice")]
    Order(usize),
    /// By a key the policy does not give that organisation.
    #[error("signature {0} is by no registrar of the organisation")]
    Stranger(usize),
    /// It does not hold.
    #[error("signature {0} does not hold")]
    Signature(usize),
    /// Too few registrars.
    #[error("{signed} registrars signed, {needed} are needed")]
    TooFew {
        /// How many signed.
        signed: u64,
        /// How many must.
        needed: u64,
    },
}

/// What registrars do with an update, and what is asked of one.
pub trait SignedUpdate: Sized {
    /// Reads the canonical bytes of a body.
    ///
    /// # Errors
    /// [`UpdateError::Profile`] or [`UpdateError::Shape`]; its signatures are not looked at.
    fn read(bytes: &[u8]) -> Result<Self, UpdateError>;

    /// The canonical bytes of the body.
    ///
    /// # Errors
    /// [`UpdateError::Write`].
    fn write(&self) -> Result<Vec<u8>, UpdateError>;

    /// What registrars sign: SHA-256 of the body without `sigs`.
    ///
    /// # Errors
    /// [`WriteError`] for a number outside the profile.
    fn digest(&self) -> Result<Digest, WriteError>;

    /// Adds a registrar's signature in its place; one this key gave before is replaced.
    ///
    /// # Errors
    /// [`WriteError`] for a number outside the profile.
    fn sign(&mut self, key: &RegistrarKey) -> Result<(), WriteError>;

    /// Whether it is for this log, and enough registrars of the organisation signed, under the policy that rules where the
    /// event stands.
    ///
    /// # Errors
    /// [`UpdateError`]. Every signature must be by a registrar and hold, those above the number needed too.
    fn verify(&self, policy: &Policy, log: &str) -> Result<(), UpdateError>;
}

impl SignedUpdate for Update {
    fn read(bytes: &[u8]) -> Result<Self, UpdateError> {
        Ok(Self::from_node(json::read(bytes)?, "")?)
    }

    fn write(&self) -> Result<Vec<u8>, UpdateError> {
        Ok(json::write(&self.to_node().unwrap_or(Node::Map(Vec::new())))?)
    }

    fn digest(&self) -> Result<Digest, WriteError> {
        let fields = [
            ("count", self.count.to_node()),
            ("log", self.log.to_node()),
            ("org", self.org.to_node()),
            ("root", self.root.to_node()),
            ("version", self.version.to_node()),
        ];
        let fields = fields.into_iter().filter_map(|(key, node)| Some((Cow::Borrowed(key), node?)));
        Ok(hash(&json::write(&Node::Map(fields.collect()))?))
    }

    fn sign(&mut self, key: &RegistrarKey) -> Result<(), WriteError> {
        let sig = b64url(&key.sign(&self.digest()?.0));
        let key = hex(&key.public());
        self.sigs.retain(|other| other.key != key);
        self.sigs.push(RegistrarSignature { key, sig });
        self.sigs.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(())
    }

    fn verify(&self, policy: &Policy, log: &str) -> Result<(), UpdateError> {
        if self.log != log {
            return Err(UpdateError::OtherLog);
        }
        if self.version == 0 {
            return Err(UpdateError::Version);
        }
        let registrars = policy.registrars(&self.org).ok_or_else(|| UpdateError::NoRegistrars(self.org.clone()))?;
        let digest = self.digest()?;
        let mut before: Option<[u8; 32]> = None;
        let mut signed = 0_u64;
        for (at, RegistrarSignature { key, sig }) in (1..).zip(&self.sigs) {
            let key: [u8; 32] = hex_read(key).ok_or(UpdateError::Spelling(at))?;
            let sig = b64url_read(sig).and_then(|sig| <[u8; 64]>::try_from(sig).ok());
            let sig = sig.ok_or(UpdateError::Spelling(at))?;
            if before.is_some_and(|before| before >= key) {
                return Err(UpdateError::Order(at));
            }
            if !registrars.keys.contains(&key) {
                return Err(UpdateError::Stranger(at));
            }
            if !verifies(&key, &digest.0, &sig) {
                return Err(UpdateError::Signature(at));
            }
            before = Some(key);
            signed = signed.saturating_add(1);
        }
        if signed < registrars.needed {
            return Err(UpdateError::TooFew { signed, needed: registrars.needed });
        }
        Ok(())
    }
}
