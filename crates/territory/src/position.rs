//! A place in degrees, and metres around it.

use geo::{Distance, Geodesic, Point};

/// Semi-major axis of the WGS 84 ellipsoid in metres (CGCS2000 differs in the tenth of a millimetre).
const SEMI_MAJOR_M: f64 = 6_378_137.0;

/// First eccentricity of the WGS 84 ellipsoid, squared.
const ECCENTRICITY_2: f64 = 0.006_694_379_990_141_317;

/// A place in degrees of longitude and latitude, in that order as GeoJSON has it (RFC 7946, 3.1.1).
///
/// The datum is never part of a position; it is always named beside it. Any numbers are allowed
/// here, because a place that makes no sense must still be storable: [`Position::is_on_earth`]
/// tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Longitude in degrees, east positive, -180 to 180.
    pub lon_deg: f64,
    /// Latitude in degrees, north positive, -90 to 90.
    pub lat_deg: f64,
}

impl Position {
    /// A place from longitude and latitude in degrees.
    #[must_use]
    pub fn new(lon_deg: f64, lat_deg: f64) -> Self {
        Self { lon_deg, lat_deg }
    }

    /// Whether both numbers are finite and in the range of degrees.
    #[must_use]
    pub fn is_on_earth(self) -> bool {
        self.lon_deg.abs() <= 180.0 && self.lat_deg.abs() <= 90.0
    }

    pub(crate) fn midpoint(self, other: Self) -> Self {
        Self::new((self.lon_deg + other.lon_deg) / 2.0, (self.lat_deg + other.lat_deg) / 2.0)
    }

    pub(crate) fn coord(self) -> geo::Coord<f64> {
        geo::Coord { x: self.lon_deg, y: self.lat_deg }
    }
}

impl From<geo::Coord<f64>> for Position {
    fn from(coord: geo::Coord<f64>) -> Self {
        Self::new(coord.x, coord.y)
    }
}

/// The distance between two places in metres along the WGS 84 ellipsoid (Karney's geodesic).
///
/// `None` if either place is not on earth.
#[must_use]
pub fn distance_m(from: Position, to: Position) -> Option<f64> {
    (from.is_on_earth() && to.is_on_earth())
        .then(|| Geodesic.distance(Point::from(from.coord()), Point::from(to.coord())))
}

/// The plane of metres around one place: degrees scaled with the ellipsoid's two radii there.
///
/// Exact at the place itself; at 40 degrees of latitude 0.1 % off after 8 km and 1 % after 80 km.
/// A straight side in degrees is a straight side here, so no side is bent by measuring it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane {
    origin: Position,
    /// Metres per degree of longitude.
    pub(crate) east_m: f64,
    /// Metres per degree of latitude.
    pub(crate) north_m: f64,
}

impl Plane {
    /// The plane around `origin`, which must be on earth.
    pub(crate) fn at(origin: Position) -> Self {
        let (sin, cos) = origin.lat_deg.to_radians().sin_cos();
        let w2 = 1.0 - ECCENTRICITY_2 * sin * sin;
        let w = w2.sqrt();
        let prime_vertical_m = SEMI_MAJOR_M / w;
        let meridian_m = SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2) / (w2 * w);
        Self {
            origin,
            // A millimetre per degree keeps the poles from dividing by zero.
            east_m: (prime_vertical_m * cos).to_radians().max(1e-3),
            north_m: meridian_m.to_radians(),
        }
    }

    /// Metres east and north of the origin.
    pub(crate) fn metres(self, place: Position) -> [f64; 2] {
        [(place.lon_deg - self.origin.lon_deg) * self.east_m, (place.lat_deg - self.origin.lat_deg) * self.north_m]
    }

    /// The place so many metres east and north of the origin.
    pub(crate) fn place(self, [east_m, north_m]: [f64; 2]) -> Position {
        Position::new(self.origin.lon_deg + east_m / self.east_m, self.origin.lat_deg + north_m / self.north_m)
    }

    /// Metres from the origin to the nearest point of the side `a`..`b`.
    pub(crate) fn distance_to_side_m(self, a: Position, b: Position) -> f64 {
        let [ax, ay] = self.metres(a);
        let [bx, by] = self.metres(b);
        let (dx, dy) = (bx - ax, by - ay);
        let length_2 = dx * dx + dy * dy;
        let along = if length_2 > 0.0 { (-(ax * dx + ay * dy) / length_2).clamp(0.0, 1.0) } else { 0.0 };
        (ax + along * dx).hypot(ay + along * dy)
    }
}

/// The surface of a closed ring in square metres, measured in the plane of its first vertex:
/// positive if it runs counter-clockwise.
pub(crate) fn signed_surface_m2(ring: &[Position]) -> f64 {
    let Some(&first) = ring.first() else { return 0.0 };
    let plane = Plane::at(first);
    let doubled: f64 = ring
        .windows(2)
        .map(|side| {
            let [ax, ay] = plane.metres(side[0]);
            let [bx, by] = plane.metres(side[1]);
            ax * by - bx * ay
        })
        .sum();
    doubled / 2.0
}

/// The length of a closed ring in metres, measured in the plane of its first vertex.
pub(crate) fn length_m(ring: &[Position]) -> f64 {
    let Some(&first) = ring.first() else { return 0.0 };
    let plane = Plane::at(first);
    ring.windows(2)
        .map(|side| {
            let [ax, ay] = plane.metres(side[0]);
            let [bx, by] = plane.metres(side[1]);
            (bx - ax).hypot(by - ay)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_agrees_with_the_geodesic_within_a_tenth_of_a_percent_at_a_kilometre() {
        for lat in [-80.0, -45.0, 0.0, 22.5, 40.1, 55.0, 70.0] {
            let here = Position::new(87.6, lat);
            for (east, north) in [(1000.0, 0.0), (0.0, 1000.0), (-700.0, 700.0)] {
                let there = Plane::at(here).place([east, north]);
                let plane_m = f64::hypot(east, north);
                let geodesic_m = distance_m(here, there).unwrap();
                assert!((plane_m / geodesic_m - 1.0).abs() < 1e-3, "{lat} {plane_m} {geodesic_m}");
            }
        }
    }

    #[test]
    fn a_place_that_is_no_place_has_no_distance() {
        let here = Position::new(0.0, 0.0);
        for there in [Position::new(f64::NAN, 0.0), Position::new(0.0, 90.1), Position::new(f64::INFINITY, 0.0)] {
            assert_eq!(distance_m(here, there), None);
        }
    }
}
