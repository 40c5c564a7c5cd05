//! From bytes to a sound [`BoundaryMap`].

use geojson::{Feature, FeatureCollection, Geometry, GeometryValue, JsonObject, JsonValue};

use crate::crs::read_datum;
use crate::error::{MapError, Repair};
use crate::limits::{
    AREAS_MAX, BAND_MAX_M, CLAIMANTS_PER_AREA_MAX, FALLBACK_POINTS_MAX, FALLBACK_RADIUS_MAX_M, MAP_BYTES_MAX,
    TEXT_BYTES_MAX, VERTICES_MAX,
};
use crate::map::{Area, AreaKeys, BoundaryMap, FALLBACK_RADIUS_DEFAULT_M, FallbackPoint, ParseOptions};
use crate::position::Position;
use crate::rings::{Log, build_parts};

type Rings = Vec<Vec<geojson::Position>>;

/// See [`BoundaryMap::parse`].
pub(crate) fn parse(bytes: &[u8], options: &ParseOptions) -> Result<(BoundaryMap, Vec<Repair>), MapError> {
    if bytes.len() > MAP_BYTES_MAX {
        return Err(MapError::TooLarge { bytes: bytes.len() });
    }
    let collection: FeatureCollection = serde_json::from_slice(bytes).map_err(MapError::NotGeoJson)?;
    let members = collection.foreign_members.as_ref();
    let datum = read_datum(members)?;
    let version = read_version(members, options)?;
    let band_m = read_band_m(members, options)?;
    let fallback_points = read_fallback_points(members, options)?;
    let (areas, repairs) = read_areas(collection.features, options)?;
    Ok((BoundaryMap { version, datum, band_m, fallback_points, areas }, repairs))
}

fn read_areas(features: Vec<Feature>, options: &ParseOptions) -> Result<(Vec<Area>, Vec<Repair>), MapError> {
    if features.is_empty() {
        return Err(MapError::NoAreas);
    }
    if features.len() > AREAS_MAX {
        return Err(MapError::TooManyAreas { areas: features.len() });
    }
    let mut log = Log::default();
    let mut areas = Vec::with_capacity(features.len());
    let mut vertices = 0;
    for (index, feature) in features.into_iter().enumerate() {
        let Names { id, name, claimants, is_shared } = read_names(index, &feature, &options.keys)?;
        let polygons = read_polygons(&id, feature.geometry)?;
        vertices += polygons.iter().flatten().map(Vec::len).sum::<usize>();
        if vertices > VERTICES_MAX {
            return Err(MapError::TooManyVertices);
        }
        if let Some(parts) = build_parts(&id, &polygons, options.collapsed_rings, &mut log)? {
            areas.push(Area { id, name, claimants, is_shared, parts });
        }
    }
    if !log.faults.is_empty() {
        return Err(MapError::Geometry { faults: log.faults, more: log.more });
    }
    claim_open_zones(&mut areas)?;
    Ok((areas, log.repairs))
}

/// A shared zone that names no station is claimed by every station of the map.
fn claim_open_zones(areas: &mut [Area]) -> Result<(), MapError> {
    let mut stations: Vec<String> = areas.iter().flat_map(|area| area.claimants.iter().cloned()).collect();
    stations.sort_unstable();
    stations.dedup();
    for zone in areas.iter_mut().filter(|area| area.claimants.is_empty()) {
        if stations.is_empty() {
            return Err(MapError::NoStation { area: zone.id.clone(), key: "station".into() });
        }
        if stations.len() > CLAIMANTS_PER_AREA_MAX {
            return Err(MapError::TooManyClaimants { area: zone.id.clone() });
        }
        zone.claimants.clone_from(&stations);
    }
    Ok(())
}

fn read_polygons(area: &str, geometry: Option<Geometry>) -> Result<Vec<Rings>, MapError> {
    let refuse = |found| Err(MapError::NotASurface { area: area.to_owned(), found });
    match geometry.map(|geometry| geometry.value) {
        None => refuse("feature without geometry"),
        Some(GeometryValue::Polygon { coordinates }) => Ok(vec![coordinates]),
        Some(GeometryValue::MultiPolygon { coordinates }) => Ok(coordinates),
        Some(GeometryValue::Point { .. }) => refuse("Point"),
        Some(GeometryValue::MultiPoint { .. }) => refuse("MultiPoint"),
        Some(GeometryValue::LineString { .. }) => refuse("LineString"),
        Some(GeometryValue::MultiLineString { .. }) => refuse("MultiLineString"),
        Some(GeometryValue::GeometryCollection { .. }) => refuse("GeometryCollection"),
    }
}

/// What a feature says about itself beside its geometry.
struct Names {
    id: String,
    name: String,
    claimants: Vec<String>,
    is_shared: bool,
}

fn read_names(index: usize, feature: &Feature, keys: &AreaKeys) -> Result<Names, MapError> {
    let place = || format!("feature {index}");
    let own_id = match &feature.id {
        None => None,
        Some(geojson::feature::Id::String(id)) => Some(id.clone()),
        Some(geojson::feature::Id::Number(id)) => Some(id.to_string()),
    };
    let own_id = match own_id {
        Some(id) => Some(checked_text(&place(), "id", id)?),
        None => text_property(feature, &keys.id_key, &place)?,
    };
    let name = text_property(feature, &keys.name_key, &place)?;
    let (id, name) = match (own_id, name) {
        (Some(id), Some(name)) => (id, name),
        (Some(only), None) | (None, Some(only)) => (only.clone(), only),
        (None, None) => return Err(MapError::NoName { index, key: keys.name_key.clone() }),
    };
    let is_shared = match property(feature, &keys.shared_key) {
        None => false,
        Some(JsonValue::Bool(is_shared)) => *is_shared,
        Some(_) => return Err(bad(&area_place(&id), &keys.shared_key, "true or false")),
    };
    let claimants = read_claimants(&id, feature, &keys.station_key)?;
    if claimants.is_empty() && !is_shared {
        return Err(MapError::NoStation { area: id, key: keys.station_key.clone() });
    }
    Ok(Names { id, name, claimants, is_shared })
}

