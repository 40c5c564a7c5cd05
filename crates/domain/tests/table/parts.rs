//! Who has a part, who reads on, who may open caller data, what the milestones say, and what a log may not hold.

use crate::moves::{act, crewed};
use crate::states::{handoff, incident, together};
use crate::world::{
    A_DUTY, B_DUTY, INCIDENT, Plain, Play, SECOND, Side, Who, code, nth_handoff, offer, officer, seat, station,
};
use handoff_domain::access::{may_open_caller, may_see, sees_until};
use handoff_domain::caller::{Actor, Caller, Role};
use handoff_domain::case::view::{Mark, Milestone, Milestones};
use handoff_domain::command::{Act, AgreeParts, Command, Expected, Receive};
use handoff_domain::event::handoff::{
    Declined, OfferBasis, Settlement, SettlementProposed, SubstituteNamed, TakenOver,
};
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{DrillId, IncidentId, StationRef};
use handoff_domain::moves::legal;
use handoff_domain::refusal::Reason;
use handoff_domain::values::{Label, Severity};
use handoff_domain::{Case, Cases, Context, Fresh, apply, audience, decide};
use uuid::Uuid;

const SUPERIOR: Who = Who(Side::Superior, Role::Superior);

/// A's incident with a unit of A's alone, B alerted, the case offered to B.
fn offered() -> Play {
    let mut play = incident("DISPATCHED");
    play.make(A_DUTY, act("offer", &play, A_DUTY));
    play
}

fn has_part(play: &Play, seat: &StationRef) -> bool {
    play.case().parties.get(seat).is_some_and(|party| party.until.is_none())
}

fn refused(play: &Play, who: Who, act: Act) -> Option<Reason> {
    play.attempt(who, act).err().map(|refusal| refusal.reason)
}

/// Makes a move. Whether its last event reaches B's organisation.
fn reaches_b(play: &mut Play, who: Who, name: &str) -> bool {
    let decided = play.attempt(who, act(name, play, who)).expect("a legal move");
    let event = decided.events.iter().rev().find(|event| event.incident == INCIDENT).expect("an event");
    let after = decided.cases.iter().find(|case| case.id == INCIDENT).expect("the incident");
    let reaches = audience(after, event).keys().any(|receiver| receiver.as_str() == "B");
    play.cases.extend(decided.cases.into_iter().map(|case| (case.id, case)));
    reaches
}

#[test]
fn after_a_decline_the_station_keeps_what_it_saw_and_sees_nothing_new() {
    let mut play = offered();
    let b = Side::To.seat();
    assert!(reaches_b(&mut play, B_DUTY, "decline"), "the decline itself is the last it receives");
    assert!(may_see(play.case(), &B_DUTY.caller()), "the case does not vanish for it");
    assert!(!may_open_caller(play.case(), &b));
    assert!(!reaches_b(&mut play, A_DUTY, "note"));
    assert!(!reaches_b(&mut play, A_DUTY, "keep"), "kept, it stays out");
    assert!(!reaches_b(&mut play, A_DUTY, "note"));
    assert_eq!(refused(&play, B_DUTY, act("claim", &play, B_DUTY)), Some(Reason::WrongSide), "by no claim either");
    // A handoff to somebody else does not bring it back.
    let (to, basis) = (Side::Stranger.seat().station, OfferBasis::UnitAssigned);
    play.make(A_DUTY, offer(nth_handoff(1), to, basis));
    assert!(!has_part(&play, &b) && has_part(&play, &Side::Stranger.seat()));
    // A new alert does.
    play.make(A_DUTY, Act::Alert { to: b.station.clone() });
    assert!(has_part(&play, &b));
    assert!(reaches_b(&mut play, A_DUTY, "note"));
}

