//! Strips between two areas that nobody covers and that are open at an end.
//!
//! Along every side, at a few places, a step is taken outwards. If the ground there is uncovered
//! and another area begins within the limit, the two were meant to touch.

use std::collections::BTreeMap;

use rstar::AABB;

use super::{Entry, Finding};
use crate::border::{SideTree, side_tree};
use crate::ground::Ground;
use crate::limits::{SEAM_STEPS_MAX, SEAM_TOLERANCE_M};
use crate::locate::{Location, Locator};
use crate::position::{Plane, Position};

/// Places looked at along one side: one per this many metres, at least one.
const STEP_M: f64 = 20.0;

/// Most places looked at along one side.
const STEPS_MAX: usize = 32;

/// A strip at least this many times as long as it is wide is a sliver. A shorter one is the corner
/// where two borders part for good.
const LENGTH_TO_WIDTH_MIN: f64 = 5.0;

/// What is known of the strip between two areas so far.
#[derive(Default)]
struct Strip {
    width_m: f64,
    near: Option<Position>,
    /// Length of border along it, both sides added up.
    border_m: f64,
}

/// Reports slivers up to `sliver_max_m` wide, one per pair of areas, unless they are part of an
/// enclosed gap, which is reported as such.
pub(super) fn find_slivers(
    entries: &[Entry<'_>],
    gaps: &[Vec<Position>],
    sliver_max_m: f64,
    findings: &mut Vec<Finding>,
) {
    if sliver_max_m.is_nan() || sliver_max_m <= SEAM_TOLERANCE_M {
        return;
    }
    let mut survey = Survey {
        ground: Ground::new(entries.iter().map(|entry| entry.area)),
        sides: side_tree(entries.iter().map(|entry| entry.area)),
        gaps: Locator::new(gaps.iter().map(Vec::as_slice)),
        sliver_max_m,
        steps: 0,
    };
    let mut slivers: BTreeMap<(usize, usize), Strip> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        for &[a, b] in entry.area.rings().flat_map(<[Position]>::array_windows::<2>) {
            survey.side(index, a, b, &mut slivers);
        }
    }
    for ((first, second), Strip { width_m, near, border_m }) in slivers {
        let (Some(near), length_m) = (near, border_m / 2.0) else { continue };
        if length_m >= LENGTH_TO_WIDTH_MIN * width_m {
            let (first, second) = (entries[first].named(), entries[second].named());
            findings.push(Finding::Sliver { first, second, width_m, length_m, near });
        }
    }
    if survey.steps > SEAM_STEPS_MAX {
        findings
            .push(Finding::Incomplete { what: "slivers of the remaining areas: too many sides lie close together" });
    }
}

struct Survey {
    ground: Ground,
    sides: SideTree,
    gaps: Locator,
    sliver_max_m: f64,
    /// Sides looked at so far; nothing is examined beyond [`SEAM_STEPS_MAX`].
    steps: usize,
}

impl Survey {
    /// Looks outwards from one side of an area. Outer rings run counter-clockwise and holes
    /// clockwise, so outside is always to the right.
    fn side(&mut self, area: usize, a: Position, b: Position, slivers: &mut BTreeMap<(usize, usize), Strip>) {
        let plane = Plane::at(a);
        let [east_m, north_m] = plane.metres(b);
        let length_m = east_m.hypot(north_m);
        if length_m == 0.0 {
            return;
        }
        let right = [north_m / length_m, -east_m / length_m];
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, then bounded"
        )]
        let steps = ((length_m / STEP_M) as usize + 1).min(STEPS_MAX);
        #[expect(clippy::cast_precision_loss, reason = "at most 32 steps")]
        let share_each = 1.0 / steps as f64;
        for step in 0..steps {
            #[expect(clippy::cast_precision_loss, reason = "at most 32 steps")]
            let share = (step as f64 + 0.5) * share_each;
            let start = plane.place([east_m * share, north_m * share]);
            let Some((other, width_m)) = self.across(area, start, right) else { continue };
            let pair = (area.min(other), area.max(other));
            let strip = slivers.entry(pair).or_default();
            strip.border_m += length_m * share_each;
            if width_m > strip.width_m {
                (strip.width_m, strip.near) = (width_m, Some(start));
            }
        }
    }

    /// The next area in a direction, if uncovered ground no wider than the limit lies between.
    fn across(&mut self, area: usize, start: Position, right: [f64; 2]) -> Option<(usize, f64)> {
        let plane = Plane::at(start);
        let beside = plane.place(right.map(|part| part * SEAM_TOLERANCE_M));
        if self.steps > SEAM_STEPS_MAX || self.ground.is_covered_counting(beside, &mut self.steps) {
            return None;
        }
        let end = plane.place(right.map(|part| part * self.sliver_max_m));
        let ray = AABB::from_corners([start.lon_deg, start.lat_deg], [end.lon_deg, end.lat_deg]);
        let mut nearest: Option<(usize, f64)> = None;
        for side in self.sides.locate_in_envelope_intersecting(&ray) {
            self.steps += 1;
            let (other, ends) = side.data;
            let Some(width_m) = meets(plane, right, ends) else { continue };
            let is_ahead = width_m > SEAM_TOLERANCE_M && width_m <= self.sliver_max_m;
            if is_ahead && nearest.is_none_or(|(_, nearest_m)| width_m < nearest_m) {
                nearest = Some((other, width_m));
            }
        }
        let (other, width_m) = nearest?;
        let is_reported = self.gaps.locate(beside) != Location::Outside;
        (other != area && !is_reported).then_some((other, width_m))
    }
}

/// How many metres ahead a ray from the plane's origin meets a side.
fn meets(plane: Plane, direction: [f64; 2], ends: [Position; 2]) -> Option<f64> {
    let [[ax, ay], [bx, by]] = ends.map(|end| plane.metres(end));
    let (sx, sy) = (bx - ax, by - ay);
    let denominator = direction[0] * sy - direction[1] * sx;
    if denominator == 0.0 {
        return None;
    }
    let ahead_m = (ax * sy - ay * sx) / denominator;
    let along = (ax * direction[1] - ay * direction[0]) / denominator;
    (0.0..=1.0).contains(&along).then_some(ahead_m)
}
