use super::*;
use crate::answer::Answer;
use crate::clock::{Clock, ManualClock};
use crate::engine::Engine;
use crate::ids;
use crate::job::Task;
use crate::vault::Vault;
use crate::writer::Fatal;
use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::command::Order;
use handoff_domain::event::directory::StationSet;
use handoff_domain::ids::{ClientId, OfficerId, StationId};
use handoff_domain::time::Millis;
use handoff_evidence::event::decode;
use handoff_evidence::log::LogKey;
use handoff_evidence::merkle::{verify_consistency, verify_inclusion};
use handoff_evidence::note::{CosignerKey, Head};
use handoff_evidence::policy::{Group, Log, Needs, Parts, Witness};
use handoff_store::Options;
use std::path::{Path, PathBuf};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const START: Millis = Millis(1_700_000_000_000);

fn key() -> LogKey {
    LogKey::from_seed(&[7; 32])
}

fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

fn witness(name: &str, seed: u8) -> CosignerKey {
    CosignerKey::from_seed(name, &[seed; 32]).unwrap()
}

/// A policy of two witnesses who must both sign.
fn policy() -> Policy {
    let [a, b] = [("A", "a.example", 1), ("B", "b.example", 2)].map(|(name, key_name, seed)| {
        let key = witness(key_name, seed).public();
        Witness { name: name.to_owned(), key_name: key_name.to_owned(), key, url: None }
    });
    let members = vec!["A".to_owned(), "B".to_owned()];
    Policy::write(&Parts {
        logs: vec![Log { key: key().public(), url: None, sizes: None }],
        witnesses: vec![a, b],
        groups: vec![Group { name: "both".to_owned(), needs: Needs::All, members }],
        quorum: Some("both".to_owned()),
        ..Parts::default()
    })
    .unwrap()
}

/// A running engine with its tree, on a clock moved by hand.
struct World {
    engine: Engine,
    clock: Arc<ManualClock>,
    stop: CancellationToken,
    writer: JoinHandle<Result<(), Fatal>>,
    grower: JoinHandle<()>,
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "a test waits for both in `close`")]
    async fn open(folder: &Path, key: LogKey, mark: Option<PathBuf>) -> Self {
        let url = format!("sqlite:{}", folder.join("handoff.db").display());
        handoff_store::migrate(&url).await.unwrap();
        let mut store = handoff_store::open(&url, Options::default()).await.unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let recorders = Arc::new(Recorders::new(key));
        // Another key's log is refused before; here the tree itself has to notice.
        let _ = crate::open_log(&mut store, &recorders, clock.now()).await;
        let tree = Arc::new(Tree::new(recorders, mark.map(MarkFile::new), Some(policy())));
        let vault = Arc::new(Vault::new(&ids::random(), &[]));
        let (engine, run) = Engine::start(store, Vec::new(), vault, tree, clock.clone()).await.unwrap();
        let (stop, writer) = (CancellationToken::new(), tokio::spawn(run));
        let grower = tokio::spawn(super::run(engine.clone(), stop.clone()));
        Self { engine, clock, stop, writer, grower }
    }

    /// Directory events, each an entry of the log.
    async fn grow(&self, entries: u64) {
        let caller = Caller {
            org: org("A"),
            kind: OrgKind::Party,
            client: ClientId::new("desk").unwrap(),
            station: None,
            officer: Some(OfficerId::new("a-admin").unwrap()),
            roles: vec![Role::Admin],
        };
        for _ in 0..entries {
            let number = self.engine.published().head();
            let station = StationId::new(&format!("A-{number}")).unwrap();
            let set = StationSet { station, name: None, dispatch_client: None, site: None, retired: false };
            let task = Task::Directory { order: Order::Station(set), claimed_at: None, beside: None };
            let request = uuid::Uuid::from_u128(u128::from(number) + 1);
            let reply = self.engine.submit(caller.clone(), request, Vec::new(), task, Vec::new(), None).await.unwrap();
            assert!(matches!(reply.answer, Answer::Done(_)), "{reply:?}");
        }
    }

    /// Waits for a signed head of that size, moving the clock on.
    async fn signed(&self, size: u64) -> Arc<Checkpoint> {
        let mut shown = self.engine.tree().watch();
        loop {
            let now = shown.borrow_and_update().clone();
            assert_eq!(now.halted, None);
            if let Some(signed) = now.signed.filter(|signed| signed.head.size >= size) {
                return signed;
            }
            self.clock.advance_to(self.clock.now().plus(EVERY_MS));
            let _ = tokio::time::timeout(std::time::Duration::from_millis(20), shown.changed()).await;
        }
    }

    async fn halted(&self) -> Halt {
        let mut shown = self.engine.tree().watch();
        shown.wait_for(|shown| shown.halted.is_some()).await.unwrap().halted.unwrap()
    }

    async fn close(self) {
        self.stop.cancel();
        self.grower.await.unwrap();
        drop(self.engine);
        self.writer.await.unwrap().unwrap();
    }
}

