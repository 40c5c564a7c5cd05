//! Objects of the directory.

use super::Recipient;
use super::values::{geo_point, map_ref, station_ref, text, timer, timestamp};
use crate::v1;
use handoff_domain::directory::{Agreement, Drill, Map, Owned};
use handoff_domain::event::directory::{CatalogueSet, OfficerSet, PostSet, Site, StationSet, UnitSet};
use handoff_domain::ids::{DrillId, OrgId};

fn site(site: &Site) -> v1::GeoPoint {
    geo_point(site.lat7, site.lon7)
}

/// A station; its dispatch client is shown to its own organisation.
#[must_use]
pub fn station(owned: &Owned<StationSet>, recipient: &Recipient) -> v1::Station {
    let Owned { org, is } = owned;
    v1::Station {
        organisation: org.to_string(),
        id: is.station.to_string(),
        name: text(is.name.as_ref()),
        dispatch_client: text(is.dispatch_client.as_ref().filter(|_| recipient.is_own(org))),
        site: is.site.as_ref().map(site),
        retired: is.retired,
    }
}

/// A post.
#[must_use]
pub fn post(owned: &Owned<PostSet>) -> v1::Post {
    let Owned { org, is } = owned;
    v1::Post {
        organisation: org.to_string(),
        id: is.post.to_string(),
        station: is.station.to_string(),
        name: text(is.name.as_ref()),
        site: is.site.as_ref().map(site),
        retired: is.retired,
    }
}

/// A unit; where it usually stands is shown to its own organisation.
#[must_use]
pub fn unit(owned: &Owned<UnitSet>, recipient: &Recipient) -> v1::Unit {
    let Owned { org, is } = owned;
    v1::Unit {
        organisation: org.to_string(),
        id: is.unit.to_string(),
        station: is.station.to_string(),
        skills: is.skills.iter().map(ToString::to_string).collect(),
        site: is.site.as_ref().filter(|_| recipient.is_own(org)).map(site),
        retired: is.retired,
    }
}

/// An officer's pseudonym, for its own organisation; nothing for any other reader.
#[must_use]
pub fn officer(owned: &Owned<OfficerSet>, recipient: &Recipient) -> Option<v1::Officer> {
    let Owned { org, is } = owned;
    (recipient.org == *org).then(|| v1::Officer {
        id: is.officer.to_string(),
        station: is.station.to_string(),
        roles: is.roles.iter().map(ToString::to_string).collect(),
        retired: is.retired,
    })
}

/// One version of an agreement.
#[must_use]
pub fn agreement(agreement: &Agreement) -> v1::Agreement {
    let terms = &agreement.terms;
    v1::Agreement {
        id: terms.agreement.to_string(),
        version: terms.version,
        a: Some(station_ref(&terms.a)),
        b: Some(station_ref(&terms.b)),
        superior: text(terms.superior.as_ref()),
        level: terms.level.to_string(),
        timers: terms.timers.iter().flat_map(handoff_domain::timers::Timers::changes).map(timer).collect(),
        map: terms.map.as_ref().map(map_ref),
        grid7: terms.grid7,
        caller_days: terms.caller_days,
        text_days: terms.text_days,
        proposed_by: agreement.proposed_by.to_string(),
        ratified: agreement.ratified,
    }
}

/// One version of a code table, with or without its entries.
#[must_use]
pub fn catalogue(org: &OrgId, is: &CatalogueSet, with_entries: bool) -> v1::Catalogue {
    let entries = is.entries.iter().filter(|_| with_entries);
    v1::Catalogue {
        organisation: org.to_string(),
        station: is.station.to_string(),
        table: is.table.to_string(),
        version: is.version.to_string(),
        entries: entries
            .map(|entry| v1::CatalogueEntry {
                code: entry.code.to_string(),
                label: text(entry.label.as_ref()),
                mapped: text(entry.mapped.as_ref()),
            })
            .collect(),
    }
}

/// What is known of one version of a boundary map.
#[must_use]
pub fn boundary_map(map: &Map) -> v1::BoundaryMap {
    let published = &map.published;
    v1::BoundaryMap {
        map: Some(map_ref(&published.map)),
        digest: published.digest.to_string(),
        areas_digest: published.areas.to_string(),
        area_count: published.area_count,
        parties: published.parties.iter().map(ToString::to_string).collect(),
        ratified_by: map.ratified_by.iter().map(ToString::to_string).collect(),
        in_force: map.in_force(),
    }
}

/// An exercise.
#[must_use]
pub fn drill(id: DrillId, drill: &Drill) -> v1::Drill {
    v1::Drill {
        id: id.to_string(),
        number: drill.number.to_string(),
        a: Some(station_ref(&drill.a)),
        b: Some(station_ref(&drill.b)),
        start_time: Some(timestamp(drill.from)),
        end_time: Some(timestamp(drill.until)),
        joined: drill.joined,
        ended: drill.ended,
    }
}
