//! What a map must be, what is repaired and what is refused; the ring is always named.

use handoff_territory::{
    BoundaryMap, CollapsedRings, Datum, Fault, MapError, ParseOptions, RepairKind, RingFault, RingRef,
};
use serde_json::{Value, json};

use crate::maps::{area, claimed, map, neighbours, parse, rectangle, ring};

fn faults(map: &Value) -> Vec<RingFault> {
    match parse(map) {
        Err(MapError::Geometry { faults, .. }) => faults,
        other => panic!("expected faults, got {other:?}"),
    }
}

fn name(area: &str, part: usize, ring: usize) -> RingRef {
    RingRef { area: area.into(), part, ring }
}

/// The one fault of a map with one polygon.
fn fault(rings: Vec<Value>) -> (RingRef, Fault) {
    let mut faults = faults(&map(vec![claimed("a", "W", rings)]));
    assert_eq!(faults.len(), 1, "{faults:?}");
    let RingFault { ring, fault } = faults.remove(0);
    (ring, fault)
}

fn repairs(rings: Vec<Value>) -> Vec<(RingRef, RepairKind)> {
    let (_, repairs) = parse(&map(vec![claimed("a", "W", rings)])).unwrap();
    repairs.into_iter().map(|repair| (repair.ring, repair.kind)).collect()
}

#[test]
fn a_sound_map_is_read_without_repairs() {
    let (map, repairs) = parse(&map(neighbours())).unwrap();
    assert!(repairs.is_empty());
    assert_eq!((map.version(), map.datum(), map.band_m()), ("v1", Datum::Wgs84, 10.0));
    assert_eq!(map.stations(), ["E", "W"]);
    assert_eq!(map.areas().iter().map(handoff_territory::Area::name).collect::<Vec<_>>(), ["west", "east"]);
}

#[test]
fn a_map_without_datum_or_version_is_refused() {
    let mut without = map(neighbours());
    without.as_object_mut().unwrap().remove("datum");
    let error = parse(&without).unwrap_err();
    assert!(matches!(error, MapError::NoDatum));
    assert_eq!(
        error.to_string(),
        "boundary map names no datum: add the member \"datum\" with WGS84, CGCS2000 or GCJ02"
    );
    let mut without = map(neighbours());
    without.as_object_mut().unwrap().remove("version");
    assert!(matches!(parse(&without), Err(MapError::NoVersion)));
    let options = ParseOptions { version: Some("v7".into()), ..ParseOptions::default() };
    let (read, _) = BoundaryMap::parse(without.to_string().as_bytes(), &options).unwrap();
    assert_eq!(read.version(), "v7");
}

#[test]
fn coordinates_in_metres_are_refused_with_a_clear_message() {
    let utm =
        json!([[480_000.0, 4_456_000.0], [481_000.0, 4_456_000.0], [481_000.0, 4_457_000.0], [480_000.0, 4_456_000.0]]);
    let error = parse(&map(vec![claimed("a", "W", vec![utm])])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "1 rings cannot be used, the first is area \"a\", part 0, ring 0: vertex 0 (480000, 4456000) is not in \
         degrees, it looks like metres: reproject the map to longitude and latitude"
    );
    let swapped = json!([[40.0, 116.0], [40.1, 116.0], [40.1, 116.1], [40.0, 116.0]]);
    assert!(matches!(fault(vec![swapped]), (_, Fault::Swapped { vertex: 0, .. })));
}

#[test]
fn crossing_rings_are_refused_and_named() {
    let bow_tie = ring(&[(0.0, 0.0), (4.0, 4.0), (4.0, 0.0), (0.0, 4.0), (0.0, 0.0)]);
    let (at, found) = fault(vec![bow_tie.clone()]);
    assert_eq!(at, name("a", 0, 0));
    assert!(
        matches!(&found, Fault::Crosses { with, at } if *with == name("a", 0, 0) && (at.lon_deg - 87.002).abs() < 1e-9)
    );
    let hole = rectangle(8.0, 4.0, 12.0, 6.0);
    let (at, found) = fault(vec![rectangle(0.0, 0.0, 10.0, 10.0), hole]);
    assert_eq!(at, name("a", 0, 0));
    assert!(matches!(found, Fault::Crosses { with, .. } if with == name("a", 0, 1)));
    let two = map(vec![claimed("a", "W", vec![bow_tie.clone()]), claimed("b", "W", vec![bow_tie])]);
    let areas: Vec<String> = faults(&two).into_iter().map(|fault| fault.ring.area).collect();
    assert_eq!(areas, ["a", "b"], "every faulty ring is named in one round");
}

