//! The dialogue of a handoff, the last resort, and the result.

use super::{Draft, Statement, attested_only};
use crate::case::handoff::{Handoff, HandoffState};
use crate::command::{Act, AgreeParts, SignParts};
use crate::event::Body;
use crate::event::handoff::{
    Agreed, Claimed, Confirmed, Declined, OfferBasis, Offered, Reported, Revised, Ruled, Ruling, RulingProposed,
    Settled, Settlement, Signed, TakenOver,
};
use crate::event::incident::MergeProposed;
use crate::form::{Form, FormUnit, Signer};
use crate::ids::{Digest, HandoffId, StationId, StationRef};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::timers::Timers;
use crate::values::{Code, Label, Level, Sealed, SignOff, Terms};

impl Draft<'_> {
    pub(super) fn handoff(&mut self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::Claim { handoff, code, note } => self.claim(*handoff, code, *note),
            Act::RefuseClaim(body) => self.push(body.clone()),
            Act::DropClaim(body) => self.push(body.clone()),
            Act::Offer { handoff, to, basis, form, signer, parent } => {
                self.offer(*handoff, to, *basis, form, signer.as_ref(), *parent)
            }
            Act::Revise { handoff, form, signer } => self.revise(*handoff, form, signer.as_ref()),
            Act::Deliver(body) => {
                let to = self.of(body.handoff)?.to.station.clone();
                self.registered_system(&to)?;
                self.push(body.clone())
            }
            Act::See(body) => self.push(body.clone()),
            Act::StandBy(body) => self.push(body.clone()),
            Act::Counter(body) => self.push(body.clone()),
            Act::Decline(body) => self.decline(body),
            Act::Agree { handoff, version, parts } => self.agree(*handoff, *version, parts),
            Act::Sign { handoff, version, parts } => self.sign(*handoff, *version, parts),
            Act::RefuseSignature(body) => self.push(body.clone()),
            Act::NameSubstitute(body) => self.push(body.clone()),
            Act::Withdraw(body) => self.push(body.clone()),
            Act::Recall(body) => self.push(body.clone()),
            Act::ReceiveRecall(body) => {
                let to = self.of(body.handoff)?.to.station.clone();
                self.registered_system(&to)?;
                self.push(body.clone())
            }
            Act::Keep(body) => self.push(body.clone()),
            Act::TakeOver { handoff, version, paper } => self.take_over(*handoff, *version, *paper),
            Act::Dispute(body) => self.push(body.clone()),
            Act::StatePosition(body) => self.push(body.clone()),
            Act::ProposeSettlement(body) => self.push(body.clone()),
            Act::AgreeSettlement { handoff, outcome, parts } => self.settle(*handoff, *outcome, parts),
            Act::WithdrawDispute(body) => self.push(body.clone()),
            Act::Rule { handoff, ruling, joint, side, reasons, level, statement } => {
                let asked = Asked { handoff: *handoff, ruling: *ruling, joint: *joint, side: side.clone() };
                self.rule(&asked, *reasons, *level, *statement)
            }
            Act::GiveFeedback(body) => self.push(body.clone()),
            Act::Report { code, case_number, result, level, statement } => {
                self.report(code, case_number.clone(), *result, *level, *statement)
            }
            Act::TakeBackReport(body) => self.push(body.clone()),
            Act::Contest(body) => self.push(body.clone()),
            Act::Confirm { level, statement } => self.confirm(*level, *statement),
            _ => Err(Refusal::new(Reason::MoveNotLegal)),
        }
    }

    fn of(&self, id: HandoffId) -> Result<&Handoff, Refusal> {
        self.case()?.handoff(id).ok_or_else(|| Refusal::new(Reason::HandoffNotFound).field("handoff"))
    }

    fn claim(&mut self, handoff: HandoffId, code: &Code, note: Option<Sealed>) -> Result<(), Refusal> {
        let (to, case) = (self.seat()?, self.case()?);
        let (from, number) = (case.custodian.clone(), case.handoffs.len() as u64 + 1);
        let terms = self.terms(&from, &to)?;
        self.push(Claimed { handoff, number, from, to, code: code.clone(), note, terms })
    }

    fn offer(
        &mut self,
        handoff: HandoffId,
        to: &StationId,
        basis: OfferBasis,
        form: &Form,
        signer: Option<&Signer>,
        parent: Option<HandoffId>,
    ) -> Result<(), Refusal> {
        let to = self.station("to", to)?;
        let case = self.case()?;
        let from = case.custodian.clone();
        let claimed =
            case.open_handoff().filter(|open| open.id == handoff && matches!(open.state, HandoffState::Claimed { .. }));
        let number = claimed.map_or(case.handoffs.len() as u64 + 1, |open| open.number);
        // Giving it back or passing it on is a new handoff linked to its parent, said or not.
        let parent = parent.or_else(|| case.last_taken_over().map(|last| last.id));
        let terms = self.terms(&from, &to)?;
        let map = self.ctx.directory.map_of(&from).cloned();
        let (form, signer) = (self.with_units(form)?, signer.cloned());
        self.push(Offered { handoff, number, from, to, version: 1, basis, form, signer, parent, map, terms })
    }

    /// The form's units: as given, or every unit bound to the incident now, staying.
    fn with_units(&self, form: &Form) -> Result<Form, Refusal> {
        let mut form = form.clone();
        if form.units.is_empty() {
            let case = self.case()?;
            let active = case.unit_statuses().into_iter().filter(|(_, status)| status.is_active());
            let sent = active.filter_map(|(id, _)| case.deployments.get(&id));
            let units = sent.map(|sent| FormUnit { unit: sent.unit.clone(), of: sent.of.clone(), stays: true });
            form.units = units.take(crate::form::FORM_UNITS_MAX).collect();
        }
        Ok(form)
    }

    fn revise(&mut self, id: HandoffId, form: &Form, signer: Option<&Signer>) -> Result<(), Refusal> {
        let form = self.with_units(form)?;
        let handoff = self.of(id)?;
        let version = handoff.version + 1;
        let ruled = handoff.agreed().is_some_and(|agreed| agreed.by_ruling);
        let exp = ruled.then(|| self.valid_until(handoff.terms.as_ref()));
        let nonce = ruled.then_some(self.fresh.nonce);
        let form_digest = ruled.then(|| self.ctx.digests.form(&form));
        self.push(Revised { handoff: id, version, form, signer: signer.cloned(), exp, nonce, form_digest })
    }

    fn valid_until(&self, terms: Option<&Terms>) -> Millis {
        let defaults = Timers::default();
        let timers = terms.and_then(|terms| terms.timers.as_ref()).unwrap_or(&defaults);
        let urgent = self.case().is_ok_and(crate::case::Case::is_urgent);
        self.now.plus(timers.agreed_valid_ms(urgent))
    }

    /// A decline as duplicate is itself the proposal to merge (product, *Handoff*, *Codes*).
    fn decline(&mut self, body: &Declined) -> Result<(), Refusal> {
        self.push(body.clone())?;
        let Some(theirs) = body.duplicate_of else { return Ok(()) };
        let handoff = self.of(body.handoff)?;
        let (by, to) = (handoff.to.clone(), handoff.from.clone());
        let disputed = matches!(handoff.state, HandoffState::Disputed(_));
        let drill = self.case()?.drill;
        let own = self.cases.get(&theirs).filter(|case| case.custodian == by && case.drill == drill);
        if own.is_none() {
            return Err(Refusal::new(Reason::IncidentNotFound).field("duplicate_of"));
        }
        if disputed {
            return Ok(());
        }
        let this = self.command.incident;
        for (incident, other) in [(this, theirs), (theirs, this)] {
            let body = MergeProposed { other, survivor: theirs, by: by.clone(), to: to.clone() };
            self.push_to(incident, body.into())?;
        }
        Ok(())
    }

    fn agree(&mut self, id: HandoffId, version: u64, parts: &AgreeParts) -> Result<(), Refusal> {
        let body = self.agreed_body(id, version, parts)?;
        self.push(body)
    }

    fn agreed_body(&self, id: HandoffId, version: u64, parts: &AgreeParts) -> Result<Agreed, Refusal> {
        let handoff = self.of(id)?;
        let Some(form) = &handoff.form else { return Err(Refusal::new(Reason::MoveNotLegal)) };
        Ok(Agreed {
            handoff: id,
            version,
            form_digest: self.ctx.digests.form(form),
            from: handoff.from.clone(),
            to: handoff.to.clone(),
            agreement: handoff.terms.as_ref().and_then(|terms| terms.hash),
            exp: self.valid_until(handoff.terms.as_ref()),
            nonce: self.fresh.nonce,
            level: handoff.terms.as_ref().and_then(|terms| terms.level).unwrap_or(Level::Attested),
            number: parts.number.clone(),
            category: parts.category.clone(),
            signer: parts.signer.clone(),
        })
    }

    fn sign(&mut self, id: HandoffId, version: u64, parts: &SignParts) -> Result<(), Refusal> {
        attested_only(parts.level)?;
        let handoff = self.of(id)?;
        let Some(officer) = &self.caller.officer else { return Err(Refusal::new(Reason::RoleNotAllowed)) };
        // A named signer may be a substitute from another station of the organisation: the side is the form's.
        let named = |signer: &Option<Signer>| {
            signer.as_ref().filter(|signer| signer.officer == *officer).map(|signer| signer.substitute.clone())
        };
        let own = |side: &StationRef| side.org == self.caller.org;
        let at = self.caller.station.as_ref();
        let (side, substitute) = match (named(&handoff.from_signer), named(&handoff.to_signer)) {
            (Some(substitute), _) if own(&handoff.from) => (handoff.from.clone(), substitute),
            (_, Some(substitute)) if own(&handoff.to) => (handoff.to.clone(), substitute),
            _ if at == Some(&handoff.from.station) => (handoff.from.clone(), None),
            _ if at == Some(&handoff.to.station) => (handoff.to.clone(), None),
            _ => return Err(Refusal::new(Reason::NotTheSigner)),
        };
        let body = Signed {
            handoff: id,
            form_version: version,
            side: side.clone(),
            level: parts.level,
            statement: parts.statement,
            alg: None,
            key: None,
            sig: None,
            lang: parts.lang.clone(),
            template: parts.template.clone(),
            substitute,
        };
        let case = self.case()?;
        let acting = substitute_actor(self.caller, &side, &Body::from(body.clone()));
        let actor = match access_or(case, self, &body) {
            Ok(actor) => actor,
            Err(refusal) => acting.filter(|_| body.substitute.is_some()).ok_or(refusal)?,
        };
        if handoff.agreed().is_some() {
            let shown = self.ctx.digests.statement(case, &actor, Statement::Transfer(handoff));
            if shown != parts.statement {
                return Err(Refusal::new(Reason::StatementMismatch).field("statement"));
            }
        }
        self.push_as(self.command.incident, actor, body.into())
    }

    fn take_over(&mut self, id: HandoffId, _version: u64, paper: Option<Digest>) -> Result<(), Refusal> {
        let handoff = self.of(id)?;
        let (from, to, tenure) = (handoff.from.clone(), handoff.to.clone(), self.case()?.tenure + 1);
        self.push(TakenOver { handoff: Some(id), from, to, tenure, by_order: false, paper })
    }

    fn settle(&mut self, id: HandoffId, outcome: Settlement, parts: &AgreeParts) -> Result<(), Refusal> {
        self.push(Settled { handoff: id, outcome })?;
        match outcome {
            Settlement::Kept => Ok(()),
            Settlement::Agreed => {
                let version = self.of(id)?.version;
                self.agree(id, version, parts)
            }
        }
    }

    fn rule(
        &mut self,
        asked: &Asked,
        reasons: Option<Sealed>,
        level: Level,
        shown: Option<Digest>,
    ) -> Result<(), Refusal> {
        let named = crate::access::superior_of(self.case()?).is_some();
        let first = self.case()?.ruling_proposed.as_ref();
        let seconded = first.is_some_and(|first| {
            first.by != self.caller.org
                && (first.handoff, first.ruling, &first.side) == (asked.handoff, asked.ruling, &asked.side)
        });
        if !named && !seconded {
            let Asked { handoff, ruling, joint, side } = asked.clone();
            return self.push(RulingProposed { handoff, ruling, joint, side, reasons });
        }
        let statement = Statement::Rule { ruling: asked.ruling.as_str(), handoff: asked.handoff };
        let body = |sign_off| Ruled {
            handoff: asked.handoff,
            ruling: asked.ruling,
            joint: asked.joint,
            side: asked.side.clone(),
            together: !named,
            reasons,
            sign_off,
        };
        let unsigned = SignOff { level, statement: Digest([0; 32]) };
        // A ruling is the superior's own: the agreement's level binds the two stations' officers.
        let sign_off = self.sign_off(&body(unsigned).into(), level, shown, statement, None)?;
        self.push(body(sign_off))?;
        self.carry_out(asked)
    }

    /// What a ruling brings about besides itself.
    fn carry_out(&mut self, asked: &Asked) -> Result<(), Refusal> {
        match (asked.ruling, asked.handoff) {
            (Ruling::Agreed, Some(id)) => {
                let version = self.of(id)?.version;
                self.agree(id, version, &AgreeParts::default())
            }
            (Ruling::Takeover, handoff) => {
                let case = self.case()?;
                let Some(to) = asked.side.clone() else {
                    return Err(Refusal::new(Reason::InvalidField).field("side"));
                };
                let (from, tenure) = (case.custodian.clone(), case.tenure + 1);
                self.push(TakenOver { handoff, from, to, tenure, by_order: true, paper: None })
            }
            (
                Ruling::Agreed
                | Ruling::Kept
                | Ruling::Signature
                | Ruling::Receipt
                | Ruling::Lead
                | Ruling::JointEnd
                | Ruling::Support
                | Ruling::Confirmed
                | Ruling::ReportAgain,
                _,
            ) => Ok(()),
        }
    }

    fn report(
        &mut self,
        code: &Code,
        case_number: Option<Label>,
        result: Option<Sealed>,
        level: Level,
        shown: Option<Digest>,
    ) -> Result<(), Refusal> {
        let report = self.case()?.reports + 1;
        let body = |sign_off| Reported { report, code: code.clone(), case_number, result, sign_off };
        let unsigned = SignOff { level, statement: Digest([0; 32]) };
        let terms = self.result_terms()?;
        let draft: Body = Reported { report, code: code.clone(), case_number: None, result, sign_off: unsigned }.into();
        let sign_off = self.sign_off(&draft, level, shown, Statement::Report { report }, terms.as_ref())?;
        self.push(body(sign_off))
    }

    fn confirm(&mut self, level: Level, shown: Option<Digest>) -> Result<(), Refusal> {
        let report = self.case()?.reports;
        let draft: Body = Confirmed { sign_off: SignOff { level, statement: Digest([0; 32]) } }.into();
        let terms = self.result_terms()?;
        let sign_off = self.sign_off(&draft, level, shown, Statement::Confirm { report }, terms.as_ref())?;
        self.push(Confirmed { sign_off })
    }

    fn result_terms(&self) -> Result<Option<Terms>, Refusal> {
        Ok(self.case()?.last_taken_over().and_then(|handoff| handoff.terms.clone()))
    }
}

/// What is asked of the superior.
#[derive(Clone)]
struct Asked {
    handoff: Option<HandoffId>,
    ruling: Ruling,
    joint: bool,
    side: Option<StationRef>,
}

fn access_or(case: &crate::case::Case, draft: &Draft<'_>, body: &Signed) -> Result<crate::caller::Actor, Refusal> {
    let body = Body::from(body.clone());
    crate::access::choose(case, &body, draft.caller, draft.command.acting_for.as_ref()).map_err(Refusal::new)
}

/// A named substitute signs for its side from any station of the same organisation.
fn substitute_actor(caller: &crate::caller::Caller, side: &StationRef, _body: &Body) -> Option<crate::caller::Actor> {
    use crate::caller::Role;
    let roles = [Role::Responder, Role::Dispatcher, Role::DutyOfficer, Role::Supervisor];
    let role = roles.into_iter().find(|role| caller.has(*role))?;
    (caller.org == side.org).then(|| crate::caller::Actor {
        org: side.org.clone(),
        station: Some(side.station.clone()),
        officer: caller.officer.clone(),
        role,
        reg: None,
    })
}
