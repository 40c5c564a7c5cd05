//! Who owes the next move: derived from the case, never entered by hand (invariant 8).
//!
//! [`derive()`] says what is owed now, by whom and since when. [`reconcile`] keeps, for what was owed before, the due
//! time already running (a change of severity or kind never lengthens it) and the rung it has climbed to.

use crate::caller::Role;
use crate::case::Case;
use crate::case::handoff::{Handoff, HandoffState, ResultLoop};
use crate::case::phase::{Phase, Standing};
use crate::directory::Shifts;
use crate::ids::{OrgId, Scope, StationRef};
use crate::matter;
use crate::time::Millis;
use crate::timers::{Duty, FINAL_FEEDBACK_AGAIN_MS, Rung, Timers};
use crate::values::Terms;
use std::collections::BTreeMap;

/// What makes an obligation one and the same over time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What.
    pub duty: Duty,
    /// Under which handoff, support request, joint period or merge.
    pub scope: Option<Scope>,
    /// By which station; absent where the common superior owes it.
    pub by: Option<StationRef>,
}

/// An obligation as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The role that owes it on the first rung. Never a person.
    pub role: Role,
    /// Since when.
    pub since: Millis,
    /// Until when, on the rung it is on. Past the last rung: the time that passed.
    pub due: Millis,
    /// The time is one the station that owes asked for itself (a stand-by), not a timer's.
    pub granted: bool,
    /// How far it has gone up.
    pub rung: Rung,
    /// Since when it is on that rung.
    pub risen: Millis,
    /// The common superior's organisation, where that owes it.
    pub superior: Option<OrgId>,
    /// Whether the rung it is on still has somebody above it to tell.
    pub climbs: bool,
    /// When the notified rung took notice.
    pub acknowledged: Option<Millis>,
}

/// Whether the notified rung has taken notice and still counts as having done so. What the duty role owes is unseen
/// again once a new shift begins at its station; in the very millisecond it begins, too: rather rung once too often.
#[must_use]
pub fn is_noticed(key: &Key, owed: &Owed, shifts: &Shifts) -> bool {
    let began = key.by.as_ref().filter(|_| owed.rung == Rung::Duty).and_then(|by| shifts.get(&by.station));
    owed.acknowledged.is_some_and(|at| began.is_none_or(|began| at > *began))
}

/// Everything owed in one incident.
pub type Ledger = BTreeMap<Key, Owed>;

/// The time an obligation has: see [`Owed`].
#[derive(Clone, Copy)]
struct Span {
    since: Millis,
    due: Millis,
    granted: bool,
}

/// Collects obligations while walking through a case.
struct Walk<'a> {
    urgent: bool,
    found: Ledger,
    timers: &'a Timers,
}

impl Walk<'_> {
    fn owe(&mut self, duty: Duty, by: Option<&StationRef>, role: Role, scope: Option<Scope>, since: Millis) {
        let due = since.plus(self.timers.ms(duty, self.urgent));
        self.owe_until(duty, by, role, scope, Span { since, due, granted: false });
    }

    fn owe_until(&mut self, duty: Duty, by: Option<&StationRef>, role: Role, scope: Option<Scope>, span: Span) {
        let Span { since, due, granted } = span;
        let key = Key { duty, scope, by: by.cloned() };
        let (rung, risen, superior, climbs, acknowledged) = (Rung::Duty, since, None, true, None);
        let owed = Owed { role, since, due, granted, rung, risen, superior, climbs, acknowledged };
        self.found.insert(key, owed);
    }
}

