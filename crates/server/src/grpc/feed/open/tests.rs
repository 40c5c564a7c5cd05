use super::{Feeds, Reader};
use handoff_domain::directory::{Directory, Owned};
use handoff_domain::event::directory::StationSet;
use handoff_domain::ids::{ClientId, OrgId, StationId, StationRef};
use handoff_domain::time::Millis;

fn seat(station: &str) -> StationRef {
    StationRef { org: OrgId::new("B").unwrap(), station: StationId::new(station).unwrap() }
}

fn directory() -> Directory {
    let mut directory = Directory::default();
    for station in ["B-07", "B-08"] {
        let seat = seat(station);
        let is = StationSet {
            station: seat.station.clone(),
            name: None,
            dispatch_client: ClientId::new(&format!("cad-{station}")),
            site: None,
            retired: false,
        };
        directory.stations.insert(seat.station, Owned { org: seat.org, is });
    }
    directory
}

fn reader(org: &str, client: &str, on_duty: Option<&str>) -> Reader {
    Reader {
        org: OrgId::new(org).unwrap(),
        client: ClientId::new(client).unwrap(),
        on_duty: on_duty.and_then(StationId::new),
    }
}

#[test]
fn a_station_is_connected_by_its_registered_system_or_its_own_duty_officer() {
    let (feeds, directory) = (Feeds::new(Millis(10)), directory());
    let absent = |station: &str| feeds.absent_since(&seat(station), &directory);
    assert_eq!(absent("B-07"), Some(Millis(10)), "as far as this replica has run");
    let others = [reader("B", "cad-B-08", None), reader("A", "cad-B-07", None), reader("A", "web", Some("B-07"))];
    let others = others.map(|other| feeds.open(other));
    assert_eq!((absent("B-07"), absent("B-08")), (Some(Millis(10)), None));
    let system = feeds.open(reader("B", "cad-B-07", None));
    let officer = feeds.open(reader("B", "web", Some("B-07")));
    assert_eq!(absent("B-07"), None);
    feeds.close(system, &directory, Millis(20));
    assert_eq!(absent("B-07"), None, "the officer still looks");
    feeds.close(officer, &directory, Millis(30));
    assert_eq!(absent("B-07"), Some(Millis(30)));
    for other in others {
        feeds.close(other, &directory, Millis(40));
    }
    assert_eq!((absent("B-07"), absent("B-08")), (Some(Millis(30)), Some(Millis(40))));
}