#[test]
fn a_revision_after_a_decline_shows_the_offer_again() {
    let mut play = offered();
    play.make(B_DUTY, act("decline", &play, B_DUTY));
    play.make(A_DUTY, act("revise", &play, A_DUTY));
    assert!(has_part(&play, &Side::To.seat()) && may_open_caller(play.case(), &Side::To.seat()));
}

#[test]
fn a_recall_ends_the_part_with_its_receipt_and_a_unit_on_it_keeps_it() {
    let mut play = offered();
    play.make(A_DUTY, act("recall", &play, A_DUTY));
    assert!(has_part(&play, &Side::To.seat()), "it has to hear of the recall");
    assert!(!may_open_caller(play.case(), &Side::To.seat()));
    assert!(reaches_b(&mut play, Who(Side::To, Role::Adapter), "receive_recall"));
    assert!(!reaches_b(&mut play, A_DUTY, "note"));

    let mut play = handoff("RECALLED received");
    assert!(has_part(&play, &Side::To.seat()), "its unit is on the scene");
    play.make(B_DUTY, act("report_unit RELEASED", &play, B_DUTY));
    assert!(!has_part(&play, &Side::To.seat()));
}

#[test]
fn keeping_a_countered_case_takes_no_alert_away() {
    let mut play = offered();
    play.make(B_DUTY, act("counter", &play, B_DUTY));
    play.make(A_DUTY, act("keep", &play, A_DUTY));
    assert!(has_part(&play, &Side::To.seat()));
}

#[test]
fn a_named_substitute_of_another_station_may_look_and_sign() {
    let mut play = handoff("AGREED");
    play.make(A_DUTY, act("name_substitute", &play, A_DUTY));
    let signer = Who(Side::From, Role::Responder);
    let spare = Caller { station: Some(station("A-99")), officer: Some(officer("A.spare")), ..signer.caller() };
    assert!(may_see(play.case(), &spare));
    assert!(play.try_on(INCIDENT, &spare, signer, act("sign", &play, signer)).is_ok());
    let stranger = Caller { officer: Some(officer("A.other")), ..spare };
    assert!(!may_see(play.case(), &stranger));
}

#[test]
fn delivered_is_said_by_the_registered_system_and_by_no_other_subscriber() {
    let play = handoff("OFFERED");
    let system = Who(Side::To, Role::Adapter);
    let other = Caller { client: A_DUTY.caller().client, ..system.caller() };
    let tried = play.try_on(INCIDENT, &other, system, act("deliver", &play, system));
    assert_eq!(tried.err().map(|refusal| refusal.reason), Some(Reason::RoleNotAllowed));
}

#[test]
fn whoever_ends_a_dispute_fills_in_only_its_own_part_of_the_form() {
    let mut play = handoff("DISPUTED settling");
    let parts = AgreeParts { number: Label::new("A-1"), ..AgreeParts::default() };
    let settle = Act::AgreeSettlement { handoff: nth_handoff(0), outcome: Settlement::Agreed, parts };
    assert_eq!(refused(&play, A_DUTY, settle), Some(Reason::WrongSide));
    play.make(A_DUTY, act("agree_settlement", &play, A_DUTY));
}

#[test]
fn nobody_who_decided_on_a_form_signs_it_a_supervisor_neither() {
    let mut play = handoff("DISPUTED");
    let supervisor = Who(Side::To, Role::Supervisor);
    let proposed = SettlementProposed { handoff: nth_handoff(0), outcome: Settlement::Agreed, note: None };
    play.make(supervisor, Act::ProposeSettlement(proposed));
    play.make(A_DUTY, act("agree_settlement", &play, A_DUTY));
    let named = SubstituteNamed {
        handoff: nth_handoff(0),
        side: Side::To.seat(),
        officer: supervisor.officer().expect("a person"),
        code: code("OFF_SHIFT"),
    };
    assert_eq!(refused(&play, B_DUTY, Act::NameSubstitute(named)), Some(Reason::DecidesAndSigns));
}

