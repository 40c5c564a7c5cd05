//! GCJ-02 against published vectors.

use handoff_territory::{Datum, Position, distance_m, gcj02_from_wgs84, wgs84_from_gcj02};
use serde_json::Value;

use crate::data;

fn read(file: &str) -> Option<Value> {
    let path = data::folder()?.join("gcj02").join(file);
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn pair(value: &Value) -> Option<Position> {
    if let Some([lon, lat]) = value.as_array().map(Vec::as_slice) {
        return Some(Position::new(lon.as_f64()?, lat.as_f64()?));
    }
    Some(Position::new(value.get("lng")?.as_f64()?, value.get("lat")?.as_f64()?))
}

#[test]
fn six_hundred_chinese_places_agree_within_a_metre_both_ways() {
    let Some(cities) = read("china_cities.json") else { return };
    let cities = cities.as_array().unwrap();
    assert_eq!(cities.len(), 664);
    let mut worst_m: f64 = 0.0;
    let mut least_shift_m = f64::INFINITY;
    for city in cities {
        let wgs84 = pair(&city["coords"]["WGS84"]).unwrap();
        let gcj02 = pair(&city["coords"]["GCJ02"]).unwrap();
        worst_m = worst_m.max(distance_m(gcj02, gcj02_from_wgs84(wgs84)).unwrap());
        worst_m = worst_m.max(distance_m(wgs84, wgs84_from_gcj02(gcj02)).unwrap());
        least_shift_m = least_shift_m.min(distance_m(wgs84, gcj02).unwrap());
    }
    println!("worst {worst_m:.3} m, least shift {least_shift_m:.1} m");
    assert!(worst_m <= 1.0, "{worst_m} m");
    assert!(least_shift_m > 80.0, "the vectors would not show a forgotten shift");
}

#[test]
fn the_vectors_agree_within_a_metre_both_ways() {
    let Some(file) = read("vectors.json") else { return };
    let mut seen = 0;
    for vector in file["vectors"].as_array().unwrap() {
        let (Some(wgs84), Some(gcj02)) = (vector.get("wgs84").and_then(pair), vector.get("gcj02").and_then(pair))
        else {
            continue;
        };
        seen += 1;
        let id = vector["id"].as_str().unwrap();
        // The one-step inverse is itself off by some metres, says the file.
        if id != "ct-inverse-one-step" {
            let off_m = distance_m(gcj02, gcj02_from_wgs84(wgs84)).unwrap();
            assert!(off_m <= 1.0, "{id} forward {off_m} m");
            let off_m = distance_m(wgs84, wgs84_from_gcj02(gcj02)).unwrap();
            assert!(off_m <= 0.5, "{id} inverse {off_m} m");
        }
        if let Some(tolerance_deg) = vector.get("forward_tolerance_deg").and_then(Value::as_f64) {
            let ours = Datum::Wgs84.convert(wgs84, Datum::Gcj02).unwrap();
            assert!((ours.lon_deg - gcj02.lon_deg).abs() <= tolerance_deg, "{id}");
            assert!((ours.lat_deg - gcj02.lat_deg).abs() <= tolerance_deg, "{id}");
        }
    }
    assert_eq!(seen, 5);
    let distance = &file["distance_vector"];
    let measured_m = distance_m(pair(&distance["from"]).unwrap(), pair(&distance["to"]).unwrap()).unwrap();
    // The vector is on a sphere; ours is the ellipsoid.
    assert!((measured_m / distance["metres"].as_f64().unwrap() - 1.0).abs() < 0.005);
}
