//! The nearest posts and units of every station.
//!
//! Distances are straight lines over the ellipsoid, not roads: they say whom to ask first, not how
//! long it takes.

use std::collections::BTreeMap;

use crate::datum::Datum;
use crate::position::{Position, distance_m};

/// What stands at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SiteKind {
    /// A building: it stays where it is.
    Post,
    /// A unit at its last reported place.
    Unit,
}

/// A post or unit, and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its id.
    pub id: String,
    /// The station it belongs to.
    pub station: String,
    /// Post or unit.
    pub kind: SiteKind,
    /// Where it is, as reported.
    pub point: Position,
    /// The datum of that place.
    pub datum: Datum,
}

/// A site and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The site's id.
    pub id: String,
    /// Straight distance in metres.
    pub distance_m: f64,
}

/// One station's nearest posts and units, nearest first; ids break ties.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Side {
    /// The station.
    pub station: String,
    /// Its nearest posts.
    pub posts: Vec<Found>,
    /// Its nearest units.
    pub units: Vec<Found>,
}

/// What is near a point, per station.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Nearest {
    /// One entry per station that has a site at all, sorted by station.
    pub sides: Vec<Side>,
    /// Sites whose distance is not known because they have no usable place; never left out in
    /// silence, since such a unit may be the nearest.
    pub unplaced: Vec<String>,
    /// Whether the distances may be off by a datum shift (up to 700 m), because the point's datum
    /// or that of a listed site is unknown.
    pub is_approximate: bool,
}

impl Nearest {
    /// A station's nearest posts and units.
    #[must_use]
    pub fn of(&self, station: &str) -> Option<&Side> {
        self.sides.iter().find(|side| side.station == station)
    }
}

/// The `k` nearest posts and the `k` nearest units of every station in `sites`.
///
/// Never fails. A place that is not on earth leaves every site unplaced. An unknown datum is not
/// converted: the numbers are compared as they are, and the answer says so.
#[must_use]
pub fn nearest(point: Position, datum: Datum, sites: &[Site], k: usize) -> Nearest {
    let mut sides: BTreeMap<&str, Side> = BTreeMap::new();
    let mut unplaced = Vec::new();
    let mut is_approximate = datum == Datum::Unknown;
    for site in sites {
        let side =
            sides.entry(&site.station).or_insert_with(|| Side { station: site.station.clone(), ..Side::default() });
        let comparable = match site.datum.convert(site.point, datum) {
            Some(converted) => converted,
            None => {
                is_approximate |= site.point.is_on_earth();
                site.point
            }
        };
        let Some(distance_m) = distance_m(point, comparable) else {
            unplaced.push(site.id.clone());
            continue;
        };
        let found = Found { id: site.id.clone(), distance_m };
        match site.kind {
            SiteKind::Post => side.posts.push(found),
            SiteKind::Unit => side.units.push(found),
        }
    }
    let mut sides: Vec<Side> = sides.into_values().collect();
    for side in &mut sides {
        keep_nearest(&mut side.posts, k);
        keep_nearest(&mut side.units, k);
    }
    Nearest { sides, unplaced, is_approximate }
}

fn keep_nearest(found: &mut Vec<Found>, k: usize) {
    found.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m).then_with(|| a.id.cmp(&b.id)));
    found.truncate(k);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(id: &str, station: &str, kind: SiteKind, lon: f64) -> Site {
        Site { id: id.into(), station: station.into(), kind, point: Position::new(lon, 40.0), datum: Datum::Wgs84 }
    }

    fn ids(found: &[Found]) -> Vec<&str> {
        found.iter().map(|found| found.id.as_str()).collect()
    }

    #[test]
    fn both_sides_get_their_own_nearest_posts_and_units() {
        let sites = [
            site("a-far", "A", SiteKind::Unit, 0.3),
            site("a-near", "A", SiteKind::Unit, 0.1),
            site("a-mid", "A", SiteKind::Unit, -0.2),
            site("b-1", "B", SiteKind::Unit, 0.01),
            site("b-post", "B", SiteKind::Post, 5.0),
        ];
        let nearest = nearest(Position::new(0.0, 40.0), Datum::Wgs84, &sites, 2);
        assert_eq!(ids(&nearest.of("A").unwrap().units), ["a-near", "a-mid"]);
        assert!(nearest.of("A").unwrap().posts.is_empty());
        assert_eq!(ids(&nearest.of("B").unwrap().units), ["b-1"]);
        assert_eq!(ids(&nearest.of("B").unwrap().posts), ["b-post"]);
        assert!(!nearest.is_approximate);
        assert!((nearest.of("B").unwrap().units[0].distance_m - 853.9).abs() < 1.0);
    }

    #[test]
    fn a_site_without_a_place_is_named_and_an_unknown_datum_is_admitted() {
        let mut lost = site("lost", "A", SiteKind::Unit, 0.0);
        lost.point = Position::new(f64::NAN, 0.0);
        let answer = nearest(Position::new(0.0, 40.0), Datum::Wgs84, &[lost.clone()], 3);
        assert_eq!(answer.unplaced, ["lost"]);
        assert!(!answer.is_approximate);
        let mut vague = site("vague", "A", SiteKind::Unit, 0.0);
        vague.datum = Datum::Unknown;
        let answer = nearest(Position::new(0.0, 40.0), Datum::Wgs84, &[vague, lost], 3);
        assert_eq!(ids(&answer.of("A").unwrap().units), ["vague"]);
        assert!(answer.is_approximate);
    }

    #[test]
    fn a_unit_reported_in_another_datum_is_converted() {
        let wgs84 = Position::new(116.4, 39.9);
        let shifted = Site {
            id: "u".into(),
            station: "A".into(),
            kind: SiteKind::Unit,
            point: crate::gcj02_from_wgs84(wgs84),
            datum: Datum::Gcj02,
        };
        let answer = nearest(wgs84, Datum::Wgs84, &[shifted], 1);
        assert!(answer.of("A").unwrap().units[0].distance_m < 0.01);
    }
}
