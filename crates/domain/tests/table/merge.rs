//! What a merge moves and what the end of one brings back, beyond what a cell shows: nothing an alias owed is lost.

use crate::moves::{JOINT, act};
use crate::states::{handoff, incident, together};
use crate::world::{
    A_DUTY, B_DUTY, INCIDENT, Play, SECOND, SUPPORT, Side, Who, code, deployment, form, nth_handoff, seat,
};
use handoff_domain::Case;
use handoff_domain::access::may_see;
use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::case::Alert;
use handoff_domain::case::handoff::ResultLoop;
use handoff_domain::command::{Act, Receive};
use handoff_domain::event::Body;
use handoff_domain::event::handoff::{Declined, OfferBasis};
use handoff_domain::event::incident::{CallerOpened, SupportAnswer, SupportAnswered, UnitStatus};
use handoff_domain::ids::{IncidentId, OrgId, StationRef, UnitId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::retention::{CALLER_DAYS, TEXT_DAYS, dates};
use handoff_domain::time::{DAY, Millis};
use handoff_domain::timers::Duty;
use handoff_domain::values::{Ground, Place, Severity, Terms, Territory};
use uuid::Uuid;

const C_DUTY: Who = Who(Side::Stranger, Role::DutyOfficer);
const THIRD: IncidentId = IncidentId(Uuid::from_u128(4));

fn of(play: &Play, incident: IncidentId) -> &Case {
    &play.cases[&incident]
}

/// Duties owed in an incident, each with the organisation that owes it.
fn owed(play: &Play, incident: IncidentId) -> Vec<(Duty, &str)> {
    let ledger = of(play, incident).ledger.keys();
    ledger.map(|key| (key.duty, key.by.as_ref().map_or("-", |by| by.org.as_str()))).collect()
}

fn refusal(play: &Play, incident: IncidentId, who: Who, act: Act) -> Refusal {
    play.try_on(incident, &who.caller(), who, act).expect_err("it is refused")
}

fn value<'a>(refusal: &'a Refusal, name: &str) -> Option<&'a str> {
    refusal.params.iter().find(|(param, _)| *param == name).map(|(_, value)| value.as_str())
}

fn merge(other: IncidentId, survivor: IncidentId) -> Act {
    Act::ProposeMerge { other, survivor }
}

fn answer(other: IncidentId, yes: bool, survivor: IncidentId) -> Act {
    Act::AnswerMerge { other, yes, survivor: Some(survivor), code: Some(code("NOT_THE_SAME")) }
}

fn apart(other: IncidentId) -> Act {
    Act::Unmerge { other, code: code("MISTAKE") }
}

/// One incident is the other's alias, agreed by A and B.
fn merged(play: &mut Play, alias: IncidentId, survivor: IncidentId) {
    play.make_on(INCIDENT, A_DUTY, merge(SECOND, survivor));
    play.make_on(INCIDENT, B_DUTY, answer(SECOND, true, survivor));
    assert_eq!(of(play, alias).alias_of, Some(survivor));
    assert!(of(play, alias).ledger.is_empty(), "an alias owes nothing");
}

/// A third call, taken by A.
fn third(play: &mut Play) {
    let intake = Receive { severity: Some(Severity::Urgent), ..Receive::default() };
    play.make_on(THIRD, A_DUTY, Act::Receive(intake));
}

fn unit(of: &StationRef, number: u128, status: UnitStatus) -> Act {
    Act::ReportUnit {
        deployment: deployment(number),
        unit: UnitId::new(&format!("{}-U", of.station)).expect("a legal name"),
        of: None,
        status,
        crew: vec![handoff_domain::ids::OfficerId::new(&format!("{}.responder", of.org)).expect("a legal name")],
        support: None,
    }
}

/// A hands the incident over to C, by every step of it.
fn c_takes_over(play: &mut Play) {
    let (c, responder) = (seat("C-01"), Who(Side::Stranger, Role::Responder));
    let handoff = nth_handoff(play.case().handoffs.len());
    let (to, basis) = (c.station.clone(), OfferBasis::NoResponseNeeded);
    play.make(A_DUTY, Act::Offer { handoff, to, basis, form: form(), signer: None, parent: None, paper: None });
    play.make(responder, unit(&c, 3, UnitStatus::OnScene));
    play.make(C_DUTY, act("agree", play, C_DUTY));
    for who in [Who(Side::From, Role::Responder), responder] {
        play.make(who, act("sign", play, who));
    }
    play.make(C_DUTY, act("take_over", play, C_DUTY));
    assert_eq!(play.case().custodian, c);
}