fn read_claimants(id: &str, feature: &Feature, key: &str) -> Result<Vec<String>, MapError> {
    const EXPECTED: &str = "a station or a list of stations, each a text or a number";
    let place = area_place(id);
    let values = match property(feature, key) {
        None => return Ok(Vec::new()),
        Some(JsonValue::Array(values)) => values.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    if values.len() > CLAIMANTS_PER_AREA_MAX {
        return Err(MapError::TooManyClaimants { area: id.to_owned() });
    }
    let mut claimants = values
        .iter()
        .map(|value| checked_text(&place, key, plain_text(value).ok_or_else(|| bad(&place, key, EXPECTED))?))
        .collect::<Result<Vec<String>, MapError>>()?;
    claimants.sort_unstable();
    claimants.dedup();
    Ok(claimants)
}

fn property<'a>(feature: &'a Feature, key: &str) -> Option<&'a JsonValue> {
    feature.properties.as_ref()?.get(key).filter(|value| !value.is_null())
}

fn text_property(feature: &Feature, key: &str, place: &impl Fn() -> String) -> Result<Option<String>, MapError> {
    let Some(value) = property(feature, key) else { return Ok(None) };
    let text = plain_text(value).ok_or_else(|| bad(&place(), key, "a text or a number"))?;
    checked_text(&place(), key, text).map(Some)
}

fn plain_text(value: &JsonValue) -> Option<String> {
    match value {
        JsonValue::String(text) => Some(text.clone()),
        JsonValue::Number(number) => Some(number.to_string()),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Array(_) | JsonValue::Object(_) => None,
    }
}

fn checked_text(place: &str, key: &str, text: String) -> Result<String, MapError> {
    if text.trim().is_empty() || text.len() > TEXT_BYTES_MAX {
        return Err(bad(place, key, "a text of 1 to 256 bytes"));
    }
    Ok(text)
}

fn area_place(id: &str) -> String {
    format!("area {id:?}")
}

fn bad(place: &str, member: &str, expected: &'static str) -> MapError {
    MapError::BadMember { place: place.to_owned(), member: member.to_owned(), expected }
}

const MAP: &str = "boundary map";

fn member<'a>(members: Option<&'a JsonObject>, key: &str) -> Option<&'a JsonValue> {
    members?.get(key).filter(|value| !value.is_null())
}

fn read_version(members: Option<&JsonObject>, options: &ParseOptions) -> Result<String, MapError> {
    let version = match member(members, "version") {
        Some(value) => plain_text(value).ok_or_else(|| bad(MAP, "version", "a text or a number"))?,
        None => options.version.clone().ok_or(MapError::NoVersion)?,
    };
    checked_text(MAP, "version", version)
}

fn read_band_m(members: Option<&JsonObject>, options: &ParseOptions) -> Result<f64, MapError> {
    const EXPECTED: &str = "a number of metres from 0 to 5000";
    let band_m = match member(members, "band_m") {
        Some(value) => value.as_f64().ok_or_else(|| bad(MAP, "band_m", EXPECTED))?,
        None => options.band_m,
    };
    if (0.0..=BAND_MAX_M).contains(&band_m) { Ok(band_m) } else { Err(bad(MAP, "band_m", EXPECTED)) }
}

fn read_fallback_points(members: Option<&JsonObject>, options: &ParseOptions) -> Result<Vec<FallbackPoint>, MapError> {
    const EXPECTED: &str = "a list of at most 1000 points, each [lon, lat] or {lon, lat, radius_m}, radius 0 to 5000";
    let refuse = || bad(MAP, "fallback_points", EXPECTED);
    let declared = match member(members, "fallback_points") {
        None => &[],
        Some(JsonValue::Array(values)) => values.as_slice(),
        Some(_) => return Err(refuse()),
    };
    if declared.len() + options.fallback_points.len() > FALLBACK_POINTS_MAX {
        return Err(refuse());
    }
    let declared = declared.iter().map(fallback_point);
    let given = options.fallback_points.iter().copied().map(Some);
    declared
        .chain(given)
        .map(|point| {
            point
                .filter(|point| point.at.is_on_earth() && (0.0..=FALLBACK_RADIUS_MAX_M).contains(&point.radius_m))
                .ok_or_else(refuse)
        })
        .collect()
}

fn fallback_point(value: &JsonValue) -> Option<FallbackPoint> {
    if let Some([lon, lat, ..]) = value.as_array().map(Vec::as_slice) {
        return Some(FallbackPoint::new(Position::new(lon.as_f64()?, lat.as_f64()?)));
    }
    let at = Position::new(value.get("lon")?.as_f64()?, value.get("lat")?.as_f64()?);
    let radius_m = match value.get("radius_m") {
        None | Some(JsonValue::Null) => FALLBACK_RADIUS_DEFAULT_M,
        Some(radius) => radius.as_f64()?,
    };
    Some(FallbackPoint { at, radius_m })
}
