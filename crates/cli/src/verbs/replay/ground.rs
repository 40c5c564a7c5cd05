//! The boundary file of a replay: rewritten with the run's stations as the map both sides ratify, and asked for the
//! nearest force, which the service itself never has to know.

use super::call::Spot;
use super::mapping::{AreaRule, Boundaries};
use super::step::minted;
use handoff_domain::ids::{Digest, MapId, MapRef, OrgId, StationId, StationRef};
use handoff_domain::values::Ground as Answer;
use handoff_engine::ground::{QueryPoint, read_map};
use handoff_engine::ids::derived;
use handoff_engine::sealing::sha256;
use handoff_territory::{Datum, Index, Standing};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Longest station name made from an area's name, in bytes; prefixes and officers' suffixes still fit behind it.
const STATION_NAME_BYTES_MAX: usize = 40;

/// Why a boundary file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// Not JSON.
    #[error("the boundary file is not JSON")]
    Json(#[source] serde_json::Error),
    /// No features, or one without the property the mapping names.
    #[error("the boundary file's {0}")]
    Shape(String),
    /// The territory module refuses it.
    #[error("the boundary file cannot be used")]
    Map(#[source] handoff_territory::MapError),
}

/// A station of the map.
#[derive(Clone, Debug)]
pub struct Force {
    /// The station.
    pub seat: StationRef,
    /// The area's name.
    pub name: String,
    /// Whether it takes calls.
    pub receives: bool,
}

/// Whose ground a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The answer.
    pub ground: Answer,
    /// Who claims it.
    pub claimants: Vec<StationRef>,
}

/// The prepared ground of a run.
#[derive(Debug)]
pub struct Ground {
    /// The map's name and version.
    pub map: MapRef,
    /// Its bytes as published.
    pub bytes: Arc<[u8]>,
    /// Their digest.
    pub digest: Digest,
    /// Stations, one for each area, in the file's order.
    pub forces: Vec<Force>,
    index: Index,
    /// One prepared map for each area a receiving station answers for, for the distance to it.
    near: Vec<(StationRef, Index)>,
    /// What the dispatcher's district names mean.
    districts: BTreeMap<String, StationRef>,
}

/// One area of the file with the stations that claim it.
struct Area {
    name: String,
    seats: Vec<StationRef>,
    shared: bool,
    geometry: Value,
}

impl Ground {
    /// Reads a boundary file by its mapping.
    ///
    /// # Errors
    /// [`GroundError`].
    pub fn read(rules: &Boundaries, bytes: &[u8]) -> Result<Self, GroundError> {
        let file: Value = serde_json::from_slice(bytes).map_err(GroundError::Json)?;
        let (forces, areas) = areas(rules, &file)?;
        let crs = file.get("crs").cloned();
        let written = collection(rules, crs.as_ref(), true, &areas.iter().collect::<Vec<_>>());
        let (index, _) = read_map(&written).map_err(GroundError::Map)?;
        let mut near = Vec::new();
        for area in &areas {
            let alone = collection(rules, crs.as_ref(), false, &[area]);
            let receiving = forces.iter().filter(|force| force.receives && area.seats.contains(&force.seat));
            for force in receiving {
                near.push((force.seat.clone(), read_map(&alone).map_err(GroundError::Map)?.0));
            }
        }
        let digest = sha256(&written);
        let map = MapRef { id: MapId(minted(derived(&["replay", "map", &digest.to_string()]))), version: 1 };
        Ok(Self { map, bytes: written.into(), digest, forces, index, near, districts: BTreeMap::new() })
    }

    /// Takes in what district names mean: rows `district, area name`, a header before them. Names of no area are
    /// left out: such a call has no station of this map.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub fn read_districts(&mut self, table: impl std::io::Read) -> Result<(), csv::Error> {
        for record in csv::ReaderBuilder::new().flexible(true).from_reader(table).records() {
            let record = record?;
            let force = self.forces.iter().find(|force| Some(force.name.as_str()) == record.get(1));
            if let (Some(district), Some(force)) = (record.get(0), force) {
                self.districts.insert(district.to_owned(), force.seat.clone());
            }
        }
        Ok(())
    }

    /// Whose ground a place is: the same question the service is asked.
    #[must_use]
    pub fn resolve(&self, spot: &Spot) -> Option<Resolved> {
        let point = query(spot)?;
        let owners = self.index.owners(point.position(), Datum::from_name(&point.datum), 0.0);
        let ground = match owners.standing {
            Standing::Owned => Answer::Claimed,
            Standing::Shared => Answer::Shared,
            Standing::Outside => Answer::Outside,
            Standing::Untrusted => Answer::Untrusted,
        };
        let seat = |name: &String| self.forces.iter().find(|force| force.seat.station.as_str() == name);
        let claimants = owners.claimants.iter().filter_map(seat).map(|force| force.seat.clone()).collect();
        Some(Resolved { ground, claimants })
    }

    /// The receiving station of an organisation whose area is nearest; inside an area it is that one.
    #[must_use]
    pub fn nearest(&self, spot: &Spot, org: &OrgId) -> Option<&StationRef> {
        let point = query(spot)?;
        let distance = |index: &Index| {
            let owners = index.owners(point.position(), Datum::from_name(&point.datum), 0.0);
            match owners.standing {
                Standing::Owned | Standing::Shared => Some(0.0),
                Standing::Outside => owners.distance_to_border_m,
                Standing::Untrusted => None,
            }
        };
        let of_org = self.near.iter().filter(|(seat, _)| seat.org == *org);
        let near = of_org.filter_map(|(seat, index)| distance(index).map(|metres| (seat, metres)));
        near.min_by(|(one, a), (other, b)| a.total_cmp(b).then_with(|| one.cmp(other))).map(|(seat, _)| seat)
    }

    /// The receiving station of an organisation a district's name stands for.
    #[must_use]
    pub fn of_district(&self, district: &str, org: &OrgId) -> Option<&StationRef> {
        let seat = self.districts.get(district).filter(|seat| seat.org == *org)?;
        self.forces.iter().find(|force| force.seat == *seat && force.receives).map(|force| &force.seat)
    }

    /// Digest over the list of areas and their claimants, which both sides ratify.
    #[must_use]
    pub fn areas_digest(&self) -> Digest {
        let areas = self.index.map().areas().iter();
        let lines: Vec<String> =
            areas.map(|area| format!("{}\t{}\t{}", area.id(), area.name(), area.claimants().join(","))).collect();
        sha256(lines.join("\n").as_bytes())
    }

    /// How many areas there are.
    #[must_use]
    pub fn area_count(&self) -> u64 {
        self.index.map().areas().len() as u64
    }
}

