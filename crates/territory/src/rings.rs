//! Rings: cleaned one by one, then sorted into parts.
//!
//! What is repaired encloses the same ground before and after: points said twice, spikes, a
//! missing last point, the wrong winding, a ring that meets itself at a point. Whatever would need
//! a guess (crossing sides, collapsed rings, misplaced holes) is refused with the ring's name.

use std::collections::HashMap;

use geo::kernels::RobustKernel;
use geo::{Kernel, Orientation};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

use crate::error::{Fault, MapError, Repair, RepairKind, RingFault, RingRef};
use crate::limits::{FAULTS_MAX, RINGS_PER_AREA_MAX, SIDE_PAIRS_MAX};
use crate::locate::{Location, Locator};
use crate::map::{CollapsedRings, Part};
use crate::position::Position;
use crate::tangle;

/// What reading the rings of a map has found so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) repairs: Vec<Repair>,
    pub(crate) faults: Vec<RingFault>,
    /// Faults found beyond [`FAULTS_MAX`].
    pub(crate) more: usize,
    /// Pairs of sides compared, for the whole map.
    pub(crate) side_pairs: usize,
}

impl Log {
    fn repair(&mut self, ring: &RingRef, kind: RepairKind) {
        self.repairs.push(Repair { ring: ring.clone(), kind });
    }

    pub(crate) fn fault(&mut self, ring: &RingRef, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(RingFault { ring: ring.clone(), fault });
        } else {
            self.more += 1;
        }
    }

    fn fault_count(&self) -> usize {
        self.faults.len() + self.more
    }
}

/// A simple closed ring and where it comes from.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) name: RingRef,
    pub(crate) points: Vec<Position>,
    /// Whether it came out of a ring that touched itself; its role is then found, not declared.
    is_split: bool,
}

/// Turns the rings of one area into parts. `None` if a fault was logged.
pub(crate) fn build_parts(
    area: &str,
    polygons: &[Vec<Vec<geojson::Position>>],
    collapsed: CollapsedRings,
    log: &mut Log,
) -> Result<Option<Vec<Part>>, MapError> {
    let faults_before = log.fault_count();
    let mut loops: Vec<Loop> = Vec::new();
    let mut dropped: Vec<(RingRef, Fault)> = Vec::new();
    for (part, rings) in polygons.iter().enumerate() {
        let outer = RingRef { area: area.to_owned(), part, ring: 0 };
        if rings.is_empty() {
            log.fault(&outer, Fault::Empty);
        }
        for (ring, positions) in rings.iter().enumerate() {
            let name = RingRef { ring, ..outer.clone() };
            match clean(&name, positions, log) {
                Ok(cleaned) => loops.extend(cleaned),
                Err(fault) if collapsed == CollapsedRings::Drop && is_collapse(&fault) => dropped.push((name, fault)),
                Err(fault) => log.fault(&name, fault),
            }
        }
    }
    settle_dropped(&mut loops, dropped, log);
    if loops.len() > RINGS_PER_AREA_MAX {
        return Err(MapError::TooManyRings { area: area.to_owned() });
    }
    if polygons.is_empty() {
        log.fault(&RingRef { area: area.to_owned(), part: 0, ring: 0 }, Fault::Empty);
    }
    // Crossings are looked for even if a ring is already at fault, so that a map is mended in one
    // round; only the nesting needs sound rings.
    tangle::find_crossings(area, &loops, log)?;
    if log.fault_count() > faults_before {
        return Ok(None);
    }
    let parts = nest(loops, log);
    Ok((log.fault_count() == faults_before).then_some(parts))
}

/// Whether a fault means that the ring enclosed nothing.
fn is_collapse(fault: &Fault) -> bool {
    matches!(fault, Fault::Empty | Fault::TooFewPoints { .. } | Fault::NoSurface)
}

/// A collapsed ring may go only if its area keeps a surface. The holes of a collapsed outer ring
/// would be left over: they stay and are found misplaced.
fn settle_dropped(loops: &mut [Loop], dropped: Vec<(RingRef, Fault)>, log: &mut Log) {
    let has_surface = loops.iter().any(|kept| kept.name.ring == 0);
    for (name, fault) in dropped {
        if has_surface {
            log.repair(&name, RepairKind::Dropped);
        } else {
            log.fault(&name, fault);
        }
    }
}

