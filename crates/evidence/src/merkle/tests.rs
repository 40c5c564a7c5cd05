mod edge;
mod naive;

use super::*;
use crate::lines::{hex, hex_read};
use naive::Naive;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn leaf(at: u64) -> Hash {
    leaf_hash(&at.to_be_bytes())
}

/// A tree with all its tiles, the unfinished ones too, as whoever serves proofs has them.
struct Stored {
    edge: Edge,
    tiles: BTreeMap<TileId, Vec<Hash>>,
}

impl Stored {
    fn of(size: u64) -> Self {
        let mut edge = Edge::new();
        let mut tiles = BTreeMap::new();
        for at in 0..size {
            tiles.extend(edge.push(leaf(at)).into_iter().map(|tile| (tile.id, tile.hashes)));
        }
        for level in 0..8 {
            let id = TileId { level, number: size >> (8 * (u32::from(level) + 1)).min(63) };
            tiles.extend(edge.tile(id).map(|hashes| (id, hashes.to_vec())));
        }
        Self { edge, tiles }
    }

    /// These tiles and no other.
    fn only(&self, ids: BTreeSet<TileId>) -> BTreeMap<TileId, Vec<Hash>> {
        ids.into_iter().map(|id| (id, self.tiles[&id].clone())).collect()
    }

    fn root(&self, size: u64) -> Hash {
        root(size, &self.only(tiles_of_root(size))).unwrap()
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        inclusion(index, size, &self.only(tiles_of_inclusion(index, size).unwrap())).unwrap()
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency(old, new, &self.only(tiles_of_consistency(old, new).unwrap())).unwrap()
    }
}