#[test]
fn a_unit_needed_for_the_alias_is_needed_for_its_survivor() {
    let mut play = incident("HANDLED");
    third(&mut play);
    assert_eq!(owed(&play, THIRD), [(Duty::Dispatch, "A")]);
    play.make_on(THIRD, A_DUTY, merge(INCIDENT, INCIDENT));
    // Units are there already; they are asked for the alias too, and nothing is handled until that is.
    assert_eq!(of(&play, INCIDENT).phase().as_str(), "ON_SCENE");
    assert_eq!(owed(&play, INCIDENT), [(Duty::Handled, "A")]);
    let close = Act::Close { code: code("DONE"), case_number: None };
    assert_eq!(refusal(&play, INCIDENT, A_DUTY, close).reason, Reason::MoveNotLegal);

    // Handled by phone, nobody was ever sent: somebody is now.
    let mut play = incident("RECEIVED");
    play.make(A_DUTY, act("declare_handled FALSE_ALARM", &play, A_DUTY));
    third(&mut play);
    play.make_on(THIRD, A_DUTY, merge(INCIDENT, INCIDENT));
    assert_eq!(owed(&play, INCIDENT), [(Duty::Dispatch, "A")]);
    play.make_on(THIRD, A_DUTY, apart(INCIDENT));
    assert_eq!(of(&play, INCIDENT).phase().as_str(), "HANDLED", "it is what it was");
    assert_eq!(owed(&play, THIRD), [(Duty::Dispatch, "A")]);
}

#[test]
fn units_of_the_alias_are_the_survivors_and_go_back_as_far_as_they_are() {
    let mut play = incident("RECEIVED");
    let b = Side::To.seat();
    let responder = Who(Side::To, Role::Responder);
    play.make_on(SECOND, responder, unit(&b, 7, UnitStatus::EnRoute));
    merged(&mut play, SECOND, INCIDENT);
    assert_eq!(play.case().phase().as_str(), "DISPATCHED");
    assert!(play.case().has_active_unit(&b));
    // Its system still names the old id: a fact is never refused, and recorded where it counts.
    play.make_on(SECOND, responder, unit(&b, 7, UnitStatus::OnScene));
    assert_eq!(play.case().phase().as_str(), "ON_SCENE");
    play.make_on(INCIDENT, A_DUTY, apart(SECOND));
    play.make_on(INCIDENT, B_DUTY, apart(SECOND));
    assert_eq!((play.case().phase().as_str(), of(&play, SECOND).phase().as_str()), ("RECEIVED", "ON_SCENE"));
    assert!(!play.case().has_active_unit(&b) && play.case().deployments.is_empty());
}

#[test]
fn support_asked_for_the_alias_is_answered_for_its_survivor() {
    let mut play = incident("ON_SCENE");
    let c = seat("C-01");
    let ask = Act::RequestSupport { support: SUPPORT, to: c.station.clone(), skills: Vec::new(), count: 1, note: None };
    play.make(A_DUTY, ask);
    let since = play.case().ledger.iter().find(|(key, _)| key.duty == Duty::SupportAnswer).map(|(_, owed)| owed.since);
    merged(&mut play, INCIDENT, SECOND);
    let moved = of(&play, SECOND).ledger.iter().find(|(key, _)| key.duty == Duty::SupportAnswer);
    assert_eq!(moved.map(|(_, owed)| owed.since), since, "its clock runs on");
    assert!(of(&play, SECOND).parties[&c].until.is_none(), "whoever is asked has a part");
    assert!(play.case().parties[&c].until.is_some());
    // C knows the old id only.
    let yes = SupportAnswered { support: SUPPORT, answer: SupportAnswer::Committed, code: None, eta: None, note: None };
    play.make_on(INCIDENT, C_DUTY, Act::AnswerSupport(yes));
    let dispatcher = Who(Side::Stranger, Role::Dispatcher);
    play.make_on(INCIDENT, dispatcher, unit(&c, 9, UnitStatus::OnScene));
    assert!(of(&play, SECOND).has_active_unit(&c));
    let open = || Act::OpenCaller(CallerOpened { code: code("CALL_BACK"), of: None });
    play.make_on(INCIDENT, dispatcher, open());
    play.make_on(INCIDENT, dispatcher, unit(&c, 9, UnitStatus::Released));
    let late = refusal(&play, INCIDENT, dispatcher, open());
    assert_eq!(late.reason, Reason::WrongSide, "no unit of C's is there any more");
    play.make_on(INCIDENT, Who(Side::From, Role::Dispatcher), act("end_support", &play, A_DUTY));
    assert!(of(&play, SECOND).parties[&c].until.is_some());
}