#[test]
fn nobody_who_signed_a_form_decides_on_a_later_version_of_it() {
    let mut play = handoff("AGREED one signed");
    play.make(A_DUTY, act("revise", &play, A_DUTY));
    let both = Caller { roles: vec![Role::Responder, Role::DutyOfficer], ..Who(Side::From, Role::Responder).caller() };
    let recall = act("recall", &play, A_DUTY);
    let tried = play.try_on(INCIDENT, &both, Who(Side::From, Role::Responder), recall);
    assert_eq!(tried.err().map(|refusal| refusal.reason), Some(Reason::DecidesAndSigns));
}

/// An incident of A's declined by B as a duplicate of its own.
fn duplicate() -> Play {
    let mut play = incident("DISPATCHED");
    play.make(A_DUTY, act("offer", &play, A_DUTY));
    let Act::Decline(body) = act("decline", &play, B_DUTY) else { panic!("a decline") };
    let decline = Declined { code: code("DUPLICATE_OF"), duplicate_of: Some(SECOND), ..body };
    play.make(B_DUTY, Act::Decline(decline));
    play
}

#[test]
fn a_decline_as_duplicate_proposes_the_merge_and_the_merge_ends_it_kept() {
    let mut play = duplicate();
    assert!(play.case().merge.is_some() && play.cases[&SECOND].merge.is_some());
    play.make(A_DUTY, act("answer_merge YES", &play, A_DUTY));
    let (alias, survivor) = (play.case(), &play.cases[&SECOND]);
    assert_eq!(alias.alias_of, Some(SECOND));
    assert_eq!(alias.handoffs[0].state.name().as_str(), "KEPT");
    assert!(alias.ledger.is_empty() && !survivor.ledger.is_empty());
    for case in [alias, survivor] {
        for receiver in ["A-01", "B-01"] {
            assert!(case.parties[&seat(receiver)].until.is_none(), "both receivers stay readers of both");
        }
    }
}

#[test]
fn an_alias_is_given_back_by_both_custodians() {
    let mut play = together("alias");
    play.make(A_DUTY, act("note", &play, A_DUTY));
    let told = play.attempt(A_DUTY, act("offer", &play, A_DUTY)).expect_err("its survivor answers");
    assert_eq!((told.reason, &told.params[0].1), (Reason::IncidentIsAlias, &SECOND.to_string()));
    play.make(A_DUTY, act("unmerge", &play, A_DUTY));
    play.make(B_DUTY, act("unmerge", &play, B_DUTY));
    assert_eq!((play.case().alias_of, play.cases[&SECOND].aliases.len()), (None, 0));
    assert!(!play.case().ledger.is_empty(), "what it owed is owed again");
}

#[test]
fn a_result_owed_for_an_alias_is_owed_by_its_survivor() {
    let mut play = handoff("TAKEN_OVER");
    // Both incidents are B's now: one duty officer's word is enough.
    play.make(B_DUTY, act("propose_merge", &play, B_DUTY));
    let survivor = &play.cases[&SECOND];
    assert_eq!(survivor.confirmer(), Some(&Side::From.seat()));
    assert!(survivor.result().is_some());
    play.make(B_DUTY, act("unmerge", &play, B_DUTY));
    assert!(play.cases[&SECOND].result().is_none() && play.case().result().is_some());
}

#[test]
fn a_late_status_fills_the_gap_and_brings_no_unit_back() {
    let mut play = incident("ON_SCENE");
    let responder = Who(Side::From, Role::Responder);
    play.make(responder, crewed(Side::From, UnitStatus::Released));
    play.make(responder, crewed(Side::From, UnitStatus::EnRoute));
    assert!(!play.case().has_active_unit(&Side::From.seat()));
    play.make(Who(Side::To, Role::Responder), crewed(Side::To, UnitStatus::Assigned));
    assert_eq!(play.case().phase().as_str(), "ON_SCENE", "B's unit is there already");
}

