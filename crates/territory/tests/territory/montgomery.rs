//! A county's police districts against what its dispatchers wrote down, areas as owners.
//!
//! What lies within 10 m of a border is decided here a second time, by another projection (UTM zone
//! 18 north) and by trying every side.

use std::collections::HashMap;
use std::path::Path;

use handoff_territory::{
    AreaKeys, BoundaryMap, CheckOptions, Datum, FallbackPoint, Finding, Index, OverlapKind, ParseOptions, Position,
    Reason, Severity, Standing, check_maps,
};
use serde_json::json;

use crate::data;

/// Where the county's geocoder puts what it cannot place.
const FALLBACK: Position = Position { lon_deg: -75.387_852_5, lat_deg: 40.229_007_5 };

const BAND_M: f64 = 10.0;

struct Call {
    point: Position,
    township: String,
}

fn options() -> ParseOptions {
    ParseOptions {
        keys: AreaKeys { name_key: "Name".into(), station_key: "Name".into(), ..AreaKeys::default() },
        version: Some("county".into()),
        band_m: BAND_M,
        fallback_points: vec![FallbackPoint::new(FALLBACK)],
        ..ParseOptions::default()
    }
}

fn county(folder: &Path) -> BoundaryMap {
    let bytes = std::fs::read(folder.join("montgomery/police_districts.geojson")).unwrap();
    BoundaryMap::parse(&bytes, &options()).unwrap().0
}

fn calls(folder: &Path, file: &str, has_header: bool, township_column: usize) -> Vec<Call> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(has_header)
        .flexible(true)
        .from_path(folder.join("montgomery").join(file))
        .unwrap();
    let read = |record: csv::StringRecord| {
        let number = |column: usize| record.get(column)?.parse().ok();
        let point = Position::new(number(1)?, number(0)?);
        Some(Call { point, township: record.get(township_column)?.to_owned() })
    };
    reader.records().map(Result::unwrap).filter_map(read).collect()
}

fn forces(folder: &Path) -> HashMap<String, String> {
    let mut reader = csv::Reader::from_path(folder.join("montgomery/township_to_force.csv")).unwrap();
    reader.records().map(Result::unwrap).map(|record| (record[0].to_owned(), record[1].to_owned())).collect()
}

/// UTM zone 18 north on WGS 84 by Krüger's series, in metres: good to a millimetre.
fn utm_18n(place: Position) -> [f64; 2] {
    let (flattening, semi_major_m): (f64, f64) = (1.0 / 298.257_223_563, 6_378_137.0);
    let n = flattening / (2.0 - flattening);
    let radius_m = semi_major_m / (1.0 + n) * (1.0 + n * n / 4.0 + n.powi(4) / 64.0);
    let alpha = [
        n / 2.0 - 2.0 / 3.0 * n * n + 5.0 / 16.0 * n.powi(3),
        13.0 / 48.0 * n * n - 3.0 / 5.0 * n.powi(3),
        61.0 / 240.0 * n.powi(3),
    ];
    let (lat, lon) = (place.lat_deg.to_radians(), (place.lon_deg + 75.0).to_radians());
    let c = 2.0 * n.sqrt() / (1.0 + n);
    let t = (lat.sin().atanh() - c * (c * lat.sin()).atanh()).sinh();
    let xi = t.atan2(lon.cos());
    let eta = (lon.sin() / (1.0 + t * t).sqrt()).atanh();
    let (mut north, mut east) = (xi, eta);
    for (order, factor) in [2.0, 4.0, 6.0].into_iter().zip(alpha) {
        north += factor * (order * xi).sin() * (order * eta).cosh();
        east += factor * (order * xi).cos() * (order * eta).sinh();
    }
    [500_000.0 + 0.9996 * radius_m * east, 0.9996 * radius_m * north]
}

/// Metres to the nearest of all sides, by trying every one.
fn distance_to_any_side_m(point: Position, sides: &[[[f64; 2]; 2]]) -> f64 {
    let [x, y] = utm_18n(point);
    let to_side = |[[ax, ay], [bx, by]]: &[[f64; 2]; 2]| {
        let (dx, dy) = (bx - ax, by - ay);
        let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
        (x - ax - along * dx).hypot(y - ay - along * dy)
    };
    sides.iter().map(to_side).fold(f64::INFINITY, f64::min)
}

fn sides(map: &BoundaryMap) -> Vec<[[f64; 2]; 2]> {
    let rings = map.areas().iter().flat_map(handoff_territory::Area::rings);
    rings.flat_map(|ring| ring.windows(2)).map(|side| [utm_18n(side[0]), utm_18n(side[1])]).collect()
}

/// How a file of calls was answered.
#[derive(Debug, Default)]
struct Score {
    scored: usize,
    fallback: usize,
    near: usize,
    near_shared: usize,
    near_names_label: usize,
    far: usize,
    far_agree: usize,
    far_shared: usize,
    worst_distance: f64,
}

