//! Who has a part in the case: it comes in with the event that brings it in and sees nothing new after the one that
//! takes its part away (product, *Sealed and erasable*; reliability, 6).

use crate::case::handoff::{Handoff, HandoffState};
use crate::case::phase::Phase;
use crate::case::{Case, Party};
use crate::event::{Body, Event};
use crate::ids::{HandoffId, StationRef};
use std::collections::{BTreeMap, BTreeSet};

/// Stations that read on whatever becomes open or is met: the receiver, the custodian, former custodians, who read the
/// feedback, both sides of joint handling that has a result, both receivers of a merge.
pub(crate) fn readers(case: &Case) -> impl Iterator<Item = &StationRef> {
    let joint = case.joint.iter().filter(|_| case.joint_result.is_some()).flat_map(|joint| [&joint.by, &joint.with]);
    let confirmer = case.joint_result.iter().map(|(confirmer, _)| confirmer);
    let had = [&case.custodian, &case.first_receiver].into_iter().chain(&case.former);
    had.chain(&case.readers).chain(joint).chain(confirmer)
}

/// Stations with a part now.
fn now(case: &Case) -> BTreeSet<StationRef> {
    let mut seats: BTreeSet<StationRef> = readers(case).cloned().collect();
    seats.extend(case.merge.iter().flat_map(|merge| [merge.by.clone(), merge.to.clone()]));
    // Everything else open in an alias is its survivor's, and so are the parts it gives.
    if case.alias_of.is_some() {
        return seats;
    }
    seats.extend(case.handoffs.iter().flat_map(in_dialogue).cloned());
    seats.extend(case.alerts.iter().filter(|(_, alert)| !alert.ended).map(|(seat, _)| seat.clone()));
    if let Some(joint) = case.joint_now() {
        seats.extend([joint.by.clone(), joint.with.clone()]);
    }
    // Nothing is lent to a closed incident any more.
    let lent = case.supports.values().filter(|support| !support.ended && case.phase() != Phase::Closed);
    seats.extend(lent.map(|support| support.to.clone()));
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
    keep(&mut case.parties, &now, event.seq);
}

/// Superiors with something before them, once the ledger says so (product, *Sealed and erasable*: "cases before it").
pub(super) fn update_superiors(case: &mut Case, seq: u64) {
    let now = crate::matter::before_superiors(case);
    keep(&mut case.superiors, &now, seq);
}

/// Whoever is in now comes in with this entry, whoever is not any more sees it as its last.
fn keep<T: Ord + Clone>(parts: &mut BTreeMap<T, Party>, now: &BTreeSet<T>, seq: u64) {
    for one in now {
        let part = parts.entry(one.clone()).or_insert(Party { since: seq, until: None });
        if part.until.is_some() {
            *part = Party { since: seq, until: None };
        }
    }
    for (one, part) in parts.iter_mut() {
        if part.is_in() && !now.contains(one) {
            part.until = Some(seq);
        }
    }
}
