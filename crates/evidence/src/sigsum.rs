//! The Sigsum proof of one entry (evidence, 4), which standard verifiers of Sigsum accept as it is.
//!
//! ```text
//! version=2
//! log=<hex SHA-256(log.pub)>
//! leaf=<hex SHA-256(K.pub)> <hex leaf signature>
//! (empty)
//! size=<leaves>
//! root_hash=<hex>
//! signature=<hex, the log's>
//! cosignature=<hex SHA-256(wit.pub)> <T> <hex>        one per witness, in the order of key hashes
//! (empty)
//! leaf_index=<index>
//! node_hash=<hex>                                     the leaf's sibling first
//! ```
//!
//! A tree of one leaf has another form there, which not all verifiers read alike; entry 0 is `log_opened`, so no
//! proof is ever about such a tree, and none is written or read.

use crate::leaf::{Leaf, LeafError, key_hash};
use crate::lines::{LineError, Lines, hex, hex_read, number_read};
use crate::log::origin_of;
use crate::merkle::{self, Hash, MerkleError, PATH_MAX};
use crate::note::{self, COSIGNATURES_MAX, Checkpoint, Cosignature, Cosigner, Head, HeadError, SignatureError};
use handoff_domain::ids::Digest;

/// Smallest tree a proof is about.
pub const SIZE_MIN: u64 = 2;

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not that of the event and the recorder key.
    #[error("wrong leaf")]
    Leaf(#[source] LeafError),
    /// The head is not signed as the proof says.
    #[error("wrong tree head")]
    Head(#[source] HeadError),
    /// The leaf is not in the tree at this index.
    #[error("wrong inclusion")]
    Inclusion(#[source] MerkleError),
}

/// A witness's line in a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedCosignature {
    /// SHA-256 of the witness's public key.
    pub key_hash: [u8; 32],
    /// When it was signed by the witness's clock, in POSIX seconds.
    pub at: u64,
    /// The same signature as in the checkpoint.
    pub signature: [u8; 64],
}

impl KeyedCosignature {
    /// The line of a checkpoint, made by this witness.
    #[must_use]
    pub fn new(cosignature: &Cosignature, cosigner: &Cosigner) -> Self {
        let Cosignature { at, signature, .. } = cosignature;
        Self { key_hash: key_hash(&cosigner.public), at: *at, signature: *signature }
    }
}

/// A proof. [`read`](Self::read) verifies nothing, [`verify`](Self::verify) everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigsumProof {
    /// SHA-256 of the log's public key.
    pub log: [u8; 32],
    /// SHA-256 of the recorder key's public half.
    pub submitter: [u8; 32],
    /// The recorder key's signature in the leaf.
    pub leaf_signature: [u8; 64],
    /// The tree.
    pub head: Head,
    /// The log's signature over the head.
    pub head_signature: [u8; 64],
    /// The witnesses' lines, each witness once; [`write`](Self::write) puts them in the order of the key hashes.
    pub cosignatures: Vec<KeyedCosignature>,
    /// The leaf's index, from 0.
    pub index: u64,
    /// The inclusion path, the leaf's sibling first.
    pub path: Vec<Hash>,
}

impl SigsumProof {
    /// The proof that `leaf` is number `index` of a checkpoint's tree. Lines of witnesses that are not among
    /// `witnesses` are left out.
    #[must_use]
    pub fn new(
        log: &[u8; 32],
        leaf: &Leaf,
        index: u64,
        path: Vec<Hash>,
        checkpoint: &Checkpoint,
        witnesses: &[Cosigner],
    ) -> Self {
        let keyed = |line: &Cosignature| {
            let witness = witnesses.iter().find(|witness| line.is_of(witness))?;
            Some(KeyedCosignature::new(line, witness))
        };
        Self {
            log: key_hash(log),
            submitter: leaf.key_hash(),
            leaf_signature: leaf.signature(),
            head: checkpoint.head,
            head_signature: checkpoint.log.signature,
            cosignatures: checkpoint.cosignatures.iter().filter_map(keyed).collect(),
            index,
            path,
        }
    }