fn query(spot: &Spot) -> Option<QueryPoint> {
    let (lat7, lon7) = spot.point?;
    Some(QueryPoint { lat7, lon7, datum: spot.datum.clone(), precision_m: 0 })
}

fn areas(rules: &Boundaries, file: &Value) -> Result<(Vec<Force>, Vec<Area>), GroundError> {
    let shape = |what: &str| GroundError::Shape(what.to_owned());
    let features =
        file.get("features").and_then(Value::as_array).ok_or_else(|| shape("list of features is missing"))?;
    let mut forces: Vec<Force> = Vec::new();
    let mut areas: Vec<(Area, Option<String>)> = Vec::new();
    for feature in features {
        let property = |key: &str| feature.get("properties").and_then(|of| of.get(key)).filter(|is| !is.is_null());
        let name = property(&rules.name_key).and_then(Value::as_str);
        let name = name.ok_or_else(|| GroundError::Shape(format!("feature without {:?}", rules.name_key)))?;
        let number = rules.number_key.as_ref().and_then(|key| property(key)).map(plain);
        let rule = rules.areas.iter().find(|rule| rule.name == name);
        let org = rule.and_then(|rule| rule.organisation.as_ref()).unwrap_or(&rules.organisation);
        let seat = seat(org, number.as_deref().unwrap_or(name)).ok_or_else(|| shape("area name is no code name"))?;
        let known = forces.iter().any(|force| force.seat == seat && force.name != name);
        if known {
            return Err(GroundError::Shape(format!("areas give {} twice", seat.station)));
        }
        let receives = rule.is_none_or(|rule| rule.receives);
        forces.push(Force { seat: seat.clone(), name: name.to_owned(), receives });
        let geometry = feature.get("geometry").cloned().unwrap_or(Value::Null);
        let shared = rule.and_then(|rule: &AreaRule| rule.shared_with.clone());
        areas.push((Area { name: name.to_owned(), seats: vec![seat], shared: shared.is_some(), geometry }, shared));
    }
    let of_name = |name: &str| forces.iter().find(|force| force.name == name).map(|force| force.seat.clone());
    for (area, with) in &mut areas {
        if let Some(with) = with {
            let also = of_name(with).ok_or_else(|| GroundError::Shape(format!("areas do not include {with:?}")))?;
            area.seats.push(also);
        }
    }
    Ok((forces, areas.into_iter().map(|(area, _)| area).collect()))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `MUNI-56`, or `MUNI-NARBERTH-POLICE-DEPARTMENT` where there is no number.
fn seat(org: &str, name: &str) -> Option<StationRef> {
    let mut slug = String::new();
    for letter in name.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => slug.push(letter.to_ascii_uppercase()),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.truncate(STATION_NAME_BYTES_MAX);
    let station = StationId::new(&format!("{org}-{}", slug.trim_end_matches('-')))?;
    Some(StationRef { org: OrgId::new(org)?, station })
}

/// A boundary file of these areas; with the band and the fallback points, or bare, to measure distances with.
fn collection(rules: &Boundaries, crs: Option<&Value>, whole: bool, areas: &[&Area]) -> Vec<u8> {
    let feature = |area: &&Area| {
        let stations: Vec<&str> = area.seats.iter().map(|seat| seat.station.as_str()).collect();
        json!({
            "type": "Feature",
            "id": area.name,
            "properties": {"name": area.name, "station": stations, "shared": area.shared},
            "geometry": area.geometry,
        })
    };
    let mut members = Map::new();
    members.insert("type".to_owned(), json!("FeatureCollection"));
    members.insert("version".to_owned(), json!(rules.version));
    members.insert("band_m".to_owned(), json!(if whole { rules.band_m } else { 0.0 }));
    if whole {
        members.insert("fallback_points".to_owned(), json!(rules.fallback_points));
    }
    match (&rules.datum, crs) {
        (Some(datum), _) => members.insert("datum".to_owned(), json!(datum)),
        (None, Some(crs)) => members.insert("crs".to_owned(), crs.clone()),
        (None, None) => None,
    };
    members.insert("features".to_owned(), Value::Array(areas.iter().map(feature).collect()));
    Value::Object(members).to_string().into_bytes()
}