impl Walk<'_> {
    /// A ruling is owed by the superior; where none is named by the supervisors of both sides together, between two
    /// stations of one organisation by its supervisor.
    fn owe_ruling(&mut self, sides: &[&StationRef; 2], superior: Option<&OrgId>, scope: Option<Scope>, since: Millis) {
        let Some(org) = superior else {
            let [one, other] = sides;
            self.owe(Duty::Ruling, Some(one), Role::Supervisor, scope, since);
            if one.org != other.org {
                self.owe(Duty::Ruling, Some(other), Role::Supervisor, scope, since);
            }
            return;
        };
        self.owe(Duty::Ruling, None, Role::Superior, scope, since);
        let key = Key { duty: Duty::Ruling, scope, by: None };
        if let Some(owed) = self.found.get_mut(&key) {
            owed.superior = Some(org.clone());
        }
    }
}

fn of_terms(terms: Option<&Terms>) -> Option<&Timers> {
    terms.and_then(|terms| terms.timers.as_ref())
}

/// The timers an obligation runs by, where they differ from the defaults: of its handoff, of joint handling, of the
/// alert, else of the incident.
#[must_use]
pub fn timers_of<'a>(case: &'a Case, key: &Key) -> Option<&'a Timers> {
    let of_scope = case.handoffs.iter().find(|handoff| key.scope == Some(handoff.id.into()));
    if let Some(handoff) = of_scope {
        return of_terms(handoff.terms.as_ref());
    }
    if let Some((_, asked)) = case.supports.iter().find(|(id, _)| key.scope == Some((**id).into())) {
        return of_terms(asked.terms.as_ref());
    }
    if let Some(joint) = case.joint.as_ref().filter(|joint| key.scope == Some(joint.id.into())) {
        return of_terms(joint.terms.as_ref());
    }
    let alert = key.by.as_ref().filter(|_| key.duty == Duty::AlertSeen).and_then(|by| case.alerts.get(by));
    of_terms(alert.map_or(case.terms.as_ref(), |alert| alert.terms.as_ref()))
}

/// What is owed in this case, from its state alone.
#[must_use]
pub fn derive(case: &Case) -> Ledger {
    let defaults = Timers::default();
    let own = of_terms(case.terms.as_ref()).unwrap_or(&defaults);
    let mut walk = Walk { urgent: case.is_urgent(), found: Ledger::new(), timers: own };
    // An alias owes nothing: its survivor's custodian answers.
    if case.alias_of.is_some() {
        return walk.found;
    }
    let standing = case.standing();
    alerts(case, &defaults, &mut walk);
    supports(case, &defaults, &mut walk);
    walk.timers = own;
    joint(case, &defaults, &mut walk);
    walk.timers = own;
    if let Some(merge) = &case.merge {
        let scope = Some(merge.other.into());
        walk.owe(Duty::MergeAnswer, Some(&merge.to), Role::DutyOfficer, scope, merge.at);
    }
    for handoff in &case.handoffs {
        walk.timers = of_terms(handoff.terms.as_ref()).unwrap_or(&defaults);
        of_handoff(handoff, &mut walk);
    }
    walk.timers = case.last_taken_over().map_or(own, |last| of_terms(last.terms.as_ref()).unwrap_or(&defaults));
    feedback(case, &mut walk);
    walk.timers = own;
    if let Some((_, since)) = case.closure.as_ref().and_then(|closure| closure.objection.as_ref()) {
        walk.owe(Duty::AnswerObjection, Some(&case.custodian), Role::DutyOfficer, None, *since);
    }
    of_phase(case, standing, &mut walk);
    walk.found
}

fn of_phase(case: &Case, standing: Standing, walk: &mut Walk<'_>) {
    let custodian = Some(&case.custodian);
    // What the former custodian owed for the incident itself begins anew with the new one.
    let since = standing.since.max(case.custody_since);
    match standing.phase {
        Phase::Received => walk.owe(Duty::Dispatch, custodian, Role::Dispatcher, None, since),
        Phase::Dispatched => walk.owe(Duty::OnScene, custodian, Role::Dispatcher, None, since),
        Phase::OnScene => {
            let since = case.last_word.map_or(since, |word| word.max(since));
            walk.owe(Duty::Handled, custodian, Role::Dispatcher, None, since);
        }
        Phase::Handled => {
            if walk.found.is_empty() {
                // "24 h after nothing else is owed": from the entry that ended the last obligation; `reconcile`
                // keeps that instant through the entries after it.
                walk.owe(Duty::Close, custodian, Role::DutyOfficer, None, case.updated_at);
            }
        }
        Phase::Closed => {}
    }
}

