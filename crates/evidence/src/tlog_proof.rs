//! The C2SP tlog-proof of one entry (evidence, 4): index, path and the checkpoint they lead to.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64(leaf)>
//! index <index>
//! <base64(hash)>                   one per hash of the path, the leaf's sibling first
//! (empty)
//! <checkpoint>
//! ```
//!
//! `extra` is signed by nobody but through the path: it may be compared, never believed (evidence, 14).

use crate::leaf::{LEAF_BYTES, Leaf};
use crate::lines::{LineError, Lines, b64, b64_read, number_read};
use crate::merkle::{self, Hash, PATH_MAX};
use crate::note::{Checkpoint, Cosigner};
use crate::sigsum::ProofError;
use handoff_domain::ids::Digest;

/// The first line.
const MARK: &str = "c2sp.org/tlog-proof@v1";

/// A proof. [`read`](Self::read) verifies nothing, [`verify`](Self::verify) everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The leaf.
    pub extra: Leaf,
    /// Its index, from 0.
    pub index: u64,
    /// The inclusion path, the leaf's sibling first.
    pub path: Vec<Hash>,
    /// The tree, with its signatures.
    pub checkpoint: Checkpoint,
}

impl TlogProof {
    /// The text of the proof.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = format!("{MARK}\nextra {}\nindex {}\n", b64(&self.extra.bytes()), self.index);
        for hash in &self.path {
            text.extend([&b64(hash), "\n"]);
        }
        text.push('\n');
        text.push_str(&self.checkpoint.write());
        text
    }

    /// Reads a proof as [`write`](Self::write) writes it. Nothing is verified.
    ///
    /// # Errors
    /// [`LineError`] for any other bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, LineError> {
        let mut lines = Lines::new(bytes)?;
        lines.exactly(MARK, MARK)?;
        let extra = lines.value("extra ", "the leaf in base64", b64_read::<LEAF_BYTES>)?;
        let index = lines.value("index ", "the index of the leaf", number_read)?;
        let mut path = Vec::new();
        while !lines.at_empty_line() && path.len() < PATH_MAX {
            path.push(lines.value("", "a hash of the path in base64, or an empty line", b64_read)?);
        }
        lines.exactly("", "an empty line")?;
        let checkpoint = Checkpoint::read_rest(lines)?;
        Ok(Self { extra: Leaf::from_bytes(&extra), index, path, checkpoint })
    }

    /// Checks everything the proof says: that the event with this hash was recorded by the key `recorder` at this
    /// index of the tree that the log and every witness named in the proof signed. Whether these witnesses are enough
    /// is the policy's to say.
    ///
    /// # Errors
    /// [`ProofError`], also for a line of a witness that is not one of `witnesses`.
    pub fn verify(
        &self,
        event: Digest,
        recorder: &[u8; 32],
        log: &[u8; 32],
        witnesses: &[Cosigner],
    ) -> Result<(), ProofError> {
        self.extra.verify(event, recorder).map_err(ProofError::Leaf)?;
        self.checkpoint.verify(log, witnesses).map_err(ProofError::Head)?;
        let head = &self.checkpoint.head;
        merkle::verify_inclusion(&self.extra.hash(), self.index, head.size, &self.path, &head.root)
            .map_err(ProofError::Inclusion)
    }
}

#[cfg(test)]
mod tests;
