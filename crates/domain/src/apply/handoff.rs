//! The dialogue of a handoff, from claim or offer to agreement, decline or recall.

use super::dispute::second_decline;
use super::signing::signer_stands;
use super::{Verdict, explained, named, need, refuse};
use crate::case::handoff::{AgreedForm, Handoff, HandoffState, Lamps, WayOn};
use crate::case::phase::Phase;
use crate::case::{Case, HANDOFFS_MAX};
use crate::codes;
use crate::event::Event;
use crate::event::handoff::{
    Agreed, ClaimDropped, ClaimRefused, Claimed, Countered, Declined, Delivered, Kept, OfferBasis, Offered,
    RecallReceived, Recalled, Revised, Seen, StoodBy, Withdrawn,
};
use crate::form::Signer;
use crate::ids::{HandoffId, StationRef};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::timers::{STAND_BY_MAX_MS, Timers};
use crate::values::{Code, Terms};
use std::collections::BTreeSet;

/// A decision on the form: whoever takes it does not sign that form, in no version of it (invariant 9).
pub(super) fn decides(handoff: &mut Handoff, event: &Event) -> Verdict {
    let Some(officer) = event.actor.officer.clone() else { return Ok(()) };
    need(!handoff.signers.contains(&officer), Reason::DecidesAndSigns)?;
    handoff.deciders.insert(officer);
    Ok(())
}

fn on_table(handoff: &Handoff, version: u64) -> Verdict {
    need(handoff.version == version, Reason::StaleVersion)
}

fn may_begin(case: &Case, number: u64, to: &StationRef) -> Verdict {
    need(case.open_handoff().is_none(), Reason::HandoffOpen)?;
    need(case.phase() != Phase::Closed, Reason::MoveNotLegal)?;
    need(*to != case.custodian, Reason::SameStation)?;
    need(case.handoffs.len() < HANDOFFS_MAX, Reason::LimitExceeded)?;
    need(number == case.handoffs.len() as u64 + 1, Reason::StaleVersion)
}

fn begun(id: HandoffId, number: u64, from: &StationRef, to: &StationRef, terms: Option<&Terms>) -> Handoff {
    Handoff {
        id,
        number,
        from: from.clone(),
        to: to.clone(),
        parent: None,
        version: 0,
        form: None,
        basis: None,
        first_offer: None,
        lamps: Lamps::default(),
        declined: None,
        stand_by: None,
        from_signer: None,
        to_signer: None,
        refusals: Vec::new(),
        deciders: BTreeSet::new(),
        signers: BTreeSet::new(),
        map: None,
        terms: terms.cloned(),
        state: HandoffState::Offered,
    }
}

pub(super) fn claimed(case: &mut Case, event: &Event, body: &Claimed) -> Verdict {
    may_begin(case, body.number, &body.to)?;
    need(body.from == case.custodian, Reason::WrongSide)?;
    need(case.handoff(body.handoff).is_none(), Reason::InvalidField)?;
    // Whoever declined sees nothing new by claiming what it declined: the custodian offers again, or it keeps it.
    need(case.takes_part(&body.to), Reason::WrongSide)?;
    explained(&body.code, body.note.as_ref())?;
    let state = HandoffState::Claimed { at: event.at, refused: None };
    let handoff = begun(body.handoff, body.number, &body.from, &body.to, body.terms.as_ref());
    case.handoffs.push(Handoff { state, ..handoff });
    Ok(())
}

pub(super) fn claim_refused(case: &mut Case, event: &Event, body: &ClaimRefused) -> Verdict {
    let HandoffState::Claimed { refused: refused @ None, .. } = &mut named(case, body.handoff)?.state else {
        return refuse(Reason::MoveNotLegal);
    };
    explained(&body.code, body.note.as_ref())?;
    *refused = Some(event.at);
    Ok(())
}

pub(super) fn claim_dropped(case: &mut Case, body: &ClaimDropped) -> Verdict {
    let handoff = named(case, body.handoff)?;
    need(handoff.is_claim(), Reason::MoveNotLegal)?;
    handoff.state = HandoffState::Kept;
    Ok(())
}

/// Invariant 2: a unit of either side is assigned or was on scene, or a duty officer decided that none is needed, or
/// none is free and a support request of the custodian is out. A unit called off before it arrived does not count.
fn basis_holds(case: &Case, basis: OfferBasis) -> bool {
    match basis {
        OfferBasis::UnitAssigned => {
            case.standing().attended || case.unit_statuses().values().any(|status| status.is_active())
        }
        OfferBasis::NoResponseNeeded => true,
        OfferBasis::NoUnitFree => {
            case.supports.values().any(|support| !support.ended && support.from == case.custodian)
        }
    }
}

