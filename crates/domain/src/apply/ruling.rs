//! Disputes, settlements, and the last resort: a ruling stands in for what is missing (product, *Handoff*).

use super::incident::seat;
use super::{Verdict, need, open, refuse};
use crate::access;
use crate::caller::Role;
use crate::case::Case;
use crate::case::handoff::{Dispute, Handoff, HandoffState, ProposedRuling, ResultLoop, Signature, WayOn};
use crate::event::Event;
use crate::event::handoff::{
    DisputeWithdrawn, Disputed, PositionStated, Ruled, Ruling, RulingProposed, Settled, Settlement, SettlementProposed,
    TakenOver,
};
use crate::ids::{HandoffId, StationRef};
use crate::refusal::{Reason, Refusal};
use crate::timers::{Duty, Rung};
use crate::values::Code;

pub(super) fn dispute(event: &Event, code: &'static str, by: Option<StationRef>, stated: bool) -> Dispute {
    Dispute {
        at: event.at,
        code: Code::of(code),
        stated: by.iter().filter(|_| stated).cloned().collect(),
        by,
        proposal: None,
        way_on: None,
    }
}

/// Whether the other side's move on this handoff is overdue.
fn overdue(case: &Case, handoff: &Handoff, waiting: &StationRef, event: &Event) -> bool {
    case.ledger.iter().any(|(key, owed)| {
        key.scope == Some(handoff.id.into())
            && key.by.as_ref() == Some(handoff.other(waiting))
            && key.duty != Duty::OfferDelivered
            && (owed.rung > Rung::Duty || event.at > owed.due)
    })
}

pub(super) fn disputed(case: &mut Case, event: &Event, body: &Disputed) -> Verdict {
    let by = seat(event)?;
    let snapshot = case.clone();
    let handoff = open(case, body.handoff)?;
    let (from, late) = (by == handoff.from, overdue(&snapshot, handoff, &by, event));
    match &handoff.state {
        HandoffState::Claimed { refused, .. } => {
            need(!from, Reason::WrongSide)?;
            need(refused.is_some() || late, Reason::NotOverdue)?;
        }
        HandoffState::Countered { .. } | HandoffState::Declined { .. } => need(from, Reason::WrongSide)?,
        HandoffState::Offered | HandoffState::Agreed(_) => need(late, Reason::NotOverdue)?,
        _ => return refuse(Reason::MoveNotLegal),
    }
    let mut stands = dispute(event, "DISPUTED", Some(by), body.position.is_some());
    stands.code = body.code.clone();
    handoff.state = HandoffState::Disputed(stands);
    Ok(())
}

fn disputing(case: &mut Case, id: HandoffId) -> Result<&mut Dispute, Refusal> {
    match &mut open(case, id)?.state {
        HandoffState::Disputed(dispute) => Ok(dispute),
        _ => Err(Refusal::new(Reason::MoveNotLegal)),
    }
}

pub(super) fn position_stated(case: &mut Case, event: &Event, body: &PositionStated) -> Verdict {
    let by = seat(event)?;
    disputing(case, body.handoff)?.stated.insert(by);
    Ok(())
}

pub(super) fn settlement_proposed(case: &mut Case, event: &Event, body: &SettlementProposed) -> Verdict {
    let by = seat(event)?;
    let claimed_only = open(case, body.handoff)?.version == 0;
    // Without a form there is nothing to agree to: the custodian offers, or keeps the case.
    need(!claimed_only || body.outcome == Settlement::Kept, Reason::FormIncomplete)?;
    disputing(case, body.handoff)?.proposal = Some((by, body.outcome));
    Ok(())
}

pub(super) fn settled(case: &mut Case, event: &Event, body: &Settled) -> Verdict {
    let by = seat(event)?;
    let dispute = disputing(case, body.handoff)?;
    let Some((proposer, outcome)) = &dispute.proposal else { return refuse(Reason::MoveNotLegal) };
    need(*proposer != by, Reason::WrongSide)?;
    need(*outcome == body.outcome, Reason::StaleVersion)?;
    match body.outcome {
        Settlement::Kept => open(case, body.handoff)?.state = HandoffState::Kept,
        Settlement::Agreed => dispute.way_on = Some(WayOn::Settled),
    }
    Ok(())
}

