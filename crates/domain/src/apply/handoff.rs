//! The handoff from claim or offer to takeover. Custody moves in [`taken_over`] and nowhere else.

use super::{Verdict, need, open, refuse};
use crate::case::Case;
use crate::case::handoff::{AgreedForm, Handoff, HandoffState, Lamps, ResultLoop, Signature, WayOn};
use crate::case::phase::Phase;
use crate::event::Event;
use crate::event::handoff::{
    Agreed, ClaimDropped, ClaimRefused, Claimed, Countered, Declined, Delivered, Kept, OfferBasis, Offered,
    RecallReceived, Recalled, Revised, Seen, SignatureRefused, Signed, StoodBy, SubstituteNamed, TakenOver, Withdrawn,
};
use crate::form::Signer;
use crate::ids::{OfficerId, StationRef};
use crate::refusal::{Reason, Refusal};
use crate::timers::STAND_BY_MAX_MS;

/// Most handoffs of one incident.
pub const HANDOFFS_MAX: usize = 50;

/// A decision on the form: whoever takes it does not sign that form (invariant 9).
fn decides(handoff: &mut Handoff, event: &Event) -> Verdict {
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

pub(super) fn claimed(case: &mut Case, event: &Event, body: &Claimed) -> Verdict {
    may_begin(case, body.number, &body.to)?;
    need(body.from == case.custodian, Reason::WrongSide)?;
    need(case.parties.contains_key(&body.to), Reason::IncidentNotFound)?;
    case.handoffs.push(Handoff {
        id: body.handoff,
        number: body.number,
        from: body.from.clone(),
        to: body.to.clone(),
        parent: None,
        version: 0,
        form: None,
        basis: None,
        first_offer: None,
        lamps: Lamps::default(),
        stand_by: None,
        from_signer: None,
        to_signer: None,
        refusals: Vec::new(),
        deciders: std::collections::BTreeSet::new(),
        signers: std::collections::BTreeSet::new(),
        map: None,
        terms: body.terms.clone(),
        state: HandoffState::Claimed { at: event.at, refused: None },
    });
    Ok(())
}

pub(super) fn claim_refused(case: &mut Case, event: &Event, body: &ClaimRefused) -> Verdict {
    match &mut open(case, body.handoff)?.state {
        HandoffState::Claimed { refused: refused @ None, .. } => {
            *refused = Some(event.at);
            Ok(())
        }
        _ => refuse(Reason::MoveNotLegal),
    }
}

pub(super) fn claim_dropped(case: &mut Case, body: &ClaimDropped) -> Verdict {
    let handoff = open(case, body.handoff)?;
    need(matches!(handoff.state, HandoffState::Claimed { .. }), Reason::MoveNotLegal)?;
    handoff.state = HandoffState::Kept;
    Ok(())
}

/// Invariant 2: a unit of either side is assigned, or a duty officer decided that none is needed, or none is free
/// and a support request is out.
fn basis_holds(case: &Case, basis: OfferBasis) -> bool {
    match basis {
        OfferBasis::UnitAssigned => case.standing().assigned,
        OfferBasis::NoResponseNeeded => true,
        OfferBasis::NoUnitFree => case.supports.values().any(|support| !support.ended),
    }
}

pub(super) fn offered(case: &mut Case, event: &Event, body: &Offered) -> Verdict {
    need(body.from == case.custodian, Reason::WrongSide)?;
    need(basis_holds(case, body.basis), Reason::NoUnitAssigned)?;
    need(body.version == 1, Reason::StaleVersion)?;
    body.form.check()?;
    if let Some(parent) = body.parent {
        need(case.handoff(parent).is_some(), Reason::HandoffNotFound)?;
    }
    let claimed = case.open_handoff().filter(|open| {
        open.id == body.handoff && open.to == body.to && matches!(open.state, HandoffState::Claimed { .. })
    });
    let before = claimed.map(|open| (open.number, open.deciders.clone()));
    if let Some((number, _)) = &before {
        need(*number == body.number, Reason::StaleVersion)?;
        case.handoffs.pop();
    } else {
        may_begin(case, body.number, &body.to)?;
        need(case.handoff(body.handoff).is_none(), Reason::InvalidField)?;
    }
    let mut handoff = Handoff {
        id: body.handoff,
        number: body.number,
        from: body.from.clone(),
        to: body.to.clone(),
        parent: body.parent,
        version: 1,
        form: Some(body.form.clone()),
        basis: Some(body.basis),
        first_offer: Some(event.at),
        lamps: Lamps::default(),
        stand_by: None,
        from_signer: body.signer.clone(),
        to_signer: None,
        refusals: Vec::new(),
        deciders: before.map(|(_, deciders)| deciders).unwrap_or_default(),
        signers: std::collections::BTreeSet::new(),
        map: body.map.clone(),
        terms: body.terms.clone(),
        state: HandoffState::Offered,
    };
    decides(&mut handoff, event)?;
    signer_stands(case, &handoff, &handoff.from, body.signer.as_ref())?;
    case.handoffs.push(handoff);
    Ok(())
}

/// A signer is an officer of that station on a unit of this incident, or a substitute with a reason; never one who
/// decided on this form.
fn signer_stands(case: &Case, handoff: &Handoff, side: &StationRef, signer: Option<&Signer>) -> Verdict {
    let Some(signer) = signer else { return Ok(()) };
    need(!handoff.deciders.contains(&signer.officer), Reason::DecidesAndSigns)?;
    need(signer.substitute.is_some() || on_unit(case, side, &signer.officer), Reason::NotTheSigner)
}

fn on_unit(case: &Case, side: &StationRef, officer: &OfficerId) -> bool {
    let statuses = case.unit_statuses();
    case.deployments
        .iter()
        .any(|(id, sent)| statuses.contains_key(id) && sent.of == *side && sent.crew.contains(officer))
}

pub(super) fn revised(case: &mut Case, event: &Event, body: &Revised) -> Verdict {
    body.form.check()?;
    let snapshot = case.clone();
    let handoff = open(case, body.handoff)?;
    need(body.version == handoff.version + 1, Reason::StaleVersion)?;
    decides(handoff, event)?;
    let state = match &handoff.state {
        HandoffState::Offered | HandoffState::Countered { .. } | HandoffState::Declined { .. } => HandoffState::Offered,
        // After a ruling the form stays agreed; only its text and signatures are new.
        HandoffState::Agreed(agreed) if agreed.by_ruling => {
            let (Some(exp), Some(nonce), Some(form_digest)) = (body.exp, body.nonce, body.form_digest) else {
                return Err(Refusal::new(Reason::InvalidField).field("exp"));
            };
            let renewed = AgreedForm {
                seq: event.seq,
                at: event.at,
                exp,
                nonce,
                form_digest,
                from_signed: None,
                to_signed: None,
                ..agreed.clone()
            };
            HandoffState::Agreed(renewed)
        }
        HandoffState::Agreed(_) => HandoffState::Offered,
        _ => return refuse(Reason::MoveNotLegal),
    };
    (handoff.version, handoff.form, handoff.state) = (body.version, Some(body.form.clone()), state);
    (handoff.lamps, handoff.refusals) = (Lamps::default(), Vec::new());
    handoff.signers.clear();
    if body.signer.is_some() {
        handoff.from_signer.clone_from(&body.signer);
    }
    signer_stands(&snapshot, handoff, &handoff.from, body.signer.as_ref())
}

/// States in which the receiver's lamps still tell something.
fn lamps(handoff: &mut Handoff) -> Result<&mut Lamps, Refusal> {
    match handoff.state {
        HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Agreed(_)
        | HandoffState::Disputed(_) => Ok(&mut handoff.lamps),
        _ => Err(Refusal::new(Reason::MoveNotLegal)),
    }
}

pub(super) fn delivered(case: &mut Case, event: &Event, body: &Delivered) -> Verdict {
    let handoff = open(case, body.handoff)?;
    on_table(handoff, body.version)?;
    let lamps = lamps(handoff)?;
    need(lamps.delivered.is_none(), Reason::MoveNotLegal)?;
    lamps.delivered = Some(event.at);
    Ok(())
}

pub(super) fn seen(case: &mut Case, event: &Event, body: &Seen) -> Verdict {
    let handoff = open(case, body.handoff)?;
    on_table(handoff, body.version)?;
    let lamps = lamps(handoff)?;
    need(lamps.seen.is_none(), Reason::MoveNotLegal)?;
    lamps.delivered.get_or_insert(event.at);
    lamps.seen = Some(event.at);
    Ok(())
}

/// A later move of the receiver implies that it has the offer and has seen it.
fn noticed(handoff: &mut Handoff, event: &Event) {
    handoff.lamps.delivered.get_or_insert(event.at);
    handoff.lamps.seen.get_or_insert(event.at);
}

pub(super) fn stood_by(case: &mut Case, event: &Event, body: &StoodBy) -> Verdict {
    let (urgent, normal) = STAND_BY_MAX_MS;
    let longest = if case.is_urgent() { urgent } else { normal };
    let handoff = open(case, body.handoff)?;
    on_table(handoff, body.version)?;
    need(matches!(handoff.state, HandoffState::Offered), Reason::MoveNotLegal)?;
    let allowed = body.until > event.at && body.until <= event.at.plus(longest);
    need(handoff.stand_by.is_none() && allowed, Reason::StandByNotAllowed)?;
    noticed(handoff, event);
    handoff.stand_by = Some((event.at, body.until));
    Ok(())
}

pub(super) fn countered(case: &mut Case, event: &Event, body: &Countered) -> Verdict {
    let handoff = open(case, body.handoff)?;
    on_table(handoff, body.version)?;
    need(matches!(handoff.state, HandoffState::Offered), Reason::MoveNotLegal)?;
    decides(handoff, event)?;
    noticed(handoff, event);
    handoff.state = HandoffState::Countered { at: event.at, code: body.code.clone() };
    Ok(())
}

/// A decline, or a withdrawal, which counts as one: the second of this incident by this station is a dispute.
fn say_no(case: &mut Case, event: &Event, at: usize, next: HandoffState) {
    let station = case.handoffs[at].to.clone();
    let declines = case.declines.entry(station).or_insert(0);
    *declines += 1;
    let again = *declines >= 2;
    let handoff = &mut case.handoffs[at];
    noticed(handoff, event);
    handoff.state =
        if again { HandoffState::Disputed(super::ruling::dispute(event, "SECOND_DECLINE", None, false)) } else { next };
}

fn index(case: &Case, id: crate::ids::HandoffId) -> Result<usize, Refusal> {
    case.handoffs.iter().position(|h| h.id == id).ok_or_else(|| Refusal::new(Reason::HandoffNotFound))
}

pub(super) fn declined(case: &mut Case, event: &Event, body: &Declined) -> Verdict {
    // "No capacity" is not a reason to decline: it becomes a support request (product, *Handoff*).
    need(!body.code.is("NO_CAPACITY"), Reason::CodeNotAllowed)?;
    let at = index(case, body.handoff)?;
    let handoff = &mut case.handoffs[at];
    on_table(handoff, body.version)?;
    need(matches!(handoff.state, HandoffState::Offered), Reason::MoveNotLegal)?;
    if body.code.is("NOT_OUR_TERRITORY") && body.owner.is_none() {
        return Err(Refusal::new(Reason::InvalidField).field("owner"));
    }
    if body.code.is("DUPLICATE_OF") && body.duplicate_of.is_none() {
        return Err(Refusal::new(Reason::InvalidField).field("duplicate_of"));
    }
    decides(handoff, event)?;
    let next = HandoffState::Declined { at: event.at, code: body.code.clone(), duplicate_of: body.duplicate_of };
    say_no(case, event, at, next);
    Ok(())
}

pub(super) fn withdrawn(case: &mut Case, event: &Event, body: &Withdrawn) -> Verdict {
    let at = index(case, body.handoff)?;
    let handoff = &mut case.handoffs[at];
    need(handoff.agreed().is_some_and(|agreed| !agreed.by_ruling), Reason::MoveNotLegal)?;
    decides(handoff, event)?;
    let next = HandoffState::Declined { at: event.at, code: body.code.clone(), duplicate_of: None };
    say_no(case, event, at, next);
    Ok(())
}

pub(super) fn agreed(case: &mut Case, event: &Event, body: &Agreed) -> Verdict {
    let snapshot = case.clone();
    let handoff = open(case, body.handoff)?;
    on_table(handoff, body.version)?;
    need(body.from == handoff.from && body.to == handoff.to, Reason::WrongSide)?;
    need(body.exp > event.at, Reason::InvalidField)?;
    let by_ruling = match &handoff.state {
        HandoffState::Offered | HandoffState::Countered { .. } => false,
        // A settlement or a ruling of the same command made way for it.
        HandoffState::Disputed(dispute) => match dispute.way_on {
            Some(WayOn::Settled) => false,
            Some(WayOn::Ruled) => true,
            None => return refuse(Reason::MoveNotLegal),
        },
        HandoffState::Agreed(agreed) if event.at > agreed.exp => agreed.by_ruling,
        _ => return refuse(Reason::MoveNotLegal),
    };
    decides(handoff, event)?;
    noticed(handoff, event);
    if body.signer.is_some() || handoff.to_signer.is_none() {
        handoff.to_signer.clone_from(&body.signer);
    }
    signer_stands(&snapshot, handoff, &handoff.to, body.signer.as_ref())?;
    handoff.signers.clear();
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
    Ok(())
}

pub(super) fn signed(case: &mut Case, event: &Event, body: &Signed) -> Verdict {
    let snapshot = case.clone();
    let handoff = open(case, body.handoff)?;
    on_table(handoff, body.form_version)?;
    let Some(officer) = event.actor.officer.clone() else { return refuse(Reason::NotTheSigner) };
    need(!handoff.deciders.contains(&officer), Reason::DecidesAndSigns)?;
    let from = body.side == handoff.from;
    need(from || body.side == handoff.to, Reason::WrongSide)?;
    let named = if from { handoff.from_signer.clone() } else { handoff.to_signer.clone() };
    let substitute = match &named {
        Some(signer) => {
            need(signer.officer == officer, Reason::NotTheSigner)?;
            signer.substitute.clone()
        }
        // Nobody named: any officer of that station on a unit of this incident.
        None => {
            need(on_unit(&snapshot, &body.side, &officer), Reason::NotTheSigner)?;
            None
        }
    };
    need(body.substitute == substitute, Reason::InvalidField)?;
    let HandoffState::Agreed(agreed) = &mut handoff.state else { return refuse(Reason::MoveNotLegal) };
    need(event.at <= agreed.exp, Reason::AgreementExpired)?;
    need(body.level.at_least(agreed.level), Reason::LevelTooWeak)?;
    let slot = if from { &mut agreed.from_signed } else { &mut agreed.to_signed };
    need(slot.is_none(), Reason::AlreadySigned)?;
    *slot = Some(Signature::Officer { officer: officer.clone(), at: event.at, level: body.level, substitute });
    handoff.signers.insert(officer);
    Ok(())
}

pub(super) fn signature_refused(case: &mut Case, event: &Event, body: &SignatureRefused) -> Verdict {
    let handoff = open(case, body.handoff)?;
    on_table(handoff, body.form_version)?;
    need(handoff.agreed().is_some(), Reason::MoveNotLegal)?;
    need(handoff.has_side(&body.side), Reason::WrongSide)?;
    if let Some(officer) = &event.actor.officer {
        need(!handoff.deciders.contains(officer), Reason::DecidesAndSigns)?;
        handoff.signers.insert(officer.clone());
    }
    handoff.refusals.push((body.side.clone(), body.code.clone()));
    Ok(())
}

pub(super) fn substitute_named(case: &mut Case, event: &Event, body: &SubstituteNamed) -> Verdict {
    let handoff = open(case, body.handoff)?;
    let Some(agreed) = handoff.agreed() else { return refuse(Reason::MoveNotLegal) };
    need(handoff.has_side(&body.side), Reason::WrongSide)?;
    let from = body.side == handoff.from;
    let signed = if from { &agreed.from_signed } else { &agreed.to_signed };
    need(signed.is_none(), Reason::AlreadySigned)?;
    decides(handoff, event)?;
    need(!handoff.deciders.contains(&body.officer), Reason::DecidesAndSigns)?;
    let signer = Some(Signer { officer: body.officer.clone(), substitute: Some(body.code.clone()) });
    if from {
        handoff.from_signer = signer
    } else {
        handoff.to_signer = signer
    }
    Ok(())
}

pub(super) fn recalled(case: &mut Case, event: &Event, body: &Recalled) -> Verdict {
    let handoff = open(case, body.handoff)?;
    let delivered = handoff.lamps.delivered.is_some();
    match &handoff.state {
        HandoffState::Offered | HandoffState::Countered { .. } => {}
        HandoffState::Agreed(agreed) if !agreed.by_ruling => {}
        _ => return refuse(Reason::MoveNotLegal),
    }
    decides(handoff, event)?;
    // What their system never had they need no receipt for.
    handoff.state = HandoffState::Recalled { at: event.at, received: !delivered };
    Ok(())
}

pub(super) fn recall_received(case: &mut Case, body: &RecallReceived) -> Verdict {
    match &mut open(case, body.handoff)?.state {
        HandoffState::Recalled { received: received @ false, .. } => {
            *received = true;
            Ok(())
        }
        _ => refuse(Reason::MoveNotLegal),
    }
}

pub(super) fn kept(case: &mut Case, event: &Event, body: &Kept) -> Verdict {
    let handoff = open(case, body.handoff)?;
    let may = matches!(handoff.state, HandoffState::Countered { .. } | HandoffState::Declined { .. });
    need(may, Reason::MoveNotLegal)?;
    decides(handoff, event)?;
    handoff.state = HandoffState::Kept;
    Ok(())
}

/// The one place where custody moves (invariants 1 and 5).
pub(super) fn taken_over(case: &mut Case, event: &Event, body: &TakenOver) -> Verdict {
    need(body.from == case.custodian, Reason::WrongSide)?;
    need(body.to != case.custodian, Reason::SameStation)?;
    need(body.tenure == case.tenure + 1, Reason::StaleVersion)?;
    if body.by_order {
        super::ruling::order_stands(case, body)?;
    } else {
        let Some(id) = body.handoff else { return refuse(Reason::HandoffNotFound) };
        let handoff = open(case, id)?;
        need(handoff.to == body.to, Reason::WrongSide)?;
        let Some(agreed) = handoff.agreed() else { return refuse(Reason::MoveNotLegal) };
        need(agreed.both_signed_at().is_some(), Reason::MoveNotLegal)?;
        need(event.at <= agreed.exp, Reason::AgreementExpired)?;
        decides(handoff, event)?;
    }
    move_custody(case, event, body);
    Ok(())
}

fn move_custody(case: &mut Case, event: &Event, body: &TakenOver) {
    for handoff in &mut case.handoffs {
        let over =
            HandoffState::TakenOver { at: event.at, by_order: body.by_order, result: ResultLoop::owed(event.at) };
        if Some(handoff.id) == body.handoff {
            handoff.state = over;
        } else if handoff.state.result().is_some() {
            handoff.state = HandoffState::PassedOn;
        } else if handoff.state.is_open() {
            // An order without this form leaves it without a matter.
            handoff.state = HandoffState::Kept;
        }
    }
    if body.handoff.is_none() {
        case.joint_result = Some((body.from.clone(), ResultLoop::owed(event.at)));
    }
    case.former.push(std::mem::replace(&mut case.custodian, body.to.clone()));
    (case.tenure, case.custody_since) = (body.tenure, event.at);
    case.ruling_proposed = None;
    case.last_word = None;
    // What was owed by the former custodian for the incident itself begins anew with the new one.
    case.ledger.retain(|key, _| key.scope.is_some() || key.by.as_ref() != Some(&body.from));
}
