//! Who signs for a side, signatures and refusals (product, *Handoff*, *Signers*).

use super::handoff::decides;
use super::{Verdict, named, need, refuse};
use crate::case::Case;
use crate::case::handoff::{Handoff, HandoffState, Signature};
use crate::event::Event;
use crate::event::handoff::{SignatureRefused, Signed, SubstituteNamed};
use crate::form::Signer;
use crate::ids::{HandoffId, OfficerId, StationRef};
use crate::refusal::{Reason, Refusal};

/// A signer is an officer of that station on a unit of this incident, or a substitute with a reason; never one who
/// decided on this form.
pub(super) fn signer_stands(case: &Case, handoff: &Handoff, side: &StationRef, signer: Option<&Signer>) -> Verdict {
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

/// Whether an officer may put its name under one side of an agreed form, or refuse to: the named signer, or, where
/// nobody is named, any officer of that station on a unit of this incident. Says why it signs as a substitute.
pub(crate) fn may_sign(
    case: &Case,
    handoff: &Handoff,
    side: &StationRef,
    officer: Option<&OfficerId>,
) -> Result<Option<crate::values::Code>, Refusal> {
    let Some(agreed) = handoff.agreed() else { return Err(Refusal::new(Reason::MoveNotLegal)) };
    need(handoff.has_side(side), Reason::WrongSide)?;
    let Some(officer) = officer else { return Err(Refusal::new(Reason::NotTheSigner)) };
    need(!handoff.deciders.contains(officer), Reason::DecidesAndSigns)?;
    let signer = handoff.signer(side);
    need(
        signer.map_or_else(|| on_unit(case, side, officer), |signer| signer.officer == *officer),
        Reason::NotTheSigner,
    )?;
    need(agreed.signed(*side == handoff.from).is_none(), Reason::AlreadySigned)?;
    Ok(signer.and_then(|signer| signer.substitute.clone()))
}

fn checked(
    case: &Case,
    event: &Event,
    id: HandoffId,
    side: &StationRef,
    version: u64,
) -> Result<Option<crate::values::Code>, Refusal> {
    let Some(handoff) = case.handoff(id) else { return Err(Refusal::new(Reason::HandoffNotFound)) };
    let substitute = may_sign(case, handoff, side, event.actor.officer.as_ref())?;
    need(handoff.version == version, Reason::StaleVersion)?;
    Ok(substitute)
}

pub(super) fn signed(case: &mut Case, event: &Event, body: &Signed) -> Verdict {
    let substitute = checked(case, event, body.handoff, &body.side, body.form_version)?;
    need(body.substitute == substitute, Reason::InvalidField)?;
    let handoff = named(case, body.handoff)?;
    let from = body.side == handoff.from;
    let (HandoffState::Agreed(agreed), Some(officer)) = (&mut handoff.state, event.actor.officer.clone()) else {
        return refuse(Reason::MoveNotLegal);
    };
    need(event.at <= agreed.exp, Reason::AgreementExpired)?;
    need(body.level.at_least(agreed.level), Reason::LevelTooWeak)?;
    // Two organisations, two officers, two keys: one hand never signs for both.
    let is_others = body.key.as_ref().is_some_and(|key| agreed.signed(!from).and_then(Signature::key) == Some(key));
    need(!is_others, Reason::KeyNotEnrolled)?;
    let slot = if from { &mut agreed.from_signed } else { &mut agreed.to_signed };
    *slot = Some(Signature::Officer {
        officer: officer.clone(),
        at: event.at,
        level: body.level,
        substitute,
        key: body.key.clone(),
    });
    handoff.signers.insert(officer);
    Ok(())
}

pub(super) fn signature_refused(case: &mut Case, event: &Event, body: &SignatureRefused) -> Verdict {
    // A fact is never refused as stale (invariant 7); but no signature is asked of a version that is not agreed.
    let version = case.handoff(body.handoff).map_or(0, |handoff| handoff.version);
    if body.form_version != version {
        return Err(Refusal::new(Reason::MoveNotLegal).field("form_version").with("form_version_now", version));
    }
    checked(case, event, body.handoff, &body.side, body.form_version)?;
    named(case, body.handoff)?.refusals.push((body.side.clone(), body.code.clone()));
    Ok(())
}

pub(super) fn substitute_named(case: &mut Case, event: &Event, body: &SubstituteNamed) -> Verdict {
    let handoff = named(case, body.handoff)?;
    let Some(agreed) = handoff.agreed() else { return refuse(Reason::MoveNotLegal) };
    need(handoff.has_side(&body.side), Reason::WrongSide)?;
    let from = body.side == handoff.from;
    need(agreed.signed(from).is_none(), Reason::AlreadySigned)?;
    decides(handoff, event)?;
    need(!handoff.deciders.contains(&body.officer), Reason::DecidesAndSigns)?;
    let slot = if from { &mut handoff.from_signer } else { &mut handoff.to_signer };
    *slot = Some(Signer { officer: body.officer.clone(), substitute: Some(body.code.clone()) });
    Ok(())
}
