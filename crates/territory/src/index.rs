//! A map prepared once, to be asked many times.

use rstar::RTree;

use crate::border::{BorderSide, border_sides};
use crate::ground::Ground;
use crate::map::{Area, BoundaryMap};
use crate::position::{Plane, Position};

/// A boundary map with its areas and borders indexed. Building it costs milliseconds for a county, a
/// second for the largest sensible map, ten for one built to be slow; a question then costs
/// microseconds.
#[derive(Debug, Clone)]
pub struct Index {
    map: BoundaryMap,
    ground: Ground,
    border: RTree<BorderSide>,
    lon_scale: f64,
}

/// The border as seen from a point.
#[derive(Debug, Default)]
pub(crate) struct BorderView {
    /// Metres to the nearest border.
    pub(crate) distance_m: Option<f64>,
    /// Areas with a border within reach, sorted, each once.
    pub(crate) areas_in_reach: Vec<usize>,
}

impl Index {
    /// Prepares a map.
    #[must_use]
    pub fn new(map: BoundaryMap) -> Self {
        let ground = Ground::new(map.areas.iter());
        let latitudes = || map.areas.iter().flat_map(Area::rings).flatten().map(|point| point.lat_deg);
        let south_deg = latitudes().fold(90.0, f64::min);
        let north_deg = latitudes().fold(-90.0, f64::max);
        let lon_scale = ((south_deg + north_deg) / 2.0).to_radians().cos().max(1e-6);
        let border = RTree::bulk_load(border_sides(&map.areas, &ground, lon_scale));
        Self { map, ground, border, lon_scale }
    }

    /// The map this index was made from.
    #[must_use]
    pub fn map(&self) -> &BoundaryMap {
        &self.map
    }

    /// The areas that cover a point in the map's datum, their borders included.
    pub(crate) fn areas_at(&self, point: Position) -> Vec<usize> {
        self.ground.areas_at(point)
    }

    /// Those of `areas` that have the point inside, not on their border.
    pub(crate) fn keep_inside(&self, areas: &[usize], point: Position) -> Vec<usize> {
        self.ground.keep_inside(areas, point)
    }

    /// The nearest border, and every area whose border lies within `reach_m`. `point` must be on
    /// earth and in the map's datum.
    pub(crate) fn view_border(&self, point: Position, reach_m: f64) -> BorderView {
        let plane = Plane::at(point);
        let scaled = [point.lon_deg * self.lon_scale, point.lat_deg];
        // No side is nearer in metres than its distance in the index times this.
        let metres_per_unit = (plane.east_m / self.lon_scale).min(plane.north_m);
        let mut view = BorderView::default();
        for (side, distance_2) in self.border.nearest_neighbor_iter_with_distance_2(&scaled) {
            let at_least_m = distance_2.sqrt() * metres_per_unit;
            if view.distance_m.is_some_and(|nearest_m| at_least_m > nearest_m.max(reach_m)) {
                break;
            }
            let [a, b] = side.ends;
            let distance_m = plane.distance_to_side_m(a, b);
            view.distance_m = Some(view.distance_m.map_or(distance_m, |nearest_m| nearest_m.min(distance_m)));
            if distance_m <= reach_m {
                view.areas_in_reach.push(side.area);
            }
        }
        view.areas_in_reach.sort_unstable();
        view.areas_in_reach.dedup();
        view
    }
}