#[test]
fn an_alert_of_the_alias_is_seen_in_its_survivor() {
    let mut play = incident("DISPATCHED");
    let c = seat("C-01");
    play.make(A_DUTY, Act::Alert { to: c.station.clone() });
    merged(&mut play, INCIDENT, SECOND);
    assert!(owed(&play, SECOND).contains(&(Duty::AlertSeen, "C")));
    play.make_on(INCIDENT, C_DUTY, Act::SeeAlert);
    assert!(!owed(&play, SECOND).contains(&(Duty::AlertSeen, "C")));
    play.make_on(INCIDENT, A_DUTY, apart(SECOND));
    play.make_on(INCIDENT, B_DUTY, apart(SECOND));
    assert!(owed(&play, INCIDENT).contains(&(Duty::AlertSeen, "C")), "what was owed is owed again");
}

#[test]
fn an_alert_two_aliases_brought_goes_with_the_last_of_them() {
    let mut play = incident("DISPATCHED");
    third(&mut play);
    play.make_on(IncidentId(Uuid::from_u128(5)), A_DUTY, Act::Receive(Receive::default()));
    let fourth = IncidentId(Uuid::from_u128(5));
    for incident in [THIRD, fourth] {
        play.make_on(incident, A_DUTY, Act::Alert { to: seat("C-01").station });
        play.make_on(incident, A_DUTY, merge(INCIDENT, INCIDENT));
    }
    play.make_on(THIRD, A_DUTY, apart(INCIDENT));
    assert!(owed(&play, INCIDENT).contains(&(Duty::AlertSeen, "C")));
    play.make_on(fourth, A_DUTY, apart(INCIDENT));
    assert!(!owed(&play, INCIDENT).contains(&(Duty::AlertSeen, "C")));
}

#[test]
fn the_side_whose_ground_the_alias_is_hears_of_the_survivors_closing() {
    let mut play = incident("HANDLED");
    third(&mut play);
    let mut case = of(&play, THIRD).clone();
    let claimants = vec![seat("C-01")];
    let territory = Territory { ground: Ground::Claimed, claimants, border_m: None, why: None, map: None };
    let place = Place {
        crs: None,
        lat7: None,
        lon7: None,
        point: None,
        precision_m: None,
        address: None,
        territory: Some(territory),
    };
    case.places.push((1, place));
    play.cases.insert(THIRD, case);
    play.make_on(THIRD, A_DUTY, merge(INCIDENT, INCIDENT));
    play.make(A_DUTY, act("declare_handled", &play, A_DUTY));
    play.make(A_DUTY, act("close", &play, A_DUTY));
    let told = play.case().closure.as_ref().and_then(|closure| closure.told.as_ref());
    assert_eq!(told.map(|(station, _)| station), Some(&seat("C-01")));
}

#[test]
fn an_incident_handled_jointly_survives() {
    let mut play = handoff("TAKEN_OVER");
    play.make_on(
        SECOND,
        B_DUTY,
        Act::DeclareJoint { joint: JOINT, with: seat("A-01").station, lead: seat("B-01").station, code: code("MAJOR") },
    );
    let tried = refusal(&play, SECOND, B_DUTY, merge(INCIDENT, INCIDENT));
    assert_eq!((tried.reason, value(&tried, "problem")), (Reason::MergeNotPossible, Some("JOINT_HANDLING")));
    // The other way round it may: the same station is owed one result.
    play.make_on(SECOND, B_DUTY, merge(INCIDENT, SECOND));
    assert!(owed(&play, SECOND).contains(&(Duty::FinalFeedback, "B")));
    assert_eq!(of(&play, SECOND).confirmer(), Some(&seat("A-01")));
}

