//! Disputes and how the two sides end them; what the superior does is in [`super::ruling`].

use super::handoff::decides;
use super::incident::seat;
use super::{Verdict, named, need, refuse};
use crate::case::Case;
use crate::case::handoff::{Dispute, Handoff, HandoffState, WayOn};
use crate::event::Event;
use crate::event::handoff::{DisputeWithdrawn, Disputed, PositionStated, Settled, Settlement, SettlementProposed};
use crate::ids::{HandoffId, StationRef};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::timers::{Duty, Rung};
use crate::values::Code;
use std::collections::BTreeSet;

fn new(at: Millis, code: Code, by: Option<StationRef>) -> Dispute {
    Dispute { at, code, by, stated: BTreeSet::new(), proposal: None, way_on: None }
}

/// The second decline of an incident by one station.
pub(super) fn second_decline(event: &Event) -> HandoffState {
    HandoffState::Disputed(new(event.at, Code::of("SECOND_DECLINE"), None))
}

/// A ruling has agreed in the receiver's place; the `agreed` entry follows.
pub(super) fn ruled(event: &Event) -> HandoffState {
    let dispute = new(event.at, Code::of("RULED"), None);
    HandoffState::Disputed(Dispute { way_on: Some(WayOn::Ruled), ..dispute })
}

/// Whether the other side's move on this handoff is overdue, strictly after its time. An offer its system has not
/// taken in is not the other side's silence.
pub(crate) fn overdue(case: &Case, handoff: &Handoff, waiting: &StationRef, now: Millis) -> bool {
    case.ledger.iter().any(|(key, owed)| {
        key.scope == Some(handoff.id.into())
            && key.by.as_ref() == Some(handoff.other(waiting))
            && key.duty != Duty::OfferDelivered
            && (owed.rung > Rung::Duty || now > owed.due)
    })
}

pub(super) fn disputed(case: &mut Case, event: &Event, body: &Disputed) -> Verdict {
    let by = seat(event)?;
    let Some(handoff) = case.handoff(body.handoff) else { return refuse(Reason::HandoffNotFound) };
    let (from, late) = (by == handoff.from, overdue(case, handoff, &by, event.at));
    match &handoff.state {
        HandoffState::Claimed { refused, .. } => {
            need(!from, Reason::WrongSide)?;
            need(refused.is_some() || late, Reason::NotOverdue)?;
        }
        HandoffState::Countered { .. } | HandoffState::Declined { .. } => need(from, Reason::WrongSide)?,
        HandoffState::Offered => need(late, Reason::NotOverdue)?,
        // A ruling is binding: whoever waits under one goes back to the superior, not into a dispute one side can end.
        HandoffState::Agreed(agreed) if agreed.by_ruling => return refuse(Reason::MoveNotLegal),
        HandoffState::Agreed(_) => need(late, Reason::NotOverdue)?,
        HandoffState::Disputed(_)
        | HandoffState::Kept
        | HandoffState::Recalled { .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => return refuse(Reason::MoveNotLegal),
    }
    let mut dispute = new(event.at, body.code.clone(), Some(by.clone()));
    dispute.stated.extend(body.position.is_some().then_some(by));
    let handoff = named(case, body.handoff)?;
    decides(handoff, event)?;
    handoff.state = HandoffState::Disputed(dispute);
    Ok(())
}

fn disputing(handoff: &mut Handoff) -> Result<&mut Dispute, Refusal> {
    let HandoffState::Disputed(dispute) = &mut handoff.state else { return Err(Refusal::new(Reason::MoveNotLegal)) };
    Ok(dispute)
}

fn running(case: &mut Case, id: HandoffId) -> Result<&mut Handoff, Refusal> {
    let handoff = named(case, id)?;
    disputing(handoff)?;
    Ok(handoff)
}

pub(super) fn position_stated(case: &mut Case, event: &Event, body: &PositionStated) -> Verdict {
    let by = seat(event)?;
    disputing(named(case, body.handoff)?)?.stated.insert(by);
    Ok(())
}

pub(super) fn settlement_proposed(case: &mut Case, event: &Event, body: &SettlementProposed) -> Verdict {
    let by = seat(event)?;
    let handoff = running(case, body.handoff)?;
    // Without a form there is nothing to agree to: the custodian offers, or keeps the case.
    need(handoff.version > 0 || body.outcome == Settlement::Kept, Reason::FormIncomplete)?;
    decides(handoff, event)?;
    disputing(handoff)?.proposal = Some((by, body.outcome));
    Ok(())
}

pub(super) fn settled(case: &mut Case, event: &Event, body: &Settled) -> Verdict {
    let by = seat(event)?;
    let handoff = running(case, body.handoff)?;
    decides(handoff, event)?;
    let dispute = disputing(handoff)?;
    let Some((proposer, outcome)) = &dispute.proposal else { return refuse(Reason::MoveNotLegal) };
    need(*proposer != by, Reason::WrongSide)?;
    need(*outcome == body.outcome, Reason::StaleVersion)?;
    match body.outcome {
        Settlement::Kept => handoff.state = HandoffState::Kept,
        Settlement::Agreed => dispute.way_on = Some(WayOn::Settled),
    }
    Ok(())
}

/// The offerer withdraws what it offered; a claim is not the custodian's to withdraw.
pub(super) fn withdrawn(case: &mut Case, event: &Event, body: &DisputeWithdrawn) -> Verdict {
    let handoff = running(case, body.handoff)?;
    need(handoff.version > 0, Reason::MoveNotLegal)?;
    decides(handoff, event)?;
    handoff.state = HandoffState::Kept;
    Ok(())
}
