use super::*;
use std::cell::RefCell;

/// Resumes from the tiles of a tree, and tells which were asked for.
fn resume(stored: &Stored, size: u64) -> (Result<Edge, MerkleError>, BTreeSet<TileId>) {
    let asked = RefCell::new(BTreeSet::new());
    let edge = Edge::resume(size, |id| {
        asked.borrow_mut().insert(id);
        stored.tiles.get(&id).cloned()
    });
    (edge, asked.into_inner())
}

/// From the tiles of a much larger tree, where those of the edge are fuller or full.
#[test]
fn an_edge_resumed_at_any_size_is_the_one_that_was_grown() {
    let stored = Stored::of(1_100);
    let mut edge = Edge::new();
    for size in 0..=1_100 {
        let (resumed, asked) = resume(&stored, size);
        assert_eq!(resumed, Ok(edge.clone()), "{size}");
        assert_eq!(asked, tiles_of_edge(size), "{size}");
        edge.push(leaf(size));
    }
}

#[test]
fn an_edge_resumed_across_the_borders_of_tiles_grows_as_the_other_does() {
    let sizes = [65_279, 65_280, 65_535, 65_536, 65_537, 65_791, 65_792, 65_793, 66_048];
    let stored = Stored::of(66_100);
    let mut edge = Edge::new();
    let mut resumed: Vec<(u64, Edge)> = Vec::new();
    for size in 0..66_100 {
        if sizes.contains(&size) {
            let (other, asked) = resume(&stored, size);
            assert_eq!(asked, tiles_of_edge(size));
            resumed.push((size, other.unwrap()));
        }
        let full = edge.push(leaf(size));
        for (from, other) in &mut resumed {
            assert_eq!(other.push(leaf(size)), full, "from {from} at {size}");
        }
    }
    for (from, other) in resumed {
        assert_eq!(other, edge, "from {from}");
    }
    assert_eq!(edge.root(), Naive::of(66_100).root(66_100));
}

#[test]
fn a_tile_that_is_full_is_given_once_with_its_number() {
    let mut edge = Edge::new();
    let mut given = Vec::new();
    for at in 0..66_048 {
        for tile in edge.push(leaf(at)) {
            assert_eq!(tile.hashes.len(), TILE_HASHES);
            given.push((at, tile));
        }
    }
    let (zero, one): (Vec<_>, Vec<_>) = given.iter().partition(|(_, tile)| tile.id.level == 0);
    for (number, (at, tile)) in (0..258).zip(&zero) {
        assert_eq!((*at, tile.id), (number * 256 + 255, TileId { level: 0, number }));
        assert_eq!(tile.hashes, (number * 256..number * 256 + 256).map(leaf).collect::<Vec<_>>());
    }
    let [(at, tile)] = &one[..] else { panic!("one tile of level 1") };
    assert_eq!((*at, tile.id), (65_535, TileId { level: 1, number: 0 }));
    let below: Vec<_> = zero[..256].iter().map(|(_, tile)| complete(&tile.hashes).unwrap()).collect();
    assert_eq!(tile.hashes, below);
    assert_eq!(zero.len(), 258);
    // The lowest first, where two became full at once.
    let at_once: Vec<_> = given.iter().filter(|(at, _)| *at == 65_535).map(|(_, tile)| tile.id.level).collect();
    assert_eq!(at_once, [0, 1]);
}

#[test]
fn an_unfinished_tile_is_given_as_far_as_it_is_filled() {
    let id = |level, number| TileId { level, number };
    let mut edge = Edge::new();
    assert_eq!(edge.tile(id(0, 0)), None);
    edge.push(leaf(0));
    assert_eq!(edge.tile(id(0, 0)), Some(&[leaf(0)][..]));
    assert_eq!((edge.tile(id(0, 1)), edge.tile(id(1, 0)), edge.tile(id(255, 0))), (None, None, None));
    for at in 1..256 {
        edge.push(leaf(at));
    }
    // The full one is the store's now, and nothing stands in the next.
    assert_eq!((edge.tile(id(0, 0)), edge.tile(id(0, 1))), (None, None));
    assert_eq!(edge.tile(id(1, 0)), Some(&[edge.root()][..]));
    edge.push(leaf(256));
    assert_eq!(edge.tile(id(0, 1)), Some(&[leaf(256)][..]));
    assert_eq!(edge.size(), 257);
}

#[test]
fn a_tile_that_an_edge_misses_is_named() {
    let stored = Stored::of(66_100);
    for missing in [TileId { level: 0, number: 257 }, TileId { level: 0, number: 256 }, TileId { level: 1, number: 0 }]
    {
        let without = |id: TileId| (id != missing).then(|| stored.tiles.get(&id).cloned()).flatten();
        assert_eq!(Edge::resume(66_000, without), Err(MerkleError::Tile(missing)), "none");
        let shorter = |id: TileId| {
            let mut hashes = stored.tiles.get(&id).cloned()?;
            hashes.truncate(if id == missing { 100 } else { TILE_HASHES });
            Some(hashes)
        };
        assert_eq!(Edge::resume(66_000, shorter), Err(MerkleError::Tile(missing)), "cut short");
        let longer = |id: TileId| {
            let mut hashes = stored.tiles.get(&id).cloned()?;
            hashes.resize(if id == missing { TILE_HASHES + 1 } else { hashes.len() }, [0; 32]);
            Some(hashes)
        };
        assert_eq!(Edge::resume(66_000, longer), Err(MerkleError::Tile(missing)), "too long");
    }
}

/// Stored tiles that were changed lead to another root, which is why a resumed edge is compared with the signed head.
#[test]
fn changed_tiles_are_another_root() {
    let stored = Stored::of(700);
    let root = stored.edge.root();
    for id in tiles_of_edge(700) {
        let changed = |asked: TileId| {
            let mut hashes = stored.tiles.get(&asked).cloned()?;
            hashes[3][0] ^= u8::from(asked == id);
            Some(hashes)
        };
        assert_ne!(Edge::resume(700, changed).unwrap().root(), root);
    }
}
