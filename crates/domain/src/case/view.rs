//! What a case tells its readers beside its state: milestones.

use super::Case;
use super::handoff::{Handoff, HandoffState, ResultLoop, Signature};
use super::phase::Phase;

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

/// The milestones of a case (product, *Incident*): facts, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestones {
    /// Received.
    pub received: Mark,
    /// A unit was assigned.
    pub dispatched: Mark,
    /// Declared handled.
    pub handled: Mark,
    /// Custody was transferred.
    pub transferred: Mark,
    /// One signature per side on the form last taken over, and both duty officers on the result.
    pub signed_off: Mark,
    /// Closed.
    pub closed: Mark,
}

impl Case {
    /// How the milestones stand.
    #[must_use]
    pub fn milestones(&self) -> Milestones {
        let standing = self.standing();
        let done = |yes: bool| if yes { Mark::Done } else { Mark::Open };
        let ended = matches!(standing.phase, Phase::Handled | Phase::Closed);
        let dispatched = match (standing.assigned, ended) {
            (true, _) => Mark::Done,
            (false, true) => Mark::NotNeeded,
            (false, false) => Mark::Open,
        };
        let closed = standing.phase == Phase::Closed;
        let not_needed = |mark: Mark| if closed && mark == Mark::Open { Mark::NotNeeded } else { mark };
        Milestones {
            received: Mark::Done,
            dispatched,
            handled: done(ended),
            transferred: not_needed(done(!self.former.is_empty())),
            signed_off: not_needed(self.signed_off()),
            closed: done(closed),
        }
    }

    fn signed_off(&self) -> Mark {
        let Some(result) = self.result() else { return Mark::Open };
        let ResultLoop::Confirmed { by_ruling, .. } = result else { return Mark::Open };
        // Custody that moved with no handoff left to show for it moved by an order without a form.
        let ruled = self.last_taken_over().map_or(!self.former.is_empty(), taken_over_by_ruling);
        if *by_ruling || ruled { Mark::ByRuling } else { Mark::Done }
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
