//! The last resort: a ruling stands in for what is missing (product, *Handoff*, *Last resort*).

use super::handoff::decides;
use super::takeover::can_be_ordered;
use super::{Verdict, dispute, named, need, refuse};
use crate::access;
use crate::case::handoff::{Handoff, HandoffState, ProposedRuling, ResultLoop, Signature};
use crate::case::{Case, Joint, Ordered};
use crate::event::Event;
use crate::event::handoff::{RecallReceived, Ruled, Ruling, RulingProposed};
use crate::ids::{HandoffId, JointId, StationRef};
use crate::obligations::Key;
use crate::refusal::{Reason, Refusal};
use crate::timers::{Duty, Rung};

/// Whether an obligation that fits has climbed to the common superior.
fn climbed(case: &Case, fits: impl Fn(&Key) -> bool) -> bool {
    case.ledger.iter().any(|(key, owed)| owed.rung == Rung::Superior && key.duty.goes_to_superior() && fits(key))
}

/// A ruling needs a matter that has reached the superior: a dispute, a second contest, a refused end of joint handling,
/// or an obligation that has climbed to the last rung. An order to take over needs an agreement that stands and such an
/// obligation under it, an agreement by ruling, a disputed claim, which has no form to agree to, or a custodian who
/// cannot be reached: one whose own duty has climbed.
fn reached(case: &Case, ruling: Ruling, handoff: Option<HandoffId>) -> bool {
    let of = handoff.and_then(|id| case.handoff(id));
    let disputed = of.is_some_and(|handoff| handoff.dispute().is_some());
    let agreed = of.and_then(Handoff::agreed);
    let by_ruling = agreed.is_some_and(|agreed| agreed.by_ruling);
    let under = |key: &Key| handoff.is_some() && key.scope == handoff.map(Into::into);
    let of_duty = |duty: Duty| climbed(case, |key| key.duty == duty);
    let contested = matches!(case.result(), Some(ResultLoop::Reported { at_superior: Some(_), .. }));
    let end_proposed = case.joint_now().and_then(|joint| joint.end_proposed.as_ref());
    match ruling {
        Ruling::Agreed | Ruling::Kept => disputed || climbed(case, under),
        Ruling::Signature => by_ruling || climbed(case, |key| key.duty == Duty::Sign && under(key)),
        Ruling::Takeover => {
            let unreachable = climbed(case, |key| key.by.as_ref() == Some(&case.custodian));
            let claim = disputed && of.is_some_and(|handoff| handoff.version == 0);
            by_ruling || claim || agreed.is_some() && climbed(case, under) || unreachable
        }
        Ruling::Receipt => climbed(case, |key| key.duty == Duty::RecallReceipt && under(key)),
        Ruling::Lead => of_duty(Duty::LeadAnswer),
        Ruling::JointEnd => end_proposed.is_some_and(|(_, _, refused)| *refused || of_duty(Duty::JointAnswer)),
        Ruling::Support => of_duty(Duty::SupportAnswer),
        Ruling::Confirmed | Ruling::ReportAgain => contested || of_duty(Duty::Confirm),
    }
}

/// Whether this very ruling can be given: the matter has reached the superior, and what it would stand in for is there.
fn stands(case: &Case, ruling: Ruling, handoff: Option<HandoffId>, side: Option<&StationRef>) -> Verdict {
    need(reached(case, ruling, handoff), Reason::NotAtSuperior)?;
    let of = handoff.and_then(|id| case.handoff(id));
    match ruling {
        Ruling::Agreed => {
            let Some(handoff) = of else { return refuse(Reason::HandoffNotFound) };
            need(handoff.version > 0, Reason::FormIncomplete)?;
            let waits = handoff.state.is_open() && handoff.agreed().is_none();
            need(waits, Reason::MoveNotLegal)
        }
        Ruling::Kept => {
            let Some(handoff) = of else { return refuse(Reason::HandoffNotFound) };
            need(handoff.state.is_open(), Reason::MoveNotLegal)
        }
        Ruling::Signature => {
            let Some(handoff) = of else { return refuse(Reason::HandoffNotFound) };
            let Some(side) = side else { return Err(Refusal::new(Reason::InvalidField).field("side")) };
            need(handoff.has_side(side), Reason::WrongSide)?;
            let Some(agreed) = handoff.agreed() else { return refuse(Reason::MoveNotLegal) };
            need(agreed.signed(*side == handoff.from).is_none(), Reason::AlreadySigned)
        }
        Ruling::Takeover => {
            let Some(side) = side else { return Err(Refusal::new(Reason::InvalidField).field("side")) };
            can_be_ordered(case, handoff, side)
        }
        Ruling::Receipt
        | Ruling::Lead
        | Ruling::JointEnd
        | Ruling::Support
        | Ruling::Confirmed
        | Ruling::ReportAgain => Ok(()),
    }
}

/// Whether any ruling can be given now about this handoff, or about the incident where none is named.
pub(crate) fn can_rule(case: &Case, handoff: Option<&Handoff>) -> bool {
    let id = handoff.map(|handoff| handoff.id);
    let sides: Vec<&StationRef> = match handoff {
        Some(handoff) => vec![&handoff.from, &handoff.to],
        None => case.parties.keys().collect(),
    };
    Ruling::ALL.iter().any(|ruling| sides.iter().any(|side| stands(case, *ruling, id, Some(side)).is_ok()))
}

