//! WGS 84, CGCS2000 and GCJ-02.
//!
//! WGS 84 and CGCS2000 agree within centimetres and are treated as one. GCJ-02 is the shifted
//! datum that map providers in China must use: 90 to 670 m off. Its formula was never published;
//! the one below is the public reconstruction, which other implementations reproduce within 0.8 m.
//! A conversion is therefore good to a metre, never better, and a converted position is never
//! stored in place of the original.

use crate::position::Position;

/// How far two implementations of GCJ-02 may disagree, in metres. A converted point is that much
/// less precise.
pub const GCJ02_UNCERTAINTY_M: f64 = 1.0;

/// Steps of the inverse. It gains two digits a step: four reach the limit of the numbers.
const INVERSE_STEPS_MAX: usize = 10;

/// The inverse stops when it reproduces its input this closely, in degrees (a hundredth of a
/// millimetre).
const INVERSE_TOLERANCE_DEG: f64 = 1e-10;

/// The Krasovsky ellipsoid, on which the reconstruction works: semi-major axis in metres.
const KRASOVSKY_SEMI_MAJOR_M: f64 = 6_378_245.0;

/// The Krasovsky ellipsoid: first eccentricity squared.
const KRASOVSKY_ECCENTRICITY_2: f64 = 0.006_693_421_622_965_943;

/// The reference a pair of degrees is measured in. Always named, never assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Datum {
    /// World Geodetic System 1984, as satellite receivers give it.
    Wgs84,
    /// China Geodetic Coordinate System 2000; equal to WGS 84 at the precision of a map.
    Cgcs2000,
    /// The shifted datum of Chinese map providers.
    Gcj02,
    /// Not stated. Never converted; a point in it is not trusted, a map in it is refused.
    Unknown,
}

impl Datum {
    /// The name used on the wire and in maps: `WGS84`, `CGCS2000`, `GCJ02`, `UNKNOWN`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wgs84 => "WGS84",
            Self::Cgcs2000 => "CGCS2000",
            Self::Gcj02 => "GCJ02",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads a datum's name, whatever its case, with or without a hyphen, underscore or blank.
    /// Anything unheard of is [`Datum::Unknown`], as it is on an incident.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_uppercase())
            .take(16)
            .collect();
        match plain.as_str() {
            "WGS84" => Self::Wgs84,
            "CGCS2000" => Self::Cgcs2000,
            "GCJ02" => Self::Gcj02,
            _ => Self::Unknown,
        }
    }

    /// Converts a position from this datum to another.
    ///
    /// `None` if either datum is unknown or the position is not on earth: such a position is never
    /// converted.
    #[must_use]
    pub fn convert(self, position: Position, to: Self) -> Option<Position> {
        if !position.is_on_earth() {
            return None;
        }
        match (self, to) {
            (Self::Unknown, _) | (_, Self::Unknown) => None,
            (Self::Wgs84 | Self::Cgcs2000, Self::Wgs84 | Self::Cgcs2000) | (Self::Gcj02, Self::Gcj02) => Some(position),
            (Self::Wgs84 | Self::Cgcs2000, Self::Gcj02) => Some(gcj02_from_wgs84(position)),
            (Self::Gcj02, Self::Wgs84 | Self::Cgcs2000) => Some(wgs84_from_gcj02(position)),
        }
    }

    /// Metres of doubt a conversion from this datum to another adds: zero or
    /// [`GCJ02_UNCERTAINTY_M`].
    #[must_use]
    pub fn uncertainty_m(self, to: Self) -> f64 {
        if (self == Self::Gcj02) == (to == Self::Gcj02) { 0.0 } else { GCJ02_UNCERTAINTY_M }
    }
}

impl std::fmt::Display for Datum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// GCJ-02 from WGS 84, by the public reconstruction. Outside the box in which it is defined
/// (72.004 to 137.8347 east, 0.8293 to 55.8271 north) the position is returned as it is, as every
/// implementation does.
#[must_use]
pub fn gcj02_from_wgs84(wgs84: Position) -> Position {
    if !is_shifted(wgs84) {
        return wgs84;
    }
    let [east_deg, north_deg] = shift_deg(wgs84);
    Position::new(wgs84.lon_deg + east_deg, wgs84.lat_deg + north_deg)
}

