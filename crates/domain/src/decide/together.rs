//! Support, joint handling, merging, splitting, linking.

use super::Draft;
use crate::case::Case;
use crate::command::{Act, Receive};
use crate::event::incident::{
    JointDeclared, Linked, MergeProposed, MergeRefused, Merged, SplitOff, SupportRequested, Unmerged,
};
use crate::ids::{IncidentId, StationId};
use crate::refusal::{Reason, Refusal};
use crate::values::Code;

impl Draft<'_> {
    pub(super) fn together(&mut self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::RequestSupport { support, to, skills, count, note } => {
                let to = self.station("to", to)?;
                let terms = self.terms(&self.seat()?, &to)?;
                let (support, skills, count, note) = (*support, skills.clone(), *count, *note);
                self.push(SupportRequested { support, to, skills, count, note, terms })
            }
            Act::AnswerSupport(body) => self.push(body.clone()),
            Act::RecallSupport(body) => self.push(body.clone()),
            Act::EndSupport(body) => self.push(body.clone()),
            Act::DeclareJoint { joint, with, lead, code } => {
                let (with, lead) = (self.station("with", with)?, self.station("lead", lead)?);
                let terms = self.terms(&self.case()?.custodian.clone(), &with)?;
                self.push(JointDeclared { joint: *joint, with, lead, code: code.clone(), terms })
            }
            Act::AcknowledgeJoint(body) => self.push(body.clone()),
            Act::AskLead(body) => self.push(body.clone()),
            Act::AnswerLead(body) => self.push(body.clone()),
            Act::ProposeJointEnd(body) => self.push(body.clone()),
            Act::AnswerJointEnd(body) => self.push(body.clone()),
            Act::ProposeMerge { other, survivor } => self.propose_merge(*other, *survivor),
            Act::AnswerMerge { other, yes, code } => self.answer_merge(*other, *yes, code.clone()),
            Act::Unmerge { other, code } => self.unmerge(*other, code),
            Act::Split { part, received, code } => self.split(*part, received, code),
            Act::Link { other, link } => {
                self.other(*other)?;
                self.push(Linked { other: *other, link: *link })
            }
            _ => Err(Refusal::new(Reason::MoveNotLegal)),
        }
    }

    /// The second incident; one the caller may not know of does not exist.
    fn other(&self, id: IncidentId) -> Result<&Case, Refusal> {
        let proposed = self.case()?.merge.as_ref().is_some_and(|merge| merge.other == id);
        let found = self.cases.get(&id).filter(|case| proposed || crate::access::may_see(case, self.caller));
        found.ok_or_else(|| Refusal::new(Reason::IncidentNotFound).field("other"))
    }

    fn may_be_one(&self, other: &Case) -> Result<(), Refusal> {
        let case = self.case()?;
        if case.drill != other.drill {
            return Err(Refusal::new(Reason::DrillMismatch).field("other"));
        }
        if case.id == other.id {
            return Err(Refusal::new(Reason::MergeNotPossible).field("other"));
        }
        Ok(())
    }

    fn propose_merge(&mut self, other: IncidentId, survivor: IncidentId) -> Result<(), Refusal> {
        let theirs = self.other(other)?;
        self.may_be_one(theirs)?;
        let (mine, theirs) = (self.case()?.custodian.clone(), theirs.custodian.clone());
        let this = self.command.incident;
        if survivor != this && survivor != other {
            return Err(Refusal::new(Reason::InvalidField).field("survivor"));
        }
        if mine == theirs {
            return self.merge(this, other, survivor);
        }
        // The proposer is the custodian of one of them; the other one's custodian has to agree.
        let seat = self.seat()?;
        let to = if seat == mine { theirs } else { mine };
        for (incident, second) in [(this, other), (other, this)] {
            let body = MergeProposed { other: second, survivor, by: seat.clone(), to: to.clone() };
            self.push_to(incident, body.into())?;
        }
        Ok(())
    }

    fn merge(&mut self, one: IncidentId, other: IncidentId, survivor: IncidentId) -> Result<(), Refusal> {
        let alias = if survivor == one { other } else { one };
        for incident in [one, other] {
            self.push_to(incident, Merged { alias, survivor }.into())?;
        }
        Ok(())
    }

    fn answer_merge(&mut self, other: IncidentId, yes: bool, code: Option<Code>) -> Result<(), Refusal> {
        let Some(merge) = self.case()?.merge.clone().filter(|merge| merge.other == other) else {
            return Err(Refusal::new(Reason::MoveNotLegal).field("other"));
        };
        self.other(other)?;
        let this = self.command.incident;
        if yes {
            return self.merge(this, other, merge.survivor);
        }
        let code = code.ok_or_else(|| Refusal::new(Reason::InvalidField).field("code"))?;
        for (incident, second) in [(this, other), (other, this)] {
            self.push_to(incident, MergeRefused { other: second, code: code.clone() }.into())?;
        }
        Ok(())
    }

    fn unmerge(&mut self, other: IncidentId, code: &Code) -> Result<(), Refusal> {
        let theirs = self.other(other)?;
        let case = self.case()?;
        let (alias, survivor) = match (case.alias_of, theirs.alias_of) {
            (Some(survivor), _) if survivor == other => (case.id, survivor),
            (_, Some(survivor)) if survivor == case.id => (other, survivor),
            _ => return Err(Refusal::new(Reason::MergeNotPossible).field("other")),
        };
        let this = case.id;
        let (mine, second) = (case.custodian.clone(), theirs.custodian.clone());
        let proposed = case.merge.as_ref().is_some_and(|merge| merge.other == other);
        if mine != second && !proposed {
            let seat = self.seat()?;
            let to = if seat == mine { second } else { mine };
            for (incident, second) in [(this, other), (other, this)] {
                let body = MergeProposed { other: second, survivor, by: seat.clone(), to: to.clone() };
                self.push_to(incident, body.into())?;
            }
            return Ok(());
        }
        for incident in [this, other] {
            self.push_to(incident, Unmerged { alias, survivor, code: code.clone() }.into())?;
        }
        Ok(())
    }

    fn split(&mut self, part: IncidentId, received: &Receive, code: &Code) -> Result<(), Refusal> {
        if self.cases.contains_key(&part) {
            return Err(Refusal::new(Reason::IncidentExists).field("part"));
        }
        let whole = self.case()?;
        // A part of an exercise is an exercise, a part of a real event is real.
        let received = Receive { drill: whole.drill, ..received.clone() };
        let custodian: StationId = whole.custodian.station.clone();
        let own = self.seat()?.station;
        if own != custodian {
            return Err(Refusal::new(Reason::WrongSide));
        }
        self.push(SplitOff { part, code: code.clone() })?;
        self.new_incident(part, &received, Some(self.command.incident), self.fresh.part_salt)
    }
}
