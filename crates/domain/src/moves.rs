//! Which moves are legal now, for whom: what a refusal and a screen show. The table states the design's own table
//! (product, *Handoff*) a second time on purpose; a test runs every cell of it through [`crate::decide()`].

use crate::access::choose;
use crate::apply::{may_sign, overdue, rulable};
use crate::caller::{Caller, Role};
use crate::case::handoff::{AgreedForm, Dispute, Handoff, HandoffState, ResultLoop};
use crate::case::phase::Phase;
use crate::case::{Case, Fact, FactKind, LINKS_MAX};
use crate::command::Act;
use crate::decide::result_name;
use crate::event::incident::Acknowledged;
use crate::ids::StationRef;
use crate::obligations::{Key, Owed};
use crate::time::Millis;
use crate::timers::Duty;

/// The state a deciding move has to name as seen: the handoff's, the result loop's, or the incident's.
#[must_use]
pub fn state_seen(case: &Case, act: &Act) -> &'static str {
    let of_result = matches!(act, Act::Report { .. } | Act::TakeBackReport(_) | Act::Contest(_) | Act::Confirm { .. });
    if of_result && let Some(name) = result_name(case) {
        return name.as_str();
    }
    match act.handoff().and_then(|id| case.handoff(id)) {
        Some(handoff) => handoff.state.name().as_str(),
        None => case.phase().as_str(),
    }
}

/// What a caller can do in a case, as far as it does not depend on the handoff.
struct Hands<'a> {
    case: &'a Case,
    caller: &'a Caller,
    now: Millis,
    seats: Vec<StationRef>,
    /// Duty officer or supervisor.
    decides: bool,
}

type Moves = Vec<&'static str>;

/// Moves legal now for this caller, about this handoff or about the incident, sorted by name. Whether the fields of a
/// move are right is another question.
#[must_use]
pub fn legal(case: &Case, handoff: Option<&Handoff>, caller: &Caller, now: Millis) -> Moves {
    legal_of(case, None, handoff, caller, now)
}

/// The same of an incident that may be an alias, with its survivor: whoever answers for that one answers here too.
#[must_use]
pub fn legal_of(
    case: &Case,
    survivor: Option<&Case>,
    handoff: Option<&Handoff>,
    caller: &Caller,
    now: Millis,
) -> Moves {
    let own = |seat: &&StationRef| {
        seat.org == caller.org && (caller.has(Role::Supervisor) || caller.station.as_ref() == Some(&seat.station))
    };
    let answers = survivor.map(|survivor| &survivor.custodian);
    let involved = case.parties.iter().filter(|(_, party)| party.is_in()).map(|(seat, _)| seat);
    let seats: Vec<StationRef> = involved.chain(answers).filter(own).cloned().collect();
    let decides = caller.has(Role::DutyOfficer) || caller.has(Role::Supervisor);
    let hands = Hands { case, caller, now, seats, decides };
    let mut moves = match handoff {
        Some(_) if case.alias_of.is_some() => Vec::new(),
        Some(handoff) => hands.about_handoff(handoff),
        None => hands.about_incident(),
    };
    moves.sort_unstable();
    moves.dedup();
    moves
}

