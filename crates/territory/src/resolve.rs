//! Who answers for a point.
//!
//! In this order: a point that cannot be trusted is UNTRUSTED, whatever lies under it; ground of an
//! embedded zone is SHARED; ground with several claimants is SHARED and names all of them; a point
//! within reach of a border is SHARED between all whose border that is; else it is its owner's;
//! ground nobody claims, beyond reach of any border, is OUTSIDE. The reach is the map's band, wider
//! by the point's own precision and by the doubt of a datum conversion.

use crate::datum::Datum;
use crate::index::{BorderView, Index};
use crate::limits::{PRECISION_MAX_M, SEAM_TOLERANCE_M};
use crate::position::{Plane, Position};

/// A question: whose ground is this?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query<'a> {
    /// The place as received, never converted beforehand.
    pub point: Position,
    /// The datum the place was given in.
    pub datum: Datum,
    /// How far off the place may be, in metres; 0 if exact.
    pub precision_m: f64,
    /// The station that asks, by the name it claims areas with.
    pub asking_station: &'a str,
}

/// Whose ground it is, seen by nobody in particular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Exactly one station answers.
    Owned,
    /// Several may answer, or a border is within reach.
    Shared,
    /// Nobody on this map claims it.
    Outside,
    /// The place itself is not to be believed.
    Untrusted,
}

/// Whose ground it is, seen by the station that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The asking station's alone.
    Ours,
    /// Another station's alone.
    Theirs,
    /// See [`Standing::Shared`].
    Shared,
    /// See [`Standing::Outside`].
    Outside,
    /// See [`Standing::Untrusted`].
    Untrusted,
}

impl Verdict {
    /// The code on the wire: `OURS`, `THEIRS`, `SHARED`, `OUTSIDE`, `UNTRUSTED`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ours => "OURS",
            Self::Theirs => "THEIRS",
            Self::Shared => "SHARED",
            Self::Outside => "OUTSIDE",
            Self::Untrusted => "UNTRUSTED",
        }
    }
}

/// Why a place is shared or not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Within the band around a border, widened by the point's precision.
    Band,
    /// Several stations claim this very ground.
    Overlap,
    /// An embedded zone.
    Zone,
    /// Each of several maps has it as another's ground.
    MapsDisagree,
    /// The datum was not stated.
    UnknownDatum,
    /// A point the geocoder returns for what it cannot place.
    FallbackPoint,
    /// The coordinates are no place on earth.
    NoSuchPlace,
    /// The precision is not a number of metres, or so coarse that it says nothing.
    UnusablePrecision,
}

impl Reason {
    /// The code on the wire, UPPER_SNAKE.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Band => "BAND",
            Self::Overlap => "OVERLAP",
            Self::Zone => "ZONE",
            Self::MapsDisagree => "MAPS_DISAGREE",
            Self::UnknownDatum => "UNKNOWN_DATUM",
            Self::FallbackPoint => "FALLBACK_POINT",
            Self::NoSuchPlace => "NO_SUCH_PLACE",
            Self::UnusablePrecision => "UNUSABLE_PRECISION",
        }
    }
}

/// The answer without an asking side: areas as owners.
#[derive(Debug, Clone, PartialEq)]
pub struct Ownership {
    /// Whose ground it is.
    pub standing: Standing,
    /// Why, if shared or not trusted.
    pub reason: Option<Reason>,
    /// Every station that claims the place, or whose border is within reach; sorted. Empty if
    /// outside or not trusted.
    pub claimants: Vec<String>,
    /// Names of the areas behind the claims, in the map's order.
    pub areas: Vec<String>,
    /// Metres to the nearest border; `None` if not trusted. The outer edge of the map is a border.
    pub distance_to_border_m: Option<f64>,
    /// The reach used: band, precision and datum doubt, in metres.
    pub reach_m: f64,
    /// Version of the map that was asked.
    pub map_version: String,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Whose ground it is, seen by the asking station.
    pub verdict: Verdict,
    /// See [`Ownership::reason`].
    pub reason: Option<Reason>,
    /// See [`Ownership::claimants`].
    pub claimants: Vec<String>,
    /// See [`Ownership::areas`].
    pub areas: Vec<String>,
    /// See [`Ownership::distance_to_border_m`].
    pub distance_to_border_m: Option<f64>,
    /// See [`Ownership::reach_m`].
    pub reach_m: f64,
    /// See [`Ownership::map_version`].
    pub map_version: String,
}

impl Ownership {
    /// The same, seen by one station.
    #[must_use]
    pub fn seen_by(&self, asking_station: &str) -> Verdict {
        match self.standing {
            Standing::Owned if self.claimants.iter().any(|station| station == asking_station) => Verdict::Ours,
            Standing::Owned => Verdict::Theirs,
            Standing::Shared => Verdict::Shared,
            Standing::Outside => Verdict::Outside,
            Standing::Untrusted => Verdict::Untrusted,
        }
    }
}

