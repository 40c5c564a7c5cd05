//! Overlaps and enclosed gaps, by polygon arithmetic on sound polygons.

use geo::{BooleanOps, Coord, LineString, MultiPolygon, Polygon, unary_union};
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree, RTreeObject};

use super::{Entry, Finding, OverlapKind, claimants};
use crate::border::side_tree;
use crate::limits::{OVERLAP_VERTICES_MAX, SEAM_TOLERANCE_M, SIDE_PAIRS_MAX, SURFACE_MIN_M2};
use crate::map::Area;
use crate::position::{Plane, Position, length_m, signed_surface_m2};
use crate::rings::bounds;

/// Whether the areas have so many sides over one another that computing with them would take
/// minutes: more than [`SIDE_PAIRS_MAX`] pairs of sides whose boxes meet.
pub(super) fn is_too_tangled(entries: &[Entry<'_>]) -> bool {
    let sides = side_tree(entries.iter().map(|entry| entry.area));
    sides.intersection_candidates_with_other_tree(&sides).nth(SIDE_PAIRS_MAX).is_some()
}

/// Reports every pair of areas that share ground.
pub(super) fn find_overlaps(entries: &[Entry<'_>], findings: &mut Vec<Finding>) {
    let shapes: Vec<MultiPolygon<f64>> = entries.iter().map(|entry| multi_polygon(entry.area)).collect();
    let boxes: Vec<GeomWithData<Rectangle<[f64; 2]>, usize>> =
        entries.iter().enumerate().map(|(index, entry)| GeomWithData::new(area_box(entry.area), index)).collect();
    let tree = RTree::bulk_load(boxes.clone());
    let mut vertices = 0;
    for first in &boxes {
        for second in tree.locate_in_envelope_intersecting(&first.geom().envelope()) {
            let (first, second) = (first.data, second.data);
            if first >= second {
                continue;
            }
            vertices += vertex_count(entries[first].area) + vertex_count(entries[second].area);
            if vertices > OVERLAP_VERTICES_MAX {
                findings.push(Finding::Incomplete {
                    what: "overlaps of the remaining areas: too many areas lie over one another",
                });
                return;
            }
            let pieces = solid_pieces(&shapes[first].intersection(&shapes[second]));
            findings.extend(overlap(entries[first], entries[second], &pieces));
        }
    }
}

fn overlap(first: Entry<'_>, second: Entry<'_>, pieces: &[Piece]) -> Option<Finding> {
    let largest = pieces.iter().max_by(|a, b| a.surface_m2.total_cmp(&b.surface_m2))?;
    let is_same = first.area.claimants == second.area.claimants;
    let kind = match (first.area.is_shared || second.area.is_shared, is_same) {
        (true, _) => OverlapKind::Zone,
        (false, true) => OverlapKind::SameStations,
        (false, false) => OverlapKind::DoubleClaim,
    };
    Some(Finding::Overlap {
        first: first.named(),
        second: second.named(),
        kind,
        claimants: claimants([first.area, second.area].into_iter()),
        surface_m2: pieces.iter().map(|piece| piece.surface_m2).sum(),
        near: largest.near,
    })
}

/// Reports ground that is enclosed and not covered; returns the outer rings of that ground.
pub(super) fn find_gaps(entries: &[Entry<'_>], findings: &mut Vec<Finding>) -> Vec<Vec<Position>> {
    let shapes: Vec<MultiPolygon<f64>> = entries.iter().map(|entry| multi_polygon(entry.area)).collect();
    let Some(frame) = frame(entries) else { return Vec::new() };
    let west_deg = frame.exterior().0.iter().map(|corner| corner.x).fold(f64::INFINITY, f64::min);
    let uncovered = frame.difference(&unary_union(shapes.iter()));
    // What touches the frame is the world outside.
    let frame_edge_deg = west_deg + FRAME_MARGIN_DEG / 2.0;
    let enclosed: Vec<Polygon<f64>> =
        uncovered.into_iter().filter(|gap| gap.exterior().0.iter().all(|corner| corner.x > frame_edge_deg)).collect();
    let pieces = solid_pieces(&MultiPolygon(enclosed));
    let sides = side_tree(entries.iter().map(|entry| entry.area));
    let mut rings = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let mut around: Vec<usize> = Vec::new();
        for corner in &piece.outer {
            let plane = Plane::at(*corner);
            let pad = [2.0 * SEAM_TOLERANCE_M / plane.east_m, 2.0 * SEAM_TOLERANCE_M / plane.north_m];
            let near = AABB::from_corners(
                [corner.lon_deg - pad[0], corner.lat_deg - pad[1]],
                [corner.lon_deg + pad[0], corner.lat_deg + pad[1]],
            );
            around.extend(sides.locate_in_envelope_intersecting(&near).map(|side| side.data).filter_map(
                |(area, [a, b])| (plane.distance_to_side_m(a, b) <= 2.0 * SEAM_TOLERANCE_M).then_some(area),
            ));
        }
        around.sort_unstable();
        around.dedup();
        let around = around.into_iter().map(|area| entries[area].named()).collect();
        findings.push(Finding::Gap { around, surface_m2: piece.surface_m2, near: piece.near });
        rings.push(piece.outer);
    }
    rings
}

/// How far the frame stands off the areas it is drawn around, in degrees.
const FRAME_MARGIN_DEG: f64 = 0.01;

/// A rectangle around everything.
fn frame(entries: &[Entry<'_>]) -> Option<Polygon<f64>> {
    let corners = |pick: fn(&Rectangle<[f64; 2]>) -> [f64; 2]| {
        entries.iter().map(|entry| area_box(entry.area)).map(move |around| pick(&around)).collect::<Vec<_>>()
    };
    let low = corners(Rectangle::lower).into_iter().reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1])])?;
    let high = corners(Rectangle::upper).into_iter().reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])])?;
    let (west, south) = (low[0] - FRAME_MARGIN_DEG, low[1] - FRAME_MARGIN_DEG);
    let (east, north) = (high[0] + FRAME_MARGIN_DEG, high[1] + FRAME_MARGIN_DEG);
    let ring = vec![(west, south), (east, south), (east, north), (west, north), (west, south)];
    Some(Polygon::new(LineString::from(ring), Vec::new()))
}

