//! Boundary maps, datum conversion, and who answers for a place.
//!
//! A boundary map is a versioned GeoJSON `FeatureCollection` of areas, each claimed by one or more
//! stations. This crate reads it, repairs what can be repaired without guessing (every repair is
//! reported with the ring it touched), refuses the rest by name, and answers for a point whose
//! ground it lies on. It never picks one of two claims in silence, and it never decides custody:
//! the answer is advice.
//!
//! Reading order:
//!
//! 1. [`position`]: a place in degrees, and metres around it.
//! 2. [`datum`]: WGS 84, CGCS2000, GCJ-02.
//! 3. [`map`]: what a boundary map is, and how it is read ([`BoundaryMap::parse`]).
//! 4. [`error`]: every way a map is refused, and every repair.
//! 5. [`index`] and [`resolve`]: the map prepared once, then asked many times.
//! 6. [`mod@nearest`]: the closest posts and units of every station.
//! 7. [`mod@check`]: what two sides should look at before they ratify a set of maps.
//!
//! Pure: no I/O, no clock, no randomness, no threads. Bytes in, values out; no input panics.

pub mod check;
pub mod datum;
pub mod error;
pub mod index;
pub mod limits;
pub mod map;
pub mod nearest;
pub mod position;
pub mod resolve;

mod border;
mod crs;
mod ground;
mod locate;
mod parse;
mod rings;
mod tangle;

pub use check::{AreaAt, BoundaryFile, CheckOptions, CheckReport, Finding, OverlapKind, Severity, check, check_maps};
pub use datum::{Datum, gcj02_from_wgs84, wgs84_from_gcj02};
pub use error::{Fault, MapError, Repair, RepairKind, RingFault, RingRef};
pub use index::Index;
pub use map::{Area, AreaKeys, BoundaryMap, CollapsedRings, FallbackPoint, ParseOptions, Part};
pub use nearest::{Found, Nearest, Side, Site, SiteKind, nearest};
pub use position::{Position, distance_m};
pub use resolve::{Answer, Ownership, Query, Reason, Standing, Verdict, together};