    /// The text of the proof. None for a tree below [`SIZE_MIN`].
    #[must_use]
    pub fn write(&self) -> Option<String> {
        if self.head.size < SIZE_MIN {
            return None;
        }
        let mut text = format!(
            "version=2\nlog={}\nleaf={} {}\n\nsize={}\nroot_hash={}\nsignature={}\n",
            hex(&self.log),
            hex(&self.submitter),
            hex(&self.leaf_signature),
            self.head.size,
            hex(&self.head.root),
            hex(&self.head_signature),
        );
        let mut cosignatures: Vec<_> = self.cosignatures.iter().collect();
        cosignatures.sort_by_key(|line| line.key_hash);
        for KeyedCosignature { key_hash, at, signature } in cosignatures {
            text.extend(["cosignature=", &hex(key_hash), " ", &at.to_string(), " ", &hex(signature), "\n"]);
        }
        text.extend(["\nleaf_index=", &self.index.to_string(), "\n"]);
        for hash in &self.path {
            text.extend(["node_hash=", &hex(hash), "\n"]);
        }
        Some(text)
    }

    /// Reads a proof as [`write`](Self::write) writes it. Nothing is verified.
    ///
    /// # Errors
    /// [`LineError`] for any other bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, LineError> {
        let mut lines = Lines::new(bytes)?;
        lines.exactly("version=2", "version=2")?;
        let log = lines.value("log=", "the hash of the log's key", hex_read)?;
        let (submitter, leaf_signature) = lines.value("leaf=", "key hash and signature of the leaf", |line| {
            let (key_hash, signature) = line.split_once(' ')?;
            Some((hex_read(key_hash)?, hex_read(signature)?))
        })?;
        lines.exactly("", "an empty line")?;
        let size = |line| number_read(line).filter(|size| *size >= SIZE_MIN);
        let size = lines.value("size=", "the size of a tree of two leaves and more", size)?;
        let root = lines.value("root_hash=", "the root of the tree", hex_read)?;
        let head_signature = lines.value("signature=", "the log's signature", hex_read)?;
        let cosignatures = lines.values("cosignature=", COSIGNATURES_MAX, "a witness's signature", read_cosignature)?;
        if !cosignatures.is_sorted_by(|one, next| one.key_hash < next.key_hash) {
            return Err(lines.fault("the witnesses in the order of their key hashes, each once"));
        }
        lines.exactly("", "an empty line")?;
        let index = lines.value("leaf_index=", "the index of the leaf", number_read)?;
        let path = lines.values("node_hash=", PATH_MAX, "a hash of the path", hex_read)?;
        lines.end()?;
        let head = Head { size, root };
        Ok(Self { log, submitter, leaf_signature, head, head_signature, cosignatures, index, path })
    }

    /// The leaf, for the event with this hash.
    #[must_use]
    pub fn leaf(&self, event: Digest) -> Leaf {
        Leaf::from_parts(event, self.leaf_signature, self.submitter)
    }

    /// Checks everything the proof says: that the event with this hash was recorded by the key `recorder` at this
    /// index of the tree that the log and every witness named in the proof signed. Whether these witnesses are enough
    /// is the policy's to say.
    ///
    /// # Errors
    /// [`ProofError`]. A witness that is not one of `witnesses` is an error too: its line would be the one part of
    /// a proof that nobody checks.
    pub fn verify(
        &self,
        event: Digest,
        recorder: &[u8; 32],
        log: &[u8; 32],
        witnesses: &[[u8; 32]],
    ) -> Result<(), ProofError> {
        let leaf = self.leaf(event);
        leaf.verify(event, recorder).map_err(ProofError::Leaf)?;
        if self.log != key_hash(log) {
            return Err(ProofError::Head(HeadError::Log(SignatureError::OtherKey)));
        }
        note::verify_log(log, &self.head, &self.head_signature).map_err(HeadError::Log).map_err(ProofError::Head)?;
        let origin = origin_of(log);
        for (at, line) in self.cosignatures.iter().enumerate() {
            let witness = witnesses.iter().find(|public| key_hash(public) == line.key_hash);
            witness
                .ok_or(SignatureError::OtherKey)
                .and_then(|public| note::verify_cosignature(public, &origin, &self.head, line.at, &line.signature))
                .map_err(|source| ProofError::Head(HeadError::Cosignature { place: at + 1, source }))?;
        }
        merkle::verify_inclusion(&leaf.hash(), self.index, self.head.size, &self.path, &self.head.root)
            .map_err(ProofError::Inclusion)
    }
}

fn read_cosignature(line: &str) -> Option<KeyedCosignature> {
    let (key_hash, rest) = line.split_once(' ')?;
    let (at, signature) = rest.split_once(' ')?;
    Some(KeyedCosignature { key_hash: hex_read(key_hash)?, at: number_read(at)?, signature: hex_read(signature)? })
}

#[cfg(test)]
mod tests;
