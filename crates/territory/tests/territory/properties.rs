//! Properties: nothing panics, and a point clearly inside is its owner's.

use handoff_territory::{
    BoundaryFile, BoundaryMap, CheckOptions, CollapsedRings, Datum, Index, MapError, ParseOptions, Position, Query,
    Reason, Standing, Verdict, check, distance_m,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::maps::{at, claimed, index, map, ring};

/// Small whole numbers meet often: points met again, sides along sides, corners on sides.
fn lattice_ring() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((0_u8..6, 0_u8..6).prop_map(|(x, y)| (f64::from(x), f64::from(y))), 0..9)
}

/// Any number at all, mostly in range.
fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -180.0..180.0, 1 => any::<f64>(), 1 => prop::sample::select(vec![0.0, -0.0, 90.0, -90.0, 180.0, -180.0, f64::MIN_POSITIVE])]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["WGS84", "FeatureCollection", "Feature", "Polygon", "MultiPolygon", "W", ""])
            .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "features",
        "geometry",
        "coordinates",
        "properties",
        "id",
        "name",
        "station",
        "shared",
        "datum",
        "crs",
        "version",
        "band_m",
        "fallback_points",
        "lon",
        "lat",
        "radius_m",
    ]);
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A sound ring: corners of a star around a middle, at growing angles.
fn star(middle: (f64, f64), radii: &[f64]) -> Vec<(f64, f64)> {
    let count = f64::from(u32::try_from(radii.len()).unwrap());
    let mut points: Vec<(f64, f64)> = radii
        .iter()
        .zip(0_u32..)
        .map(|(radius, corner)| {
            let angle = std::f64::consts::TAU * f64::from(corner) / count;
            (middle.0 + radius * angle.cos(), middle.1 + radius * angle.sin())
        })
        .collect();
    points.push(points[0]);
    points
}

