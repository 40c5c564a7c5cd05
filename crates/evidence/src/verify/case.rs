//! C4, C5 and C6: each event by itself, all of them in a row, and what the rules say to them.

use super::desk::{Desk, Exhibit};
use super::tally::Tally;
use crate::bundle;
use crate::bundle::layout::Slot;
use crate::event::{DecodeError, FIRST_PREV};
use crate::json;
use crate::leaf::LeafError;
use crate::report::{CheckId, Detail, Place, Problem};
use handoff_domain::case::Case;
use handoff_domain::case::phase::Phase;
use handoff_domain::case::view::Mark;
use handoff_domain::ids::Digest;
use handoff_domain::node::Node;
use handoff_domain::time::Millis;

/// Whether a version is a later one of the same family: `handoff-event/2` to a reader of `handoff-event/1`.
pub(super) fn is_newer(found: &str, known: &str) -> bool {
    let number = |version: &str| {
        let (family, number) = version.rsplit_once('/')?;
        let plain = number.bytes().all(|c| c.is_ascii_digit()) && !number.starts_with('0');
        Some((family.to_owned(), number.parse::<u64>().ok().filter(|_| plain)?))
    };
    matches!((number(found), number(known)), (Some((a, found)), Some((b, known))) if a == b && found > known)
}

/// The version of an event that is newer than ours.
pub(super) fn newer(error: &DecodeError) -> Option<&str> {
    match error {
        DecodeError::UnknownVersion(found) => {
            Some(found.as_str()).filter(|found| is_newer(found, handoff_domain::event::SCHEMA))
        }
        DecodeError::Profile(_)
        | DecodeError::UnknownType(_)
        | DecodeError::Envelope(_)
        | DecodeError::Body(_)
        | DecodeError::First { .. } => None,
    }
}

/// C4: the form of each event, and that it is recorded with the key of the organisation it names.
pub(super) fn form(desk: &Desk<'_>, tally: &mut Tally) {
    for exhibit in &desk.events {
        let Some((bytes, hash)) = exhibit.bytes else { continue };
        tally.look(CheckId::C4);
        let place = || Place::File(Slot::Event(exhibit.seq).to_string());
        if let Some(Err(error)) = &exhibit.decoded {
            unreadable(error, place(), tally);
        }
        if let Ok(tree) = json::read(bytes) {
            nfc(&tree, place(), tally);
        }
        recorded(desk, exhibit, hash, tally);
    }
}

/// Why an event is none; the details are the same in every language.
pub(super) fn unreadable(error: &DecodeError, place: Place, tally: &mut Tally) {
    if let Some(version) = newer(error) {
        tally.newer(CheckId::C4, place, Problem::EventNewer, [(Detail::Version, version.to_owned())]);
        return;
    }
    let detail = match error {
        DecodeError::Profile(error) => (Detail::Byte, error.at.to_string()),
        DecodeError::UnknownVersion(version) => (Detail::Version, version.clone()),
        DecodeError::UnknownType(found) => (Detail::Field, format!("type {found}")),
        DecodeError::Envelope(error) => (Detail::Field, error.path.clone()),
        DecodeError::Body(error) => (Detail::Field, format!("body.{}", error.path)),
        DecodeError::First { .. } => (Detail::Field, "prev".to_owned()),
    };
    tally.fail_with(CheckId::C4, place, Problem::EventUnreadable, [detail]);
}

/// The form of characters may have changed since the event was recorded (evidence, 14, 5).
fn nfc(tree: &Node, place: Place, tally: &mut Tally) {
    if let Err(error) = json::check_intake(tree) {
        tally.warn(CheckId::C4, place, Problem::NotNfc, [(Detail::Field, error.path)]);
    }
}