/// The root over the stored leaves, made anew.
async fn root_of(world: &World, size: u64) -> Hash {
    let mut edge = Edge::new();
    for row in world.engine.reader().events_from(0, 10_000).await.unwrap().iter().filter(|row| row.position < size) {
        let (event, _) = decode(&row.bytes).unwrap();
        let recorder = world.engine.tree().recorder(&event.actor.org);
        let leaf = world.engine.tree().recorders().stored(&event.actor.org, row.hash, row.leaf);
        assert_eq!(leaf.verify(row.hash, &recorder.public()), Ok(()), "position {}", row.position);
        edge.push(leaf.hash());
    }
    edge.root()
}

#[tokio::test]
async fn a_head_is_noted_signed_and_marked_and_a_restart_signs_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("handoff.mark");
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    world.grow(5).await;
    let signed = world.signed(6).await;
    let (head, root) = (signed.head, root_of(&world, 6).await);
    assert_eq!(head, Head { size: 6, root });
    assert_eq!(signed.verify_log(&key().public()), Ok(()));
    let stored = world.engine.reader().tree_head(u64::MAX >> 11).await.unwrap().unwrap();
    assert_eq!((stored.size, stored.root), (6, root));
    assert_eq!(MarkFile::new(mark.clone()).read().unwrap().unwrap().head, head);
    world.close().await;
    let world = World::open(folder.path(), key(), Some(mark)).await;
    assert_eq!(world.signed(6).await, signed, "byte for byte");
    world.grow(1).await;
    assert_eq!(world.signed(7).await.head.root, root_of(&world, 7).await);
    world.close().await;
}

#[tokio::test]
async fn proofs_hold_over_complete_and_unfinished_tiles_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut heads = Vec::new();
    for (grown, size) in [(200, 201), (56, 257), (300, 557)] {
        let world = World::open(folder.path(), key(), None).await;
        world.grow(grown).await;
        let signed = world.signed(size).await;
        assert_eq!(signed.head.root, root_of(&world, size).await, "{size}");
        let (tree, reader) = (world.engine.tree(), world.engine.reader());
        let rows = reader.events_from(0, 10_000).await.unwrap();
        heads.push(signed.head);
        for head in &heads {
            for index in [0, 1, 100, 199, 200, 255, 256, head.size - 1].into_iter().filter(|at| *at < head.size) {
                let row = &rows[usize::try_from(index).unwrap()];
                let (event, _) = decode(&row.bytes).unwrap();
                let leaf = tree.recorders().stored(&event.actor.org, row.hash, row.leaf).hash();
                let path = tree.inclusion(reader, index, head.size).await.unwrap();
                verify_inclusion(&leaf, index, head.size, &path, &head.root).unwrap();
            }
            let path = tree.consistency(reader, head.size, signed.head.size).await.unwrap();
            verify_consistency(head.size, &head.root, signed.head.size, &signed.head.root, &path).unwrap();
        }
        assert!(matches!(tree.inclusion(reader, 0, size + 1).await, Err(ProofError::Larger(_))));
        assert_eq!(reader.tiles(0, 0, 10).await.unwrap().len() as u64, size >> 8, "complete tiles are stored");
        world.close().await;
    }
}

