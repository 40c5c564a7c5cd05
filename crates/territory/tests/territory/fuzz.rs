//! Boundary maps as they are uploaded, given what no tool of maps writes.

use handoff_fuzz::Fuzz;
use handoff_territory::{
    Area, BoundaryFile, BoundaryMap, CheckOptions, CollapsedRings, Datum, Index, MapError, ParseOptions, Position,
    Standing, check,
};
use serde_json::json;

use crate::maps::{area, claimed, map, neighbours, rectangle};

const TOKENS: [&str; 22] = [
    "\"type\":\"Polygon\"",
    "\"type\":\"MultiPolygon\"",
    "\"type\":\"GeometryCollection\",\"geometries\":[]",
    "\"type\":\"Feature\"",
    "\"datum\":\"GCJ-02\"",
    "\"datum\":\"CGCS2000\"",
    "\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"urn:ogc:def:crs:OGC:1.3:CRS84\"}}",
    "\"band_m\":5000",
    "\"band_m\":-0.0",
    "\"fallback_points\":[[87,40],{\"lon\":87,\"lat\":40,\"radius_m\":0}],",
    "\"shared\":true,",
    "\"station\":[],",
    "\"station\":[\"W\",\"E\"],",
    "\"bbox\":[0,0,1,1],",
    "[[87,40],[87,40],[87,40],[87,40]],",
    "[180,90],",
    "[-180,-90],",
    "[87.005,40.005],",
    "[1e308,-1e308],",
    "1e-320",
    "NaN",
    "null,",
];

/// Most corners of one map that are asked about: a map is asked many times, a mutation a few.
const CORNERS_MAX: usize = 24;

fn name_of(error: &MapError) -> String {
    match error {
        MapError::Geometry { faults, .. } => {
            format!("geometry {}", faults.first().map(|fault| format!("{:?}", fault.fault)).unwrap_or_default())
        }
        MapError::NotGeoJson(error) => format!("not GeoJSON {:?}", error.classify()),
        MapError::BadMember { member, expected, .. } => format!("{expected} {}", member.len() < 16),
        other => format!("{other:?}"),
    }
    .split(['{', '(', '"'])
    .next()
    .unwrap_or_default()
    .to_owned()
}

/// Everything that can be done with a map that was read.
fn exercised(map: BoundaryMap) -> String {
    let corners: Vec<Position> = map.areas().iter().flat_map(Area::rings).flatten().copied().collect();
    assert!(corners.iter().all(|corner| corner.is_on_earth()), "every corner is a place on earth");
    for area in map.areas() {
        assert!(!area.claimants().is_empty() && !area.parts().is_empty(), "an area is somebody's and has a surface");
        for ring in area.rings() {
            assert!(ring.len() >= 4 && ring.first() == ring.last(), "a ring is closed");
        }
    }
    let index = Index::new(map);
    let mut answer = index.map().areas().len().to_string();
    for corner in corners.into_iter().take(CORNERS_MAX) {
        for datum in [index.map().datum(), Datum::Gcj02] {
            let told = index.owners(corner, datum, 10.0);
            assert!(told.standing != Standing::Owned || told.claimants.len() == 1, "owned is by one");
            assert!(told.standing != Standing::Shared || !told.claimants.is_empty(), "shared is by somebody");
            assert!(told.distance_to_border_m.is_none_or(|metres| metres >= 0.0), "a distance is a number from 0");
        }
        answer.push_str(&format!(" {:?}", index.owners(corner, index.map().datum(), 0.0).standing));
    }
    answer.truncate(60);
    answer
}

/// A map is refused by name or can be asked about every corner of it; and two readings give the same map.
#[test]
fn an_upload_is_refused_by_name_or_answers_for_its_corners() {
    let zone = area("zone", json!({"shared": true}), vec![rectangle(2.0, 2.0, 4.0, 4.0)]);
    let holed = claimed("a", "W", vec![rectangle(0.0, 0.0, 9.0, 9.0), rectangle(3.0, 3.0, 6.0, 6.0)]);
    let bow = claimed("b", "E", vec![crate::maps::ring(&[(0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0), (0.0, 0.0)])]);
    let mut fuzz = Fuzz::new(env!("CARGO_MANIFEST_DIR"), "map").tokens(TOKENS).bytes_max(8 * 1024).runs(100_000);
    let with_zone = [neighbours(), vec![zone]].concat();
    for (name, features) in
        [("neighbours", neighbours()), ("a zone", with_zone), ("a hole", vec![holed]), ("a bow", vec![bow])]
    {
        fuzz = fuzz.seed(name, map(features).to_string());
    }
    let dropping = ParseOptions { collapsed_rings: CollapsedRings::Drop, ..ParseOptions::default() };
    fuzz.run(|bytes| {
        let options = if bytes.len().is_multiple_of(2) { &dropping } else { &ParseOptions::default() };
        let read = BoundaryMap::parse(bytes, options);
        match read {
            Err(error) => {
                assert!(!error.to_string().is_empty());
                name_of(&error)
            }
            Ok((map, repairs)) => {
                let (again, _) = BoundaryMap::parse(bytes, options).expect("it was read once");
                assert_eq!(again, map, "the same bytes are the same map");
                let options = CheckOptions { parse: options.clone(), ..CheckOptions::default() };
                let report = check(&[BoundaryFile { name: "m", bytes }], &options);
                format!("{} {} {}", exercised(map), repairs.len().min(3), report.findings.len().min(3))
            }
        }
    });
}
