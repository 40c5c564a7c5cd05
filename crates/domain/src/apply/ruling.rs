//! The last resort: a ruling stands in for what is missing (product, *Handoff*, *Last resort*).

use super::handoff::decides;
use super::takeover::can_be_ordered;
use super::{Verdict, dispute, named, need, refuse};
use crate::case::handoff::{Asked, Handoff, HandoffState, ProposedRuling, ResultLoop, Signature};
use crate::case::phase::Phase;
use crate::case::{Case, Joint, Ordered, Party};
use crate::event::Event;
use crate::event::handoff::{RecallReceived, Ruled, Ruling, RulingProposed};
use crate::ids::{HandoffId, JointId, OrgId, StationRef, SupportId};
use crate::matter::{self, Matter};
use crate::obligations::Key;
use crate::refusal::{Reason, Refusal};
use crate::timers::{Duty, Rung};

/// Whether an obligation that fits has climbed to the common superior.
fn climbed(case: &Case, fits: impl Fn(&Key) -> bool) -> bool {
    case.ledger.iter().any(|(key, owed)| owed.rung == Rung::Superior && key.duty.goes_to_superior() && fits(key))
}

/// A custodian who cannot be reached: one whose own duty has climbed to the superior, and none of whose people has done
/// anything here since.
fn unreachable(case: &Case) -> bool {
    case.ledger.iter().any(|(key, owed)| {
        key.by.as_ref() == Some(&case.custodian)
            && key.duty != Duty::Ruling
            && owed.rung == Rung::Superior
            && key.duty.goes_to_superior()
            && case.custodian_acted.is_none_or(|acted| acted < owed.risen)
    })
}

/// A ruling needs a matter that has reached the superior: a dispute, a second contest, a refused end of joint handling,
/// or an obligation of this very matter that has climbed to the last rung. An order to take over needs an agreement
/// that stands and such an obligation under it, an agreement by ruling, a disputed claim, which has no form to agree
/// to, or a custodian who cannot be reached.
fn reached(case: &Case, asked: &Asked) -> bool {
    let of = asked.handoff.and_then(|id| case.handoff(id));
    let disputed = of.is_some_and(|handoff| handoff.dispute().is_some());
    let agreed = of.and_then(Handoff::agreed);
    let by_ruling = agreed.is_some_and(|agreed| agreed.by_ruling);
    let under = |key: &Key| asked.handoff.is_some() && key.scope == asked.handoff.map(Into::into);
    let joint = case.joint_now();
    let of_joint = |duty: Duty| {
        climbed(case, |key| key.duty == duty && joint.is_some_and(|joint| key.scope == Some(joint.id.into())))
    };
    match asked.ruling {
        Ruling::Agreed | Ruling::Kept => disputed || climbed(case, under),
        Ruling::Signature => by_ruling || climbed(case, |key| key.duty == Duty::Sign && under(key)),
        Ruling::Takeover => {
            let claim = disputed && of.is_some_and(|handoff| handoff.version == 0);
            by_ruling || claim || agreed.is_some() && climbed(case, under) || unreachable(case)
        }
        Ruling::Receipt if asked.handoff.is_some() => {
            climbed(case, |key| key.duty == Duty::RecallReceipt && under(key))
        }
        Ruling::Receipt => climbed(case, |key| key.duty == Duty::AlertSeen && key.by == asked.side),
        Ruling::Lead | Ruling::LeadStays => of_joint(Duty::LeadAnswer),
        Ruling::JointEnd | Ruling::JointStays => {
            let proposed = joint.and_then(|joint| joint.end_proposed.as_ref());
            proposed.is_some_and(|(_, _, refused)| *refused || of_joint(Duty::JointAnswer))
        }
        Ruling::Support | Ruling::SupportNot => {
            climbed(case, |key| key.duty == Duty::SupportAnswer && key.scope == asked.support.map(Into::into))
        }
        Ruling::Confirmed | Ruling::ReportAgain => {
            let contested = matches!(case.result(), Some(ResultLoop::Reported { at_superior: Some(_), .. }));
            contested || climbed(case, |key| key.duty == Duty::Confirm)
        }
        Ruling::Objection => climbed(case, |key| key.duty == Duty::AnswerObjection),
    }
}

