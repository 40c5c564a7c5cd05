//! The registries of officers' keys.

use super::Backend;
use super::log::new;
use super::sample::*;
use crate::batch::{Batch, NUMBER_MAX, REGISTRY_ENTRY_BYTES_MAX};
use crate::contract::{Options, Store};
use crate::error::AppendError;
use crate::rows::*;

/// Each organisation's by itself, by version as numbers and then by key id, whatever the order of writing.
pub async fn a_key_registry_reads_back_by_organisation_and_in_order(backend: &dyn Backend) {
    let (database, mut store) = new(backend).await;
    assert_eq!(store.reader.registry(org("A")).await.unwrap(), []);
    let mut story = Story::default();
    let mut batch = story.opening(1);
    batch.registry = [("B", 1, 1), ("A", 10, 2), ("A", 2, 1), ("A-1", 3, 1), ("A", 2, 3)]
        .map(|(org, version, number)| registry_entry(org, version, number))
        .into();
    store.writer.append(&batch).await.unwrap();
    // A batch need not have any event: what a version means is the caller's to know.
    let mut batch = story.batch();
    let longest = RegistryRow { entry: vec![0xff; REGISTRY_ENTRY_BYTES_MAX], ..registry_entry("A", NUMBER_MAX, 1) };
    batch.registry = vec![longest.clone(), registry_entry("A", 1, 1)];
    store.writer.append(&batch).await.unwrap();
    store.reader.close().await;
    store.writer.close().await.unwrap();
    let store = database.open(Options::default()).await.unwrap();
    let of_a = [(1, 1), (2, 3), (2, 1), (10, 2)].map(|(version, number)| registry_entry("A", version, number));
    assert_eq!(store.reader.registry(org("A")).await.unwrap(), [&of_a[..], &[longest]].concat());
    assert_eq!(store.reader.registry(org("B")).await.unwrap(), [registry_entry("B", 1, 1)]);
    assert_eq!(store.reader.registry(org("A-1")).await.unwrap(), [registry_entry("A-1", 3, 1)]);
    assert_eq!(store.reader.registry(org("C")).await.unwrap(), []);
}

/// Written again, with other bytes or with the same ones, it leaves out the whole batch, and the writer works on.
pub async fn an_entry_of_a_key_registry_is_written_once(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.opening(1);
    batch.registry.push(registry_entry("A", 1, 1));
    store.writer.append(&batch).await.unwrap();
    let other = RegistryRow { entry: vec![b'x'], ..registry_entry("A", 1, 1) };
    for again in [registry_entry("A", 1, 1), other] {
        let mut bad = story.clone().opening(2);
        // A new one beside it does not go in either.
        bad.registry = vec![registry_entry("A", 1, 2), again];
        assert_left_out(&mut store, &bad).await;
    }
    let mut good = story.opening(2);
    good.registry = vec![registry_entry("A", 1, 2), registry_entry("A", 2, 1), registry_entry("B", 1, 1)];
    store.writer.append(&good).await.unwrap();
    let of_a = [(1, 2), (1, 1), (2, 1)].map(|(version, number)| registry_entry("A", version, number));
    assert_eq!(store.reader.registry(org("A")).await.unwrap(), of_a);
}

/// What no version, no key id or no entry is. The rows of the whole batch are left out, and the writer works on.
pub async fn a_bad_entry_of_a_key_registry_leaves_nothing(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.opening(1);
    batch.registry.push(registry_entry("A", 1, 1));
    store.writer.append(&batch).await.unwrap();
    let good = || registry_entry("A", 2, 1);
    let mut bad: Vec<Vec<RegistryRow>> = vec![vec![good(), good()]];
    for version in [0, NUMBER_MAX + 1, u64::MAX] {
        bad.push(vec![RegistryRow { version, ..good() }]);
    }
    for kid in [String::new(), "a".repeat(63), "a".repeat(65), "A".repeat(64), "g".repeat(64), "é".repeat(32)] {
        bad.push(vec![RegistryRow { kid, ..good() }]);
    }
    for bytes in [0, REGISTRY_ENTRY_BYTES_MAX + 1] {
        bad.push(vec![RegistryRow { entry: vec![b'x'; bytes], ..good() }]);
    }
    for rows in bad {
        let mut batch = story.clone().opening(2);
        batch.registry.push(registry_entry("A", 3, 1));
        batch.registry.extend(rows);
        assert_left_out(&mut store, &batch).await;
    }
    store.writer.append(&story.opening(2)).await.unwrap();
}

/// The batch is refused for its registry, and nothing of it is there beside the first batch of the case.
async fn assert_left_out(store: &mut Store, batch: &Batch) {
    let shown = &batch.registry;
    match store.writer.append(batch).await {
        Err(AppendError::Rejected { table: "registry_entries", .. }) => {}
        other => panic!("{shown:?}: {other:?}"),
    }
    assert_eq!(store.reader.head().await.unwrap().position, 1);
    assert_eq!(store.reader.case(incident(2)).await.unwrap(), None);
    assert_eq!(store.reader.registry(org("A")).await.unwrap(), [registry_entry("A", 1, 1)], "{shown:?}");
}
