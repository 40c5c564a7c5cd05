//! What is kept of the tree over the log.

use super::Backend;
use super::log::new;
use super::sample::*;
use crate::batch::{Batch, NUMBER_MAX};
use crate::contract::{Options, Store};
use crate::error::AppendError;
use crate::rows::*;
use handoff_domain::time::Millis;
use std::sync::Arc;

/// A store whose log has so many events, at most those of one command.
async fn with_events(store: &mut Store, events: u64) -> Story {
    let mut story = Story::default();
    let mut batch = story.batch();
    story.command(&mut batch, incident(1), events, &[]);
    store.writer.append(&batch).await.unwrap();
    story
}

/// By level and number, each level by itself, in pages; a batch need not have any event.
pub async fn tiles_read_back_by_place_and_in_order(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    assert_eq!(store.reader.tile(0, 0).await.unwrap(), None);
    assert_eq!(store.reader.tiles(0, 0, 10).await.unwrap(), []);
    let mut batch = Story::default().batch();
    // Not in their order, and with one place left out.
    batch.tiles =
        [(1, 1), (0, 4), (0, 0), (5, 0), (0, 1), (1, 0), (0, 2)].map(|(level, number)| tile(level, number)).into();
    store.writer.append(&batch).await.unwrap();
    for row in &batch.tiles {
        assert_eq!(store.reader.tile(row.level, row.number).await.unwrap().as_ref(), Some(row));
    }
    for (level, number) in [(0, 3), (1, 2), (2, 0), (5, 1), (255, 0), (0, u64::MAX)] {
        assert_eq!(store.reader.tile(level, number).await.unwrap(), None, "{level} {number}");
    }
    for (level, from, limit, numbers) in [
        (0, 0, 10, &[0, 1, 2, 4][..]),
        (0, 0, 2, &[0, 1]),
        (0, 2, 2, &[2, 4]),
        (0, 3, 10, &[4]),
        (0, 5, 10, &[]),
        (0, 0, 0, &[]),
        (1, 0, 10, &[0, 1]),
        (2, 0, 10, &[]),
        (5, 0, 10, &[0]),
    ] {
        let page = store.reader.tiles(level, from, limit).await.unwrap();
        let wanted: Vec<_> = numbers.iter().map(|number| tile(level, *number)).collect();
        assert_eq!(page, wanted, "{level} {from} {limit}");
    }
}

/// The newest that is not larger, the first that is not smaller.
pub async fn a_tree_head_is_found_from_below_and_from_above(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    assert_eq!(store.reader.tree_head(u64::MAX).await.unwrap(), None);
    assert_eq!(store.reader.tree_head_from(0).await.unwrap(), None);
    let story = with_events(&mut store, 20).await;
    let mut batch = story.batch();
    batch.tree_heads = [20, 1, 7].map(tree_head).into();
    store.writer.append(&batch).await.unwrap();
    let none = 0;
    for (at, below, above) in
        [(0, none, 1), (1, 1, 1), (2, 1, 7), (7, 7, 7), (19, 7, 20), (20, 20, 20), (21, 20, none), (u64::MAX, 20, none)]
    {
        let wanted = |size: u64| (size != none).then(|| tree_head(size));
        assert_eq!(store.reader.tree_head(at).await.unwrap(), wanted(below), "up to {at}");
        assert_eq!(store.reader.tree_head_from(at).await.unwrap(), wanted(above), "from {at}");
    }
    // One of the batch's own events counts.
    let mut story = story;
    let mut batch = story.opening(2);
    batch.tree_heads.push(tree_head(story.position));
    store.writer.append(&batch).await.unwrap();
    assert_eq!(store.reader.tree_head(u64::MAX).await.unwrap(), Some(tree_head(21)));
}