#[test]
fn rings_that_cross_at_a_corner_or_through_a_side_are_refused() {
    // The hole leaves through the outer ring's side at one of its corners and comes back at another.
    let hole = ring(&[(8.0, 4.0), (10.0, 5.0), (12.0, 6.0), (10.0, 7.0), (8.0, 8.0), (8.0, 4.0)]);
    let (_, found) = fault(vec![rectangle(0.0, 0.0, 10.0, 10.0), hole.clone()]);
    assert!(matches!(found, Fault::Crosses { .. }), "{found:?}");
    // The same, and the outer ring has corners there too.
    let outer = ring(&[(0.0, 0.0), (10.0, 0.0), (10.0, 5.0), (10.0, 7.0), (10.0, 10.0), (0.0, 10.0), (0.0, 0.0)]);
    let (_, found) = fault(vec![outer, hole]);
    assert!(matches!(found, Fault::Crosses { .. }), "{found:?}");
}

#[test]
fn a_hole_may_touch_its_outer_ring_at_a_point() {
    let touching = ring(&[(10.0, 5.0), (6.0, 6.0), (6.0, 4.0), (10.0, 5.0)]);
    let (map, _) = parse(&map(vec![claimed("a", "W", vec![rectangle(0.0, 0.0, 10.0, 10.0), touching])])).unwrap();
    assert_eq!(map.areas()[0].parts()[0].holes.len(), 1);
}

#[test]
fn rings_that_run_along_one_another_are_refused() {
    let (at, found) = fault(vec![rectangle(0.0, 0.0, 10.0, 10.0), rectangle(5.0, 5.0, 10.0, 8.0)]);
    assert_eq!(at, name("a", 0, 0));
    assert!(matches!(found, Fault::RunsAlong { with, .. } if with == name("a", 0, 1)));
}

#[test]
fn too_few_points_and_empty_rings_are_refused_by_name() {
    assert_eq!(fault(vec![json!([])]), (name("a", 0, 0), Fault::Empty));
    assert_eq!(fault(vec![]), (name("a", 0, 0), Fault::Empty));
    let two = ring(&[(0.0, 0.0), (1.0, 1.0), (0.0, 0.0)]);
    assert_eq!(fault(vec![two]), (name("a", 0, 0), Fault::TooFewPoints { points: 2 }));
    let one = ring(&[(0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)]);
    assert_eq!(fault(vec![rectangle(0.0, 0.0, 9.0, 9.0), one]), (name("a", 0, 1), Fault::TooFewPoints { points: 1 }));
    let line = json!([[87.0, 40.0], [87.25, 40.25], [87.5, 40.5], [87.0, 40.0]]);
    assert_eq!(fault(vec![line]), (name("a", 0, 0), Fault::NoSurface));
    assert_eq!(fault(vec![json!([[87.0]])]), (name("a", 0, 0), Fault::BadPosition { vertex: 0 }));
    let error =
        parse(&json!({"type": "FeatureCollection", "version": 1, "datum": "WGS84", "features": []})).unwrap_err();
    assert!(matches!(error, MapError::NoAreas));
}

#[test]
fn misplaced_rings_are_refused_by_name() {
    let outer = rectangle(0.0, 0.0, 10.0, 10.0);
    assert_eq!(fault(vec![outer.clone(), rectangle(20.0, 0.0, 21.0, 1.0)]), (name("a", 0, 1), Fault::HoleOutside));
    let nested = fault(vec![outer.clone(), rectangle(2.0, 2.0, 8.0, 8.0), rectangle(4.0, 4.0, 6.0, 6.0)]);
    assert_eq!(nested, (name("a", 0, 2), Fault::HoleInHole { other: name("a", 0, 1) }));
    let mut multi = claimed("a", "W", vec![]);
    multi["geometry"] = json!({"type": "MultiPolygon", "coordinates": [[outer], [rectangle(2.0, 2.0, 8.0, 8.0)]]});
    let found = faults(&map(vec![multi]));
    assert_eq!(found[0].ring, name("a", 1, 0));
    assert_eq!(found[0].fault, Fault::PartInPart { other: name("a", 0, 0) });
    let mut stray = claimed("a", "W", vec![]);
    stray["geometry"] = json!({"type": "MultiPolygon", "coordinates": [
        [rectangle(0.0, 0.0, 10.0, 10.0)],
        [rectangle(20.0, 0.0, 30.0, 10.0), rectangle(2.0, 2.0, 8.0, 8.0)]
    ]});
    let found = faults(&map(vec![stray]));
    assert_eq!((found[0].ring.clone(), found[0].fault.clone()), (name("a", 1, 1), Fault::HoleOutside));
}

