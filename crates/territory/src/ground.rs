//! Which areas lie under a point.

use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::locate::{Location, Locator};
use crate::map::Area;
use crate::position::Position;
use crate::rings::bounds;

/// A box around an area, with its index.
type AreaBox = GeomWithData<Rectangle<[f64; 2]>, usize>;

/// Steps that a question counts for beside the sides it looks at.
const STEPS_PER_QUESTION: usize = 20;

/// A set of areas, prepared for the question which of them cover a point.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    boxes: RTree<AreaBox>,
    locators: Vec<Locator>,
}

impl Ground {
    pub(crate) fn new<'a>(areas: impl Iterator<Item = &'a Area>) -> Self {
        let mut boxes = Vec::new();
        let mut locators = Vec::new();
        for (index, area) in areas.enumerate() {
            boxes.extend(area.parts.iter().map(|part| GeomWithData::new(bounds(&part.outer), index)));
            locators.push(Locator::new(area.rings()));
        }
        Self { boxes: RTree::bulk_load(boxes), locators }
    }

    /// The areas that cover `point`, border included, in their order.
    pub(crate) fn areas_at(&self, point: Position) -> Vec<usize> {
        self.areas_at_counting(point, &mut 0)
    }

    /// As [`Ground::areas_at`], adding to `steps` what the question cost: about one for every side
    /// looked at.
    pub(crate) fn areas_at_counting(&self, point: Position, steps: &mut usize) -> Vec<usize> {
        let at = AABB::from_point([point.lon_deg, point.lat_deg]);
        let mut areas: Vec<usize> = self.boxes.locate_in_envelope_intersecting(&at).map(|area| area.data).collect();
        areas.sort_unstable();
        areas.dedup();
        *steps += STEPS_PER_QUESTION + areas.iter().map(|&area| self.locators[area].sides_near(point)).sum::<usize>();
        areas.retain(|&area| self.locators[area].covers(point));
        areas
    }

    /// The areas that cover `point` and have it inside, not on their border; a part of
    /// [`Ground::areas_at`].
    pub(crate) fn keep_inside(&self, areas: &[usize], point: Position) -> Vec<usize> {
        areas.iter().copied().filter(|&area| self.locators[area].locate(point) == Location::Inside).collect()
    }

    /// Whether any area covers `point`; counts as [`Ground::areas_at_counting`] does.
    pub(crate) fn is_covered_counting(&self, point: Position, steps: &mut usize) -> bool {
        *steps += STEPS_PER_QUESTION;
        let at = AABB::from_point([point.lon_deg, point.lat_deg]);
        self.boxes.locate_in_envelope_intersecting(&at).any(|area| {
            let locator = &self.locators[area.data];
            *steps += locator.sides_near(point);
            locator.covers(point)
        })
    }
}
