//! The world both suites play in: organisations A and B with two stations each, C with one, a common superior for
//! A-01 and B-01, none for A-02 and B-02. Everything in the directory got there by an order of its own admin.

use handoff_domain::caller::{Actor, Caller, OrgKind, Role};
use handoff_domain::case::Case;
use handoff_domain::command::Order;
use handoff_domain::decide::Statement;
use handoff_domain::directory::Directory;
use handoff_domain::event::Event;
use handoff_domain::event::directory::{
    AgreementProposed, AgreementRatified, CatalogueSet, MapPublished, MapRatified, OfficerSet, PostSet, StationSet,
    UnitSet,
};
use handoff_domain::form::Form;
use handoff_domain::ids::{
    AgreementId, ClientId, Digest, MapId, MapRef, OfficerId, OrgId, StationId, StationRef, UnitId,
};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level};
use handoff_domain::{Digests, decide_order};
use std::fmt::Debug;
use uuid::Uuid;

/// When every history begins: 2026-11-23T12:00:00Z.
pub(crate) const START: Millis = Millis(1_795_435_200_000);

/// Every station with its organisation.
pub(crate) const STATIONS: [(&str, &str); 5] =
    [("A", "A-01"), ("A", "A-02"), ("B", "B-01"), ("B", "B-02"), ("C", "C-01")];

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).expect("a legal name")
}

pub(crate) fn station(name: &str) -> StationId {
    StationId::new(name).expect("a legal name")
}

pub(crate) fn officer(name: &str) -> OfficerId {
    OfficerId::new(name).expect("a legal name")
}

pub(crate) fn label(text: &str) -> Label {
    Label::new(text).expect("a legal label")
}

/// A station of the list above, by its code name: the letter before the dash is the organisation.
pub(crate) fn seat(name: &str) -> StationRef {
    StationRef { org: org(&name[..1]), station: station(name) }
}

fn caller(of: &str, kind: OrgKind, at: Option<&StationRef>, name: Option<&str>, roles: &[Role]) -> Caller {
    let client = match (at, name) {
        (Some(seat), None) => format!("cad-{}", seat.station),
        (_, _) => format!("console-{of}"),
    };
    Caller {
        org: org(of),
        kind,
        client: ClientId::new(&client).expect("a legal name"),
        station: at.map(|seat| seat.station.clone()),
        officer: name.map(officer),
        roles: roles.to_vec(),
    }
}

/// An officer of a station; `name` goes behind the station's, `A-01-D1`.
pub(crate) fn person(seat: &StationRef, name: &str, roles: &[Role]) -> Caller {
    let full = format!("{}-{name}", seat.station);
    caller(seat.org.as_str(), OrgKind::Party, Some(seat), Some(&full), roles)
}

/// A station's registered dispatch system.
pub(crate) fn system(seat: &StationRef) -> Caller {
    caller(seat.org.as_str(), OrgKind::Party, Some(seat), None, &[Role::Adapter])
}

/// The supervisor of an organisation, who names the station acted for in the command.
pub(crate) fn supervisor(org: &OrgId) -> Caller {
    caller(org.as_str(), OrgKind::Party, None, Some(&format!("{org}-V")), &[Role::Supervisor])
}

/// The common superior.
pub(crate) fn superior() -> Caller {
    caller("S", OrgKind::Superior, None, Some("S-1"), &[Role::Superior])
}

/// The service itself.
pub(crate) fn service() -> Caller {
    caller("OP", OrgKind::Operator, None, None, &[Role::Service])
}

/// An organisation's admin.
pub(crate) fn admin(org: &str) -> Caller {
    caller(org, OrgKind::Party, None, Some(&format!("{org}-X")), &[Role::Admin])
}

/// Digests good enough to be compared: FNV-1a over what is to be digested, written twice.
pub(crate) struct Fnv;