fn alerts<'a>(case: &'a Case, defaults: &'a Timers, walk: &mut Walk<'a>) {
    for (station, alert) in &case.alerts {
        // Nobody owes a look at what is off the table, or at what it has itself taken over.
        let waits = alert.seen.is_none() && alert.receipt_by_ruling.is_none() && !alert.ended;
        if waits && case.phase() != Phase::Closed && *station != case.custodian {
            walk.timers = of_terms(alert.terms.as_ref()).unwrap_or(defaults);
            walk.owe(Duty::AlertSeen, Some(station), Role::DutyOfficer, None, alert.at);
        }
    }
}

fn supports<'a>(case: &'a Case, defaults: &'a Timers, walk: &mut Walk<'a>) {
    for (id, support) in &case.supports {
        if support.answer.is_none() && !support.ended {
            let scope = Some((*id).into());
            walk.timers = of_terms(support.terms.as_ref()).unwrap_or(defaults);
            walk.owe(Duty::SupportAnswer, Some(&support.to), Role::DutyOfficer, scope, support.at);
        }
    }
}

fn joint<'a>(case: &'a Case, defaults: &'a Timers, walk: &mut Walk<'a>) {
    let Some(joint) = case.joint_now() else { return };
    walk.timers = of_terms(joint.terms.as_ref()).unwrap_or(defaults);
    let scope = Some(joint.id.into());
    if !joint.acknowledged {
        walk.owe(Duty::JointAnswer, Some(&joint.with), Role::DutyOfficer, scope, joint.at);
    }
    if let Some((_, asker, since)) = &joint.lead_asked {
        walk.owe(Duty::LeadAnswer, Some(joint.other(asker)), Role::DutyOfficer, scope, *since);
    }
    match &joint.end_proposed {
        Some((asker, since, false)) => {
            walk.owe(Duty::JointAnswer, Some(joint.other(asker)), Role::DutyOfficer, scope, *since);
        }
        Some((_, since, true)) => {
            walk.owe_ruling(&[&joint.by, &joint.with], joint.superior.as_ref(), scope, *since);
        }
        None => {}
    }
}

