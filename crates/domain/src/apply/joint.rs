//! Working together: support, joint handling, and incidents that turn out to be one or several.

use super::incident::seat;
use super::{Verdict, need, refuse};
use crate::case::handoff::{HandoffState, ResultLoop};
use crate::case::phase::Phase;
use crate::case::{Case, Joint, MergeProposal, Support};
use crate::event::Event;
use crate::event::incident::{
    JointAcknowledged, JointDeclared, JointEndAnswered, JointEndProposed, LeadAnswered, LeadAsked, LinkKind, Linked,
    MergeProposed, MergeRefused, Merged, SplitOff, SupportAnswered, SupportEnded, SupportRecalled, SupportRequested,
    Unmerged,
};
use crate::ids::{JointId, SupportId};
use crate::refusal::{Reason, Refusal};

/// Most support requests of one incident.
pub const SUPPORTS_MAX: usize = 50;
/// Most links of one incident.
pub const LINKS_MAX: usize = 50;

pub(super) fn support_requested(case: &mut Case, event: &Event, body: &SupportRequested) -> Verdict {
    let from = seat(event)?;
    need(from != body.to, Reason::SameStation)?;
    need(case.phase() != Phase::Closed, Reason::MoveNotLegal)?;
    need(case.supports.len() < SUPPORTS_MAX, Reason::LimitExceeded)?;
    need(!case.supports.contains_key(&body.support), Reason::InvalidField)?;
    let support = Support { from, to: body.to.clone(), at: event.at, answer: None, ended: false };
    case.supports.insert(body.support, support);
    Ok(())
}

fn support(case: &mut Case, id: SupportId) -> Result<&mut Support, Refusal> {
    let found = case.supports.get_mut(&id).ok_or_else(|| Refusal::new(Reason::ObjectNotFound))?;
    if found.ended { Err(Refusal::new(Reason::MoveNotLegal)) } else { Ok(found) }
}

pub(super) fn support_answered(case: &mut Case, event: &Event, body: &SupportAnswered) -> Verdict {
    use crate::event::incident::SupportAnswer;
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
    support(case, body.support).map(|_| ())
}

pub(super) fn support_ended(case: &mut Case, body: &SupportEnded) -> Verdict {
    support(case, body.support)?.ended = true;
    Ok(())
}

pub(super) fn support_by_ruling(case: &mut Case, event: &Event) -> Verdict {
    use crate::event::incident::SupportAnswer;
    let waiting = case.supports.values_mut().find(|support| support.answer.is_none() && !support.ended);
    let Some(support) = waiting else { return refuse(Reason::MoveNotLegal) };
    support.answer = Some((SupportAnswer::Committed, event.at));
    Ok(())
}

pub(super) fn declared(case: &mut Case, event: &Event, body: &JointDeclared) -> Verdict {
    let by = seat(event)?;
    need(by != body.with, Reason::SameStation)?;
    need(case.phase() != Phase::Closed && case.joint_now().is_none(), Reason::MoveNotLegal)?;
    need(body.lead == by || body.lead == body.with, Reason::WrongSide)?;
    // One of the two is the custodian: joint handling moves no custody and hides none.
    need(by == case.custodian || body.with == case.custodian, Reason::WrongSide)?;
    let other = if by == case.custodian { body.with.clone() } else { by.clone() };
    if case.last_taken_over().is_none() {
        case.joint_result = Some((other, ResultLoop::owed(event.at)));
    }
    case.joint = Some(Joint {
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
    });
    Ok(())
}

fn running(case: &mut Case, id: JointId) -> Result<&mut Joint, Refusal> {
    case.joint.as_mut().filter(|joint| joint.id == id && !joint.ended).ok_or_else(|| Refusal::new(Reason::MoveNotLegal))
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
    joint.lead_asked = Some((body.lead.clone(), by, event.at));
    Ok(())
}

pub(super) fn lead_answered(case: &mut Case, event: &Event, body: &LeadAnswered) -> Verdict {
    let by = seat(event)?;
    let joint = running(case, body.joint)?;
    let Some((lead, asker, _)) = joint.lead_asked.take() else { return refuse(Reason::MoveNotLegal) };
    need(asker != by, Reason::WrongSide)?;
    if body.yes {
        joint.lead = lead;
    }
    Ok(())
}

pub(super) fn lead_by_ruling(case: &mut Case) -> Verdict {
    let joint = case.joint.as_mut().filter(|joint| !joint.ended);
    let asked = joint.and_then(|joint| joint.lead_asked.take().map(|(lead, _, _)| joint.lead = lead));
    if asked.is_some() { Ok(()) } else { refuse(Reason::MoveNotLegal) }
}