fn recorded(desk: &Desk<'_>, exhibit: &Exhibit<'_>, hash: Digest, tally: &mut Tally) {
    let (Some(event), Some(logged)) = (exhibit.event(), &exhibit.logged) else { return };
    let Some(checkpoint) = desk.checkpoint() else { return };
    let (org, index, place) = (&event.actor.org, logged.index, Place::Event(exhibit.seq));
    let Some(key) = bundle::recorder(desk.chain, &checkpoint.origin, org, index) else {
        let details = [(Detail::Organisation, org.to_string()), (Detail::Index, index.to_string())];
        tally.fail_with(CheckId::C4, place, Problem::RecorderUnknown, details);
        return;
    };
    let problem = match logged.leaf.verify(hash, &key) {
        Ok(()) => return,
        Err(LeafError::OtherKey) => Problem::LeafKey,
        Err(LeafError::OtherEvent | LeafError::Signature) => Problem::LeafSignature,
    };
    tally.fail_with(CheckId::C4, place, problem, [(Detail::Organisation, org.to_string())]);
}

/// C5: number, hash of the event before, one incident, rising places in the log.
pub(super) fn order(desk: &Desk<'_>, tally: &mut Tally) {
    let incident = desk.incident();
    let (mut prev, mut index) = (Some(FIRST_PREV), None);
    for exhibit in &desk.events {
        tally.look(CheckId::C5);
        let place = || Place::Event(exhibit.seq);
        match &exhibit.decoded {
            None => tally.fail(CheckId::C5, place(), Problem::EventMissing),
            Some(Err(error)) => {
                if newer(error).is_some() {
                    tally.newer(CheckId::C5, place(), Problem::EventNewer, []);
                }
            }
            Some(Ok((event, before))) => {
                if Some(event.incident) != incident {
                    let detail = (Detail::Incident, event.incident.to_string());
                    tally.fail_with(CheckId::C5, place(), Problem::OtherIncident, [detail]);
                }
                if event.seq != exhibit.seq {
                    tally.fail(CheckId::C5, place(), Problem::NumberOther);
                }
                // Where the event before is missing, that it is missing has been said.
                if prev.is_some_and(|prev| prev != *before) {
                    tally.fail(CheckId::C5, place(), Problem::PrevOther);
                }
            }
        }
        if let Some(here) = exhibit.index() {
            if index.is_some_and(|before| before >= here) {
                tally.fail_with(CheckId::C5, place(), Problem::IndexOther, [(Detail::Index, here.to_string())]);
            }
            index = Some(here);
        }
        prev = exhibit.bytes.map(|(_, hash)| hash);
    }
}

/// What the rules make of the case.
#[derive(Default)]
pub(super) struct Replayed {
    pub(super) closed_at: Option<Millis>,
    pub(super) by_ruling: bool,
}

/// C6: the case's own events, applied one after the other from nothing; they need nothing of the directory.
pub(super) fn replay(desk: &Desk<'_>, tally: &mut Tally) -> Replayed {
    let mut case: Option<Case> = None;
    if desk.events.is_empty() {
        tally.fail(CheckId::C6, Place::Bundle, Problem::NoEvents);
        return Replayed::default();
    }
    for exhibit in &desk.events {
        tally.look(CheckId::C6);
        let place = Place::Event(exhibit.seq);
        let Some(Ok((event, _))) = &exhibit.decoded else {
            if let Some(Err(error)) = &exhibit.decoded
                && newer(error).is_some()
            {
                tally.newer(CheckId::C6, place, Problem::EventNewer, []);
            } else {
                tally.fail(CheckId::C6, place, Problem::ReplayStopped);
            }
            return Replayed::default();
        };
        match handoff_domain::apply(case.take(), event) {
            Ok(next) => case = Some(next),
            Err(violation) => {
                let reason = violation.refusal.reason.as_str().to_owned();
                let details = [(Detail::Field, format!("type {}", violation.type_name)), (Detail::Reason, reason)];
                tally.fail_with(CheckId::C6, place, Problem::Illegal, details);
                return Replayed::default();
            }
        }
    }
    let Some(case) = case else { return Replayed::default() };
    if case.phase() != Phase::Closed {
        let state = (Detail::Reason, case.phase().to_string());
        tally.fail_with(CheckId::C6, Place::Bundle, Problem::NotClosed, [state]);
        return Replayed::default();
    }
    let by_ruling = case.milestones().signed_off.mark == Mark::ByRuling;
    Replayed { closed_at: case.closure.map(|closure| closure.at), by_ruling }
}
