//! Invented maps for the tests.

#![expect(clippy::needless_pass_by_value, reason = "a call reads like the map it builds")]

use handoff_territory::{BoundaryMap, Index, MapError, ParseOptions, Position, Repair};
use serde_json::{Value, json};

/// Where invented maps are: one thousandth of a degree there is 85 m east and 111 m north.
pub(crate) const LON: f64 = 87.0;
/// See [`LON`].
pub(crate) const LAT: f64 = 40.0;

/// A place in thousandths of a degree from the maps' corner.
pub(crate) fn at(x: f64, y: f64) -> Position {
    Position::new(LON + x / 1000.0, LAT + y / 1000.0)
}

/// Ring coordinates from thousandths of a degree.
pub(crate) fn ring(points: &[(f64, f64)]) -> Value {
    let points = points.iter().map(|&(x, y)| {
        let place = at(x, y);
        json!([place.lon_deg, place.lat_deg])
    });
    Value::Array(points.collect())
}

/// A closed counter-clockwise rectangle.
pub(crate) fn rectangle(west: f64, south: f64, east: f64, north: f64) -> Value {
    ring(&[(west, south), (east, south), (east, north), (west, north), (west, south)])
}

/// A feature with one polygon.
pub(crate) fn area(name: &str, properties: Value, rings: Vec<Value>) -> Value {
    let mut feature = json!({
        "type": "Feature", "id": name, "properties": {"name": name},
        "geometry": {"type": "Polygon", "coordinates": rings}
    });
    for (key, value) in properties.as_object().unwrap() {
        feature["properties"][key] = value.clone();
    }
    feature
}

/// A feature with one polygon, claimed by one station.
pub(crate) fn claimed(name: &str, station: &str, rings: Vec<Value>) -> Value {
    area(name, json!({"station": station}), rings)
}

/// A map of version `v1` in WGS 84 with a band of 10 m.
pub(crate) fn map(features: Vec<Value>) -> Value {
    json!({"type": "FeatureCollection", "version": "v1", "datum": "WGS84", "band_m": 10, "features": features})
}

pub(crate) fn parse(map: &Value) -> Result<(BoundaryMap, Vec<Repair>), MapError> {
    BoundaryMap::parse(map.to_string().as_bytes(), &ParseOptions::default())
}

pub(crate) fn index(map: &Value) -> Index {
    Index::new(parse(map).unwrap().0)
}

/// Two neighbours, 10 thousandths of a degree square each, side by side.
pub(crate) fn neighbours() -> Vec<Value> {
    vec![
        claimed("west", "W", vec![rectangle(0.0, 0.0, 10.0, 10.0)]),
        claimed("east", "E", vec![rectangle(10.0, 0.0, 20.0, 10.0)]),
    ]
}
