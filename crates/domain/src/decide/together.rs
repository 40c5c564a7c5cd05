//! Support, joint handling, merging, splitting, linking.

use super::Draft;
use crate::apply::{moved, proposal_stands, units_back};
use crate::case::Case;
use crate::command::Receive;
use crate::event::incident::{
    JointDeclared, MergeProposed, MergeRefused, Merged, SplitOff, SupportRequested, Unmerged,
};
use crate::ids::{IncidentId, JointId, StationId, StationRef, SupportId};
use crate::refusal::{Reason, Refusal};
use crate::values::{Code, Sealed};
use std::collections::BTreeSet;

impl Draft<'_> {
    pub(super) fn request_support(
        &mut self,
        support: SupportId,
        to: &StationId,
        skills: &[Code],
        count: u64,
        note: Option<Sealed>,
    ) -> Result<(), Refusal> {
        let to = self.station("to", to)?;
        let terms = self.terms(&self.seat()?, &to)?;
        self.push(SupportRequested { support, to, skills: skills.to_vec(), count, note, terms })
    }

    pub(super) fn declare_joint(
        &mut self,
        joint: JointId,
        with: &StationId,
        lead: &StationId,
        code: &Code,
    ) -> Result<(), Refusal> {
        let (with, lead) = (self.station("with", with)?, self.station("lead", lead)?);
        // Either side's duty officer declares it: the terms are those between the declaring station and the other.
        let terms = self.terms(&self.seat()?, &with)?;
        self.push(JointDeclared { joint, with, lead, code: code.clone(), terms })
    }

    /// The second incident; one the caller may not know of does not exist.
    pub(super) fn other(&self, id: IncidentId) -> Result<&Case, Refusal> {
        let case = self.case()?;
        let bound = case.is_one_with(id) || case.merge.as_ref().is_some_and(|merge| merge.other == id);
        let found = self.cases.get(&id).filter(|case| bound || crate::access::may_see(case, self.caller));
        found.ok_or_else(|| Refusal::new(Reason::IncidentNotFound).field("other"))
    }

    fn may_be_one(&self, other: &Case) -> Result<(), Refusal> {
        let case = self.case()?;
        if case.drill != other.drill {
            return Err(Refusal::new(Reason::DrillMismatch).field("other"));
        }
        if case.id == other.id || case.is_one_with(other.id) {
            return Err(Refusal::new(Reason::MergeNotPossible).field("other"));
        }
        Ok(())
    }

    pub(super) fn propose_merge(&mut self, other: IncidentId, survivor: IncidentId) -> Result<(), Refusal> {
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
        self.propose_to_other(this, other, survivor, &mine, &theirs)
    }

    /// It takes a duty officer of each custodian: one of the two proposes, in both incidents, the other one answers.
    fn propose_to_other(
        &mut self,
        this: IncidentId,
        other: IncidentId,
        survivor: IncidentId,
        mine: &StationRef,
        theirs: &StationRef,
    ) -> Result<(), Refusal> {
        let seat = self.seat()?;
        let to = match (seat == *mine, seat == *theirs) {
            (true, _) => theirs.clone(),
            (false, true) => mine.clone(),
            (false, false) => return Err(Refusal::new(Reason::WrongSide)),
        };
        for (incident, second) in [(this, other), (other, this)] {
            let body = MergeProposed { other: second, survivor, by: seat.clone(), to: to.clone() };
            self.push_to(incident, body.into())?;
        }
        Ok(())
    }

    fn merge(&mut self, one: IncidentId, other: IncidentId, survivor: IncidentId) -> Result<(), Refusal> {
        let alias = if survivor == one { other } else { one };
        let (mine, theirs) = (self.case()?, self.other(other)?);
        // Both receivers stay readers of both, and so does everybody who has had one of them or its result.
        let readers: BTreeSet<&StationRef> = [mine, theirs].into_iter().flat_map(crate::apply::readers).collect();
        let readers: Vec<StationRef> = readers.into_iter().cloned().collect();
        let moved = moved(if alias == one { mine } else { theirs });
        for incident in [one, other] {
            let (readers, moved) = (readers.clone(), moved.clone());
            self.push_to(incident, Merged { alias, survivor, readers, moved }.into())?;
        }
        Ok(())
    }

    /// A yes names the survivor too, and needs the proposal to stand in both incidents: it has fallen away where custody
    /// has moved. A no always ends it, also one of whoever proposed.
    pub(super) fn answer_merge(
        &mut self,
        other: IncidentId,
        yes: bool,
        survivor: Option<IncidentId>,
        code: Option<&Code>,
    ) -> Result<(), Refusal> {
        let case = self.case()?;
        let Some(merge) = case.merge.clone().filter(|merge| merge.other == other) else {
            return Err(Refusal::new(Reason::MoveNotLegal).field("other"));
        };
        let (this, are_one) = (case.id, case.is_one_with(other));
        let stands = proposal_stands(self.other(other)?, &merge, this);
        if yes && survivor != Some(merge.survivor) {
            return Err(Refusal::new(Reason::InvalidField).field("survivor"));
        }
        if yes && !stands {
            return Err(Refusal::new(Reason::MergeNotPossible).with("problem", "CUSTODY_MOVED"));
        }
        if yes && !are_one {
            return self.merge(this, other, merge.survivor);
        }
        let Some(code) = code else { return Err(Refusal::new(Reason::InvalidField).field("code")) };
        if yes {
            return self.unmerge(other, code);
        }
        self.push_to(this, MergeRefused { other, code: code.clone() }.into())?;
        if stands {
            self.push_to(other, MergeRefused { other: this, code: code.clone() }.into())?;
        }
        Ok(())
    }

    pub(super) fn unmerge(&mut self, other: IncidentId, code: &Code) -> Result<(), Refusal> {
        let theirs = self.other(other)?;
        let case = self.case()?;
        let (alias, survivor) = match (case.alias_of, theirs.alias_of) {
            (Some(survivor), _) if survivor == other => (case, theirs),
            (_, Some(survivor)) if survivor == case.id => (theirs, case),
            _ => return Err(Refusal::new(Reason::MergeNotPossible).field("other")),
        };
        let (this, mine, second) = (case.id, case.custodian.clone(), theirs.custodian.clone());
        let stands = case.merge.as_ref().is_some_and(|merge| proposal_stands(theirs, merge, this));
        let (units, alias, survivor) = (units_back(survivor, alias.id), alias.id, survivor.id);
        if mine != second && !stands {
            return self.propose_to_other(this, other, survivor, &mine, &second);
        }
        for incident in [this, other] {
            let body = Unmerged { alias, survivor, code: code.clone(), units: units.clone() };
            self.push_to(incident, body.into())?;
        }
        Ok(())
    }

    pub(super) fn split(&mut self, part: IncidentId, received: &Receive, code: &Code) -> Result<(), Refusal> {
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
