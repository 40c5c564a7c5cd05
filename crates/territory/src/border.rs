//! Which sides of which rings are border.
//!
//! A side is border where the ground to its left and right is answered for differently: another
//! set of stations, an embedded zone, or nobody. Sides between two areas of one station are not
//! border, however the two were drawn: a side is cut where a neighbour's corner touches it or a
//! neighbour's side crosses it, and each piece is judged by what lies just beside its middle.

use std::collections::HashMap;

use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, PointDistance, RTree, RTreeObject};

use crate::ground::Ground;
use crate::limits::{SEAM_STEPS_MAX, SEAM_TOLERANCE_M};
use crate::map::Area;
use crate::position::{Plane, Position};
use crate::rings::bounds;

/// A piece of border and the area whose ring it is part of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BorderSide {
    pub(crate) ends: [Position; 2],
    pub(crate) area: usize,
    /// Scale of longitude in the index: the cosine of the map's middle latitude, so that nearest in
    /// the index is close to nearest in metres.
    pub(crate) lon_scale: f64,
}

impl BorderSide {
    fn scaled(&self) -> [[f64; 2]; 2] {
        self.ends.map(|end| [end.lon_deg * self.lon_scale, end.lat_deg])
    }
}

impl RTreeObject for BorderSide {
    type Envelope = AABB<[f64; 2]>;

    fn envelope(&self) -> Self::Envelope {
        let [a, b] = self.scaled();
        AABB::from_corners(a, b)
    }
}

impl PointDistance for BorderSide {
    fn distance_2(&self, point: &[f64; 2]) -> f64 {
        let [a, b] = self.scaled();
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let (px, py) = (point[0] - a[0], point[1] - a[1]);
        let length_2 = dx * dx + dy * dy;
        let along = if length_2 > 0.0 { ((px * dx + py * dy) / length_2).clamp(0.0, 1.0) } else { 0.0 };
        let (x, y) = (px - along * dx, py - along * dy);
        x * x + y * y
    }
}

/// All sides of all areas, for finding neighbours. The data is the area and the side's ends.
pub(crate) type SideTree = RTree<GeomWithData<Rectangle<[f64; 2]>, (usize, [Position; 2])>>;

pub(crate) fn side_tree<'a>(areas: impl Iterator<Item = &'a Area>) -> SideTree {
    let sides = areas.enumerate().flat_map(|(index, area)| {
        area.rings()
            .flat_map(<[Position]>::array_windows::<2>)
            .map(move |ends| GeomWithData::new(bounds(ends), (index, *ends)))
    });
    RTree::bulk_load(sides.collect())
}

/// Every piece of border of a map's areas.
pub(crate) fn border_sides(areas: &[Area], ground: &Ground, lon_scale: f64) -> Vec<BorderSide> {
    let mut claims: HashMap<&str, usize> = HashMap::new();
    for station in areas.iter().flat_map(|area| &area.claimants) {
        *claims.entry(station).or_default() += 1;
    }
    // Crossing the ring of a station's only area always changes who answers.
    let may_be_inner: Vec<bool> =
        areas.iter().map(|area| area.claimants.iter().all(|station| claims[station.as_str()] > 1)).collect();
    let mut seams =
        may_be_inner.contains(&true).then(|| Seams { areas, ground, tree: side_tree(areas.iter()), steps: 0 });
    let mut border = Vec::new();
    for (index, area) in areas.iter().enumerate() {
        for ends in area.rings().flat_map(<[Position]>::array_windows::<2>) {
            let side = |ends| BorderSide { ends, area: index, lon_scale };
            match &mut seams {
                Some(seams) if may_be_inner[index] => {
                    border.extend(seams.border_pieces(index, *ends).into_iter().map(side));
                }
                Some(_) | None => border.push(side(*ends)),
            }
        }
    }
    border
}

/// Who answers on a spot: the stations, and whether it is an embedded zone.
type Standing<'a> = (Vec<&'a str>, bool);

/// Cuts and judges sides that may lie between two areas of one station.
struct Seams<'a> {
    areas: &'a [Area],
    ground: &'a Ground,
    tree: SideTree,
    /// Sides looked at so far. Beyond [`SEAM_STEPS_MAX`] every further side
    /// counts as border: contested rather than wrong.
    steps: usize,
}