/// Cleans one ring: degrees checked, closed, no point twice, no spike, no point met again.
fn clean(name: &RingRef, positions: &[geojson::Position], log: &mut Log) -> Result<Vec<Loop>, Fault> {
    let mut points = read_positions(name, positions, log)?;
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return Err(Fault::Empty) };
    let was_open = first != last;
    // From here to the end the ring is open: the last point joins the first.
    if !was_open && points.len() > 1 {
        points.pop();
    }
    let before = points.len();
    points.dedup();
    while points.len() > 1 && points.first() == points.last() {
        points.pop();
    }
    let repeated = before - points.len();
    if distinct_up_to_3(&points) < 3 {
        return Err(Fault::TooFewPoints { points: distinct_up_to_3(&points) });
    }
    let before = points.len();
    let points = without_spikes(points);
    let mut spikes = before - points.len();
    let points = with_corners_on_sides(points, log);
    let (rings, left_over) = split_at_repeated_points(points);
    spikes += left_over;
    let rings: Vec<Vec<Position>> = rings.into_iter().map(without_spikes).filter(|ring| ring.len() >= 3).collect();
    if rings.is_empty() {
        return Err(Fault::NoSurface);
    }
    if was_open {
        log.repair(name, RepairKind::Closed);
    }
    if repeated > 0 {
        log.repair(name, RepairKind::DuplicatesRemoved { count: repeated });
    }
    if spikes > 0 {
        log.repair(name, RepairKind::SpikesRemoved { count: spikes });
    }
    let is_split = rings.len() > 1;
    if is_split {
        log.repair(name, RepairKind::Split { into: rings.len() });
    }
    Ok(rings.into_iter().map(|ring| Loop { name: name.clone(), points: closed(ring), is_split }).collect())
}

/// The numbers of a ring as positions in degrees.
fn read_positions(name: &RingRef, positions: &[geojson::Position], log: &mut Log) -> Result<Vec<Position>, Fault> {
    let mut points = Vec::with_capacity(positions.len() + 1);
    let mut has_heights = false;
    for (vertex, position) in positions.iter().enumerate() {
        let &[x, y, ref rest @ ..] = position.as_slice() else { return Err(Fault::BadPosition { vertex }) };
        has_heights |= !rest.is_empty();
        // Adding zero turns -0.0 into 0.0, so that equal points have equal bits.
        let place = Position::new(x + 0.0, y + 0.0);
        if !place.is_on_earth() {
            let is_swapped = x.abs() <= 90.0 && (90.0..=180.0).contains(&y.abs());
            return Err(if is_swapped { Fault::Swapped { vertex, x, y } } else { Fault::NotDegrees { vertex, x, y } });
        }
        points.push(place);
    }
    if has_heights {
        log.repair(name, RepairKind::HeightsIgnored);
    }
    Ok(points)
}

/// How many different points there are, counted no further than three.
fn distinct_up_to_3(points: &[Position]) -> usize {
    let Some(first) = points.first() else { return 0 };
    let Some(second) = points.iter().find(|point| *point != first) else { return 1 };
    if points.iter().any(|point| point != first && point != second) { 3 } else { 2 }
}

/// Removes from an open ring every point at which it turns back on its own line. What is left has
/// no two neighbouring sides on one another; fewer than three points mean that nothing is left.
fn without_spikes(points: Vec<Position>) -> Vec<Position> {
    let mut kept: Vec<Position> = Vec::with_capacity(points.len());
    for point in points {
        push_without_spike(&mut kept, point);
    }
    // The same at the seam, where the last point joins the first.
    let mut start = 0;
    while kept.len() - start >= 3 {
        let end = kept.len() - 1;
        if kept[end] == kept[start] || turns_back(kept[end - 1], kept[end], kept[start]) {
            kept.pop();
        } else if turns_back(kept[end], kept[start], kept[start + 1]) {
            start += 1;
        } else {
            break;
        }
    }
    kept.split_off(start)
}

fn push_without_spike(kept: &mut Vec<Position>, point: Position) {
    loop {
        match kept.as_slice() {
            [.., last] if *last == point => return,
            [.., before, tip] if turns_back(*before, *tip, point) => {
                kept.pop();
            }
            _ => break,
        }
    }
    kept.push(point);
}