#[test]
fn what_encloses_the_same_ground_is_repaired_and_reported() {
    let open = ring(&[(0.0, 0.0), (9.0, 0.0), (9.0, 9.0)]);
    assert_eq!(repairs(vec![open]), [(name("a", 0, 0), RepairKind::Closed)]);
    let doubled = ring(&[(0.0, 0.0), (9.0, 0.0), (9.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 0.0), (0.0, 0.0)]);
    assert_eq!(repairs(vec![doubled]), [(name("a", 0, 0), RepairKind::DuplicatesRemoved { count: 3 })]);
    let clockwise = ring(&[(0.0, 0.0), (9.0, 9.0), (9.0, 0.0), (0.0, 0.0)]);
    assert_eq!(repairs(vec![clockwise]), [(name("a", 0, 0), RepairKind::Rewound)]);
    let spike = ring(&[(0.0, 0.0), (9.0, 0.0), (18.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 0.0)]);
    let (map, _) = parse(&map(vec![claimed("a", "W", vec![spike.clone()])])).unwrap();
    assert_eq!(map.areas()[0].parts()[0].outer.len(), 4);
    assert!(matches!(repairs(vec![spike]).as_slice(), [(_, RepairKind::SpikesRemoved { .. })]));
    let mut high = rectangle(0.0, 0.0, 9.0, 9.0);
    high[1] = json!([87.009, 40.0, 512.0]);
    assert_eq!(repairs(vec![high]), [(name("a", 0, 0), RepairKind::HeightsIgnored)]);
}

#[test]
fn a_ring_that_meets_itself_at_a_point_is_split_there() {
    // A hole drawn as part of the outer ring, over a cut that is walked there and back.
    let keyhole = ring(&[
        (0.0, 0.0),
        (10.0, 0.0),
        (10.0, 10.0),
        (0.0, 10.0),
        (0.0, 0.0),
        (4.0, 4.0),
        (4.0, 6.0),
        (6.0, 6.0),
        (6.0, 4.0),
        (4.0, 4.0),
        (0.0, 0.0),
    ]);
    let (read, _) = parse(&map(vec![claimed("a", "W", vec![keyhole.clone()])])).unwrap();
    assert_eq!(read.areas()[0].parts().len(), 1);
    assert_eq!(read.areas()[0].parts()[0].holes.len(), 1);
    assert!(repairs(vec![keyhole]).contains(&(name("a", 0, 0), RepairKind::Split { into: 2 })));
    let eight = ring(&[(0.0, 0.0), (4.0, 0.0), (2.0, 2.0), (4.0, 4.0), (0.0, 4.0), (2.0, 2.0), (0.0, 0.0)]);
    let (read, _) = parse(&map(vec![claimed("a", "W", vec![eight])])).unwrap();
    assert_eq!(read.areas()[0].parts().len(), 2);
    // The notch's tip lies exactly on the opposite side.
    let notched = json!([[87.0, 40.0], [88.0, 40.0], [88.0, 41.0], [87.5, 40.0], [87.0, 41.0], [87.0, 40.0]]);
    let (read, repairs) = parse(&map(vec![claimed("a", "W", vec![notched])])).unwrap();
    assert_eq!(read.areas()[0].parts().len(), 2);
    assert!(repairs.iter().any(|repair| repair.kind == RepairKind::Split { into: 2 }), "{repairs:?}");
}

#[test]
fn a_collapsed_ring_is_left_out_only_if_asked_and_only_if_a_surface_remains() {
    let speck = ring(&[(20.0, 20.0), (20.0, 20.0)]);
    let mut multi = claimed("a", "W", vec![]);
    multi["geometry"] =
        json!({"type": "MultiPolygon", "coordinates": [[rectangle(0.0, 0.0, 9.0, 9.0)], [speck.clone()]]});
    let drop = ParseOptions { collapsed_rings: CollapsedRings::Drop, ..ParseOptions::default() };
    let bytes = map(vec![multi.clone()]).to_string();
    let (read, repairs) = BoundaryMap::parse(bytes.as_bytes(), &drop).unwrap();
    assert_eq!(read.areas()[0].parts().len(), 1);
    assert_eq!((repairs[0].ring.clone(), repairs[0].kind), (name("a", 1, 0), RepairKind::Dropped));
    assert_eq!(faults(&map(vec![multi]))[0].ring, name("a", 1, 0));
    let bytes = map(vec![claimed("a", "W", vec![speck])]).to_string();
    assert!(matches!(BoundaryMap::parse(bytes.as_bytes(), &drop), Err(MapError::Geometry { .. })));
}