#[test]
fn a_result_is_owed_to_one_station_and_another_ones_is_met_first() {
    let mut play = handoff("CONFIRMED");
    // The result of B's own incident is owed to C.
    let mut second = of(&play, SECOND).clone();
    second.joint_result = Some((seat("C-01"), ResultLoop::owed(play.now)));
    play.cases.insert(SECOND, second.clone());
    let tried = refusal(&play, SECOND, B_DUTY, merge(INCIDENT, INCIDENT));
    assert_eq!((tried.reason, value(&tried, "owed")), (Reason::ObligationsLeft, Some("final_feedback")));
    // The one whose result is confirmed may be the alias.
    play.make_on(SECOND, B_DUTY, merge(INCIDENT, SECOND));
    assert_eq!(of(&play, SECOND).confirmer(), Some(&seat("C-01")));
    assert!(of(&play, SECOND).result().is_some());

    // Owed to the same station, what was reported does not speak of the alias.
    let mut play = handoff("CONFIRMED");
    second.joint_result = Some((seat("A-01"), ResultLoop::owed(play.now)));
    play.cases.insert(SECOND, second);
    play.make_on(SECOND, B_DUTY, merge(INCIDENT, INCIDENT));
    assert!(owed(&play, INCIDENT).contains(&(Duty::FinalFeedback, "B")));
}

#[test]
fn a_result_taken_on_goes_back_and_joint_handling_since_then_keeps_its_own() {
    // Both are B's; the result of the one that becomes the alias is owed to A.
    let mut play = handoff("TAKEN_OVER");
    play.make(B_DUTY, merge(SECOND, SECOND));
    assert_eq!(of(&play, SECOND).confirmer(), Some(&seat("A-01")));
    let mut survivor = of(&play, SECOND).clone();
    // Joint handling with C since then: its result was not asked for while the alias's ran.
    let joint = together("joint known").case().joint.clone();
    survivor.joint = joint.map(|joint| handoff_domain::case::Joint { by: seat("B-01"), with: seat("C-01"), ..joint });
    play.cases.insert(SECOND, survivor);
    play.make_on(SECOND, B_DUTY, apart(INCIDENT));
    assert_eq!(of(&play, SECOND).confirmer(), Some(&seat("C-01")));
    assert!(owed(&play, SECOND).contains(&(Duty::FinalFeedback, "B")));
    assert!(owed(&play, INCIDENT).contains(&(Duty::FinalFeedback, "B")), "and the alias's is owed again");
}

#[test]
fn what_only_others_can_settle_keeps_an_incident_from_becoming_an_alias() {
    let mut play = handoff("RECALLED");
    play.make(A_DUTY, merge(SECOND, SECOND));
    let tried = refusal(&play, INCIDENT, B_DUTY, answer(SECOND, true, SECOND));
    assert_eq!((tried.reason, value(&tried, "owed")), (Reason::ObligationsLeft, Some("recall_receipt")));
    let system = Who(Side::To, Role::Adapter);
    play.make(system, act("receive_recall", &play, system));
    play.make(B_DUTY, answer(SECOND, true, SECOND));
}

#[test]
fn whoever_proposed_takes_it_back() {
    let mut play = together("merge proposed");
    play.make(A_DUTY, answer(SECOND, false, SECOND));
    for incident in [INCIDENT, SECOND] {
        assert!(of(&play, incident).merge.is_none());
        assert!(!owed(&play, incident).contains(&(Duty::MergeAnswer, "B")));
    }
    let mut play = together("unmerge proposed");
    play.make(A_DUTY, answer(SECOND, false, SECOND));
    assert!(play.case().merge.is_none() && play.case().alias_of.is_some());
}

#[test]
fn a_proposal_falls_away_with_custody_and_keeps_nobody() {
    let mut play = incident("ON_SCENE");
    play.make(A_DUTY, Act::Alert { to: seat("C-01").station });
    play.make(A_DUTY, merge(SECOND, SECOND));
    c_takes_over(&mut play);
    assert!(play.case().merge.is_none(), "C was not asked");
    assert!(owed(&play, SECOND).contains(&(Duty::MergeAnswer, "B")));
    let yes = refusal(&play, SECOND, B_DUTY, answer(INCIDENT, true, SECOND));
    assert_eq!((yes.reason, value(&yes, "problem")), (Reason::MergeNotPossible, Some("CUSTODY_MOVED")));
    play.make_on(SECOND, B_DUTY, answer(INCIDENT, false, SECOND));
    assert!(of(&play, SECOND).merge.is_none());
}

