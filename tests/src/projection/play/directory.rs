//! The directory: two organisations' stations, posts, units, people, terms, code tables, maps and exercises.

use super::{A_ADMIN, A_DUTY, B_ADMIN, B_DUTY};
use crate::matrix::cast::Caller;
use crate::officers;
use crate::play::{BORDER, id, seat};
use crate::projection::look::Look;
use handoff_client::api;
use handoff_domain::caller::Role;
use handoff_domain::time::{DAY, Millis, SECOND};
use handoff_engine::clock::{Clock, SystemClock};
use handoff_evidence::registry::Book;

pub(super) async fn play(look: &mut Look<'_>) -> anyhow::Result<()> {
    objects(look).await?;
    terms(look).await?;
    past(look).await?;
    read(look).await
}

async fn objects(look: &Look<'_>) -> anyhow::Result<()> {
    for (who, name, site) in [(A_ADMIN, "A", 86.11), (B_ADMIN, "B", 86.36)] {
        let (station, site) = (who.seat.station(), Some(api::GeoPoint { latitude: 44.12, longitude: site }));
        let set = api::Station {
            id: station.into(),
            name: format!("{name} main station"),
            dispatch_client: format!("cad-{}", name.to_lowercase()),
            site,
            ..Default::default()
        };
        let request = api::SetStationRequest { request_id: id(), station: Some(set), ..Default::default() };
        look.make(who, "DirectoryService/SetStation", &request).await?;
        for (post, retired) in [("P1", false), ("P2", true)] {
            let (id_, name) = (format!("{station}-{post}"), format!("{name} post"));
            let set = api::Post { id: id_, station: station.into(), name, site, retired, ..Default::default() };
            let request = api::SetPostRequest { request_id: id(), post: Some(set), ..Default::default() };
            look.make(who, "DirectoryService/SetPost", &request).await?;
        }
        for (unit, retired) in [("U3", false), ("U4", true)] {
            let (id_, skills) = (format!("{station}-{unit}"), vec!["PATROL".into()]);
            let set = api::Unit { id: id_, station: station.into(), skills, site, retired, ..Default::default() };
            let request = api::SetUnitRequest { request_id: id(), unit: Some(set), ..Default::default() };
            look.make(who, "DirectoryService/SetUnit", &request).await?;
        }
        let old = api::Station { id: format!("{name}-99"), retired: true, ..Default::default() };
        let request = api::SetStationRequest { request_id: id(), station: Some(old), ..Default::default() };
        look.make(who, "DirectoryService/SetStation", &request).await?;
        for (officer, retired) in [("duty", false), ("gone", true)] {
            let (id_, roles) = (Caller::officer(who.seat, officer), vec!["duty_officer".into()]);
            let set = api::Officer { id: id_, station: station.into(), roles, retired };
            let request = api::SetOfficerRequest { request_id: id(), officer: Some(set), ..Default::default() };
            look.make(who, "DirectoryService/SetOfficer", &request).await?;
        }
        let entry = api::CatalogueEntry { code: "ROAD".into(), label: "road traffic".into(), mapped: "X-1".into() };
        let set = api::Catalogue {
            station: station.into(),
            table: "kinds".into(),
            version: "2026".into(),
            entries: vec![entry],
            ..Default::default()
        };
        let request = api::SetCatalogueRequest { request_id: id(), catalogue: Some(set), ..Default::default() };
        look.make(who, "DirectoryService/SetCatalogue", &request).await?;
    }
    Ok(())
}

/// A proposal that nobody has ratified, with every term in it.
async fn terms(look: &mut Look<'_>) -> anyhow::Result<()> {
    let minute = |minutes: i64| Some(api::Duration { seconds: minutes * 60, nanos: 0 });
    let terms = api::Agreement {
        id: id(),
        version: 1,
        a: Some(seat("A", "A-01")),
        b: Some(seat("B", "B-07")),
        superior: "SUP".into(),
        level: "attested".into(),
        timers: vec![api::Timer { name: "decide".into(), urgent: minute(3), normal: minute(15) }],
        map: look.world.map.clone(),
        grid7: Some(100_000),
        caller_days: Some(30),
        text_days: Some(90),
        ..Default::default()
    };
    look.names.name(&terms.id, "proposal");
    let request = api::ProposeAgreementRequest { request_id: id(), agreement: Some(terms), ..Default::default() };
    look.make(A_ADMIN, "DirectoryService/ProposeAgreement", &request).await.map(drop)
}

/// An exercise of both stations, to which B has agreed; its id.
pub(super) async fn drill(look: &mut Look<'_>, number: &str) -> anyhow::Result<String> {
    let drill = id();
    look.names.name(&drill, number);
    let Millis(now) = SystemClock.now();
    let time = |ms: i64| Some(api::Timestamp { seconds: ms / SECOND, nanos: 0 });
    let open = api::OpenDrillRequest {
        request_id: id(),
        drill: drill.clone(),
        number: number.into(),
        with: "B-07".into(),
        start_time: time(now),
        end_time: time(now + DAY),
        ..Default::default()
    };
    look.make(A_DUTY, "DirectoryService/OpenDrill", &open).await?;
    let join = api::JoinDrillRequest { request_id: id(), drill: drill.clone(), ..Default::default() };
    look.make(B_DUTY, "DirectoryService/JoinDrill", &join).await?;
    Ok(drill)
}