#[test]
fn when_no_unit_is_left_dispatch_is_owed_again_and_an_offer_needs_another_ground() {
    let mut play = incident("DISPATCHED");
    play.make(Who(Side::From, Role::Responder), crewed(Side::From, UnitStatus::Cancelled));
    assert_eq!(play.case().phase().as_str(), "RECEIVED");
    for basis in [OfferBasis::UnitAssigned, OfferBasis::NoUnitFree] {
        let to = Side::To.seat().station;
        let offer = offer(nth_handoff(0), to, basis);
        assert_eq!(refused(&play, A_DUTY, offer), Some(Reason::NoUnitAssigned), "{basis}");
    }
}

#[test]
fn no_capacity_and_an_unfounded_too_old_are_no_reasons_to_decline() {
    let play = handoff("OFFERED");
    for text in ["NO_CAPACITY", "TOO_OLD"] {
        let Act::Decline(body) = act("decline", &play, B_DUTY) else { panic!("a decline") };
        let decline = Act::Decline(Declined { code: code(text), ..body });
        assert_eq!(refused(&play, B_DUTY, decline), Some(Reason::CodeNotAllowed), "{text}");
    }
}

#[test]
fn a_drill_is_neither_linked_nor_merged_with_a_real_event() {
    let mut play = incident("DISPATCHED");
    let real = play.cases[&SECOND].clone();
    play.cases.insert(SECOND, Case { drill: Some(DrillId(Uuid::from_u128(9))), ..real });
    for name in ["link", "propose_merge"] {
        assert_eq!(refused(&play, A_DUTY, act(name, &play, A_DUTY)), Some(Reason::DrillMismatch), "{name}");
    }
}

fn marks(play: &Play) -> [Mark; 6] {
    let Milestones { received, dispatched, handled, transferred, signed_off, closed } = play.case().milestones();
    [received, dispatched, handled, transferred, signed_off, closed].map(|milestone| milestone.mark)
}

#[test]
fn milestones_say_done_open_not_needed_or_by_ruling() {
    use Mark::{ByRuling, Done, NotNeeded, Open};
    assert_eq!(marks(&incident("RECEIVED")), [Done, Open, Open, Open, Open, Open]);
    assert_eq!(marks(&incident("ON_SCENE")), [Done, Done, Open, Open, Open, Open]);
    assert_eq!(marks(&incident("CLOSED")), [Done, Done, Done, NotNeeded, NotNeeded, Done]);
    assert_eq!(marks(&handoff("TAKEN_OVER")), [Done, Done, Open, Done, Open, Open]);
    assert_eq!(marks(&handoff("CONFIRMED")), [Done, Done, Done, Done, Done, Open]);
    let mut phoned = incident("RECEIVED");
    phoned.make(A_DUTY, act("declare_handled FALSE_ALARM", &phoned, A_DUTY));
    assert_eq!(marks(&phoned)[1], NotNeeded);
    let mut ruled = handoff("REPORTED contested twice");
    ruled.make(SUPERIOR, act("rule CONFIRMED", &ruled, SUPERIOR));
    assert_eq!(marks(&ruled)[4], ByRuling);
    // A signature a ruling stood in for shows, too.
    let mut signed = handoff("AGREED at superior");
    signed.make(SUPERIOR, act("rule SIGNATURE", &signed, SUPERIOR));
    // Nobody has the form's two hours over a ruling: both duty officers agree to it once more first.
    signed = with_result(signed);
    assert_eq!(marks(&signed)[4], ByRuling);
}

fn with_result(mut play: Play) -> Play {
    for (who, name) in [(B_DUTY, "take_over"), (B_DUTY, "declare_handled"), (B_DUTY, "report"), (A_DUTY, "confirm")] {
        play.make(who, act(name, &play, who));
    }
    play
}

