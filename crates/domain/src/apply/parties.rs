//! Who has a part in the case: it comes in with the event that brings it in and sees nothing new after the one that
//! takes its part away (product, *Sealed and erasable*; reliability, 6).

use crate::case::handoff::{Handoff, HandoffState, ResultLoop};
use crate::case::phase::Phase;
use crate::case::{Case, Party};
use crate::event::{Body, Event};
use crate::ids::{HandoffId, StationRef};
use std::collections::BTreeSet;

/// Stations with a part now.
fn now(case: &Case) -> BTreeSet<StationRef> {
    let mut seats = BTreeSet::from([case.custodian.clone(), case.first_receiver.clone()]);
    // Former custodians read the feedback, both receivers of a merge read on.
    seats.extend(case.former.iter().chain(&case.readers).cloned());
    seats.extend(case.handoffs.iter().flat_map(in_dialogue).cloned());
    seats.extend(case.alerts.iter().filter(|(_, alert)| !alert.ended).map(|(seat, _)| seat.clone()));
    if let Some(joint) = case.joint_now() {
        seats.extend([joint.by.clone(), joint.with.clone()]);
    }
    if case.joint_result.is_some() {
        seats.extend(case.joint.iter().flat_map(|joint| [joint.by.clone(), joint.with.clone()]));
    }
    // Nothing is lent to a closed incident any more.
    let lent = case.supports.values().filter(|support| !support.ended && case.phase() != Phase::Closed);
    seats.extend(lent.map(|support| support.to.clone()));
    seats.extend(case.merge.iter().flat_map(|merge| [merge.by.clone(), merge.to.clone()]));
    seats.extend(case.closure.iter().filter_map(|closure| closure.told.as_ref()).map(|(told, _)| told.clone()));
    let active = case.unit_statuses().into_iter().filter(|(_, status)| status.is_active());
    seats.extend(active.filter_map(|(id, _)| case.deployments.get(&id)).map(|sent| sent.of.clone()));
    seats
}

/// The sides of a handoff that have a part by it: the receiver until it has declined, or until its receipt of a recall.
fn in_dialogue(handoff: &Handoff) -> Vec<&StationRef> {
    match &handoff.state {
        HandoffState::Claimed { .. }
        | HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Agreed(_)
        | HandoffState::Disputed(_)
        | HandoffState::Recalled { received: false, .. } => vec![&handoff.from, &handoff.to],
        HandoffState::Declined { .. } => vec![&handoff.from],
        HandoffState::Kept
        | HandoffState::Recalled { received: true, .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => Vec::new(),
    }
}

/// An alert gives a part until the station declines or an offer to it is recalled; then only a new alert does. Whose
/// alert an event ends.
fn ends_alert_of(case: &Case, event: &Event) -> Option<StationRef> {
    let handoff = touched(&event.body).and_then(|id| case.handoff(id))?;
    let ends = match &handoff.state {
        HandoffState::Declined { .. } | HandoffState::Recalled { received: true, .. } => true,
        // A dispute over what it declined has ended with the case kept.
        HandoffState::Kept => case.declines.contains_key(&handoff.to),
        HandoffState::Claimed { .. }
        | HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Agreed(_)
        | HandoffState::Disputed(_)
        | HandoffState::Recalled { received: false, .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => false,
    };
    ends.then(|| handoff.to.clone())
}

/// The handoff an event may bring to an end.
fn touched(body: &Body) -> Option<HandoffId> {
    if let Body::Ruled(b) = body {
        return b.handoff;
    }
    if let Body::Declined(b) = body {
        return Some(b.handoff);
    }
    if let Body::Withdrawn(b) = body {
        return Some(b.handoff);
    }
    if let Body::RecallReceived(b) = body {
        return Some(b.handoff);
    }
    if let Body::Settled(b) = body {
        return Some(b.handoff);
    }
    if let Body::DisputeWithdrawn(b) = body { Some(b.handoff) } else { None }
}

pub(super) fn update(case: &mut Case, event: &Event) {
    let ended = ends_alert_of(case, event).and_then(|seat| case.alerts.get_mut(&seat));
    if let Some(alert) = ended {
        alert.ended = true;
    }
    let now = now(case);
    for seat in &now {
        match case.parties.get_mut(seat) {
            Some(party) if party.until.is_none() => {}
            Some(party) => *party = Party { since: event.seq, until: None },
            None => {
                case.parties.insert(seat.clone(), Party { since: event.seq, until: None });
            }
        }
    }
    for (seat, party) in &mut case.parties {
        if party.until.is_none() && !now.contains(seat) {
            party.until = Some(event.seq);
        }
    }
    let asked = matches!(
        event.body,
        Body::Disputed(_) | Body::Declined(_) | Body::Withdrawn(_) | Body::Contested(_) | Body::JointEndAnswered(_)
    );
    if asked && asks_superior(case) {
        reaches_superior(case, event.seq, None);
    }
}

/// The case is before the common superior of the matter from this entry on.
pub(super) fn reaches_superior(case: &mut Case, seq: u64, handoff: Option<HandoffId>) {
    let superior = crate::access::superior_for(case, handoff).cloned();
    if superior.is_some() && case.at_superior != superior {
        (case.at_superior, case.superior_since) = (superior, Some(seq));
    }
}

/// Whether the state itself asks for a ruling, before any clock has run.
fn asks_superior(case: &Case) -> bool {
    let disputed = case.handoffs.iter().any(|handoff| handoff.dispute().is_some());
    let end_refused = case.joint_now().is_some_and(|joint| matches!(joint.end_proposed, Some((_, _, true))));
    disputed || end_refused || matches!(case.result(), Some(ResultLoop::Reported { at_superior: Some(_), .. }))
}
