//! A national atlas of counties in TopoJSON: rings that a simplifier shrank to nothing, rings that
//! touch themselves, and independent cities in the holes of Virginia's counties.
//!
//! The atlas is audited here on its own whole numbers, so that "invalid" does not mean "what the
//! library calls invalid".

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use handoff_territory::{
    BoundaryMap, CheckOptions, CollapsedRings, Datum, Finding, Index, MapError, ParseOptions, Position, RingRef,
    Standing, check_maps,
};
use serde_json::{Value, json};

use crate::data;

type Dot = [i64; 2];

/// What cannot be repaired without a guess: Falls Church was shrunk to a line, and the outlines of
/// the others cross themselves.
const REFUSED: [&str; 6] = ["06001", "22067", "51041", "51093", "51610", "51620"];

/// One county: id, name, and its polygons as rings of whole numbers.
struct County {
    id: String,
    name: String,
    polygons: Vec<Vec<Vec<Dot>>>,
}

struct Atlas {
    counties: Vec<County>,
    scale: [f64; 2],
    translate: [f64; 2],
}

fn numbers(value: &Value) -> [f64; 2] {
    [value[0].as_f64().unwrap(), value[1].as_f64().unwrap()]
}

/// Decodes the atlas: arcs are runs of differences; a negative arc is walked backwards.
fn atlas() -> Option<Atlas> {
    let path = data::folder()?.join("us-atlas/counties-10m.json");
    let topology: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let decode = |arc: &Value| {
        let mut dot = [0, 0];
        let steps = arc.as_array().unwrap().iter();
        steps
            .map(|step| {
                dot = [dot[0] + step[0].as_i64().unwrap(), dot[1] + step[1].as_i64().unwrap()];
                dot
            })
            .collect::<Vec<Dot>>()
    };
    let arcs: Vec<Vec<Dot>> = topology["arcs"].as_array().unwrap().iter().map(decode).collect();
    let join = |ids: &Value| {
        let mut ring: Vec<Dot> = Vec::new();
        for id in ids.as_array().unwrap() {
            let id = id.as_i64().unwrap();
            let mut arc = arcs[usize::try_from(if id < 0 { !id } else { id }).unwrap()].clone();
            if id < 0 {
                arc.reverse();
            }
            ring.extend(arc.into_iter().skip(usize::from(!ring.is_empty())));
        }
        ring
    };
    let polygon = |rings: &Value| rings.as_array().unwrap().iter().map(join).collect::<Vec<_>>();
    let county = |geometry: &Value| County {
        id: geometry["id"].as_str().unwrap().to_owned(),
        name: geometry["properties"]["name"].as_str().unwrap().to_owned(),
        polygons: match geometry["type"].as_str().unwrap() {
            "Polygon" => vec![polygon(&geometry["arcs"])],
            _ => geometry["arcs"].as_array().unwrap().iter().map(polygon).collect(),
        },
    };
    let counties = topology["objects"]["counties"]["geometries"].as_array().unwrap().iter().map(county).collect();
    let transform = &topology["transform"];
    Some(Atlas { counties, scale: numbers(&transform["scale"]), translate: numbers(&transform["translate"]) })
}

impl Atlas {
    /// The counties as a boundary map, each claimed by itself.
    fn geojson(&self, keep: impl Fn(&County) -> bool) -> Vec<u8> {
        let place = |dot: &Dot| {
            #[expect(clippy::cast_precision_loss, reason = "the atlas is quantised to 100,000 steps")]
            let at = |axis: usize| dot[axis] as f64 * self.scale[axis] + self.translate[axis];
            json!([at(0), at(1)])
        };
        let feature = |county: &County| {
            let polygons: Vec<Vec<Vec<Value>>> = county
                .polygons
                .iter()
                .map(|rings| rings.iter().map(|ring| ring.iter().map(place).collect()).collect())
                .collect();
            json!({
                "type": "Feature", "id": county.id, "properties": {"name": county.name, "station": county.id},
                "geometry": {"type": "MultiPolygon", "coordinates": polygons}
            })
        };
        let features: Vec<Value> = self.counties.iter().filter(|county| keep(county)).map(feature).collect();
        json!({"type": "FeatureCollection", "version": "3.0.1", "datum": "WGS84", "features": features})
            .to_string()
            .into_bytes()
    }

