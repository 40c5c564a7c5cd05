//! What can come before a superior: the two sides of a matter, and who rules on it (product, *Handoff*, *Last resort*).
//!
//! A case may deal with several stations at once, each under an agreement of its own. So nobody rules on "the
//! incident": every ruling and every obligation is about one matter, whose sides and whose superior follow from it
//! alone, never from whatever else is open beside it.

use crate::case::Case;
use crate::case::handoff::{Asked, Handoff};
use crate::event::handoff::Ruling;
use crate::ids::{HandoffId, OrgId, StationRef, SupportId};
use crate::obligations::Key;
use crate::refusal::{Reason, Refusal};
use crate::timers::Duty;
use crate::values::Terms;
use std::collections::BTreeSet;

/// Two stations, and the superior the terms between them name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matter {
    /// The two sides.
    pub sides: [StationRef; 2],
    /// The common superior; where none is named both sides' supervisors rule together, and between two stations of one
    /// organisation that organisation's supervisor.
    pub superior: Option<OrgId>,
}

impl Matter {
    fn new(one: &StationRef, other: &StationRef, superior: Option<&OrgId>) -> Self {
        Self { sides: [one.clone(), other.clone()], superior: superior.cloned() }
    }

    /// Whether these organisations, together, are both sides.
    #[must_use]
    pub fn is_between(&self, one: &OrgId, other: &OrgId) -> bool {
        let [a, b] = &self.sides;
        (a.org == *one && b.org == *other) || (a.org == *other && b.org == *one)
    }
}

fn superior(terms: Option<&Terms>) -> Option<&OrgId> {
    terms.and_then(|terms| terms.superior.as_ref())
}

/// The matter of a handoff.
#[must_use]
pub fn of_handoff(handoff: &Handoff) -> Matter {
    Matter::new(&handoff.from, &handoff.to, superior(handoff.terms.as_ref()))
}

fn of_support(case: &Case, id: SupportId) -> Option<Matter> {
    let asked = case.supports.get(&id)?;
    Some(Matter::new(&asked.from, &asked.to, superior(asked.terms.as_ref())))
}

fn of_joint(case: &Case) -> Option<Matter> {
    case.joint_now().map(|joint| Matter::new(&joint.by, &joint.with, joint.superior.as_ref()))
}

/// The result is reported by the custodian and confirmed by the confirmer, under the terms custody last moved by, or
/// those of joint handling.
pub(crate) fn of_result(case: &Case) -> Option<Matter> {
    case.result()?;
    let superior = match case.last_taken_over() {
        Some(last) => superior(last.terms.as_ref()),
        None => case.result_superior.as_ref(),
    };
    Some(Matter::new(&case.custodian, case.confirmer()?, superior))
}

fn of_alert(case: &Case, station: &StationRef) -> Option<Matter> {
    let alert = case.alerts.get(station)?;
    Some(Matter::new(&case.custodian, station, superior(alert.terms.as_ref())))
}

/// An objection to the closing: between the custodian and the side that was told.
fn of_objection(case: &Case) -> Option<Matter> {
    let (by, _) = case.closure.as_ref()?.objection.as_ref()?;
    let terms = case.alerts.get(by).map_or(case.terms.as_ref(), |alert| alert.terms.as_ref());
    Some(Matter::new(&case.custodian, by, superior(terms)))
}

/// What a ruling is about.
///
/// # Errors
/// `INVALID_FIELD` where it does not name its matter, or names another; `HANDOFF_NOT_FOUND`; `NOT_AT_SUPERIOR` where
/// there is no such matter in this case.
pub fn of_ruling(case: &Case, asked: &Asked) -> Result<Matter, Refusal> {
    let missing = |field: &'static str| Refusal::new(Reason::InvalidField).field(field);
    let nothing = || Refusal::new(Reason::NotAtSuperior);
    let handoff =
        |id: HandoffId| case.handoff(id).ok_or_else(|| Refusal::new(Reason::HandoffNotFound).field("handoff"));
    let no_handoff = if asked.handoff.is_none() { Ok(()) } else { Err(missing("handoff")) };
    match asked.ruling {
        Ruling::Agreed | Ruling::Kept | Ruling::Signature => {
            let id = asked.handoff.ok_or_else(|| missing("handoff"))?;
            Ok(of_handoff(handoff(id)?))
        }
        Ruling::Takeover => match (asked.handoff, &asked.side) {
            (Some(id), _) => Ok(of_handoff(handoff(id)?)),
            (None, Some(side)) => Ok(Matter::new(&case.custodian, side, asked.superior.as_ref())),
            (None, None) => Err(missing("side")),
        },
        Ruling::Receipt => match (asked.handoff, &asked.side) {
            (Some(id), _) => Ok(of_handoff(handoff(id)?)),
            (None, Some(side)) => of_alert(case, side).ok_or_else(nothing),
            (None, None) => Err(missing("side")),
        },
        Ruling::Lead | Ruling::LeadStays | Ruling::JointEnd | Ruling::JointStays => {
            no_handoff?;
            of_joint(case).ok_or_else(nothing)
        }
        Ruling::Support | Ruling::SupportNot => {
            no_handoff?;
            let id = asked.support.ok_or_else(|| missing("support"))?;
            of_support(case, id).ok_or_else(nothing)
        }
        Ruling::Confirmed | Ruling::ReportAgain => {
            let last = case.last_taken_over().map(|last| last.id);
            if asked.handoff.is_some() && asked.handoff != last {
                return Err(missing("handoff"));
            }
            of_result(case).ok_or_else(nothing)
        }
        Ruling::Objection => {
            no_handoff?;
            of_objection(case).ok_or_else(nothing)
        }
    }
}

