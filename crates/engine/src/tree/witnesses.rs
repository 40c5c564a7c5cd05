//! The witnesses of the policy: whose signature of which head is there, and who refuses (evidence, 6).
//!
//! Nothing waits for a witness. What is told here is how far each of them is, and up to which head their signatures are
//! the quorum of the policy: "closed" and "closed and proven" are two facts.

use super::Tree;
use crate::engine::Engine;
use crate::job::NoAnswer;
use handoff_evidence::note::{Checkpoint, Cosignature, Cosigner, Head};
use handoff_evidence::policy::Policy;
use handoff_store::batch::NUMBER_MAX;
use handoff_store::rows::CosignatureRow;
use handoff_store::{Reader, StoreError};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Heads looked at to find one with a quorum: witnesses that work sign the newest within a second.
const HEADS_LOOKED_AT_MAX: u32 = 128;

/// Why a witness does not sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The first entry it refuses.
    pub index: u64,
    /// Its code.
    pub code: String,
}

/// How far one witness is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Entries of the newest head it signed.
    pub signed: u64,
    /// Why it signs no further.
    pub refused: Option<Refused>,
}

/// The policy this service works under, and what its witnesses say.
#[derive(Debug)]
pub struct Witnesses {
    policy: Policy,
    refused: Mutex<BTreeMap<String, Refused>>,
    /// Entries of the newest head with a quorum; 0 for none.
    proven: watch::Sender<u64>,
}

/// Why a signature is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum CosignError {
    /// It is no note, or it has not exactly one line of a witness.
    #[error("it is no checkpoint with one line of a witness")]
    Note,
    /// It is of another tree than this service's.
    #[error("it is the checkpoint of another tree")]
    OtherTree,
    /// No policy names the witness.
    #[error("the policy names no such witness")]
    Stranger,
    /// The line does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The store does not answer.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
    /// The writer did not take it in; asking again is safe.
    #[error("it is not kept")]
    NotKept(#[source] NoAnswer),
}

