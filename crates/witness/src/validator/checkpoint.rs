//! A checkpoint: the log's own signature, over exactly the entries that were taken.

use super::Validator;
use crate::code::{Code, Refusal};
use handoff_evidence::merkle::Hash;
use handoff_evidence::note::{Checkpoint, Head, SignatureError};
use handoff_evidence::policy::Policy;

impl Validator {
    /// Judges a checkpoint over everything taken. `own`: what the witness stands by; `root_at` gives the own root at a
    /// smaller size.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn checkpoint(
        &self,
        note: &str,
        own: Option<Head>,
        root_at: impl FnOnce(u64) -> Option<Hash>,
    ) -> Result<Checkpoint, Refusal> {
        let index = own.map_or(0, |own| own.size);
        let checkpoint = same_log(&self.policy, &self.origin, note, index)?;
        let Head { size, root } = checkpoint.head;
        if let Some(own) = own {
            contradicts(own, checkpoint.head, root_at)?;
        }
        let taken = self.head();
        if size != taken.size {
            let detail = format!("a checkpoint of {size} entries after {} were sent", taken.size);
            return Err(Refusal::new(Code::SizeDiffers, index, detail));
        }
        if root != taken.root {
            let detail = format!("the entries sent do not give the root signed for size {size}");
            return Err(Refusal::new(Code::RootDiffers, index, detail));
        }
        Ok(checkpoint)
    }
}

/// A note of this log with a good signature of it, within the policy's sizes.
pub(crate) fn same_log(policy: &Policy, origin: &str, note: &str, index: u64) -> Result<Checkpoint, Refusal> {
    let checkpoint = Checkpoint::read(note.as_bytes())
        .map_err(|error| Refusal::new(Code::CheckpointForm, index, error.to_string()))?;
    let log = policy.log(&checkpoint.origin).filter(|_| checkpoint.origin == origin);
    let Some(log) = log else {
        let detail = format!("a checkpoint of {}", checkpoint.origin);
        return Err(Refusal::new(Code::NotTheLog, index, detail));
    };
    checkpoint.verify_log(&log.key).map_err(|error| {
        let code = match error {
            SignatureError::OtherKey | SignatureError::Signature => Code::CheckpointSignature,
        };
        Refusal::new(code, index, error.to_string())
    })?;
    let size = checkpoint.head.size;
    if !log.range().holds(size) {
        return Err(Refusal::new(Code::PolicyRange, index, format!("the policy does not rule size {size}")));
    }
    Ok(checkpoint)
}

/// Whether a checkpoint takes back what the witness stands by.
pub(crate) fn contradicts(own: Head, other: Head, root_at: impl FnOnce(u64) -> Option<Hash>) -> Result<(), Refusal> {
    if other.size > own.size || other == own {
        return Ok(());
    }
    let same = if other.size == own.size { other.root == own.root } else { root_at(other.size) == Some(other.root) };
    if !same {
        let detail = format!("two roots were signed for size {}", other.size);
        return Err(Refusal::new(Code::Fork, own.size, detail));
    }
    let detail = format!("a checkpoint of {} entries after one of {}", other.size, own.size);
    Err(Refusal::new(Code::Rollback, own.size, detail))
}