/// A piece of ground wide enough to be more than a seam.
struct Piece {
    outer: Vec<Position>,
    surface_m2: f64,
    near: Position,
}

fn solid_pieces(shape: &MultiPolygon<f64>) -> Vec<Piece> {
    shape.iter().filter_map(solid_piece).collect()
}

/// A polygon as a piece, unless it is tiny or a seam.
fn solid_piece(polygon: &Polygon<f64>) -> Option<Piece> {
    let outer = positions(polygon.exterior());
    let holes: Vec<Vec<Position>> = polygon.interiors().iter().map(positions).collect();
    let holes_m2: f64 = holes.iter().map(|hole| signed_surface_m2(hole).abs()).sum();
    let surface_m2 = signed_surface_m2(&outer).abs() - holes_m2;
    let edge_m: f64 = std::iter::once(&outer).chain(&holes).map(|ring| length_m(ring)).sum();
    let mean_width_m = 2.0 * surface_m2 / edge_m;
    let is_solid = surface_m2 >= SURFACE_MIN_M2 && mean_width_m >= SEAM_TOLERANCE_M;
    let middle = bounds(&outer);
    let near =
        Position::new((middle.lower()[0] + middle.upper()[0]) / 2.0, (middle.lower()[1] + middle.upper()[1]) / 2.0);
    is_solid.then_some(Piece { outer, surface_m2, near })
}

fn positions(ring: &LineString<f64>) -> Vec<Position> {
    ring.0.iter().copied().map(Position::from).collect()
}

fn multi_polygon(area: &Area) -> MultiPolygon<f64> {
    let ring = |points: &[Position]| LineString(points.iter().map(|point| point.coord()).collect::<Vec<Coord<f64>>>());
    let polygons = area
        .parts
        .iter()
        .map(|part| Polygon::new(ring(&part.outer), part.holes.iter().map(|hole| ring(hole)).collect()));
    MultiPolygon(polygons.collect())
}

fn area_box(area: &Area) -> Rectangle<[f64; 2]> {
    let corners: Vec<Position> = area
        .parts
        .iter()
        .map(|part| bounds(&part.outer))
        .flat_map(|around| [around.lower(), around.upper()])
        .map(|[lon, lat]| Position::new(lon, lat))
        .collect();
    bounds(&corners)
}

fn vertex_count(area: &Area) -> usize {
    area.rings().map(<[Position]>::len).sum()
}
