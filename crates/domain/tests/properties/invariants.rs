//! The invariants of the design page *product*, one function each, under its number. Each looks at one event: the
//! case before and after it, and the book, which knows nothing but events.

use crate::book::{Chapter, Paper, decided_on};
use handoff_domain::case::Case;
use handoff_domain::case::handoff::{Handoff, HandoffState};
use handoff_domain::case::phase::Phase;
use handoff_domain::command::Act;
use handoff_domain::directory::Directory;
use handoff_domain::event::handoff::{OfferBasis, Ruling, TakenOver};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{HandoffId, StationRef};
use handoff_domain::timers::Duty;
use std::collections::BTreeMap;

/// One event and what surrounds it.
pub(crate) struct Step<'a> {
    pub(crate) before: Option<&'a Case>,
    pub(crate) event: &'a Event,
    pub(crate) after: &'a Case,
    /// The book of this incident before the event.
    pub(crate) told: &'a Chapter,
    /// And with it.
    pub(crate) tells: &'a Chapter,
    pub(crate) directory: &'a Directory,
}

pub(crate) type Check = Result<(), String>;

/// Fails with a text when the condition does not hold.
macro_rules! holds {
    ($condition:expr, $($text:tt)+) => {
        if !$condition { return Err(format!($($text)+)); }
    };
}
pub(crate) use holds;

