//! Terms and maps are those of the two stations a matter is between, the signing level that of the agreement.

use crate::moves::{JOINT, act};
use crate::states::{handoff, incident};
use crate::world::{
    A_DUTY, B_DUTY, INCIDENT, Play, Side, Who, code, label, nth_handoff, offer, officer, pair, station,
};
use handoff_domain::caller::{Caller, Role};
use handoff_domain::command::{Act, Order};
use handoff_domain::decide_order;
use handoff_domain::event::Body;
use handoff_domain::event::directory::{AgreementProposed, AgreementRatified, MapPublished, MapRatified};
use handoff_domain::event::handoff::OfferBasis;
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::ids::{Digest, MapId, MapRef, StationRef, UnitId};
use handoff_domain::refusal::Reason;
use handoff_domain::time::MINUTE;
use handoff_domain::timers::{Duty, Timers};
use handoff_domain::values::{Ground, Level, Place, Territory};
use uuid::Uuid;

const C_DUTY: Who = Who(Side::Stranger, Role::DutyOfficer);

fn order(play: &mut Play, caller: &Caller, order: &Order) {
    let events = decide_order(&play.directory, caller, order, None, play.now).expect("a legal order");
    events.iter().for_each(|event| play.directory.apply(event, None).expect("an order's event follows"));
}

/// The second version of an agreement of A's.
fn renew(play: &mut Play, terms: AgreementProposed) {
    let ratified = AgreementRatified { agreement: terms.agreement, version: 2 };
    let other = if terms.b.org.as_str() == "C" { Side::Stranger } else { Side::To };
    let terms = AgreementProposed { version: 2, ..terms };
    order(play, &Who(Side::From, Role::Admin).caller(), &Order::ProposeAgreement(terms));
    order(play, &Who(other, Role::Admin).caller(), &Order::RatifyAgreement(ratified));
}

fn publish(play: &mut Play, id: u128, other: Side) -> MapRef {
    let map = MapRef { id: MapId(Uuid::from_u128(id)), version: 1 };
    let (digest, areas, area_count) = (Digest([1; 32]), Digest([2; 32]), 2);
    let parties = vec![Side::From.seat().org, other.seat().org];
    let published = MapPublished { map: map.clone(), digest, areas, area_count, parties };
    order(play, &Who(Side::From, Role::Admin).caller(), &Order::PublishMap(published));
    order(play, &Who(other, Role::Admin).caller(), &Order::RatifyMap(MapRatified { map: map.clone() }));
    map
}

#[test]
fn joint_handling_runs_on_the_timers_of_its_own_two_stations() {
    let mut play = incident("ON_SCENE");
    let mut timers = Timers::default();
    assert!(timers.set(Duty::JointAnswer.as_str(), 7 * MINUTE, 9 * MINUTE));
    renew(&mut play, AgreementProposed { timers: Some(timers.clone()), ..pair(2, "A-01", "C-01", Some("S")) });
    let lead = station("A-01");
    play.make(A_DUTY, Act::DeclareJoint { joint: JOINT, with: station("C-01"), lead, code: code("MAJOR") });
    let (key, owed) = play.case().ledger.iter().find(|(key, _)| key.duty == Duty::JointAnswer).expect("it is owed");
    assert_eq!(owed.due, play.now.plus(7 * MINUTE));
    assert_eq!(handoff_domain::obligations::timers_of(play.case(), key), Some(&timers));
}

#[test]
fn every_map_of_a_station_is_asked_and_an_offer_names_the_pairs_own() {
    let mut play = incident("ON_SCENE");
    let of_b = publish(&mut play, 0xB, Side::To);
    let of_c = publish(&mut play, 0xC, Side::Stranger);
    assert_eq!(play.directory.maps_of(&Side::From.seat()), [&of_b, &of_c]);
    let c = Side::Stranger.seat();
    play.make(A_DUTY, offer(nth_handoff(0), c.station, OfferBasis::NoResponseNeeded));
    assert_eq!(play.case().handoffs[0].map, Some(of_c));
}

#[test]
fn the_level_of_a_signature_is_that_of_the_terms_in_force_at_the_agreement() {
    let mut play = handoff("OFFERED");
    renew(&mut play, AgreementProposed { level: Level::Device, ..pair(1, "A-01", "B-01", Some("S")) });
    play.make(B_DUTY, act("agree", &play, B_DUTY));
    assert_eq!(play.case().handoffs[0].agreed().map(|agreed| agreed.level), Some(Level::Device));
    assert_eq!(play.case().handoffs[0].terms.as_ref().and_then(|terms| terms.version), Some(1), "the offer's hold");
    let signer = Who(Side::From, Role::Responder);
    let signed = play.attempt(signer, act("sign", &play, signer)).expect_err("a click is too weak");
    assert_eq!(signed.reason, Reason::LevelTooWeak);
}

