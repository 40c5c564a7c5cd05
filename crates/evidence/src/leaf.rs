//! One entry of the log (evidence, 4): 128 bytes, made by the recorder key of the organisation an event is recorded
//! for.
//!
//! ```text
//! message  = SHA-256(event bytes)      checksum = SHA-256(message)
//! leaf     = checksum[32] || Ed25519(K, "sigsum.org/v1/tree-leaf" 0x00 || checksum)[64] || SHA-256(K.pub)[32]
//! ```
//!
//! Sigsum hashes twice: a digest here is always that of the event bytes (`event::hash`), the message; its own digest,
//! the checksum, is made in this module and nowhere else.

use crate::ed25519;
use crate::merkle::{self, Hash};
use ed25519_dalek::{Signer, SigningKey};
use handoff_domain::ids::Digest;
use sha2::{Digest as _, Sha256};

/// What stands before the checksum where it is signed; the last byte is zero.
const CONTEXT: &[u8] = b"sigsum.org/v1/tree-leaf\0";

/// Length of a leaf, in bytes.
pub const LEAF_BYTES: usize = 128;

/// An organisation's recorder key, Ed25519. Wiped when dropped; `Debug` shows only its hash.
#[derive(Clone)]
pub struct RecorderKey(SigningKey);

impl std::fmt::Debug for RecorderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RecorderKey").field(&Digest(self.key_hash())).finish()
    }
}

impl RecorderKey {
    /// The key of a 32-byte seed (RFC 8032), drawn elsewhere.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// SHA-256 of the public key, as it stands in every leaf.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 32] {
        key_hash(&self.public())
    }
}

/// SHA-256 of a public key: how Sigsum names the keys of log, submitter and witness.
#[must_use]
pub fn key_hash(public: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(public).into()
}

/// SHA-256 of the message, which is SHA-256 of the event bytes.
#[must_use]
pub fn checksum(event: Digest) -> [u8; 32] {
    Sha256::digest(event.0).into()
}

/// Why a leaf is not that of an event and a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// It is the leaf of other bytes.
    #[error("the leaf is that of another event")]
    OtherEvent,
    /// Another key signed it, or says it did.
    #[error("the leaf names another recorder key")]
    OtherKey,
    /// Its signature does not verify.
    #[error("the leaf's signature does not verify")]
    Signature,
}

/// A leaf. Any 128 bytes are one; [`verify`](Self::verify) tells whether it means something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    checksum: [u8; 32],
    signature: [u8; 64],
    key_hash: [u8; 32],
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (checksum, key_hash) = (Digest(self.checksum), Digest(self.key_hash));
        f.debug_struct("Leaf").field("checksum", &checksum).field("key_hash", &key_hash).finish_non_exhaustive()
    }
}

impl Leaf {
    /// The leaf of the event with this hash, signed by `key`.
    #[must_use]
    pub fn sign(event: Digest, key: &RecorderKey) -> Self {
        let checksum = checksum(event);
        Self { checksum, signature: key.0.sign(&signed(&checksum)).to_bytes(), key_hash: key.key_hash() }
    }

    /// The leaf of the event with this hash and what a proof says beside it. Nothing is verified.
    #[must_use]
    pub fn from_parts(event: Digest, signature: [u8; 64], key_hash: [u8; 32]) -> Self {
        Self { checksum: checksum(event), signature, key_hash }
    }

    /// The leaf of these bytes. Nothing is verified.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; LEAF_BYTES]) -> Self {
        let (mut checksum, mut signature, mut key_hash) = ([0; 32], [0; 64], [0; 32]);
        let to = checksum.iter_mut().chain(&mut signature).chain(&mut key_hash);
        to.zip(bytes).for_each(|(to, byte)| *to = *byte);
        Self { checksum, signature, key_hash }
    }

    /// The leaf's bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; LEAF_BYTES] {
        let mut bytes = [0; LEAF_BYTES];
        let from = self.checksum.iter().chain(&self.signature).chain(&self.key_hash);
        bytes.iter_mut().zip(from).for_each(|(to, byte)| *to = *byte);
        bytes
    }

    /// SHA-256 of the event's hash.
    #[must_use]
    pub fn checksum(&self) -> [u8; 32] {
        self.checksum
    }

    /// The recorder key's signature.
    #[must_use]
    pub fn signature(&self) -> [u8; 64] {
        self.signature
    }

    /// SHA-256 of the recorder key's public half.
    #[must_use]
    pub fn key_hash(&self) -> [u8; 32] {
        self.key_hash
    }

    /// The leaf's hash in the tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        merkle::leaf_hash(&self.bytes())
    }

    /// Checks that this is the leaf of the event with this hash, signed by the key `public`.
    ///
    /// # Errors
    /// [`LeafError`] says which of the three parts is wrong.
    pub fn verify(&self, event: Digest, public: &[u8; 32]) -> Result<(), LeafError> {
        if self.checksum != checksum(event) {
            return Err(LeafError::OtherEvent);
        }
        if self.key_hash != key_hash(public) {
            return Err(LeafError::OtherKey);
        }
        let verifies = ed25519::verifies(public, &signed(&self.checksum), &self.signature);
        if verifies { Ok(()) } else { Err(LeafError::Signature) }
    }
}

/// The bytes that are signed.
fn signed(checksum: &[u8; 32]) -> Vec<u8> {
    [CONTEXT, checksum].concat()
}

#[cfg(test)]
mod tests;