impl Witnesses {
    /// Those of a policy. Nothing is known to be proven before [`look`](Self::look).
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, refused: Mutex::default(), proven: watch::Sender::default() }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Entries of the newest head with a quorum, and each change of it.
    #[must_use]
    pub fn proven(&self) -> watch::Receiver<u64> {
        self.proven.subscribe()
    }

    /// Finds out what the stored signatures prove.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn look(&self, tree: &Tree, reader: &dyn Reader) -> Result<(), StoreError> {
        let newest = self.last_up_to(tree, reader, NUMBER_MAX).await?.map_or(0, |checkpoint| checkpoint.head.size);
        self.rise(newest);
        Ok(())
    }

    fn rise(&self, size: u64) {
        self.proven.send_if_modified(|proven| {
            let rises = size > *proven;
            *proven = (*proven).max(size);
            rises
        });
    }

    /// Takes a witness's line in.
    ///
    /// # Errors
    /// [`CosignError`].
    pub async fn take(&self, engine: &Engine, note: &str) -> Result<(), CosignError> {
        let checkpoint = Checkpoint::read(note.as_bytes()).map_err(|_| CosignError::Note)?;
        let [line] = checkpoint.cosignatures.as_slice() else { return Err(CosignError::Note) };
        let tree = engine.tree();
        if checkpoint.origin != tree.recorders().log().origin() {
            return Err(CosignError::OtherTree);
        }
        let witness = self.policy.cosigners().into_iter().find(|cosigner| line.is_of(cosigner));
        let witness = witness.ok_or(CosignError::Stranger)?;
        let head = checkpoint.head;
        line.verify(&witness, &checkpoint.origin, &head).map_err(|_| CosignError::Signature)?;
        let stored = engine.reader().tree_head(head.size).await.map_err(CosignError::Store)?;
        if stored.is_none_or(|stored| (stored.size, stored.root) != (head.size, head.root)) {
            // Signed and not noted here: somebody else holds the log's key, or the database is an old one.
            return Err(CosignError::OtherTree);
        }
        let row = row(head.size, &witness, line);
        engine.note_tree(Vec::new(), None, vec![row]).await.map_err(CosignError::NotKept)?;
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(&witness.name);
        let known = tree.checkpoint(engine.reader(), head, Some(self)).await.map_err(CosignError::Store)?;
        if self.policy.judge(&known).is_ok() {
            self.rise(head.size);
        }
        Ok(())
    }

    /// A witness says that it does not sign. `false` where the policy names no witness so.
    pub fn refuse(&self, name: &str, refused: Refused) -> bool {
        let known = self.policy.cosigners().iter().any(|cosigner| cosigner.name == name);
        if known {
            tracing::error!(witness = name, index = refused.index, code = refused.code, "a witness refuses to sign");
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), refused);
        }
        known
    }

    /// How far each witness is, in the policy's order.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn standings(&self, reader: &dyn Reader) -> Result<Vec<Standing>, StoreError> {
        let mut standings = Vec::new();
        for Cosigner { name, public } in self.policy.cosigners() {
            let signed = reader.cosigned_last(public).await?.map_or(0, |row| row.size);
            let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
            standings.push(Standing { name, signed, refused });
        }
        Ok(standings)
    }

    /// The first checkpoint of at least so many entries that has a quorum, as far as one is found.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn first_from(
        &self,
        tree: &Tree,
        reader: &dyn Reader,
        size: u64,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let mut from = size;
        for _ in 0..HEADS_LOOKED_AT_MAX {
            let Some(head) = reader.tree_head_from(from).await? else { return Ok(None) };
            let checkpoint = tree.checkpoint(reader, Head { size: head.size, root: head.root }, Some(self)).await?;
            if self.policy.judge(&checkpoint).is_ok() {
                return Ok(Some(checkpoint));
            }
            from = head.size + 1;
        }
        // Witnesses were away for long; the newest they agreed on may cover it all the same.
        let newest = self.last_up_to(tree, reader, NUMBER_MAX).await?;
        Ok(newest.filter(|checkpoint| checkpoint.head.size >= size))
    }

    /// The newest checkpoint of at most so many entries that has a quorum.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn last_up_to(
        &self,
        tree: &Tree,
        reader: &dyn Reader,
        size: u64,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let mut up_to = size;
        for _ in 0..HEADS_LOOKED_AT_MAX {
            let Some(head) = reader.tree_head(up_to).await? else { return Ok(None) };
            let checkpoint = tree.checkpoint(reader, Head { size: head.size, root: head.root }, Some(self)).await?;
            if self.policy.judge(&checkpoint).is_ok() {
                return Ok(Some(checkpoint));
            }
            let Some(below) = head.size.checked_sub(1) else { return Ok(None) };
            up_to = below;
        }
        Ok(None)
    }
}

impl Tree {
    /// The signed checkpoint of a stored head, with the lines of the policy's witnesses. A head is signed anew each time:
    /// the signature is the same.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn checkpoint(
        &self,
        reader: &dyn Reader,
        head: Head,
        witnesses: Option<&Witnesses>,
    ) -> Result<Checkpoint, StoreError> {
        let mut checkpoint = Checkpoint::sign(self.recorders().log(), head);
        if let Some(witnesses) = witnesses {
            let cosigners = witnesses.policy.cosigners();
            for row in reader.cosignatures(head.size).await? {
                // A witness that is in the policy no more proves nothing more.
                if let Some(cosigner) = cosigners.iter().find(|cosigner| cosigner.public == row.key) {
                    checkpoint.cosignatures.push(Cosignature {
                        name: cosigner.name.clone(),
                        key_id: cosigner.key_id(),
                        at: row.at,
                        signature: row.signature,
                    });
                }
            }
        }
        Ok(checkpoint)
    }
}

fn row(size: u64, witness: &Cosigner, line: &Cosignature) -> CosignatureRow {
    CosignatureRow { size, key: witness.public, name: witness.name.clone(), at: line.at, signature: line.signature }
}
