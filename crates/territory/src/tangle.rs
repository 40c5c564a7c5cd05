//! Whether sides of one area cross, found with exact predicates.

use std::collections::HashSet;

use geo::kernels::RobustKernel;
use geo::{Kernel, Orientation};
use rstar::RTree;
use rstar::primitives::GeomWithData;

use crate::error::{Fault, MapError};
use crate::limits::SIDE_PAIRS_MAX;
use crate::position::Position;
use crate::rings::{Log, Loop, bounds};

/// One side: of which ring, and which in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SideRef {
    ring: usize,
    side: usize,
}

/// How two sides lie to one another.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meeting {
    Apart,
    Crossing(Position),
    Along(Position),
}

/// Logs every pair of rings that cross or run along one another, one fault per pair.
///
/// # Errors
/// [`MapError::TooTangled`] if the map needs more than [`SIDE_PAIRS_MAX`] comparisons.
pub(crate) fn find_crossings(area: &str, loops: &[Loop], log: &mut Log) -> Result<(), MapError> {
    let boxes = loops.iter().enumerate().flat_map(|(ring, points)| {
        points
            .points
            .windows(2)
            .enumerate()
            .map(move |(side, ends)| GeomWithData::new(bounds(ends), SideRef { ring, side }))
    });
    let tree = RTree::bulk_load(boxes.collect());
    let mut reported: HashSet<(usize, usize)> = HashSet::new();
    for (first, second) in tree.intersection_candidates_with_other_tree(&tree) {
        log.side_pairs += 1;
        if log.side_pairs > SIDE_PAIRS_MAX {
            return Err(MapError::TooTangled { area: area.to_owned() });
        }
        let (first, second) = (first.data, second.data);
        if first >= second || reported.contains(&(first.ring, second.ring)) {
            continue;
        }
        let with = || loops[second.ring].name.clone();
        let fault = match meeting(loops, first, second) {
            Meeting::Apart => continue,
            Meeting::Crossing(at) => Fault::Crosses { with: with(), at },
            Meeting::Along(at) => Fault::RunsAlong { with: with(), at },
        };
        reported.insert((first.ring, second.ring));
        log.fault(&loops[first.ring].name, fault);
    }
    Ok(())
}

fn side_ends(loops: &[Loop], at: SideRef) -> [Position; 2] {
    let points = &loops[at.ring].points;
    [points[at.side], points[at.side + 1]]
}

fn turn(a: Position, b: Position, c: Position) -> Orientation {
    RobustKernel::orient2d(a.coord(), b.coord(), c.coord())
}

fn meeting(loops: &[Loop], first: SideRef, second: SideRef) -> Meeting {
    let [a, b] = side_ends(loops, first);
    let [c, d] = side_ends(loops, second);
    let (at_c, at_d) = (turn(a, b, c), turn(a, b, d));
    let (at_a, at_b) = (turn(c, d, a), turn(c, d, b));
    let flat = Orientation::Collinear;
    if at_c == flat && at_d == flat {
        return along(a, b, c, d);
    }
    if [at_a, at_b, at_c, at_d].iter().all(|&side| side != flat) {
        let is_crossing = at_a != at_b && at_c != at_d;
        return if is_crossing { Meeting::Crossing(crossing_point(a, b, c, d)) } else { Meeting::Apart };
    }
    // They touch at most in one point, which is an end of at least one of them.
    for (end, other, side_ends) in [(c, first, [a, b]), (d, first, [a, b]), (a, second, [c, d]), (b, second, [c, d])] {
        let owner = if other == first { second } else { first };
        if turn(side_ends[0], side_ends[1], end) == flat && is_between(side_ends, end) {
            let passes = if side_ends.contains(&end) {
                owner.ring != other.ring && corner_crosses(loops, owner, other, end)
            } else {
                passes_through(loops, owner, end, side_ends)
            };
            return if passes { Meeting::Crossing(end) } else { Meeting::Apart };
        }
    }
    Meeting::Apart
}

/// Two sides on one line: do they share more than a point?
fn along(a: Position, b: Position, c: Position, d: Position) -> Meeting {
    let overlap = |a: f64, b: f64, c: f64, d: f64| (a.max(b).min(c.max(d)), a.min(b).max(c.min(d)));
    let (east, west) = overlap(a.lon_deg, b.lon_deg, c.lon_deg, d.lon_deg);
    let (north, south) = overlap(a.lat_deg, b.lat_deg, c.lat_deg, d.lat_deg);
    let is_shared = east >= west && north >= south && (east > west || north > south);
    if is_shared { Meeting::Along(Position::new(west, south)) } else { Meeting::Apart }
}

fn is_between([a, b]: [Position; 2], point: Position) -> bool {
    let within = |a: f64, b: f64, x: f64| a.min(b) <= x && x <= a.max(b);
    within(a.lon_deg, b.lon_deg, point.lon_deg) && within(a.lat_deg, b.lat_deg, point.lat_deg)
}

/// A corner lies in the middle of a side: does its ring pass through to the other side of it?
fn passes_through(loops: &[Loop], owner: SideRef, corner: Position, [a, b]: [Position; 2]) -> bool {
    let Some((before, after)) = neighbours(&loops[owner.ring].points, owner.side, corner) else { return true };
    let (before, after) = (turn(a, b, before), turn(a, b, after));
    before != after && before != Orientation::Collinear && after != Orientation::Collinear
}

/// The points before and after `corner`, which is one end of the given side.
fn neighbours(points: &[Position], side: usize, corner: Position) -> Option<(Position, Position)> {
    let open = points.len() - 1;
    let at = if points[side] == corner { side } else { (side + 1) % open };
    (points[at] == corner).then(|| (points[(at + open - 1) % open], points[(at + 1) % open]))
}

/// Two rings share a corner: does one pass from inside the other to outside there?
fn corner_crosses(loops: &[Loop], one: SideRef, other: SideRef, corner: Position) -> bool {
    let one = neighbours(&loops[one.ring].points, one.side, corner);
    let other = neighbours(&loops[other.ring].points, other.side, corner);
    let (Some((before, after)), Some((from, to))) = (one, other) else { return false };
    // A neighbour on a line of the other ring is left to the test of sides that run along.
    let is_on = |point| {
        [from, to]
            .iter()
            .any(|&arm| turn(corner, arm, point) == Orientation::Collinear && !is_between([arm, point], corner))
    };
    !is_on(before) && !is_on(after) && is_in_wedge(corner, from, to, before) != is_in_wedge(corner, from, to, after)
}

/// Whether `point` lies in the wedge swept counter-clockwise from the arm `from` to the arm `to`.
fn is_in_wedge(corner: Position, from: Position, to: Position, point: Position) -> bool {
    let left_of = |arm, point| turn(corner, arm, point) == Orientation::CounterClockwise;
    if left_of(from, to) {
        left_of(from, point) && left_of(point, to)
    } else {
        !(left_of(to, point) && left_of(point, from))
    }
}

/// Where two crossing sides cross, for the message.
fn crossing_point(a: Position, b: Position, c: Position, d: Position) -> Position {
    let (rx, ry) = (b.lon_deg - a.lon_deg, b.lat_deg - a.lat_deg);
    let (sx, sy) = (d.lon_deg - c.lon_deg, d.lat_deg - c.lat_deg);
    let denominator = rx * sy - ry * sx;
    let along = if denominator == 0.0 {
        0.5
    } else {
        (((c.lon_deg - a.lon_deg) * sy - (c.lat_deg - a.lat_deg) * sx) / denominator).clamp(0.0, 1.0)
    };
    Position::new(a.lon_deg + along * rx, a.lat_deg + along * ry)
}