/// Whether the way from `a` over `tip` to `b` leaves `tip` on the line it came by.
fn turns_back(a: Position, tip: Position, b: Position) -> bool {
    let (ax, ay) = (a.lon_deg - tip.lon_deg, a.lat_deg - tip.lat_deg);
    let (bx, by) = (b.lon_deg - tip.lon_deg, b.lat_deg - tip.lat_deg);
    ax * bx + ay * by > 0.0 && RobustKernel::orient2d(a.coord(), tip.coord(), b.coord()) == Orientation::Collinear
}

/// Where a corner of an open ring lies exactly on another of its sides, gives that side the same
/// corner, so that the ring is split there as at any point it meets again.
fn with_corners_on_sides(points: Vec<Position>, log: &mut Log) -> Vec<Position> {
    let count = points.len();
    if count < 3 {
        return points;
    }
    let ends = |side: usize| [points[side], points[(side + 1) % count]];
    let sides = RTree::bulk_load((0..count).map(|side| GeomWithData::new(bounds(&ends(side)), side)).collect());
    let mut met: Vec<(usize, f64, Position)> = Vec::new();
    for &corner in &points {
        for side in sides.locate_in_envelope_intersecting(&AABB::from_point([corner.lon_deg, corner.lat_deg])) {
            log.side_pairs += 1;
            if log.side_pairs > SIDE_PAIRS_MAX {
                // The search for crossings, which comes next, refuses the map.
                return points;
            }
            let [a, b] = ends(side.data);
            let is_on = RobustKernel::orient2d(a.coord(), b.coord(), corner.coord()) == Orientation::Collinear;
            if is_on && corner != a && corner != b {
                met.push((side.data, (corner.lon_deg - a.lon_deg).hypot(corner.lat_deg - a.lat_deg), corner));
            }
        }
    }
    met.sort_by(|one, two| one.0.cmp(&two.0).then(one.1.total_cmp(&two.1)));
    let mut met = met.into_iter().peekable();
    let mut dense = Vec::with_capacity(count + met.len());
    for (side, &point) in points.iter().enumerate() {
        dense.push(point);
        while let Some((_, _, corner)) = met.next_if(|(on, _, _)| *on == side) {
            dense.push(corner);
        }
    }
    dense.dedup();
    dense
}

/// Splits an open ring wherever it meets one of its own points again. Loops of two points are ways
/// out and back; they enclose nothing, and the number of points lost with them is returned.
fn split_at_repeated_points(points: Vec<Position>) -> (Vec<Vec<Position>>, usize) {
    let mut rings = Vec::new();
    let mut lost = 0;
    let mut keep = |ring: Vec<Position>| {
        if ring.len() >= 3 {
            rings.push(ring);
        } else {
            lost += ring.len();
        }
    };
    let mut walk: Vec<Position> = Vec::with_capacity(points.len());
    let mut seen: HashMap<(u64, u64), usize> = HashMap::with_capacity(points.len());
    for point in points {
        let key = (point.lon_deg.to_bits(), point.lat_deg.to_bits());
        if let Some(&start) = seen.get(&key) {
            for passed in &walk[start + 1..] {
                seen.remove(&(passed.lon_deg.to_bits(), passed.lat_deg.to_bits()));
            }
            keep(walk.split_off(start));
        }
        seen.insert(key, walk.len());
        walk.push(point);
    }
    keep(walk);
    (rings, lost)
}

fn closed(mut ring: Vec<Position>) -> Vec<Position> {
    ring.extend(ring.first().copied());
    ring
}

/// Sorts rings that do not cross into parts, by how many others lie around each: an even number
/// makes it an outer ring, an odd one a hole. What the file declares otherwise is a fault.
fn nest(loops: Vec<Loop>, log: &mut Log) -> Vec<Part> {
    let around = surroundings(&loops, log);
    // Smallest ring around each, which has exactly one ring fewer around itself.
    let parent: Vec<Option<usize>> = around
        .iter()
        .map(|outer| outer.iter().copied().find(|&candidate| around[candidate].len() + 1 == outer.len()))
        .collect();
    for (index, ring) in loops.iter().enumerate() {
        let Some(fault) = misplaced(index, &loops, &around, &parent) else { continue };
        log.fault(&ring.name, fault);
    }
    let mut slot = vec![0; loops.len()];
    let mut parts: Vec<Part> = Vec::new();
    let mut holes: Vec<(usize, Vec<Position>)> = Vec::new();
    for (index, mut ring) in loops.into_iter().enumerate() {
        let is_hole = around[index].len() % 2 == 1;
        let is_counter_clockwise = runs_counter_clockwise(&ring.points);
        if is_counter_clockwise == is_hole {
            ring.points.reverse();
            if !ring.is_split {
                log.repair(&ring.name, RepairKind::Rewound);
            }
        }
        if is_hole {
            holes.push((index, ring.points));
        } else {
            slot[index] = parts.len();
            parts.push(Part { outer: ring.points, holes: Vec::new() });
        }
    }
    for (index, points) in holes {
        if let Some(part) = parent[index].and_then(|outer| parts.get_mut(slot[outer])) {
            part.holes.push(points);
        }
    }
    parts
}

