use super::*;

/// A rectangle in thousandths of a degree: 85 m east and 111 m north each.
fn feature(id: &str, station: &str, [west, south, east, north]: [f64; 4], extra: &str) -> String {
    let at = |x: f64, y: f64| format!("[{},{}]", 87.0 + x / 1000.0, 40.0 + y / 1000.0);
    let ring = [at(west, south), at(east, south), at(east, north), at(west, north), at(west, south)].join(",");
    format!(
        r#"{{"type":"Feature","id":"{id}","properties":{{"station":"{station}"{extra}}},
        "geometry":{{"type":"Polygon","coordinates":[[{ring}]]}}}}"#
    )
}

fn map(features: &[String]) -> String {
    let features = features.join(",");
    format!(r#"{{"type":"FeatureCollection","version":"1","datum":"WGS84","features":[{features}]}}"#)
}

fn check_all(files: &[(&str, String)]) -> CheckReport {
    let files: Vec<BoundaryFile<'_>> =
        files.iter().map(|(name, text)| BoundaryFile { name, bytes: text.as_bytes() }).collect();
    check(&files, &CheckOptions::default())
}

fn lines(report: &CheckReport) -> Vec<String> {
    report.findings.iter().map(Finding::to_string).collect()
}

#[test]
fn neighbours_that_touch_are_sound() {
    let report = check_all(&[
        ("a.json", map(&[feature("west", "W", [0.0, 0.0, 10.0, 10.0], "")])),
        ("b.json", map(&[feature("east", "E", [10.0, 0.0, 20.0, 10.0], "")])),
    ]);
    assert!(report.findings.is_empty(), "{:?}", lines(&report));
    assert_eq!((report.worst(), report.maps.len()), (None, 2));
}

#[test]
fn ground_that_two_files_claim_is_a_double_claim() {
    let report = check_all(&[
        ("a.json", map(&[feature("west", "W", [0.0, 0.0, 11.0, 10.0], "")])),
        ("b.json", map(&[feature("east", "E", [10.0, 0.0, 20.0, 10.0], "")])),
    ]);
    assert_eq!(report.worst(), Some(Severity::Error));
    let [Finding::Overlap { kind: OverlapKind::DoubleClaim, claimants, surface_m2, .. }] = report.findings.as_slice()
    else {
        panic!("{:?}", lines(&report))
    };
    assert_eq!(claimants, &["E", "W"]);
    assert!((surface_m2 / (85.39 * 1110.4) - 1.0).abs() < 0.01, "{surface_m2}");
    let line = lines(&report).remove(0);
    assert!(line.starts_with("double claim: \"west\" (a.json) and \"east\" (b.json) share 94"), "{line}");
}

#[test]
fn overlaps_of_one_station_and_with_zones_are_notes() {
    let report = check_all(&[(
        "a.json",
        map(&[
            feature("one", "W", [0.0, 0.0, 11.0, 10.0], ""),
            feature("two", "W", [10.0, 0.0, 20.0, 10.0], ""),
            feature("park", "R", [2.0, 2.0, 4.0, 4.0], r#","shared":true"#),
        ]),
    )]);
    let kinds: Vec<OverlapKind> = report
        .findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::Overlap { kind, .. } => Some(*kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds.len(), 2, "{:?}", lines(&report));
    assert!(kinds.contains(&OverlapKind::SameStations) && kinds.contains(&OverlapKind::Zone));
    assert_eq!(report.worst(), Some(Severity::Note));
}

#[test]
fn an_enclosed_gap_names_the_areas_around_it() {
    let report = check_all(&[(
        "a.json",
        map(&[
            feature("south", "W", [0.0, 0.0, 10.0, 4.0], ""),
            feature("north", "W", [0.0, 6.0, 10.0, 10.0], ""),
            feature("west", "W", [0.0, 4.0, 4.0, 6.0], ""),
            feature("east", "E", [5.0, 4.0, 10.0, 6.0], ""),
        ]),
    )]);
    let [Finding::Gap { around, surface_m2, near }] = report.findings.as_slice() else {
        panic!("{:?}", lines(&report))
    };
    assert_eq!(around.iter().map(|area| area.area.as_str()).collect::<Vec<_>>(), ["south", "north", "west", "east"]);
    assert!((surface_m2 / (85.39 * 2.0 * 111.04) - 1.0).abs() < 0.01, "{surface_m2}");
    assert!((near.lon_deg - 87.0045).abs() < 1e-6 && (near.lat_deg - 40.005).abs() < 1e-6);
}

#[test]
fn a_narrow_strip_open_at_its_ends_is_a_sliver_and_a_wide_one_is_not() {
    let apart = |east: f64| {
        check_all(&[(
            "a.json",
            map(&[
                feature("west", "W", [0.0, 0.0, 10.0, 10.0], ""),
                feature("east", "E", [10.0 + east, 0.0, 20.0, 10.0], ""),
            ]),
        )])
    };
    let report = apart(0.05);
    let [Finding::Sliver { width_m, length_m, .. }] = report.findings.as_slice() else {
        panic!("{:?}", lines(&report))
    };
    assert!((width_m - 4.27).abs() < 0.01, "{width_m}");
    assert!((length_m - 1110.4).abs() < 40.0, "{length_m}");
    assert!(apart(0.2).findings.is_empty(), "17 m is a road, not a slip of the pen");
    assert!(apart(0.0001).findings.is_empty(), "a centimetre is a seam");
    assert!(apart(-0.0002).findings.is_empty(), "and so it is where the two overlap");
}

#[test]
fn one_area_claimed_by_two_stations_is_a_double_claim_wherever_it_is_said() {
    let twice = [
        ("a.json", map(&[feature("t", "W", [0.0, 0.0, 10.0, 10.0], "")])),
        ("b.json", map(&[feature("t", "E", [0.0, 0.0, 10.0, 10.0], "")])),
    ];
    let report = check_all(&twice);
    assert!(
        lines(&report)[0].starts_with("double claim: \"t\" (a.json), \"t\" (b.json) by E, W"),
        "{:?}",
        lines(&report)
    );
    let list = map(&[feature("t", "W", [0.0, 0.0, 10.0, 10.0], "").replace(r#""W""#, r#"["W","E"]"#)]);
    let report = check_all(&[("a.json", list)]);
    assert!(matches!(report.findings.as_slice(), [Finding::ClaimedTwice { .. }]), "{:?}", lines(&report));
    let same = map(&[feature("t", "W", [0.0, 0.0, 10.0, 10.0], "")]);
    let report = check_all(&[("a.json", same.clone()), ("b.json", same)]);
    assert!(matches!(report.findings[0], Finding::Repeated { .. }), "{:?}", lines(&report));
}

#[test]
fn refused_and_repaired_files_are_findings_and_the_rest_is_still_checked() {
    let open = r#"{"type":"FeatureCollection","version":"1","datum":"WGS84","features":[{"type":"Feature","id":"open",
        "properties":{"station":"W"},"geometry":{"type":"Polygon","coordinates":[[[87,40],[87.01,40],[87,40.01]]]}}]}"#;
    let report = check_all(&[
        ("bad.json", "{}".into()),
        ("open.json", open.into()),
        ("shifted.json", map(&[feature("g", "E", [0.0, 0.0, 1.0, 1.0], "")]).replace("WGS84", "GCJ02")),
    ]);
    let lines = lines(&report);
    assert_eq!(lines[0], "bad.json: refused: boundary map is not a geojson FeatureCollection");
    assert_eq!(lines[1], "open.json: repaired: area \"open\", part 0, ring 0: was not closed, closed it");
    assert_eq!(lines[2], "different datums, compared only with their like: open.json in WGS84, shifted.json in GCJ02");
    assert_eq!((lines.len(), report.worst()), (3, Some(Severity::Error)));
}
