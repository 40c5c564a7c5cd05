//! A log with all its keys: tests take the place of an honest service, and of a dishonest one.

use crate::world::{World, org};
use handoff_client::api::{LogEntry, StreamEntriesResponse};
use handoff_domain::event::Event;
use handoff_domain::ids::Digest;
use handoff_domain::time::Millis;
use handoff_engine::clock::{Clock as _, ManualClock};
use handoff_evidence::event::{decode, encode, hash};
use handoff_evidence::leaf::Leaf;
use handoff_evidence::log::LogKey;
use handoff_evidence::merkle::Edge;
use handoff_evidence::note::{Checkpoint, CosignerKey, Head};
use handoff_evidence::policy::{Group, Log, Needs, Parts, Policy, Range, Recorder, Witness as Named};
use handoff_witness::{AcceptFault, Clock, MarkFile, Mirror, Witness};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tempfile::TempDir;

/// 2026-11-23T12:00:00Z.
pub(crate) const NOW: Millis = Millis(1_795_435_200_000);
const ORGS: [&str; 5] = ["A", "AUD", "B", "OP", "S"];

pub(crate) fn log_key() -> LogKey {
    LogKey::from_seed(&[7; 32])
}

pub(crate) fn witness_key(name: &str) -> CosignerKey {
    let seed = [name.bytes().next().expect("a name"); 32];
    CosignerKey::from_seed(&format!("{name}.example/witness"), &seed).expect("a legal name")
}

pub(crate) fn parts() -> Parts {
    let log = log_key();
    let witness = |name: &str| {
        let key = witness_key(name);
        Named { name: name.to_uppercase(), key_name: key.name().to_owned(), key: key.public(), url: None }
    };
    let recorder = |name: &str| {
        let org = org(name);
        Recorder { key: log.recorder(&org).public(), org, indices: Range::ALL }
    };
    let members = vec!["A".to_owned(), "B".to_owned()];
    Parts {
        logs: vec![Log { key: log.public(), url: None, sizes: None }],
        witnesses: vec![witness("a"), witness("b")],
        groups: vec![Group { name: "both".to_owned(), needs: Needs::All, members }],
        quorum: Some("both".to_owned()),
        recorders: ORGS.into_iter().map(recorder).collect(),
        registrars: ["A", "B"].map(|name| (org(name), crate::registries::registrars(name))).into(),
    }
}

pub(crate) fn policy() -> Policy {
    Policy::write(&parts()).expect("a policy")
}

/// A folder in memory where the system has such a one: every step of a witness syncs.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

/// Plays, and gives every event of the log.
pub(crate) fn recorded(play: impl AsyncFnOnce(&World)) -> Vec<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = folder();
    let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
    runtime.block_on(async {
        World::run(&url, play).await;
        let reader = handoff_store::open_reader(&url).await.expect("it opens for reading");
        let mut events: Vec<Vec<u8>> = Vec::new();
        loop {
            let page = reader.events_from(events.len() as u64, 500).await.expect("the log is there");
            if page.is_empty() {
                return events;
            }
            events.extend(page.iter().map(|row| row.bytes.to_vec()));
        }
    })
}

/// One log with every kind of move.
pub(crate) fn story() -> &'static [Vec<u8>] {
    static STORY: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    STORY.get_or_init(|| {
        // A thread of its own: a test may have a runtime already.
        std::thread::spawn(|| recorded(crate::play::everything)).join().expect("it is played")
    })
}

pub(crate) fn read(bytes: &[u8]) -> (Event, Digest) {
    decode(bytes).expect("an event")
}

/// The leaf the service makes: by the key of the organisation the event names, or of the operator.
pub(crate) fn leaf(bytes: &[u8]) -> Leaf {
    let org = decode(bytes).map_or_else(|_| org("OP"), |(event, _)| event.actor.org);
    Leaf::sign(hash(bytes), &log_key().recorder(&org))
}

/// The entry at an index.
pub(crate) fn entry(index: usize, bytes: &[u8]) -> LogEntry {
    LogEntry {
        index: index as u64,
        leaf: leaf(bytes).bytes().to_vec(),
        event: bytes.to_vec(),
        registry_entries: Vec::new(),
    }
}

/// A log as it is streamed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) entries: Vec<LogEntry>,
    edges: Vec<Edge>,
}

