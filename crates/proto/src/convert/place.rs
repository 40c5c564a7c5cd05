//! Places: exact as they come, sealed; in clear only rounded.

use super::QueryPoint;
use super::codes;
use super::reader::{Reader, join};
use crate::v1;
use handoff_domain::codes::UNTRUSTED;
use handoff_domain::values::{Code, Place};

/// Grid of the point in clear where the agreement sets none: 0.01 degrees, about a kilometre.
pub const GRID7_DEFAULT: u64 = 100_000;
/// 90 degrees north, counted from the south pole.
const LAT7_MAX: u64 = 1_800_000_000;
/// 180 degrees east, counted from the antimeridian.
const LON7_MAX: u64 = 3_600_000_000;

/// What coordinates that make no point mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// Intake: the point is left out and flagged; nothing is refused.
    Flag,
    /// Elsewhere: a violation.
    Refuse,
}

/// Whole steps of 1e-7 degrees from `-limit`, or nothing for what is no such angle.
pub(super) fn steps(degrees: f64, limit: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 3.6e9 by the range checked")]
    (-limit..=limit).contains(&degrees).then(|| ((degrees + limit) * 1e7).round() as u64)
}

/// Degrees of whole steps counted from `-limit`.
pub(crate) fn degrees(steps: u64, limit: f64) -> f64 {
    let whole = steps as f64;
    whole / 1e7 - limit
}

/// The nearest point of the grid, kept on earth.
fn rounded(steps: u64, grid7: u64, max: u64) -> u64 {
    ((steps + grid7 / 2) / grid7 * grid7).min(max / grid7 * grid7)
}

impl Reader<'_> {
    /// A place that must be there, with what has to be flagged.
    pub(super) fn added_place(&mut self, path: &str, value: &Option<v1::PlaceInput>) -> Option<(Place, Vec<Code>)> {
        match self.maybe_place(path, value, Strictness::Flag)? {
            (Some(place), flags) => Some((place, flags)),
            (None, _) => self.wrong(path, codes::REQUIRED, Vec::new()),
        }
    }

    /// A place, with what has to be flagged; its point is kept for asking territory.
    pub(super) fn maybe_place(
        &mut self,
        path: &str,
        value: &Option<v1::PlaceInput>,
        strictness: Strictness,
    ) -> Option<(Option<Place>, Vec<Code>)> {
        let Some(place) = value else { return Some((None, Vec::new())) };
        if *place == v1::PlaceInput::default() {
            return Some((None, Vec::new()));
        }
        let crs = self.maybe_label(&join(path, "datum"), &place.datum);
        let address = self.maybe_line(&join(path, "address"), &place.address);
        let precision_m = place.precision_m.map(u64::from);
        let (steps, flags) = self.coordinates(path, place, strictness)?;
        let (lat7, lon7, point) = match steps {
            Some((lat7, lon7)) => {
                let datum = place.datum.clone();
                self.point = Some(QueryPoint { lat7, lon7, datum, precision_m });
                let grid7 = self.grid7();
                let sealed = self.sealed_point(&join(path, "point"), lat7, lon7);
                (Some(rounded(lat7, grid7, LAT7_MAX)), Some(rounded(lon7, grid7, LON7_MAX)), sealed)
            }
            None => (None, None, None),
        };
        let place = Place { crs: crs?, lat7, lon7, point, precision_m, address: address?, territory: None };
        Some((Some(place), flags))
    }

    #[expect(clippy::type_complexity, reason = "latitude and longitude, where they make a point, and flags")]
    fn coordinates(
        &mut self,
        path: &str,
        place: &v1::PlaceInput,
        strictness: Strictness,
    ) -> Option<(Option<(u64, u64)>, Vec<Code>)> {
        if place.latitude.is_none() && place.longitude.is_none() {
            return Some((None, Vec::new()));
        }
        let lat7 = place.latitude.and_then(|degrees| steps(degrees, 90.0));
        let lon7 = place.longitude.and_then(|degrees| steps(degrees, 180.0));
        if let (Some(lat7), Some(lon7)) = (lat7, lon7) {
            return Some((Some((lat7, lon7)), Vec::new()));
        }
        if strictness == Strictness::Flag {
            return Some((None, vec![UNTRUSTED]));
        }
        for (name, given, read, limit) in
            [("latitude", place.latitude, lat7, 90), ("longitude", place.longitude, lon7, 180)]
        {
            match (given, read) {
                (None, _) => self.wrong::<()>(&join(path, name), codes::REQUIRED, Vec::new()),
                (Some(_), None) => self.out_of_range(&join(path, name), &-limit, &limit),
                (Some(_), Some(_)) => None,
            };
        }
        None
    }
}
