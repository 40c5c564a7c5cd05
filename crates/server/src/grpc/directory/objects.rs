//! Objects of the directory as a caller may see them. Officers are shown to their own organisation and to auditors
//! only, and no list is searched by person.

use crate::grpc::reads::recipient;
use handoff_domain::caller::{Caller, OrgKind};
use handoff_domain::directory::{Agreement, Directory};
use handoff_domain::ids::{MapRef, OfficerId, StationId, StationRef};
use handoff_domain::values::Label;
use handoff_proto::v1;
use handoff_proto::view;
use std::fmt::Display;

pub(super) fn map_ref(map: &MapRef) -> v1::MapRef {
    v1::MapRef { id: map.id.to_string(), version: map.version }
}

/// An object under the key its list is sorted by.
type Keyed<T> = Vec<(String, T)>;

pub(super) fn stations(directory: &Directory, caller: &Caller) -> Keyed<v1::Station> {
    let reader = recipient(caller);
    directory.stations.iter().map(|(id, owned)| (id.to_string(), view::station(owned, &reader))).collect()
}

pub(super) fn posts(directory: &Directory, _caller: &Caller) -> Keyed<v1::Post> {
    directory.posts.iter().map(|(id, owned)| (id.to_string(), view::post(owned))).collect()
}

pub(super) fn units(directory: &Directory, caller: &Caller) -> Keyed<v1::Unit> {
    let reader = recipient(caller);
    directory.units.iter().map(|(id, owned)| (id.to_string(), view::unit(owned, &reader))).collect()
}

pub(super) fn officers(directory: &Directory, caller: &Caller) -> Keyed<v1::Officer> {
    let reader = recipient(caller);
    let seen = |(id, owned)| Some((OfficerId::to_string(id), view::officer(owned, &reader)?));
    directory.officers.iter().filter_map(seen).collect()
}

/// Whether a caller has a part between two stations: one of the two organisations, or an auditor.
fn between(caller: &Caller, a: &StationRef, b: &StationRef) -> bool {
    a.org == caller.org || b.org == caller.org || caller.kind == OrgKind::Audit
}

/// A key that sorts by number.
fn numbered(id: impl Display, number: u64) -> String {
    format!("{id}/{number:020}")
}

pub(super) fn agreements(directory: &Directory, caller: &Caller) -> Keyed<v1::Agreement> {
    let all = directory.agreements.values().flat_map(|versions| versions.values());
    let ours = all.filter(|agreement| {
        let terms = &agreement.terms;
        between(caller, &terms.a, &terms.b) || terms.superior.as_ref() == Some(&caller.org)
    });
    let keyed = |one: &Agreement| (numbered(one.terms.agreement, one.terms.version), view::agreement(one));
    ours.map(keyed).collect()
}

/// Catalogues without their entries.
pub(super) fn catalogues(directory: &Directory, _caller: &Caller) -> Keyed<v1::Catalogue> {
    let named = directory.catalogues.iter().filter_map(|((station, table, version), is)| {
        let key = format!("{station}/{table}/{version}");
        Some((key, view::catalogue(&directory.seat(station)?.org, is, false)))
    });
    named.collect()
}

/// One version of a code table with its entries.
pub(super) fn catalogue(
    directory: &Directory,
    key: &(StationId, Label, Label),
    _caller: &Caller,
) -> Option<v1::Catalogue> {
    Some(view::catalogue(&directory.seat(&key.0)?.org, directory.catalogues.get(key)?, true))
}

pub(super) fn maps(directory: &Directory, _caller: &Caller) -> Keyed<v1::BoundaryMap> {
    directory.maps.iter().map(|((id, version), map)| (numbered(id, *version), view::boundary_map(map))).collect()
}

/// One version of a map; version 0 is the newest in force.
pub(super) fn map(directory: &Directory, asked: &MapRef, _caller: &Caller) -> Option<v1::BoundaryMap> {
    let mut versions = directory.maps.iter().rev().filter(|((id, _), _)| *id == asked.id.0);
    let found = versions.find(|((_, version), map)| match asked.version {
        0 => map.in_force(),
        wanted => *version == wanted,
    });
    found.map(|(_, map)| view::boundary_map(map))
}

/// Exercises, the newest first.
pub(super) fn drills(directory: &Directory, caller: &Caller) -> Keyed<v1::Drill> {
    let ours = directory.drills.iter().filter(|(_, drill)| between(caller, &drill.a, &drill.b));
    ours.map(|(id, drill)| (format!("{:020}/{id}", i64::MAX - drill.from.0), view::drill(*id, drill))).collect()
}
