//! Stations, posts, units, officers, agreements, maps and drills as their events tell them.

use crate::event::directory::{
    AgreementProposed, CatalogueSet, MapPublished, OfficerSet, PostSet, StationSet, UnitSet,
};
use crate::event::{Body, Event};
use crate::ids::{
    AgreementId, Digest, DrillId, IncidentId, LOG_STREAM, MapRef, OfficerId, OrgId, StationId, StationRef, UnitId,
};
use crate::time::{MINUTE, Millis};
use crate::values::{Label, Terms};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// An object with the organisation whose admin set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned<T> {
    /// The organisation.
    pub org: OrgId,
    /// The object.
    pub is: T,
}

/// A version of an agreement: proposed by one side, in force once the other has ratified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The terms.
    pub terms: AgreementProposed,
    /// Hash of the proposing event, where the reader of the log knows it.
    pub hash: Option<Digest>,
    /// Who proposed it.
    pub proposed_by: OrgId,
    /// In force.
    pub ratified: bool,
}

/// An exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// Its number.
    pub number: Label,
    /// Whose duty officer opened it.
    pub a: StationRef,
    /// Whose has to join.
    pub b: StationRef,
    /// From when.
    pub from: Millis,
    /// Until when.
    pub until: Millis,
    /// The other station has joined.
    pub joined: bool,
    /// Over before its time.
    pub ended: bool,
}

/// A boundary map version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// As published.
    pub published: MapPublished,
    /// Organisations that ratified it; publishing is the publisher's own ratification.
    pub ratified_by: BTreeSet<OrgId>,
}

impl Map {
    /// Whether every party has ratified it.
    #[must_use]
    pub fn in_force(&self) -> bool {
        self.published.parties.iter().all(|org| self.ratified_by.contains(org))
    }
}

/// An organisation's registry of officers' keys, as its newest update tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryHead {
    /// The stream of its updates, which the policy names.
    pub stream: IncidentId,
    /// Version of the update.
    pub version: u64,
    /// Hash of its event, where the reader of the log knows it: the `reg` of every actor checked against it.
    pub event: Option<Digest>,
    /// Root over the entries.
    pub root: Digest,
    /// How many there are.
    pub count: u64,
    /// When the last [`REGISTRY_UPDATES_MAX`] updates were made, oldest first.
    pub times: Vec<Millis>,
}

/// Most updates of one registry in [`REGISTRY_UPDATES_MS`]. Keys change hands of people; each update costs the other side's
/// witness a look at the whole registry.
pub const REGISTRY_UPDATES_MAX: usize = 16;
/// See [`REGISTRY_UPDATES_MAX`]; in milliseconds.
pub const REGISTRY_UPDATES_MS: i64 = 10 * MINUTE;

impl RegistryHead {
    /// Whether another update may come at that time.
    #[must_use]
    pub fn has_room(&self, now: Millis) -> bool {
        let oldest = self.times.first().filter(|_| self.times.len() >= REGISTRY_UPDATES_MAX);
        oldest.is_none_or(|oldest| now.since(*oldest) >= REGISTRY_UPDATES_MS)
    }
}

/// Everything commands are decided under besides the case itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Version of each stream.
    pub versions: BTreeMap<IncidentId, u64>,
    /// Stations by code name.
    pub stations: BTreeMap<StationId, Owned<StationSet>>,
    /// Posts.
    pub posts: BTreeMap<StationId, Owned<PostSet>>,
    /// Units.
    pub units: BTreeMap<UnitId, Owned<UnitSet>>,
    /// Officers' pseudonyms.
    pub officers: BTreeMap<OfficerId, Owned<OfficerSet>>,
    /// Agreements by id and version.
    pub agreements: BTreeMap<AgreementId, BTreeMap<u64, Agreement>>,
    /// Code tables by station, name and version.
    pub catalogues: BTreeMap<(StationId, Label, Label), CatalogueSet>,
    /// Maps by id and version.
    pub maps: BTreeMap<(Uuid, u64), Map>,
    /// Exercises.
    pub drills: BTreeMap<DrillId, Drill>,
    /// When each station's shift began.
    pub shifts: Shifts,
    /// Registries of officers' keys.
    pub registries: BTreeMap<OrgId, RegistryHead>,
}

/// When each station's shift began, for those that have said so.
pub type Shifts = BTreeMap<StationId, Millis>;

