//! Changes of the directory: by the own admin, both sides, or a duty officer of each station.

use crate::world::{A_DUTY, B_DUTY, START, Side, Who, directory, label, officer, seat, station};
use handoff_domain::caller::{Caller, Role};
use handoff_domain::command::Order;
use handoff_domain::decide_order;
use handoff_domain::directory::Directory;
use handoff_domain::event::directory::{
    AgreementProposed, AgreementRatified, MapPublished, MapRatified, OfficerSet, StationSet, UnitSet,
};
use handoff_domain::ids::{AgreementId, Digest, DrillId, MapId, MapRef, UnitId};
use handoff_domain::refusal::Reason;
use handoff_domain::time::HOUR;
use handoff_domain::values::Level;
use uuid::Uuid;

fn admin(side: Side) -> Caller {
    Who(side, Role::Admin).caller()
}

/// Takes an order; the reason why not, if so.
fn take(directory: &mut Directory, caller: &Caller, order: &Order) -> Option<Reason> {
    match decide_order(directory, caller, order, None, START) {
        Ok(events) => {
            for event in &events {
                directory.apply(event, None).expect("an order's event follows");
            }
            None
        }
        Err(refusal) => Some(refusal.reason),
    }
}

fn own(name: &str, retired: bool) -> Order {
    let station = station(name);
    Order::Station(StationSet { station, name: None, dispatch_client: None, site: None, retired })
}

#[test]
fn an_admin_sets_its_own_organisations_objects_and_no_others() {
    let mut directory = directory();
    assert_eq!(take(&mut directory, &admin(Side::From), &own("A-02", false)), None);
    assert_eq!(take(&mut directory, &admin(Side::To), &own("A-02", false)), Some(Reason::OtherOrganisation));
    assert_eq!(take(&mut directory, &A_DUTY.caller(), &own("A-03", false)), Some(Reason::RoleNotAllowed));
    let unit = |at: &str| {
        let unit = UnitId::new("U-9").expect("a legal name");
        Order::Unit(UnitSet { unit, station: station(at), skills: Vec::new(), site: None, retired: false })
    };
    assert_eq!(take(&mut directory, &admin(Side::From), &unit("B-01")), Some(Reason::OtherOrganisation));
    assert_eq!(take(&mut directory, &admin(Side::From), &unit("A-77")), Some(Reason::StationNotFound));
    assert_eq!(take(&mut directory, &admin(Side::From), &unit("A-01")), None);
    assert_eq!(take(&mut directory, &admin(Side::To), &unit("B-01")), Some(Reason::OtherOrganisation), "taken");
    let roles = vec![Role::DutyOfficer];
    let new = OfficerSet { officer: officer("A.new"), station: station("A-01"), roles, retired: false };
    assert_eq!(take(&mut directory, &admin(Side::From), &Order::Officer(new)), None);
}

fn terms(version: u64) -> AgreementProposed {
    AgreementProposed {
        agreement: AgreementId(Uuid::from_u128(1)),
        version,
        a: seat("A-01"),
        b: seat("B-01"),
        superior: None,
        level: Level::Passkey,
        timers: None,
        map: None,
        grid7: None,
        caller_days: None,
        text_days: None,
    }
}

#[test]
fn a_version_of_an_agreement_is_in_force_once_the_other_side_ratifies_it() {
    let mut directory = directory();
    let (a, b, c) = (admin(Side::From), admin(Side::To), admin(Side::Stranger));
    assert_eq!(take(&mut directory, &a, &Order::ProposeAgreement(terms(3))), Some(Reason::StaleVersion));
    assert_eq!(take(&mut directory, &c, &Order::ProposeAgreement(terms(2))), Some(Reason::OtherOrganisation));
    assert_eq!(take(&mut directory, &a, &Order::ProposeAgreement(terms(2))), None);
    let level = |directory: &Directory| directory.agreement(&seat("B-01"), &seat("A-01")).map(|is| is.terms.level);
    assert_eq!(level(&directory), Some(Level::Attested), "version 1 holds until then");
    let ratify = Order::RatifyAgreement(AgreementRatified { agreement: AgreementId(Uuid::from_u128(1)), version: 2 });
    assert_eq!(take(&mut directory, &a, &ratify), Some(Reason::OtherOrganisation), "not by the proposer");
    assert_eq!(take(&mut directory, &b, &ratify), None);
    assert_eq!(level(&directory), Some(Level::Passkey));
    assert_eq!(take(&mut directory, &b, &ratify), Some(Reason::MoveNotLegal));
    let same = AgreementProposed { b: seat("A-01"), ..terms(3) };
    assert_eq!(take(&mut directory, &a, &Order::ProposeAgreement(same)), Some(Reason::SameStation));
}

