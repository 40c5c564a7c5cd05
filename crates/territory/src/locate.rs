//! Whether a point is inside a set of rings, fast.

use geo::kernels::RobustKernel;
use geo::{Kernel, Orientation};

use crate::position::Position;

/// Where a point lies with respect to a set of rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Inside,
    OnBorder,
    Outside,
}

/// The sides of a set of closed rings, sorted into horizontal strips, so that a question looks at
/// the sides of one strip only. Rings count by the even-odd rule.
#[derive(Debug, Clone)]
pub(crate) struct Locator {
    sides: Vec<[Position; 2]>,
    /// Where each strip's sides begin in `members`, and one more for the end.
    starts: Vec<u32>,
    members: Vec<u32>,
    south_deg: f64,
    strips_per_deg: f64,
}

/// Sides in all strips together, per side: keeps memory linear for rings of long sides.
const MEMBERS_PER_SIDE_MAX: usize = 8;

impl Locator {
    pub(crate) fn new<'a>(rings: impl Iterator<Item = &'a [Position]>) -> Self {
        let sides: Vec<[Position; 2]> = rings.flat_map(|ring| ring.windows(2).map(|side| [side[0], side[1]])).collect();
        let (mut south_deg, mut north_deg) = (f64::INFINITY, f64::NEG_INFINITY);
        for [a, b] in &sides {
            south_deg = south_deg.min(a.lat_deg.min(b.lat_deg));
            north_deg = north_deg.max(a.lat_deg.max(b.lat_deg));
        }
        let height_deg = north_deg - south_deg;
        let mut locator = Self { sides, starts: Vec::new(), members: Vec::new(), south_deg, strips_per_deg: 0.0 };
        let mut strips = locator.sides.len().max(1);
        loop {
            locator.strips_per_deg = if height_deg > 0.0 { strips_f64(strips) / height_deg } else { 0.0 };
            let total: usize = locator.spans(strips).map(|(first, last)| last - first + 1).sum();
            if strips == 1 || total <= locator.sides.len() * MEMBERS_PER_SIDE_MAX {
                break;
            }
            strips /= 2;
        }
        locator.fill(strips);
        locator
    }

    /// First and last strip of every side.
    fn spans(&self, strips: usize) -> impl Iterator<Item = (usize, usize)> {
        self.sides.iter().map(move |[a, b]| {
            let low = self.strip(a.lat_deg.min(b.lat_deg), strips);
            (low, self.strip(a.lat_deg.max(b.lat_deg), strips).max(low))
        })
    }

    fn strip(&self, lat_deg: f64, strips: usize) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float cast saturates, and the strip is bounded by the count"
        )]
        let strip = ((lat_deg - self.south_deg) * self.strips_per_deg).max(0.0) as usize;
        strip.min(strips - 1)
    }

    fn fill(&mut self, strips: usize) {
        let mut buckets: Vec<Vec<u32>> = vec![Vec::new(); strips];
        let spans: Vec<(usize, usize)> = self.spans(strips).collect();
        for (side, (first, last)) in (0_u32..).zip(spans) {
            for bucket in &mut buckets[first..=last] {
                bucket.push(side);
            }
        }
        let mut end = 0_u32;
        self.starts.push(0);
        for bucket in buckets {
            end += u32::try_from(bucket.len()).unwrap_or(u32::MAX);
            self.starts.push(end);
            self.members.extend(bucket);
        }
    }

    /// Where `point` lies. Decided with exact predicates: a point on a side is on the border, never
    /// a little to one side of it.
    pub(crate) fn locate(&self, point: Position) -> Location {
        let members = self.members_near(point);
        let mut is_inside = false;
        for &member in members {
            let [a, b] = self.sides[member as usize];
            let (low, high) = if a.lat_deg <= b.lat_deg { (a, b) } else { (b, a) };
            if point.lat_deg < low.lat_deg
                || point.lat_deg > high.lat_deg
                || point.lon_deg > low.lon_deg.max(high.lon_deg)
            {
                continue;
            }
            // The side starts at its lower end and stops before its upper one, so that a ray
            // through a vertex counts once.
            let counts = point.lat_deg < high.lat_deg;
            if point.lon_deg < low.lon_deg.min(high.lon_deg) {
                is_inside ^= counts;
                continue;
            }
            match RobustKernel::orient2d(low.coord(), high.coord(), point.coord()) {
                Orientation::Collinear => return Location::OnBorder,
                Orientation::CounterClockwise => is_inside ^= counts,
                Orientation::Clockwise => {}
            }
        }
        if is_inside { Location::Inside } else { Location::Outside }
    }

    fn members_near(&self, point: Position) -> &[u32] {
        let strip = self.strip(point.lat_deg, self.starts.len() - 1);
        &self.members[self.starts[strip] as usize..self.starts[strip + 1] as usize]
    }

    /// How many sides a question about `point` looks at.
    pub(crate) fn sides_near(&self, point: Position) -> usize {
        self.members_near(point).len()
    }

    /// Inside or on the border.
    pub(crate) fn covers(&self, point: Position) -> bool {
        self.locate(point) != Location::Outside
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of strips is far below 2^53")]
fn strips_f64(strips: usize) -> f64 {
    strips as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(points: &[(f64, f64)]) -> Vec<Position> {
        points.iter().map(|&(lon, lat)| Position::new(lon, lat)).collect()
    }

    #[test]
    fn inside_outside_border_and_hole() {
        let outer = ring(&[(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (0.0, 0.0)]);
        let hole = ring(&[(1.0, 1.0), (1.0, 3.0), (3.0, 3.0), (3.0, 1.0), (1.0, 1.0)]);
        let locator = Locator::new([outer.as_slice(), hole.as_slice()].into_iter());
        for (lon, lat, expected) in [
            (0.5, 0.5, Location::Inside),
            (0.5, 1.0, Location::Inside),
            (3.5, 3.0, Location::Inside),
            (2.0, 2.0, Location::Outside),
            (-1.0, 0.0, Location::Outside),
            (5.0, 4.0, Location::Outside),
            (-1.0, 4.0, Location::Outside),
            (2.0, 9.0, Location::Outside),
            (0.0, 0.0, Location::OnBorder),
            (2.0, 4.0, Location::OnBorder),
            (1.0, 2.0, Location::OnBorder),
            (3.0, 3.0, Location::OnBorder),
        ] {
            assert_eq!(locator.locate(Position::new(lon, lat)), expected, "{lon} {lat}");
        }
    }

    #[test]
    fn no_sides_is_outside_everywhere() {
        let locator = Locator::new(std::iter::empty());
        assert_eq!(locator.locate(Position::new(1.0, 1.0)), Location::Outside);
    }
}