impl Sent {
    pub(crate) fn of(events: &[Vec<u8>]) -> Self {
        let mut sent = Self::default();
        for bytes in events {
            sent.push(entry(sent.entries.len(), bytes));
        }
        sent
    }

    pub(crate) fn push(&mut self, entry: LogEntry) {
        let mut edge = self.edges.last().cloned().unwrap_or_default();
        edge.push(handoff_evidence::merkle::leaf_hash(&entry.leaf));
        self.entries.push(entry);
        self.edges.push(edge);
    }

    pub(crate) fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn head(&self, size: u64) -> Head {
        let edge = &self.edges[usize::try_from(size).expect("a size") - 1];
        Head { size, root: edge.root() }
    }

    /// The log-signed checkpoint of a size.
    pub(crate) fn checkpoint(&self, size: u64) -> String {
        Checkpoint::sign(&log_key(), self.head(size)).write()
    }

    /// The same, cosigned by both.
    pub(crate) fn proven(&self, size: u64) -> String {
        let head = self.head(size);
        let mut checkpoint = Checkpoint::sign(&log_key(), head);
        let at = u64::try_from(NOW.0 / 1_000).expect("a time");
        let lines = ["a", "b"].map(|name| witness_key(name).cosign(&checkpoint.origin, &head, at));
        checkpoint.cosignatures.extend(lines);
        checkpoint.write()
    }

    /// The message with the entries from one index up to another, and the checkpoint over them.
    pub(crate) fn message(&self, from: u64, size: u64) -> StreamEntriesResponse {
        StreamEntriesResponse { checkpoint: self.checkpoint(size), ..self.open_message(from, size) }
    }

    /// The same without the checkpoint.
    pub(crate) fn open_message(&self, from: u64, size: u64) -> StreamEntriesResponse {
        let range = usize::try_from(from).expect("an index")..usize::try_from(size).expect("a size");
        StreamEntriesResponse { entries: self.entries[range].to_vec(), checkpoint: String::new() }
    }
}

/// A clock moved by hand.
#[derive(Clone)]
pub(crate) struct Hand(pub(crate) Arc<ManualClock>);

impl Hand {
    pub(crate) fn new() -> Self {
        Self(Arc::new(ManualClock::new(NOW)))
    }

    pub(crate) fn wait(&self, ms: i64) {
        self.0.advance_to(self.0.now().plus(ms));
    }
}

impl Clock for Hand {
    fn now(&self) -> Millis {
        self.0.now()
    }

    fn sleep_until(&self, until: Millis) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep_until(until)
    }
}

/// Where a witness keeps what.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) clock: Hand,
    pub(crate) faults: Vec<AcceptFault>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: folder(), clock: Hand::new(), faults: Vec::new() }
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.folder.path().join("mirror.db")
    }

    pub(crate) fn mark(&self) -> PathBuf {
        self.folder.path().join("witness.mark")
    }

    /// A's witness.
    pub(crate) async fn open(&self) -> Witness {
        self.try_open().await.expect("the witness opens")
    }

    pub(crate) async fn try_open(&self) -> Result<Witness, handoff_witness::OpenError> {
        let mirror = Mirror::open(&self.mirror()).await?;
        let mark = Some(MarkFile::new(self.mark()));
        let clock = Arc::new(self.clock.clone());
        Witness::over(witness_key("a"), policy(), None, self.faults.clone(), mirror, mark, clock).await
    }
}

/// Who the cosignature of a note is from, and which head it is over; checked.
pub(crate) fn cosigned(note: &str) -> Head {
    let checkpoint = Checkpoint::read(note.as_bytes()).expect("a note");
    checkpoint.verify(&log_key().public(), &policy().cosigners()).expect("every line verifies");
    assert_eq!(checkpoint.cosignatures.len(), 1, "the witness's own line and no other");
    assert!(checkpoint.cosignatures[0].is_of(&witness_key("a").cosigner()));
    checkpoint.head
}

/// An event changed, on the same event before it.
pub(crate) fn edited(bytes: &[u8], edit: impl FnOnce(&mut Event)) -> Vec<u8> {
    let (mut event, prev) = read(bytes);
    edit(&mut event);
    encode(&event, &prev).expect("an event of the profile")
}
