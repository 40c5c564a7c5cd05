//! Intake, places, alerts, units, and the incident's own end.

use super::{Verdict, explained, need, refuse};
use crate::access;
use crate::caller::Role;
use crate::case::phase::Phase;
use crate::case::{ALERTS_MAX, Alert, Case, Closure, DEPLOYMENTS_MAX, Deployment, Fact, FactKind, Hand, PLACES_MAX};
use crate::codes;
use crate::event::incident::{
    Acknowledged, AlertAnswered, AlertDelivered, AlertSeen, Alerted, CallAdded, CallerOpened, Closed, DetailsChanged,
    Erased, Escalated, Handled, LabelAdded, Noted, Objected, PlaceAdded, Received, ReopenTo, Reopened, Struck,
    UnitReported,
};
use crate::event::{Body, Event};
use crate::ids::StationRef;
use crate::obligations::{Key, Ledger};
use crate::refusal::{Reason, Refusal};
use crate::retention::{self, Dates};
use crate::values::Severity;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn seat(event: &Event) -> Result<StationRef, Refusal> {
    event.actor.seat().ok_or_else(|| Refusal::new(Reason::WrongSide))
}

pub(super) fn received(event: &Event, body: &Received) -> Result<Case, Refusal> {
    need(event.seq == 1, Reason::StaleVersion)?;
    let station = seat(event)?;
    let case = Case {
        id: event.incident,
        version: 1,
        opened_at: event.at,
        opened_by: Hand::of(&event.actor),
        updated_at: event.at,
        first_receiver: station.clone(),
        custodian: station.clone(),
        tenure: 1,
        custody_since: event.at,
        taken_over_by: None,
        former: Vec::new(),
        drill: body.drill,
        kind: body.kind.clone(),
        severity: body.severity.unwrap_or(Severity::Unknown),
        category: body.category.clone(),
        flags: body.flags.iter().cloned().collect(),
        places: body.place.iter().map(|place| (1, place.clone())).collect(),
        labels: body.number.iter().map(|number| (station.clone(), number.clone())).collect(),
        calls: 1,
        alerts: BTreeMap::new(),
        deployments: BTreeMap::new(),
        facts: Vec::new(),
        last_word: None,
        handoffs: Vec::new(),
        declines: BTreeMap::new(),
        supports: BTreeMap::new(),
        joint: None,
        joint_result: None,
        reports: 0,
        closure: None,
        superseded: 0,
        merge: None,
        alias_of: None,
        aliases: BTreeMap::new(),
        links: body.split_from.iter().map(|whole| (*whole, crate::event::incident::LinkKind::PartOf)).collect(),
        readers: BTreeSet::new(),
        ruling_proposed: None,
        ordered: None,
        parties: BTreeMap::new(),
        superiors: BTreeMap::new(),
        result_superior: None,
        custodian_acted: event.actor.is_person().then_some(event.at),
        ledger: Ledger::new(),
        terms: body.terms.clone(),
    };
    access::check(&case, &event.body, &event.actor).map_err(Refusal::new)?;
    Ok(case)
}

pub(super) fn call_added(case: &mut Case, event: &Event, body: &CallAdded) -> Verdict {
    case.calls += 1;
    if let Some(number) = &body.number {
        case.labels.entry(seat(event)?).or_insert_with(|| number.clone());
    }
    Ok(())
}

pub(super) fn noted(case: &mut Case, event: &Event, body: &Noted) -> Verdict {
    if let Some(id) = body.handoff {
        need(case.handoff(id).is_some(), Reason::HandoffNotFound)?;
    }
    let says = |word: &str| body.code.as_ref().is_some_and(|code| code.is(word));
    // A person's word at the custodian that it still works on it gives it more time: nobody else's, and no machine's.
    let person = access::PERSON.contains(&event.actor.role);
    if says(codes::WORD) && person && event.actor.is_at(&case.custodian) {
        case.last_word = Some(event.at);
    }
    if says(codes::OBJECTION_ANSWERED) {
        let objection = case.closure.as_mut().and_then(|closure| closure.objection.take());
        need(objection.is_some(), Reason::MoveNotLegal)?;
    }
    Ok(())
}