    fn rings(&self) -> impl Iterator<Item = (RingRef, &[Dot])> {
        self.counties.iter().flat_map(|county| {
            county.polygons.iter().enumerate().flat_map(move |(part, rings)| {
                rings
                    .iter()
                    .enumerate()
                    .map(move |(ring, dots)| (RingRef { area: county.id.clone(), part, ring }, dots.as_slice()))
            })
        })
    }
}

/// Sign of the turn a, b, c on whole numbers: exact.
fn turn(a: Dot, b: Dot, c: Dot) -> i64 {
    ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])).signum()
}

/// How a ring is invalid, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    TooFewPoints,
    PointMetAgain,
    SidesCross,
    /// A corner lies exactly on another side. Once turned into degrees, which are rounded, it lies
    /// a little to the left or to the right of it: the ring is then sound, or crosses itself.
    CornerOnSide,
}

fn flaw(ring: &[Dot]) -> Option<Flaw> {
    let mut open = ring[..ring.len() - 1].to_vec();
    open.dedup();
    if open.len() < 3 {
        return Some(Flaw::TooFewPoints);
    }
    if open.iter().collect::<HashSet<_>>().len() < open.len() {
        return Some(Flaw::PointMetAgain);
    }
    let sides: Vec<[Dot; 2]> = (0..open.len()).map(|at| [open[at], open[(at + 1) % open.len()]]).collect();
    let apart = |&[a, b]: &[Dot; 2], &[c, d]: &[Dot; 2]| (turn(a, b, c) * turn(a, b, d), turn(c, d, a) * turn(c, d, b));
    let pairs = || sides.iter().enumerate().flat_map(|(at, one)| sides[at + 1..].iter().map(move |two| (one, two)));
    let is_crossed = pairs().any(|(one, two)| matches!(apart(one, two), (-1, -1)));
    let is_on_side = pairs().any(|(one, two)| matches!(apart(one, two), (-1, 0) | (0, -1)));
    match (is_crossed, is_on_side) {
        (true, _) => Some(Flaw::SidesCross),
        (false, true) => Some(Flaw::CornerOnSide),
        (false, false) => None,
    }
}

#[test]
fn every_invalid_ring_of_the_atlas_is_repaired_or_named() {
    let Some(atlas) = atlas() else { return };
    assert_eq!(atlas.counties.len(), 3231);
    let short: HashSet<RingRef> = atlas.rings().filter(|(_, ring)| ring.len() < 4).map(|(name, _)| name).collect();
    assert_eq!(short.len(), 22);
    let flaws: HashMap<RingRef, Flaw> =
        atlas.rings().filter_map(|(name, ring)| flaw(ring).map(|flaw| (name, flaw))).collect();

    let Err(MapError::Geometry { faults, more: 0 }) =
        BoundaryMap::parse(&atlas.geojson(|_| true), &ParseOptions::default())
    else {
        panic!("the atlas has collapsed rings")
    };
    let refused: HashSet<RingRef> = faults.iter().map(|fault| fault.ring.clone()).collect();
    assert!(refused.is_superset(&short), "each collapsed ring is named");

    // Leaving out what encloses nothing, only what has no surface at all is refused.
    let drop = ParseOptions { collapsed_rings: CollapsedRings::Drop, ..ParseOptions::default() };
    let Err(MapError::Geometry { faults, .. }) = BoundaryMap::parse(&atlas.geojson(|_| true), &drop) else {
        panic!("a county without any surface cannot be left out in silence")
    };
    let refused: HashMap<RingRef, String> =
        faults.iter().map(|fault| (fault.ring.clone(), fault.to_string())).collect();
    println!("{} invalid rings: {flaws:#?}, refused: {refused:#?}", flaws.len());
    let mut refused_areas: Vec<&str> = refused.keys().map(|ring| ring.area.as_str()).collect();
    refused_areas.sort_unstable();
    assert_eq!(refused_areas, REFUSED);
    assert!(refused.keys().all(|ring| flaws.contains_key(ring)), "only what is invalid is refused");

    let rest = atlas.geojson(|county| !REFUSED.contains(&county.id.as_str()));
    let (map, repairs) = BoundaryMap::parse(&rest, &drop).unwrap();
    assert_eq!(map.areas().len() + REFUSED.len(), 3231);
    let repaired: HashSet<RingRef> = repairs.into_iter().map(|repair| repair.ring).collect();
    for ring in flaws.keys() {
        assert!(repaired.contains(ring) || refused.contains_key(ring), "{ring} is neither repaired nor named");
    }
}

