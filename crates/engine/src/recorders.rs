//! The recorder keys: each event's leaf is signed for the organisation it is recorded for (evidence, 4).

use handoff_domain::ids::{Digest, OrgId};
use handoff_evidence::leaf::{Leaf, RecorderKey};
use handoff_evidence::log::LogKey;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The log's key and the recorder keys that follow from it, each made once.
#[derive(Debug)]
pub struct Recorders {
    log: LogKey,
    /// Signs nothing: for the benchmark that asks what signing costs.
    idle: bool,
    known: RwLock<HashMap<OrgId, Arc<RecorderKey>>>,
}

impl Recorders {
    /// Those of this log.
    #[must_use]
    pub fn new(log: LogKey) -> Self {
        Self { log, idle: false, known: RwLock::default() }
    }

    /// The same, with leaves that nobody signed: a benchmark's floor. Nothing written so can ever be proven.
    #[must_use]
    pub fn idle(log: LogKey) -> Self {
        Self { idle: true, ..Self::new(log) }
    }

    /// The log's key.
    #[must_use]
    pub fn log(&self) -> &LogKey {
        &self.log
    }

    /// An organisation's key.
    #[must_use]
    pub fn of(&self, org: &OrgId) -> Arc<RecorderKey> {
        if let Some(key) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(org) {
            return key.clone();
        }
        let key = Arc::new(self.log.recorder(org));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(org.clone()).or_insert(key).clone()
    }

    /// The leaf of the event with this hash, signed for its organisation.
    #[must_use]
    pub fn sign(&self, org: &OrgId, event: Digest) -> Leaf {
        if self.idle {
            return Leaf::from_parts(event, [0; 64], [0; 32]);
        }
        Leaf::sign(event, &self.of(org))
    }

    /// The leaf of a stored event with its stored signature. Nothing is verified.
    #[must_use]
    pub fn stored(&self, org: &OrgId, event: Digest, signature: [u8; 64]) -> Leaf {
        Leaf::from_parts(event, signature, self.of(org).key_hash())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_organisation_has_a_key_of_its_own_and_a_stored_leaf_is_the_signed_one() {
        let recorders = Recorders::new(LogKey::from_seed(&[7; 32]));
        let [a, b] = ["A", "B"].map(|name| OrgId::new(name).unwrap());
        assert_ne!(recorders.of(&a).public(), recorders.of(&b).public());
        assert_ne!(recorders.of(&a).public(), Recorders::new(LogKey::from_seed(&[8; 32])).of(&a).public());
        let event = Digest([3; 32]);
        let leaf = recorders.sign(&a, event);
        assert_eq!(leaf.verify(event, &recorders.of(&a).public()), Ok(()));
        assert!(leaf.verify(event, &recorders.of(&b).public()).is_err());
        assert_eq!(recorders.stored(&a, event, leaf.signature()), leaf);
    }
}