pub(super) fn dispute_withdrawn(case: &mut Case, body: &DisputeWithdrawn) -> Verdict {
    disputing(case, body.handoff)?;
    open(case, body.handoff)?.state = HandoffState::Kept;
    Ok(())
}

pub(super) fn proposed(case: &mut Case, event: &Event, body: &RulingProposed) -> Verdict {
    need(access::superior_of(case).is_none(), Reason::WrongSide)?;
    reaches(case, body.ruling, body.handoff)?;
    case.ruling_proposed = Some(ProposedRuling {
        by: event.actor.org.clone(),
        handoff: body.handoff,
        ruling: body.ruling,
        side: body.side.clone(),
    });
    Ok(())
}

/// A ruling needs a matter that has reached the superior: a dispute, a second contest, or an obligation that has
/// climbed to the last rung. An order to take over needs that too, or a custodian whose own duty has climbed there.
fn reaches(case: &Case, ruling: Ruling, handoff: Option<HandoffId>) -> Verdict {
    let disputed = handoff
        .and_then(|id| case.handoff(id))
        .is_some_and(|handoff| matches!(handoff.state, HandoffState::Disputed(_)));
    let contested = matches!(case.result(), Some(ResultLoop::Reported { at_superior: Some(_), .. }));
    let on_last_rung = |duty: Option<Duty>| {
        case.ledger.iter().any(|(key, owed)| {
            owed.rung == Rung::Superior
                && duty.is_none_or(|duty| key.duty == duty)
                && (handoff.is_none() || key.scope.is_none() || key.scope == handoff.map(Into::into))
        })
    };
    let agreed_by_ruling =
        handoff.and_then(|id| case.handoff(id)).and_then(Handoff::agreed).is_some_and(|agreed| agreed.by_ruling);
    let end_refused = case.joint_now().is_some_and(|joint| matches!(joint.end_proposed, Some((_, _, true))));
    let reached = match ruling {
        Ruling::Agreed | Ruling::Kept => disputed || on_last_rung(None),
        Ruling::Signature => agreed_by_ruling || on_last_rung(Some(Duty::Sign)),
        Ruling::Takeover => disputed || agreed_by_ruling || on_last_rung(None),
        Ruling::Receipt => on_last_rung(Some(Duty::RecallReceipt)),
        Ruling::Lead => on_last_rung(Some(Duty::LeadAnswer)),
        Ruling::JointEnd => end_refused || on_last_rung(Some(Duty::JointAnswer)),
        Ruling::Support => on_last_rung(Some(Duty::SupportAnswer)),
        Ruling::Confirmed | Ruling::ReportAgain => contested || on_last_rung(Some(Duty::Confirm)),
    };
    need(reached, Reason::NotAtSuperior)
}

/// An order stands on a ruling of the same command: the event right before it.
pub(super) fn order_stands(case: &Case, body: &TakenOver) -> Verdict {
    let stands = case.ruling_proposed.as_ref().is_some_and(|ruling| {
        ruling.ruling == Ruling::Takeover && ruling.handoff == body.handoff && ruling.side.as_ref() == Some(&body.to)
    });
    need(stands, Reason::NotAtSuperior)
}

