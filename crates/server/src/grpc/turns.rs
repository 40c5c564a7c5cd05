//! Whose commands are with the writer: a few of each organisation, so that nobody's wait behind all of another's.
//!
//! The writer takes whatever waits into one batch, first come, first served. Under a flood of one side a command of the
//! other would wait for hundreds of commands before it and be written with hundreds. So each organisation has so many
//! turns and no more; its further commands wait for one of their own to be answered, in the order they came, each in its
//! call's place. Facts and decisions have turns of their own: a dispatch system that sends too much does not hold up its
//! station's officers.

use handoff_domain::ids::OrgId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// The turns of one organisation.
#[derive(Debug)]
struct Own {
    facts: Arc<Semaphore>,
    decisions: Arc<Semaphore>,
}

/// The turns of all, made as they are asked for: only verified callers ask, so there are no more than organisations.
#[derive(Debug)]
pub(super) struct Turns {
    max: usize,
    of: Mutex<HashMap<OrgId, Own>>,
}

impl Turns {
    /// So many facts and so many decisions of each organisation at once.
    pub(super) fn new(max: usize) -> Self {
        Self { max, of: Mutex::default() }
    }

    /// The turns of an organisation's facts or decisions. Whoever waits longest gets the next.
    pub(super) fn of(&self, org: &OrgId, decides: bool) -> Arc<Semaphore> {
        let mut all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = || Arc::new(Semaphore::new(self.max));
        let own = all.entry(org.clone()).or_insert_with(|| Own { facts: turns(), decisions: turns() });
        if decides { own.decisions.clone() } else { own.facts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_organisation_has_turns_of_its_own_and_its_facts_and_decisions_too() {
        let turns = Turns::new(2);
        let org = |name: &str| OrgId::new(name).unwrap();
        let take = |name, decides| turns.of(&org(name), decides).try_acquire_owned();
        let facts: Vec<_> = std::iter::from_fn(|| take("A", false).ok()).collect();
        assert_eq!(facts.len(), 2);
        assert!(take("A", true).is_ok(), "a decision of the same side");
        assert!(take("B", false).is_ok(), "the other side");
        drop(facts);
        assert!(take("A", false).is_ok(), "a turn comes back");
    }
}
