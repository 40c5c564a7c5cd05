//! C4, C5 and C6: each event by itself, all of them in a row, and what the rules say to them.

use super::desk::{Desk, Exhibit};
use super::tally::{Detailed as _, Tally};
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
        match &exhibit.decoded {
            Some(Err(error)) => unreadable(error, place(), tally),
            Some(Ok(_)) | None => {}
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
        tally.newer(CheckId::C4, place, Problem::EventNewer).with(Detail::Version, version);
        return;
    }
    let finding = tally.fail(CheckId::C4, place, Problem::EventUnreadable);
    drop(match error {
        DecodeError::Profile(error) => finding.with(Detail::Byte, error.at),
        DecodeError::UnknownVersion(version) => finding.with(Detail::Version, version),
        DecodeError::UnknownType(found) => finding.with(Detail::Field, format!("type {found}")),
        DecodeError::Envelope(error) => finding.with(Detail::Field, &error.path),
        DecodeError::Body(error) => finding.with(Detail::Field, format!("body.{}", error.path)),
        DecodeError::First { .. } => finding.with(Detail::Field, "prev"),
    });
}

/// The form of characters may have changed since the event was recorded (evidence, 14, 5).
fn nfc(tree: &Node, place: Place, tally: &mut Tally) {
    if let Err(error) = json::check_intake(tree) {
        tally.warn(CheckId::C4, place, Problem::NotNfc).with(Detail::Field, error.path);
    }
}

fn recorded(desk: &Desk<'_>, exhibit: &Exhibit<'_>, hash: Digest, tally: &mut Tally) {
    let (Some(event), Some(logged)) = (exhibit.event(), &exhibit.logged) else { return };
    let Some(checkpoint) = desk.checkpoint() else { return };
    let (org, index, place) = (&event.actor.org, logged.index, Place::Event(exhibit.seq));
    let Some(key) = bundle::recorder(desk.chain, &checkpoint.origin, org, index) else {
        let finding = tally.fail(CheckId::C4, place, Problem::RecorderUnknown);
        drop(finding.with(Detail::Organisation, org).with(Detail::Index, index));
        return;
    };
    match logged.leaf.verify(hash, &key) {
        Ok(()) => {}
        Err(LeafError::OtherKey) => {
            tally.fail(CheckId::C4, place, Problem::LeafKey).with(Detail::Organisation, org);
        }
        Err(LeafError::OtherEvent | LeafError::Signature) => {
            tally.fail(CheckId::C4, place, Problem::LeafSignature).with(Detail::Organisation, org);
        }
    }
}

/// C5: number, hash of the event before, one incident, rising places in the log.
pub(super) fn order(desk: &Desk<'_>, tally: &mut Tally) {
    let incident = desk.incident();
    let (mut prev, mut index) = (Some(FIRST_PREV), None);
    for exhibit in &desk.events {
        tally.look(CheckId::C5);
        let place = || Place::Event(exhibit.seq);
        match &exhibit.decoded {
            None => drop(tally.fail(CheckId::C5, place(), Problem::EventMissing)),
            Some(Err(error)) => {
                if newer(error).is_some() {
                    tally.newer(CheckId::C5, place(), Problem::EventNewer);
                }
            }
            Some(Ok((event, before))) => {
                if Some(event.incident) != incident {
                    let finding = tally.fail(CheckId::C5, place(), Problem::OtherIncident);
                    drop(finding.with(Detail::Incident, event.incident));
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
                tally.fail(CheckId::C5, place(), Problem::IndexOther).with(Detail::Index, here);
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
                tally.newer(CheckId::C6, place, Problem::EventNewer);
            } else {
                tally.fail(CheckId::C6, place, Problem::ReplayStopped);
            }
            return Replayed::default();
        };
        match handoff_domain::apply(case.take(), event) {
            Ok(next) => case = Some(next),
            Err(violation) => {
                let finding = tally.fail(CheckId::C6, place, Problem::Illegal);
                let finding = finding.with(Detail::Field, violation.type_name);
                drop(finding.with(Detail::Reason, violation.refusal.reason.as_str()));
                return Replayed::default();
            }
        }
    }
    let Some(case) = case else { return Replayed::default() };
    if case.phase() != Phase::Closed {
        let finding = tally.fail(CheckId::C6, Place::Bundle, Problem::NotClosed);
        drop(finding.with(Detail::Reason, case.phase()));
        return Replayed::default();
    }
    let by_ruling = case.milestones().signed_off.mark == Mark::ByRuling;
    Replayed { closed_at: case.closure.map(|closure| closure.at), by_ruling }
}