pub(super) fn end_proposed(case: &mut Case, event: &Event, body: &JointEndProposed) -> Verdict {
    let by = seat(event)?;
    let joint = running(case, body.joint)?;
    need(joint.end_proposed.is_none(), Reason::MoveNotLegal)?;
    joint.end_proposed = Some((by, event.at, false));
    Ok(())
}

pub(super) fn end_answered(case: &mut Case, event: &Event, body: &JointEndAnswered) -> Verdict {
    let by = seat(event)?;
    let joint = running(case, body.joint)?;
    let Some((asker, _, refused)) = joint.end_proposed.clone() else { return refuse(Reason::MoveNotLegal) };
    need(asker != by, Reason::WrongSide)?;
    if body.yes {
        end(joint);
    } else {
        need(!refused, Reason::MoveNotLegal)?;
        joint.end_proposed = Some((asker, event.at, true));
    }
    Ok(())
}

fn end(joint: &mut Joint) {
    (joint.ended, joint.acknowledged, joint.lead_asked, joint.end_proposed) = (true, true, None, None);
}

pub(super) fn end_by_ruling(case: &mut Case, _event: &Event) -> Verdict {
    match case.joint.as_mut().filter(|joint| !joint.ended) {
        Some(joint) => {
            end(joint);
            Ok(())
        }
        None => refuse(Reason::MoveNotLegal),
    }
}

/// No open handoff but one declined as a duplicate.
fn may_merge(case: &Case) -> bool {
    case.open_handoff().is_none_or(|open| matches!(&open.state, HandoffState::Declined { duplicate_of: Some(_), .. }))
}

pub(super) fn merge_proposed(case: &mut Case, event: &Event, body: &MergeProposed) -> Verdict {
    need(body.survivor == case.id || body.survivor == body.other, Reason::InvalidField)?;
    // Proposed for two that are one already, it is the proposal to take them apart.
    let apart = case.alias_of == Some(body.other) || case.aliases.contains(&body.other);
    let together = case.phase() != Phase::Closed && may_merge(case);
    need(case.merge.is_none() && (apart || together), Reason::MergeNotPossible)?;
    case.merge = Some(MergeProposal {
        other: body.other,
        survivor: body.survivor,
        by: body.by.clone(),
        to: body.to.clone(),
        at: event.at,
    });
    Ok(())
}

pub(super) fn merge_refused(case: &mut Case, body: &MergeRefused) -> Verdict {
    let stands = case.merge.as_ref().is_some_and(|merge| merge.other == body.other);
    need(stands, Reason::MoveNotLegal)?;
    case.merge = None;
    Ok(())
}

pub(super) fn merged(case: &mut Case, body: &Merged) -> Verdict {
    let other = if body.alias == case.id { body.survivor } else { body.alias };
    need(body.alias != body.survivor && (body.alias == case.id || body.survivor == case.id), Reason::InvalidField)?;
    let agreed = case.merge.as_ref().is_none_or(|merge| merge.other == other && merge.survivor == body.survivor);
    need(agreed && may_merge(case) && case.phase() != Phase::Closed, Reason::MergeNotPossible)?;
    case.merge = None;
    // A decline as duplicate was the proposal; it ends with the case kept.
    for handoff in &mut case.handoffs {
        if matches!(handoff.state, HandoffState::Declined { .. }) {
            handoff.state = HandoffState::Kept;
        }
    }
    if body.alias == case.id {
        need(case.aliases.is_empty(), Reason::MergeNotPossible)?;
        case.alias_of = Some(body.survivor);
    } else {
        case.aliases.insert(body.alias);
    }
    Ok(())
}

pub(super) fn unmerged(case: &mut Case, body: &Unmerged) -> Verdict {
    case.merge = None;
    if body.alias == case.id {
        need(case.alias_of == Some(body.survivor), Reason::MergeNotPossible)?;
        case.alias_of = None;
        Ok(())
    } else {
        need(body.survivor == case.id && case.aliases.remove(&body.alias), Reason::MergeNotPossible)
    }
}

pub(super) fn split_off(case: &mut Case, body: &SplitOff) -> Verdict {
    need(case.phase() != Phase::Closed && case.open_handoff().is_none(), Reason::MoveNotLegal)?;
    need(body.part != case.id && case.links.len() < LINKS_MAX, Reason::InvalidField)?;
    case.links.insert((body.part, LinkKind::Parent));
    Ok(())
}

pub(super) fn linked(case: &mut Case, body: &Linked) -> Verdict {
    need(body.other != case.id, Reason::InvalidField)?;
    need(case.links.len() < LINKS_MAX, Reason::LimitExceeded)?;
    case.links.insert((body.other, body.link));
    Ok(())
}