/// What several maps say of one place together, and which of them decided it. The least certain answer counts:
/// UNTRUSTED before SHARED before owned before OUTSIDE. Claims of all maps stand beside each other, and where two maps
/// have it as the ground of different stations it is SHARED: no claim is dropped for another.
#[must_use]
pub fn together(answers: &[Ownership]) -> Option<(usize, Ownership)> {
    let doubt = |answer: &Ownership| match answer.standing {
        Standing::Outside => 0,
        Standing::Owned => 1,
        Standing::Shared => 2,
        Standing::Untrusted => 3,
    };
    // Of equals the first.
    let (decided, worst) = answers.iter().enumerate().rev().max_by_key(|(_, answer)| doubt(answer))?;
    let mut all = worst.clone();
    if worst.standing == Standing::Untrusted {
        return Some((decided, all));
    }
    all.claimants = answers.iter().flat_map(|answer| answer.claimants.iter().cloned()).collect();
    all.claimants.sort_unstable();
    all.claimants.dedup();
    all.areas = Vec::new();
    for area in answers.iter().flat_map(|answer| &answer.areas) {
        if !all.areas.contains(area) {
            all.areas.push(area.clone());
        }
    }
    all.distance_to_border_m = answers.iter().filter_map(|answer| answer.distance_to_border_m).reduce(f64::min);
    all.reach_m = answers.iter().map(|answer| answer.reach_m).fold(0.0, f64::max);
    if all.standing == Standing::Owned && all.claimants.len() > 1 {
        (all.standing, all.reason) = (Standing::Shared, Some(Reason::MapsDisagree));
    }
    Some((decided, all))
}

impl Index {
    /// Whose ground a point is, for the station that asks. Never fails: what cannot be answered is
    /// [`Verdict::Untrusted`] with its reason.
    #[must_use]
    pub fn resolve(&self, query: &Query<'_>) -> Answer {
        let ownership = self.owners(query.point, query.datum, query.precision_m);
        Answer {
            verdict: ownership.seen_by(query.asking_station),
            reason: ownership.reason,
            claimants: ownership.claimants,
            areas: ownership.areas,
            distance_to_border_m: ownership.distance_to_border_m,
            reach_m: ownership.reach_m,
            map_version: ownership.map_version,
        }
    }

    /// Whose ground a point is, for nobody in particular.
    #[must_use]
    pub fn owners(&self, point: Position, datum: Datum, precision_m: f64) -> Ownership {
        let (point, reach_m) = match self.trusted_point(point, datum, precision_m) {
            Ok(trusted) => trusted,
            Err(reason) => return self.ownership(Standing::Untrusted, Some(reason), &[], None, self.map().band_m),
        };
        let BorderView { distance_m, areas_in_reach } = self.view_border(point, reach_m);
        let mut under = self.areas_at(point);
        if under.is_empty()
            && areas_in_reach.is_empty()
            && distance_m.is_none_or(|border_m| border_m > SEAM_TOLERANCE_M)
        {
            under = self.areas_beside(point);
        }
        // On a border neighbours touch, they do not overlap.
        let inside = if areas_in_reach.is_empty() { under.clone() } else { self.keep_inside(&under, point) };
        let is_zone = inside.iter().any(|&area| self.map().areas[area].is_shared);
        let is_contested = self.claimants_of(&inside).len() > 1;
        let mut involved = under;
        involved.extend(&areas_in_reach);
        involved.sort_unstable();
        involved.dedup();
        let (standing, reason) = match (is_zone, is_contested, areas_in_reach.is_empty(), involved.is_empty()) {
            (true, ..) => (Standing::Shared, Some(Reason::Zone)),
            (_, true, ..) => (Standing::Shared, Some(Reason::Overlap)),
            (_, _, false, _) => (Standing::Shared, Some(Reason::Band)),
            (.., true) => (Standing::Outside, None),
            (.., false) => (Standing::Owned, None),
        };
        self.ownership(standing, reason, &involved, distance_m, reach_m)
    }

    /// The point in the map's datum and the reach around it, or why it is not trusted.
    fn trusted_point(&self, point: Position, datum: Datum, precision_m: f64) -> Result<(Position, f64), Reason> {
        let map = self.map();
        if !point.is_on_earth() {
            return Err(Reason::NoSuchPlace);
        }
        let point = datum.convert(point, map.datum).ok_or(Reason::UnknownDatum)?;
        if !(0.0..=PRECISION_MAX_M).contains(&precision_m) {
            return Err(Reason::UnusablePrecision);
        }
        let doubt_m = datum.uncertainty_m(map.datum);
        let plane = Plane::at(point);
        let is_fallback = map
            .fallback_points
            .iter()
            .any(|fallback| plane.distance_to_side_m(fallback.at, fallback.at) <= fallback.radius_m + doubt_m);
        if is_fallback {
            return Err(Reason::FallbackPoint);
        }
        Ok((point, map.band_m + precision_m + doubt_m))
    }

    /// The areas on either side of the seam a point lies in: neighbours of one station that were
    /// drawn a hair apart have no border between them, and no ground of nobody either.
    fn areas_beside(&self, point: Position) -> Vec<usize> {
        let plane = Plane::at(point);
        let step_m = SEAM_TOLERANCE_M;
        let around = [[step_m, 0.0], [0.0, step_m], [-step_m, 0.0], [0.0, -step_m]];
        let mut areas: Vec<usize> = around.iter().flat_map(|&step| self.areas_at(plane.place(step))).collect();
        areas.sort_unstable();
        areas.dedup();
        areas
    }

    fn claimants_of(&self, areas: &[usize]) -> Vec<&str> {
        let mut claimants: Vec<&str> =
            areas.iter().flat_map(|&area| &self.map().areas[area].claimants).map(String::as_str).collect();
        claimants.sort_unstable();
        claimants.dedup();
        claimants
    }

    fn ownership(
        &self,
        standing: Standing,
        reason: Option<Reason>,
        areas: &[usize],
        distance_to_border_m: Option<f64>,
        reach_m: f64,
    ) -> Ownership {
        Ownership {
            standing,
            reason,
            claimants: self.claimants_of(areas).into_iter().map(str::to_owned).collect(),
            areas: areas.iter().map(|&area| self.map().areas[area].name.clone()).collect(),
            distance_to_border_m,
            reach_m,
            map_version: self.map().version.clone(),
        }
    }
}