#[test]
fn an_intake_never_fails_over_what_it_does_not_know() {
    let mut play = Play::new();
    let unknown = Receive {
        kind: Label::new("unheard_of"),
        sent_on_by: Some(station("X-99")),
        severity: Some(Severity::Unknown),
        ..Receive::default()
    };
    let id = IncidentId(Uuid::from_u128(77));
    play.make_on(id, Who(Side::From, Role::Adapter), Act::Receive(unknown));
    assert!(play.cases[&id].flags.iter().any(|flag| flag.is("UNMAPPED")));
}

#[test]
fn an_order_to_take_over_stands_on_the_ruling_right_before_it_and_on_nothing_else() {
    let play = handoff("AGREED at superior");
    let case = play.case();
    let superior = SUPERIOR.caller();
    let actor = Actor { org: superior.org, station: None, officer: superior.officer, role: Role::Superior, reg: None };
    let (from, to, tenure) = (Side::From.seat(), Side::To.seat(), case.tenure + 1);
    let body = TakenOver { handoff: Some(nth_handoff(0)), from, to, tenure, by_order: true, paper: None };
    let (seq, at) = (case.version + 1, play.now);
    let forged = Event { incident: INCIDENT, seq, at, claimed_at: None, actor, body: Body::from(body) };
    let violation = apply(Some(case.clone()), &forged).expect_err("no ruling");
    assert_eq!(violation.refusal.reason, Reason::WrongSide, "without a ruling an order is nobody's to give");
    let ordered = play.attempt(SUPERIOR, act("rule TAKEOVER", &play, SUPERIOR)).expect("at the superior");
    let types: Vec<_> = ordered.events.iter().map(|event| event.body.type_name()).collect();
    assert_eq!(types, ["ruled", "taken_over"]);
}

#[test]
fn whoever_has_no_part_any_more_hears_nothing_of_the_case_from_a_refusal() {
    let mut play = offered();
    play.make(B_DUTY, act("decline", &play, B_DUTY));
    let until = play.case().version;
    assert_eq!(sees_until(play.case(), &B_DUTY.caller()), Some(until));
    play.make(A_DUTY, act("keep", &play, A_DUTY));
    play.make(Who(Side::From, Role::Responder), crewed(Side::From, UnitStatus::OnScene));
    assert_eq!(sees_until(play.case(), &B_DUTY.caller()), Some(until));
    assert_eq!(sees_until(play.case(), &A_DUTY.caller()), None);
    assert_eq!(sees_until(play.case(), &Who(Side::Auditor, Role::Auditor).caller()), None);
    assert_eq!(legal(play.case(), None, &B_DUTY.caller(), play.now), Vec::<&str>::new());
    for name in ["claim", "declare_joint", "close", "note"] {
        let refusal = play.attempt(B_DUTY, act(name, &play, B_DUTY)).expect_err("it has no part");
        assert_eq!((refusal.state, refusal.legal.len()), (None, 0), "{name}");
    }
    // Nor by guessing what the state is.
    let expected = Expected { state: Some("RECEIVED".to_owned()), form_version: None, tenure: Some(1) };
    let command =
        Command { incident: INCIDENT, expected, claimed_at: None, acting_for: None, act: act("claim", &play, B_DUTY) };
    let ctx = Context { directory: &play.directory, digests: &Plain };
    let cases = Cases { main: Some(play.case()), other: None };
    let guess = decide(cases, &ctx, &B_DUTY.caller(), &command, &Fresh::default(), play.now).expect_err("no part");
    assert_eq!((guess.reason, guess.params.len()), (Reason::WrongSide, 0));
    // A new alert brings it back, to everything.
    play.make(A_DUTY, Act::Alert { to: Side::To.seat().station });
    assert_eq!(sees_until(play.case(), &B_DUTY.caller()), None);
}