#[test]
fn a_new_proposal_replaces_one_that_has_fallen_away() {
    let mut play = incident("ON_SCENE");
    play.make(A_DUTY, Act::Alert { to: seat("C-01").station });
    play.make(A_DUTY, merge(SECOND, SECOND));
    c_takes_over(&mut play);
    play.make(B_DUTY, merge(SECOND, SECOND));
    play.make(C_DUTY, answer(SECOND, true, SECOND));
    assert_eq!(play.case().alias_of, Some(SECOND));
}

#[test]
fn both_name_the_survivor() {
    let mut play = together("merge proposed");
    for survivor in [Some(INCIDENT), None] {
        let yes = Act::AnswerMerge { other: SECOND, yes: true, survivor, code: None };
        let tried = refusal(&play, INCIDENT, B_DUTY, yes);
        assert_eq!((tried.reason, &tried.fields[..]), (Reason::InvalidField, &["survivor".to_owned()][..]));
    }
    play.make(B_DUTY, answer(SECOND, true, SECOND));
}

/// B's incident is an alias of A's, which C has taken over since.
fn passed_on() -> Play {
    let mut play = incident("ON_SCENE");
    merged(&mut play, SECOND, INCIDENT);
    play.make(A_DUTY, Act::Alert { to: seat("C-01").station });
    c_takes_over(&mut play);
    play
}

#[test]
fn whoever_answers_for_the_survivor_answers_for_the_alias() {
    let mut play = passed_on();
    assert!(!may_see(of(&play, SECOND), &C_DUTY.caller()), "of itself the alias tells C nothing");
    let open = Act::OpenCaller(CallerOpened { code: code("CALL_BACK"), of: None });
    let decided = play.try_on(SECOND, &C_DUTY.caller(), C_DUTY, open).expect("the custodian may");
    let [event] = &decided.events[..] else { panic!("one event") };
    assert_eq!(
        (event.incident, &event.body),
        (INCIDENT, &Body::from(CallerOpened { code: code("CALL_BACK"), of: Some(SECOND) }))
    );
    let legal = handoff_domain::moves::legal_of(of(&play, SECOND), Some(play.case()), None, &C_DUTY.caller(), play.now);
    assert!(legal.contains(&"unmerge"), "{legal:?}");
    // Given back it is B's, who had it, and what it owed is owed again.
    play.make_on(SECOND, C_DUTY, apart(INCIDENT));
    play.make_on(SECOND, B_DUTY, apart(INCIDENT));
    let given_back = of(&play, SECOND);
    assert_eq!((&given_back.custodian, given_back.alias_of), (&seat("B-01"), None));
    assert!(owed(&play, SECOND).contains(&(Duty::Dispatch, "B")));
    assert_eq!(play.case().custodian, seat("C-01"));
}

#[test]
fn a_strangers_fact_about_an_alias_is_a_strangers_still() {
    let play = together("alias");
    let tried = refusal(&play, INCIDENT, C_DUTY, act("note", &play, C_DUTY));
    assert_eq!((tried.reason, tried.state), (Reason::IncidentNotFound, None));
}

#[test]
fn an_alias_is_erased_by_the_date_of_its_survivors_closing() {
    let mut play = incident("HANDLED");
    third(&mut play);
    play.make_on(THIRD, A_DUTY, merge(INCIDENT, INCIDENT));
    let who = Who(Side::Auditor, Role::Service);
    let org = OrgId::new("OP").expect("a legal name");
    let service = Caller { kind: OrgKind::Operator, org, officer: None, ..who.caller() };
    let early = play.try_on(THIRD, &service, who, act("erase", &play, who)).expect_err("its survivor is open");
    assert_eq!(early.reason, Reason::MoveNotLegal);
    play.make(A_DUTY, act("declare_handled", &play, A_DUTY));
    play.make(A_DUTY, act("close", &play, A_DUTY));
    let too_early = play.try_on(THIRD, &service, who, act("erase", &play, who)).expect_err("texts stay three years");
    assert_eq!(too_early.reason, Reason::MoveNotLegal);
    play.now = play.now.plus(DAY * i64::try_from(TEXT_DAYS).expect("days"));
    assert!(play.try_on(THIRD, &service, who, act("erase", &play, who)).is_ok());
}

