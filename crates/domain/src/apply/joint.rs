//! Working together: support and joint handling.

use super::incident::seat;
use super::{Verdict, explained, need, refuse};
use crate::case::handoff::ResultLoop;
use crate::case::phase::Phase;
use crate::case::{Case, Joint, SUPPORTS_MAX, Support};
use crate::event::Event;
use crate::event::incident::{
    JointAcknowledged, JointDeclared, JointEndAnswered, JointEndProposed, LeadAnswered, LeadAsked, SupportAnswer,
    SupportAnswered, SupportEnded, SupportRecalled, SupportRequested,
};
use crate::ids::{JointId, StationRef, SupportId};
use crate::refusal::{Reason, Refusal};

pub(super) fn support_requested(case: &mut Case, event: &Event, body: &SupportRequested) -> Verdict {
    let from = seat(event)?;
    need(from != body.to, Reason::SameStation)?;
    need(case.phase() != Phase::Closed, Reason::MoveNotLegal)?;
    need(case.supports.len() < SUPPORTS_MAX, Reason::LimitExceeded)?;
    need(!case.supports.contains_key(&body.support), Reason::InvalidField)?;
    let (to, terms) = (body.to.clone(), body.terms.clone());
    let support = Support { from, to, at: event.at, answer: None, ended: false, terms };
    case.supports.insert(body.support, support);
    Ok(())
}

fn support(case: &mut Case, id: SupportId) -> Result<&mut Support, Refusal> {
    let found = case.supports.get_mut(&id).ok_or_else(|| Refusal::new(Reason::ObjectNotFound))?;
    if found.ended { Err(Refusal::new(Reason::MoveNotLegal)) } else { Ok(found) }
}

pub(super) fn support_answered(case: &mut Case, event: &Event, body: &SupportAnswered) -> Verdict {
    let support = support(case, body.support)?;
    need(support.answer.is_none(), Reason::MoveNotLegal)?;
    if body.answer != SupportAnswer::Committed && body.code.is_none() {
        return Err(Refusal::new(Reason::InvalidField).field("code"));
    }
    support.answer = Some((body.answer, event.at));
    support.ended = body.answer == SupportAnswer::Not;
    Ok(())
}

pub(super) fn support_recalled(case: &mut Case, body: &SupportRecalled) -> Verdict {
    // Before the answer nothing was lent that could be called back.
    need(support(case, body.support)?.answer.is_some(), Reason::MoveNotLegal)
}

pub(super) fn support_ended(case: &mut Case, body: &SupportEnded) -> Verdict {
    support(case, body.support)?.ended = true;
    Ok(())
}

/// A ruling answers the request in the asked station's place.
pub(super) fn support_by_ruling(case: &mut Case, event: &Event, id: SupportId, answer: SupportAnswer) -> Verdict {
    let support = support(case, id)?;
    need(support.answer.is_none(), Reason::MoveNotLegal)?;
    support.answer = Some((answer, event.at));
    support.ended = answer == SupportAnswer::Not;
    Ok(())
}

pub(super) fn declared(case: &mut Case, event: &Event, body: &JointDeclared) -> Verdict {
    let by = seat(event)?;
    need(by != body.with, Reason::SameStation)?;
    need(case.phase() != Phase::Closed && case.joint_now().is_none(), Reason::MoveNotLegal)?;
    need(body.lead == by || body.lead == body.with, Reason::WrongSide)?;
    // One of the two is the custodian: joint handling moves no custody and hides none.
    need(by == case.custodian || body.with == case.custodian, Reason::WrongSide)?;
    let joint = Joint {
        id: body.joint,
        at: event.at,
        by,
        with: body.with.clone(),
        lead: body.lead.clone(),
        acknowledged: false,
        lead_asked: None,
        end_proposed: None,
        ended: false,
        superior: body.terms.as_ref().and_then(|terms| terms.superior.clone()),
        terms: body.terms.clone(),
    };
    begin(case, event, joint);
    Ok(())
}

/// Begins a period of joint handling. Its result is reported and confirmed as after a handoff, and owed once per
/// incident: a loop that runs already is that result.
pub(super) fn begin(case: &mut Case, event: &Event, joint: Joint) {
    if case.result().is_none() {
        case.joint_result = Some((joint.other(&case.custodian).clone(), ResultLoop::owed(event.at)));
        case.result_superior.clone_from(&joint.superior);
    }
    case.joint = Some(joint);
}

