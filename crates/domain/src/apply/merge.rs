//! Incidents that turn out to be one or several: merging, un-merging, splitting, linking.

use super::{Verdict, need};
use crate::case::handoff::{HandoffState, ResultLoop};
use crate::case::phase::Phase;
use crate::case::{Case, LINKS_MAX, MergeProposal};
use crate::event::Event;
use crate::event::incident::{LinkKind, Linked, MergeProposed, MergeRefused, Merged, SplitOff, Unmerged};
use crate::refusal::Reason;

/// No open handoff but one declined as a duplicate.
pub(crate) fn may_merge(case: &Case) -> bool {
    let no_handoff = case
        .open_handoff()
        .is_none_or(|open| matches!(&open.state, HandoffState::Declined { duplicate_of: Some(_), .. }));
    no_handoff && case.alias_of.is_none() && case.phase() != Phase::Closed
}

pub(super) fn proposed(case: &mut Case, event: &Event, body: &MergeProposed) -> Verdict {
    need(body.survivor == case.id || body.survivor == body.other, Reason::InvalidField)?;
    // It takes a duty officer of each custodian: the custodian of this one proposes or has to agree.
    need(body.by == case.custodian || body.to == case.custodian, Reason::WrongSide)?;
    // Proposed for two that are one already, it is the proposal to take them apart. A closed survivor is reopened
    // first: nothing is owed in a closed incident, an answer neither.
    let are_one = case.alias_of == Some(body.other) || case.aliases.contains(&body.other);
    let apart = are_one && case.phase() != Phase::Closed;
    // Whoever answers for others becomes nobody's alias: take those apart first.
    let together = may_merge(case) && (body.survivor == case.id || case.aliases.is_empty());
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

pub(super) fn refused(case: &mut Case, body: &MergeRefused) -> Verdict {
    let stands = case.merge.as_ref().is_some_and(|merge| merge.other == body.other);
    need(stands, Reason::MoveNotLegal)?;
    case.merge = None;
    Ok(())
}

pub(super) fn merged(case: &mut Case, event: &Event, body: &Merged) -> Verdict {
    let other = if body.alias == case.id { body.survivor } else { body.alias };
    need(body.alias != body.survivor && (body.alias == case.id || body.survivor == case.id), Reason::InvalidField)?;
    let agreed = case.merge.as_ref().is_none_or(|merge| {
        // A takeover since has made somebody else the custodian, who was not asked.
        let asked = merge.by == case.custodian || merge.to == case.custodian;
        merge.other == other && merge.survivor == body.survivor && asked
    });
    need(agreed && may_merge(case), Reason::MergeNotPossible)?;
    case.merge = None;
    // A decline as duplicate was the proposal; it ends with the case kept.
    for handoff in &mut case.handoffs {
        if matches!(handoff.state, HandoffState::Declined { .. }) {
            handoff.state = HandoffState::Kept;
        }
    }
    case.readers.extend(body.readers.iter().cloned());
    if body.alias == case.id {
        need(case.aliases.is_empty(), Reason::MergeNotPossible)?;
        case.alias_of = Some(body.survivor);
    } else {
        case.aliases.insert(body.alias);
        take_on_result(case, event, body);
    }
    Ok(())
}

/// The alias's result is owed by the survivor's custodian from now on, unless it owes one already.
fn take_on_result(case: &mut Case, event: &Event, body: &Merged) {
    let owed_to = body.confirmer.as_ref().filter(|confirmer| **confirmer != case.custodian);
    if let (Some(confirmer), None) = (owed_to, case.result()) {
        case.joint_result = Some((confirmer.clone(), ResultLoop::owed(event.at)));
    }
}

pub(super) fn unmerged(case: &mut Case, body: &Unmerged) -> Verdict {
    case.merge = None;
    if body.alias == case.id {
        need(case.alias_of == Some(body.survivor), Reason::MergeNotPossible)?;
        case.alias_of = None;
        return Ok(());
    }
    need(body.survivor == case.id && case.aliases.remove(&body.alias), Reason::MergeNotPossible)?;
    // A result owed for an alias alone goes back with it.
    let for_aliases = case.joint.is_none() && case.former.is_empty() && case.aliases.is_empty();
    if for_aliases && !matches!(case.joint_result, Some((_, ResultLoop::Confirmed { .. }))) {
        case.joint_result = None;
    }
    Ok(())
}

pub(super) fn split_off(case: &mut Case, body: &SplitOff) -> Verdict {
    need(case.phase() != Phase::Closed && case.open_handoff().is_none(), Reason::MoveNotLegal)?;
    need(body.part != case.id, Reason::InvalidField)?;
    need(case.links.len() < LINKS_MAX, Reason::LimitExceeded)?;
    case.links.insert((body.part, LinkKind::Parent));
    Ok(())
}

pub(super) fn linked(case: &mut Case, body: &Linked) -> Verdict {
    need(body.other != case.id, Reason::InvalidField)?;
    need(case.links.len() < LINKS_MAX, Reason::LimitExceeded)?;
    case.links.insert((body.other, body.link));
    Ok(())
}
