//! What has to stand in the directory before the first call: stations, officers, units, the map both sides ratify,
//! the agreements. Done again it changes nothing.

use super::ground::Ground;
use super::step::{Desk, Ids, Party, minted};
use handoff_domain::caller::Role;
use handoff_domain::command::Order;
use handoff_domain::event::directory::{
    AgreementProposed, AgreementRatified, MapPublished, MapRatified, OfficerSet, StationSet, UnitSet,
};
use handoff_domain::ids::{AgreementId, MapRef, OrgId, StationRef, UnitId};
use handoff_domain::values::{Code, Label, Level};
use handoff_engine::ids::derived;
use std::collections::BTreeMap;
use uuid::Uuid;

/// A station of the run and its units.
#[derive(Clone, Debug)]
pub struct Station {
    /// The station.
    pub seat: StationRef,
    /// Its name.
    pub name: Option<Label>,
    /// Its units and what they are.
    pub units: BTreeMap<UnitId, Option<Code>>,
}

/// One change of the directory.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who.
    pub party: Party,
    /// Its request id.
    pub request: Uuid,
    /// What.
    pub order: Order,
    /// Whether the map's bytes go along.
    pub with_map: bool,
}

impl Setup {
    /// What it is about, in a few words.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.order {
            Order::Station(is) => format!("station {}", is.station),
            Order::Officer(is) => format!("officer {}", is.officer),
            Order::Unit(is) => format!("unit {}", is.unit),
            Order::PublishMap(_) => "publishing the map".to_owned(),
            Order::RatifyMap(_) => format!("ratifying the map for {}", self.party.org),
            Order::ProposeAgreement(is) => format!("agreement of {} with {}", is.a, is.b),
            Order::RatifyAgreement(_) => format!("ratifying an agreement for {}", self.party.org),
            other => format!("{other:?}"),
        }
    }
}

/// Everything to be ordered, in order: `stations`, then the map, then an agreement for each pair.
#[must_use]
pub fn orders(
    ids: &Ids,
    stations: &[Station],
    ground: Option<&Ground>,
    pairs: &[(StationRef, StationRef)],
    superior: Option<&OrgId>,
) -> Vec<Setup> {
    let mut asked: Vec<(Party, Order, bool)> = Vec::new();
    for station in stations {
        of_station(station, &mut asked);
    }
    let map = ground.map(|ground| of_map(ground, stations, &mut asked));
    for (one, other) in pairs {
        of_pair(one, other, map.as_ref(), superior, &mut asked);
    }
    let named = |(number, (party, order, with_map)): (usize, (Party, Order, bool))| {
        let request = ids.of("setup", &number.to_string());
        Setup { party, request, order, with_map }
    };
    asked.into_iter().enumerate().map(named).collect()
}

fn of_station(station: &Station, asked: &mut Vec<(Party, Order, bool)>) {
    let admin = Party::admin(&station.seat.org);
    let at = station.seat.station.clone();
    let set = StationSet {
        station: at.clone(),
        name: station.name.clone(),
        dispatch_client: Some(Party::at(&station.seat, Desk::System).client()),
        site: None,
        retired: false,
    };
    asked.push((admin.clone(), Order::Station(set), false));
    for (desk, role) in [(Desk::DutyOfficer, Role::DutyOfficer), (Desk::Responder, Role::Responder)] {
        if let Some(officer) = Party::at(&station.seat, desk).officer() {
            let set = OfficerSet { officer, station: at.clone(), roles: vec![role], retired: false };
            asked.push((admin.clone(), Order::Officer(set), false));
        }
    }
    for (unit, skill) in &station.units {
        let skills = skill.iter().cloned().collect();
        let set = UnitSet { unit: unit.clone(), station: at.clone(), skills, site: None, retired: false };
        asked.push((admin.clone(), Order::Unit(set), false));
    }
}

fn of_map(ground: &Ground, stations: &[Station], asked: &mut Vec<(Party, Order, bool)>) -> MapRef {
    let mut parties: Vec<OrgId> = stations.iter().map(|station| station.seat.org.clone()).collect();
    parties.sort();
    parties.dedup();
    let published = MapPublished {
        map: ground.map.clone(),
        digest: ground.digest,
        areas: ground.areas_digest(),
        area_count: ground.area_count(),
        parties: parties.clone(),
    };
    let mut admins = parties.iter().map(Party::admin);
    // The publisher's own ratification is the publication.
    if let Some(first) = admins.next() {
        asked.push((first, Order::PublishMap(published), true));
    }
    for admin in admins {
        asked.push((admin, Order::RatifyMap(MapRatified { map: ground.map.clone() }), false));
    }
    ground.map.clone()
}

fn of_pair(
    one: &StationRef,
    other: &StationRef,
    map: Option<&MapRef>,
    superior: Option<&OrgId>,
    asked: &mut Vec<(Party, Order, bool)>,
) {
    let name = map.map(|map| map.id.to_string()).unwrap_or_default();
    let named = ["replay", "agreement", &one.to_string(), &other.to_string(), &name];
    let agreement = AgreementId(minted(derived(&named)));
    let proposed = AgreementProposed {
        agreement,
        version: 1,
        a: one.clone(),
        b: other.clone(),
        superior: superior.cloned(),
        level: Level::Attested,
        timers: None,
        map: map.cloned(),
        grid7: None,
        caller_days: None,
        text_days: None,
    };
    asked.push((Party::admin(&one.org), Order::ProposeAgreement(proposed), false));
    asked.push((Party::admin(&other.org), Order::RatifyAgreement(AgreementRatified { agreement, version: 1 }), false));
}