fn running(case: &mut Case, id: JointId) -> Result<&mut Joint, Refusal> {
    case.joint.as_mut().filter(|joint| joint.id == id && !joint.ended).ok_or_else(|| Refusal::new(Reason::MoveNotLegal))
}

/// Whatever the other side does about it shows that it knows of it.
fn known_to(joint: &mut Joint, seat: &StationRef) {
    joint.acknowledged |= joint.with == *seat;
}

pub(super) fn acknowledged(case: &mut Case, event: &Event, body: &JointAcknowledged) -> Verdict {
    let joint = running(case, body.joint)?;
    need(event.actor.is_at(&joint.with), Reason::WrongSide)?;
    need(!joint.acknowledged, Reason::MoveNotLegal)?;
    joint.acknowledged = true;
    Ok(())
}

pub(super) fn lead_asked(case: &mut Case, event: &Event, body: &LeadAsked) -> Verdict {
    let by = seat(event)?;
    let joint = running(case, body.joint)?;
    need(body.lead == joint.by || body.lead == joint.with, Reason::WrongSide)?;
    need(joint.lead != body.lead && joint.lead_asked.is_none(), Reason::MoveNotLegal)?;
    known_to(joint, &by);
    joint.lead_asked = Some((body.lead.clone(), by, event.at));
    Ok(())
}

pub(super) fn lead_answered(case: &mut Case, event: &Event, body: &LeadAnswered) -> Verdict {
    let by = seat(event)?;
    let joint = running(case, body.joint)?;
    let Some((lead, asker, _)) = joint.lead_asked.take() else { return refuse(Reason::MoveNotLegal) };
    need(asker != by, Reason::WrongSide)?;
    known_to(joint, &by);
    if body.yes {
        joint.lead = lead;
    }
    Ok(())
}

/// A ruling answers the question who leads: the lead changes, or stays where it is.
pub(super) fn lead_by_ruling(case: &mut Case, changes: bool) -> Verdict {
    let joint = case.joint.as_mut().filter(|joint| !joint.ended);
    let Some((joint, (lead, _, _))) = joint.and_then(|joint| joint.lead_asked.take().map(|asked| (joint, asked)))
    else {
        return refuse(Reason::MoveNotLegal);
    };
    if changes {
        joint.lead = lead;
    }
    Ok(())
}

pub(super) fn end_proposed(case: &mut Case, event: &Event, body: &JointEndProposed) -> Verdict {
    let by = seat(event)?;
    let joint = running(case, body.joint)?;
    need(joint.end_proposed.is_none(), Reason::MoveNotLegal)?;
    explained(&body.code, body.note.as_ref())?;
    known_to(joint, &by);
    joint.end_proposed = Some((by, event.at, false));
    Ok(())
}

pub(super) fn end_answered(case: &mut Case, event: &Event, body: &JointEndAnswered) -> Verdict {
    let by = seat(event)?;
    let joint = running(case, body.joint)?;
    let Some((asker, _, refused)) = joint.end_proposed.clone() else { return refuse(Reason::MoveNotLegal) };
    need(asker != by, Reason::WrongSide)?;
    body.code.as_ref().map_or(Ok(()), |code| explained(code, body.note.as_ref()))?;
    known_to(joint, &by);
    if body.yes {
        end(joint);
    } else {
        need(!refused, Reason::MoveNotLegal)?;
        joint.end_proposed = Some((asker, event.at, true));
    }
    Ok(())
}

pub(super) fn end(joint: &mut Joint) {
    (joint.ended, joint.acknowledged, joint.lead_asked, joint.end_proposed) = (true, true, None, None);
}

/// A ruling answers the proposal to end it: it ends, or goes on without the proposal.
pub(super) fn end_by_ruling(case: &mut Case, ends: bool) -> Verdict {
    match case.joint.as_mut().filter(|joint| !joint.ended && joint.end_proposed.is_some()) {
        Some(joint) if ends => end(joint),
        Some(joint) => (joint.end_proposed, joint.acknowledged) = (None, true),
        None => return refuse(Reason::MoveNotLegal),
    }
    Ok(())
}