#[test]
fn a_station_that_said_no_to_the_version_on_the_table_opens_no_caller_data_in_the_dispute_either() {
    let b = Side::To.seat();
    let mut play = offered();
    play.make(B_DUTY, act("decline", &play, B_DUTY));
    play.make(A_DUTY, act("revise", &play, A_DUTY));
    assert!(may_open_caller(play.case(), &b), "another version is another question");
    play.make(B_DUTY, act("decline", &play, B_DUTY));
    assert_eq!(play.case().handoffs[0].state.name().as_str(), "DISPUTED");
    assert!(!may_open_caller(play.case(), &b));
    let settle = SettlementProposed { handoff: nth_handoff(0), outcome: Settlement::Agreed, note: None };
    play.make(B_DUTY, Act::ProposeSettlement(settle));
    play.make(A_DUTY, act("agree_settlement", &play, A_DUTY));
    assert!(may_open_caller(play.case(), &b), "it takes the case after all");
}

#[test]
fn a_lender_has_no_part_in_a_closed_incident() {
    let mut play = incident("ON_SCENE");
    let c = Side::Stranger.seat();
    let support = crate::world::SUPPORT;
    play.make(A_DUTY, Act::RequestSupport { support, to: c.station.clone(), skills: Vec::new(), count: 1, note: None });
    let c_duty = Who(Side::Stranger, Role::DutyOfficer);
    play.make(c_duty, act("answer_support", &play, c_duty));
    for name in ["declare_handled", "close"] {
        assert!(has_part(&play, &c));
        play.make(A_DUTY, act(name, &play, A_DUTY));
    }
    assert!(!has_part(&play, &c));
}

#[test]
fn a_disputed_claim_may_be_given_in_to_by_either_side() {
    let mut play = handoff("DISPUTED claim");
    play.make(A_DUTY, act("offer", &play, A_DUTY));
    assert_eq!(play.case().handoffs.len(), 1, "the claim's own form");
    assert_eq!(play.case().handoffs[0].state.name().as_str(), "OFFERED");
    let mut play = handoff("DISPUTED claim");
    play.make(B_DUTY, act("drop_claim", &play, B_DUTY));
    assert!(play.case().open_handoff().is_none());
    // Over a form there is no claim to drop.
    let play = handoff("DISPUTED");
    assert_eq!(refused(&play, B_DUTY, act("drop_claim", &play, B_DUTY)), Some(Reason::MoveNotLegal));
}

#[test]
fn handled_without_a_code_falls_with_the_only_arrival() {
    let mut play = incident("DISPATCHED");
    play.make(Who(Side::From, Role::Responder), crewed(Side::From, UnitStatus::OnScene));
    play.make(A_DUTY, act("declare_handled", &play, A_DUTY));
    assert_eq!(play.case().phase().as_str(), "HANDLED");
    // The entry of the arrival is the last one of a unit.
    play.make(A_DUTY, act("strike unit", &play, A_DUTY));
    assert_eq!(play.case().phase().as_str(), "DISPATCHED", "nobody was there");
    let mut play = incident("RECEIVED");
    play.make(A_DUTY, act("declare_handled FALSE_ALARM", &play, A_DUTY));
    assert_eq!(play.case().phase().as_str(), "HANDLED", "with a code it needs none");
}

#[test]
fn handled_struck_after_a_reopening_is_handled_no_more() {
    let mut play = incident("CLOSED");
    play.make(A_DUTY, act("reopen HANDLED", &play, A_DUTY));
    assert_eq!(play.case().phase().as_str(), "HANDLED");
    play.make(A_DUTY, act("strike handled", &play, A_DUTY));
    assert_eq!(play.case().phase().as_str(), "ON_SCENE", "the units of both sides are there");
}