pub(super) fn place_added(case: &mut Case, event: &Event, body: &PlaceAdded) -> Verdict {
    need(case.places.len() < PLACES_MAX, Reason::LimitExceeded)?;
    case.places.push((event.seq, body.place.clone()));
    case.flags.extend(body.flags.iter().cloned());
    Ok(())
}

pub(super) fn details_changed(case: &mut Case, body: &DetailsChanged) -> Verdict {
    if body.kind.is_some() {
        case.kind.clone_from(&body.kind);
    }
    if let Some(severity) = body.severity {
        case.severity = severity;
    }
    if body.category.is_some() {
        case.category.clone_from(&body.category);
    }
    case.flags.extend(body.flags.iter().cloned());
    Ok(())
}

pub(super) fn label_added(case: &mut Case, event: &Event, body: &LabelAdded) -> Verdict {
    case.labels.insert(seat(event)?, body.number.clone());
    Ok(())
}

pub(super) fn alerted(case: &mut Case, event: &Event, body: &Alerted) -> Verdict {
    need(body.to != case.custodian, Reason::SameStation)?;
    need(case.phase() != Phase::Closed, Reason::MoveNotLegal)?;
    need(case.alerts.len() < ALERTS_MAX || case.alerts.contains_key(&body.to), Reason::LimitExceeded)?;
    // Said a second time it is a new alert only for a station whose first one has ended.
    need(case.alerts.get(&body.to).is_none_or(|alert| alert.ended), Reason::MoveNotLegal)?;
    let alert = Alert {
        at: event.at,
        cause: body.cause.clone(),
        delivered: None,
        seen: None,
        answer: None,
        terms: body.terms.clone(),
        ended: false,
        receipt_by_ruling: None,
    };
    case.alerts.insert(body.to.clone(), alert);
    Ok(())
}

fn alert<'a>(case: &'a mut Case, station: &StationRef) -> Result<&'a mut Alert, Refusal> {
    case.alerts.get_mut(station).ok_or_else(|| Refusal::new(Reason::ObjectNotFound))
}

pub(super) fn alert_delivered(case: &mut Case, event: &Event, body: &AlertDelivered) -> Verdict {
    let alert = alert(case, &body.to)?;
    need(alert.delivered.is_none(), Reason::MoveNotLegal)?;
    alert.delivered = Some(event.at);
    Ok(())
}

pub(super) fn alert_seen(case: &mut Case, event: &Event, body: &AlertSeen) -> Verdict {
    let alert = alert(case, &body.to)?;
    need(alert.seen.is_none(), Reason::MoveNotLegal)?;
    // A later fact implies the earlier ones.
    alert.delivered.get_or_insert(event.at);
    alert.seen = Some(event.at);
    Ok(())
}

/// A ruling stands in for the receipt of an alert nobody looked at. It does not say that anybody has seen it.
pub(super) fn alert_by_ruling(case: &mut Case, event: &Event, station: &StationRef) -> Verdict {
    let alert = alert(case, station)?;
    need(alert.seen.is_none() && alert.receipt_by_ruling.is_none(), Reason::MoveNotLegal)?;
    alert.receipt_by_ruling = Some(event.at);
    Ok(())
}

pub(super) fn objection_by_ruling(case: &mut Case) -> Verdict {
    let objection = case.closure.as_mut().and_then(|closure| closure.objection.take());
    need(objection.is_some(), Reason::MoveNotLegal)
}

pub(super) fn alert_answered(case: &mut Case, event: &Event, body: &AlertAnswered) -> Verdict {
    alert(case, &seat(event)?)?.answer = Some((body.answer.clone(), body.ours));
    Ok(())
}