/// The eight leaves with which Certificate Transparency's implementations are tested, and what they are known to give.
#[test]
fn the_published_tree_of_eight_leaves() {
    let leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let mut edge = Edge::new();
    let mut roots = vec![hex(&edge.root())];
    for text in leaves {
        let bytes: Vec<u8> =
            (0..text.len() / 2).map(|at| hex_read::<1>(&text[2 * at..2 * at + 2]).unwrap()[0]).collect();
        edge.push(leaf_hash(&bytes));
        roots.push(hex(&edge.root()));
    }
    assert_eq!(roots[0], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(roots[1], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(roots[8], "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    let tiles =
        BTreeMap::from([(TileId { level: 0, number: 0 }, edge.tile(TileId { level: 0, number: 0 }).unwrap().to_vec())]);
    let proof = consistency(6, 8, &tiles).unwrap().iter().map(|hash| hex(hash)).collect::<Vec<_>>();
    let published = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(proof, published);
}

#[test]
fn every_root_is_that_of_the_definition() {
    let mut naive = Naive::of(600);
    let stored = Stored::of(600);
    let mut edge = Edge::new();
    for size in 0..=600 {
        let expected = naive.root(size);
        assert_eq!(edge.root(), expected, "{size}");
        assert_eq!(stored.root(size), expected, "{size}, from the tiles of a larger tree");
        edge.push(leaf(size));
    }
}

#[test]
fn every_inclusion_of_small_trees_is_that_of_the_definition_and_verifies() {
    let mut naive = Naive::of(300);
    let stored = Stored::of(300);
    for size in 1..=300 {
        let root = naive.root(size);
        for index in 0..size {
            let path = stored.inclusion(index, size);
            assert_eq!(path, naive.path(index, size), "{index} of {size}");
            assert_eq!(verify_inclusion(&leaf(index), index, size, &path, &root), Ok(()), "{index} of {size}");
        }
    }
}

#[test]
fn every_consistency_of_small_trees_is_that_of_the_definition_and_verifies() {
    let mut naive = Naive::of(130);
    let stored = Stored::of(130);
    for new in 0..=130 {
        let new_root = naive.root(new);
        for old in 0..=new {
            let (proof, old_root) = (stored.consistency(old, new), naive.root(old));
            assert_eq!(proof, naive.proof(old, new), "{old} to {new}");
            assert_eq!(verify_consistency(old, &old_root, new, &new_root, &proof), Ok(()), "{old} to {new}");
        }
    }
}

/// Sizes and indices around the places where a tile, and a tile of tiles, becomes full.
#[test]
fn proofs_across_the_borders_of_tiles_are_those_of_the_definition() {
    let borders =
        [1, 255, 256, 257, 511, 512, 513, 1_000, 65_279, 65_280, 65_281, 65_535, 65_536, 65_537, 65_792, 66_100];
    let mut naive = Naive::of(66_100);
    let stored = Stored::of(66_100);
    for new in borders {
        let root = naive.root(new);
        assert_eq!(stored.root(new), root, "{new}");
        for at in borders.into_iter().filter(|at| *at <= new) {
            for index in [at - 1, at / 2, at].into_iter().filter(|index| *index < new) {
                let path = stored.inclusion(index, new);
                assert_eq!(path, naive.path(index, new), "{index} of {new}");
                assert_eq!(verify_inclusion(&leaf(index), index, new, &path, &root), Ok(()));
            }
            for old in [at - 1, at] {
                let proof = stored.consistency(old, new);
                assert_eq!(proof, naive.proof(old, new), "{old} to {new}");
                assert_eq!(verify_consistency(old, &naive.root(old), new, &root, &proof), Ok(()));
            }
        }
    }
}

/// Whatever is claimed, our verification and the plain recursion give the same answer; and a claim about another leaf,
/// another place in the same tree or another root is refused. A path alone does not tell the size of its tree (leaf 1
/// of 2 has that of leaf 2 of a tree of 3 with that root), which is why size and root are signed together.
#[test]
fn a_path_proves_its_leaf_at_its_place_and_nothing_else() {
    let mut naive = Naive::of(24);
    let stored = Stored::of(24);
    for size in 1..=20 {
        let root = naive.root(size);
        for index in 0..size {
            let path = stored.inclusion(index, size);
            for (other_index, other_size) in (0..24).flat_map(|index| (0..24).map(move |size| (index, size))) {
                let holds = naive::root_from(&leaf(index), other_index, other_size, &path) == Some(root);
                let answer = verify_inclusion(&leaf(index), other_index, other_size, &path, &root);
                assert_eq!(answer.is_ok(), holds, "{index} of {size} as {other_index} of {other_size}");
                let is_other_place = other_size == size && other_index != index;
                assert!(answer.is_err() || !is_other_place, "{index} of {size} as {other_index}");
            }
            assert_eq!(verify_inclusion(&leaf(index + 1), index, size, &path, &root), Err(MerkleError::Root));
            assert_eq!(
                verify_inclusion(&leaf(index), index, size, &path, &naive.root(size + 1)),
                Err(MerkleError::Root)
            );
            for wrong in wrong_lists(&path) {
                assert!(verify_inclusion(&leaf(index), index, size, &wrong, &root).is_err());
            }
        }
    }
}

#[test]
fn a_consistency_proof_proves_its_two_trees_and_nothing_else() {
    let mut naive = Naive::of(24);
    let stored = Stored::of(24);
    for (old, new) in (1..=18).flat_map(|new| (1..new).map(move |old| (old, new))) {
        let (proof, old_root, new_root) = (stored.consistency(old, new), naive.root(old), naive.root(new));
        for (other_old, other_new) in (1..22).flat_map(|new| (1..new).map(move |old| (old, new))) {
            let holds = naive::roots_from(other_old, &old_root, other_new, &proof) == Some((old_root, new_root));
            let answer = verify_consistency(other_old, &old_root, other_new, &new_root, &proof);
            assert_eq!(answer.is_ok(), holds, "{old} to {new} as {other_old} to {other_new}");
        }
        for (wrong_old, wrong_new) in
            [(naive.root(old + 1), new_root), (old_root, naive.root(new + 1)), (new_root, old_root)]
        {
            assert_eq!(verify_consistency(old, &wrong_old, new, &wrong_new, &proof), Err(MerkleError::Root));
        }
        for wrong in wrong_lists(&proof) {
            assert!(verify_consistency(old, &old_root, new, &new_root, &wrong).is_err(), "{old} to {new}");
        }
    }
}

/// The list with one hash changed, missing, doubled, swapped with the next; with one more; and none at all.
fn wrong_lists(right: &[Hash]) -> Vec<Vec<Hash>> {
    let mut wrong = vec![[right, &[[0; 32]]].concat(), [&[[0; 32]], right].concat()];
    for at in 0..right.len() {
        let mut change = |of: &dyn Fn(&mut Vec<Hash>)| {
            let mut list = right.to_vec();
            of(&mut list);
            wrong.push(list);
        };
        change(&|list| list[at][0] ^= 1);
        change(&|list| list[at][31] ^= 0x80);
        change(&|list| _ = list.remove(at));
        change(&|list| list.insert(at, list[at]));
        change(&|list| list.truncate(at));
        if at > 0 {
            change(&|list| list.swap(at - 1, at));
        }
    }
    wrong
}

#[test]
fn trees_without_leaves_and_equal_trees() {
    let (empty, root) = (empty_root(), Naive::of(5).root(5));
    assert_eq!(verify_consistency(0, &empty, 5, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &root, 5, &root, &[]), Err(MerkleError::Root));
    assert_eq!(verify_consistency(0, &empty, 5, &root, &[root]), Err(MerkleError::Length));
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &empty, 0, &root, &[]), Err(MerkleError::Root));
    assert_eq!(verify_consistency(0, &root, 0, &root, &[]), Err(MerkleError::Root));
    assert_eq!(verify_consistency(5, &root, 5, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(5, &empty, 5, &root, &[]), Err(MerkleError::Root));
    assert_eq!(verify_consistency(5, &root, 5, &root, &[root]), Err(MerkleError::Length));
    assert_eq!(verify_consistency(5, &root, 4, &root, &[]), Err(MerkleError::Sizes { old: 5, new: 4 }));
    assert_eq!(verify_inclusion(&root, 0, 0, &[], &root), Err(MerkleError::Index { index: 0, size: 0 }));
    assert_eq!(verify_inclusion(&root, 5, 5, &[], &root), Err(MerkleError::Index { index: 5, size: 5 }));
    assert_eq!(verify_inclusion(&root, 0, 1, &[], &root), Ok(()));
    assert_eq!(inclusion(3, 3, &BTreeMap::new()), Err(MerkleError::Index { index: 3, size: 3 }));
    assert_eq!(consistency(4, 3, &BTreeMap::new()), Err(MerkleError::Sizes { old: 4, new: 3 }));
    assert_eq!(tiles_of_inclusion(3, 3), Err(MerkleError::Index { index: 3, size: 3 }));
    assert_eq!(tiles_of_consistency(4, 3), Err(MerkleError::Sizes { old: 4, new: 3 }));
    assert_eq!((super::root(0, &BTreeMap::new()), tiles_of_root(0)), (Ok(empty), BTreeSet::new()));
}

#[test]
fn a_tile_that_is_missing_or_cut_short_is_named() {
    let stored = Stored::of(70_000);
    let ids = tiles_of_inclusion(300, 70_000).unwrap();
    for id in &ids {
        let mut tiles = stored.only(ids.clone());
        tiles.get_mut(id).unwrap().clear();
        assert_eq!(inclusion(300, 70_000, &tiles), Err(MerkleError::Tile(*id)));
        tiles.remove(id);
        assert_eq!(inclusion(300, 70_000, &tiles), Err(MerkleError::Tile(*id)));
        tiles.insert(*id, vec![[0; 32]; TILE_HASHES + 1]);
        assert_eq!(inclusion(300, 70_000, &tiles), Err(MerkleError::Tile(*id)));
    }
    assert_eq!(root(70_000, &BTreeMap::new()), Err(MerkleError::Tile(TileId { level: 0, number: 273 })));
    assert_eq!(TileId { level: 1, number: 7 }.to_string(), "1/7");
}

/// What a proof costs to make, and that no number is too large to be asked about.
#[test]
fn a_proof_reads_two_tiles_of_a_level_at_most() {
    let most = |size: u64| {
        let indices = [0, 1, 255, 256, size / 3, size / 2, size - 257, size - 1];
        let mut most = 0;
        for index in indices.into_iter().filter(|index| *index < size) {
            most = most.max(tiles_of_inclusion(index, size).unwrap().len());
            most = most.max(tiles_of_consistency(index, size).unwrap().len());
        }
        most
    };
    assert_eq!(most(1_000), 3);
    assert_eq!(most(1_000_000), 5);
    assert_eq!(most(99_999_999), 7);
    assert!(most(u64::MAX) <= 16);
    for size in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) + 1] {
        assert!(tiles_of_root(size).len() <= 8);
        assert_eq!(tiles_of_edge(1 << 20).len(), 16);
        let hash = [7; 32];
        assert!(verify_inclusion(&hash, size - 1, size, &[hash; 64], &hash).is_err());
        assert!(verify_inclusion(&hash, 0, size, &[hash; 65], &hash).is_err());
        assert!(verify_consistency(size - 1, &hash, size, &hash, &[hash; 65]).is_err());
        assert!(verify_consistency(1, &hash, size, &hash, &[]).is_err());
    }
}