/// One that is over, one under way, and a map that the other side has not ratified.
async fn past(look: &mut Look<'_>) -> anyhow::Result<()> {
    let drill_id = drill(look, "D-1").await?;
    let end = api::EndDrillRequest { request_id: id(), drill: drill_id, ..Default::default() };
    look.make(A_DUTY, "DirectoryService/EndDrill", &end).await?;
    drill(look, "D-2").await?;
    let log = officers::log(&look.world.app)?;
    for (who, org, station) in [(A_ADMIN, "A", "A-01"), (B_ADMIN, "B", "B-07")] {
        let entry = officers::entry(&format!("{org}-key"), station, &[Role::Responder])?;
        let update = officers::update(org, &log, &mut Book::default(), &[entry])?;
        look.make(who, "DirectoryService/UpdateRegistry", &update).await?;
    }
    let map = Some(api::MapRef { id: id(), version: 1 });
    let geojson = BORDER.as_bytes().to_vec();
    let publish = api::PublishMapRequest { request_id: id(), map, geojson, ..Default::default() };
    look.make(A_ADMIN, "DirectoryService/PublishMap", &publish).await.map(drop)
}

async fn read(look: &mut Look<'_>) -> anyhow::Result<()> {
    const ALL: i32 = 50;
    let (page_size, page_token) = (ALL, String::new());
    let token = || page_token.clone();
    look.at("all", "DirectoryService/ListStations", &api::ListStationsRequest { page_size, page_token: token() })
        .await?;
    look.at("all", "DirectoryService/ListPosts", &api::ListPostsRequest { page_size, page_token: token() }).await?;
    look.at("all", "DirectoryService/ListUnits", &api::ListUnitsRequest { page_size, page_token: token() }).await?;
    look.at("all", "DirectoryService/ListOfficers", &api::ListOfficersRequest { page_size, page_token: token() })
        .await?;
    look.at("all", "DirectoryService/ListAgreements", &api::ListAgreementsRequest { page_size, page_token: token() })
        .await?;
    look.at("all", "DirectoryService/ListCatalogues", &api::ListCataloguesRequest { page_size, page_token: token() })
        .await?;
    look.at("all", "DirectoryService/ListMaps", &api::ListMapsRequest { page_size, page_token: token() }).await?;
    look.at("all", "DirectoryService/ListDrills", &api::ListDrillsRequest { page_size, page_token: token() }).await?;
    // A page of one has a next one.
    let (page_size, page_token) = (1, String::new());
    let token = || page_token.clone();
    look.at("one", "DirectoryService/ListStations", &api::ListStationsRequest { page_size, page_token: token() })
        .await?;
    look.at("one", "DirectoryService/ListPosts", &api::ListPostsRequest { page_size, page_token: token() }).await?;
    look.at("one", "DirectoryService/ListUnits", &api::ListUnitsRequest { page_size, page_token: token() }).await?;
    look.at("one", "DirectoryService/ListOfficers", &api::ListOfficersRequest { page_size, page_token: token() })
        .await?;
    look.at("one", "DirectoryService/ListAgreements", &api::ListAgreementsRequest { page_size, page_token: token() })
        .await?;
    look.at("one", "DirectoryService/ListCatalogues", &api::ListCataloguesRequest { page_size, page_token: token() })
        .await?;
    look.at("one", "DirectoryService/ListMaps", &api::ListMapsRequest { page_size, page_token: token() }).await?;
    look.at("one", "DirectoryService/ListDrills", &api::ListDrillsRequest { page_size, page_token: token() }).await?;
    let (station, table, version) = ("A-01".into(), "kinds".into(), "2026".into());
    look.at("A's", "DirectoryService/GetCatalogue", &api::GetCatalogueRequest { station, table, version }).await?;
    let map = look.world.map.clone();
    look.at("own", "DirectoryService/GetRegistry", &api::GetRegistryRequest {}).await?;
    look.at("the map", "DirectoryService/GetMap", &api::GetMapRequest { map: map.clone() }).await?;
    look.at("the map", "DirectoryService/DownloadMap", &api::DownloadMapRequest { map }).await?;
    for (moment, longitude) in [("on their ground", 86.35), ("at the border", 86.2), ("outside", 87.0)] {
        let request = api::ResolveTerritoryRequest {
            point: Some(api::GeoPoint { latitude: 44.1, longitude }),
            datum: "WGS84".into(),
            precision_m: Some(5),
            nearest_count: 2,
            ..Default::default()
        };
        look.at(moment, "DirectoryService/ResolveTerritory", &request).await?;
    }
    Ok(())
}