/// A offers to C and C takes over, while A and B handle it together.
fn taken_over_by_c(mut play: Play) -> Play {
    play.make(A_DUTY, offer(nth_handoff(0), station("C-01"), OfferBasis::NoResponseNeeded));
    play.make(C_DUTY, act("agree", &play, C_DUTY));
    let crew = vec![officer("C.responder")];
    let unit = UnitId::new("C-01-U").expect("a legal name");
    let deployment = crate::world::deployment(3);
    let status = UnitStatus::OnScene;
    play.make(C_DUTY, Act::ReportUnit { deployment, unit, of: None, status, crew, support: None });
    for side in [Side::From, Side::Stranger] {
        let who = Who(side, Role::Responder);
        play.make(who, act("sign", &play, who));
    }
    play.make(C_DUTY, act("take_over", &play, C_DUTY));
    play
}

#[test]
fn joint_handling_ends_when_a_third_station_takes_over() {
    let play = crate::states::together("joint lead asked");
    assert!(play.case().ledger.keys().any(|key| key.duty == Duty::LeadAnswer));
    let mut play = taken_over_by_c(play);
    assert!(play.case().joint_now().is_none());
    let owed: Vec<_> = play.case().ledger.keys().map(|key| key.duty).collect();
    assert!(!owed.contains(&Duty::LeadAnswer) && !owed.contains(&Duty::JointAnswer), "{owed:?}");
    let joint = handoff_domain::ids::JointId(Uuid::from_u128(0x73));
    let (with, lead) = (station("A-01"), station("C-01"));
    play.make(C_DUTY, Act::DeclareJoint { joint, with, lead, code: code("MAJOR") });
}

#[test]
fn joint_handling_of_the_two_goes_on_when_one_takes_over_from_the_other() {
    let mut play = crate::states::together("joint known");
    play.make(A_DUTY, act("offer", &play, A_DUTY));
    play.make(B_DUTY, act("agree", &play, B_DUTY));
    for side in [Side::From, Side::To] {
        let who = Who(side, Role::Responder);
        play.make(who, act("sign", &play, who));
    }
    play.make(B_DUTY, act("take_over", &play, B_DUTY));
    assert!(play.case().joint_now().is_some());
}

/// The incident lies on ground of these.
fn lies_on(play: &mut Play, ground: Ground, claimants: &[StationRef]) {
    let territory = Territory { ground, claimants: claimants.to_vec(), border_m: None, why: None, map: None };
    let crs = Some(label("WGS84"));
    let place = Place {
        crs,
        lat7: None,
        lon7: None,
        point: None,
        precision_m: None,
        address: None,
        territory: Some(territory),
    };
    let case = play.cases.get_mut(&INCIDENT).expect("the incident");
    case.places.push((1, place));
}

fn told(play: &mut Play) -> Option<StationRef> {
    let decided = play.attempt(A_DUTY, act("close", play, A_DUTY)).expect("nothing is owed");
    let told = decided.events.iter().find_map(|event| match &event.body {
        Body::Closed(body) => Some(body.told.clone()),
        _ => None,
    });
    told.expect("it is closed")
}

#[test]
fn whose_ground_it_is_hears_of_a_closing_whoever_else_took_part() {
    let (a, b, c) = (Side::From.seat(), Side::To.seat(), Side::Stranger.seat());
    let mut play = incident("HANDLED");
    assert_eq!(told(&mut play), None, "nobody knows whose ground it is");
    lies_on(&mut play, Ground::Claimed, std::slice::from_ref(&b));
    assert_eq!(told(&mut play), Some(b.clone()));
    // Joint handling with C tells B nothing.
    let mut play = incident("ON_SCENE");
    play.make(
        A_DUTY,
        Act::DeclareJoint { joint: JOINT, with: c.station.clone(), lead: a.station.clone(), code: code("MAJOR") },
    );
    play.make(C_DUTY, act("acknowledge_joint", &play, C_DUTY));
    for (who, name) in [(A_DUTY, "declare_handled"), (A_DUTY, "report"), (C_DUTY, "confirm")] {
        play.make(who, act(name, &play, who));
    }
    lies_on(&mut play, Ground::Claimed, std::slice::from_ref(&b));
    assert_eq!(told(&mut play), Some(b.clone()));
    lies_on(&mut play, Ground::Claimed, std::slice::from_ref(&c));
    assert_eq!(told(&mut play), None, "C handled it itself");
    lies_on(&mut play, Ground::Shared, &[c, b.clone()]);
    assert_eq!(told(&mut play), Some(b.clone()), "the first who has not");
    lies_on(&mut play, Ground::Shared, &[a, b]);
    assert_eq!(told(&mut play), None, "it is A's own ground, too");
}
