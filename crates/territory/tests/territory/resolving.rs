//! Whose ground a point is.

use std::time::Instant;

use handoff_territory::{
    Answer, AreaKeys, BoundaryMap, Datum, Index, Ownership, ParseOptions, Position, Query, Reason, Standing, Verdict,
    gcj02_from_wgs84, together,
};
use serde_json::{Value, json};

use crate::maps::{area, at, claimed, index, map, neighbours, rectangle, ring};

fn ask(index: &Index, point: Position, precision_m: f64) -> Answer {
    index.resolve(&Query { point, datum: Datum::Wgs84, precision_m, asking_station: "W" })
}

/// A place so many metres west (-) or east (+) of the neighbours' common border.
fn beside_border(metres: f64) -> Position {
    let east_m_per_deg = 85_394.0;
    let mut place = at(10.0, 5.0);
    place.lon_deg += metres / east_m_per_deg;
    place
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn ours_theirs_and_outside_with_the_distance_to_the_border() {
    let index = index(&map(neighbours()));
    let answer = ask(&index, beside_border(-50.0), 0.0);
    assert_eq!(answer.verdict, Verdict::Ours);
    assert_eq!((answer.claimants, answer.areas, answer.map_version.as_str()), (names(&["W"]), names(&["west"]), "v1"));
    assert!((answer.distance_to_border_m.unwrap() - 50.0).abs() < 0.1);
    let answer = ask(&index, beside_border(50.0), 0.0);
    assert_eq!((answer.verdict, answer.claimants), (Verdict::Theirs, names(&["E"])));
    let answer = ask(&index, at(-1.0, 5.0), 0.0);
    assert_eq!((answer.verdict, answer.reason, answer.claimants), (Verdict::Outside, None, vec![]));
    assert!((answer.distance_to_border_m.unwrap() - 85.4).abs() < 0.1);
}

#[test]
fn the_band_is_shared_between_both_sides_and_widened_by_precision() {
    let index = index(&map(neighbours()));
    for (metres, precision_m, verdict) in [
        (-9.9, 0.0, Verdict::Shared),
        (9.9, 0.0, Verdict::Shared),
        (0.0, 0.0, Verdict::Shared),
        (-10.1, 0.0, Verdict::Ours),
        (10.1, 0.0, Verdict::Theirs),
        (-10.1, 1.0, Verdict::Shared),
        (-59.0, 50.0, Verdict::Shared),
        (-61.0, 50.0, Verdict::Ours),
    ] {
        let answer = ask(&index, beside_border(metres), precision_m);
        assert_eq!(answer.verdict, verdict, "{metres} {precision_m}");
        if verdict == Verdict::Shared {
            assert_eq!((answer.reason, answer.claimants), (Some(Reason::Band), names(&["E", "W"])));
        }
    }
    let outer = ask(&index, at(5.0, -0.05), 0.0);
    assert_eq!((outer.verdict, outer.claimants), (Verdict::Shared, names(&["W"])), "the outer edge is a border too");
}

#[test]
fn everyone_whose_border_is_within_reach_is_named_not_only_the_nearest() {
    // A strip of 17 m between two others.
    let index = index(&map(vec![
        claimed("west", "W", vec![rectangle(0.0, 0.0, 10.0, 10.0)]),
        claimed("strip", "E", vec![rectangle(10.0, 0.0, 10.2, 10.0)]),
        claimed("beyond", "X", vec![rectangle(10.2, 0.0, 20.0, 10.0)]),
    ]));
    assert_eq!(ask(&index, beside_border(-5.0), 0.0).claimants, names(&["E", "W"]));
    assert_eq!(ask(&index, beside_border(-5.0), 15.0).claimants, names(&["E", "W", "X"]));
    assert_eq!(ask(&index, beside_border(8.0), 0.0).claimants, names(&["E", "W", "X"]));
}

#[test]
fn with_no_band_only_the_border_itself_is_shared() {
    let mut map = map(neighbours());
    map["band_m"] = json!(0);
    let index = index(&map);
    assert_eq!(ask(&index, at(10.0, 5.0), 0.0).verdict, Verdict::Shared);
    assert_eq!(ask(&index, beside_border(-0.001), 0.0).verdict, Verdict::Ours);
}

#[test]
fn overlapping_claims_name_every_claimant_and_choose_none() {
    let mut features = neighbours();
    features.push(claimed("claim", "X", vec![rectangle(4.0, 4.0, 6.0, 6.0)]));
    features.push(area("both", json!({"station": ["Y", 7]}), vec![rectangle(30.0, 0.0, 40.0, 10.0)]));
    let index = index(&map(features));
    let answer = ask(&index, at(5.0, 5.0), 0.0);
    assert_eq!((answer.verdict, answer.reason), (Verdict::Shared, Some(Reason::Overlap)));
    assert_eq!((answer.claimants, answer.areas), (names(&["W", "X"]), names(&["west", "claim"])));
    let answer = ask(&index, at(35.0, 5.0), 0.0);
    assert_eq!((answer.reason, answer.claimants), (Some(Reason::Overlap), names(&["7", "Y"])));
}

#[test]
fn an_enclave_answers_for_itself_and_an_empty_hole_is_outside() {
    let holed = claimed(
        "west",
        "W",
        vec![rectangle(0.0, 0.0, 20.0, 10.0), rectangle(3.0, 3.0, 7.0, 7.0), rectangle(13.0, 3.0, 17.0, 7.0)],
    );
    let index = index(&map(vec![holed, claimed("enclave", "E", vec![rectangle(3.0, 3.0, 7.0, 7.0)])]));
    assert_eq!(ask(&index, at(5.0, 5.0), 0.0).claimants, names(&["E"]));
    assert_eq!(ask(&index, at(5.0, 5.0), 0.0).verdict, Verdict::Theirs);
    assert_eq!(ask(&index, at(15.0, 5.0), 0.0).verdict, Verdict::Outside);
    assert_eq!(ask(&index, at(10.0, 5.0), 0.0).verdict, Verdict::Ours);
    let edge = ask(&index, at(3.01, 5.0), 0.0);
    assert_eq!((edge.verdict, edge.claimants), (Verdict::Shared, names(&["E", "W"])));
    let edge = ask(&index, at(13.01, 5.0), 0.0);
    assert_eq!((edge.verdict, edge.claimants), (Verdict::Shared, names(&["W"])));
}

#[test]
fn an_embedded_zone_is_shared_with_whoever_lies_around_it() {
    let mut features = neighbours();
    features.push(area("park", json!({"station": "R", "shared": true}), vec![rectangle(4.0, 4.0, 6.0, 6.0)]));
    features.push(area("bridge", json!({"shared": true}), vec![rectangle(30.0, 4.0, 36.0, 6.0)]));
    let index = index(&map(features));
    let answer = ask(&index, at(5.0, 5.0), 0.0);
    assert_eq!((answer.verdict, answer.reason), (Verdict::Shared, Some(Reason::Zone)));
    assert_eq!(answer.claimants, names(&["R", "W"]));
    let answer = ask(&index, at(33.0, 5.0), 0.0);
    assert_eq!(answer.claimants, names(&["E", "R", "W"]), "a zone without a station is everybody's");
}

#[test]
fn what_cannot_be_trusted_claims_nobody() {
    let mut map = map(neighbours());
    map["fallback_points"] = json!([[87.005, 40.005], {"lon": 87.002, "lat": 40.002, "radius_m": 50}]);
    let index = index(&map);
    let west = at(7.0, 7.0);
    for (point, datum, precision_m, reason) in [
        (west, Datum::Unknown, 0.0, Reason::UnknownDatum),
        (at(5.0, 5.0), Datum::Wgs84, 0.0, Reason::FallbackPoint),
        (at(2.4, 2.0), Datum::Wgs84, 0.0, Reason::FallbackPoint),
        (Position::new(f64::NAN, 40.0), Datum::Wgs84, 0.0, Reason::NoSuchPlace),
        (Position::new(87.0, 91.0), Datum::Wgs84, 0.0, Reason::NoSuchPlace),
        (west, Datum::Wgs84, -1.0, Reason::UnusablePrecision),
        (west, Datum::Wgs84, f64::NAN, Reason::UnusablePrecision),
        (west, Datum::Wgs84, f64::INFINITY, Reason::UnusablePrecision),
    ] {
        let answer = index.resolve(&Query { point, datum, precision_m, asking_station: "W" });
        assert_eq!((answer.verdict, answer.reason), (Verdict::Untrusted, Some(reason)));
        assert!(answer.claimants.is_empty() && answer.areas.is_empty() && answer.distance_to_border_m.is_none());
    }
    assert_eq!(ask(&index, west, 0.0).verdict, Verdict::Ours);
    assert_eq!(ask(&index, at(5.0, 5.02), 0.0).verdict, Verdict::Ours, "two metres off a fallback point is a place");
}

#[test]
fn a_forgotten_datum_shift_would_change_the_side_and_a_named_one_does_not() {
    let index = index(&map(neighbours()));
    let west = beside_border(-60.0);
    let shifted = gcj02_from_wgs84(west);
    let ask = |point, datum| index.resolve(&Query { point, datum, precision_m: 0.0, asking_station: "W" });
    assert_eq!(ask(shifted, Datum::Gcj02).verdict, Verdict::Ours);
    assert_eq!(ask(shifted, Datum::Wgs84).verdict, Verdict::Theirs);
    assert_eq!(ask(west, Datum::Cgcs2000).verdict, Verdict::Ours);
    let near = gcj02_from_wgs84(beside_border(-10.5));
    assert_eq!(
        ask(near, Datum::Gcj02).verdict,
        Verdict::Shared,
        "a conversion is good to a metre, the band grows by it"
    );
}

#[test]
fn a_map_in_the_shifted_datum_answers_for_points_in_the_true_one() {
    let shift = |ring: Value| -> Value {
        let points = ring.as_array().unwrap().iter().map(|point| {
            let place = gcj02_from_wgs84(Position::new(point[0].as_f64().unwrap(), point[1].as_f64().unwrap()));
            json!([place.lon_deg, place.lat_deg])
        });
        Value::Array(points.collect())
    };
    let mut map = map(vec![
        claimed("west", "W", vec![shift(rectangle(0.0, 0.0, 10.0, 10.0))]),
        claimed("east", "E", vec![shift(rectangle(10.0, 0.0, 20.0, 10.0))]),
    ]);
    map["datum"] = json!("GCJ-02");
    let index = index(&map);
    assert_eq!(ask(&index, beside_border(-20.0), 0.0).verdict, Verdict::Ours);
    assert_eq!(ask(&index, beside_border(20.0), 0.0).verdict, Verdict::Theirs);
    assert!((ask(&index, beside_border(20.0), 0.0).distance_to_border_m.unwrap() - 20.0).abs() < 0.5);
}

#[test]
fn a_line_between_two_areas_of_one_station_is_no_border() {
    // Three areas: two of W with corners that do not match, one of E beside both. The second time W's
    // two were drawn two centimetres apart.
    for seam in [5.0, 5.0002] {
        let index = index(&map(vec![
            claimed("south", "W", vec![rectangle(0.0, 0.0, 10.0, 5.0)]),
            claimed("north", "W", vec![rectangle(2.0, seam, 12.0, 10.0)]),
            claimed(
                "east",
                "E",
                vec![ring(&[
                    (10.0, 0.0),
                    (20.0, 0.0),
                    (20.0, 10.0),
                    (12.0, 10.0),
                    (12.0, 5.0),
                    (10.0, 5.0),
                    (10.0, 0.0),
                ])],
            ),
        ]));
        let seam = ask(&index, at(6.0, 5.0), 0.0);
        assert_eq!((seam.verdict, seam.claimants), (Verdict::Ours, names(&["W"])));
        assert!(seam.distance_to_border_m.unwrap() > 300.0, "{:?}", seam.distance_to_border_m);
        let between = ask(&index, at(6.0, 5.0001), 0.0);
        assert_eq!((between.verdict, between.claimants), (Verdict::Ours, names(&["W"])));
        let edge = ask(&index, at(1.0, 5.0), 0.0);
        assert_eq!(
            (edge.verdict, edge.reason),
            (Verdict::Shared, Some(Reason::Band)),
            "the same line goes on as outer edge"
        );
        let corner = ask(&index, at(11.0, 5.0), 0.0);
        assert_eq!(corner.claimants, names(&["E", "W"]));
    }
}

#[test]
fn sides_shorter_than_the_band_are_borders_like_any_other() {
    // A staircase of steps under two metres.
    let mut west = vec![(0.0, 0.0), (10.0, 0.0)];
    let mut east = vec![(20.0, 10.0), (20.0, 0.0)];
    for step in 0..500_u32 {
        let north = f64::from(step) * 0.02;
        let jag = if step % 2 == 0 { 10.0 } else { 10.02 };
        west.push((jag, north + 0.01));
    }
    west.push((10.0, 10.0));
    east.extend(west[1..].iter().copied());
    west.extend([(0.0, 10.0), (0.0, 0.0)]);
    east.push((20.0, 10.0));
    let index = index(&map(vec![claimed("west", "W", vec![ring(&west)]), claimed("east", "E", vec![ring(&east)])]));
    assert_eq!(ask(&index, beside_border(-8.0), 0.0).verdict, Verdict::Shared);
    assert_eq!(ask(&index, beside_border(9.0), 0.0).claimants, names(&["E", "W"]));
    assert_eq!(ask(&index, beside_border(-10.5), 0.0).verdict, Verdict::Ours);
    assert_eq!(ask(&index, beside_border(13.0), 0.0).verdict, Verdict::Theirs);
}

#[test]
fn owners_answers_without_an_asking_side() {
    let index = index(&map(neighbours()));
    let owner = index.owners(at(5.0, 5.0), Datum::Wgs84, 0.0);
    assert_eq!((owner.standing, owner.claimants), (Standing::Owned, names(&["W"])));
    assert_eq!(index.owners(at(50.0, 5.0), Datum::Wgs84, 0.0).standing, Standing::Outside);
    let stranger =
        index.resolve(&Query { point: at(5.0, 5.0), datum: Datum::Wgs84, precision_m: 0.0, asking_station: "Z" });
    assert_eq!(stranger.verdict, Verdict::Theirs);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test of speed measures time")]
fn a_question_takes_microseconds() {
    let Some(folder) = crate::data::folder() else { return };
    let bytes = std::fs::read(folder.join("montgomery/police_districts.geojson")).unwrap();
    let keys = AreaKeys { name_key: "Name".into(), station_key: "Municipality".into(), ..AreaKeys::default() };
    let options = ParseOptions { keys, version: Some("county".into()), ..ParseOptions::default() };
    let started = Instant::now();
    let index = Index::new(BoundaryMap::parse(&bytes, &options).unwrap().0);
    let built = started.elapsed();
    let started = Instant::now();
    let questions = 40_000_u32;
    let mut shared = 0;
    for step in 0..questions {
        let (x, y) = (f64::from(step % 200) / 200.0, f64::from(step / 200) / 200.0);
        let answer = ask(&index, Position::new(-75.7 + 0.7 * x, 39.97 + 0.47 * y), 0.0);
        shared += u32::from(answer.verdict == Verdict::Shared);
    }
    let each = started.elapsed() / questions;
    println!("read and indexed in {built:?}, {each:?} a question, {shared} of {questions} shared");
    assert!(each.as_micros() < 200, "{each:?} a question");
}

/// What one map says: standing, claimants.
fn said(standing: Standing, reason: Option<Reason>, claimants: &[&str], border_m: Option<f64>) -> Ownership {
    Ownership {
        standing,
        reason,
        claimants: claimants.iter().map(|name| (*name).to_owned()).collect(),
        areas: claimants.iter().map(|name| format!("area of {name}")).collect(),
        distance_to_border_m: border_m,
        reach_m: 30.0,
        map_version: "1".to_owned(),
    }
}

#[test]
fn of_several_maps_the_least_certain_answer_counts_and_no_claim_is_dropped() {
    let outside = said(Standing::Outside, None, &[], Some(900.0));
    let ours = said(Standing::Owned, None, &["A"], Some(500.0));
    let theirs = said(Standing::Owned, None, &["C"], Some(70.0));
    let band = said(Standing::Shared, Some(Reason::Band), &["A", "B"], Some(10.0));
    let untrusted = said(Standing::Untrusted, Some(Reason::FallbackPoint), &[], None);
    let of = |answers: &[&Ownership]| together(&answers.iter().copied().cloned().collect::<Vec<_>>());
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[&ours]), Some((0, ours.clone())), "one map alone says what it says");
    let (decided, both) = of(&[&outside, &ours]).unwrap();
    assert_eq!((decided, both.standing, both.claimants.as_slice()), (1, Standing::Owned, &["A".to_owned()][..]));
    assert_eq!(both.distance_to_border_m, Some(500.0));
    let (_, two) = of(&[&ours, &theirs]).unwrap();
    assert_eq!((two.standing, two.reason), (Standing::Shared, Some(Reason::MapsDisagree)));
    assert_eq!(two.claimants, ["A", "C"]);
    let (decided, three) = of(&[&theirs, &band]).unwrap();
    assert_eq!((decided, three.standing, three.reason), (1, Standing::Shared, Some(Reason::Band)));
    assert_eq!((three.claimants.len(), three.distance_to_border_m), (3, Some(10.0)));
    let (decided, none) = of(&[&ours, &untrusted, &band]).unwrap();
    assert_eq!((decided, none), (1, untrusted));
}
