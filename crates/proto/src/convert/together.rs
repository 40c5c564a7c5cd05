//! Support, joint handling, merging, splitting, linking.

use super::command;
use handoff_domain::command::Act;
use handoff_domain::event::incident::{
    JointAcknowledged, JointEndAnswered, JointEndProposed, LeadAnswered, LeadAsked, SupportAnswered, SupportEnded,
    SupportRecalled,
};

command!(RequestSupportRequest, fact, (
    support: id, to: name, skills: skills, count: units_asked, note: maybe_text,
) => Act::RequestSupport { support, to, skills, count, note });

command!(AnswerSupportRequest, fact, (
    support: id, answer: word, code: maybe_code, arrive_time: maybe_time, note: maybe_text,
) => Act::AnswerSupport(SupportAnswered { support, answer, code, eta: arrive_time, note }));

command!(RecallSupportRequest, fact, (support: id, unit: maybe_name, leave_time: time, code: code) => {
    Act::RecallSupport(SupportRecalled { support, unit, leaves_at: leave_time, code })
});

command!(EndSupportRequest, fact, (support: id, code: code) => Act::EndSupport(SupportEnded { support, code }));

command!(DeclareJointRequest, decision, (joint: id, with: name, lead: name, code: code) => {
    Act::DeclareJoint { joint, with, lead, code }
});

command!(AcknowledgeJointRequest, fact, (joint: id) => Act::AcknowledgeJoint(JointAcknowledged { joint }));

command!(AskLeadRequest, decision, (joint: id, lead: station) => Act::AskLead(LeadAsked { joint, lead }));

command!(AnswerLeadRequest, decision, (joint: id, yes: yes) => Act::AnswerLead(LeadAnswered { joint, yes }));

command!(ProposeJointEndRequest, decision, (joint: id, code: code, note: maybe_text) => {
    Act::ProposeJointEnd(JointEndProposed { joint, code, note })
});

command!(AnswerJointEndRequest, decision, (joint: id, yes: yes, code: maybe_code, note: maybe_text) => {
    Act::AnswerJointEnd(JointEndAnswered { joint, yes, code, note })
});

command!(ProposeMergeRequest, decision, (other: id, survivor: id) => Act::ProposeMerge { other, survivor });

command!(AnswerMergeRequest, decision, (other: id, yes: yes, survivor: maybe_id, code: maybe_code) => {
    Act::AnswerMerge { other, yes, survivor, code }
});

command!(UnmergeRequest, decision, (other: id, code: code) => Act::Unmerge { other, code });

command!(SplitRequest, decision, (part: minted, intake: intake, code: code) => {
    Act::Split { part, received: intake, code }
});

command!(LinkRequest, fact, (other: id, link: word) => Act::Link { other, link });