/// Namespace of the streams of directory objects: their ids follow from their code names, so that every replica and
/// verifier finds the same stream.
const DIRECTORY_NAMESPACE: Uuid = Uuid::from_u128(0x6861_6e64_6f66_8f66_8000_6469_7265_6374);

/// The stream of a directory object, `station/A-01` and the like.
#[must_use]
pub fn stream_of(kind: &str, name: &str) -> IncidentId {
    IncidentId(Uuid::new_v5(&DIRECTORY_NAMESPACE, format!("{kind}/{name}").as_bytes()))
}

impl Directory {
    /// The station of that name, with its organisation; retired ones too, since old cases name them.
    #[must_use]
    pub fn seat(&self, station: &StationId) -> Option<StationRef> {
        self.stations.get(station).map(|owned| StationRef { org: owned.org.clone(), station: station.clone() })
    }

    /// Agreements in force: of each the newest ratified version.
    pub fn in_force(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.values().filter_map(|versions| versions.values().rev().find(|version| version.ratified))
    }

    /// The agreement in force between two stations.
    #[must_use]
    pub fn agreement(&self, one: &StationRef, other: &StationRef) -> Option<&Agreement> {
        self.in_force().find(|agreement| {
            let (a, b) = (&agreement.terms.a, &agreement.terms.b);
            (a, b) == (one, other) || (a, b) == (other, one)
        })
    }

    /// The first agreement in force that names a station: its timers hold for the incident outside a handoff.
    #[must_use]
    pub fn agreement_of(&self, station: &StationRef) -> Option<&Agreement> {
        self.in_force().find(|agreement| agreement.terms.a == *station || agreement.terms.b == *station)
    }

    /// The map of an agreement: the one it names, else the newest in force that both its organisations are parties of.
    fn map_under(&self, agreement: &Agreement) -> Option<&MapRef> {
        let AgreementProposed { a, b, map, .. } = &agreement.terms;
        let named = map.as_ref().and_then(|map| self.maps.get(&(map.id.0, map.version)));
        named.filter(|map| map.in_force()).or_else(|| self.newest_map(&[&a.org, &b.org])).map(|map| &map.published.map)
    }

    fn newest_map(&self, parties: &[&OrgId]) -> Option<&Map> {
        let of_all = |map: &&Map| parties.iter().all(|org| map.published.parties.contains(org));
        self.maps.values().rev().filter(|map| map.in_force()).find(of_all)
    }

    /// The boundary map between two stations.
    #[must_use]
    pub fn map_between(&self, one: &StationRef, other: &StationRef) -> Option<&MapRef> {
        match self.agreement(one, other) {
            Some(agreement) => self.map_under(agreement),
            None => self.newest_map(&[&one.org, &other.org]).map(|map| &map.published.map),
        }
    }

    /// Every boundary map in force for a station, one of each of its agreements: a place is asked of all of them. A
    /// station without agreements has its organisation's newest.
    #[must_use]
    pub fn maps_of(&self, station: &StationRef) -> Vec<&MapRef> {
        let own = self.in_force().filter(|agreement| agreement.terms.a == *station || agreement.terms.b == *station);
        let mut maps: Vec<&MapRef> = Vec::new();
        for map in own.filter_map(|agreement| self.map_under(agreement)) {
            if !maps.contains(&map) {
                maps.push(map);
            }
        }
        if maps.is_empty() {
            maps.extend(self.newest_map(&[&station.org]).map(|map| &map.published.map));
        }
        maps
    }

    /// Takes one directory event in; others are none of its business.
    ///
    /// # Errors
    /// The event's number does not follow on its stream's last one.
    pub fn apply(&mut self, event: &Event, hash: Option<Digest>) -> Result<(), crate::refusal::Refusal> {
        if !is_directory(&event.body) {
            return Ok(());
        }
        let version = self.versions.entry(event.incident).or_insert(0);
        if event.seq != *version + 1 {
            return Err(crate::refusal::Refusal::new(crate::refusal::Reason::StaleVersion));
        }
        *version = event.seq;
        self.take_in(event, hash);
        Ok(())
    }

    fn take_in(&mut self, event: &Event, hash: Option<Digest>) {
        let org = event.actor.org.clone();
        self.take_own(&event.body, &org);
        if let Body::ShiftBegun(is) = &event.body {
            self.shifts.insert(is.station.clone(), event.at);
        }
        if let Body::RegistryUpdated(is) = &event.body {
            let (stream, version, root, count) = (event.incident, is.version, is.root, is.count);
            let mut times = self.registries.remove(&is.org).map(|head| head.times).unwrap_or_default();
            times.push(event.at);
            let old = times.len().saturating_sub(REGISTRY_UPDATES_MAX);
            times.drain(..old);
            self.registries.insert(is.org.clone(), RegistryHead { stream, version, event: hash, root, count, times });
        }
        self.take_shared(&event.body, &org, hash);
        self.take_drill(&event.body);
    }

