//! Every way a map is refused, and every repair. A ring is always named.

use crate::limits::{
    AREAS_MAX, CLAIMANTS_PER_AREA_MAX, MAP_BYTES_MAX, RINGS_PER_AREA_MAX, SIDE_PAIRS_MAX, VERTICES_MAX,
};
use crate::position::Position;

/// The name of one ring: which area, which part of it, which ring of that part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RingRef {
    /// The area's id.
    pub area: String,
    /// The part of the area, from 0, in the order of the file.
    pub part: usize,
    /// The ring of the part: 0 is the outer ring, the others are holes.
    pub ring: usize,
}

impl std::fmt::Display for RingRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "area {:?}, part {}, ring {}", self.area, self.part, self.ring)
    }
}

/// Why a boundary map is refused.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// More bytes than [`MAP_BYTES_MAX`].
    #[error("boundary map has {bytes} bytes, at most {MAP_BYTES_MAX} are read: simplify the borders or split the map")]
    TooLarge {
        /// Bytes given.
        bytes: usize,
    },
    /// Not a GeoJSON `FeatureCollection`.
    #[error("boundary map is not a geojson FeatureCollection")]
    NotGeoJson(#[source] serde_json::Error),
    /// Neither a `datum` nor a `crs` member.
    #[error("boundary map names no datum: add the member \"datum\" with WGS84, CGCS2000 or GCJ02")]
    NoDatum,
    /// A datum or coordinate system this crate cannot work in.
    #[error(
        "coordinate system {found:?} is not supported: reproject to degrees in WGS84, CGCS2000 or GCJ02 and name it"
    )]
    UnsupportedCrs {
        /// What the map says.
        found: String,
    },
    /// `datum` and `crs` name different systems.
    #[error("member \"datum\" says {datum} and member \"crs\" says {crs}: remove the wrong one")]
    DatumConflict {
        /// What `datum` says.
        datum: &'static str,
        /// What `crs` says.
        crs: &'static str,
    },
    /// No version in the map and none given by the caller.
    #[error("boundary map has no version: add the member \"version\"")]
    NoVersion,
    /// A member of the map or a property of an area that is not what it must be.
    #[error("{place}: {member:?} must be {expected}")]
    BadMember {
        /// Where: the map, or the area by id.
        place: String,
        /// Which member or property.
        member: String,
        /// What it must be.
        expected: &'static str,
    },
    /// No feature at all.
    #[error("boundary map has no areas")]
    NoAreas,
    /// More areas than [`AREAS_MAX`].
    #[error("boundary map has {areas} areas, at most {AREAS_MAX} are read: split the map")]
    TooManyAreas {
        /// Areas given.
        areas: usize,
    },
    /// More vertices than [`VERTICES_MAX`].
    #[error("boundary map has more than {VERTICES_MAX} vertices: simplify the borders or split the map")]
    TooManyVertices,
    /// More rings in an area than [`RINGS_PER_AREA_MAX`].
    #[error("area {area:?} has more than {RINGS_PER_AREA_MAX} rings: split it")]
    TooManyRings {
        /// The area's id.
        area: String,
    },
    /// An area nobody claims.
    #[error("area {area:?} names no station: set its property {key:?} or mark it as shared")]
    NoStation {
        /// The area's id.
        area: String,
        /// The property that should hold the station.
        key: String,
    },
    /// More claimants of one area than [`CLAIMANTS_PER_AREA_MAX`].
    #[error("area {area:?} names more than {CLAIMANTS_PER_AREA_MAX} stations")]
    TooManyClaimants {
        /// The area's id.
        area: String,
    },
    /// A feature without name or id.
    #[error("feature {index} has no name: set its property {key:?}")]
    NoName {
        /// Which feature, from 0.
        index: usize,
        /// The property that should hold the name.
        key: String,
    },
    /// A feature whose geometry is missing or no surface.
    #[error("area {area:?} is a {found}, only Polygon and MultiPolygon bound a territory")]
    NotASurface {
        /// The area's id.
        area: String,
        /// The geometry's type.
        found: &'static str,
    },
    /// Rings that cannot be used. At most [`crate::limits::FAULTS_MAX`] are listed.
    #[error("{count} rings cannot be used, the first is {first}", count = .faults.len() + .more, first = FirstFault(.faults))]
    Geometry {
        /// Each ring with its fault, in the order of the file.
        faults: Vec<RingFault>,
        /// How many more there are than listed.
        more: usize,
    },
    /// More pairs of sides to compare than [`SIDE_PAIRS_MAX`].
    #[error(
        "area {area:?} is too tangled to check: more than {SIDE_PAIRS_MAX} pairs of sides lie in one another's boxes"
    )]
    TooTangled {
        /// The area being checked when the limit was met.
        area: String,
    },
}