pub(super) fn offered(case: &mut Case, event: &Event, body: &Offered) -> Verdict {
    need(body.from == case.custodian, Reason::WrongSide)?;
    need(body.version == 1, Reason::StaleVersion)?;
    let claimed = case.open_handoff().filter(|open| open.id == body.handoff && open.to == body.to && open.is_claim());
    let claimed = claimed.map(|open| (open.number, open.deciders.clone()));
    if let Some((number, _)) = &claimed {
        need(*number == body.number, Reason::StaleVersion)?;
    } else {
        may_begin(case, body.number, &body.to)?;
        need(case.handoff(body.handoff).is_none(), Reason::InvalidField)?;
    }
    need(basis_holds(case, body.basis), Reason::NoUnitAssigned)?;
    body.form.check()?;
    if let Some(parent) = body.parent {
        need(case.handoff(parent).is_some(), Reason::HandoffNotFound)?;
    }
    if claimed.is_some() {
        case.handoffs.pop();
    }
    let mut handoff = Handoff {
        parent: body.parent,
        version: 1,
        form: Some(body.form.clone()),
        basis: Some(body.basis),
        first_offer: Some(event.at),
        from_signer: body.signer.clone(),
        deciders: claimed.map(|(_, deciders)| deciders).unwrap_or_default(),
        map: body.map.clone(),
        ..begun(body.handoff, body.number, &body.from, &body.to, body.terms.as_ref())
    };
    decides(&mut handoff, event)?;
    signer_stands(case, &handoff, &handoff.from, body.signer.as_ref())?;
    case.handoffs.push(handoff);
    Ok(())
}

