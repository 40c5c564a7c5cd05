//! Every move and what draws its events up. Where nothing stands between, the command's body is the event.

use super::Draft;
use crate::access;
use crate::case::handoff::Asked;
use crate::command::Act;
use crate::event::Body;
use crate::event::incident::{AlertDelivered, AlertSeen, Erased, Linked};
use crate::refusal::{Reason, Refusal};

impl Draft<'_> {
    #[expect(clippy::too_many_lines, reason = "a table, one row per move")]
    pub(super) fn run(&mut self) -> Result<(), Refusal> {
        let command = self.command;
        match &command.act {
            Act::Receive(receive) => self.receive(receive),
            Act::AddCall(body) => self.push(body.clone()),
            Act::Note(body) => self.push(body.clone()),
            Act::TellByPhone(body) => self.push(body.clone()),
            Act::AddPlace { place, flags } => self.add_place(place, flags),
            Act::ChangeDetails(body) => self.change_details(body),
            Act::AddLabel(body) => self.push(body.clone()),
            Act::Alert { to } => self.alert(to),
            Act::DeliverAlert { to } => {
                self.registered_system(&to.station)?;
                let has_it = self.case()?.alerts.get(to).is_some_and(|alert| alert.delivered.is_some());
                self.push_unless(has_it, AlertDelivered { to: to.clone() }.into())
            }
            Act::SeeAlert => {
                let to = self.seat()?;
                let saw_it = self.case()?.alerts.get(&to).is_some_and(|alert| alert.seen.is_some());
                self.push_unless(saw_it, AlertSeen { to }.into())
            }
            Act::AnswerAlert(body) => self.push(body.clone()),
            Act::ReportUnit { deployment, unit, of, status, crew, support } => {
                self.report_unit(*deployment, unit, of.as_ref(), *status, crew, *support)
            }
            Act::DeclareHandled(body) => self.push(body.clone()),
            Act::Strike(body) => {
                self.needs(access::DESK)?;
                self.push(body.clone())
            }
            Act::Close { code, case_number } => self.close(code, case_number.clone()),
            Act::Object(body) => self.push(body.clone()),
            Act::Reopen { code, to, note } => self.reopen(code, *to, *note),
            Act::Escalate { duty, by, scope, due } => self.escalate(*duty, by.as_ref(), *scope, *due),
            Act::Acknowledge { duty, by, scope } => self.acknowledge(*duty, by.as_ref(), *scope),
            Act::OpenCaller(body) => self.push(body.clone()),
            Act::Erase { fields, basis } => self.erase(Erased { fields: fields.clone(), basis: basis.clone() }),

            Act::RequestSupport { support, to, skills, count, note } => {
                self.request_support(*support, to, skills, *count, *note)
            }
            Act::AnswerSupport(body) => self.push(body.clone()),
            Act::RecallSupport(body) => self.push(body.clone()),
            Act::EndSupport(body) => self.push(body.clone()),
            Act::DeclareJoint { joint, with, lead, code } => self.declare_joint(*joint, with, lead, code),
            Act::AcknowledgeJoint(body) => self.push(body.clone()),
            Act::AskLead(body) => self.push(body.clone()),
            Act::AnswerLead(body) => self.push(body.clone()),
            Act::ProposeJointEnd(body) => self.push(body.clone()),
            Act::AnswerJointEnd(body) => self.push(body.clone()),
            Act::ProposeMerge { other, survivor } => {
                self.needs(access::DECIDE)?;
                self.propose_merge(*other, *survivor)
            }
            Act::AnswerMerge { other, yes, survivor, code } => {
                self.needs(access::DECIDE)?;
                self.answer_merge(*other, *yes, *survivor, code.as_ref())
            }
            Act::Unmerge { other, code } => {
                self.needs(access::DECIDE)?;
                self.unmerge(*other, code)
            }
            Act::Split { part, received, code } => self.split(*part, received, code),
            Act::Link { other, link } => {
                self.of_one_kind(*other)?;
                self.push(Linked { other: *other, link: *link })
            }

            Act::Claim { handoff, code, note } => self.claim(*handoff, code, *note),
            Act::RefuseClaim(body) => self.push(body.clone()),
            Act::DropClaim(body) => self.push(body.clone()),
            Act::Offer { handoff, to, basis, form, signer, parent, paper } => {
                self.offer(*handoff, to, form, signer.as_ref(), (*basis, *parent, *paper))
            }
            Act::Revise { handoff, form, signer } => self.revise(*handoff, form, signer.as_ref()),
            Act::Deliver(body) => self.deliver(body),
            Act::See(body) => self.see(body),
            Act::StandBy(body) => self.push(body.clone()),
            Act::Counter(body) => self.push(body.clone()),
            Act::Decline(body) => self.decline(body),
            Act::Agree { handoff, version, parts } => self.agree(*handoff, *version, parts),
            Act::Sign { handoff, version, parts } => self.sign(*handoff, *version, parts),
            Act::RefuseSignature(body) => self.refuse_signature(body),
            Act::NameSubstitute(body) => self.push(body.clone()),
            Act::Withdraw(body) => self.push(body.clone()),
            Act::Recall(body) => self.push(body.clone()),
            Act::ReceiveRecall(body) => self.receive_recall(body),
            Act::Keep(body) => self.push(body.clone()),
            Act::Dispute(body) => self.push(body.clone()),
            Act::StatePosition(body) => self.push(body.clone()),
            Act::ProposeSettlement(body) => self.push(body.clone()),
            Act::AgreeSettlement { handoff, outcome, parts } => self.settle(*handoff, *outcome, parts),
            Act::WithdrawDispute(body) => self.push(body.clone()),
            Act::Rule { handoff, ruling, joint, side, support, reasons, sign } => {
                let (side, superior) = (side.clone(), None);
                let asked =
                    Asked { handoff: *handoff, ruling: *ruling, joint: *joint, side, support: *support, superior };
                self.rule(&asked, *reasons, sign)
            }
            Act::TakeOver { handoff, version, paper } => self.take_over(*handoff, *version, *paper),
            Act::GiveFeedback(body) => self.push(body.clone()),
            Act::Report { code, case_number, result, sign } => self.report(code, case_number.clone(), *result, sign),
            Act::TakeBackReport(body) => self.push(body.clone()),
            Act::Contest(body) => self.push(body.clone()),
            Act::Confirm { report, sign } => self.confirm(*report, sign),
        }
    }

    /// A fact that is known already, or tells nothing any more, is nothing to do: never refused as stale (invariant 7),
    /// never recorded twice. Whether the caller may say so is asked all the same.
    pub(super) fn push_unless(&mut self, known: bool, body: Body) -> Result<(), Refusal> {
        if known { self.actor_for(&body).map(|_| ()) } else { self.push(body) }
    }

    /// Drill and real are never mixed, nor linked.
    fn of_one_kind(&self, other: crate::ids::IncidentId) -> Result<(), Refusal> {
        if self.other(other)?.drill == self.case()?.drill {
            Ok(())
        } else {
            Err(Refusal::new(Reason::DrillMismatch).field("other"))
        }
    }
}
