//! Who owes what until when (product, *Obligations and timers*), and how it climbs.

use crate::moves::{act, crewed};
use crate::states::{handoff, incident, together};
use crate::world::{A_DUTY, B_DUTY, INCIDENT, Play, START, Side, Who, code, nth_handoff, offer};
use handoff_domain::access::may_see;
use handoff_domain::caller::Role;
use handoff_domain::command::{Act, Receive};
use handoff_domain::event::handoff::{FeedbackGiven, OfferBasis, StoodBy};
use handoff_domain::event::incident::{DetailsChanged, Noted, UnitStatus};
use handoff_domain::obligations::Owed;
use handoff_domain::refusal::Reason;
use handoff_domain::time::{HOUR, MINUTE, SECOND};
use handoff_domain::timers::{Duty, Rung};
use handoff_domain::values::Severity;

const SUPERIOR: Who = Who(Side::Superior, Role::Superior);

fn owed(play: &Play, duty: Duty) -> &Owed {
    let found = play.case().ledger.iter().find(|(key, _)| key.duty == duty);
    found.unwrap_or_else(|| panic!("{duty} is not owed")).1
}

/// Everything owed is this: what, by which organisation (`-`: the superior), for how long in all.
fn expect(play: &Play, wanted: &[(Duty, &str, i64)]) {
    let mut wanted: Vec<_> = wanted.iter().map(|(duty, by, ms)| (*duty, (*by).to_owned(), *ms)).collect();
    let ledger = play.case().ledger.iter();
    let mut found: Vec<_> = ledger
        .map(|(key, owed)| {
            let by = key.by.as_ref().map_or_else(|| "-".to_owned(), |seat| seat.org.to_string());
            (key.duty, by, owed.due.since(owed.since))
        })
        .collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
}

#[test]
fn default_times_are_those_of_the_design_page() {
    let rows = [
        (Duty::Dispatch, 60 * SECOND, 5 * MINUTE),
        (Duty::OnScene, 10 * MINUTE, 30 * MINUTE),
        (Duty::Handled, 2 * HOUR, 2 * HOUR),
        (Duty::AlertSeen, 60 * SECOND, 5 * MINUTE),
        (Duty::OfferDelivered, 10 * SECOND, 10 * SECOND),
        (Duty::OfferSeen, 60 * SECOND, 5 * MINUTE),
        (Duty::Decide, 3 * MINUTE, 15 * MINUTE),
        (Duty::AnswerCounter, 5 * MINUTE, 5 * MINUTE),
        (Duty::AnswerDecline, 5 * MINUTE, 5 * MINUTE),
        (Duty::AnswerClaim, 5 * MINUTE, 5 * MINUTE),
        (Duty::AnswerRefusal, 5 * MINUTE, 5 * MINUTE),
        (Duty::MergeAnswer, 5 * MINUTE, 5 * MINUTE),
        (Duty::Sign, 30 * MINUTE, 30 * MINUTE),
        (Duty::TakeOver, 2 * MINUTE, 2 * MINUTE),
        (Duty::RecallReceipt, 60 * SECOND, 60 * SECOND),
        (Duty::FirstFeedback, 60 * MINUTE, 60 * MINUTE),
        (Duty::FinalFeedback, 24 * HOUR, 24 * HOUR),
        (Duty::Confirm, 24 * HOUR, 24 * HOUR),
        (Duty::SupportAnswer, 3 * MINUTE, 15 * MINUTE),
        (Duty::LeadAnswer, 60 * SECOND, 60 * SECOND),
        (Duty::JointAnswer, 60 * SECOND, 60 * SECOND),
        (Duty::Position, 15 * MINUTE, 15 * MINUTE),
        (Duty::Ruling, 2 * HOUR, 2 * HOUR),
        (Duty::AnswerObjection, 24 * HOUR, 24 * HOUR),
        (Duty::Close, 24 * HOUR, 24 * HOUR),
    ];
    assert_eq!(rows.len(), Duty::ALL.len());
    for (duty, urgent, normal) in rows {
        assert_eq!(duty.default_ms(), (urgent, normal), "{duty}");
    }
}