/// An officer who rules on a form decides on it.
fn decides_on(case: &mut Case, event: &Event, handoff: Option<HandoffId>) -> Verdict {
    handoff.map_or(Ok(()), |id| decides(named(case, id)?, event))
}

pub(super) fn proposed(case: &mut Case, event: &Event, body: &RulingProposed) -> Verdict {
    need(access::superior_for(case, body.handoff).is_none(), Reason::WrongSide)?;
    stands(case, body.ruling, body.handoff, body.side.as_ref())?;
    decides_on(case, event, body.handoff)?;
    case.ruling_proposed = Some(ProposedRuling {
        by: event.actor.org.clone(),
        handoff: body.handoff,
        ruling: body.ruling,
        joint: body.joint,
        side: body.side.clone(),
    });
    Ok(())
}

/// Whether a ruling without a common superior is the supervisors' own: the other side's has proposed the same, or both
/// sides are stations of one organisation, whose supervisor is the supervisor of both.
pub(crate) fn together(case: &Case, by: &crate::ids::OrgId, asked: &ProposedRuling) -> bool {
    let seconded = case.ruling_proposed.as_ref().is_some_and(|first| {
        first.by != *by
            && (first.handoff, first.ruling, first.joint, &first.side)
                == (asked.handoff, asked.ruling, asked.joint, &asked.side)
    });
    seconded || access::sides_for(case, asked.handoff).iter().all(|side| side.org == *by)
}

pub(super) fn ruled(case: &mut Case, event: &Event, body: &Ruled) -> Verdict {
    let by = event.actor.org.clone();
    let (handoff, ruling, joint, side) = (body.handoff, body.ruling, body.joint, body.side.clone());
    let named_superior = access::superior_for(case, handoff).is_some();
    need(body.together != named_superior, Reason::NotAtSuperior)?;
    let asked = ProposedRuling { by, handoff, ruling, joint, side };
    need(named_superior || together(case, &event.actor.org, &asked), Reason::NotAtSuperior)?;
    stands(case, ruling, handoff, body.side.as_ref())?;
    decides_on(case, event, handoff)?;
    case.ruling_proposed = None;
    if joint {
        joint_by_ruling(case, event, handoff)?;
    }
    carried_out(case, event, body)
}

fn carried_out(case: &mut Case, event: &Event, body: &Ruled) -> Verdict {
    match (body.ruling, body.handoff, &body.side) {
        // AGREED by the `agreed` entry that follows in the same command; until then a dispute whose outcome is known.
        (Ruling::Agreed, Some(id), _) => named(case, id)?.state = dispute::ruled(event),
        (Ruling::Kept, Some(id), _) => named(case, id)?.state = HandoffState::Kept,
        (Ruling::Signature, Some(id), Some(side)) => signature(case, event, id, side)?,
        // The takeover itself follows as its own entry, in the same command.
        (Ruling::Takeover, handoff, Some(to)) => {
            case.ordered = Some(Ordered { seq: event.seq, handoff, to: to.clone() });
        }
        (Ruling::Receipt, Some(id), _) => super::handoff::recall_received(case, &RecallReceived { handoff: id })?,
        (Ruling::Lead, _, _) => super::joint::lead_by_ruling(case)?,
        (Ruling::JointEnd, _, _) => super::joint::end_by_ruling(case)?,
        (Ruling::Support, _, _) => super::joint::support_by_ruling(case, event)?,
        (Ruling::Confirmed, _, _) => super::result::confirmed(case, event, true)?,
        (Ruling::ReportAgain, _, _) => super::result::report_again(case, event)?,
        (Ruling::Agreed | Ruling::Kept | Ruling::Signature | Ruling::Receipt, None, _) => {
            return refuse(Reason::HandoffNotFound);
        }
        (Ruling::Signature | Ruling::Takeover, _, None) => {
            return Err(Refusal::new(Reason::InvalidField).field("side"));
        }
    }
    Ok(())
}

/// Joint handling that goes with a ruling: the custodian leads until the two sides say otherwise.
fn joint_by_ruling(case: &mut Case, event: &Event, handoff: Option<HandoffId>) -> Verdict {
    let Some(handoff) = handoff.and_then(|id| case.handoff(id)) else { return refuse(Reason::HandoffNotFound) };
    if case.joint_now().is_some() {
        return Ok(());
    }
    let joint = Joint {
        id: JointId(handoff.id.0),
        at: event.at,
        by: case.custodian.clone(),
        with: handoff.other(&case.custodian).clone(),
        lead: case.custodian.clone(),
        acknowledged: false,
        lead_asked: None,
        end_proposed: None,
        ended: false,
        superior: handoff.terms.as_ref().and_then(|terms| terms.superior.clone()),
        terms: handoff.terms.clone(),
    };
    super::joint::begin(case, event, joint);
    Ok(())
}

fn signature(case: &mut Case, event: &Event, id: HandoffId, side: &StationRef) -> Verdict {
    let handoff = named(case, id)?;
    let from = *side == handoff.from;
    let HandoffState::Agreed(agreed) = &mut handoff.state else { return refuse(Reason::MoveNotLegal) };
    need(event.at <= agreed.exp, Reason::AgreementExpired)?;
    let slot = if from { &mut agreed.from_signed } else { &mut agreed.to_signed };
    *slot = Some(Signature::ByRuling { at: event.at });
    Ok(())
}