/// Everything that can be done with a map that was read, on some points.
fn exercise(map: BoundaryMap) -> Result<(), TestCaseError> {
    for area in map.areas() {
        for ring in area.rings() {
            prop_assert!(ring.len() >= 4 && ring.first() == ring.last());
        }
    }
    let corners: Vec<Position> =
        map.areas().iter().flat_map(handoff_territory::Area::rings).flatten().copied().collect();
    let index = Index::new(map);
    for corner in corners {
        let answer = index.owners(corner, index.map().datum(), 0.0);
        prop_assert!(answer.standing != Standing::Owned || answer.claimants.len() == 1);
        prop_assert!(answer.standing != Standing::Shared || !answer.claimants.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = BoundaryMap::parse(&bytes, &ParseOptions::default());
    }

    #[test]
    fn no_json_panics(mut value in any_json()) {
        let _ = BoundaryMap::parse(value.to_string().as_bytes(), &ParseOptions::default());
        // The same as the features of an otherwise sound map, so that it gets past the front door.
        value = map(vec![json!({"type": "Feature", "id": 1, "properties": {"station": 1}, "geometry": {"type": "Polygon", "coordinates": value}})]);
        let _ = BoundaryMap::parse(value.to_string().as_bytes(), &ParseOptions::default());
    }

    #[test]
    fn a_ring_of_any_numbers_is_read_or_refused_by_name(
        points in prop::collection::vec((coordinate(), coordinate()), 0..8),
        drops in any::<bool>(),
    ) {
        let ring = Value::Array(points.iter().map(|&(lon, lat)| json!([lon, lat])).collect());
        let options = ParseOptions {
            collapsed_rings: if drops { CollapsedRings::Drop } else { CollapsedRings::Refuse },
            ..ParseOptions::default()
        };
        match BoundaryMap::parse(map(vec![claimed("a", "W", vec![ring])]).to_string().as_bytes(), &options) {
            Ok((read, _)) => exercise(read)?,
            Err(MapError::Geometry { faults, .. }) => prop_assert!(faults.iter().all(|fault| fault.ring.area == "a")),
            Err(other) => prop_assert!(matches!(other, MapError::NotGeoJson(_)), "{other}"),
        }
    }

    #[test]
    fn degenerate_rings_are_read_or_refused_and_the_check_survives_them(
        first in prop::collection::vec(lattice_ring(), 0..4),
        second in prop::collection::vec(lattice_ring(), 0..3),
    ) {
        let rings = |rings: &[Vec<(f64, f64)>]| rings.iter().map(|points| ring(points)).collect::<Vec<Value>>();
        for features in [
            vec![claimed("a", "W", rings(&first))],
            vec![claimed("b", "E", rings(&second))],
            vec![claimed("a", "W", rings(&first)), claimed("b", "E", rings(&second)), claimed("c", "W", rings(&second))],
        ] {
            let bytes = map(features).to_string();
            let options = CheckOptions {
                parse: ParseOptions { collapsed_rings: CollapsedRings::Drop, ..ParseOptions::default() },
                ..CheckOptions::default()
            };
            let report = check(&[BoundaryFile { name: "m", bytes: bytes.as_bytes() }], &options);
            for finding in &report.findings {
                prop_assert!(!finding.to_string().is_empty());
            }
            for (_, map) in report.maps {
                exercise(map)?;
            }
        }
    }

    #[test]
    fn a_point_clearly_inside_is_its_owners_and_one_clearly_outside_is_nobodys(
        radii in prop::collection::vec(4.0..8.0_f64, 5..40),
        angle in 0.0..std::f64::consts::TAU,
        share in 0.0..0.7_f64,
        precision_m in 0.0..50.0_f64,
    ) {
        let index = index(&map(vec![claimed("a", "W", vec![ring(&star((0.0, 0.0), &radii))])]));
        // A star with five corners or more and radii of at least 4 holds a circle of 4 cos(36 deg).
        let inside = at(share * 3.0 * angle.cos(), share * 3.0 * angle.sin());
        let ask = |point, asking_station| index.resolve(&Query { point, datum: Datum::Wgs84, precision_m, asking_station });
        let ours = ask(inside, "W");
        let theirs = ask(inside, "E");
        prop_assert_eq!(&ours.areas, &theirs.areas);
        prop_assert_eq!(&ours.claimants, &["W".to_owned()]);
        let is_far = ours.distance_to_border_m.unwrap() > 10.0 + precision_m;
        prop_assert_eq!(ours.verdict, if is_far { Verdict::Ours } else { Verdict::Shared });
        prop_assert_eq!(theirs.verdict, if is_far { Verdict::Theirs } else { Verdict::Shared });
        let outside = ask(at(9.0 * angle.cos(), 9.0 * angle.sin()), "W");
        prop_assert_eq!(outside.verdict, Verdict::Outside);
    }

    #[test]
    fn near_a_border_every_side_is_named_and_beyond_it_only_one(
        jags in prop::collection::vec(-1.0..1.0_f64, 1..30),
        east_m in -60.0..60.0_f64,
        north in 1.0..9.0_f64,
    ) {
        let rows = f64::from(u32::try_from(jags.len() + 1).unwrap());
        let border: Vec<(f64, f64)> =
            jags.iter().zip(1_u32..).map(|(jag, row)| (10.0 + jag, 10.0 * f64::from(row) / rows)).collect();
        let mut west = vec![(0.0, 0.0), (10.0, 0.0)];
        west.extend(&border);
        west.extend([(10.0, 10.0), (0.0, 10.0), (0.0, 0.0)]);
        let mut east = vec![(20.0, 0.0), (10.0, 0.0)];
        east.extend(&border);
        east.extend([(10.0, 10.0), (20.0, 10.0), (20.0, 0.0)]);
        let index = index(&map(vec![claimed("west", "W", vec![ring(&west)]), claimed("east", "E", vec![ring(&east)])]));
        let mut point = at(10.0, north);
        point.lon_deg += east_m / 85_394.0;
        let answer = index.owners(point, Datum::Wgs84, 0.0);
        // The border again, by brute force: every side walked in steps and measured as a geodesic.
        let mut corners = vec![(10.0, 0.0)];
        corners.extend(&border);
        corners.push((10.0, 10.0));
        let walk = corners.windows(2).flat_map(|side| (0..=2000_u32).map(move |step| {
            let along = f64::from(step) / 2000.0;
            at(side[0].0 + along * (side[1].0 - side[0].0), side[0].1 + along * (side[1].1 - side[0].1))
        }));
        let nearest_m = walk.map(|place| distance_m(point, place).unwrap()).fold(f64::INFINITY, f64::min);
        prop_assert!((answer.distance_to_border_m.unwrap() - nearest_m).abs() < 0.4, "{answer:?} {nearest_m}");
        if nearest_m < 9.6 {
            prop_assert_eq!((answer.standing, answer.reason), (Standing::Shared, Some(Reason::Band)));
            prop_assert_eq!(answer.claimants.len(), 2);
        } else if nearest_m > 10.4 {
            prop_assert_eq!(answer.standing, Standing::Owned);
            prop_assert_eq!(answer.claimants.len(), 1);
        }
    }
}