impl Seams<'_> {
    fn border_pieces(&mut self, area: usize, ends: [Position; 2]) -> Vec<[Position; 2]> {
        let [a, b] = ends;
        let plane = Plane::at(a.midpoint(b));
        let mut cuts = vec![0.0, 1.0];
        let pad = [SEAM_TOLERANCE_M / plane.east_m, SEAM_TOLERANCE_M / plane.north_m];
        let low = [a.lon_deg.min(b.lon_deg) - pad[0], a.lat_deg.min(b.lat_deg) - pad[1]];
        let high = [a.lon_deg.max(b.lon_deg) + pad[0], a.lat_deg.max(b.lat_deg) + pad[1]];
        for other in self.tree.locate_in_envelope_intersecting(&AABB::from_corners(low, high)) {
            self.steps += 1;
            if self.steps > SEAM_STEPS_MAX {
                return vec![ends];
            }
            let (owner, other_ends) = other.data;
            if owner != area {
                cuts_of(plane, ends, other_ends, &mut cuts);
            }
        }
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        let at = |cut: f64| {
            Position::new(a.lon_deg + cut * (b.lon_deg - a.lon_deg), a.lat_deg + cut * (b.lat_deg - a.lat_deg))
        };
        let pieces = cuts.array_windows::<2>().map(|&[from, to]| [at(from), at(to)]);
        pieces.filter(|&piece| self.is_border(piece)).collect()
    }

    fn is_border(&mut self, [a, b]: [Position; 2]) -> bool {
        if self.steps > SEAM_STEPS_MAX {
            return true;
        }
        let plane = Plane::at(a.midpoint(b));
        let ([ax, ay], [bx, by]) = (plane.metres(a), plane.metres(b));
        let length_m = (bx - ax).hypot(by - ay);
        if length_m == 0.0 {
            return false;
        }
        let step = SEAM_TOLERANCE_M.min(length_m / 4.0) / length_m;
        let (nx, ny) = ((by - ay) * step, (ax - bx) * step);
        let right = self.ground.areas_at_counting(plane.place([nx, ny]), &mut self.steps);
        let left = self.ground.areas_at_counting(plane.place([-nx, -ny]), &mut self.steps);
        right != left && self.standing(&right) != self.standing(&left)
    }

    fn standing(&self, areas: &[usize]) -> Standing<'_> {
        let areas = || areas.iter().map(|&area| &self.areas[area]);
        let mut stations: Vec<&str> = areas().flat_map(|area| &area.claimants).map(String::as_str).collect();
        stations.sort_unstable();
        stations.dedup();
        (stations, areas().any(|area| area.is_shared))
    }
}

/// Where a neighbour's side touches or crosses a side, as shares of its length.
fn cuts_of(plane: Plane, side: [Position; 2], other: [Position; 2], cuts: &mut Vec<f64>) {
    let [[ax, ay], [bx, by]] = side.map(|end| plane.metres(end));
    let [[cx, cy], [dx, dy]] = other.map(|end| plane.metres(end));
    let (rx, ry) = (bx - ax, by - ay);
    let length_2 = rx * rx + ry * ry;
    if length_2 == 0.0 {
        return;
    }
    let mut add = |cut: f64| {
        if cut > 0.0 && cut < 1.0 {
            cuts.push(cut);
        }
    };
    for [x, y] in [[cx, cy], [dx, dy]] {
        let along = ((x - ax) * rx + (y - ay) * ry) / length_2;
        let off_m = ((x - ax) * ry - (y - ay) * rx).abs() / length_2.sqrt();
        if off_m <= SEAM_TOLERANCE_M {
            add(along);
        }
    }
    let (sx, sy) = (dx - cx, dy - cy);
    let denominator = rx * sy - ry * sx;
    if denominator != 0.0 {
        let along = ((cx - ax) * sy - (cy - ay) * sx) / denominator;
        let along_other = ((cx - ax) * ry - (cy - ay) * rx) / denominator;
        if (0.0..=1.0).contains(&along_other) {
            add(along);
        }
    }
}