#[test]
fn a_map_is_in_force_once_every_party_has_ratified_it() {
    let mut directory = directory();
    let map = MapRef { id: MapId(Uuid::from_u128(5)), version: 1 };
    let published = MapPublished {
        map: map.clone(),
        digest: Digest([1; 32]),
        areas: Digest([2; 32]),
        area_count: 2,
        parties: vec![seat("A-01").org, seat("B-01").org],
    };
    let (a, b, c) = (admin(Side::From), admin(Side::To), admin(Side::Stranger));
    let publish = Order::PublishMap(published);
    assert_eq!(take(&mut directory, &c, &publish), Some(Reason::OtherOrganisation));
    assert_eq!(take(&mut directory, &a, &publish), None);
    assert!(directory.maps_of(&seat("A-01")).is_empty(), "not before the other side has");
    let ratify = Order::RatifyMap(MapRatified { map: map.clone() });
    assert_eq!(take(&mut directory, &a, &ratify), Some(Reason::MoveNotLegal), "publishing was its own yes");
    assert_eq!(take(&mut directory, &c, &ratify), Some(Reason::OtherOrganisation));
    assert_eq!(take(&mut directory, &b, &ratify), None);
    assert_eq!(directory.maps_of(&seat("A-01")), [&map]);
    assert_eq!(directory.map_between(&seat("B-01"), &seat("A-01")), Some(&map));
    assert_eq!(directory.map_between(&seat("A-01"), &seat("C-01")), None, "no map of another pair stands in");
    assert_eq!(take(&mut directory, &a, &publish), Some(Reason::StaleVersion));
}

#[test]
fn a_drill_is_opened_by_one_duty_officer_and_joined_by_the_other() {
    let mut directory = directory();
    let drill = DrillId(Uuid::from_u128(6));
    let (from, until) = (START, START.plus(HOUR));
    let open = Order::OpenDrill { drill, number: label("D-1"), with: station("B-01"), from, until };
    let (a, b, c) = (A_DUTY.caller(), B_DUTY.caller(), Who(Side::Stranger, Role::DutyOfficer).caller());
    assert_eq!(take(&mut directory, &admin(Side::From), &open), Some(Reason::RoleNotAllowed));
    assert_eq!(take(&mut directory, &a, &open), None);
    assert_eq!(take(&mut directory, &a, &open), Some(Reason::InvalidField), "once");
    assert_eq!(take(&mut directory, &a, &Order::JoinDrill(drill)), Some(Reason::WrongSide));
    assert_eq!(take(&mut directory, &c, &Order::EndDrill(drill)), Some(Reason::WrongSide));
    assert_eq!(take(&mut directory, &b, &Order::JoinDrill(drill)), None);
    assert_eq!(take(&mut directory, &b, &Order::EndDrill(drill)), None);
    assert_eq!(take(&mut directory, &a, &Order::EndDrill(drill)), Some(Reason::MoveNotLegal));
}

#[test]
fn nothing_new_goes_to_a_retired_station() {
    let mut play = crate::states::incident("RECEIVED");
    assert_eq!(take(&mut play.directory, &admin(Side::Stranger), &own("C-01", true)), None);
    let alert = crate::moves::act("alert", &play, A_DUTY);
    assert_eq!(play.attempt(A_DUTY, alert).err().map(|refusal| refusal.reason), Some(Reason::StationNotFound));
}