#[tokio::test]
async fn a_database_from_a_backup_is_noticed_and_signs_nothing() {
    let (folder, mark) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mark = mark.path().join("handoff.mark");
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    world.grow(2).await;
    world.signed(3).await;
    world.close().await;
    let backup = folder.path().join("backup.db");
    std::fs::copy(folder.path().join("handoff.db"), &backup).unwrap();
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    world.grow(2).await;
    let shown = world.signed(5).await;
    world.close().await;
    std::fs::copy(&backup, folder.path().join("handoff.db")).unwrap();
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    assert_eq!(world.halted().await, Halt::Behind);
    // Handling goes on; what is recorded has no head.
    world.grow(4).await;
    assert_eq!(world.engine.tree().shown().signed, None);
    assert!(world.engine.reader().tree_head(1_000).await.unwrap().unwrap().size <= 3);
    world.close().await;
    // It has grown past the mark by now, and the mark is of another tree.
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    assert_eq!(world.halted().await, Halt::Behind);
    world.close().await;
    assert_eq!(MarkFile::new(mark).read().unwrap().unwrap().head, shown.head, "the mark stays");
}

#[tokio::test]
async fn another_tree_under_the_mark_and_another_key_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("handoff.mark");
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    world.grow(2).await;
    let signed = world.signed(3).await;
    world.close().await;
    let other = Mark { origin: signed.origin.clone(), head: Head { size: 2, root: [9; 32] } };
    MarkFile::new(mark.clone()).write(&other).unwrap();
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    assert_eq!(world.halted().await, Halt::Changed);
    world.close().await;
    std::fs::write(&mark, "nonsense").unwrap();
    let world = World::open(folder.path(), key(), Some(mark)).await;
    assert_eq!(world.halted().await, Halt::Mark);
    world.close().await;
    // The leaves of another key do not give the noted root.
    let world = World::open(folder.path(), LogKey::from_seed(&[8; 32]), None).await;
    assert_eq!(world.halted().await, Halt::Changed);
    world.close().await;
}