fn of_handoff(handoff: &Handoff, walk: &mut Walk<'_>) {
    let scope = Some(handoff.id.into());
    let (from, to) = (Some(&handoff.from), Some(&handoff.to));
    match &handoff.state {
        HandoffState::Claimed { at, refused: None } => {
            walk.owe(Duty::AnswerClaim, from, Role::DutyOfficer, scope, *at);
        }
        HandoffState::Claimed { refused: Some(since), .. } => {
            walk.owe(Duty::AnswerRefusal, to, Role::DutyOfficer, scope, *since);
        }
        HandoffState::Offered => of_offer(handoff, walk),
        HandoffState::Countered { at, .. } => {
            walk.owe(Duty::AnswerCounter, from, Role::DutyOfficer, scope, *at);
        }
        HandoffState::Declined { at, .. } => {
            walk.owe(Duty::AnswerDecline, from, Role::DutyOfficer, scope, *at);
        }
        HandoffState::Agreed(agreed) => match agreed.both_signed_at() {
            Some(since) => walk.owe(Duty::TakeOver, to, Role::DutyOfficer, scope, since),
            None => {
                for (side, signed) in [(from, &agreed.from_signed), (to, &agreed.to_signed)] {
                    if signed.is_none() {
                        walk.owe(Duty::Sign, side, Role::Responder, scope, agreed.at);
                    }
                }
            }
        },
        HandoffState::Disputed(dispute) => {
            for side in [&handoff.from, &handoff.to] {
                if !dispute.stated.contains(side) {
                    walk.owe(Duty::Position, Some(side), Role::DutyOfficer, scope, dispute.at);
                }
            }
            let superior = handoff.terms.as_ref().and_then(|terms| terms.superior.as_ref());
            walk.owe_ruling(&[&handoff.from, &handoff.to], superior, scope, dispute.at);
        }
        HandoffState::Recalled { at, received: false } => {
            walk.owe(Duty::RecallReceipt, to, Role::Adapter, scope, *at);
        }
        HandoffState::Kept
        | HandoffState::Recalled { received: true, .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => {}
    }
}

fn of_offer(handoff: &Handoff, walk: &mut Walk<'_>) {
    let (scope, to) = (Some(handoff.id.into()), Some(&handoff.to));
    let Some(since) = handoff.first_offer else { return };
    if handoff.lamps.delivered.is_none() {
        walk.owe(Duty::OfferDelivered, to, Role::Adapter, scope, since);
    }
    if handoff.lamps.seen.is_none() {
        walk.owe(Duty::OfferSeen, to, Role::DutyOfficer, scope, since);
    }
    match handoff.stand_by {
        Some((since, due)) => {
            walk.owe_until(Duty::Decide, to, Role::DutyOfficer, scope, Span { since, due, granted: true });
        }
        None => walk.owe(Duty::Decide, to, Role::DutyOfficer, scope, since),
    }
}

fn feedback(case: &Case, walk: &mut Walk<'_>) {
    let Some(result) = case.result() else { return };
    let scope = case.last_taken_over().map(|handoff| Scope::from(handoff.id));
    match result {
        ResultLoop::Owed { since, first_word, .. } => {
            let custodian = Some(&case.custodian);
            let first = since.plus(walk.timers.ms(Duty::FinalFeedback, walk.urgent));
            let (since_final, due) = match first_word {
                // 24 h after the takeover, then 72 h after each word.
                Some(word) if *word > first => (*word, word.plus(FINAL_FEEDBACK_AGAIN_MS)),
                Some(_) | None => (*since, first),
            };
            let span = Span { since: since_final, due, granted: false };
            walk.owe_until(Duty::FinalFeedback, custodian, Role::DutyOfficer, scope, span);
            if first_word.is_none() {
                walk.owe(Duty::FirstFeedback, custodian, Role::Dispatcher, scope, *since);
            }
        }
        ResultLoop::Reported { at_superior: Some(since), .. } => {
            if let Some(matter) = matter::of_result(case) {
                let [one, other] = &matter.sides;
                walk.owe_ruling(&[one, other], matter.superior.as_ref(), scope, *since);
            }
        }
        ResultLoop::Reported { at, .. } => {
            if let Some(confirmer) = case.confirmer() {
                walk.owe(Duty::Confirm, Some(confirmer), Role::DutyOfficer, scope, *at);
            }
        }
        ResultLoop::Confirmed { .. } => {}
    }
}

/// The ledger after an event: what is owed now, with the clocks and rungs of what was owed before.
#[must_use]
pub fn reconcile(before: &Ledger, mut now: Ledger) -> Ledger {
    for (key, owed) in &mut now {
        // The same obligation keeps the clock that runs: nothing but an answer of its own (a stand-by, a word) gives
        // more time, and such an answer begins a new `since`.
        let Some(old) = before.get(key) else { continue };
        if key.duty == Duty::Close {
            // Nothing else has been owed since then; a note since gives no more time.
            (owed.since, owed.due) = (old.since, old.since.plus(owed.due.since(owed.since)));
        }
        if (old.since, old.granted) == (owed.since, owed.granted) {
            owed.due = if old.rung == Rung::Duty { owed.due.min(old.due) } else { old.due };
            (owed.rung, owed.risen) = (old.rung, old.risen);
            (owed.climbs, owed.acknowledged) = (old.climbs, old.acknowledged);
        }
    }
    now
}