/// An implementation by others takes our proofs.
#[test]
fn another_implementation_verifies_our_proofs() {
    use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
    let stored = Stored::of(140);
    let root_hash = |size: u64| RootHash::<Sha256>::new(stored.root(size).into(), size);
    for size in 1..=140 {
        let theirs = root_hash(size);
        for index in 0..size {
            let proof = InclusionProof::try_from_bytes(stored.inclusion(index, size).concat()).unwrap();
            theirs.verify_inclusion(&index.to_be_bytes(), index, &proof).unwrap();
        }
        for old in 1..size {
            let proof = ConsistencyProof::try_from_bytes(stored.consistency(old, size).concat()).unwrap();
            theirs.verify_consistency(&root_hash(old), &proof).unwrap();
        }
    }
}

proptest! {
    /// Both verifications agree with the recursion whatever they are given.
    #[test]
    fn whatever_is_claimed_the_recursion_gives_the_same_answer(
        (index, size) in (0_u64..40, 0_u64..40),
        path in proptest::collection::vec(any::<[u8; 32]>(), 0..8),
        start in any::<[u8; 32]>(),
    ) {
        match naive::root_from(&start, index, size, &path) {
            Some(root) => prop_assert_eq!(verify_inclusion(&start, index, size, &path, &root), Ok(())),
            None => prop_assert!(verify_inclusion(&start, index, size, &path, &start).is_err()),
        }
        if (1..size).contains(&index) {
            let known = if index.is_power_of_two() { start } else { [0; 32] };
            match naive::roots_from(index, &known, size, &path) {
                Some((old, new)) => prop_assert_eq!(verify_consistency(index, &old, size, &new, &path), Ok(())),
                None => prop_assert_eq!(
                    verify_consistency(index, &known, size, &start, &path), Err(MerkleError::Length)),
            }
        }
    }

    #[test]
    fn proofs_of_any_place_in_a_larger_tree_verify(size in 1_u64..3_000, a in any::<u64>(), b in any::<u64>()) {
        let stored = Stored::of(size);
        let (index, older) = (a % size, b % (size + 1));
        let path = stored.inclusion(index, size);
        prop_assert_eq!(verify_inclusion(&leaf(index), index, size, &path, &stored.edge.root()), Ok(()));
        let proof = stored.consistency(older, size);
        prop_assert_eq!(verify_consistency(older, &stored.root(older), size, &stored.edge.root(), &proof), Ok(()));
    }
}
