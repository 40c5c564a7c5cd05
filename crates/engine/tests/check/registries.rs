//! Keys kept beside the log: they are those whose root each update of their registry holds.

use crate::tamper::Tampered;
use crate::world::{World, org};
use crate::{assert_names, check_log, violated};
use handoff_domain::caller::Role;
use handoff_domain::command::{LookedAt, Order};
use handoff_domain::directory::stream_of;
use handoff_domain::event::directory::RegistryUpdated;
use handoff_domain::ids::{OfficerId, StationId};
use handoff_domain::values::Salt;
use handoff_engine::Beside;
use handoff_evidence::registry::{Book, Entry};
use handoff_evidence::signoff::DeviceKey;
use handoff_store::Reader;
use handoff_store::rows::RegistryRow;
use std::sync::Arc;

fn entry(number: u8) -> Entry {
    let key = DeviceKey::ed25519(&[number; 32]).expect("a key").public();
    let officer = OfficerId::new(&format!("a-{number}")).expect("a name");
    let station = StationId::new("A-01").expect("a name");
    Entry::of_device(&key, officer, station, vec![Role::Responder], Salt([number; 16]))
}

/// A registry of two versions with a key each.
async fn enrolled() -> (tempfile::TempDir, Arc<dyn Reader>) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
    World::run(&url, async |world| {
        let mut book = Book::default();
        for number in [1, 2] {
            let changed = [entry(number)];
            let bytes = changed[0].write().expect("an entry");
            book = book.with(number.into(), std::slice::from_ref(&bytes)).expect("a registry");
            let state = book.state().expect("a state");
            let (count, root, version) = (state.count(), state.root(), book.version());
            let update =
                RegistryUpdated { count, log: "a log".to_owned(), org: org("A"), root, sigs: Vec::new(), version };
            let newest = world.engine().directory().registries.get(&org("A")).and_then(|head| head.event);
            let looked_at = newest.map_or(LookedAt::Empty, LookedAt::On);
            let order = Order::UpdateRegistry { stream: stream_of("registry", "A"), update, looked_at };
            let beside = Beside::Registry([(changed[0].kid.clone(), bytes)].into());
            world.order_beside("A", order, Some(beside)).await;
        }
    })
    .await;
    let reader = handoff_store::open_reader(&url).await.expect("it opens");
    (folder, reader)
}

#[tokio::test]
async fn keys_that_no_update_stands_for_are_named_as_invariant_10() {
    let (_folder, reader) = enrolled().await;
    let report = check_log(reader.as_ref()).await.expect("the log is there");
    assert!(report.is_clean(), "{report}");
    let changes: [fn(Vec<RegistryRow>) -> Vec<RegistryRow>; 4] = [
        |rows| rows[1..].to_vec(),
        |rows| rows[..1].to_vec(),
        |mut rows| {
            (rows[0].entry, rows[0].kid) = (entry(3).write().expect("an entry"), entry(3).kid);
            rows
        },
        |mut rows| {
            rows[1].version = 1;
            rows
        },
    ];
    for change in changes {
        let tampered = Tampered { registry: Box::new(change), ..Tampered::over(reader.clone()) };
        let report = check_log(&tampered).await.expect("the log is there");
        assert_eq!(violated(&report), [10], "{report}");
        assert_names(10, "not those of the registry", &report);
    }
}