/// Of one tree head in the order of the keys; of one witness from a size on, and the newest.
pub async fn cosignatures_are_found_by_tree_head_and_by_witness(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let story = with_events(&mut store, 20).await;
    let mut batch = story.batch();
    batch.tree_heads = [3, 8, 15, 20].map(tree_head).into();
    let signed = [(3, 1), (3, 2), (8, 2), (15, 1), (15, 3)];
    batch.cosignatures = signed.map(|(size, number)| cosignature(size, number)).into();
    store.writer.append(&batch).await.unwrap();
    for (size, numbers) in [(3, &[2, 1][..]), (8, &[2]), (15, &[3, 1]), (20, &[]), (1, &[]), (u64::MAX, &[])] {
        let wanted: Vec<_> = numbers.iter().map(|number| cosignature(size, *number)).collect();
        assert_eq!(store.reader.cosignatures(size).await.unwrap(), wanted, "{size}");
    }
    let none = 0;
    for (number, from, first) in [
        (1, 0, 3),
        (1, 3, 3),
        (1, 4, 15),
        (1, 16, none),
        (2, 0, 3),
        (2, 4, 8),
        (2, 9, none),
        (3, 0, 15),
        (3, u64::MAX, none),
        (4, 0, none),
    ] {
        let wanted = (first != none).then(|| cosignature(first, number));
        assert_eq!(store.reader.cosigned_from(witness(number), from).await.unwrap(), wanted, "{number} from {from}");
    }
    for (number, newest) in [(1, 15), (2, 8), (3, 15), (4, none)] {
        let wanted = (newest != none).then(|| cosignature(newest, number));
        assert_eq!(store.reader.cosigned_up_to(witness(number), NUMBER_MAX).await.unwrap(), wanted, "{number}");
        let below = store.reader.cosigned_up_to(witness(number), newest.saturating_sub(1)).await.unwrap();
        assert!(below.is_none_or(|row| row.size < newest), "{number}");
    }
}

/// Written again, with other words, it changes nothing, is no error, and holds up nothing else in the batch.
pub async fn what_is_there_of_the_tree_already_stays(backend: &dyn Backend) {
    let (database, mut store) = new(backend).await;
    let mut story = with_events(&mut store, 20).await;
    let mut batch = story.batch();
    (batch.tiles, batch.tree_heads, batch.cosignatures) =
        (vec![tile(0, 0)], vec![tree_head(5)], vec![cosignature(5, 1)]);
    store.writer.append(&batch).await.unwrap();
    store.writer.append(&batch).await.unwrap();
    let mut other = story.opening(2);
    other.tiles = vec![TileRow { hashes: tile(0, 9).hashes, ..tile(0, 0) }, tile(0, 1)];
    other.tree_heads = vec![TreeHeadRow { root: [9; 32], at: Millis(1), ..tree_head(5) }, tree_head(6)];
    let again = CosignatureRow { name: "x".to_owned(), at: 1, signature: [9; 64], ..cosignature(5, 1) };
    other.cosignatures = vec![again, cosignature(5, 2), cosignature(6, 1)];
    let head = store.writer.append(&other).await.unwrap().head;
    assert_eq!(head.position, story.position);
    store.reader.close().await;
    store.writer.close().await.unwrap();
    let store = database.open(Options::default()).await.unwrap();
    assert_eq!(store.reader.tiles(0, 0, 10).await.unwrap(), [tile(0, 0), tile(0, 1)]);
    assert_eq!(store.reader.tree_head(5).await.unwrap(), Some(tree_head(5)));
    assert_eq!(store.reader.tree_head(6).await.unwrap(), Some(tree_head(6)));
    assert_eq!(store.reader.cosignatures(5).await.unwrap(), [cosignature(5, 2), cosignature(5, 1)]);
    assert_eq!(store.reader.cosignatures(6).await.unwrap(), [cosignature(6, 1)]);
}

