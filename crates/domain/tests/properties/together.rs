//! Ideas about working together: support, joint handling, merging, splitting, linking.

use crate::ideas::{Group, Thinking, code, intake};
use handoff_domain::case::phase::Phase;
use handoff_domain::command::Act;
use handoff_domain::event::incident::{
    JointAcknowledged, JointEndAnswered, JointEndProposed, LeadAnswered, LeadAsked, LinkKind, SupportAnswer,
    SupportAnswered, SupportEnded, SupportRecalled,
};
use handoff_domain::ids::{IncidentId, JointId, SupportId};

impl Thinking<'_> {
    pub(crate) fn supports(&mut self) {
        let by = self.some_party();
        if let Some(to) = self.some_neighbour(&by) {
            let support = SupportId(self.id());
            let who = self.desk(&by);
            let (skills, count) = (vec![code("PATROL")], 1);
            self.add(
                Group::Together,
                2,
                who,
                Act::RequestSupport { support, to: to.station, skills, count, note: None },
            );
        }
        let running: Vec<_> = self.case.supports.iter().filter(|(_, is)| !is.ended).collect();
        for (support, is) in running {
            let (support, from, to) = (*support, is.from.clone(), is.to.clone());
            if is.answer.is_none() {
                let answer = *self.dice.pick(SupportAnswer::ALL).unwrap_or(&SupportAnswer::Committed);
                let why = (answer != SupportAnswer::Committed).then(|| code("NO_CAPACITY"));
                let body = SupportAnswered { support, answer, code: why, eta: None, note: None };
                let who = self.decider(&to);
                self.add(Group::Together, 6, who, Act::AnswerSupport(body));
            } else {
                let who = self.desk(&to);
                let body = SupportRecalled { support, unit: None, leaves_at: self.now, code: code("NEEDED_AT_HOME") };
                self.add(Group::Together, 2, who, Act::RecallSupport(body));
            }
            let who = self.desk(&from);
            self.add(Group::Together, 1, who, Act::EndSupport(SupportEnded { support, code: code("DONE") }));
        }
    }

    pub(crate) fn joint(&mut self) {
        let custodian = self.case.custodian.clone();
        let Some(joint) = self.case.joint_now().cloned() else {
            if let Some(other) = self.some_neighbour(&custodian) {
                let has_part = self.parties().contains(&other);
                let (by, with) = if has_part && self.dice.one_in(2) { (other, custodian) } else { (custodian, other) };
                let lead = if self.dice.one_in(2) { &by } else { &with }.station.clone();
                let joint = JointId(self.id());
                let who = self.decider(&by);
                let declare = Act::DeclareJoint { joint, with: with.station, lead, code: code("MAJOR") };
                self.add(Group::Together, 2, who, declare);
            }
            return;
        };
        let id = joint.id;
        if !joint.acknowledged {
            let who = self.decider(&joint.with);
            self.add(Group::Together, 5, who, Act::AcknowledgeJoint(JointAcknowledged { joint: id }));
        }
        let side = if self.dice.one_in(2) { joint.by.clone() } else { joint.with.clone() };
        match &joint.lead_asked {
            None => {
                let lead = joint.other(&joint.lead).clone();
                let who = self.decider(&side);
                self.add(Group::Together, 3, who, Act::AskLead(LeadAsked { joint: id, lead }));
            }
            Some((_, asker, _)) => {
                let yes = self.dice.one_in(2);
                let who = self.decider(joint.other(asker));
                self.add(Group::Together, 5, who, Act::AnswerLead(LeadAnswered { joint: id, yes }));
            }
        }
        match &joint.end_proposed {
            None => {
                let who = self.decider(&side);
                let body = JointEndProposed { joint: id, code: code("QUIET"), note: None };
                self.add(Group::Together, 3, who, Act::ProposeJointEnd(body));
            }
            Some((asker, _, refused)) => {
                let yes = *refused || self.dice.one_in(2);
                let body = JointEndAnswered { joint: id, yes, code: (!yes).then(|| code("NOT_YET")), note: None };
                let who = self.decider(joint.other(asker));
                self.add(Group::Together, 5, who, Act::AnswerJointEnd(body));
            }
        }
    }

    pub(crate) fn merging(&mut self) {
        let (case, custodian) = (self.case, self.case.custodian.clone());
        let others: Vec<_> = self.others.iter().map(|other| (other.id, other.custodian.clone())).collect();
        if let Some((other, theirs)) = self.dice.pick(&others).cloned() {
            let by = if self.dice.one_in(2) { custodian.clone() } else { theirs };
            let survivor = if self.dice.one_in(2) { case.id } else { other };
            let who = self.decider(&by);
            self.add(Group::Merge, 2, who, Act::ProposeMerge { other, survivor });
            let who = self.desk(&by);
            let link = *self.dice.pick(LinkKind::ALL).unwrap_or(&LinkKind::Related);
            self.add(Group::Merge, 1, who, Act::Link { other, link });
        }
        if let Some(merge) = case.merge.clone() {
            let apart = case.is_one_with(merge.other);
            // Whoever proposed may take it back.
            if self.dice.one_in(4) {
                let who = self.decider(&merge.by);
                let (survivor, code) = (None, Some(code("AFTER_ALL_NOT")));
                self.add(Group::Merge, 2, who, Act::AnswerMerge { other: merge.other, yes: false, survivor, code });
            }
            let who = self.decider(&merge.to);
            if apart {
                self.add(Group::Merge, 8, who.clone(), Act::Unmerge { other: merge.other, code: code("MISTAKE") });
            }
            let yes = !apart && !self.dice.one_in(3);
            let code = (!yes).then(|| code("NOT_THE_SAME"));
            // Now and then not the one that was proposed.
            let survivor = if self.dice.one_in(8) { case.id } else { merge.survivor };
            let answer = Act::AnswerMerge { other: merge.other, yes, survivor: Some(survivor), code };
            self.add(Group::Merge, 8, who, answer);
        } else if let Some(other) = case.alias_of.or(case.aliases.keys().next().copied()) {
            let answers = self.others.iter().find(|is| is.id == other).map(|is| is.custodian.clone());
            let by = answers.filter(|_| self.dice.one_in(3)).unwrap_or(custodian.clone());
            let who = self.decider(&by);
            self.add(Group::Merge, 6, who, Act::Unmerge { other, code: code("MISTAKE") });
        }
        if case.phase() != Phase::Closed && self.others.len() < 4 {
            let part = IncidentId(self.id());
            let received = intake(self.dice, None);
            let who = self.decider(&custodian);
            self.add(Group::Merge, 1, who, Act::Split { part, received, code: code("SECOND_SCENE") });
        }
    }
}