/// For every ring the rings around it.
fn surroundings(loops: &[Loop], log: &mut Log) -> Vec<Vec<usize>> {
    if loops.len() == 1 {
        return vec![Vec::new()];
    }
    let locators: Vec<Locator> =
        loops.iter().map(|ring| Locator::new(std::iter::once(ring.points.as_slice()))).collect();
    let boxes = RTree::bulk_load(
        loops.iter().enumerate().map(|(index, ring)| GeomWithData::new(bounds(&ring.points), index)).collect(),
    );
    let mut around: Vec<Vec<usize>> = vec![Vec::new(); loops.len()];
    for (index, ring) in loops.iter().enumerate() {
        let Some(&corner) = ring.points.first() else { continue };
        let corner = AABB::from_point([corner.lon_deg, corner.lat_deg]);
        for candidate in boxes.locate_in_envelope_intersecting(&corner) {
            let other = candidate.data;
            if other == index {
                continue;
            }
            match location_of_ring(&ring.points, &locators[other]) {
                Some(Location::Inside) => around[index].push(other),
                Some(Location::OnBorder | Location::Outside) => {}
                None => {
                    let at = ring.points[0];
                    log.fault(&ring.name, Fault::RunsAlong { with: loops[other].name.clone(), at });
                }
            }
        }
    }
    around
}

/// Where a ring lies that does not cross the other: where the first of its points or middles of
/// sides lies that is not on the other's border. `None` if all of them are.
fn location_of_ring(ring: &[Position], other: &Locator) -> Option<Location> {
    ring.windows(2)
        .flat_map(|side| [side[0], side[0].midpoint(side[1])])
        .map(|point| other.locate(point))
        .find(|location| *location != Location::OnBorder)
}

/// Whether a ring is where its declaration does not allow it.
fn misplaced(index: usize, loops: &[Loop], around: &[Vec<usize>], parent: &[Option<usize>]) -> Option<Fault> {
    let ring = &loops[index];
    let is_declared_hole = ring.name.ring > 0;
    let is_hole = around[index].len() % 2 == 1;
    let outer = parent[index].map(|parent| &loops[parent]);
    match (is_declared_hole, is_hole) {
        (true, true) => {
            let is_home = outer.is_some_and(|outer| outer.name.part == ring.name.part);
            (!is_home).then_some(Fault::HoleOutside)
        }
        (true, false) => Some(match outer {
            Some(other) => Fault::HoleInHole { other: other.name.clone() },
            None => Fault::HoleOutside,
        }),
        (false, true) if ring.is_split && outer.is_some_and(|outer| outer.name == ring.name) => None,
        (false, true) => outer.map(|other| Fault::PartInPart { other: other.name.clone() }),
        (false, false) => None,
    }
}

/// Which way a simple closed ring runs, decided exactly at its lowest point.
fn runs_counter_clockwise(ring: &[Position]) -> bool {
    let open = &ring[..ring.len() - 1];
    let lowest = (0..open.len())
        .min_by(|&a, &b| open[a].lat_deg.total_cmp(&open[b].lat_deg).then(open[a].lon_deg.total_cmp(&open[b].lon_deg)));
    let Some(at) = lowest else { return true };
    let before = open[(at + open.len() - 1) % open.len()];
    let after = open[(at + 1) % open.len()];
    RobustKernel::orient2d(before.coord(), open[at].coord(), after.coord()) == Orientation::CounterClockwise
}

/// The box around some points, in degrees.
pub(crate) fn bounds(points: &[Position]) -> Rectangle<[f64; 2]> {
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for point in points {
        for (axis, value) in [point.lon_deg, point.lat_deg].into_iter().enumerate() {
            low[axis] = low[axis].min(value);
            high[axis] = high[axis].max(value);
        }
    }
    Rectangle::from_corners(low, high)
}