/// Whether this very ruling can be given: the matter has reached the superior, and what it would stand in for is there.
fn stands(case: &Case, asked: &Asked) -> Verdict {
    matter::of_ruling(case, asked)?;
    // Joint handling goes with the word on the handoff itself.
    if asked.joint && !matches!(asked.ruling, Ruling::Agreed | Ruling::Kept) {
        return Err(Refusal::new(Reason::InvalidField).field("joint"));
    }
    need(reached(case, asked), Reason::NotAtSuperior)?;
    let of = asked.handoff.and_then(|id| case.handoff(id));
    match asked.ruling {
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
            let Some(side) = &asked.side else { return Err(Refusal::new(Reason::InvalidField).field("side")) };
            need(handoff.has_side(side), Reason::WrongSide)?;
            let Some(agreed) = handoff.agreed() else { return refuse(Reason::MoveNotLegal) };
            need(agreed.signed(*side == handoff.from).is_none(), Reason::AlreadySigned)
        }
        Ruling::Takeover => {
            let Some(side) = &asked.side else { return Err(Refusal::new(Reason::InvalidField).field("side")) };
            can_be_ordered(case, asked.handoff, side)
        }
        Ruling::Receipt
        | Ruling::Lead
        | Ruling::LeadStays
        | Ruling::JointEnd
        | Ruling::JointStays
        | Ruling::Support
        | Ruling::SupportNot
        | Ruling::Confirmed
        | Ruling::ReportAgain
        | Ruling::Objection => Ok(()),
    }
}

/// Matters a ruling can be given on now: about this handoff, or about the incident where none is named.
pub(crate) fn rulable(case: &Case, handoff: Option<&Handoff>, by: &OrgId) -> Vec<Matter> {
    let id = handoff.map(|handoff| handoff.id);
    let sides: Vec<&StationRef> = match handoff {
        Some(handoff) => vec![&handoff.from, &handoff.to],
        None => case.parties.keys().collect(),
    };
    let supports = case.supports.keys().map(|id| Some(*id)).chain([None]);
    let supports: Vec<Option<SupportId>> = supports.collect();
    let mut found = Vec::new();
    // Whom to order, a superior knows from the agreements: any station, one without a part too.
    let is_before = case.superiors.get(by).is_some_and(Party::is_in);
    if handoff.is_none() && is_before && unreachable(case) && case.phase() != Phase::Closed {
        found.push(Matter { sides: [case.custodian.clone(), case.custodian.clone()], superior: Some(by.clone()) });
    }
    for ruling in Ruling::ALL {
        for side in &sides {
            for support in &supports {
                // Who may order a takeover is named by an agreement, which is not in the case: whoever it is before may,
                // and the supervisors only where there is none.
                let superior = is_before.then(|| by.clone());
                let superior = superior.or_else(|| matter::over_the_incident(case).pop_first());
                let side = Some((*side).clone());
                let asked = Asked { handoff: id, ruling: *ruling, joint: false, side, support: *support, superior };
                if stands(case, &asked).is_ok() {
                    found.extend(matter::of_ruling(case, &asked));
                }
            }
        }
    }
    found
}

/// An officer who rules on a form decides on it.
fn decides_on(case: &mut Case, event: &Event, handoff: Option<HandoffId>) -> Verdict {
    handoff.map_or(Ok(()), |id| decides(named(case, id)?, event))
}

/// Drops a proposed ruling once its matter is not there any more: a yes to an earlier question is none to a later one.
pub(super) fn forget_proposed(case: &mut Case) {
    let stale = case.ruling_proposed.as_ref().is_some_and(|first| {
        (first.version, first.report) != seen_now(case, &first.asked) || stands(case, &first.asked).is_err()
    });
    if stale {
        case.ruling_proposed = None;
    }
}

/// What a proposed ruling was given over: the form's version and the last report.
fn seen_now(case: &Case, asked: &Asked) -> (u64, u64) {
    (asked.handoff.and_then(|id| case.handoff(id)).map_or(0, |handoff| handoff.version), case.reports)
}

