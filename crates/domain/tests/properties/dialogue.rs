//! Ideas about a handoff: the dialogue, disputes, rulings, and the result.

use crate::ideas::{Dice, Group, Thinking, as_officer, code, sealed};
use crate::world::{Fnv, label, officer, superior, supervisor, system};
use handoff_domain::caller::Caller;
use handoff_domain::case::handoff::{AgreedForm, Handoff, HandoffState, ResultLoop};
use handoff_domain::command::{Act, AgreeParts, Sign, SignParts};
use handoff_domain::decide::{Digests, Statement};
use handoff_domain::event::handoff::{
    ClaimDropped, ClaimRefused, Contested, Countered, Declined, Delivered, DisputeWithdrawn, Disputed, FeedbackGiven,
    Kept, OfferBasis, PositionStated, RecallReceived, Recalled, ReportTakenBack, Ruling, Seen, Settlement,
    SettlementProposed, SignatureRefused, StoodBy, SubstituteNamed, Withdrawn,
};
use handoff_domain::form::{Form, Signer};
use handoff_domain::ids::{HandoffId, OrgId, StationId, StationRef, SupportId};
use handoff_domain::time::MINUTE;
use handoff_domain::timers::{Duty, Rung};
use handoff_domain::values::{Level, Sealed, Severity};

fn form(dice: &mut Dice) -> Form {
    let filled = Some(Sealed([u8::try_from(dice.below(200)).unwrap_or(1); 32]));
    Form {
        kind: Some(label("emergency")),
        severity: Severity::Urgent,
        category: None,
        number: None,
        times: None,
        place: None,
        place_unknown: true,
        legal_ground: None,
        measures: filled,
        // One in twelve is not complete.
        risks: if dice.one_in(12) { None } else { filled },
        items: Vec::new(),
        people: Vec::new(),
        annex: None,
        units: Vec::new(),
        callback: None,
    }
}