/// Stored, or in the same batch.
pub async fn a_cosignature_needs_its_tree_head(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = with_events(&mut store, 20).await;
    let mut batch = story.batch();
    batch.tree_heads.push(tree_head(5));
    store.writer.append(&batch).await.unwrap();
    for (size, with_event) in [(6, true), (6, false), (NUMBER_MAX, false)] {
        let mut bad = if with_event { story.clone().opening(2) } else { story.batch() };
        bad.tree_heads.push(tree_head(7));
        // A good one beside it does not go in either.
        bad.cosignatures = vec![cosignature(5, 1), cosignature(size, 1)];
        assert_rejected(&mut store, &bad, "cosignatures").await;
        assert_eq!(store.reader.head().await.unwrap().position, story.position);
        assert_eq!(store.reader.cosigned_up_to(witness(1), NUMBER_MAX).await.unwrap(), None);
        assert_eq!(store.reader.tree_head(7).await.unwrap(), Some(tree_head(5)));
    }
    let mut good = story.opening(2);
    good.tree_heads.push(tree_head(6));
    good.cosignatures = vec![cosignature(5, 1), cosignature(6, 1)];
    store.writer.append(&good).await.unwrap();
    assert_eq!(store.reader.cosigned_up_to(witness(1), NUMBER_MAX).await.unwrap(), Some(cosignature(6, 1)));
}

async fn assert_rejected(store: &mut Store, batch: &Batch, table: &str) {
    match store.writer.append(batch).await {
        Err(AppendError::Rejected { table: found, .. }) => assert_eq!(found, table),
        other => panic!("{table}: {other:?}"),
    }
}

/// What no tree has at a place, or no log. The rows of the whole batch are left out, and the writer works on.
pub async fn a_bad_row_of_the_tree_leaves_nothing(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = with_events(&mut store, 20).await;
    let mut batch = story.batch();
    batch.tree_heads.push(tree_head(5));
    store.writer.append(&batch).await.unwrap();
    let short = TileRow { hashes: Arc::from(&tile(0, 0).hashes[1..]), ..tile(0, 0) };
    type Harm = Box<dyn Fn(&mut Batch)>;
    let harms: Vec<(&str, Harm)> = vec![
        ("tiles", Box::new(move |batch| batch.tiles.push(short.clone()))),
        ("tiles", Box::new(|batch| batch.tiles.push(tile(6, 0)))),
        ("tiles", Box::new(|batch| batch.tiles.push(tile(255, 0)))),
        ("tiles", Box::new(|batch| batch.tiles.push(tile(0, NUMBER_MAX + 1)))),
        ("tiles", Box::new(|batch| batch.tiles.extend([tile(0, 3), tile(0, 3)]))),
        ("tree_heads", Box::new(|batch| batch.tree_heads.push(tree_head(0)))),
        // The batch's own event is the last that counts.
        ("tree_heads", Box::new(|batch| batch.tree_heads.push(tree_head(22)))),
        ("tree_heads", Box::new(|batch| batch.tree_heads.extend([tree_head(7), tree_head(7)]))),
        ("cosignatures", Box::new(|batch| batch.cosignatures.push(cosignature(NUMBER_MAX + 1, 1)))),
        (
            "cosignatures",
            Box::new(|batch| batch.cosignatures.push(CosignatureRow { at: u64::MAX, ..cosignature(5, 1) })),
        ),
        ("cosignatures", Box::new(|batch| batch.cosignatures.extend([cosignature(5, 1), cosignature(5, 1)]))),
    ];
    for (table, harm) in harms {
        let mut bad = story.clone().opening(2);
        bad.tiles.push(tile(0, 0));
        bad.tree_heads.push(tree_head(6));
        bad.cosignatures.push(cosignature(5, 2));
        harm(&mut bad);
        assert_rejected(&mut store, &bad, table).await;
        assert_eq!(store.reader.head().await.unwrap().position, 20);
        assert_eq!(store.reader.case(incident(2)).await.unwrap(), None);
        for level in [0, 6, 255] {
            assert_eq!(store.reader.tiles(level, 0, 10).await.unwrap(), []);
        }
        assert_eq!(store.reader.tree_head(u64::MAX).await.unwrap(), Some(tree_head(5)));
        assert_eq!(store.reader.cosignatures(5).await.unwrap(), []);
    }
    store.writer.append(&story.opening(2)).await.unwrap();
}
