//! Objects of the directory as a caller may see them. Officers are shown to their own organisation and to auditors
//! only, and no list is searched by person.

use crate::grpc::reads::recipient;
use handoff_domain::caller::{Caller, OrgKind};
use handoff_domain::directory::Directory;
use handoff_domain::ids::{MapRef, StationRef};
use handoff_proto::v1;
use handoff_proto::view;

pub(super) fn map_ref(map: &MapRef) -> v1::MapRef {
    v1::MapRef { id: map.id.to_string(), version: map.version }
}

pub(super) fn stations(directory: &Directory, caller: &Caller) -> Vec<v1::Station> {
    let reader = recipient(caller);
    directory.stations.values().map(|owned| view::station(owned, &reader)).collect()
}

pub(super) fn posts(directory: &Directory, _caller: &Caller) -> Vec<v1::Post> {
    directory.posts.values().map(view::post).collect()
}

pub(super) fn units(directory: &Directory, caller: &Caller) -> Vec<v1::Unit> {
    let reader = recipient(caller);
    directory.units.values().map(|owned| view::unit(owned, &reader)).collect()
}

pub(super) fn officers(directory: &Directory, caller: &Caller) -> Vec<v1::Officer> {
    let reader = recipient(caller);
    directory.officers.values().filter_map(|owned| view::officer(owned, &reader)).collect()
}

/// Whether a caller has a part between two stations: one of the two organisations, or an auditor.
fn between(caller: &Caller, a: &StationRef, b: &StationRef) -> bool {
    a.org == caller.org || b.org == caller.org || caller.kind == OrgKind::Audit
}

pub(super) fn agreements(directory: &Directory, caller: &Caller) -> Vec<v1::Agreement> {
    let all = directory.agreements.values().flat_map(|versions| versions.values());
    let ours = all.filter(|agreement| {
        let terms = &agreement.terms;
        between(caller, &terms.a, &terms.b) || terms.superior.as_ref() == Some(&caller.org)
    });
    ours.map(view::agreement).collect()
}

/// Catalogues without their entries, for lists.
pub(super) fn catalogues(directory: &Directory, _caller: &Caller) -> Vec<v1::Catalogue> {
    tables(directory, false)
}

pub(super) fn full_catalogues(directory: &Directory, _caller: &Caller) -> Vec<v1::Catalogue> {
    tables(directory, true)
}

fn tables(directory: &Directory, with_entries: bool) -> Vec<v1::Catalogue> {
    let named = directory.catalogues.values().filter_map(|is| {
        let seat = directory.seat(&is.station)?;
        Some(view::catalogue(&seat.org, is, with_entries))
    });
    named.collect()
}

pub(super) fn maps(directory: &Directory, _caller: &Caller) -> Vec<v1::BoundaryMap> {
    directory.maps.values().map(view::boundary_map).collect()
}

pub(super) fn drills(directory: &Directory, caller: &Caller) -> Vec<v1::Drill> {
    let ours = directory.drills.iter().filter(|(_, drill)| between(caller, &drill.a, &drill.b));
    ours.map(|(id, drill)| view::drill(*id, drill)).collect()
}