#[test]
fn the_custodian_owes_dispatch_arrival_handling_and_closing_in_turn() {
    expect(&incident("RECEIVED"), &[(Duty::Dispatch, "A", 60 * SECOND)]);
    expect(&incident("DISPATCHED"), &[(Duty::OnScene, "A", 10 * MINUTE)]);
    expect(&incident("ON_SCENE"), &[(Duty::Handled, "A", 2 * HOUR)]);
    expect(&incident("HANDLED"), &[(Duty::Close, "A", 24 * HOUR)]);
    expect(&incident("CLOSED"), &[]);
}

#[test]
fn each_state_before_the_takeover_owes_its_next_move() {
    let handled = (Duty::Handled, "A", 2 * HOUR);
    expect(&handoff("CLAIMED"), &[handled, (Duty::AnswerClaim, "A", 5 * MINUTE)]);
    expect(&handoff("CLAIMED refused"), &[handled, (Duty::AnswerRefusal, "B", 5 * MINUTE)]);
    let offer = [
        handled,
        (Duty::OfferDelivered, "B", 10 * SECOND),
        (Duty::OfferSeen, "B", 60 * SECOND),
        (Duty::Decide, "B", 3 * MINUTE),
    ];
    expect(&handoff("OFFERED"), &offer);
    expect(&handoff("COUNTERED"), &[handled, (Duty::AnswerCounter, "A", 5 * MINUTE)]);
    expect(&handoff("DECLINED"), &[handled, (Duty::AnswerDecline, "A", 5 * MINUTE)]);
    expect(&handoff("AGREED"), &[handled, (Duty::Sign, "A", 30 * MINUTE), (Duty::Sign, "B", 30 * MINUTE)]);
    expect(&handoff("AGREED one signed"), &[handled, (Duty::Sign, "B", 30 * MINUTE)]);
    expect(&handoff("AGREED both signed"), &[handled, (Duty::TakeOver, "B", 2 * MINUTE)]);
    let dispute = [
        handled,
        (Duty::Position, "A", 15 * MINUTE),
        (Duty::Position, "B", 15 * MINUTE),
        (Duty::Ruling, "-", 2 * HOUR),
    ];
    expect(&handoff("DISPUTED"), &dispute);
    expect(&handoff("RECALLED"), &[handled, (Duty::RecallReceipt, "B", 60 * SECOND)]);
    expect(&handoff("KEPT"), &[handled]);
}

#[test]
fn after_the_takeover_the_result_is_owed_and_then_its_confirmation() {
    let (first, last) = ((Duty::FirstFeedback, "B", 60 * MINUTE), (Duty::FinalFeedback, "B", 24 * HOUR));
    expect(&handoff("TAKEN_OVER"), &[(Duty::Handled, "B", 2 * HOUR), first, last]);
    expect(&handoff("TAKEN_OVER handled"), &[first, last]);
    expect(&handoff("REPORTED"), &[(Duty::Confirm, "A", 24 * HOUR)]);
    expect(&handoff("REPORTED contested twice"), &[(Duty::Ruling, "-", 2 * HOUR)]);
    expect(&handoff("CONFIRMED"), &[(Duty::Close, "B", 24 * HOUR)]);
    // Given back: the first receiver is custodian again, so the station it got the case from confirms.
    let play = handoff("PASSED_ON");
    assert_eq!(play.case().confirmer(), Some(&Side::To.seat()));
}

