//! C10: the witnessed times between which things happened. Nobody's clock orders anything; a recorded time that
//! contradicts a witnessed one by more than a minute is told, and makes nothing fail.

use super::desk::{Desk, Exhibit};
use super::tally::{Tally, line};
use super::tree::{self, Judged};
use crate::bundle::layout::Slot;
use crate::note::Checkpoint;
use crate::report::{CheckId, Detail, Place, Problem};
use handoff_domain::event::{Body, Event};
use handoff_domain::time::{MINUTE, Millis};
use std::collections::BTreeMap;

/// How far a recorded time may contradict a witnessed one before it is told, in milliseconds.
pub const CONTRADICTION_MS: i64 = MINUTE;

/// Size of an earlier tree, and when it was witnessed first.
type Lower = BTreeMap<u64, Millis>;

/// Gives the time at which a witnessed log did not hold the last closing.
pub(super) fn check(desk: &Desk<'_>, judged: Option<&Judged>, tally: &mut Tally) -> Option<Millis> {
    let mut lower = Lower::new();
    let mut roots = BTreeMap::new();
    for (slot, data) in &desk.slots {
        let Slot::Bound(seq) = slot else { continue };
        tally.look(CheckId::C10);
        let place = Place::File(slot.to_string());
        match Checkpoint::read(data) {
            Ok(bound) => {
                let root = *roots.entry((bound.origin.clone(), bound.head.size)).or_insert(bound.head.root);
                if root != bound.head.root {
                    tally.fail(CheckId::C10, place.clone(), Problem::Fork);
                }
                one(desk, *seq, &bound, &place, &mut lower, tally);
            }
            Err(error) => tally.fail_with(CheckId::C10, place, Problem::CheckpointUnreadable, [line(error.line)]),
        }
    }
    let upper = judged.and_then(|judged| judged.times).map(|(_, last)| last);
    for exhibit in &desk.events {
        if let (Some(event), Some(index)) = (exhibit.event(), exhibit.index()) {
            tally.look(CheckId::C10);
            contradiction(exhibit.seq, event.at, last_before(&lower, index), upper, tally);
        }
    }
    let closed = |exhibit: &&Exhibit<'_>| exhibit.event().is_some_and(|event| matches!(event.body, Body::Closed(_)));
    let closing = desk.events.iter().rfind(closed)?.index()?;
    last_before(&lower, closing)
}

/// The last witnessed time of a tree that does not hold the entry at `index`.
fn last_before(lower: &Lower, index: u64) -> Option<Millis> {
    lower.range(..=index).map(|(_, at)| *at).max()
}

fn one(desk: &Desk<'_>, seq: u64, bound: &Checkpoint, place: &Place, lower: &mut Lower, tally: &mut Tally) {
    let exhibit = desk.events.iter().find(|exhibit| exhibit.seq == seq);
    match exhibit.and_then(Exhibit::event) {
        Some(event) if has_bound(event) => {}
        // An event too new to be read may be a closing.
        None if desk.has_newer => tally.newer(CheckId::C10, place.clone(), Problem::EventNewer, []),
        Some(_) | None => tally.fail(CheckId::C10, place.clone(), Problem::BoundOfOther),
    }
    let contains = exhibit.and_then(Exhibit::index).is_some_and(|index| bound.head.size > index);
    if contains {
        tally.fail(CheckId::C10, place.clone(), Problem::BoundContains);
    }
    let same_log = desk.checkpoint().is_some_and(|checkpoint| checkpoint.origin == bound.origin);
    if !same_log {
        tally.fail(CheckId::C10, place.clone(), Problem::LogUnknown);
    }
    let judged = tree::judge(bound, desk.chain, CheckId::C10, place, tally);
    // The earliest of its times: then at least one honest witness held no more than this tree.
    if let Some((first, _)) = judged.and_then(|judged| judged.times).filter(|_| same_log && !contains) {
        lower.insert(bound.head.size, first);
    }
}

/// Events whose time matters most: opening, transfer, closing.
pub(crate) fn has_bound(event: &Event) -> bool {
    matches!(event.body, Body::Received(_) | Body::TakenOver(_) | Body::Closed(_))
}

fn contradiction(seq: u64, at: Millis, lower: Option<Millis>, upper: Option<Millis>, tally: &mut Tally) {
    if let Some(lower) = lower.filter(|lower| lower.since(at) > CONTRADICTION_MS) {
        tally.warn(CheckId::C10, Place::Event(seq), Problem::TooEarly, times(at, lower));
    }
    if let Some(upper) = upper.filter(|upper| at.since(*upper) > CONTRADICTION_MS) {
        tally.warn(CheckId::C10, Place::Event(seq), Problem::TooLate, times(at, upper));
    }
}

fn times(recorded: Millis, witnessed: Millis) -> [(Detail, String); 2] {
    [(Detail::Time, recorded.to_string()), (Detail::Time, witnessed.to_string())]
}
