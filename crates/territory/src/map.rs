//! What a boundary map is, and how it is read.
//!
//! ```json
//! {
//!   "type": "FeatureCollection",
//!   "version": "2026-03",
//!   "datum": "WGS84",
//!   "band_m": 10,
//!   "fallback_points": [[-75.3878525, 40.2290075], {"lon": -75.1, "lat": 40.0, "radius_m": 50}],
//!   "features": [
//!     {"type": "Feature", "id": "t-1", "properties": {"name": "Telford", "station": "67"},
//!      "geometry": {"type": "Polygon", "coordinates": []}}
//!   ]
//! }
//! ```
//!
//! `datum` is mandatory; the older `crs` member is read in its place. `station` is one station or a
//! list of them. `"shared": true` makes an area an embedded zone; without `station` every station
//! of the map claims it.

use crate::datum::Datum;
use crate::error::{MapError, Repair};
use crate::position::Position;

/// Width of the band around a border where neither the map nor the caller says otherwise, in
/// metres: the distance within which a street corner's coordinate cannot tell two sides apart.
pub const BAND_DEFAULT_M: f64 = 10.0;

/// How close to a declared fallback point a position counts as that point where no radius is given,
/// in metres.
pub const FALLBACK_RADIUS_DEFAULT_M: f64 = 1.0;

/// Which properties of a feature hold what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaKeys {
    /// Property with the area's id; a feature's own `id` goes first, the name stands in.
    pub id_key: String,
    /// Property with the area's name.
    pub name_key: String,
    /// Property with the claiming station: one text or number, or a list of them.
    pub station_key: String,
    /// Property that marks an embedded zone with `true`.
    pub shared_key: String,
}

impl Default for AreaKeys {
    fn default() -> Self {
        Self {
            id_key: "id".into(),
            name_key: "name".into(),
            station_key: "station".into(),
            shared_key: "shared".into(),
        }
    }
}

/// What to do with a ring that encloses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CollapsedRings {
    /// Refuse the map and name the ring: somebody meant something by it.
    #[default]
    Refuse,
    /// Leave the ring out and report it, as long as its area still has a surface. For maps that
    /// went through a simplifier, which shrinks small rings to nothing.
    Drop,
}

/// How a map is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ParseOptions {
    /// Which properties hold what.
    pub keys: AreaKeys,
    /// Version of a map that does not say its own. A map without either is refused.
    pub version: Option<String>,
    /// Band in metres of a map that does not say its own.
    pub band_m: f64,
    /// Fallback points beside those the map declares, in the map's datum.
    pub fallback_points: Vec<FallbackPoint>,
    /// What to do with a ring that encloses nothing.
    pub collapsed_rings: CollapsedRings,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            keys: AreaKeys::default(),
            version: None,
            band_m: BAND_DEFAULT_M,
            fallback_points: Vec::new(),
            collapsed_rings: CollapsedRings::default(),
        }
    }
}

/// A point that a geocoder returns for everything it could not place. A call there is not trusted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FallbackPoint {
    /// The point, in the map's datum.
    pub at: Position,
    /// How close a position counts as this point, in metres.
    pub radius_m: f64,
}

impl FallbackPoint {
    /// A fallback point with [`FALLBACK_RADIUS_DEFAULT_M`].
    #[must_use]
    pub fn new(at: Position) -> Self {
        Self { at, radius_m: FALLBACK_RADIUS_DEFAULT_M }
    }
}

/// One connected piece of an area.
///
/// Every ring is closed (first point = last), the outer one runs counter-clockwise, holes
/// clockwise (RFC 7946, 3.1.6), and no two sides of an area cross.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The ring around it.
    pub outer: Vec<Position>,
    /// What is cut out of it. A hole that another area fills is an enclave; one that none fills is
    /// outside.
    pub holes: Vec<Vec<Position>>,
}

impl Part {
    /// All rings, the outer one first.
    pub fn rings(&self) -> impl Iterator<Item = &[Position]> {
        std::iter::once(self.outer.as_slice()).chain(self.holes.iter().map(Vec::as_slice))
    }
}

/// One area of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) claimants: Vec<String>,
    pub(crate) is_shared: bool,
    pub(crate) parts: Vec<Part>,
}

impl Area {
    /// The area's id: the feature's `id`, or the id property, or the name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The area's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stations that claim it, sorted, at least one.
    #[must_use]
    pub fn claimants(&self) -> &[String] {
        &self.claimants
    }

    /// Whether it is an embedded zone, for which several stations answer.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Its pieces, at least one.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// All rings of all parts.
    pub fn rings(&self) -> impl Iterator<Item = &[Position]> {
        self.parts.iter().flat_map(Part::rings)
    }
}

/// A boundary map that was read and found sound. Ratification is not its business.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundaryMap {
    pub(crate) version: String,
    pub(crate) datum: Datum,
    pub(crate) band_m: f64,
    pub(crate) fallback_points: Vec<FallbackPoint>,
    pub(crate) areas: Vec<Area>,
}

impl BoundaryMap {
    /// Reads a map and reports every repair, in the order of the file.
    ///
    /// # Errors
    /// [`MapError`] if the map cannot be used. All unusable rings are listed in one
    /// [`MapError::Geometry`], so that a map is mended in one round.
    pub fn parse(bytes: &[u8], options: &ParseOptions) -> Result<(Self, Vec<Repair>), MapError> {
        crate::parse::parse(bytes, options)
    }

    /// The map's version, as ratified.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The datum of every position in it; never [`Datum::Unknown`].
    #[must_use]
    pub fn datum(&self) -> Datum {
        self.datum
    }

    /// Half the width of the contested strip: metres on either side of a border.
    #[must_use]
    pub fn band_m(&self) -> f64 {
        self.band_m
    }

    /// The points that are not trusted.
    #[must_use]
    pub fn fallback_points(&self) -> &[FallbackPoint] {
        &self.fallback_points
    }

    /// The areas, in the order of the file.
    #[must_use]
    pub fn areas(&self) -> &[Area] {
        &self.areas
    }

    /// Every station that claims an area, sorted, each once.
    #[must_use]
    pub fn stations(&self) -> Vec<&str> {
        let mut stations: Vec<&str> = self.areas.iter().flat_map(|area| &area.claimants).map(String::as_str).collect();
        stations.sort_unstable();
        stations.dedup();
        stations
    }
}
