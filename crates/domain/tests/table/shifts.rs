//! Shift change: what the duty role owes is unseen again until the new officer takes notice of it.

use crate::world::{A_DUTY, B_DUTY, Play, Side, Who, station};
use handoff_domain::caller::{Caller, Role};
use handoff_domain::command::{Act, Order};
use handoff_domain::decide_order;
use handoff_domain::obligations::is_noticed;
use handoff_domain::refusal::Reason;
use handoff_domain::time::MINUTE;
use handoff_domain::timers::Duty;

fn take_shift(play: &mut Play, caller: &Caller, at: &str) -> Option<Reason> {
    match decide_order(&play.directory, caller, &Order::TakeShift(station(at)), None, play.now) {
        Ok(events) => {
            for event in &events {
                assert_eq!(event.actor.station, Some(station(at)), "the shift is that station's");
                play.directory.apply(event, None).expect("an order's event follows");
            }
            None
        }
        Err(refusal) => Some(refusal.reason),
    }
}

#[test]
fn a_shift_is_taken_by_the_stations_own_duty_officer_or_a_supervisor_of_its_organisation() {
    let mut play = Play::new();
    let rows = [
        (Who(Side::From, Role::DutyOfficer), "A-01", None),
        (Who(Side::From, Role::Supervisor), "A-01", None),
        (Who(Side::To, Role::DutyOfficer), "A-01", Some(Reason::OtherOrganisation)),
        (Who(Side::To, Role::Supervisor), "A-01", Some(Reason::OtherOrganisation)),
        (Who(Side::From, Role::Dispatcher), "A-01", Some(Reason::RoleNotAllowed)),
        (Who(Side::From, Role::Responder), "A-01", Some(Reason::RoleNotAllowed)),
        (Who(Side::From, Role::Adapter), "A-01", Some(Reason::RoleNotAllowed)),
        (Who(Side::From, Role::Admin), "A-01", Some(Reason::RoleNotAllowed)),
        (Who(Side::Superior, Role::Superior), "A-01", Some(Reason::RoleNotAllowed)),
        (Who(Side::From, Role::DutyOfficer), "A-09", Some(Reason::StationNotFound)),
    ];
    for (who, at, is) in rows {
        assert_eq!(take_shift(&mut play, &who.caller(), at), is, "{who:?} at {at}");
    }
    let elsewhere = Caller { station: Some(station("A-02")), ..A_DUTY.caller() };
    assert_eq!(take_shift(&mut play, &elsewhere, "A-01"), Some(Reason::WrongSide));
}

fn acknowledge(play: &Play) -> Act {
    let key = play.case().ledger.keys().find(|key| key.duty == Duty::Decide).expect("it is owed");
    Act::Acknowledge { duty: key.duty, by: key.by.clone(), scope: key.scope }
}

fn seen(play: &Play) -> bool {
    let owed = play.case().ledger.iter().find(|(key, _)| key.duty == Duty::Decide).expect("it is owed");
    is_noticed(owed.0, owed.1, &play.directory.shifts)
}

#[test]
fn at_a_shift_change_each_item_counts_as_unseen_until_the_incoming_officer_takes_notice() {
    let mut play = crate::states::handoff("OFFERED");
    assert!(!seen(&play));
    play.make(B_DUTY, acknowledge(&play));
    assert!(seen(&play));
    let again = play.attempt(B_DUTY, acknowledge(&play)).expect_err("noticed already");
    assert_eq!(again.reason, Reason::MoveNotLegal);
    // The other station's shift is no matter of this one.
    play.now = play.now.plus(MINUTE);
    assert_eq!(take_shift(&mut play, &A_DUTY.caller(), "A-01"), None);
    assert!(seen(&play));
    assert_eq!(take_shift(&mut play, &B_DUTY.caller(), "B-01"), None);
    assert!(!seen(&play), "the incoming officer has not seen it");
    play.now = play.now.plus(1);
    play.make(B_DUTY, acknowledge(&play));
    assert!(seen(&play));
    assert!(play.attempt(B_DUTY, acknowledge(&play)).is_err(), "once in each shift");
}

#[test]
fn a_supervisors_notice_outlasts_the_duty_officers_shift() {
    let mut play = crate::states::handoff("OFFERED");
    play.let_pass(Duty::Decide);
    assert!(play.escalate(Duty::Decide));
    play.make(Who(Side::To, Role::Supervisor), acknowledge(&play));
    play.now = play.now.plus(MINUTE);
    assert_eq!(take_shift(&mut play, &B_DUTY.caller(), "B-01"), None);
    assert!(seen(&play));
}