type Invariant = fn(&Step<'_>) -> Check;

/// Every invariant that can be seen on one event.
pub(crate) const ON_EVENTS: [(&str, Invariant); 8] = [
    ("1 exactly one custodian", one_custodian_moved_by_takeover_only),
    ("2 offers need a basis", an_offer_has_a_basis_and_discharges_nothing),
    ("3 four separate facts", delivered_seen_agreed_taken_over_are_four_facts),
    ("4 timers move no custody", an_escalation_moves_nothing_else),
    ("5 takeover needs both", a_takeover_has_agreement_and_both_signatures),
    ("6 former custodian appends", a_former_custodian_changes_nothing),
    ("8 somebody owes", somebody_owes_the_next_move),
    ("9 nobody acts for others", nobody_acts_for_the_other_side_or_decides_and_signs),
];

/// Invariant 1: the first receiver from the first record, then whoever took over last; nothing else moves custody.
fn one_custodian_moved_by_takeover_only(step: &Step<'_>) -> Check {
    let Some(custodian) = step.tells.custodian() else { return Err("no custodian at all".to_owned()) };
    holds!(step.after.custodian == *custodian, "{} has it, the events say {custodian}", step.after.custodian);
    holds!(step.after.first_receiver == step.tells.custody[0], "another first receiver");
    let tenure = step.tells.custody.len() as u64 + step.tells.reopenings;
    holds!(step.after.tenure == tenure, "tenure {} after {tenure} custodies and reopenings", step.after.tenure);
    let former = &step.tells.custody[..step.tells.custody.len() - 1];
    holds!(step.after.former == former, "former custodians {:?}, not {former:?}", step.after.former);
    let moved = step.before.is_some_and(|before| before.custodian != step.after.custodian);
    let by_takeover = matches!(step.event.body, Body::TakenOver(_));
    holds!(moved == by_takeover, "custody moved: {moved}, by takeover: {by_takeover}");
    Ok(())
}

/// Invariant 2, the part about offers: a unit assigned, a decision that none is needed, or a support request out; and
/// while nobody is on the way the custodian owes one, offered or not.
fn an_offer_has_a_basis_and_discharges_nothing(step: &Step<'_>) -> Check {
    if let Body::Offered(body) = &step.event.body {
        let stands = match body.basis {
            OfferBasis::UnitAssigned => step.told.units.values().any(|(_, struck)| !struck),
            OfferBasis::NoResponseNeeded => true,
            OfferBasis::NoUnitFree => !step.told.supports.is_empty(),
        };
        holds!(stands, "offered on {} without it", body.basis);
        holds!(Some(&body.from) == step.told.custodian(), "offered by {}, who has no custody", body.from);
        let open = step
            .before
            .into_iter()
            .flat_map(|before| &before.handoffs)
            .filter(|handoff| handoff.state.is_open() && (handoff.id != body.handoff || handoff.version > 0));
        holds!(open.count() == 0, "a second open handoff");
    }
    let dispatch = |key: &handoff_domain::obligations::Key| {
        key.duty == Duty::Dispatch && key.by.as_ref() == Some(&step.after.custodian)
    };
    let owed = step.after.ledger.keys().any(dispatch);
    let needed = step.after.phase() == Phase::Received && step.after.alias_of.is_none();
    holds!(!needed || owed, "nobody is on the way and the custodian owes no dispatch");
    Ok(())
}

/// Invariant 3: delivered, seen, agreed and taken over are four events; each moves its own fact, later ones imply
/// earlier ones, never the other way round.
fn delivered_seen_agreed_taken_over_are_four_facts(step: &Step<'_>) -> Check {
    for (id, paper) in &step.tells.papers {
        let Some(handoff) = step.after.handoff(*id) else { return Err(format!("handoff {id} is gone")) };
        holds!(handoff.lamps.delivered == paper.delivered, "delivered {:?}, not as told", handoff.lamps.delivered);
        holds!(handoff.lamps.seen == paper.seen, "seen {:?}, not as told", handoff.lamps.seen);
        holds!(paper.seen.is_none() || paper.delivered <= paper.seen, "seen before delivered");
        let agreed = handoff.agreed().map(|agreed| agreed.at);
        holds!(agreed.is_none() || agreed == paper.agreed.map(|(_, at)| at), "agreed at {agreed:?}, not as told");
        // A form agreed in the receiver's place is seen later; revised under a ruling, its new version is too.
        holds!(agreed.is_none() || !paper.by_receiver || paper.seen <= agreed, "agreed before seen");
    }
    let state_of = |case: &Case, id| case.handoff(id).map(|handoff| handoff.state.clone());
    let (id, lamp_only) = match &step.event.body {
        Body::Delivered(b) => (b.handoff, true),
        Body::Seen(b) => (b.handoff, true),
        Body::Agreed(b) => (b.handoff, false),
        Body::Signed(b) => (b.handoff, false),
        _ => return Ok(()),
    };
    let before = step.before.and_then(|before| state_of(before, id));
    let after = state_of(step.after, id);
    holds!(!lamp_only || before == after, "a lamp changed the state");
    let taken = matches!(after, Some(HandoffState::TakenOver { .. }));
    holds!(!taken, "{} took the case over", step.event.body.type_name());
    Ok(())
}

/// Invariant 4: an escalation changes the obligation's rung and who may read, nothing else.
fn an_escalation_moves_nothing_else(step: &Step<'_>) -> Check {
    let (Body::Escalated(body), Some(before)) = (&step.event.body, step.before) else { return Ok(()) };
    holds!(step.event.at > body.due, "escalated at {} what is due at {}", step.event.at, body.due);
    let after = step.after.clone();
    let masked = Case {
        version: before.version,
        updated_at: before.updated_at,
        superiors: before.superiors.clone(),
        ledger: before.ledger.clone(),
        ..after
    };
    holds!(masked == *before, "a timer changed more than a rung");
    let rung_of =
        |case: &Case| -> BTreeMap<_, _> { case.ledger.iter().map(|(key, owed)| (key.clone(), owed.rung)).collect() };
    let (was, is) = (rung_of(before), rung_of(step.after));
    let changed: Vec<_> =
        is.iter().filter(|(key, rung)| was.get(*key) != Some(*rung)).map(|(key, _)| key.duty).collect();
    holds!(changed == [body.duty] && was.len() == is.len(), "the timer of {} changed {changed:?}", body.duty);
    Ok(())
}

/// Invariant 5: agreement to this version and one signature per side over the same digest, or a ruling; only *revise*
/// edits the form and voids both.
fn a_takeover_has_agreement_and_both_signatures(step: &Step<'_>) -> Check {
    if let Body::TakenOver(body) = &step.event.body {
        takeover_stands(step, body)?;
    }
    if let (Body::Signed(body), Some(before)) = (&step.event.body, step.before) {
        let Some(paper) = step.told.papers.get(&body.handoff) else {
            return Err("signed a form nobody offered".to_owned());
        };
        let version = paper.agreed.map(|(version, _)| version);
        holds!(version == Some(body.form_version), "signed v{} while {version:?} is agreed", body.form_version);
        let other = paper.signed.iter().find(|(side, _)| **side != body.side).and_then(|(_, statement)| *statement);
        holds!(other.is_none_or(|other| other == body.statement), "the sides signed two different digests");
        holds!(!paper.signed.contains_key(&body.side), "one side signed twice");
        holds!(before.handoff(body.handoff).is_some_and(|h| h.has_side(&body.side)), "signed for a third side");
    }
    let edits = match &step.event.body {
        Body::Offered(b) => Some(b.handoff),
        Body::Revised(b) => Some(b.handoff),
        _ => None,
    };
    let unedited = step.before.into_iter().flat_map(|before| &before.handoffs).filter(|was| Some(was.id) != edits);
    for was in unedited {
        let is = step.after.handoff(was.id);
        let same = is.is_some_and(|is| is.form == was.form && is.version == was.version);
        holds!(same, "{} edited the form", step.event.body.type_name());
        facts_void_nothing(step, was)?;
    }
    Ok(())
}

/// Notes, units, times, places and the like leave agreement and signatures as they are.
fn facts_void_nothing(step: &Step<'_>, was: &Handoff) -> Check {
    let fact = matches!(
        step.event.body,
        Body::Noted(_)
            | Body::UnitReported(_)
            | Body::PlaceAdded(_)
            | Body::CallAdded(_)
            | Body::LabelAdded(_)
            | Body::DetailsChanged(_)
            | Body::Struck(_)
            | Body::Alerted(_)
            | Body::Delivered(_)
            | Body::Seen(_)
            | Body::Escalated(_)
    );
    let is = step.after.handoff(was.id);
    let same = is.is_some_and(|is| is.agreed() == was.agreed());
    holds!(!fact || same, "{} voided an agreement or a signature", step.event.body.type_name());
    Ok(())
}

fn takeover_stands(step: &Step<'_>, body: &TakenOver) -> Check {
    holds!(Some(&body.from) == step.told.custodian(), "taken over from {}, who has no custody", body.from);
    if body.by_order {
        let last = step.told.last.as_ref().map(|last| &last.body);
        let ordered = matches!(last, Some(Body::Ruled(ruled)) if ruled.ruling == Ruling::Takeover
            && ruled.handoff == body.handoff && ruled.side.as_ref() == Some(&body.to));
        holds!(ordered, "an order without a ruling");
        let receiver = body.handoff.map(|id| step.told.papers.get(&id).map(|paper| &paper.to));
        let named = receiver.is_none_or(|receiver| receiver == Some(&body.to));
        holds!(named, "ordered {} to take over a form of {receiver:?}", body.to);
        return Ok(());
    }
    let paper = body.handoff.and_then(|id| step.told.papers.get(&id));
    let Some(Paper { from, to, version, agreed, signed, .. }) = paper else {
        return Err("taken over without a form".to_owned());
    };
    holds!(*from == body.from && *to == body.to, "taken over by another than the receiver");
    holds!(agreed.map(|(agreed, _)| agreed) == Some(*version), "taken over v{version}, agreed {agreed:?}");
    for side in [from, to] {
        holds!(signed.contains_key(side), "taken over without the signature of {side}");
    }
    Ok(())
}

/// Invariant 6, the part about former custodians: their entries add and change none of the custodian's own state.
fn a_former_custodian_changes_nothing(step: &Step<'_>) -> Check {
    let (Some(before), Some(seat)) = (step.before, step.event.actor.seat()) else { return Ok(()) };
    if !step.told.custody.contains(&seat) || step.told.custodian() == Some(&seat) || by_ruling(&step.event.body) {
        return Ok(());
    }
    let after = step.after;
    let by_receiver = matches!(&step.event.body, Body::TakenOver(body) if body.to == seat);
    let kept = by_receiver || (&after.custodian, after.custody_since) == (&before.custodian, before.custody_since);
    holds!(kept, "a former custodian moved custody");
    let told = |case: &Case| {
        (case.kind.clone(), case.severity, case.category.clone(), case.reports, case.first_receiver.clone())
    };
    holds!(told(after) == told(before), "a former custodian changed the incident");
    holds!(after.places.starts_with(&before.places), "a former custodian changed the places");
    holds!(after.former.starts_with(&before.former), "a former custodian changed the custodies");
    for (was, is) in before.facts.iter().zip(&after.facts) {
        let own_strike = was.by == seat && !was.struck && is.struck;
        // With the end of a merge the alias takes its units back.
        let given_back = matches!(step.event.body, Body::Unmerged(_)) && is.struck;
        holds!(
            was == is || (own_strike || given_back) && (&was.what, was.at) == (&is.what, is.at),
            "a former custodian changed an entry"
        );
    }
    holds!(after.facts.len() >= before.facts.len(), "a former custodian removed an entry");
    for (station, number) in before.labels.iter().filter(|(station, _)| **station != seat) {
        holds!(after.labels.get(station) == Some(number), "a former custodian changed another's number");
    }
    for was in before.handoffs.iter().filter(|was| was.state.is_open() && !was.has_side(&seat)) {
        let merged = matches!(step.event.body, Body::Merged(_));
        holds!(merged || after.handoff(was.id) == Some(was), "a former custodian changed others' handoff");
    }
    let closed = before.phase() != Phase::Closed && after.phase() == Phase::Closed;
    holds!(!closed, "a former custodian closed the incident");
    Ok(())
}

fn by_ruling(body: &Body) -> bool {
    matches!(body, Body::Ruled(_) | Body::RulingProposed(_)) || matches!(body, Body::TakenOver(body) if body.by_order)
}

/// Invariant 8: open incidents owe something, closed ones nothing but the answer to an objection, aliases nothing.
fn somebody_owes_the_next_move(step: &Step<'_>) -> Check {
    let (case, ledger) = (step.after, &step.after.ledger);
    if case.alias_of.is_some() {
        holds!(ledger.is_empty(), "an alias owes {:?}", ledger.keys().collect::<Vec<_>>());
        return Ok(());
    }
    if case.phase() != Phase::Closed {
        holds!(!ledger.is_empty(), "{} and nobody owes anything", case.phase());
    } else {
        let left: Vec<_> = ledger.keys().filter(|key| key.duty != Duty::AnswerObjection).collect();
        holds!(left.is_empty(), "closed, and owed is {left:?} after {}", step.event.body.type_name());
    }
    if let Body::TakenOver(body) = &step.event.body {
        let feedback = ledger.keys().any(|key| key.duty == Duty::FinalFeedback && key.by.as_ref() == Some(&body.to));
        holds!(feedback, "taken over and no feedback is owed");
    }
    for (key, owed) in ledger {
        holds!(owed.since <= case.updated_at, "{} is owed from the future", key.duty);
        holds!(owed.due > owed.since, "{} was due before it was owed", key.duty);
        let nobody = key.by.is_none() && !matches!(key.duty, Duty::Ruling);
        holds!(!nobody, "nobody is named for {}", key.duty);
    }
    Ok(())
}

/// Invariant 9: the actor's station belongs to the actor's organisation; sides are kept; nobody decides and signs.
fn nobody_acts_for_the_other_side_or_decides_and_signs(step: &Step<'_>) -> Check {
    let actor = &step.event.actor;
    if let Some(station) = &actor.station {
        let owner = step.directory.seat(station).map(|seat| seat.org);
        holds!(owner.as_ref() == Some(&actor.org), "{} acted for {station}", actor.org);
    }
    for (id, paper) in &step.tells.papers {
        let both: Vec<_> = paper.deciders.intersection(&paper.signers).collect();
        holds!(both.is_empty(), "{both:?} decided and signed on form {id}");
    }
    sides_are_kept(step)
}

/// Whose move an event of a form is, told from the form alone.
fn sides_are_kept(step: &Step<'_>) -> Check {
    let body = &step.event.body;
    let is_side = |id: HandoffId, pick: fn(&Paper) -> &StationRef| {
        step.tells.papers.get(&id).is_some_and(|paper| step.event.actor.is_at(pick(paper)))
    };
    let settled =
        |last: &Option<Event>| matches!(last.as_ref().map(|last| &last.body), Some(Body::Settled(_) | Body::Ruled(_)));
    let right = match body {
        Body::Offered(b) => is_side(b.handoff, |paper| &paper.from),
        Body::Revised(b) => is_side(b.handoff, |paper| &paper.from),
        Body::Recalled(b) => is_side(b.handoff, |paper| &paper.from),
        Body::Kept(b) => is_side(b.handoff, |paper| &paper.from),
        Body::ClaimRefused(b) => is_side(b.handoff, |paper| &paper.from),
        Body::DisputeWithdrawn(b) => is_side(b.handoff, |paper| &paper.from),
        Body::Delivered(b) => is_side(b.handoff, |paper| &paper.to),
        Body::Seen(b) => is_side(b.handoff, |paper| &paper.to),
        Body::StoodBy(b) => is_side(b.handoff, |paper| &paper.to),
        Body::Countered(b) => is_side(b.handoff, |paper| &paper.to),
        Body::Declined(b) => is_side(b.handoff, |paper| &paper.to),
        Body::Withdrawn(b) => is_side(b.handoff, |paper| &paper.to),
        Body::Claimed(b) => is_side(b.handoff, |paper| &paper.to),
        Body::ClaimDropped(b) => is_side(b.handoff, |paper| &paper.to),
        Body::Agreed(b) => settled(&step.told.last) || is_side(b.handoff, |paper| &paper.to),
        Body::Signed(b) => step.event.actor.is_at(&b.side),
        Body::TakenOver(b) => b.by_order || step.event.actor.is_at(&b.to),
        Body::UnitReported(b) => b.of.org == step.event.actor.org,
        Body::Closed(_) | Body::Reported(_) | Body::Handled(_) => {
            step.told.custodian().is_some_and(|custodian| step.event.actor.is_at(custodian))
        }
        _ => decided_on(body).is_none() || step.event.actor.station.is_some(),
    };
    holds!(right, "{} by {:?}", body.type_name(), step.event.actor.seat());
    Ok(())
}

/// Invariant 3, second half: the bare word *accept* is not used on the wire.
pub(crate) fn the_word_accept_is_not_used() -> Check {
    let words = Act::NAMES.iter().chain(Body::TYPES);
    let bare: Vec<_> = words.filter(|word| word.split('_').any(|part| part.starts_with("accept"))).collect();
    holds!(bare.is_empty(), "{bare:?} on the wire");
    Ok(())
}