#[test]
fn support_joint_handling_and_merging_owe_answers() {
    let handled = (Duty::Handled, "A", 2 * HOUR);
    expect(&together("support asked"), &[handled, (Duty::SupportAnswer, "B", 3 * MINUTE)]);
    expect(&together("support committed"), &[handled]);
    let result = [handled, (Duty::FirstFeedback, "A", 60 * MINUTE), (Duty::FinalFeedback, "A", 24 * HOUR)];
    let with = |more: (Duty, &'static str, i64)| [&result[..], &[more]].concat();
    expect(&together("joint declared"), &with((Duty::JointAnswer, "B", 60 * SECOND)));
    expect(&together("joint known"), &result);
    expect(&together("joint lead asked"), &with((Duty::LeadAnswer, "B", 60 * SECOND)));
    expect(&together("joint end proposed"), &with((Duty::JointAnswer, "B", 60 * SECOND)));
    expect(&together("joint end refused"), &with((Duty::Ruling, "-", 2 * HOUR)));
    expect(&together("merge proposed"), &[handled, (Duty::MergeAnswer, "B", 5 * MINUTE)]);
    expect(&together("alias"), &[]);
}

/// A's incident of that severity, offered to B at once.
fn offered(severity: Option<Severity>) -> Play {
    let mut play = Play::new();
    let desk = Who(Side::From, Role::Dispatcher);
    play.make_on(INCIDENT, desk, Act::Receive(Receive { severity, ..Receive::default() }));
    let (to, basis) = (Side::To.seat().station, OfferBasis::NoResponseNeeded);
    play.make(A_DUTY, offer(nth_handoff(0), to, basis));
    play
}

#[test]
fn an_unknown_severity_counts_as_urgent() {
    for (severity, ms) in [
        (Some(Severity::Normal), 15 * MINUTE),
        (Some(Severity::Urgent), 3 * MINUTE),
        (Some(Severity::Unknown), 3 * MINUTE),
        (None, 3 * MINUTE),
    ] {
        assert_eq!(owed(&offered(severity), Duty::Decide).due, START.plus(ms));
    }
}

fn severity(to: Severity) -> Act {
    Act::ChangeDetails(DetailsChanged { kind: None, severity: Some(to), category: None, flags: Vec::new() })
}

#[test]
fn a_change_of_severity_shortens_a_running_deadline_and_never_lengthens_it() {
    let mut play = offered(Some(Severity::Urgent));
    play.make(A_DUTY, severity(Severity::Normal));
    assert_eq!(owed(&play, Duty::Decide).due, START.plus(3 * MINUTE));
    assert_eq!(owed(&play, Duty::Dispatch).due, START.plus(60 * SECOND));

    let mut play = offered(Some(Severity::Normal));
    play.make(A_DUTY, severity(Severity::Urgent));
    assert_eq!(owed(&play, Duty::Decide).due, START.plus(3 * MINUTE));
    play.make(A_DUTY, severity(Severity::Normal));
    assert_eq!(owed(&play, Duty::Decide).due, START.plus(3 * MINUTE));

    // A rung already climbed keeps its own clock.
    let mut play = offered(Some(Severity::Urgent));
    play.let_pass(Duty::Decide);
    play.escalate(Duty::Decide);
    let due = owed(&play, Duty::Decide).due;
    play.make(A_DUTY, severity(Severity::Normal));
    assert_eq!((owed(&play, Duty::Decide).due, owed(&play, Duty::Decide).rung), (due, Rung::Supervisor));
}

#[test]
fn an_overdue_decision_climbs_rung_by_rung_and_the_superior_reads_it_only_then() {
    let mut play = offered(Some(Severity::Urgent));
    for rung in [Rung::Supervisor, Rung::BothSupervisors, Rung::Superior] {
        assert!(!may_see(play.case(), &SUPERIOR.caller()));
        // On time is not overdue.
        play.now = owed(&play, Duty::Decide).due;
        assert!(!play.escalate(Duty::Decide));
        play.now = play.now.plus(1);
        assert!(play.escalate(Duty::Decide));
        assert_eq!(owed(&play, Duty::Decide).rung, rung);
        assert!(rung == Rung::Superior || owed(&play, Duty::Decide).due == play.now.plus(3 * MINUTE));
    }
    assert!(may_see(play.case(), &SUPERIOR.caller()));
    play.now = play.now.plus(24 * HOUR);
    assert!(!play.escalate(Duty::Decide), "past the last rung nobody is left to tell");
    assert_eq!(play.case().custodian, Side::From.seat(), "timers never move custody");
}

#[test]
fn an_offer_no_system_takes_in_is_told_at_10_30_and_60_seconds_and_asks_no_superior() {
    let mut play = offered(Some(Severity::Urgent));
    for seconds in [10, 30, 60] {
        let due = owed(&play, Duty::OfferDelivered).due;
        assert_eq!(due.since(START) / SECOND, seconds);
        play.now = due.plus(1);
        assert!(play.escalate(Duty::OfferDelivered));
    }
    assert!(!owed(&play, Duty::OfferDelivered).climbs);
    assert!(!may_see(play.case(), &SUPERIOR.caller()));
}

#[test]
fn only_the_notified_rung_gives_the_receipt() {
    let mut play = offered(Some(Severity::Urgent));
    let acknowledge = |play: &Play| {
        let key = play.case().ledger.keys().find(|key| key.duty == Duty::Decide).expect("it is owed");
        Act::Acknowledge { duty: key.duty, by: key.by.clone(), scope: key.scope }
    };
    let refused = |play: &Play, who: Who| play.attempt(who, acknowledge(play)).err().map(|refusal| refusal.reason);
    assert_eq!(refused(&play, A_DUTY), Some(Reason::OtherOrganisation));
    play.make(B_DUTY, acknowledge(&play));
    assert_eq!(owed(&play, Duty::Decide).acknowledged, Some(play.now));
    play.let_pass(Duty::Decide);
    play.escalate(Duty::Decide);
    assert_eq!(owed(&play, Duty::Decide).acknowledged, None, "the next rung has to take notice itself");
    assert_eq!(refused(&play, B_DUTY), Some(Reason::RoleNotAllowed));
    play.make(Who(Side::To, Role::Supervisor), acknowledge(&play));
    play.let_pass(Duty::Decide);
    play.escalate(Duty::Decide);
    play.make(Who(Side::From, Role::Supervisor), acknowledge(&play));
}

#[test]
fn standing_by_gives_time_once_and_not_too_much() {
    let mut play = handoff("OFFERED");
    let stand_by =
        |play: &Play, ms: i64| Act::StandBy(StoodBy { handoff: nth_handoff(0), version: 1, until: play.now.plus(ms) });
    let refused = |play: &Play, ms| play.attempt(B_DUTY, stand_by(play, ms)).err().map(|refusal| refusal.reason);
    assert_eq!(refused(&play, 15 * MINUTE + 1), Some(Reason::StandByNotAllowed));
    assert_eq!(refused(&play, 0), Some(Reason::StandByNotAllowed));
    let until = play.now.plus(15 * MINUTE);
    play.make(B_DUTY, stand_by(&play, 15 * MINUTE));
    assert_eq!(owed(&play, Duty::Decide).due, until);
    assert_eq!(refused(&play, MINUTE), Some(Reason::StandByNotAllowed));
    // Once per handoff: a revision gives no second one.
    play.make(A_DUTY, act("revise", &play, A_DUTY));
    let again = Act::StandBy(StoodBy { handoff: nth_handoff(0), version: 2, until: play.now.plus(MINUTE) });
    assert_eq!(play.attempt(B_DUTY, again).err().map(|refusal| refusal.reason), Some(Reason::StandByNotAllowed));
}

#[test]
fn a_revision_lets_the_receivers_clock_run_on() {
    let mut play = handoff("OFFERED");
    play.now = play.now.plus(2 * MINUTE);
    let due = owed(&play, Duty::Decide).due;
    play.make(A_DUTY, act("revise", &play, A_DUTY));
    assert_eq!(owed(&play, Duty::Decide).due, due);
}

fn note(word: Option<&'static str>) -> Act {
    Act::Note(Noted { text: None, code: word.map(code), handoff: None, flags: Vec::new() })
}

#[test]
fn the_custodians_word_alone_gives_two_more_hours() {
    let mut play = incident("ON_SCENE");
    let due = owed(&play, Duty::Handled).due;
    play.now = play.now.plus(HOUR);
    play.make(A_DUTY, note(None));
    play.make(B_DUTY, note(Some("WORD")));
    assert_eq!(owed(&play, Duty::Handled).due, due);
    play.make(Who(Side::From, Role::Adapter), note(Some("WORD")));
    assert_eq!(owed(&play, Duty::Handled).due, due, "a machine has no word to give");
    play.make(A_DUTY, note(Some("WORD")));
    assert_eq!(owed(&play, Duty::Handled).due, play.now.plus(2 * HOUR));
}

#[test]
fn closing_is_due_24_hours_after_nothing_else_is_owed_whatever_is_noted_since() {
    let mut play = incident("HANDLED");
    let due = owed(&play, Duty::Close).due;
    play.now = play.now.plus(HOUR);
    play.make(A_DUTY, note(None));
    assert_eq!(owed(&play, Duty::Close).due, due);
}

#[test]
fn final_feedback_is_owed_after_24_hours_and_then_every_72() {
    let mut play = handoff("TAKEN_OVER");
    let taken = play.now;
    let word = || Act::GiveFeedback(FeedbackGiven { code: code("IN_PROGRESS"), text: None });
    play.now = taken.plus(HOUR);
    play.make(B_DUTY, word());
    assert!(!play.case().ledger.keys().any(|key| key.duty == Duty::FirstFeedback));
    assert_eq!(owed(&play, Duty::FinalFeedback).due, taken.plus(24 * HOUR));
    play.now = taken.plus(25 * HOUR);
    play.make(B_DUTY, word());
    assert_eq!(owed(&play, Duty::FinalFeedback).due, play.now.plus(72 * HOUR));
}

#[test]
fn a_new_custodian_starts_with_its_own_clock() {
    let mut play = incident("DISPATCHED");
    play.make(Who(Side::To, Role::Responder), crewed(Side::To, UnitStatus::Assigned));
    for (who, name) in [(A_DUTY, "offer"), (B_DUTY, "agree")] {
        play.make(who, act(name, &play, who));
    }
    play.now = play.now.plus(9 * MINUTE);
    for who in [Who(Side::From, Role::Responder), Who(Side::To, Role::Responder)] {
        play.make(who, act("sign", &play, who));
    }
    play.make(B_DUTY, act("take_over", &play, B_DUTY));
    assert_eq!(owed(&play, Duty::OnScene).due, play.now.plus(10 * MINUTE));
}

#[test]
fn a_struck_unit_brings_the_old_duty_back_with_its_old_clock() {
    let mut play = incident("DISPATCHED");
    play.now = play.now.plus(5 * MINUTE);
    play.make(A_DUTY, act("strike unit", &play, A_DUTY));
    assert_eq!(owed(&play, Duty::Dispatch).due, START.plus(60 * SECOND));
}

#[test]
fn reopening_owes_the_feedback_anew() {
    let mut play = handoff("CONFIRMED");
    play.make(B_DUTY, act("close", &play, B_DUTY));
    let tenure = play.case().tenure;
    let auditor = Who(Side::Auditor, Role::Auditor);
    play.make(auditor, act("reopen HANDLED", &play, auditor));
    let (first, last) = ((Duty::FirstFeedback, "B", 60 * MINUTE), (Duty::FinalFeedback, "B", 24 * HOUR));
    expect(&play, &[first, last]);
    assert_eq!((play.case().tenure, play.case().superseded), (tenure + 1, 1));
    assert_eq!(play.case().custodian, Side::To.seat(), "reopening moves no custody");
}