#[tokio::test]
async fn witnesses_lines_are_taken_in_where_they_hold_and_both_prove() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::open(folder.path(), key(), None).await;
    world.grow(2).await;
    let signed = world.signed(3).await;
    let (tree, reader) = (world.engine.tree().clone(), world.engine.reader());
    let witnesses = tree.witnesses().unwrap();
    let cosigned = |head: Head, by: &CosignerKey| {
        let mut note = Checkpoint::sign(&key(), head);
        note.cosignatures.push(by.cosign(&note.origin, &head, 1_700_000_000));
        note
    };
    let [a, b] = [witness("a.example", 1), witness("b.example", 2)];
    let good = cosigned(signed.head, &a);
    let mut two = good.clone();
    two.cosignatures.push(b.cosign(&two.origin, &signed.head, 1_700_000_000));
    let mut forged = good.clone();
    forged.cosignatures[0].signature[0] ^= 1;
    let mut unsigned = cosigned(Head { root: [1; 32], ..signed.head }, &a);
    unsigned.log.signature[0] ^= 1;
    let wrong = [
        ("no line", signed.write(), "Note"),
        ("two lines", two.write(), "Note"),
        ("no note", "hello".to_owned(), "Note"),
        ("a forged line", forged.write(), "Signature"),
        ("a stranger", cosigned(signed.head, &witness("c.example", 3)).write(), "Stranger"),
        ("the name with another key", cosigned(signed.head, &witness("a.example", 3)).write(), "Stranger"),
        ("another root, which the log has not signed", unsigned.write(), "OtherTree"),
    ];
    for (what, note, wanted) in wrong {
        let refused = witnesses.take(&world.engine, &org("B"), &note).await.unwrap_err();
        assert_eq!(format!("{refused:?}"), wanted, "{what}");
    }
    assert_eq!(*witnesses.proven().borrow(), 0);
    witnesses.take(&world.engine, &org("B"), &good.write()).await.unwrap();
    assert_eq!(*witnesses.proven().borrow(), 0, "one of two");
    assert!(witnesses.last_up_to(&tree, reader, 1_000).await.unwrap().is_none());
    witnesses.take(&world.engine, &org("B"), &cosigned(signed.head, &b).write()).await.unwrap();
    assert_eq!(*witnesses.proven().borrow(), 3);
    let proven = witnesses.last_up_to(&tree, reader, 1_000).await.unwrap().unwrap();
    assert_eq!(witnesses.policy().judge(&proven), Ok(()));
    let first = witnesses.first_from(&tree, reader, 2).await.unwrap();
    assert_eq!(first.as_ref(), Some(&proven));
    assert!(witnesses.first_from(&tree, reader, 4).await.unwrap().is_none());
    // A witness's refusal is shown until it signs again.
    let refused = Refused { index: 2, code: "CHAIN".to_owned() };
    assert!(witnesses.refuse("b.example", &org("B"), refused.clone()));
    assert!(!witnesses.refuse("b.example", &org("A"), refused.clone()), "each speaks for its own");
    assert!(!witnesses.refuse("c.example", &org("B"), refused.clone()));
    let standings = witnesses.standings(reader).await.unwrap();
    let told: Vec<_> = standings.iter().map(|one| (one.name.as_str(), one.signed, one.refused.clone())).collect();
    assert_eq!(told, [("a.example", 3, None), ("b.example", 3, Some(refused))]);
    witnesses.take(&world.engine, &org("A"), &cosigned(signed.head, &b).write()).await.unwrap();
    assert!(witnesses.standings(reader).await.unwrap().iter().any(|one| one.refused.is_some()), "A brings an old line");
    witnesses.take(&world.engine, &org("B"), &cosigned(signed.head, &b).write()).await.unwrap();
    assert!(witnesses.standings(reader).await.unwrap().iter().all(|one| one.refused.is_none()));
    world.close().await;
    let world = World::open(folder.path(), key(), None).await;
    world.signed(3).await;
    let mut proven = world.engine.tree().witnesses().unwrap().proven();
    proven.wait_for(|size| *size == 3).await.unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_checkpoint_that_the_log_signed_elsewhere_stops_the_signing() {
    for (root_differs, size, halt) in [(true, 3, Halt::Fork), (false, 9, Halt::Behind)] {
        let folder = tempfile::tempdir().unwrap();
        let world = World::open(folder.path(), key(), None).await;
        world.grow(2).await;
        let signed = world.signed(3).await;
        let root = if root_differs { [1; 32] } else { signed.head.root };
        let head = Head { size, root };
        let mut note = Checkpoint::sign(&key(), head);
        note.cosignatures.push(witness("a.example", 1).cosign(&note.origin, &head, 1_700_000_000));
        let witnesses = world.engine.tree().witnesses().unwrap();
        let refused = witnesses.take(&world.engine, &org("A"), &note.write()).await.unwrap_err();
        assert_eq!(format!("{refused:?}"), "OtherTree");
        assert_eq!(world.halted().await, halt);
        world.grow(1).await;
        assert_eq!(world.engine.tree().shown().signed, Some(signed), "nothing more is signed");
        world.close().await;
    }
}

#[tokio::test]
async fn a_mark_that_is_gone_is_not_no_mark() {
    let (folder, mark) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mark = mark.path().join("handoff.mark");
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    let signed = world.signed(1).await;
    world.close().await;
    std::fs::remove_file(&mark).unwrap();
    let world = World::open(folder.path(), key(), Some(mark.clone())).await;
    assert_eq!(world.halted().await, Halt::Mark);
    world.close().await;
    // Whoever has made sure that this is the newest database says so.
    MarkFile::new(mark.clone()).write(&Mark { origin: signed.origin.clone(), head: signed.head }).unwrap();
    let world = World::open(folder.path(), key(), Some(mark)).await;
    assert_eq!(world.signed(1).await, signed);
    world.close().await;
}