impl Thinking<'_> {
    /// Nobody named, an officer on a unit, or a substitute of the same organisation.
    fn signer(&mut self, side: &StationRef) -> Option<Signer> {
        let crew: Vec<_> = self.crew(side);
        match self.dice.below(4) {
            0 => None,
            1 => Some(Signer { officer: officer(&format!("{}-R3", side.station)), substitute: Some(code("NO_KEY")) }),
            _ => self.dice.pick(&crew).map(|officer| Signer { officer: officer.clone(), substitute: None }),
        }
    }

    fn crew(&self, side: &StationRef) -> Vec<handoff_domain::ids::OfficerId> {
        let sent = self.case.deployments.values().filter(|sent| sent.of == *side);
        sent.flat_map(|sent| sent.crew.iter().cloned()).collect()
    }

    pub(crate) fn handoff_begins(&mut self) {
        let custodian = self.case.custodian.clone();
        let claimed = self.case.open_handoff().filter(|open| matches!(open.state, HandoffState::Claimed { .. }));
        if self.case.open_handoff().is_some() && claimed.is_none() {
            return;
        }
        let claimed = claimed.map(|open| (open.id, open.to.clone()));
        let neighbour = self.some_neighbour(&custodian);
        let target = claimed.clone().or_else(|| neighbour.map(|to| (HandoffId(self.id()), to)));
        if let Some((handoff, to)) = target {
            let out = self.case.supports.values().any(|support| !support.ended);
            let basis = match (self.case.standing().assigned, out) {
                // Now and then one that need not be so.
                _ if self.dice.one_in(6) => OfferBasis::ALL[self.dice.below(3)],
                (true, _) => OfferBasis::UnitAssigned,
                (false, true) => OfferBasis::NoUnitFree,
                (false, false) => OfferBasis::NoResponseNeeded,
            };
            let (form, signer) = (form(self.dice), self.signer(&custodian));
            let who = self.decider(&custodian);
            let offer = Act::Offer { handoff, to: to.station, basis, form, signer, parent: None, paper: None };
            self.add(Group::Forward, if claimed.is_some() { 5 } else { 8 }, who, offer);
        }
        if claimed.is_none() {
            let parties: Vec<_> = self.parties().into_iter().filter(|seat| *seat != custodian).collect();
            if let Some(by) = self.dice.pick(&parties).cloned() {
                let handoff = HandoffId(self.id());
                let who = self.decider(&by);
                self.add(Group::Against, 3, who, Act::Claim { handoff, code: code("OUR_GROUND"), note: None });
            }
        }
    }

    pub(crate) fn dialogue(&mut self) {
        let case = self.case;
        for handoff in case.handoffs.iter().rev().take(2) {
            let (id, version) = (handoff.id, handoff.version);
            let (from, to) = (handoff.from.clone(), handoff.to.clone());
            let lit = handoff.state.is_open() && version > 0;
            if lit && handoff.lamps.delivered.is_none() {
                let body = Delivered { handoff: id, version };
                self.add(Group::Forward, 6, (system(&to), None), Act::Deliver(body));
            }
            if lit && handoff.lamps.seen.is_none() {
                let who = self.decider(&to);
                self.add(Group::Forward, 5, who, Act::See(Seen { handoff: id, version }));
            }
            match &handoff.state {
                HandoffState::Claimed { refused, .. } => {
                    let who = self.decider(&from);
                    let body = ClaimRefused { handoff: id, code: code("OURS"), note: None };
                    self.add(Group::Against, if refused.is_none() { 4 } else { 0 }, who, Act::RefuseClaim(body));
                    let who = self.decider(&to);
                    self.add(Group::Against, 2, who, Act::DropClaim(ClaimDropped { handoff: id, code: None }));
                }
                HandoffState::Offered => {
                    self.answers(handoff);
                    self.offerer_moves(handoff, true);
                }
                HandoffState::Countered { .. } => {
                    self.agrees(handoff, 5);
                    self.offerer_moves(handoff, true);
                    self.keeps(id, &from);
                }
                HandoffState::Declined { .. } => {
                    self.offerer_moves(handoff, false);
                    self.keeps(id, &from);
                }
                HandoffState::Agreed(agreed) => self.signing(handoff, agreed),
                HandoffState::Recalled { received: false, .. } => {
                    let body = RecallReceived { handoff: id };
                    self.add(Group::Against, 8, (system(&to), None), Act::ReceiveRecall(body));
                }
                HandoffState::Disputed(_)
                | HandoffState::Kept
                | HandoffState::Recalled { .. }
                | HandoffState::TakenOver { .. }
                | HandoffState::PassedOn => {}
            }
        }
    }

    fn keeps(&mut self, handoff: HandoffId, from: &StationRef) {
        let who = self.decider(from);
        self.add(Group::Against, 3, who, Act::Keep(Kept { handoff, code: code("STAYS_OURS"), note: None }));
    }

    fn agrees(&mut self, handoff: &Handoff, weight: usize) {
        let (id, version) = (handoff.id, handoff.version);
        let signer = self.signer(&handoff.to);
        let parts = AgreeParts { number: None, category: None, signer, paper: None };
        let who = self.decider(&handoff.to);
        self.add(Group::Forward, weight, who, Act::Agree { handoff: id, version, parts });
    }

    fn answers(&mut self, handoff: &Handoff) {
        let (id, version, to) = (handoff.id, handoff.version, handoff.to.clone());
        self.agrees(handoff, 12);
        if handoff.stand_by.is_none() {
            let until = self.now.plus(10 * MINUTE);
            let who = self.decider(&to);
            self.add(Group::Forward, 2, who, Act::StandBy(StoodBy { handoff: id, version, until }));
        }
        let who = self.decider(&to);
        let body = Countered { handoff: id, version, code: code("EVIDENCE_MISSING"), fields: Vec::new(), note: None };
        self.add(Group::Against, 4, who, Act::Counter(body));
        let own = self.others.iter().find(|other| other.custodian == to).map(|other| other.id);
        let (why, duplicate_of) = match (own, self.dice.one_in(2)) {
            (Some(own), true) => ("DUPLICATE_OF", Some(own)),
            (_, _) => ("NOT_OUR_MATTER", None),
        };
        let body = Declined { handoff: id, version, code: code(why), owner: None, map: None, duplicate_of, note: None };
        let who = self.decider(&to);
        self.add(Group::Against, 5, who, Act::Decline(body));
    }

    fn offerer_moves(&mut self, handoff: &Handoff, may_recall: bool) {
        let (id, from) = (handoff.id, handoff.from.clone());
        let (form, signer) = (form(self.dice), self.signer(&from));
        let who = self.decider(&from);
        self.add(Group::Forward, 3, who, Act::Revise { handoff: id, form, signer });
        if may_recall {
            let who = self.decider(&from);
            self.add(
                Group::Against,
                2,
                who,
                Act::Recall(Recalled { handoff: id, code: code("DONE_HERE"), note: None }),
            );
        }
    }

    fn signing(&mut self, handoff: &Handoff, agreed: &AgreedForm) {
        let (id, version) = (handoff.id, handoff.version);
        let sides = [
            (&handoff.from, &handoff.from_signer, agreed.from_signed.is_some()),
            (&handoff.to, &handoff.to_signer, agreed.to_signed.is_some()),
        ];
        for (side, named, signed) in sides {
            if signed {
                continue;
            }
            // Now and then it is somebody who has decided on this very form.
            let free = self.dice.one_in(8);
            let crew = self.crew(side).into_iter().filter(|one| free || !handoff.deciders.contains(one));
            let crew: Vec<_> = crew.collect();
            let officer = named.as_ref().map(|named| named.officer.clone()).or_else(|| self.dice.pick(&crew).cloned());
            if let Some(officer) = officer {
                let who = as_officer(&officer);
                let actor = handoff_domain::caller::Actor::service();
                let statement = Fnv.statement(self.case, &actor, Statement::Transfer(handoff));
                let parts = SignParts {
                    level: Level::Attested,
                    statement,
                    signature: None,
                    lang: None,
                    template: None,
                    paper: None,
                };
                self.add(Group::Forward, 10, (who.clone(), None), Act::Sign { handoff: id, version, parts });
                let refused = SignatureRefused {
                    handoff: id,
                    form_version: version,
                    side: side.clone(),
                    code: code("NO_SIGNAL"),
                    note: None,
                };
                self.add(Group::Against, 1, (who, None), Act::RefuseSignature(refused));
            }
            let another = ["A-02-R3", "A-01-R3", "B-02-R3", "B-01-R3", "C-01-R3"];
            let substitute =
                another.iter().find(|name| name.starts_with(side.org.as_str())).map(|name| (*name).to_owned());
            let officer = crate::world::officer(&substitute.unwrap_or_else(|| format!("{}-R3", side.station)));
            let who = self.decider(side);
            let body = SubstituteNamed { handoff: id, side: side.clone(), officer, code: code("OFF_SHIFT") };
            self.add(
                Group::Forward,
                if crew.is_empty() && named.is_none() { 4 } else { 1 },
                who,
                Act::NameSubstitute(body),
            );
        }
        let both = agreed.both_signed_at().is_some();
        let who = self.decider(&handoff.to);
        let take_over = Act::TakeOver { handoff: id, version, paper: None };
        self.add(Group::Forward, if both { 20 } else { 1 }, who, take_over);
        let who = self.decider(&handoff.to);
        let withdrawn = Withdrawn { handoff: id, code: code("CHANGED_OUR_MIND"), note: None };
        self.add(Group::Against, 2, who, Act::Withdraw(withdrawn));
        self.agrees(handoff, if self.now > agreed.exp { 8 } else { 0 });
        self.offerer_moves(handoff, true);
    }

    pub(crate) fn disputes(&mut self) {
        let Some(handoff) = self.case.open_handoff() else { return };
        let id = handoff.id;
        let (one, other) = match self.dice.one_in(2) {
            true => (handoff.from.clone(), handoff.to.clone()),
            false => (handoff.to.clone(), handoff.from.clone()),
        };
        let HandoffState::Disputed(dispute) = &handoff.state else {
            let owes = |key: &handoff_domain::obligations::Key| {
                key.scope == Some(id.into()) && key.by.as_ref() == Some(&other) && key.duty != Duty::OfferDelivered
            };
            let late = self.case.ledger.iter().any(|(key, owed)| owes(key) && owed.due < self.now);
            let position = sealed(self.dice);
            let answers_no = matches!(handoff.state, HandoffState::Countered { .. } | HandoffState::Declined { .. });
            let by = if answers_no { handoff.from.clone() } else { one };
            let who = self.decider(&by);
            let body = Disputed { handoff: id, code: code("OVERDUE"), position };
            self.add(Group::Dispute, if late || answers_no { 6 } else { 1 }, who, Act::Dispute(body));
            return;
        };
        let who = self.decider(&one);
        let position = PositionStated { handoff: id, position: Sealed([7; 32]) };
        self.add(Group::Dispute, 3, who, Act::StatePosition(position));
        match &dispute.proposal {
            Some((proposer, outcome)) => {
                let (by, outcome) = (handoff.other(proposer).clone(), *outcome);
                let signer = self.signer(&handoff.to.clone());
                let parts = AgreeParts { number: None, category: None, signer, paper: None };
                let who = self.decider(&by);
                self.add(Group::Dispute, 8, who, Act::AgreeSettlement { handoff: id, outcome, parts });
            }
            None => {
                let outcome = if self.dice.one_in(2) { Settlement::Agreed } else { Settlement::Kept };
                let who = self.decider(&one);
                let body = SettlementProposed { handoff: id, outcome, note: None };
                self.add(Group::Dispute, 4, who, Act::ProposeSettlement(body));
            }
        }
        let from = handoff.from.clone();
        let who = self.decider(&from);
        let body = DisputeWithdrawn { handoff: id, code: code("KEPT") };
        self.add(Group::Dispute, 3, who, Act::WithdrawDispute(body));
    }

    /// Who rules: a superior the case is before, or the supervisor of one of the sides.
    fn ruler(&mut self, not: Option<&OrgId>) -> (Caller, Option<StationId>) {
        let before: Vec<_> = self.case.superiors.iter().filter(|(_, part)| part.is_in()).collect();
        if !before.is_empty() && self.dice.below(8) > 0 {
            return (superior(), None);
        }
        let sides: Vec<_> = self.parties().into_iter().filter(|seat| Some(&seat.org) != not).collect();
        let side = self.dice.pick(&sides).unwrap_or(&self.case.custodian).clone();
        (supervisor(&side.org), Some(side.station))
    }

    fn rule(&mut self, weight: usize, ruling: Ruling, handoff: Option<HandoffId>, side: Option<StationRef>) {
        self.rule_on(weight, ruling, handoff, side, None);
    }

    fn rule_on(
        &mut self,
        weight: usize,
        ruling: Ruling,
        handoff: Option<HandoffId>,
        side: Option<StationRef>,
        support: Option<SupportId>,
    ) {
        let joint = self.dice.one_in(4) && matches!(ruling, Ruling::Agreed | Ruling::Kept);
        let who = self.ruler(None);
        let (reasons, level, statement) = (None, Level::Attested, None);
        let act = Act::Rule {
            handoff,
            ruling,
            joint,
            side,
            support,
            reasons,
            sign: Sign { level, statement, signature: None },
        };
        self.add(Group::Dispute, weight, who, act);
    }

    pub(crate) fn rulings(&mut self) {
        let case = self.case;
        if let Some(first) = case.ruling_proposed.clone() {
            let who = self.ruler(Some(&first.by));
            let act = Act::Rule {
                handoff: first.asked.handoff,
                ruling: first.asked.ruling,
                joint: first.asked.joint,
                side: first.asked.side,
                support: first.asked.support,
                reasons: None,
                sign: Sign::ATTESTED,
            };
            self.add(Group::Dispute, 12, who, act);
        }
        let open = case.open_handoff();
        let id = open.map(|open| open.id);
        let up: Vec<_> =
            case.ledger.iter().filter(|(_, owed)| owed.rung == Rung::Superior).map(|(key, _)| key.clone()).collect();
        if let Some(open) = open.filter(|open| matches!(open.state, HandoffState::Disputed(_)) || !up.is_empty()) {
            let to = open.to.clone();
            self.rule(4, Ruling::Agreed, id, None);
            self.rule(2, Ruling::Kept, id, None);
            self.rule(3, Ruling::Takeover, id, Some(to.clone()));
            // And what no superior should: a third station, a form nobody has offered.
            let third = self.some_neighbour(&to);
            self.rule(1, Ruling::Takeover, id, third);
            let nobodys = Some(HandoffId(self.id()));
            self.rule(1, Ruling::Takeover, nobodys, Some(to.clone()));
            if open.agreed().is_some() {
                let side = if self.dice.one_in(2) { to } else { open.from.clone() };
                self.rule(6, Ruling::Signature, id, Some(side));
            }
        }
        for key in up {
            let scope = key.scope.map(|scope| HandoffId(scope.0)).filter(|id| case.handoff(*id).is_some());
            match key.duty {
                Duty::RecallReceipt => self.rule(6, Ruling::Receipt, scope, None),
                Duty::LeadAnswer => {
                    self.rule(6, Ruling::Lead, None, None);
                    self.rule(3, Ruling::LeadStays, None, None);
                }
                Duty::JointAnswer => {
                    self.rule(6, Ruling::JointEnd, None, None);
                    self.rule(3, Ruling::JointStays, None, None);
                }
                Duty::SupportAnswer => {
                    let asked = case.supports.keys().copied().find(|id| key.scope == Some((*id).into()));
                    self.rule_on(6, Ruling::Support, None, None, asked);
                    self.rule_on(3, Ruling::SupportNot, None, None, asked);
                }
                Duty::AlertSeen => self.rule(6, Ruling::Receipt, None, key.by.clone()),
                Duty::AnswerObjection => self.rule(6, Ruling::Objection, None, None),
                Duty::Confirm => self.rule(6, Ruling::Confirmed, scope, None),
                Duty::Dispatch | Duty::OnScene | Duty::Handled => {
                    let to = self.some_neighbour(&case.custodian.clone());
                    self.rule(1, Ruling::Takeover, None, to);
                }
                _ => {}
            }
        }
        if let Some(ResultLoop::Reported { at_superior: Some(_), .. }) = case.result() {
            let last = case.last_taken_over().map(|last| last.id);
            self.rule(6, Ruling::Confirmed, last, None);
            self.rule(6, Ruling::ReportAgain, last, None);
        }
    }

    pub(crate) fn results(&mut self) {
        let Some(result) = self.case.result() else { return };
        let custodian = self.case.custodian.clone();
        match result {
            ResultLoop::Owed { .. } => {
                let who = self.human(&custodian);
                let body = FeedbackGiven { code: code("UNDER_WAY"), text: None };
                self.add(Group::Result, 3, who, Act::GiveFeedback(body));
                let handled = self.case.phase() == handoff_domain::case::phase::Phase::Handled;
                let who = self.decider(&custodian);
                let report = Act::Report { code: code("DONE"), case_number: None, result: None, sign: Sign::ATTESTED };
                self.add(Group::Result, if handled { 10 } else { 1 }, who, report);
            }
            ResultLoop::Reported { .. } => {
                let who = self.decider(&custodian);
                self.add(Group::Result, 5, who, Act::TakeBackReport(ReportTakenBack { code: code("WRONG") }));
                let Some(confirmer) = self.case.confirmer().cloned() else { return };
                let who = self.decider(&confirmer);
                let (report, note) = (self.case.reports, None);
                self.add(Group::Result, 6, who, Act::Contest(Contested { report, code: code("NOT_DONE"), note }));
                let who = self.decider(&confirmer);
                self.add(Group::Result, 6, who, Act::Confirm { report, sign: Sign::ATTESTED });
            }
            ResultLoop::Confirmed { .. } => {}
        }
    }
}
