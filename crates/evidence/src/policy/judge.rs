use super::{Policy, Range};
use crate::note::{Checkpoint, Cosigner, HeadError};
use std::collections::BTreeSet;

/// Why a head does not count under a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// Of a log the policy does not list.
    #[error("the policy does not list the log {0}")]
    Log(String),
    /// Outside the sizes the policy rules.
    #[error("the policy does not rule size {0} of this log")]
    Size(u64),
    /// A signature of the log or of a witness.
    #[error("a signature of the head does not count")]
    Head(#[from] HeadError),
    /// Too few witnesses, or not those that are needed.
    #[error("no quorum: cosigned by {}", if verified.is_empty() { "nobody".to_owned() } else { verified.join(", ") })]
    Quorum {
        /// Names inside the policy of those whose cosignatures hold.
        verified: Vec<String>,
    },
}

impl Policy {
    /// The witnesses as the checkpoint's reader knows them.
    #[must_use]
    pub fn cosigners(&self) -> Vec<Cosigner> {
        let witnesses = self.parts.witnesses.iter();
        witnesses.map(|witness| Cosigner { name: witness.key_name.clone(), public: witness.key }).collect()
    }

    /// Whether a checkpoint counts (evidence, 12, C2): a listed log within its sizes, every signature in it holds, and
    /// the witnesses, each counted once, are a quorum.
    ///
    /// # Errors
    /// [`JudgeError`]. A line of a stranger is refused too: it would be a part of the checkpoint that nobody checks.
    pub fn judge(&self, checkpoint: &Checkpoint) -> Result<(), JudgeError> {
        let log = self.log(&checkpoint.origin).ok_or_else(|| JudgeError::Log(checkpoint.origin.clone()))?;
        let sizes: Range = log.range();
        if !sizes.holds(checkpoint.head.size) {
            return Err(JudgeError::Size(checkpoint.head.size));
        }
        checkpoint.verify(&log.key, &self.cosigners())?;
        let lines = checkpoint.cosignatures.iter();
        let verified: BTreeSet<&str> =
            lines.filter_map(|line| self.witness(&line.name)).map(|witness| witness.name.as_str()).collect();
        if self.quorum(&verified) {
            return Ok(());
        }
        Err(JudgeError::Quorum { verified: verified.into_iter().map(str::to_owned).collect() })
    }
}