impl Hands<'_> {
    fn has(&self, seat: &StationRef) -> bool {
        self.seats.contains(seat)
    }

    fn about_handoff(&self, handoff: &Handoff) -> Moves {
        let mut moves = Moves::new();
        if self.decides {
            // Whoever signed this form decides nothing about it (invariant 9).
            let signed = self.caller.officer.as_ref().is_some_and(|officer| handoff.signers.contains(officer));
            let free = |named: &&str| !signed || UNDECIDED.contains(named);
            moves.extend(self.decisions(handoff).into_iter().filter(free));
        }
        for side in [&handoff.from, &handoff.to].into_iter().filter(|side| side.org == self.caller.org) {
            moves.extend(self.signing(handoff, side));
        }
        let machine = self.caller.has(Role::Adapter) && self.has(&handoff.to);
        if machine && awaits_delivery(handoff) {
            moves.push("deliver");
        }
        if machine && matches!(handoff.state, HandoffState::Recalled { received: false, .. }) {
            moves.push("receive_recall");
        }
        if handoff.state.result().is_some() {
            moves.extend(self.about_result());
            // Giving it back and passing it on are new handoffs.
            moves.extend(self.may_offer().then_some("offer"));
        }
        if self.rules(Some(handoff)) {
            moves.push("rule");
        }
        moves
    }

    /// Whoever rules on a matter that can be ruled on now.
    fn rules(&self, handoff: Option<&Handoff>) -> bool {
        rulable(self.case, handoff, &self.caller.org).iter().any(|matter| match &matter.superior {
            Some(org) => self.caller.has(Role::Superior) && self.caller.org == *org,
            None => self.caller.has(Role::Supervisor) && matter.sides.iter().any(|side| side.org == self.caller.org),
        })
    }

    fn decisions(&self, handoff: &Handoff) -> Moves {
        let mut moves = Moves::new();
        if self.has(&handoff.from) {
            moves.extend(self.of_offerer(handoff));
        }
        if self.has(&handoff.to) {
            moves.extend(self.of_receiver(handoff));
        }
        moves
    }

    fn of_offerer(&self, handoff: &Handoff) -> Moves {
        let mut moves = Moves::new();
        match &handoff.state {
            HandoffState::Claimed { refused, .. } => {
                moves.push("offer");
                moves.extend(refused.is_none().then_some("refuse_claim"));
            }
            HandoffState::Offered => {
                moves.extend(["revise", "recall"]);
                moves.extend(self.late(handoff, &handoff.from));
            }
            HandoffState::Countered { .. } => moves.extend(["revise", "keep", "dispute", "recall"]),
            HandoffState::Declined { .. } => moves.extend(["revise", "keep", "dispute"]),
            HandoffState::Agreed(agreed) => {
                moves.push("revise");
                moves.extend(agreed.from_signed.is_none().then_some("name_substitute"));
                if !agreed.by_ruling {
                    moves.push("recall");
                    moves.extend(self.late(handoff, &handoff.from));
                }
            }
            HandoffState::Disputed(dispute) => {
                moves.extend(in_dispute(dispute, &handoff.from));
                moves.push(if handoff.is_claim() { "offer" } else { "withdraw_dispute" });
            }
            HandoffState::Kept
            | HandoffState::Recalled { .. }
            | HandoffState::TakenOver { .. }
            | HandoffState::PassedOn => {}
        }
        moves
    }

    fn of_receiver(&self, handoff: &Handoff) -> Moves {
        let mut moves = Moves::new();
        moves.extend(awaits_delivery(handoff).then_some("deliver"));
        let unseen = handoff.version > 0 && crate::apply::has_lamps(&handoff.state) && handoff.lamps.seen.is_none();
        moves.extend(unseen.then_some("see"));
        match &handoff.state {
            HandoffState::Claimed { refused, .. } => {
                moves.push("drop_claim");
                moves.extend(refused.map(|_| "dispute").or_else(|| self.late(handoff, &handoff.to)));
            }
            HandoffState::Offered => {
                moves.extend(["counter", "decline", "agree"]);
                moves.extend(handoff.stand_by.is_none().then_some("stand_by"));
                moves.extend(self.late(handoff, &handoff.to));
            }
            HandoffState::Countered { .. } => moves.push("agree"),
            HandoffState::Agreed(agreed) => moves.extend(self.of_agreed_receiver(handoff, agreed)),
            HandoffState::Disputed(dispute) => {
                moves.extend(in_dispute(dispute, &handoff.to));
                moves.extend(handoff.is_claim().then_some("drop_claim"));
            }
            HandoffState::Recalled { received: false, .. } => moves.push("receive_recall"),
            HandoffState::Declined { .. }
            | HandoffState::Kept
            | HandoffState::Recalled { received: true, .. }
            | HandoffState::TakenOver { .. }
            | HandoffState::PassedOn => {}
        }
        moves
    }

    fn of_agreed_receiver(&self, handoff: &Handoff, agreed: &AgreedForm) -> Moves {
        let mut moves = Moves::new();
        let expired = self.now > agreed.exp;
        moves.extend(expired.then_some("agree"));
        moves.extend((!expired && agreed.both_signed_at().is_some()).then_some("take_over"));
        moves.extend(agreed.to_signed.is_none().then_some("name_substitute"));
        if !agreed.by_ruling {
            moves.push("withdraw");
            moves.extend(self.late(handoff, &handoff.to));
        }
        moves
    }

    /// A dispute over the other side's silence.
    fn late(&self, handoff: &Handoff, waiting: &StationRef) -> Option<&'static str> {
        overdue(self.case, handoff, waiting, self.now).then_some("dispute")
    }

    fn is_person(&self) -> bool {
        crate::access::PERSON.iter().any(|role| self.caller.has(*role))
    }

    /// Signs who is of the side's station, or named for it from another one.
    fn signing(&self, handoff: &Handoff, side: &StationRef) -> Moves {
        let officer = self.caller.officer.as_ref();
        let at_station = self.caller.station.as_ref() == Some(&side.station);
        let named = officer.is_some() && handoff.signer(side).map(|signer| &signer.officer) == officer;
        if !self.is_person() || !(at_station || named) || may_sign(self.case, handoff, side, officer).is_err() {
            return Moves::new();
        }
        let valid = handoff.agreed().is_some_and(|agreed| self.now <= agreed.exp);
        if valid { vec!["sign", "refuse_signature"] } else { vec!["refuse_signature"] }
    }

    /// Moves on the result that runs, of a handoff or of joint handling.
    fn about_result(&self) -> Moves {
        let Some(result) = self.case.result() else { return Moves::new() };
        let handled = self.case.phase() == Phase::Handled;
        let at_custodian = self.has(&self.case.custodian);
        let at_confirmer = self.case.confirmer().is_some_and(|confirmer| self.has(confirmer));
        let mut moves = Moves::new();
        match result {
            ResultLoop::Owed { .. } => {
                moves.extend((at_custodian && self.is_person()).then_some("give_feedback"));
                moves.extend((at_custodian && self.decides && handled).then_some("report"));
            }
            ResultLoop::Reported { at_superior, .. } => {
                moves.extend((at_custodian && self.decides).then_some("take_back_report"));
                moves.extend((at_confirmer && self.decides).then_some("confirm"));
                moves.extend((at_confirmer && self.decides && at_superior.is_none()).then_some("contest"));
            }
            ResultLoop::Confirmed { .. } => {}
        }
        moves
    }

    fn may_offer(&self) -> bool {
        let open = self.case.open_handoff();
        self.decides
            && open.is_none_or(Handoff::is_claim)
            && self.has(&self.case.custodian)
            && self.case.phase() != Phase::Closed
    }

    fn about_incident(&self) -> Moves {
        let (case, phase) = (self.case, self.case.phase());
        let mut moves = self.merging();
        if case.alias_of.is_some() {
            moves.extend((!self.seats.is_empty()).then_some("note"));
            return moves;
        }
        moves.extend(self.about_result());
        moves.extend(self.rules(None).then_some("rule"));
        moves.extend(self.answers(phase));
        moves.extend(self.of_supports());
        if phase == Phase::Closed {
            let reopens = self.has(&case.custodian) || self.has(&case.first_receiver);
            moves.extend((self.decides && reopens || self.caller.has(Role::Auditor)).then_some("reopen"));
            return moves;
        }
        let works = FACTS.iter().any(|role| self.caller.has(*role));
        if !self.seats.is_empty() && works {
            moves.extend(["note", "report_unit", "add_place", "add_call", "request_support", "alert"]);
        }
        moves.extend(self.of_custodian(phase));
        if self.decides {
            moves.extend(self.of_any_party());
        }
        moves
    }

    fn holds(&self, roles: &[Role]) -> bool {
        roles.iter().any(|role| self.caller.has(*role))
    }

    /// Facts that answer, correct or connect what is there.
    fn answers(&self, phase: Phase) -> Moves {
        let case = self.case;
        let mut moves = Moves::new();
        let (desk, dispatches) = (self.holds(crate::access::DESK), self.holds(crate::access::DISPATCH));
        moves.extend((desk && case.alerts.keys().any(|seat| self.has(seat))).then_some("answer_alert"));
        let own = |fact: &Fact| match fact.what {
            FactKind::Unit { .. } => !fact.struck && self.has(&fact.by),
            // HANDLED is the custodian's word.
            FactKind::Handled { .. } => !fact.struck && self.has(&fact.by) && fact.by == case.custodian,
            FactKind::Units { .. } | FactKind::Closed | FactKind::Reopened { .. } => false,
        };
        moves.extend((desk && phase != Phase::Closed && case.facts.iter().any(own)).then_some("strike"));
        let links = dispatches && !self.seats.is_empty() && case.links.len() < LINKS_MAX;
        moves.extend(links.then_some("link"));
        let told = case.closure.as_ref().filter(|closure| closure.objection.is_none());
        let told = told.and_then(|closure| closure.told.as_ref());
        let objects = told.is_some_and(|(told, until)| self.has(told) && self.now <= *until);
        moves.extend((self.decides && objects).then_some("object"));
        let unnoticed = |(key, owed): (&Key, &Owed)| {
            let Key { duty, scope, by } = key.clone();
            let body = Acknowledged { duty, by, scope, rung: owed.rung };
            owed.acknowledged.is_none() && choose(case, &body.into(), self.caller, None).is_ok()
        };
        moves.extend(case.ledger.iter().any(unnoticed).then_some("acknowledge"));
        moves
    }

    fn of_supports(&self) -> Moves {
        let mut moves = Moves::new();
        let dispatches = self.holds(crate::access::DISPATCH);
        for support in self.case.supports.values().filter(|support| !support.ended) {
            let (lends, asks) = (self.has(&support.to), self.has(&support.from));
            moves.extend((self.decides && lends && support.answer.is_none()).then_some("answer_support"));
            moves.extend((dispatches && lends && support.answer.is_some()).then_some("recall_support"));
            moves.extend((dispatches && asks).then_some("end_support"));
        }
        moves
    }

    fn of_custodian(&self, phase: Phase) -> Moves {
        let case = self.case;
        let mut moves = Moves::new();
        if !self.has(&case.custodian) {
            return moves;
        }
        // With a unit on scene whoever dispatches says so; without one the duty officer, with a code.
        let says = self.decides || self.caller.has(Role::Dispatcher) && case.standing().attended;
        moves.extend((says && phase != Phase::Handled).then_some("declare_handled"));
        moves.extend(self.may_offer().then_some("offer"));
        if self.decides {
            let nothing_owed = case.ledger.keys().all(|key| key.duty == Duty::Close);
            let over = phase == Phase::Handled && nothing_owed && case.open_handoff().is_none();
            moves.extend(over.then_some("close"));
            moves.extend(case.open_handoff().is_none().then_some("split"));
            moves.push("change_details");
        }
        moves
    }

    fn of_any_party(&self) -> Moves {
        let case = self.case;
        let mut moves = Moves::new();
        let involved = |seat: &StationRef| case.takes_part(seat);
        let claims = |seat: &StationRef| *seat != case.custodian && involved(seat);
        moves.extend((case.open_handoff().is_none() && self.seats.iter().any(claims)).then_some("claim"));
        let Some(joint) = case.joint_now() else {
            moves.extend(self.seats.iter().any(involved).then_some("declare_joint"));
            return moves;
        };
        for side in [&joint.by, &joint.with].into_iter().filter(|side| self.has(side)) {
            let known = joint.acknowledged || *side != joint.with;
            moves.extend((!known).then_some("acknowledge_joint"));
            moves.extend(match &joint.lead_asked {
                None => Some("ask_lead"),
                Some((_, asker, _)) => (asker != side).then_some("answer_lead"),
            });
            moves.extend(match &joint.end_proposed {
                None => Some("propose_joint_end"),
                Some((asker, _, _)) => (asker != side).then_some("answer_joint_end"),
            });
        }
        moves
    }

    /// Moves that make two incidents one, or take them apart again.
    fn merging(&self) -> Moves {
        let case = self.case;
        let mut moves = Moves::new();
        if !self.decides || self.seats.is_empty() {
            return moves;
        }
        match &case.merge {
            Some(merge) if self.has(&merge.to) => {
                moves.push("answer_merge");
                moves.extend(case.is_one_with(merge.other).then_some("unmerge"));
            }
            // Whoever proposed may take it back.
            Some(merge) => moves.extend(self.has(&merge.by).then_some("answer_merge")),
            None => {
                moves.extend(crate::apply::may_merge(case, None).then_some("propose_merge"));
                moves.extend((case.alias_of.is_some() || !case.aliases.is_empty()).then_some("unmerge"));
            }
        }
        moves
    }
}

/// Roles that have anything to record in an incident.
const FACTS: &[Role] = &[Role::Adapter, Role::Dispatcher, Role::Responder, Role::DutyOfficer, Role::Supervisor];

/// Duty officers' moves that decide nothing about the form, and so are open to one who has signed it.
const UNDECIDED: &[&str] =
    &["refuse_claim", "drop_claim", "deliver", "see", "stand_by", "receive_recall", "state_position"];

fn awaits_delivery(handoff: &Handoff) -> bool {
    handoff.version > 0 && crate::apply::has_lamps(&handoff.state) && handoff.lamps.delivered.is_none()
}

fn in_dispute(dispute: &Dispute, side: &StationRef) -> Moves {
    let mut moves = vec!["state_position", "propose_settlement"];
    let theirs = dispute.proposal.as_ref().is_some_and(|(proposer, _)| proposer != side);
    moves.extend(theirs.then_some("agree_settlement"));
    moves
}
