//! Rows of a batch from what was decided. Columns hold only what is searched or constrained; there is no state but
//! the events'.

use crate::recorders::Recorders;
use handoff_domain::Case;
use handoff_domain::caller::Actor;
use handoff_domain::case::phase::Phase;
use handoff_domain::directory::{is_directory, is_log};
use handoff_domain::event::directory::RegistryUpdated;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId, LOG_STREAM, MapRef, OrgId};
use handoff_domain::obligations::{Key, Owed};
use handoff_domain::time::Millis;
use handoff_evidence::event::{Recorded, record};
use handoff_evidence::leaf::Leaf;
use handoff_store::Batch;
use handoff_store::rows::{
    AnswerId, AnswerRow, CaseRow, EventRow, FeedRow, HandoffRow, MapRow, ObligationRow, PartyRow, PersonalId,
    PersonalRow, RegistryRow, StreamKind,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A batch that expects the log to end at `position`.
#[must_use]
pub(crate) fn empty(position: u64) -> Batch {
    Batch { expected: position, ..Batch::default() }
}

fn kind_of(event: &Event) -> StreamKind {
    match &event.body {
        Body::DrillOpened(_) | Body::DrillJoined(_) | Body::DrillEnded(_) => StreamKind::Drill,
        _ if is_log(event.incident) => StreamKind::Log,
        body if is_directory(body) => StreamKind::Directory,
        _ => StreamKind::Incident,
    }
}

/// The row of an event.
#[must_use]
pub(crate) fn event(event: &Event, recorded: &Recorded, leaf: &Leaf, position: u64, first: u64) -> EventRow {
    EventRow {
        position,
        first,
        kind: kind_of(event),
        incident: event.incident,
        seq: event.seq,
        type_name: Cow::Borrowed(event.body.type_name()),
        at: event.at,
        hash: recorded.hash,
        bytes: recorded.bytes.as_slice().into(),
        leaf: leaf.signature(),
    }
}

/// The row of an event of the log's own stream, a command of its own.
#[must_use]
pub(crate) fn of_log(
    recorders: &Recorders,
    body: impl Into<Body>,
    seq: u64,
    prev: &Digest,
    at: Millis,
    position: u64,
) -> EventRow {
    let (actor, body) = (Actor::service(), body.into());
    let made = Event { incident: LOG_STREAM, seq, at, claimed_at: None, actor, body };
    #[expect(clippy::expect_used, reason = "a constant shape; encoding it cannot fail")]
    let recorded = record(&made, prev).expect("an event of the log's own is within the profile");
    let leaf = recorders.sign(&made.actor.org, recorded.hash);
    event(&made, &recorded, &leaf, position, position)
}

/// The row of a feed entry.
#[must_use]
pub(crate) fn feed(org: &OrgId, number: u64, position: u64, enters: bool) -> FeedRow {
    FeedRow { org: org.clone(), number, position, enters }
}

/// The row of an answer.
#[must_use]
pub(crate) fn answer(
    id: &AnswerId,
    key: [u8; 16],
    mac: [u8; 32],
    bytes: Vec<u8>,
    position: Option<u64>,
    incident: Option<IncidentId>,
    at: Millis,
) -> AnswerRow {
    AnswerRow { id: id.clone(), key: Some(key), mac, answer: bytes.into(), position, incident, at }
}

/// The row of a sealed value.
#[must_use]
pub(crate) fn personal(incident: IncidentId, seq: u64, path: &str, disclosure: &str) -> PersonalRow {
    PersonalRow { id: erase(incident, seq, path), disclosure: disclosure.as_bytes().to_vec() }
}

/// Names a sealed value.
#[must_use]
pub(crate) fn erase(incident: IncidentId, seq: u64, path: &str) -> PersonalId {
    PersonalId { incident, seq, path: path.to_owned() }
}

/// The row of a map's bytes.
#[must_use]
pub(crate) fn map(map: &MapRef, digest: Digest, bytes: &Arc<[u8]>) -> MapRow {
    MapRow { map: map.clone(), digest, bytes: bytes.clone() }
}

/// The rows of a registry's entries that an update adds or changes.
pub(crate) fn registry(
    update: &RegistryUpdated,
    entries: &BTreeMap<String, Vec<u8>>,
) -> impl Iterator<Item = RegistryRow> {
    let (org, version) = (update.org.clone(), update.version);
    let row = move |(kid, entry): (&String, &Vec<u8>)| RegistryRow {
        org: org.clone(),
        version,
        kid: kid.clone(),
        entry: entry.clone(),
    };
    entries.iter().map(row)
}

/// Final rows of one case: its own, its parties', obligations' and handoffs', as far as they differ from before.
pub(crate) fn of_case(batch: &mut Batch, before: Option<&Case>, after: &Case) {
    batch.cases.push(case(before, after));
    // Every party's row says whether the case is open, so that its list is one range of one index.
    let turned = before.is_some_and(|before| closed_at(before).is_some() != closed_at(after).is_some());
    for (seat, party) in &after.parties {
        let was = before.and_then(|case| case.parties.get(seat));
        if turned || was.is_none_or(|was| was.is_in() != party.is_in()) {
            batch.parties.push(PartyRow {
                incident: after.id,
                org: seat.org.clone(),
                station: Some(seat.station.clone()),
                active: party.is_in(),
            });
        }
    }
    for (org, part) in &after.superiors {
        let was = before.and_then(|case| case.superiors.get(org));
        if turned || was.is_none_or(|was| was.is_in() != part.is_in()) {
            let (incident, org, active) = (after.id, org.clone(), part.is_in());
            batch.parties.push(PartyRow { incident, org, station: None, active });
        }
    }
    obligations(batch, before, after);
    for handoff in &after.handoffs {
        let was = before.and_then(|case| case.handoff(handoff.id));
        if was.is_none_or(|was| was.state.name() != handoff.state.name() || was.version != handoff.version) {
            batch.handoffs.push(HandoffRow {
                handoff: handoff.id,
                incident: after.id,
                from: handoff.from.clone(),
                to: handoff.to.clone(),
                state: Cow::Borrowed(handoff.state.name().as_str()),
                offered_at: handoff.first_offer,
                updated_at: after.updated_at,
            });
        }
    }
}

/// The searched columns of a case.
#[must_use]
pub(crate) fn case(before: Option<&Case>, after: &Case) -> CaseRow {
    CaseRow {
        incident: after.id,
        was: before.map_or(0, |case| case.version),
        version: after.version,
        state: Cow::Borrowed(after.phase().as_str()),
        custodian: after.custodian.clone(),
        tenure: after.tenure,
        first_receiver: after.first_receiver.clone(),
        kind: after.kind.as_ref().map(|kind| Cow::Owned(kind.as_str().to_owned())),
        severity: Some(Cow::Borrowed(after.severity.as_str())),
        drill: after.drill,
        alias_of: after.alias_of,
        opened_at: after.opened_at,
        closed_at: closed_at(after),
        updated_at: after.updated_at,
    }
}

/// When a case that is closed now was closed.
fn closed_at(case: &Case) -> Option<Millis> {
    case.closure.as_ref().filter(|_| case.phase() == Phase::Closed).map(|closure| closure.at)
}

fn obligations(batch: &mut Batch, before: Option<&Case>, after: &Case) {
    for (key, owed) in &after.ledger {
        if before.and_then(|case| case.ledger.get(key)) != Some(owed) {
            batch.obligations.push(obligation(after, key, owed, false));
        }
    }
    let Some(before) = before else { return };
    for (key, owed) in &before.ledger {
        if !after.ledger.contains_key(key) {
            batch.obligations.push(obligation(after, key, owed, true));
        }
    }
}

/// The row of one obligation. What the common superior owes stands under its organisation from the start, so that
/// the key does not change when the matter reaches it.
#[must_use]
pub(crate) fn obligation(case: &Case, key: &Key, owed: &Owed, done: bool) -> ObligationRow {
    ObligationRow {
        incident: case.id,
        scope: key.scope,
        duty: key.duty,
        org: key.by.as_ref().map(|seat| seat.org.clone()).or_else(|| owed.superior.clone()),
        station: key.by.as_ref().map(|seat| seat.station.clone()),
        role: owed.role,
        since: owed.since,
        due: owed.due,
        raise_at: owed.climbs.then_some(owed.due),
        rung: owed.rung,
        acknowledged: owed.acknowledged.is_some(),
        done,
    }
}
