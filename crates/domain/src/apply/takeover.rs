//! The one place where custody moves (invariants 1 and 5).

use super::handoff::decides;
use super::{Verdict, named, need, refuse};
use crate::case::handoff::{HandoffState, ResultLoop};
use crate::case::phase::Phase;
use crate::case::{Case, Hand, Joint};
use crate::event::Event;
use crate::event::handoff::TakenOver;
use crate::ids::{HandoffId, StationRef};
use crate::refusal::Reason;

pub(super) fn taken_over(case: &mut Case, event: &Event, body: &TakenOver) -> Verdict {
    if body.by_order {
        order_stands(case, event, body)?;
    } else {
        let Some(id) = body.handoff else { return refuse(Reason::HandoffNotFound) };
        let handoff = named(case, id)?;
        need(handoff.to == body.to, Reason::WrongSide)?;
        let Some(agreed) = handoff.agreed() else { return refuse(Reason::MoveNotLegal) };
        need(agreed.both_signed_at().is_some(), Reason::MoveNotLegal)?;
        need(event.at <= agreed.exp, Reason::AgreementExpired)?;
        decides(handoff, event)?;
    }
    need(body.from == case.custodian, Reason::WrongSide)?;
    need(body.to != case.custodian, Reason::SameStation)?;
    need(body.tenure == case.tenure + 1, Reason::StaleVersion)?;
    move_custody(case, event, body);
    Ok(())
}

/// An order stands on the ruling right before it, of the same command, and on no other.
fn order_stands(case: &Case, event: &Event, body: &TakenOver) -> Verdict {
    let stands = case
        .ordered
        .as_ref()
        .is_some_and(|order| order.seq + 1 == event.seq && order.handoff == body.handoff && order.to == body.to);
    need(stands, Reason::NotAtSuperior)
}

/// Whether a takeover of this handoff, or of the incident without one, by that station can be ordered at all.
pub(super) fn can_be_ordered(case: &Case, handoff: Option<HandoffId>, to: &StationRef) -> Verdict {
    need(*to != case.custodian, Reason::SameStation)?;
    need(case.phase() != Phase::Closed, Reason::MoveNotLegal)?;
    match handoff {
        Some(id) => {
            let Some(handoff) = case.handoff(id) else { return refuse(Reason::HandoffNotFound) };
            need(handoff.state.is_open(), Reason::MoveNotLegal)?;
            need(handoff.to == *to, Reason::WrongSide)
        }
        // Any station may be ordered to answer for a case whose custodian is gone: one that has not heard of it, too.
        None => Ok(()),
    }
}

fn move_custody(case: &mut Case, event: &Event, body: &TakenOver) {
    for handoff in &mut case.handoffs {
        if Some(handoff.id) == body.handoff {
            handoff.state = HandoffState::TakenOver {
                at: event.at,
                by_order: body.by_order,
                agreed: handoff.agreed().cloned(),
                result: ResultLoop::owed(event.at),
            };
        } else if handoff.state.result().is_some() {
            handoff.state = HandoffState::PassedOn;
        } else if handoff.state.is_open() {
            // An order without this form leaves it without a matter.
            handoff.state = HandoffState::Kept;
        }
    }
    if body.handoff.is_none() {
        case.joint_result = Some((body.from.clone(), ResultLoop::owed(event.at)));
        case.result_superior = case.ordered.as_ref().and_then(|ordered| ordered.superior.clone());
    }
    // Joint handling is the custodian's and one other's: where the new custodian is no side of it, nobody could end it.
    let strangers = |joint: &&mut Joint| !joint.ended && joint.by != body.to && joint.with != body.to;
    case.joint.iter_mut().filter(strangers).for_each(super::joint::end);
    case.former.push(std::mem::replace(&mut case.custodian, body.to.clone()));
    (case.tenure, case.custody_since, case.custodian_acted) = (body.tenure, event.at, None);
    case.taken_over_by = Some(Hand::of(&event.actor));
    (case.ruling_proposed, case.ordered, case.last_word) = (None, None, None);
    // Who was asked, or asked, to merge is not the custodian any more.
    case.merge = None;
}
