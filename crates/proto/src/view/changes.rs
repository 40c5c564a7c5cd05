//! What one entry changed, from what to what: the case before and after it, read side by side. Only facts that every
//! reader of the case is shown are compared, so a change tells nobody more than the case itself.

use crate::v1;
use handoff_domain::access::{Part, rule};
use handoff_domain::case::handoff::{Handoff, HandoffState, Signature};
use handoff_domain::case::{Alert, Case, Joint, Support};
use handoff_domain::event::Body;
use handoff_domain::ids::StationRef;
use handoff_domain::time::Millis;
use handoff_domain::timers::Duty;
use handoff_domain::values::Terms;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// Facts by path. A path that is not there has no value.
#[derive(Default)]
struct Facts(BTreeMap<String, String>);

impl Facts {
    fn put(&mut self, path: impl Into<String>, value: &dyn Display) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.insert(path.into(), value);
        }
    }

    fn maybe(&mut self, path: impl Into<String>, value: Option<impl Display>) {
        if let Some(value) = value {
            self.put(path, &value);
        }
    }
}

/// What changed between two states of a case, sorted by path; all of it for a case that begins.
#[must_use]
pub fn changes(before: Option<&Case>, after: &Case) -> Vec<v1::Change> {
    let (before, mut after) = (before.map(facts).unwrap_or_default().0, facts(after).0);
    let paths: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let changed = paths.into_iter().filter_map(|path| {
        let (was, is) = (before.get(&path).cloned().unwrap_or_default(), after.remove(&path).unwrap_or_default());
        (was != is).then_some(v1::Change { path, before: was, after: is })
    });
    changed.collect()
}

fn facts(case: &Case) -> Facts {
    let mut facts = Facts::default();
    facts.put("state", &case.phase());
    facts.put("custodian", &case.custodian);
    facts.put("tenure", &case.tenure);
    facts.maybe("kind", case.kind.as_ref());
    facts.put("severity", &case.severity);
    facts.maybe("category", case.category.as_ref().map(|category| &category.code));
    facts.put("flags", &words(case.flags.iter()));
    facts.put("places", &case.places.len());
    facts.put("calls", &case.calls);
    facts.maybe("drill", case.drill);
    facts.maybe("alias_of", case.alias_of);
    facts.put("aliases", &words(case.aliases.keys()));
    facts.put("links", &words(case.links.iter().map(|(other, link)| format!("{link} {other}"))));
    for (org, part) in &case.superiors {
        facts.put(format!("superior.{org}"), &part.until.map_or("READS".to_owned(), |last| format!("UNTIL {last}")));
    }
    for (station, number) in &case.labels {
        facts.put(format!("number.{station}"), number);
    }
    for (station, party) in &case.parties {
        facts.put(format!("party.{station}"), &party.until.map_or("READS".to_owned(), |last| format!("UNTIL {last}")));
    }
    of_result(case, &mut facts);
    of_parts(case, &mut facts);
    for handoff in &case.handoffs {
        of_handoff(handoff, &mut facts);
    }
    for (key, owed) in &case.ledger {
        let by = key.by.as_ref().map_or_else(|| "superior".to_owned(), ToString::to_string);
        let scope = key.scope.map(|scope| format!(".{scope}")).unwrap_or_default();
        let noticed = if owed.acknowledged.is_some() { ", noticed" } else { "" };
        let value = format!("{} by {}{noticed}", owed.rung, owed.due.to_text());
        facts.put(format!("obligation.{}.{by}{scope}", key.duty), &value);
    }
    facts
}

fn of_result(case: &Case, facts: &mut Facts) {
    facts.put("reports", &case.reports);
    facts.put("closings_superseded", &case.superseded);
    let marks = case.milestones();
    facts.put("signed_off", &marks.signed_off.mark);
    facts.maybe("result", case.result().map(|result| super::incident::case_result(case, result).state));
    facts.maybe("confirmer", case.result().and(case.confirmer()));
    if let Some(closure) = &case.closure {
        facts.put("closure", &closure.code);
        facts.maybe("closure.told", closure.told.as_ref().map(|(station, _)| station));
        facts.maybe("closure.objection", closure.objection.as_ref().map(|(by, _)| by));
    }
    if let Some(merge) = &case.merge {
        facts.put("merge", &format!("{} into {}, {} to answer", merge.other, merge.survivor, merge.to));
    }
    let proposed = case.ruling_proposed.as_ref();
    facts.maybe("ruling_proposed", proposed.map(|first| format!("{} by {}", first.asked.ruling, first.by)));
}

fn of_parts(case: &Case, facts: &mut Facts) {
    let statuses = case.unit_statuses();
    for (id, sent) in &case.deployments {
        // A sending all of whose entries are struck has no status.
        facts.maybe(format!("unit.{}.{id}", sent.unit), statuses.get(id));
    }
    for (station, alert) in &case.alerts {
        facts.put(format!("alert.{station}"), &alerted(alert));
    }
    for (id, support) in &case.supports {
        facts.put(format!("support.{id}"), &supported(support));
    }
    if let Some(joint) = &case.joint {
        facts.put(format!("joint.{}", joint.id), &jointly(joint));
        facts.put(format!("joint.{}.lead", joint.id), &joint.lead);
        facts.maybe(format!("joint.{}.lead_asked", joint.id), joint.lead_asked.as_ref().map(|(lead, ..)| lead));
    }
}

fn alerted(alert: &Alert) -> String {
    match (&alert.answer, alert.seen, alert.delivered) {
        (Some((answer, _)), ..) => answer.to_string(),
        (None, Some(_), _) => "SEEN".to_owned(),
        (None, None, Some(_)) => "DELIVERED".to_owned(),
        (None, None, None) => "ALERTED".to_owned(),
    }
}