pub(super) fn ruled(case: &mut Case, event: &Event, body: &Ruled) -> Verdict {
    reaches(case, body.ruling, body.handoff)?;
    if body.together {
        let seconded = case.ruling_proposed.as_ref().is_some_and(|first| {
            first.by != event.actor.org
                && (first.handoff, first.ruling, &first.side) == (body.handoff, body.ruling, &body.side)
        });
        need(access::superior_of(case).is_none() && seconded, Reason::NotAtSuperior)?;
    } else {
        need(event.actor.role == Role::Superior, Reason::RoleNotAllowed)?;
    }
    case.ruling_proposed = None;
    if body.joint {
        joint_by_ruling(case, event, body.handoff)?;
    }
    match body.ruling {
        Ruling::Agreed => rule_agreed(case, event, body),
        Ruling::Kept => {
            let Some(id) = body.handoff else { return refuse(Reason::HandoffNotFound) };
            let handoff = open(case, id)?;
            need(handoff.state.is_open(), Reason::MoveNotLegal)?;
            handoff.state = HandoffState::Kept;
            Ok(())
        }
        Ruling::Signature => rule_signature(case, event, body),
        Ruling::Takeover => {
            // The takeover itself follows as its own event, in the same command.
            case.ruling_proposed = Some(ProposedRuling {
                by: event.actor.org.clone(),
                handoff: body.handoff,
                ruling: Ruling::Takeover,
                side: body.side.clone(),
            });
            Ok(())
        }
        Ruling::Receipt => {
            let Some(id) = body.handoff else { return refuse(Reason::HandoffNotFound) };
            super::handoff::recall_received(case, &crate::event::handoff::RecallReceived { handoff: id })
        }
        Ruling::Lead => super::joint::lead_by_ruling(case),
        Ruling::JointEnd => super::joint::end_by_ruling(case, event),
        Ruling::Support => super::joint::support_by_ruling(case, event),
        Ruling::Confirmed => super::result::confirmed(case, event, true),
        Ruling::ReportAgain => {
            need(matches!(case.result(), Some(ResultLoop::Reported { .. })), Reason::MoveNotLegal)?;
            super::result::owe_anew(case, event);
            Ok(())
        }
    }
}

/// Joint handling that goes with a ruling: the custodian leads until the two sides say otherwise.
fn joint_by_ruling(case: &mut Case, event: &Event, handoff: Option<HandoffId>) -> Verdict {
    let Some(handoff) = handoff.and_then(|id| case.handoff(id)) else { return refuse(Reason::HandoffNotFound) };
    if case.joint_now().is_some() {
        return Ok(());
    }
    case.joint = Some(crate::case::Joint {
        id: crate::ids::JointId(handoff.id.0),
        at: event.at,
        by: case.custodian.clone(),
        with: handoff.other(&case.custodian).clone(),
        lead: case.custodian.clone(),
        acknowledged: false,
        lead_asked: None,
        end_proposed: None,
        ended: false,
        superior: handoff.terms.as_ref().and_then(|terms| terms.superior.clone()),
    });
    Ok(())
}

/// The form becomes AGREED by the `agreed` event that follows in the same command; until then it is a dispute whose
/// outcome is known.
fn rule_agreed(case: &mut Case, event: &Event, body: &Ruled) -> Verdict {
    let Some(id) = body.handoff else { return refuse(Reason::HandoffNotFound) };
    let handoff = open(case, id)?;
    need(handoff.version > 0, Reason::FormIncomplete)?;
    match &handoff.state {
        HandoffState::Disputed(_)
        | HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Declined { .. } => {
            let ruled = Dispute { way_on: Some(WayOn::Ruled), ..dispute(event, "RULED", None, false) };
            handoff.state = HandoffState::Disputed(ruled);
            Ok(())
        }
        _ => refuse(Reason::MoveNotLegal),
    }
}

fn rule_signature(case: &mut Case, event: &Event, body: &Ruled) -> Verdict {
    let (Some(id), Some(side)) = (body.handoff, &body.side) else { return refuse(Reason::InvalidField) };
    let handoff = open(case, id)?;
    let from = *side == handoff.from;
    need(handoff.has_side(side), Reason::WrongSide)?;
    let HandoffState::Agreed(agreed) = &mut handoff.state else { return refuse(Reason::MoveNotLegal) };
    let slot = if from { &mut agreed.from_signed } else { &mut agreed.to_signed };
    need(slot.is_none(), Reason::AlreadySigned)?;
    *slot = Some(Signature::ByRuling { at: event.at });
    Ok(())
}