    /// Objects of one organisation.
    fn take_own(&mut self, body: &Body, org: &OrgId) {
        let org = org.clone();
        if let Body::StationSet(is) = body {
            self.stations.insert(is.station.clone(), Owned { org, is: is.clone() });
        } else if let Body::PostSet(is) = body {
            self.posts.insert(is.post.clone(), Owned { org, is: is.clone() });
        } else if let Body::UnitSet(is) = body {
            self.units.insert(is.unit.clone(), Owned { org, is: is.clone() });
        } else if let Body::OfficerSet(is) = body {
            self.officers.insert(is.officer.clone(), Owned { org, is: is.clone() });
        } else if let Body::CatalogueSet(is) = body {
            self.catalogues.insert((is.station.clone(), is.table.clone(), is.version.clone()), is.clone());
        }
    }

    /// Agreements and maps: what one side says and the other ratifies.
    fn take_shared(&mut self, body: &Body, org: &OrgId, hash: Option<Digest>) {
        if let Body::AgreementProposed(terms) = body {
            let (proposed_by, ratified) = (org.clone(), terms.a.org == terms.b.org);
            let proposed = Agreement { terms: terms.clone(), hash, proposed_by, ratified };
            self.agreements.entry(terms.agreement).or_default().insert(terms.version, proposed);
        } else if let Body::AgreementRatified(is) = body {
            let versions = self.agreements.get_mut(&is.agreement);
            if let Some(agreement) = versions.and_then(|versions| versions.get_mut(&is.version)) {
                agreement.ratified = true;
            }
        } else if let Body::MapPublished(is) = body {
            let map = Map { published: is.clone(), ratified_by: BTreeSet::from([org.clone()]) };
            self.maps.insert((is.map.id.0, is.map.version), map);
        } else if let Body::MapRatified(is) = body
            && let Some(map) = self.maps.get_mut(&(is.map.id.0, is.map.version))
        {
            map.ratified_by.insert(org.clone());
        }
    }

    fn take_drill(&mut self, body: &Body) {
        if let Body::DrillOpened(is) = body {
            let (a, b, number) = (is.a.clone(), is.b.clone(), is.number.clone());
            let drill = Drill { number, a, b, from: is.from, until: is.until, joined: false, ended: false };
            self.drills.insert(is.drill, drill);
        } else if let Body::DrillJoined(is) = body {
            self.drills.entry(is.drill).and_modify(|drill| drill.joined = true);
        } else if let Body::DrillEnded(is) = body {
            self.drills.entry(is.drill).and_modify(|drill| drill.ended = true);
        }
    }
}

/// Whether an event belongs to the directory, the log's own stream included.
#[must_use]
pub fn is_directory(body: &Body) -> bool {
    matches!(
        body,
        Body::LogOpened(_)
            | Body::LogFenced(_)
            | Body::StationSet(_)
            | Body::PostSet(_)
            | Body::UnitSet(_)
            | Body::OfficerSet(_)
            | Body::AgreementProposed(_)
            | Body::AgreementRatified(_)
            | Body::CatalogueSet(_)
            | Body::MapPublished(_)
            | Body::MapRatified(_)
            | Body::RegistryUpdated(_)
            | Body::ShiftBegun(_)
            | Body::DrillOpened(_)
            | Body::DrillJoined(_)
            | Body::DrillEnded(_)
    )
}

/// Whether a stream is the log's own.
#[must_use]
pub fn is_log(stream: IncidentId) -> bool {
    stream == LOG_STREAM
}

/// The terms of an agreement as they are copied into events.
#[must_use]
pub fn terms_of(agreement: &Agreement) -> Terms {
    Terms {
        agreement: Some(agreement.terms.agreement),
        version: Some(agreement.terms.version),
        hash: agreement.hash,
        superior: agreement.terms.superior.clone(),
        level: Some(agreement.terms.level),
        timers: agreement.terms.timers.clone().filter(|timers| !timers.is_default()),
        caller_days: agreement.terms.caller_days,
        text_days: agreement.terms.text_days,
    }
}
