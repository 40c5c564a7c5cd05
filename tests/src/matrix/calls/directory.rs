//! What is about no incident: the directory and the feed. `Scene::other` names the object an errand prepared.

use super::{in_minutes, wire};
use crate::matrix::cast::Caller;
use crate::matrix::scene::Scene;
use crate::play::{BORDER, id, seat};
use handoff_client::api;
use handoff_domain::caller::Role;
use handoff_evidence::registry::Book;

pub(super) fn request(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    set(name, scene, caller)
        .or_else(|| agree(name, scene))
        .or_else(|| list(name))
        .or_else(|| read(name, scene))
        .or_else(|| drill(name, scene, caller))
}

fn set(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let request_id = id();
    let (named, station) = (format!("A-{}", id()), caller.seat.station().to_owned());
    match name {
        "SetStation" => {
            let station = Some(api::Station { id: named, ..Default::default() });
            wire(&api::SetStationRequest { request_id, station, ..Default::default() })
        }
        "SetPost" => {
            let post = Some(api::Post { id: named, station, ..Default::default() });
            wire(&api::SetPostRequest { request_id, post, ..Default::default() })
        }
        "SetUnit" => {
            let unit = Some(api::Unit { id: named, station, ..Default::default() });
            wire(&api::SetUnitRequest { request_id, unit, ..Default::default() })
        }
        "SetOfficer" => {
            let officer = Some(api::Officer { id: named, station, ..Default::default() });
            wire(&api::SetOfficerRequest { request_id, officer, ..Default::default() })
        }
        "UpdateRegistry" => {
            let (org, officer) = (caller.seat.organisation(), format!("{}-key", caller.seat.organisation()));
            let entry = crate::officers::entry(&officer, &station, &[Role::Responder]).ok()?;
            // The errand left the log's name where a statement would stand.
            let update = crate::officers::update(org, &scene.statement, &mut Book::default(), &[entry]).ok()?;
            wire(&api::UpdateRegistryRequest { request_id, ..update })
        }
        "SetCatalogue" => {
            let entries = vec![api::CatalogueEntry { code: "FIRE".into(), ..Default::default() }];
            let (table, version) = ("kinds".into(), named);
            let catalogue = Some(api::Catalogue { station, table, version, entries, ..Default::default() });
            wire(&api::SetCatalogueRequest { request_id, catalogue, ..Default::default() })
        }
        _ => None,
    }
}

/// Terms between A and B under an id.
pub(crate) fn terms(agreement: String) -> api::Agreement {
    api::Agreement {
        id: agreement,
        version: 1,
        a: Some(seat("A", "A-01")),
        b: Some(seat("B", "B-07")),
        superior: "SUP".into(),
        level: "attested".into(),
        ..Default::default()
    }
}

fn agree(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    let request_id = id();
    let prepared = || Some(api::MapRef { id: scene.other.clone(), version: 1 });
    match name {
        "ProposeAgreement" => {
            let agreement = Some(terms(id()));
            wire(&api::ProposeAgreementRequest { request_id, agreement, ..Default::default() })
        }
        "RatifyAgreement" => {
            let agreement = scene.other.clone();
            wire(&api::RatifyAgreementRequest { request_id, agreement, version: 1, ..Default::default() })
        }
        "PublishMap" => {
            let (map, geojson) = (Some(api::MapRef { id: id(), version: 1 }), BORDER.as_bytes().to_vec());
            wire(&api::PublishMapRequest { request_id, map, geojson, ..Default::default() })
        }
        "RatifyMap" => wire(&api::RatifyMapRequest { request_id, map: prepared(), ..Default::default() }),
        "GetMap" => wire(&api::GetMapRequest { map: prepared() }),
        "DownloadMap" => wire(&api::DownloadMapRequest { map: prepared() }),
        _ => None,
    }
}

fn list(name: &str) -> Option<Vec<u8>> {
    match name {
        "ListStations" => wire(&api::ListStationsRequest::default()),
        "ListPosts" => wire(&api::ListPostsRequest::default()),
        "ListUnits" => wire(&api::ListUnitsRequest::default()),
        "ListOfficers" => wire(&api::ListOfficersRequest::default()),
        "ListAgreements" => wire(&api::ListAgreementsRequest::default()),
        "ListCatalogues" => wire(&api::ListCataloguesRequest::default()),
        "ListMaps" => wire(&api::ListMapsRequest::default()),
        "ListDrills" => wire(&api::ListDrillsRequest::default()),
        _ => None,
    }
}

fn read(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    match name {
        "GetCatalogue" => {
            let (station, table, version) = ("A-01".into(), "kinds".into(), scene.other.clone());
            wire(&api::GetCatalogueRequest { station, table, version })
        }
        "ResolveTerritory" => {
            let point = Some(api::GeoPoint { latitude: 44.1, longitude: 86.1 });
            wire(&api::ResolveTerritoryRequest { point, datum: "WGS84".into(), ..Default::default() })
        }
        "GetRegistry" => wire(&api::GetRegistryRequest {}),
        "Watch" => wire(&api::WatchRequest::default()),
        "GetPosition" => wire(&api::GetPositionRequest {}),
        "GetCheckpoint" => wire(&api::GetCheckpointRequest::default()),
        "ProveConsistency" => wire(&api::ProveConsistencyRequest { old_size: 1, new_size: 1 }),
        "StreamEntries" => wire(&api::StreamEntriesRequest::default()),
        "SubmitCosignature" => wire(&api::SubmitCosignatureRequest::default()),
        "SubmitRefusal" => wire(&api::SubmitRefusalRequest::default()),
        // The errand left a token of the feed where a statement would stand.
        "Commit" => wire(&api::CommitRequest { resume_token: scene.statement.clone() }),
        _ => None,
    }
}

fn drill(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let request_id = id();
    match name {
        "OpenDrill" => {
            let (drill, number, with) = (id(), "D-1".into(), caller.seat.other().station().into());
            let (start_time, end_time) = (in_minutes(0), in_minutes(60));
            wire(&api::OpenDrillRequest { request_id, drill, number, with, start_time, end_time, ..Default::default() })
        }
        "JoinDrill" => {
            let drill = scene.other.clone();
            wire(&api::JoinDrillRequest { request_id, drill, ..Default::default() })
        }
        "EndDrill" => {
            let drill = scene.other.clone();
            wire(&api::EndDrillRequest { request_id, drill, ..Default::default() })
        }
        _ => None,
    }
}