#[test]
fn reopened_for_a_unit_an_earlier_arrival_does_not_make_it_handled() {
    let mut play = incident("DISPATCHED");
    let responder = Who(Side::From, Role::Responder);
    play.make(responder, crewed(Side::From, UnitStatus::OnScene));
    play.make(A_DUTY, act("declare_handled", &play, A_DUTY));
    play.make(responder, crewed(Side::From, UnitStatus::Released));
    play.make(A_DUTY, act("close", &play, A_DUTY));
    play.make(A_DUTY, act("reopen RECEIVED", &play, A_DUTY));
    assert_eq!(play.case().phase().as_str(), "RECEIVED");
    // A late entry of the sending before fills a gap and is no new arrival.
    play.make(responder, crewed(Side::From, UnitStatus::OnScene));
    assert_eq!(refused(&play, A_DUTY, act("declare_handled", &play, A_DUTY)), Some(Reason::InvalidField));
    let offer = offer(nth_handoff(0), Side::To.seat().station, OfferBasis::UnitAssigned);
    assert_eq!(refused(&play, A_DUTY, offer), Some(Reason::NoUnitAssigned));
    // Where a unit stayed it counts.
    let mut play = incident("CLOSED");
    play.make(A_DUTY, act("reopen RECEIVED", &play, A_DUTY));
    play.make(A_DUTY, act("declare_handled", &play, A_DUTY));
}

#[test]
fn a_part_of_a_drill_is_a_drill_whenever_and_by_whomever_it_is_split_off() {
    let drill = DrillId(Uuid::from_u128(9));
    let mut play = incident("ON_SCENE");
    let case = play.case().clone();
    play.cases.insert(INCIDENT, Case { drill: Some(drill), ..case });
    play.make(A_DUTY, act("split", &play, A_DUTY));
    assert_eq!(play.cases[&crate::world::PART].drill, Some(drill));
}

#[test]
fn milestones_name_time_and_officer() {
    let mut play = handoff("CONFIRMED");
    let handled = play.case().updated_at;
    play.now = play.now.plus(60_000);
    play.make(B_DUTY, act("close", &play, B_DUTY));
    let Milestones { received, dispatched, handled: done, transferred, signed_off, closed } = play.case().milestones();
    let by = |milestone: &Milestone| {
        let by = milestone.by.clone().expect("somebody reached it");
        (by.org.to_string(), by.officer.map(|officer| officer.to_string()).unwrap_or_default())
    };
    let is = |org: &str, role: &str| (org.to_owned(), format!("{org}.{role}"));
    assert_eq!(by(&received), is("A", "dispatcher"));
    assert_eq!(by(&dispatched), is("A", "responder"));
    assert_eq!(by(&done), is("B", "duty_officer"));
    assert_eq!(by(&transferred), is("B", "duty_officer"));
    assert_eq!(by(&signed_off), is("A", "duty_officer"));
    assert_eq!(by(&closed), is("B", "duty_officer"));
    assert_eq!((closed.at, signed_off.at), (Some(play.now), Some(handled)));
    let open = incident("RECEIVED").case().milestones();
    assert_eq!((open.handled.at, open.handled.by), (None, None));
}

#[test]
fn the_list_names_what_is_to_be_answered_and_taken_notice_of() {
    let of = |play: &Play, who: Who| legal(play.case(), None, &who.caller(), play.now);
    let play = together("support asked");
    assert!(of(&play, B_DUTY).contains(&"answer_support") && !of(&play, A_DUTY).contains(&"answer_support"));
    assert!(of(&play, A_DUTY).contains(&"end_support"));
    let mut play = handoff("OFFERED");
    assert!(of(&play, B_DUTY).contains(&"acknowledge"));
    for _ in 0..play.case().ledger.len() {
        let unseen = play
            .case()
            .ledger
            .iter()
            .find(|(key, owed)| key.by.as_ref() == Some(&Side::To.seat()) && owed.acknowledged.is_none());
        let Some((key, _)) = unseen else { break };
        play.make(B_DUTY, Act::Acknowledge { duty: key.duty, by: key.by.clone(), scope: key.scope });
    }
    assert!(!of(&play, B_DUTY).contains(&"acknowledge"));
    assert!(of(&play, B_DUTY).contains(&"answer_alert"));
}