#[test]
fn an_area_needs_a_name_a_station_and_a_surface() {
    let mut nameless = claimed("a", "W", vec![rectangle(0.0, 0.0, 1.0, 1.0)]);
    nameless.as_object_mut().unwrap().remove("id");
    nameless["properties"].as_object_mut().unwrap().remove("name");
    assert!(matches!(parse(&map(vec![nameless])), Err(MapError::NoName { index: 0, .. })));
    let unclaimed = area("a", json!({}), vec![rectangle(0.0, 0.0, 1.0, 1.0)]);
    assert!(matches!(parse(&map(vec![unclaimed])), Err(MapError::NoStation { .. })));
    let mut point = claimed("a", "W", vec![]);
    point["geometry"] = json!({"type": "Point", "coordinates": [87.0, 40.0]});
    assert!(matches!(parse(&map(vec![point])), Err(MapError::NotASurface { found: "Point", .. })));
    let mut none = claimed("a", "W", vec![]);
    none["geometry"] = Value::Null;
    assert!(matches!(parse(&map(vec![none])), Err(MapError::NotASurface { .. })));
    for (key, value) in
        [("station", json!({})), ("station", json!([["W"]])), ("station", json!("")), ("shared", json!("yes"))]
    {
        let odd = area("a", json!({"station": "W", key: value}), vec![rectangle(0.0, 0.0, 1.0, 1.0)]);
        assert!(matches!(parse(&map(vec![odd])), Err(MapError::BadMember { .. })), "{key}");
    }
}

#[test]
fn members_of_the_map_are_checked() {
    for (member, value) in [
        ("band_m", json!(-1)),
        ("band_m", json!("10")),
        ("band_m", json!(1e9)),
        ("version", json!([])),
        ("version", json!("")),
        ("datum", json!("BD09")),
        ("fallback_points", json!([[1]])),
        ("fallback_points", json!([[480_000, 4_400_000]])),
        ("fallback_points", json!({})),
    ] {
        let mut odd = map(neighbours());
        odd[member] = value;
        assert!(parse(&odd).is_err(), "{odd}");
    }
}

#[test]
fn a_map_beyond_a_limit_is_refused_by_that_limit() {
    let bytes = vec![b' '; handoff_territory::limits::MAP_BYTES_MAX + 1];
    assert!(matches!(BoundaryMap::parse(&bytes, &ParseOptions::default()), Err(MapError::TooLarge { .. })));
    let many = vec![
        json!({"type": "Feature", "properties": null, "geometry": null});
        handoff_territory::limits::AREAS_MAX + 1
    ];
    assert!(matches!(parse(&map(many)), Err(MapError::TooManyAreas { .. })));
    let dense = format!("[{}[0,0]]", "[0,0],".repeat(handoff_territory::limits::VERTICES_MAX));
    let dense = format!(
        r#"{{"type":"FeatureCollection","version":"1","datum":"WGS84","features":[{{"type":"Feature","properties":{{"name":"a","station":"s"}},"geometry":{{"type":"Polygon","coordinates":[{dense}]}}}}]}}"#
    );
    assert!(matches!(BoundaryMap::parse(dense.as_bytes(), &ParseOptions::default()), Err(MapError::TooManyVertices)));
}

#[test]
fn a_map_built_to_be_slow_is_refused_or_read_in_time() {
    // Every side's box lies over every other's, and no two sides cross.
    let mut points: Vec<(f64, f64)> = Vec::new();
    for step in 0..20_000 {
        let shift = f64::from(step) * 0.01;
        points.push((shift, 0.0));
        points.push((shift + 1000.0, 1000.0));
    }
    points.push((2000.0, 0.0));
    let slow = map(vec![claimed("a", "W", vec![ring(&points)])]);
    assert!(matches!(parse(&slow), Err(MapError::TooTangled { .. } | MapError::Geometry { .. })));
}
