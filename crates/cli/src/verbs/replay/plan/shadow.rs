//! What an officer's screen shows of an incident of the plan. Nobody but the run works on its incidents and timers
//! change no state, so it is known beforehand; that makes a command the same each time the run is started, which a
//! repeated request has to be. The service compares it with its own state and refuses what is stale.

use crate::verbs::replay::step::{Move, Saw};
use handoff_domain::case::handoff::HandoffName;
use handoff_domain::case::phase::Phase;
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::ids::DeploymentId;
use std::collections::BTreeMap;

/// What is shown.
#[derive(Debug)]
pub(super) struct Shadow {
    units: BTreeMap<DeploymentId, UnitStatus>,
    declared: Option<Phase>,
    tenure: u64,
    handoff: Option<HandoffName>,
    result: Option<HandoffName>,
}

impl Default for Shadow {
    fn default() -> Self {
        Self { units: BTreeMap::new(), declared: None, tenure: 1, handoff: None, result: None }
    }
}

impl Shadow {
    fn phase(&self) -> Phase {
        let by_units = if self.units.values().any(|status| *status == UnitStatus::OnScene) {
            Phase::OnScene
        } else if self.units.values().any(|status| status.is_active()) {
            Phase::Dispatched
        } else {
            Phase::Received
        };
        self.declared.unwrap_or(by_units)
    }

    /// What stands on the screen of whoever makes this move; `None` for facts.
    pub(super) fn saw(&self, what: &Move) -> Option<Saw> {
        let phase = Saw::phase(self.phase(), self.tenure);
        match what {
            Move::Agree { .. } | Move::Sign { .. } | Move::TakeOver { .. } => {
                Some(self.handoff.map_or(phase, |state| Saw::handoff(state, self.tenure)))
            }
            Move::Report { .. } | Move::Confirm => {
                Some(self.result.map_or(phase, |state| Saw::result(state, self.tenure)))
            }
            Move::Offer { .. }
            | Move::DeclareJoint { .. }
            | Move::ProposeJointEnd { .. }
            | Move::AgreeJointEnd { .. }
            | Move::DeclareHandled { .. }
            | Move::Close { .. } => Some(phase),
            Move::Receive { .. }
            | Move::Alert { .. }
            | Move::DeliverAlert { .. }
            | Move::SeeAlert
            | Move::AnswerAlert { .. }
            | Move::Unit { .. }
            | Move::Note { .. }
            | Move::Deliver { .. }
            | Move::See { .. }
            | Move::Word { .. }
            | Move::RequestSupport { .. }
            | Move::AnswerSupport { .. }
            | Move::EndSupport { .. }
            | Move::AcknowledgeJoint { .. } => None,
        }
    }

    /// The screen after the move.
    pub(super) fn follow(&mut self, what: &Move) {
        match what {
            Move::Unit { deployment, status, .. } => {
                let fresh = self.units.insert(*deployment, *status).is_none();
                if fresh && status.is_active() && self.declared == Some(Phase::Handled) {
                    self.declared = None;
                }
            }
            Move::Offer { .. } => self.handoff = Some(HandoffName::Offered),
            Move::Agree { .. } => self.handoff = Some(HandoffName::Agreed),
            Move::TakeOver { .. } => {
                (self.handoff, self.result) = (Some(HandoffName::TakenOver), Some(HandoffName::TakenOver));
                self.tenure += 1;
            }
            // A result is owed of joint handling too, under the same word.
            Move::DeclareJoint { .. } => self.result = self.result.or(Some(HandoffName::TakenOver)),
            Move::DeclareHandled { .. } => self.declared = Some(Phase::Handled),
            Move::Report { .. } => self.result = Some(HandoffName::Reported),
            Move::Confirm => self.result = Some(HandoffName::Confirmed),
            Move::Close { .. } => self.declared = Some(Phase::Closed),
            Move::Receive { .. }
            | Move::Alert { .. }
            | Move::DeliverAlert { .. }
            | Move::SeeAlert
            | Move::AnswerAlert { .. }
            | Move::Note { .. }
            | Move::Deliver { .. }
            | Move::See { .. }
            | Move::Word { .. }
            | Move::RequestSupport { .. }
            | Move::AnswerSupport { .. }
            | Move::EndSupport { .. }
            | Move::AcknowledgeJoint { .. }
            | Move::Sign { .. }
            | Move::ProposeJointEnd { .. }
            | Move::AgreeJointEnd { .. } => {}
        }
    }
}
