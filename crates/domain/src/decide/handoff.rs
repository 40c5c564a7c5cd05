//! The dialogue of a handoff, the last resort, and the result.

use super::{Draft, Statement};
use crate::access;
use crate::apply::may_be_one;
use crate::caller::{Actor, Role};
use crate::case::Case;
use crate::case::handoff::{Asked, Handoff, HandoffState};
use crate::command::{AgreeParts, Sign, SignParts};
use crate::directory::terms_of;
use crate::event::Body;
use crate::event::handoff::{
    Agreed, Claimed, Confirmed, Declined, Delivered, OfferBasis, Offered, RecallReceived, Reported, Revised, Ruled,
    Ruling, RulingProposed, Seen, Settled, Settlement, SignatureRefused, Signed, TakenOver,
};
use crate::event::incident::MergeProposed;
use crate::form::{Form, FormUnit, Signer};
use crate::ids::{Digest, HandoffId, StationId, StationRef};
use crate::matter;
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::timers::Timers;
use crate::values::{Code, Label, Level, Sealed, SignOff, Terms};

impl Draft<'_> {
    fn of(&self, id: HandoffId) -> Result<&Handoff, Refusal> {
        self.case()?.handoff(id).ok_or_else(|| Refusal::new(Reason::HandoffNotFound).field("handoff"))
    }

    pub(super) fn claim(&mut self, handoff: HandoffId, code: &Code, note: Option<Sealed>) -> Result<(), Refusal> {
        let (to, case) = (self.seat()?, self.case()?);
        let (from, number) = (case.custodian.clone(), case.handoffs.len() as u64 + 1);
        let terms = self.terms(&from, &to)?;
        self.push(Claimed { handoff, number, from, to, code: code.clone(), note, terms })
    }

    pub(super) fn offer(
        &mut self,
        handoff: HandoffId,
        to: &StationId,
        form: &Form,
        signer: Option<&Signer>,
        (basis, parent, paper): (OfferBasis, Option<HandoffId>, Option<Digest>),
    ) -> Result<(), Refusal> {
        let to = self.station("to", to)?;
        let case = self.case()?;
        let from = case.custodian.clone();
        let claimed = case.open_handoff().filter(|open| open.id == handoff && open.is_claim());
        let number = claimed.map_or(case.handoffs.len() as u64 + 1, |open| open.number);
        // Giving it back or passing it on is a new handoff linked to its parent, said or not.
        let parent = parent.or_else(|| case.last_taken_over().map(|last| last.id));
        let terms = self.terms(&from, &to)?;
        let map = self.ctx.directory.map_between(&from, &to).cloned();
        let (form, signer) = (self.with_units(form)?, signer.cloned());
        self.push(Offered { handoff, number, from, to, version: 1, basis, form, signer, parent, map, terms, paper })
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

    pub(super) fn revise(&mut self, id: HandoffId, form: &Form, signer: Option<&Signer>) -> Result<(), Refusal> {
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
        let urgent = self.case().is_ok_and(Case::is_urgent);
        self.now.plus(timers.agreed_valid_ms(urgent))
    }

    /// Whether the receiver's word about a version still tells something: not about an earlier one, nor once the offer
    /// is off the table.
    fn is_past(&self, id: HandoffId, version: u64) -> Result<bool, Refusal> {
        let handoff = self.of(id)?;
        if handoff.version == 0 {
            return Err(Refusal::new(Reason::MoveNotLegal));
        }
        if version == 0 || version > handoff.version {
            return Err(Refusal::new(Reason::InvalidField).field("version"));
        }
        Ok(version < handoff.version || !crate::apply::has_lamps(&handoff.state))
    }

    pub(super) fn deliver(&mut self, body: &Delivered) -> Result<(), Refusal> {
        let to = self.of(body.handoff)?.to.station.clone();
        self.registered_system(&to)?;
        self.actor_for(&body.clone().into())?;
        let past = self.is_past(body.handoff, body.version)?;
        let known = past || self.of(body.handoff)?.lamps.delivered.is_some();
        self.push_unless(known, body.clone().into())
    }

    pub(super) fn see(&mut self, body: &Seen) -> Result<(), Refusal> {
        self.actor_for(&body.clone().into())?;
        let past = self.is_past(body.handoff, body.version)?;
        let known = past || self.of(body.handoff)?.lamps.seen.is_some();
        self.push_unless(known, body.clone().into())
    }

    pub(super) fn receive_recall(&mut self, body: &RecallReceived) -> Result<(), Refusal> {
        let handoff = self.of(body.handoff)?;
        let known = matches!(handoff.state, HandoffState::Recalled { received: true, .. });
        let to = handoff.to.station.clone();
        self.registered_system(&to)?;
        self.push_unless(known, body.clone().into())
    }

    /// A decline as duplicate is itself the proposal to merge (product, *Handoff*, *Codes*).
    pub(super) fn decline(&mut self, body: &Declined) -> Result<(), Refusal> {
        self.push(body.clone())?;
        let Some(theirs) = body.duplicate_of else { return Ok(()) };
        let handoff = self.of(body.handoff)?;
        let (by, to) = (handoff.to.clone(), handoff.from.clone());
        let disputed = matches!(handoff.state, HandoffState::Disputed(_));
        let case = self.case()?;
        let this = self.command.incident;
        let own = self.cases.get(&theirs).filter(|own| own.custodian == by && own.id != this);
        let Some(own) = own else { return Err(Refusal::new(Reason::IncidentNotFound).field("duplicate_of")) };
        if own.drill != case.drill {
            return Err(Refusal::new(Reason::DrillMismatch).field("duplicate_of"));
        }
        // A second decline is a dispute, which comes first; what is proposed already is not proposed twice; and where
        // the two cannot be one now the decline stands alone.
        let free = |case: &Case, other| case.merge.is_none() && may_be_one(case, other, theirs);
        if disputed || !free(case, theirs) || !free(own, this) {
            return Ok(());
        }
        for (incident, other) in [(this, theirs), (theirs, this)] {
            let body = MergeProposed { other, survivor: theirs, by: by.clone(), to: to.clone() };
            self.push_to(incident, body.into())?;
        }
        Ok(())
    }

    pub(super) fn agree(&mut self, id: HandoffId, version: u64, parts: &AgreeParts) -> Result<(), Refusal> {
        let body = self.agreed_body(id, version, parts)?;
        self.push(body)
    }

    fn agreed_body(&self, id: HandoffId, version: u64, parts: &AgreeParts) -> Result<Agreed, Refusal> {
        let handoff = self.of(id)?;
        // The terms of the offer hold for the handoff, those in force now for its signing level; two stations of one
        // organisation without an agreement sign attested.
        let now = self.ctx.directory.agreement(&handoff.from, &handoff.to).map(terms_of);
        let terms = now.as_ref().or(handoff.terms.as_ref());
        // Agreed again after it ran out, what the receiver has filled in stays.
        let before = handoff.agreed();
        Ok(Agreed {
            handoff: id,
            version,
            // Only claimed, there is no form, and nothing to agree to: `apply` says so once it is known who asks.
            form_digest: handoff.form.as_ref().map_or(Digest([0; 32]), |form| self.ctx.digests.form(form)),
            from: handoff.from.clone(),
            to: handoff.to.clone(),
            agreement: terms.and_then(|terms| terms.hash),
            exp: self.valid_until(handoff.terms.as_ref()),
            nonce: self.fresh.nonce,
            level: terms.and_then(|terms| terms.level).unwrap_or(Level::Attested),
            number: parts.number.clone().or_else(|| before?.number.clone()),
            category: parts.category.clone().or_else(|| before?.category.clone()),
            signer: parts.signer.clone(),
            paper: parts.paper,
        })
    }

    /// The side a caller would sign for, and as whom. The side is the form's: a named substitute may be of another
    /// station of the same organisation.
    fn signing_for(&self, id: HandoffId, body: impl Fn(StationRef) -> Body) -> Result<(StationRef, Actor), Refusal> {
        let handoff = self.of(id)?;
        let sides = [&handoff.from, &handoff.to].into_iter().filter(|side| side.org == self.caller.org);
        let sides: Vec<&StationRef> = sides.collect();
        let is_named = |side: &&&StationRef| {
            let signer = handoff.signer(side).map(|signer| &signer.officer);
            signer.is_some() && signer == self.caller.officer.as_ref()
        };
        if let Some(side) = sides.iter().find(is_named)
            && let Some(role) = access::PERSON.iter().find(|role| self.caller.has(**role))
        {
            let (org, station) = (side.org.clone(), Some(side.station.clone()));
            let actor = Actor { org, station, officer: self.caller.officer.clone(), role: *role, reg: None };
            return Ok(((*side).clone(), actor));
        }
        match sides.iter().find(|side| self.caller.station.as_ref() == Some(&side.station)) {
            Some(side) => Ok(((*side).clone(), self.actor_for(&body((*side).clone()))?)),
            None if sides.is_empty() => Err(Refusal::new(Reason::WrongSide)),
            None => Err(Refusal::new(Reason::NotTheSigner)),
        }
    }

    pub(super) fn sign(&mut self, id: HandoffId, version: u64, parts: &SignParts) -> Result<(), Refusal> {
        let SignOff { level, statement, alg, key, sig, auth_data, client_data } =
            SignOff::new(parts.level, parts.statement, parts.signature.clone());
        let body = |side: StationRef, substitute| Signed {
            handoff: id,
            form_version: version,
            side,
            level,
            statement,
            alg: alg.clone(),
            key: key.clone(),
            sig: sig.clone(),
            auth_data: auth_data.clone(),
            client_data: client_data.clone(),
            lang: parts.lang.clone(),
            template: parts.template.clone(),
            substitute,
            paper: parts.paper,
        };
        let (side, mut actor) = self.signing_for(id, |side| body(side, None).into())?;
        let (case, handoff) = (self.case()?, self.of(id)?);
        let substitute = crate::apply::may_sign(case, handoff, &side, actor.officer.as_ref())?;
        let shown = self.ctx.digests.statement(case, &actor, Statement::Transfer(handoff));
        if shown != parts.statement {
            return Err(Refusal::new(Reason::StatementMismatch).field("statement"));
        }
        self.keyed(&mut actor, level, shown, parts.signature.as_ref(), substitute.is_some())?;
        self.push_as(self.command.incident, actor, body(side, substitute).into())
    }

    /// Only the signer refuses; a duty officer who knows why somebody cannot sign names a substitute and says so.
    pub(super) fn refuse_signature(&mut self, body: &SignatureRefused) -> Result<(), Refusal> {
        let of = |side: StationRef| SignatureRefused { side, ..body.clone() }.into();
        let (side, actor) = self.signing_for(body.handoff, of)?;
        if side != body.side {
            return Err(Refusal::new(Reason::WrongSide).field("side"));
        }
        self.push_as(self.command.incident, actor, body.clone().into())
    }

    pub(super) fn take_over(&mut self, id: HandoffId, version: u64, paper: Option<Digest>) -> Result<(), Refusal> {
        let handoff = self.of(id)?;
        if handoff.agreed().is_some() && handoff.version != version {
            return Err(Refusal::new(Reason::StaleVersion).field("version"));
        }
        let (from, to, tenure) = (handoff.from.clone(), handoff.to.clone(), self.case()?.tenure + 1);
        self.push(TakenOver { handoff: Some(id), from, to, tenure, by_order: false, paper })
    }

    pub(super) fn settle(&mut self, id: HandoffId, outcome: Settlement, parts: &AgreeParts) -> Result<(), Refusal> {
        self.push(Settled { handoff: id, outcome })?;
        match outcome {
            Settlement::Kept => Ok(()),
            Settlement::Agreed => {
                let version = self.of(id)?.version;
                self.agree(id, version, parts)
            }
        }
    }

    /// Completes what is to be ruled: an order without a handoff names its superior by the agreement between the
    /// custodian and whoever is to take over, which need not have heard of the case.
    fn completed(&self, asked: &Asked) -> Result<Asked, Refusal> {
        // A station of that name in another organisation is no station: custody would move to nobody.
        if let Some(side) = &asked.side
            && self.ctx.directory.seat(&side.station).as_ref() != Some(side)
        {
            return Err(Refusal::new(Reason::StationNotFound).field("side").with("station", &side.station));
        }
        let case = self.case()?;
        let superior = match (&asked.side, asked.ruling, asked.handoff) {
            (Some(side), Ruling::Takeover, None) => {
                let to = self.station("side", &side.station)?;
                self.terms(&case.custodian, &to)?.and_then(|terms| terms.superior)
            }
            (_, _, _) => None,
        };
        // The result's handoff may be named or not: it is one and the same ruling.
        let handoff = match asked.ruling {
            Ruling::Confirmed | Ruling::ReportAgain => {
                asked.handoff.or_else(|| case.last_taken_over().map(|last| last.id))
            }
            Ruling::Agreed
            | Ruling::Kept
            | Ruling::Signature
            | Ruling::Takeover
            | Ruling::Receipt
            | Ruling::Lead
            | Ruling::LeadStays
            | Ruling::JointEnd
            | Ruling::JointStays
            | Ruling::Support
            | Ruling::SupportNot
            | Ruling::Objection => asked.handoff,
        };
        Ok(Asked { handoff, superior, ..asked.clone() })
    }

    pub(super) fn rule(&mut self, asked: &Asked, reasons: Option<Sealed>, sign: &Sign) -> Result<(), Refusal> {
        if !self.caller.has(Role::Superior) && !self.caller.has(Role::Supervisor) {
            return Err(Refusal::new(Reason::RoleNotAllowed));
        }
        let asked = &self.completed(asked)?;
        let case = self.case()?;
        let matter = matter::of_ruling(case, asked)?;
        let Asked { handoff, ruling, joint, side, support, superior } = asked.clone();
        if matter.superior.is_none() && !crate::apply::together(case, &self.caller.org, asked, &matter) {
            // The first supervisor's word is no ruling yet: nobody is to believe that it was signed.
            if sign.signature.is_some() || sign.level != Level::Attested {
                return Err(Refusal::new(Reason::InvalidField).field("signature").with("level", sign.level));
            }
            return self.push(RulingProposed { handoff, ruling, joint, side, support, reasons });
        }
        let together = matter.superior.is_none();
        let draft = Ruled { handoff, ruling, joint, side, support, superior, together, reasons, sign_off: unsigned() };
        // A ruling is the superior's own: the agreement's level binds the two stations' officers.
        let (actor, sign_off) = self.sign_off(&draft.clone().into(), sign, Statement::Rule(&draft))?;
        self.push_as(self.command.incident, actor, Ruled { sign_off, ..draft }.into())?;
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
                | Ruling::LeadStays
                | Ruling::JointEnd
                | Ruling::JointStays
                | Ruling::Support
                | Ruling::SupportNot
                | Ruling::Confirmed
                | Ruling::ReportAgain
                | Ruling::Objection,
                _,
            ) => Ok(()),
        }
    }

    pub(super) fn report(
        &mut self,
        code: &Code,
        case_number: Option<Label>,
        result: Option<Sealed>,
        sign: &Sign,
    ) -> Result<(), Refusal> {
        let report = self.case()?.reports + 1;
        let mut body = Reported { report, code: code.clone(), case_number, result, sign_off: unsigned() };
        let draft: Body = body.clone().into();
        let (actor, sign_off) = self.sign_off(&draft, sign, Statement::Report(&body))?;
        body.sign_off = sign_off;
        self.push_as(self.command.incident, actor, body.into())
    }

    pub(super) fn confirm(&mut self, report: u64, sign: &Sign) -> Result<(), Refusal> {
        let draft: Body = Confirmed { report, sign_off: unsigned() }.into();
        let (actor, sign_off) = self.sign_off(&draft, sign, Statement::Confirm { report })?;
        self.push_as(self.command.incident, actor, Confirmed { report, sign_off }.into())
    }
}

/// Stands in a draft until the statement over it is known.
fn unsigned() -> SignOff {
    SignOff::attested(Digest([0; 32]))
}