/// The state a revision leads to: offered anew, or, after a ruling, agreed in its new version.
fn after_revision(state: &HandoffState, event: &Event, body: &Revised) -> Result<HandoffState, Refusal> {
    match state {
        HandoffState::Offered | HandoffState::Countered { .. } | HandoffState::Declined { .. } => {
            Ok(HandoffState::Offered)
        }
        HandoffState::Agreed(agreed) if agreed.by_ruling => {
            let (Some(exp), Some(nonce), Some(form_digest)) = (body.exp, body.nonce, body.form_digest) else {
                return Err(Refusal::new(Reason::InvalidField).field("exp"));
            };
            need(exp > event.at, Reason::InvalidField)?;
            let (seq, at, from_signed, to_signed) = (event.seq, event.at, None, None);
            let agreed = agreed.clone();
            Ok(HandoffState::Agreed(AgreedForm { seq, at, exp, nonce, form_digest, from_signed, to_signed, ..agreed }))
        }
        HandoffState::Agreed(_) => Ok(HandoffState::Offered),
        HandoffState::Claimed { .. }
        | HandoffState::Disputed(_)
        | HandoffState::Kept
        | HandoffState::Recalled { .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => Err(Refusal::new(Reason::MoveNotLegal)),
    }
}

pub(super) fn revised(case: &mut Case, event: &Event, body: &Revised) -> Verdict {
    let handoff = named(case, body.handoff)?;
    let state = after_revision(&handoff.state, event, body)?;
    need(body.version == handoff.version + 1, Reason::StaleVersion)?;
    body.form.check()?;
    decides(handoff, event)?;
    if matches!(state, HandoffState::Offered) {
        // The receiver's part went with its agreement.
        handoff.to_signer = None;
    }
    (handoff.version, handoff.form, handoff.state) = (body.version, Some(body.form.clone()), state);
    (handoff.lamps, handoff.refusals) = (Lamps::default(), Vec::new());
    if body.signer.is_some() {
        handoff.from_signer.clone_from(&body.signer);
    }
    signers_stand(case, body.handoff, body.signer.as_ref(), None)
}

/// [`signer_stands`] for the signers an event has just named.
fn signers_stand(case: &Case, id: HandoffId, from: Option<&Signer>, to: Option<&Signer>) -> Verdict {
    let Some(handoff) = case.handoff(id) else { return refuse(Reason::HandoffNotFound) };
    signer_stands(case, handoff, &handoff.from, from)?;
    signer_stands(case, handoff, &handoff.to, to)
}

/// Whether the receiver's lamps still tell something in this state.
pub(crate) fn has_lamps(state: &HandoffState) -> bool {
    match state {
        HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Agreed(_)
        | HandoffState::Disputed(_) => true,
        HandoffState::Claimed { .. }
        | HandoffState::Declined { .. }
        | HandoffState::Kept
        | HandoffState::Recalled { .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => false,
    }
}

fn lamps(case: &mut Case, id: HandoffId, version: u64) -> Result<&mut Lamps, Refusal> {
    let handoff = named(case, id)?;
    on_table(handoff, version)?;
    need(handoff.version > 0 && has_lamps(&handoff.state), Reason::MoveNotLegal)?;
    Ok(&mut handoff.lamps)
}

pub(super) fn delivered(case: &mut Case, event: &Event, body: &Delivered) -> Verdict {
    let lamps = lamps(case, body.handoff, body.version)?;
    need(lamps.delivered.is_none(), Reason::MoveNotLegal)?;
    lamps.delivered = Some(event.at);
    Ok(())
}

pub(super) fn seen(case: &mut Case, event: &Event, body: &Seen) -> Verdict {
    let lamps = lamps(case, body.handoff, body.version)?;
    need(lamps.seen.is_none(), Reason::MoveNotLegal)?;
    lamps.delivered.get_or_insert(event.at);
    lamps.seen = Some(event.at);
    Ok(())
}

/// A later move of the receiver implies that it has the offer and has seen it.
fn noticed(handoff: &mut Handoff, at: Millis) {
    handoff.lamps.delivered.get_or_insert(at);
    handoff.lamps.seen.get_or_insert(at);
}

pub(super) fn stood_by(case: &mut Case, event: &Event, body: &StoodBy) -> Verdict {
    let (urgent, normal) = STAND_BY_MAX_MS;
    let longest = if case.is_urgent() { urgent } else { normal };
    let handoff = named(case, body.handoff)?;
    need(matches!(handoff.state, HandoffState::Offered), Reason::MoveNotLegal)?;
    on_table(handoff, body.version)?;
    let allowed = body.until > event.at && body.until <= event.at.plus(longest);
    need(handoff.stand_by.is_none() && allowed, Reason::StandByNotAllowed)?;
    noticed(handoff, event.at);
    handoff.stand_by = Some((event.at, body.until));
    Ok(())
}

pub(super) fn countered(case: &mut Case, event: &Event, body: &Countered) -> Verdict {
    let handoff = named(case, body.handoff)?;
    need(matches!(handoff.state, HandoffState::Offered), Reason::MoveNotLegal)?;
    on_table(handoff, body.version)?;
    if body.code.is(codes::INSUFFICIENT_DATA) && body.fields.is_empty() {
        return Err(Refusal::new(Reason::InvalidField).field("fields"));
    }
    explained(&body.code, body.note.as_ref())?;
    decides(handoff, event)?;
    noticed(handoff, event.at);
    handoff.state = HandoffState::Countered { at: event.at, code: body.code.clone() };
    Ok(())
}

/// A decline, or a withdrawal, which counts as one: the second of this incident by this station is a dispute.
fn say_no(case: &mut Case, event: &Event, id: HandoffId, next: HandoffState) -> Verdict {
    let station = named(case, id)?.to.clone();
    let declines = case.declines.entry(station).or_insert(0);
    *declines += 1;
    let again = *declines >= 2;
    let handoff = named(case, id)?;
    noticed(handoff, event.at);
    handoff.declined = Some(handoff.version);
    handoff.state = if again { second_decline(event) } else { next };
    Ok(())
}

/// "No capacity" is not a reason to decline: it becomes a support request (product, *Handoff*).
fn may_be_declined_with(code: &Code) -> Verdict {
    need(!code.is(codes::NO_CAPACITY), Reason::CodeNotAllowed)
}

/// Whether the incident was too old at its first offer, by the terms of this handoff.
fn is_too_old(opened_at: Millis, urgent: bool, handoff: &Handoff) -> bool {
    let defaults = Timers::default();
    let timers = handoff.terms.as_ref().and_then(|terms| terms.timers.as_ref()).unwrap_or(&defaults);
    handoff.first_offer.is_some_and(|offer| offer.since(opened_at) > timers.too_old_ms(urgent))
}

pub(super) fn declined(case: &mut Case, event: &Event, body: &Declined) -> Verdict {
    let (opened_at, urgent) = (case.opened_at, case.is_urgent());
    let handoff = named(case, body.handoff)?;
    need(matches!(handoff.state, HandoffState::Offered), Reason::MoveNotLegal)?;
    on_table(handoff, body.version)?;
    may_be_declined_with(&body.code)?;
    if body.code.is(codes::NOT_OUR_TERRITORY) && body.owner.is_none() {
        return Err(Refusal::new(Reason::InvalidField).field("owner"));
    }
    if body.code.is(codes::DUPLICATE_OF) != body.duplicate_of.is_some() {
        return Err(Refusal::new(Reason::InvalidField).field("duplicate_of"));
    }
    explained(&body.code, body.note.as_ref())?;
    let young = body.code.is(codes::TOO_OLD) && !is_too_old(opened_at, urgent, handoff);
    need(!young, Reason::CodeNotAllowed)?;
    decides(handoff, event)?;
    let next = HandoffState::Declined { at: event.at, code: body.code.clone(), duplicate_of: body.duplicate_of };
    say_no(case, event, body.handoff, next)
}

pub(super) fn withdrawn(case: &mut Case, event: &Event, body: &Withdrawn) -> Verdict {
    let handoff = named(case, body.handoff)?;
    need(handoff.agreed().is_some_and(|agreed| !agreed.by_ruling), Reason::MoveNotLegal)?;
    may_be_declined_with(&body.code)?;
    explained(&body.code, body.note.as_ref())?;
    decides(handoff, event)?;
    let next = HandoffState::Declined { at: event.at, code: body.code.clone(), duplicate_of: None };
    say_no(case, event, body.handoff, next)
}

/// Whether a form can become agreed from here, and whether it is so by ruling.
fn agreed_by_ruling(state: &HandoffState, at: Millis) -> Result<bool, Refusal> {
    match state {
        HandoffState::Offered | HandoffState::Countered { .. } => Ok(false),
        // A settlement or a ruling of the same command made way for it.
        HandoffState::Disputed(dispute) => match dispute.way_on {
            Some(WayOn::Settled) => Ok(false),
            Some(WayOn::Ruled) => Ok(true),
            None => Err(Refusal::new(Reason::MoveNotLegal)),
        },
        HandoffState::Agreed(agreed) if at > agreed.exp => Ok(agreed.by_ruling),
        HandoffState::Agreed(_)
        | HandoffState::Claimed { .. }
        | HandoffState::Declined { .. }
        | HandoffState::Kept
        | HandoffState::Recalled { .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => Err(Refusal::new(Reason::MoveNotLegal)),
    }
}

pub(super) fn agreed(case: &mut Case, event: &Event, body: &Agreed) -> Verdict {
    let handoff = named(case, body.handoff)?;
    let by_ruling = agreed_by_ruling(&handoff.state, event.at)?;
    on_table(handoff, body.version)?;
    need(body.from == handoff.from && body.to == handoff.to, Reason::WrongSide)?;
    need(body.exp > event.at, Reason::InvalidField)?;
    // The receiver's own fields are the receiver's to fill in, whoever's yes ended a dispute (invariant 9).
    let parts = body.number.is_some() || body.category.is_some() || body.signer.is_some();
    need(!parts || event.actor.is_at(&handoff.to), Reason::WrongSide)?;
    decides(handoff, event)?;
    // Another's yes, a settlement's or a ruling's, does not show that the receiver has seen anything (invariant 3).
    if event.actor.is_at(&handoff.to) {
        noticed(handoff, event.at);
    }
    if body.signer.is_some() {
        handoff.to_signer.clone_from(&body.signer);
    }
    // Agreed to after all, by the receiver or in its place: the earlier no is off the table.
    handoff.declined = None;
    handoff.state = HandoffState::Agreed(AgreedForm {
        seq: event.seq,
        at: event.at,
        exp: body.exp,
        nonce: body.nonce,
        form_digest: body.form_digest,
        level: body.level,
        agreement: body.agreement,
        by_ruling,
        number: body.number.clone(),
        category: body.category.clone(),
        from_signed: None,
        to_signed: None,
    });
    if let Some(number) = &body.number {
        case.labels.insert(body.to.clone(), number.clone());
    }
    signers_stand(case, body.handoff, None, body.signer.as_ref())
}

pub(super) fn recalled(case: &mut Case, event: &Event, body: &Recalled) -> Verdict {
    let handoff = named(case, body.handoff)?;
    let may = match &handoff.state {
        HandoffState::Offered | HandoffState::Countered { .. } => true,
        HandoffState::Agreed(agreed) => !agreed.by_ruling,
        HandoffState::Claimed { .. }
        | HandoffState::Declined { .. }
        | HandoffState::Disputed(_)
        | HandoffState::Kept
        | HandoffState::Recalled { .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => false,
    };
    need(may, Reason::MoveNotLegal)?;
    explained(&body.code, body.note.as_ref())?;
    decides(handoff, event)?;
    // A receipt is owed even for an offer not known to be delivered: it may be on somebody's screen all the same.
    handoff.state = HandoffState::Recalled { at: event.at, received: false };
    Ok(())
}

pub(super) fn recall_received(case: &mut Case, body: &RecallReceived) -> Verdict {
    let HandoffState::Recalled { received: received @ false, .. } = &mut named(case, body.handoff)?.state else {
        return refuse(Reason::MoveNotLegal);
    };
    *received = true;
    Ok(())
}

pub(super) fn kept(case: &mut Case, event: &Event, body: &Kept) -> Verdict {
    let handoff = named(case, body.handoff)?;
    let may = matches!(handoff.state, HandoffState::Countered { .. } | HandoffState::Declined { .. });
    need(may, Reason::MoveNotLegal)?;
    explained(&body.code, body.note.as_ref())?;
    decides(handoff, event)?;
    handoff.state = HandoffState::Kept;
    Ok(())
}