/// A later fact implies the earlier ones: whatever an alerted station's system does about the incident shows that it
/// has the alert, whatever a person there does shows that the alert was seen.
pub(super) fn implied(case: &mut Case, event: &Event) {
    let Some(alert) = event.actor.seat().and_then(|seat| case.alerts.get_mut(&seat)) else { return };
    alert.delivered.get_or_insert(event.at);
    // Delivered is not seen (invariant 3), even where a person's open console says so.
    let only_delivered = matches!(event.body, Body::AlertDelivered(_) | Body::Delivered(_) | Body::RecallReceived(_));
    if event.actor.officer.is_some() && event.actor.role != Role::Adapter && !only_delivered {
        alert.seen.get_or_insert(event.at);
    }
}

pub(super) fn unit_reported(case: &mut Case, event: &Event, body: &UnitReported) -> Verdict {
    // Nobody reports the other side's unit (invariant 9).
    need(body.of.org == event.actor.org, Reason::OtherOrganisation)?;
    // Dispatch is recorded, never permitted (invariant 2): on a closed incident too, which stays so until reopened.
    if let Some(id) = body.support {
        need(case.supports.contains_key(&id), Reason::ObjectNotFound)?;
    }
    match case.deployments.get_mut(&body.deployment) {
        Some(sent) => {
            need(sent.unit == body.unit && sent.of == body.of, Reason::InvalidField)?;
            sent.crew.extend(body.crew.iter().cloned());
        }
        None => {
            need(case.deployments.len() < DEPLOYMENTS_MAX, Reason::LimitExceeded)?;
            let sent = Deployment {
                unit: body.unit.clone(),
                of: body.of.clone(),
                crew: body.crew.iter().cloned().collect(),
                support: body.support,
            };
            case.deployments.insert(body.deployment, sent);
        }
    }
    let what = FactKind::Unit { deployment: body.deployment, status: body.status };
    fact(case, event, what)
}

pub(super) fn fact(case: &mut Case, event: &Event, what: FactKind) -> Verdict {
    let by = event.actor.seat().unwrap_or_else(|| case.custodian.clone());
    let (officer, claimed_at) = (event.actor.officer.clone(), event.claimed_at);
    case.facts.push(Fact { seq: event.seq, at: event.at, claimed_at, by, officer, what, struck: false });
    Ok(())
}

pub(super) fn handled(case: &mut Case, event: &Event, body: &Handled) -> Verdict {
    let standing = case.standing();
    need(!matches!(standing.phase, Phase::Handled | Phase::Closed), Reason::MoveNotLegal)?;
    match &body.code {
        None if !standing.attended => {
            return Err(Refusal::new(Reason::InvalidField).field("code"));
        }
        Some(code) if code.is(codes::REFERRED_OUTSIDE) && body.referred_to.is_none() => {
            return Err(Refusal::new(Reason::InvalidField).field("referred_to"));
        }
        Some(_) | None => {}
    }
    fact(case, event, FactKind::Handled { code: body.code.clone() })
}

pub(super) fn struck(case: &mut Case, event: &Event, body: &Struck) -> Verdict {
    need(case.phase() != Phase::Closed, Reason::MoveNotLegal)?;
    let seat = seat(event)?;
    let is_custodian = seat == case.custodian;
    let Some(fact) = case.facts.iter_mut().find(|fact| fact.seq == body.entry) else {
        return Err(Refusal::new(Reason::EntryNotStrikable).field("entry"));
    };
    need(fact.by == seat, Reason::EntryNotOwn)?;
    let declared = matches!(fact.what, FactKind::Handled { .. });
    let mistakable = declared || matches!(fact.what, FactKind::Unit { .. });
    need(mistakable && !fact.struck, Reason::EntryNotStrikable)?;
    // HANDLED is the custodian's word: a former custodian takes none of it back (invariant 6).
    need(is_custodian || !declared, Reason::EntryNotOwn)?;
    explained(&body.code, body.note.as_ref())?;
    fact.struck = true;
    Ok(())
}