/// Shows the first fault of a list in the message of [`MapError::Geometry`].
struct FirstFault<'a>(&'a [RingFault]);

impl std::fmt::Display for FirstFault<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.first() {
            Some(fault) => fault.fmt(f),
            None => f.write_str("not listed"),
        }
    }
}

/// One ring that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{ring}: {fault}")]
pub struct RingFault {
    /// Which ring.
    pub ring: RingRef,
    /// Why.
    pub fault: Fault,
}

/// What is wrong with a ring, and what to do about it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fault {
    /// A ring without points, or a part without rings.
    #[error("empty: remove it or draw it")]
    Empty,
    /// Fewer than three different points.
    #[error("only {points} different points, a ring needs 3: remove it or draw it finer")]
    TooFewPoints {
        /// Different points in a row.
        points: usize,
    },
    /// Points enough, but all on one line.
    #[error("encloses nothing, all points lie on one line: remove it or draw it finer")]
    NoSurface,
    /// A position with fewer than two numbers.
    #[error("vertex {vertex} has fewer than two numbers: write longitude, latitude")]
    BadPosition {
        /// Which vertex, from 0.
        vertex: usize,
    },
    /// A latitude beyond 90 where the two numbers would fit the other way round.
    #[error("vertex {vertex} ({x}, {y}) has latitude and longitude swapped: write longitude first")]
    Swapped {
        /// Which vertex, from 0.
        vertex: usize,
        /// First number of the position.
        x: f64,
        /// Second number of the position.
        y: f64,
    },
    /// Numbers that are not degrees.
    #[error(
        "vertex {vertex} ({x}, {y}) is not in degrees, it looks like metres: reproject the map to longitude and latitude"
    )]
    NotDegrees {
        /// Which vertex, from 0.
        vertex: usize,
        /// First number of the position.
        x: f64,
        /// Second number of the position.
        y: f64,
    },
    /// Two sides cross.
    #[error("crosses {with} near ({lon}, {lat}): redraw it so that no two sides cross", lon = .at.lon_deg, lat = .at.lat_deg)]
    Crosses {
        /// The other ring; the same one if it crosses itself.
        with: RingRef,
        /// Where, in the map's datum.
        at: Position,
    },
    /// Two sides lie on one another.
    #[error("runs along {with} near ({lon}, {lat}): join the two or draw them apart", lon = .at.lon_deg, lat = .at.lat_deg)]
    RunsAlong {
        /// The other ring; the same one if it runs along itself.
        with: RingRef,
        /// Where, in the map's datum.
        at: Position,
    },
    /// A hole that is not inside its outer ring.
    #[error("is a hole outside its outer ring: move it to the part it lies in")]
    HoleOutside,
    /// A hole inside another hole.
    #[error("is a hole inside the hole {other}: remove the inner one")]
    HoleInHole {
        /// The hole around it.
        other: RingRef,
    },
    /// An outer ring inside another part of the same area.
    #[error("lies inside {other} of the same area: remove it, or make it a hole")]
    PartInPart {
        /// The ring around it.
        other: RingRef,
    },
}

/// One repair: which ring, and what was done. A repair never changes which ground an area covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The ring repaired.
    pub ring: RingRef,
    /// What was done.
    pub kind: RepairKind,
}

impl std::fmt::Display for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.ring, self.kind)
    }
}

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairKind {
    /// The last point differed from the first: the first was added at the end (RFC 7946, 3.1.6).
    Closed,
    /// The same point several times in a row: kept once.
    DuplicatesRemoved {
        /// Points removed.
        count: usize,
    },
    /// The ring ran out and back on the same line: the excursion, which encloses nothing, is gone.
    SpikesRemoved {
        /// Points removed.
        count: usize,
    },
    /// The ring met one of its own points again: split there into simple rings.
    Split {
        /// Rings that came out of it.
        into: usize,
    },
    /// The ring ran the wrong way round (RFC 7946, 3.1.6): turned.
    Rewound,
    /// Heights and further numbers beside longitude and latitude: left out.
    HeightsIgnored,
    /// The ring enclosed nothing and was left out; only with
    /// [`crate::CollapsedRings::Drop`].
    Dropped,
}

impl std::fmt::Display for RepairKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("was not closed, closed it"),
            Self::DuplicatesRemoved { count } => write!(f, "removed {count} repeated points"),
            Self::SpikesRemoved { count } => write!(f, "removed {count} points of spikes that enclose nothing"),
            Self::Split { into } => write!(f, "touched itself, split into {into} rings"),
            Self::Rewound => f.write_str("ran the wrong way round, turned it"),
            Self::HeightsIgnored => f.write_str("ignored heights"),
            Self::Dropped => f.write_str("enclosed nothing, left it out"),
        }
    }
}