#[test]
fn each_kind_of_value_goes_by_its_own_date_and_the_longest_agreement_counts() {
    let mut play = incident("HANDLED");
    assert_eq!(dates(play.case(), None), None, "nothing goes while the case is open");
    play.make(A_DUTY, act("close", &play, A_DUTY));
    let closed = play.now;
    let after = |days: u64| closed.plus(DAY * i64::try_from(days).expect("days"));
    let found = dates(play.case(), None).expect("it is closed");
    assert_eq!((found.caller, found.text), (after(CALLER_DAYS), after(TEXT_DAYS)));
    let mut agreed = play.case().clone();
    agreed.alerts.clear();
    agreed.handoffs.clear();
    let terms = |caller_days, text_days| {
        let (agreement, version, hash, superior, level, timers) = (None, None, None, None, None, None);
        Terms { agreement, version, hash, superior, level, timers, caller_days, text_days }
    };
    agreed.terms = Some(terms(Some(7), Some(2_000)));
    let found = dates(&agreed, None).expect("it is closed");
    assert_eq!((found.caller, found.text), (after(7), after(2_000)), "what was agreed");
    let mut alert = Alert { terms: Some(terms(None, Some(10))), ..alert_at(closed) };
    agreed.alerts.insert(seat("C-01"), alert.clone());
    let found = dates(&agreed, None).expect("it is closed");
    assert_eq!((found.caller, found.text), (after(CALLER_DAYS), after(2_000)), "the longest of each");
    alert.terms = None;
    agreed.alerts.insert(seat("C-01"), alert);
    assert_eq!(dates(&agreed, None).map(|found| found.caller), Some(after(7)), "who agreed nothing asks for nothing");
    assert!(
        found.has_come("caller.phone", found.caller) && !found.has_come("caller.phone", Millis(found.caller.0 - 1))
    );
    assert!(found.has_come("form.callback", found.caller) && !found.has_come("narrative", found.caller));
    assert!(found.has_come("narrative", found.text));
}

/// Known to a station since then, under no terms.
fn alert_at(at: Millis) -> Alert {
    Alert {
        at,
        cause: code("ASKED"),
        delivered: None,
        seen: None,
        answer: None,
        terms: None,
        receipt_by_ruling: None,
        ended: false,
    }
}

/// B declines A's offer as a duplicate of that incident.
fn declined(play: &mut Play, of: IncidentId) {
    play.make(A_DUTY, act("offer", play, A_DUTY));
    let Act::Decline(body) = act("decline", play, B_DUTY) else { panic!("a decline") };
    play.make(B_DUTY, Act::Decline(Declined { code: code("DUPLICATE_OF"), duplicate_of: Some(of), ..body }));
}

#[test]
fn a_decline_as_duplicate_of_what_cannot_be_merged_now_is_a_decline() {
    let mut play = incident("DISPATCHED");
    play.make_on(SECOND, B_DUTY, act("declare_handled FALSE_ALARM", &play, B_DUTY));
    play.make_on(SECOND, B_DUTY, Act::Close { code: code("DONE"), case_number: None });
    declined(&mut play, SECOND);
    assert_eq!(play.case().handoffs[0].state.name().as_str(), "DECLINED");
    assert!(play.case().merge.is_none() && of(&play, SECOND).merge.is_none());
}

#[test]
fn a_decline_as_duplicate_of_one_lets_no_other_merge() {
    let mut play = incident("DISPATCHED");
    play.make_on(THIRD, B_DUTY, Act::Receive(Receive::default()));
    play.make_on(THIRD, B_DUTY, Act::Alert { to: seat("A-01").station });
    declined(&mut play, SECOND);
    play.make(A_DUTY, answer(SECOND, false, SECOND));
    let tried = refusal(&play, INCIDENT, A_DUTY, merge(THIRD, THIRD));
    assert_eq!(tried.reason, Reason::MergeNotPossible);
    play.make(A_DUTY, merge(SECOND, SECOND));
}