pub(super) fn closed(case: &mut Case, event: &Event, body: &Closed) -> Verdict {
    need(case.phase() == Phase::Handled, Reason::MoveNotLegal)?;
    need(case.open_handoff().is_none(), Reason::HandoffOpen)?;
    let left: Vec<_> = case.ledger.keys().filter(|key| key.duty != crate::timers::Duty::Close).collect();
    if !left.is_empty() {
        let names: Vec<_> = left.iter().map(|key| key.duty.as_str()).collect();
        return Err(Refusal::new(Reason::ObligationsLeft).with("owed", names.join(", ")));
    }
    let told = body.told.clone().zip(body.object_until);
    // The result is confirmed and nothing is owed: joint handling ends with the incident.
    case.joint.iter_mut().for_each(super::joint::end);
    case.closure = Some(Closure { at: event.at, code: body.code.clone(), told, objection: None });
    fact(case, event, FactKind::Closed)
}

pub(super) fn objected(case: &mut Case, event: &Event, body: &Objected) -> Verdict {
    let station = seat(event)?;
    explained(&body.code, body.note.as_ref())?;
    let Some(closure) = &mut case.closure else { return refuse(Reason::MoveNotLegal) };
    let in_time = closure.told.as_ref().is_some_and(|(_, until)| event.at <= *until);
    need(in_time && closure.objection.is_none(), Reason::MoveNotLegal)?;
    closure.objection = Some((station, event.at));
    Ok(())
}

pub(super) fn reopened(case: &mut Case, event: &Event, body: &Reopened) -> Verdict {
    need(case.phase() == Phase::Closed, Reason::MoveNotLegal)?;
    need(body.tenure == case.tenure + 1, Reason::StaleVersion)?;
    explained(&body.code, body.note.as_ref())?;
    case.tenure = body.tenure;
    case.closure = None;
    case.superseded += 1;
    fact(case, event, FactKind::Reopened { needs_unit: body.to == ReopenTo::Received })?;
    super::result::reopened(case, event);
    Ok(())
}

/// Erasure by date comes so many days after closing; before, only an auditor orders it (product, *Sealed and erasable*).
/// An alias is never closed itself: whoever draws the event up judges it by its survivor's closing.
pub(super) fn erased(case: &Case, event: &Event, body: &Erased) -> Verdict {
    let come = |dates: Dates| body.fields.iter().all(|field| dates.has_come(&field.path, event.at));
    let over = case.alias_of.is_some() || retention::dates(case, None).is_some_and(come);
    need(event.actor.role == Role::Auditor || over, Reason::MoveNotLegal)
}

/// The caller of the incident, or of one of its aliases.
pub(super) fn caller_opened(case: &Case, event: &Event, body: &CallerOpened) -> Verdict {
    need(body.of.is_none_or(|of| case.aliases.contains_key(&of)), Reason::MoveNotLegal)?;
    need(access::may_open_caller(case, &seat(event)?), Reason::WrongSide)
}

pub(super) fn escalated(case: &mut Case, event: &Event, body: &Escalated) -> Verdict {
    let key = Key { duty: body.duty, scope: body.scope, by: body.by.clone() };
    let Some(owed) = case.ledger.get_mut(&key) else { return refuse(Reason::ObjectNotFound) };
    need(owed.due == body.due && owed.rung.next() == Some(body.rung), Reason::StaleVersion)?;
    (owed.rung, owed.risen) = (body.rung, event.at);
    owed.acknowledged = None;
    owed.climbs = body.next_due.is_some();
    owed.due = body.next_due.unwrap_or(owed.due);
    Ok(())
}

/// Said again it is no news to the rung that has taken notice already; `decide` refuses it unless a new shift has begun
/// since, which stands in the station's stream and not in this one.
pub(super) fn acknowledged(case: &mut Case, event: &Event, body: &Acknowledged) -> Verdict {
    let key = Key { duty: body.duty, scope: body.scope, by: body.by.clone() };
    let Some(owed) = case.ledger.get_mut(&key) else { return refuse(Reason::ObjectNotFound) };
    need(owed.rung == body.rung, Reason::MoveNotLegal)?;
    owed.acknowledged = Some(event.at);
    Ok(())
}
