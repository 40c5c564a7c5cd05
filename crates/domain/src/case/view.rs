//! What a case tells its readers beside its state: milestones.

use super::handoff::{Handoff, HandoffState, ResultLoop, Signature};
use super::phase::Phase;
use super::{Case, Fact, FactKind, Hand};
use crate::time::Millis;

crate::words! {
    /// How one milestone stands.
    pub enum Mark {
        /// It has happened.
        Done = "DONE",
        /// It is still to come.
        Open = "OPEN",
        /// This case does not need it.
        NotNeeded = "NOT_NEEDED",
        /// A ruling stood in for it.
        ByRuling = "BY_RULING",
    }
}

/// One milestone: how it stands, and who reached it when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// How it stands.
    pub mark: Mark,
    /// When it was reached, by the service's clock.
    pub at: Option<Millis>,
    /// By whom.
    pub by: Option<Hand>,
}

impl Milestone {
    fn open() -> Self {
        Self { mark: Mark::Open, at: None, by: None }
    }

    fn done(at: Millis, by: &Hand) -> Self {
        Self { mark: Mark::Done, at: Some(at), by: Some(by.clone()) }
    }

    fn of_fact(fact: &Fact) -> Self {
        let by = Hand { org: fact.by.org.clone(), officer: fact.officer.clone() };
        Self::done(fact.at, &by)
    }

    /// What is still open when there is no need for it any more.
    fn unless(self, over: bool) -> Self {
        if over && self.mark == Mark::Open { Self { mark: Mark::NotNeeded, ..self } } else { self }
    }
}

/// The milestones of a case (product, *Incident*): facts, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestones {
    /// Received.
    pub received: Milestone,
    /// A unit was assigned.
    pub dispatched: Milestone,
    /// Declared handled.
    pub handled: Milestone,
    /// Custody was transferred.
    pub transferred: Milestone,
    /// One signature per side on the form last taken over, and both duty officers on the result.
    pub signed_off: Milestone,
    /// Closed.
    pub closed: Milestone,
}

impl Case {
    /// How the milestones stand.
    #[must_use]
    pub fn milestones(&self) -> Milestones {
        let phase = self.phase();
        let ended = matches!(phase, Phase::Handled | Phase::Closed);
        let closed = phase == Phase::Closed;
        let counted = || self.facts.iter().filter(|fact| !fact.struck);
        let reached = |found: Option<&Fact>| found.map_or_else(Milestone::open, Milestone::of_fact);
        let sent = counted().find(|fact| match &fact.what {
            FactKind::Unit { .. } => true,
            FactKind::Units { units, .. } => !units.is_empty(),
            FactKind::Handled { .. } | FactKind::Closed | FactKind::Reopened { .. } => false,
        });
        let handled = counted().rfind(|fact| matches!(fact.what, FactKind::Handled { .. })).filter(|_| ended);
        let shut = counted().rfind(|fact| matches!(fact.what, FactKind::Closed)).filter(|_| closed);
        let taken = self.taken_over_by.as_ref();
        let transferred = taken.map_or_else(Milestone::open, |by| Milestone::done(self.custody_since, by));
        Milestones {
            received: Milestone::done(self.opened_at, &self.opened_by),
            dispatched: reached(sent).unless(ended),
            handled: reached(handled),
            transferred: transferred.unless(closed),
            signed_off: self.signed_off().unless(closed),
            closed: reached(shut),
        }
    }

    fn signed_off(&self) -> Milestone {
        let Some(ResultLoop::Confirmed { at, by, by_ruling, .. }) = self.result() else { return Milestone::open() };
        // Custody that moved with no handoff left to show for it moved by an order without a form.
        let ruled = self.last_taken_over().map_or(!self.former.is_empty(), taken_over_by_ruling);
        let mark = if *by_ruling || ruled { Mark::ByRuling } else { Mark::Done };
        Milestone { mark, ..Milestone::done(*at, by) }
    }
}

/// Whether a ruling stood in for the takeover itself or for one of its signatures.
fn taken_over_by_ruling(handoff: &Handoff) -> bool {
    let HandoffState::TakenOver { by_order, agreed, .. } = &handoff.state else { return false };
    let signatures = agreed.iter().flat_map(|agreed| [&agreed.from_signed, &agreed.to_signed]).flatten();
    *by_order || signatures.into_iter().any(Signature::by_ruling)
}

impl Signature {
    /// Whether a ruling stood in.
    #[must_use]
    pub fn by_ruling(&self) -> bool {
        matches!(self, Self::ByRuling { .. })
    }
}