/// WGS 84 from GCJ-02: the forward formula, run backwards until it reproduces its input. The result
/// is within a centimetre of the exact inverse of [`gcj02_from_wgs84`].
#[must_use]
pub fn wgs84_from_gcj02(gcj02: Position) -> Position {
    if !is_shifted(gcj02) {
        return gcj02;
    }
    let mut guess = gcj02;
    for _ in 0..INVERSE_STEPS_MAX {
        let [east_deg, north_deg] = shift_deg(guess);
        let next = Position::new(gcj02.lon_deg - east_deg, gcj02.lat_deg - north_deg);
        let moved = (next.lon_deg - guess.lon_deg).abs().max((next.lat_deg - guess.lat_deg).abs());
        guess = next;
        if moved < INVERSE_TOLERANCE_DEG {
            break;
        }
    }
    guess
}

/// The box in which GCJ-02 differs from WGS 84.
fn is_shifted(place: Position) -> bool {
    (72.004..=137.8347).contains(&place.lon_deg) && (0.8293..=55.8271).contains(&place.lat_deg)
}

/// How far GCJ-02 lies from a WGS 84 position, in degrees east and north.
fn shift_deg(place: Position) -> [f64; 2] {
    use std::f64::consts::PI;
    let (x, y) = (place.lon_deg - 105.0, place.lat_deg - 35.0);
    let root = x.abs().sqrt();
    let wave = (20.0 * (6.0 * x * PI).sin() + 20.0 * (2.0 * x * PI).sin()) * 2.0 / 3.0;
    let north_m = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + wave
        + (20.0 * (y * PI).sin() + 40.0 * (y / 3.0 * PI).sin()) * 2.0 / 3.0
        + (160.0 * (y / 12.0 * PI).sin() + 320.0 * (y * PI / 30.0).sin()) * 2.0 / 3.0;
    let east_m = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + wave
        + (20.0 * (x * PI).sin() + 40.0 * (x / 3.0 * PI).sin()) * 2.0 / 3.0
        + (150.0 * (x / 12.0 * PI).sin() + 300.0 * (x / 30.0 * PI).sin()) * 2.0 / 3.0;
    let (sin, cos) = place.lat_deg.to_radians().sin_cos();
    let magic = 1.0 - KRASOVSKY_ECCENTRICITY_2 * sin * sin;
    let root_magic = magic.sqrt();
    let meridian_m = KRASOVSKY_SEMI_MAJOR_M * (1.0 - KRASOVSKY_ECCENTRICITY_2) / (magic * root_magic);
    let parallel_m = KRASOVSKY_SEMI_MAJOR_M / root_magic * cos;
    [(east_m / parallel_m).to_degrees(), (north_m / meridian_m).to_degrees()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::distance_m;

    fn apart_m(a: Position, b: Position) -> f64 {
        distance_m(a, b).unwrap()
    }

    #[test]
    fn the_shift_is_what_is_published_for_beijing() {
        let gcj02 = gcj02_from_wgs84(Position::new(116.377_817, 39.911_954));
        assert!(apart_m(gcj02, Position::new(116.384_047, 39.913_345)) < 0.2);
    }

    #[test]
    fn the_inverse_undoes_the_shift_within_a_centimetre() {
        for lon in (73..137).step_by(3) {
            for lat in (2..55).step_by(3) {
                let wgs84 = Position::new(f64::from(lon) + 0.123, f64::from(lat) + 0.456);
                let gcj02 = gcj02_from_wgs84(wgs84);
                assert!(apart_m(wgs84, wgs84_from_gcj02(gcj02)) < 0.01, "{wgs84:?}");
            }
        }
    }

    #[test]
    fn an_unknown_datum_is_never_converted() {
        let place = Position::new(116.0, 40.0);
        assert_eq!(Datum::Unknown.convert(place, Datum::Wgs84), None);
        assert_eq!(Datum::Wgs84.convert(place, Datum::Unknown), None);
        assert_eq!(Datum::Wgs84.convert(place, Datum::Cgcs2000), Some(place));
        assert_eq!(Datum::Wgs84.convert(Position::new(f64::NAN, 40.0), Datum::Gcj02), None);
    }

    #[test]
    fn names_are_read_in_any_spelling_and_unheard_ones_are_unknown() {
        assert_eq!(Datum::from_name("wgs-84"), Datum::Wgs84);
        assert_eq!(Datum::from_name("GCJ-02"), Datum::Gcj02);
        assert_eq!(Datum::from_name("cgcs 2000"), Datum::Cgcs2000);
        assert_eq!(Datum::from_name("BD09"), Datum::Unknown);
        assert_eq!(Datum::from_name(""), Datum::Unknown);
        for datum in [Datum::Wgs84, Datum::Cgcs2000, Datum::Gcj02, Datum::Unknown] {
            assert_eq!(Datum::from_name(datum.as_str()), datum);
        }
    }
}