pub(super) fn proposed(case: &mut Case, event: &Event, body: &RulingProposed) -> Verdict {
    let asked = Asked::from(body);
    let matter = matter::of_ruling(case, &asked)?;
    need(matter.superior.is_none(), Reason::WrongSide)?;
    stands(case, &asked)?;
    decides_on(case, event, body.handoff)?;
    let (version, report) = seen_now(case, &asked);
    case.ruling_proposed = Some(ProposedRuling { by: event.actor.org.clone(), asked, version, report });
    Ok(())
}

/// Whether a ruling without a common superior is the supervisors' own: the other side's has proposed the same over the
/// same form and report, or both sides are stations of one organisation, whose supervisor is the supervisor of both.
pub(crate) fn together(case: &Case, by: &OrgId, asked: &Asked, matter: &Matter) -> bool {
    let seconded = case.ruling_proposed.as_ref().is_some_and(|first| {
        first.by != *by
            && matter.is_between(&first.by, by)
            && first.asked == *asked
            && (first.version, first.report) == seen_now(case, asked)
    });
    seconded || matter.is_between(by, by)
}

pub(super) fn ruled(case: &mut Case, event: &Event, body: &Ruled) -> Verdict {
    let asked = Asked::from(body);
    let matter = matter::of_ruling(case, &asked)?;
    need(body.together == matter.superior.is_none(), Reason::NotAtSuperior)?;
    need(!body.together || together(case, &event.actor.org, &asked, &matter), Reason::NotAtSuperior)?;
    stands(case, &asked)?;
    decides_on(case, event, body.handoff)?;
    case.ruling_proposed = None;
    if body.joint {
        joint_by_ruling(case, event, body.handoff)?;
    }
    carried_out(case, event, body, &matter)
}

fn carried_out(case: &mut Case, event: &Event, body: &Ruled, matter: &Matter) -> Verdict {
    use crate::event::incident::SupportAnswer;
    match (body.ruling, body.handoff, &body.side) {
        // AGREED by the `agreed` entry that follows in the same command; until then a dispute whose outcome is known.
        (Ruling::Agreed, Some(id), _) => named(case, id)?.state = dispute::ruled(event),
        (Ruling::Kept, Some(id), _) => named(case, id)?.state = HandoffState::Kept,
        (Ruling::Signature, Some(id), Some(side)) => signature(case, event, id, side)?,
        // The takeover itself follows as its own entry, in the same command.
        (Ruling::Takeover, handoff, Some(to)) => {
            let superior = matter.superior.clone();
            case.ordered = Some(Ordered { seq: event.seq, handoff, to: to.clone(), superior });
        }
        (Ruling::Receipt, Some(id), _) => super::handoff::recall_received(case, &RecallReceived { handoff: id })?,
        (Ruling::Receipt, None, Some(side)) => super::incident::alert_by_ruling(case, event, side)?,
        (Ruling::Lead, _, _) => super::joint::lead_by_ruling(case, true)?,
        (Ruling::LeadStays, _, _) => super::joint::lead_by_ruling(case, false)?,
        (Ruling::JointEnd, _, _) => super::joint::end_by_ruling(case, true)?,
        (Ruling::JointStays, _, _) => super::joint::end_by_ruling(case, false)?,
        (Ruling::Support | Ruling::SupportNot, _, _) => {
            let Some(id) = body.support else { return Err(Refusal::new(Reason::InvalidField).field("support")) };
            let yes = body.ruling == Ruling::Support;
            let answer = if yes { SupportAnswer::Committed } else { SupportAnswer::Not };
            super::joint::support_by_ruling(case, event, id, answer)?;
        }
        (Ruling::Confirmed, _, _) => super::result::confirmed(case, event, true)?,
        (Ruling::ReportAgain, _, _) => super::result::report_again(case, event)?,
        (Ruling::Objection, _, _) => super::incident::objection_by_ruling(case)?,
        (Ruling::Agreed | Ruling::Kept | Ruling::Signature, None, _) => {
            return refuse(Reason::HandoffNotFound);
        }
        (Ruling::Signature | Ruling::Takeover | Ruling::Receipt, _, None) => {
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
        // An id of its own that needs nothing drawn: the handoff's with its last bit turned.
        id: JointId(uuid::Uuid::from_u128(handoff.id.0.as_u128() ^ 1)),
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
