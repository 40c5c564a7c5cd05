//! What the service says before the stream begins: its newest checkpoint, and the newest it has of this witness.

use super::{Failure, Must, StepError, Witness, refused};
use crate::code::{Code, Refusal};
use crate::mirror::MirrorError;
use crate::validator::{contradicts, same_log};
use handoff_evidence::note::{Checkpoint, Head};

impl Witness {
    /// Compares the service's newest checkpoint with what the witness stands by, so that a service brought back from a
    /// backup is noticed.
    ///
    /// # Errors
    /// [`StepError::Refused`] with `FORK` or `ROLLBACK`, or why the checkpoint is none of this log.
    pub async fn compare(&mut self, note: &str) -> Result<u64, StepError> {
        match self.compared(note).await {
            Ok(head) => Ok(head.size),
            Err(failure) => Err(self.failed(failure).await),
        }
    }

    async fn compared(&mut self, note: &str) -> Result<Head, Failure> {
        let size = self.position();
        let read = same_log(&self.policy, &self.origin, note, size);
        let checkpoint = read.map_err(|refusal| refused(refusal, Some(note)))?;
        let Some(own) = self.state.as_ref().map(|state| state.head) else { return Ok(checkpoint.head) };
        let root = self.own_root(checkpoint.head.size).await?;
        contradicts(own, checkpoint.head, |_| root).map_err(|refusal| refused(refusal, Some(note)))?;
        Ok(checkpoint.head)
    }

    /// The root of the committed tree at a size.
    async fn own_root(&mut self, size: u64) -> Result<Option<[u8; 32]>, MirrorError> {
        let edge = self.mirror.edge(self.position()).await?;
        self.mirror.root_at(&edge, size).await
    }

    /// The newest checkpoint of this witness that the service has. Ahead of the mirror, it says that the mirror is an old
    /// one: nothing is signed before everything up to there has been read and validated again, and has the same root.
    ///
    /// # Errors
    /// [`StepError::Refused`] with `FORK` where it contradicts the mirror.
    pub async fn remind(&mut self, note: &str) -> Result<(), StepError> {
        match self.reminded(note).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.failed(failure).await),
        }
    }

    async fn reminded(&mut self, note: &str) -> Result<(), Failure> {
        let size = self.position();
        let Ok(checkpoint) = same_log(&self.policy, &self.origin, note, size) else {
            tracing::warn!("the service gives something else than a checkpoint of the log as this witness's own");
            return Ok(());
        };
        let (head, cosigner) = (checkpoint.head, self.key.cosigner());
        let own = checkpoint.cosignatures.iter().any(|line| line.verify(&cosigner, &self.origin, &head).is_ok());
        if !own {
            tracing::warn!(size = head.size, "the service names a cosignature of this witness and has none");
            return Ok(());
        }
        if head.size > size {
            tracing::warn!(
                signed = head.size,
                mirror = size,
                "the mirror is older than what this witness signed: nothing is signed before it has caught up"
            );
            self.musts.push(Must { head, note: Some(note.to_owned()) });
            return Ok(());
        }
        if self.own_root(head.size).await? == Some(head.root) {
            return Ok(());
        }
        let detail = format!("this witness signed another root for size {}", head.size);
        Err(refused(Refusal::new(Code::Fork, size, detail), Some(note)))
    }

    /// Keeps a checkpoint with a quorum, with every witness's line, for bundles. One that is ahead of the mirror is left
    /// for later.
    ///
    /// # Errors
    /// [`StepError::Refused`] with `FORK` where it contradicts the mirror.
    pub async fn keep_proven(&mut self, note: &str) -> Result<(), StepError> {
        match self.kept_proven(note).await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.failed(failure).await),
        }
    }

    async fn kept_proven(&mut self, note: &str) -> Result<(), Failure> {
        let Ok(checkpoint) = Checkpoint::read(note.as_bytes()) else { return Ok(()) };
        let head = checkpoint.head;
        let counts = checkpoint.origin == self.origin && self.policy.judge(&checkpoint).is_ok();
        // An open transaction belongs to entries that may be refused yet.
        if !counts || head.size > self.position() || self.mirror.is_writing() {
            return Ok(());
        }
        if self.own_root(head.size).await? != Some(head.root) {
            let detail = format!("the quorum signed another root for size {}", head.size);
            return Err(refused(Refusal::new(Code::Fork, self.position(), detail), Some(note)));
        }
        Ok(self.mirror.keep_proven(&checkpoint).await?)
    }

    /// What is signed and may not be given in yet.
    #[must_use]
    pub fn signed(&self) -> Option<&str> {
        self.state.as_ref()?.cosigned.as_deref()
    }
}