/// The middle of a ring that is close to convex.
fn middle(ring: &[Position]) -> Position {
    let count = f64::from(u32::try_from(ring.len() - 1).unwrap());
    let sum = |axis: fn(&Position) -> f64| ring[1..].iter().map(axis).sum::<f64>() / count;
    Position::new(sum(|point| point.lon_deg), sum(|point| point.lat_deg))
}

#[test]
fn the_independent_cities_of_virginia_answer_for_themselves() {
    let Some(atlas) = atlas() else { return };
    let drop = ParseOptions { collapsed_rings: CollapsedRings::Drop, ..ParseOptions::default() };
    let virginia = atlas.geojson(|county| county.id.starts_with("51") && !REFUSED.contains(&county.id.as_str()));
    let (map, _) = BoundaryMap::parse(&virginia, &drop).unwrap();
    let holes: usize = map.areas().iter().flat_map(handoff_territory::Area::parts).map(|part| part.holes.len()).sum();
    assert_eq!(holes, 14);
    let middles: Vec<(String, Position)> = ["51600", "51683", "51685", "51678", "51530"]
        .into_iter()
        .map(|id| {
            let city = map.areas().iter().find(|area| area.id() == id).unwrap();
            (id.to_owned(), middle(&city.parts()[0].outer))
        })
        .collect();
    let index = Index::new(map);
    for (city, point) in middles {
        let owner = index.owners(point, Datum::Wgs84, 0.0);
        assert_eq!((owner.standing, owner.claimants), (Standing::Owned, vec![city]));
    }
    // Without the city its hole is nobody's.
    let without = atlas.geojson(|county| county.id == "51059");
    let index = Index::new(BoundaryMap::parse(&without, &drop).unwrap().0);
    let fairfax_city = Position::new(-77.30, 38.85);
    assert_eq!(index.owners(fairfax_city, Datum::Wgs84, 0.0).standing, Standing::Outside);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test of speed measures time")]
fn the_whole_atlas_is_checked_in_seconds_and_its_missing_city_is_the_gap() {
    let Some(atlas) = atlas() else { return };
    let drop = ParseOptions { collapsed_rings: CollapsedRings::Drop, ..ParseOptions::default() };
    let (map, _) = BoundaryMap::parse(
        &atlas.geojson(|county| !REFUSED.contains(&county.id.as_str()) && county.id != "51600"),
        &drop,
    )
    .unwrap();
    let started = Instant::now();
    let findings = check_maps(&[("atlas", &map)], &CheckOptions { parse: drop, ..CheckOptions::default() });
    let took = started.elapsed();
    println!("{} findings in {took:?}", findings.len());
    for finding in findings.iter().take(40) {
        println!("{finding}");
    }
    assert!(took.as_secs() < 20, "{took:?}");
    // Beside the outlines that cross themselves lie pairs of counties that cover the same ground.
    let double: Vec<(&str, &str)> = findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::Overlap { first, second, .. } => Some((first.area.as_str(), second.area.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(double, [("06077", "06085"), ("22083", "22073")]);
    let has_gap = findings.iter().any(|finding| {
        matches!(finding, Finding::Gap { around, surface_m2, .. }
            if around.iter().any(|area| area.area == "51059") && *surface_m2 > 5e6)
    });
    assert!(has_gap, "where Fairfax City was");
}