fn score(folder: &Path, calls: &[Call]) -> Score {
    let map = county(folder);
    let sides = sides(&map);
    let index = Index::new(map);
    let forces = forces(folder);
    let mut score = Score::default();
    for call in calls {
        let answer = index.owners(call.point, Datum::Wgs84, 0.0);
        if call.point == FALLBACK {
            score.fallback += 1;
            assert_eq!((answer.standing, answer.reason), (Standing::Untrusted, Some(Reason::FallbackPoint)));
            assert!(answer.claimants.is_empty());
            continue;
        }
        let Some(force) = forces.get(&call.township) else { continue };
        score.scored += 1;
        let distance_m = distance_to_any_side_m(call.point, &sides);
        let ours_m = answer.distance_to_border_m.unwrap();
        score.worst_distance = score.worst_distance.max((ours_m - distance_m).abs() / distance_m.max(0.1));
        let is_shared = answer.standing == Standing::Shared;
        if distance_m <= BAND_M {
            score.near += 1;
            score.near_shared += usize::from(is_shared);
            score.near_names_label += usize::from(answer.claimants.contains(force));
            continue;
        }
        score.far += 1;
        score.far_shared += usize::from(is_shared);
        score.far_agree += usize::from(match answer.standing {
            Standing::Owned => answer.claimants == [force.as_str()],
            Standing::Outside => force == "OUTSIDE",
            Standing::Shared | Standing::Untrusted => false,
        });
    }
    println!("{score:?}: {:.2} % agree", share(score.far_agree, score.far) * 100.0);
    score
}

fn share(part: usize, whole: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
}

fn assert_score(score: &Score, agree: f64) {
    assert!(share(score.far_agree, score.far) >= agree, "{score:?}");
    assert!(share(score.far_shared, score.far) <= 0.01, "{score:?}");
    assert!(share(score.near_shared, score.near) >= 0.99, "{score:?}");
    assert!(score.worst_distance < 0.01, "distances agree with UTM within 1 %: {score:?}");
}

#[test]
fn the_first_file_of_calls_agrees_with_the_dispatchers() {
    let Some(folder) = data::folder() else { return };
    let score = score(&folder, &calls(&folder, "calls_a.csv", true, 6));
    assert_eq!((score.scored, score.fallback, score.near), (2836, 28, 367));
    assert_score(&score, 0.98);
}

#[test]
fn the_second_file_of_calls_agrees_with_the_dispatchers() {
    let Some(folder) = data::folder() else { return };
    let score = score(&folder, &calls(&folder, "calls_b.csv", false, 4));
    assert_eq!((score.scored, score.fallback, score.near), (3021, 30, 392));
    assert_score(&score, 0.97);
}

#[test]
fn without_its_datum_the_county_map_is_refused() {
    let Some(folder) = data::folder() else { return };
    let bytes = std::fs::read(folder.join("montgomery/police_districts.geojson")).unwrap();
    let mut map: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    map.as_object_mut().unwrap().remove("crs");
    let error = BoundaryMap::parse(map.to_string().as_bytes(), &options()).unwrap_err();
    assert!(matches!(error, handoff_territory::MapError::NoDatum));
}

#[test]
fn nested_forces_answer_for_themselves() {
    let Some(folder) = data::folder() else { return };
    let index = Index::new(county(&folder));
    for (lon, lat, force) in [
        (-75.262, 40.008, "Narberth Police Department"),
        (-75.277, 40.211, "North Wales Police Department"),
        (-75.285, 40.015, "Lower Merion Police Department"),
    ] {
        let owner = index.owners(Position::new(lon, lat), Datum::Wgs84, 0.0);
        assert_eq!((owner.standing, owner.claimants.as_slice()), (Standing::Owned, [force.to_owned()].as_slice()));
    }
}

/// The county's map with a second force's claim over part of Telford.
fn with_second_claim(folder: &Path) -> BoundaryMap {
    let bytes = std::fs::read(folder.join("montgomery/police_districts.geojson")).unwrap();
    let mut map: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    map["features"].as_array_mut().unwrap().push(json!({
        "type": "Feature", "properties": {"Name": "Across The Line"},
        "geometry": {"type": "Polygon", "coordinates": [[
            [-75.335, 40.320], [-75.325, 40.320], [-75.325, 40.330], [-75.335, 40.330], [-75.335, 40.320]]]}
    }));
    BoundaryMap::parse(map.to_string().as_bytes(), &options()).unwrap().0
}

#[test]
fn a_second_claim_over_telford_names_both_and_chooses_none() {
    let Some(folder) = data::folder() else { return };
    let before = Index::new(county(&folder));
    let after = Index::new(with_second_claim(&folder));
    let mut contested = 0;
    for step in 0..400_u32 {
        let (x, y) = (f64::from(step % 20) / 20.0, f64::from(step / 20) / 20.0);
        let point = Position::new(-75.3349 + x * 0.0098, 40.3201 + y * 0.0098);
        let owner = before.owners(point, Datum::Wgs84, 0.0);
        if owner.standing != Standing::Owned || owner.claimants != ["Telford Police Department"] {
            continue;
        }
        contested += 1;
        let answer = after.owners(point, Datum::Wgs84, 0.0);
        assert_eq!((answer.standing, answer.reason), (Standing::Shared, Some(Reason::Overlap)));
        assert_eq!(answer.claimants, ["Across The Line", "Telford Police Department"]);
    }
    assert!(contested > 20, "{contested} points of Telford lie under the second claim");
}

#[test]
fn the_check_finds_the_county_sound_and_the_second_claim_double() {
    let Some(folder) = data::folder() else { return };
    let options = CheckOptions { parse: options(), ..CheckOptions::default() };
    let findings = check_maps(&[("county", &county(&folder))], &options);
    assert!(findings.iter().all(|finding| finding.severity() < Severity::Error), "{findings:?}");
    for finding in &findings {
        println!("{finding}");
    }
    assert!(findings.is_empty(), "the county's map has no overlap and no gap");
    let findings = check_maps(&[("county", &with_second_claim(&folder))], &options);
    let telford = findings.iter().any(|finding| {
        matches!(finding, Finding::Overlap { first, second, kind: OverlapKind::DoubleClaim, surface_m2, .. }
            if first.area == "Telford Police Department" && second.area == "Across The Line" && *surface_m2 > 1e4)
    });
    assert!(telford, "{findings:?}");
}