pub(crate) fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(crate) fn digest_of(what: &impl Debug) -> Digest {
    let text = format!("{what:?}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&fnv(&text).to_be_bytes());
    bytes[8..16].copy_from_slice(&fnv(&format!("again {text}")).to_be_bytes());
    Digest(bytes)
}

impl Digests for Fnv {
    fn form(&self, form: &Form) -> Digest {
        digest_of(form)
    }

    /// Leaves the signer out, so that a test can see that both sides signed one and the same thing.
    fn statement(&self, case: &Case, _signer: &Actor, what: Statement<'_>) -> Digest {
        match what {
            Statement::Transfer(handoff) => {
                let agreed = handoff.agreed().map(|agreed| (agreed.form_digest, agreed.nonce, agreed.seq));
                digest_of(&("transfer", case.id, handoff.id, handoff.version, agreed))
            }
            Statement::Report(body) => digest_of(&("report", case.id, case.tenure, body.report, &body.code)),
            Statement::Confirm { report } => digest_of(&("confirm", case.id, case.tenure, report)),
            Statement::Rule(body) => digest_of(&("rule", case.id, body.ruling, body.handoff, &body.side)),
        }
    }
}

/// Agreement, its number, its two stations and the common superior it names.
const AGREEMENTS: [(u128, &str, &str, Option<&str>); 3] =
    [(1, "A-01", "B-01", Some("S")), (2, "A-02", "B-02", None), (3, "A-01", "C-01", Some("S"))];

pub(crate) const MAP: MapRef = MapRef { id: MapId(Uuid::from_u128(0xA1)), version: 1 };

fn orders_of_station(name: &str) -> Vec<Order> {
    let at = station(name);
    let client = ClientId::new(&format!("cad-{name}")).expect("a legal name");
    let mut orders = vec![
        Order::Station(StationSet {
            station: at.clone(),
            name: Some(label(name)),
            dispatch_client: Some(client),
            site: None,
            retired: false,
        }),
        Order::Post(PostSet {
            post: station(&format!("{name}-P1")),
            station: at.clone(),
            name: None,
            site: None,
            retired: false,
        }),
        Order::Officer(OfficerSet {
            officer: officer(&format!("{name}-D1")),
            station: at.clone(),
            roles: vec![Role::DutyOfficer],
            retired: false,
        }),
        Order::Catalogue(CatalogueSet {
            station: at.clone(),
            table: label("own"),
            version: label("1"),
            entries: Vec::new(),
        }),
    ];
    for unit in ["U1", "U2"] {
        let unit = UnitId::new(&format!("{name}-{unit}")).expect("a legal name");
        orders.push(Order::Unit(UnitSet { unit, station: at.clone(), skills: Vec::new(), site: None, retired: false }));
    }
    orders
}

fn orders_of_pair(id: u128, a: &str, b: &str, common: Option<&str>) -> [(Caller, Order); 2] {
    let agreement = AgreementId(Uuid::from_u128(id));
    let terms = AgreementProposed {
        agreement,
        version: 1,
        a: seat(a),
        b: seat(b),
        superior: common.map(org),
        level: Level::Attested,
        timers: None,
        map: None,
        grid7: None,
        caller_days: None,
        text_days: None,
    };
    let ratified = AgreementRatified { agreement, version: 1 };
    [(admin(&a[..1]), Order::ProposeAgreement(terms)), (admin(&b[..1]), Order::RatifyAgreement(ratified))]
}

/// Takes one order; the events it led to are returned.
pub(crate) fn order(directory: &mut Directory, caller: &Caller, order: &Order, now: Millis) -> Option<Vec<Event>> {
    let events = decide_order(directory, caller, order, None, now).ok()?;
    for event in &events {
        directory.apply(event, Some(digest_of(&event.body))).expect("an order's event follows on its stream");
    }
    Some(events)
}

/// The directory of the world and the events that made it.
pub(crate) fn directory() -> (Directory, Vec<Event>) {
    let (mut directory, mut events) = (Directory::default(), Vec::new());
    let mut orders: Vec<(Caller, Order)> = Vec::new();
    for (org, name) in STATIONS {
        orders.extend(orders_of_station(name).into_iter().map(|order| (admin(org), order)));
    }
    for (id, a, b, common) in AGREEMENTS {
        orders.extend(orders_of_pair(id, a, b, common));
    }
    let published = MapPublished {
        map: MAP,
        digest: digest_of(&"map"),
        areas: digest_of(&"areas"),
        area_count: 2,
        parties: vec![org("A"), org("B")],
    };
    orders.push((admin("A"), Order::PublishMap(published)));
    orders.push((admin("B"), Order::RatifyMap(MapRatified { map: MAP })));
    for (admin, asked) in &orders {
        events.extend(order(&mut directory, admin, asked, START).expect("the world's own orders are legal"));
    }
    (directory, events)
}
