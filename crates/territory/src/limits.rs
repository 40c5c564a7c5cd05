//! Every limit of this crate, with its unit in the name. A map beyond one of them is refused with
//! the limit in the message; nothing is cut off in silence.

/// Largest boundary map that is read, in bytes.
pub const MAP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most areas in one map.
pub const AREAS_MAX: usize = 10_000;

/// Most vertices in one map, all rings together.
pub const VERTICES_MAX: usize = 500_000;

/// Most rings in one area, after rings that touch themselves were split.
pub const RINGS_PER_AREA_MAX: usize = 4_096;

/// Most declared fallback points of one map.
pub const FALLBACK_POINTS_MAX: usize = 1_000;

/// Most stations that may claim one area.
pub const CLAIMANTS_PER_AREA_MAX: usize = 16;

/// Longest id, name, station or version, in bytes.
pub const TEXT_BYTES_MAX: usize = 256;

/// Most faults listed when a map is refused; the count in the message goes on.
pub const FAULTS_MAX: usize = 200;

/// Most pairs of sides compared in one job: the search for crossings in a map, which refuses the map
/// at the limit, and the search for overlaps, which says that it stopped. Real maps need a few per
/// side; only a map built to be slow comes near.
pub const SIDE_PAIRS_MAX: usize = 20_000_000;

/// Most steps of a walk along all sides that looks to their left and right: for sides between two
/// areas of one station, where every further side then counts as border, and for slivers, where the
/// check says that it stopped. The largest map that is drawn sensibly needs half of them.
pub const SEAM_STEPS_MAX: usize = 100_000_000;

/// Widest band a map may declare, in metres.
pub const BAND_MAX_M: f64 = 5_000.0;

/// Coarsest point precision that still says anything, in metres. A coarser point is not trusted.
pub const PRECISION_MAX_M: f64 = 50_000.0;

/// Widest radius of a declared fallback point, in metres.
pub const FALLBACK_RADIUS_MAX_M: f64 = 5_000.0;

/// Two borders closer than this are one seam, in metres: the width of what survives when neighbours
/// are drawn on the same line with different vertices.
pub const SEAM_TOLERANCE_M: f64 = 0.05;

/// Smallest overlap or gap that is reported, in square metres.
pub const SURFACE_MIN_M2: f64 = 1.0;

/// Most vertices that go into overlap computation, summed over all pairs of areas that may overlap.
pub const OVERLAP_VERTICES_MAX: usize = 5_000_000;

/// Most findings of one check.
pub const FINDINGS_MAX: usize = 10_000;