fn supported(support: &Support) -> String {
    match (&support.answer, support.ended) {
        (_, true) => "ENDED".to_owned(),
        (Some((answer, _)), false) => answer.to_string(),
        (None, false) => "ASKED".to_owned(),
    }
}

fn jointly(joint: &Joint) -> &'static str {
    match (&joint.end_proposed, joint.acknowledged, joint.ended) {
        (_, _, true) => "ENDED",
        (Some((_, _, true)), ..) => "END_REFUSED",
        (Some((_, _, false)), ..) => "END_PROPOSED",
        (None, true, false) => "ACKNOWLEDGED",
        (None, false, false) => "DECLARED",
    }
}

fn of_handoff(handoff: &Handoff, facts: &mut Facts) {
    let path = |name: &str| format!("handoff.{}.{name}", handoff.id);
    facts.put(path("state"), &handoff.state.name());
    facts.put(path("from"), &handoff.from);
    facts.put(path("to"), &handoff.to);
    facts.put(path("form_version"), &handoff.version);
    facts.maybe(path("delivered"), handoff.lamps.delivered.map(Millis::to_text));
    facts.maybe(path("seen"), handoff.lamps.seen.map(Millis::to_text));
    facts.maybe(path("stand_by_until"), handoff.stand_by.map(|(_, until)| until.to_text()));
    for (station, code) in &handoff.refusals {
        facts.put(path(&format!("signature_refused.{station}")), code);
    }
    let dispute = handoff.dispute();
    facts.maybe(path("dispute"), dispute.map(|dispute| &dispute.code));
    facts.put(path("dispute.stated"), &words(dispute.iter().flat_map(|dispute| &dispute.stated)));
    let proposal = dispute.and_then(|dispute| dispute.proposal.as_ref());
    facts.maybe(path("dispute.proposal"), proposal.map(|(by, outcome)| format!("{outcome} by {by}")));
    let taken_over = if let HandoffState::TakenOver { agreed, .. } = &handoff.state { agreed.as_ref() } else { None };
    if let Some(agreed) = handoff.agreed().or(taken_over) {
        facts.put(path("valid_until"), &agreed.exp.to_text());
        facts.put(path("form_digest"), &agreed.form_digest);
        facts.maybe(path("signed.from"), agreed.from_signed.as_ref().map(signed));
        facts.maybe(path("signed.to"), agreed.to_signed.as_ref().map(signed));
    }
}

fn signed(signature: &Signature) -> String {
    match signature {
        Signature::Officer { officer, level, substitute: None, .. } => format!("{officer} ({level})"),
        Signature::Officer { officer, level, substitute: Some(code), .. } => format!("{officer} ({level}, {code})"),
        Signature::ByRuling { .. } => "BY_RULING".to_owned(),
    }
}

fn words<T: ToString>(all: impl Iterator<Item = T>) -> String {
    all.map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

/// The rule an entry of this case stands under: the roles that may make it, and the part one of them needs.
#[must_use]
pub fn rule_of(case: &Case, body: &Body) -> String {
    let Some((roles, part)) = rule(case, body) else { return String::new() };
    let seats = |seats: &[StationRef]| words(seats.iter());
    let part = match part {
        Part::Anyone => "any station of a party".to_owned(),
        Part::Involved => "a station with a part in the case".to_owned(),
        Part::Custodian => "the custodian".to_owned(),
        Part::Station(seat) => seat.to_string(),
        Part::OneOf(list) => seats(&list),
        Part::Superior(org) => format!("the common superior {org}"),
        Part::SuperiorOf(orgs) => format!("a superior: {}", words(orgs.iter())),
        Part::AuditOr(list) if list.is_empty() => "an auditor".to_owned(),
        Part::AuditOr(list) => format!("an auditor, {}", seats(&list)),
        Part::Service => "the service".to_owned(),
    };
    format!("{}: {part}", words(roles.iter()))
}

/// A version of an agreement as `id/version`.
#[must_use]
pub fn agreement_of(terms: &Terms) -> String {
    match (&terms.agreement, terms.version) {
        (Some(agreement), Some(version)) => format!("{agreement}/{version}"),
        (Some(agreement), None) => agreement.to_string(),
        (None, _) => String::new(),
    }
}

/// The moves that settle what is owed; whoever owes it makes one of them.
#[must_use]
pub const fn settled_by(duty: Duty) -> &'static [&'static str] {
    match duty {
        Duty::Dispatch | Duty::OnScene => &["report_unit"],
        Duty::Handled => &["declare_handled", "note"],
        Duty::AlertSeen => &["see_alert", "answer_alert"],
        Duty::OfferDelivered => &["deliver"],
        Duty::OfferSeen => &["see"],
        Duty::Decide => &["agree", "counter", "decline"],
        Duty::AnswerCounter | Duty::AnswerDecline => &["revise", "keep", "dispute"],
        Duty::AnswerClaim => &["offer", "refuse_claim"],
        Duty::AnswerRefusal => &["drop_claim", "dispute"],
        Duty::Sign => &["sign", "refuse_signature", "name_substitute"],
        Duty::TakeOver => &["take_over"],
        Duty::RecallReceipt => &["receive_recall"],
        Duty::FirstFeedback => &["give_feedback", "report"],
        Duty::FinalFeedback => &["report"],
        Duty::Confirm => &["confirm", "contest"],
        Duty::SupportAnswer => &["answer_support"],
        Duty::LeadAnswer => &["answer_lead"],
        Duty::JointAnswer => &["acknowledge_joint", "answer_joint_end"],
        Duty::Position => &["state_position"],
        Duty::Ruling => &["rule"],
        Duty::AnswerObjection => &["note"],
        Duty::MergeAnswer => &["answer_merge"],
        Duty::Close => &["close"],
    }
}