/// The matter an obligation belongs to; `None` for what the custodian owes for the incident itself, which belongs to
/// every counterpart (see [`superiors_of`]).
#[must_use]
pub fn of_obligation(case: &Case, key: &Key) -> Option<Matter> {
    let under = || case.handoffs.iter().find(|handoff| key.scope == Some(handoff.id.into()));
    match key.duty {
        Duty::OfferDelivered
        | Duty::OfferSeen
        | Duty::Decide
        | Duty::AnswerCounter
        | Duty::AnswerDecline
        | Duty::AnswerClaim
        | Duty::AnswerRefusal
        | Duty::Sign
        | Duty::TakeOver
        | Duty::RecallReceipt
        | Duty::Position => under().map(of_handoff),
        Duty::Ruling => match under() {
            Some(handoff) if handoff.dispute().is_some() => Some(of_handoff(handoff)),
            None if case.joint_now().is_some_and(|joint| key.scope == Some(joint.id.into())) => of_joint(case),
            Some(_) | None => of_result(case),
        },
        Duty::FirstFeedback | Duty::FinalFeedback | Duty::Confirm => of_result(case),
        Duty::SupportAnswer => {
            let id = case.supports.keys().find(|id| key.scope == Some((**id).into()))?;
            of_support(case, *id)
        }
        Duty::LeadAnswer | Duty::JointAnswer => of_joint(case),
        Duty::AlertSeen => key.by.as_ref().and_then(|station| of_alert(case, station)),
        Duty::AnswerObjection => of_objection(case),
        Duty::Dispatch | Duty::OnScene | Duty::Handled | Duty::MergeAnswer | Duty::Close => None,
    }
}

/// Superiors an obligation goes up to: of its matter; of what the custodian owes for the incident itself, those of
/// every counterpart now and of whom it was last taken over from, else of the first receiver's own agreement.
#[must_use]
pub fn superiors_of(case: &Case, key: &Key) -> BTreeSet<OrgId> {
    match of_obligation(case, key) {
        Some(matter) => matter.superior.into_iter().collect(),
        None => over_the_incident(case),
    }
}

/// Superiors over what the custodian owes for the incident itself.
pub(crate) fn over_the_incident(case: &Case) -> BTreeSet<OrgId> {
    // An alert before custody moved was under another custodian's terms.
    let alerts = case
        .alerts
        .iter()
        .filter(|(seat, alert)| !alert.ended && **seat != case.custodian && alert.at >= case.custody_since);
    let alerts = alerts.map(|(_, alert)| alert.terms.as_ref());
    let supports = case.supports.values().filter(|support| !support.ended).map(|support| support.terms.as_ref());
    let handoff = case.open_handoff().map(|open| open.terms.as_ref());
    let joint = case.joint_now().and_then(|joint| joint.superior.as_ref());
    let last = case.last_taken_over().map(|last| last.terms.as_ref());
    let ordered = case.result_superior.as_ref().filter(|_| last.is_none() && !case.former.is_empty());
    let now = alerts.chain(supports).chain(handoff).chain(last).filter_map(superior);
    let now: BTreeSet<OrgId> = now.chain(joint).chain(ordered).cloned().collect();
    if now.is_empty() { superior(case.terms.as_ref()).cloned().into_iter().collect() } else { now }
}

/// Stations whose supervisors hear of an obligation on the rung of both: its matter's sides, or the custodian and
/// whoever has a part now.
#[must_use]
pub fn sides_of(case: &Case, key: &Key) -> Vec<StationRef> {
    if let Some(matter) = of_obligation(case, key) {
        return matter.sides.to_vec();
    }
    let others = case.parties.iter().filter(|(seat, party)| party.is_in() && **seat != case.custodian);
    std::iter::once(case.custodian.clone()).chain(others.map(|(seat, _)| seat.clone())).collect()
}

/// Superiors with something before them now: an obligation that has climbed to them, or a ruling asked of them.
#[must_use]
pub(crate) fn before_superiors(case: &Case) -> BTreeSet<OrgId> {
    use crate::timers::Rung;
    let there = case
        .ledger
        .iter()
        .filter(|(key, owed)| key.duty.goes_to_superior() && (owed.rung == Rung::Superior || key.duty == Duty::Ruling));
    there.flat_map(|(key, _)| superiors_of(case, key)).collect()
}
