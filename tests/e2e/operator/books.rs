//! What an operator can do: read the whole log of a stopped service, tell it otherwise, sign all of it anew with the
//! service's own keys, and put it in the place of the old one.
//!
//! Feeds, lists and personal values are left as they were: nobody who looks at the log looks at them.

use anyhow::{Context, ensure};
use handoff_cluster::Cluster;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_engine::tree::{Mark, MarkFile};
use handoff_evidence::bundle::Logged;
use handoff_evidence::event::{FIRST_PREV, decode, encode, hash};
use handoff_evidence::leaf::Leaf;
use handoff_evidence::log::LogKey;
use handoff_evidence::merkle::{Edge, Hash, TileId, inclusion};
use handoff_evidence::note::Head;
use handoff_store::rows::StreamKind;
use handoff_tests::app::TestApp;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::process::Command;

/// An event, to be changed.
#[derive(Clone)]
pub(super) struct Row {
    kind: StreamKind,
    pub(super) event: Event,
    /// Its hash as it was recorded.
    was: Digest,
}

/// What a stopped service has: every event, and every head of the tree that was noted.
pub(super) struct Stored {
    pub(super) rows: Vec<Row>,
    pub(super) heads: Vec<Head>,
}

/// One entry of a log that was made again.
pub(super) struct Made {
    kind: StreamKind,
    pub(super) event: Event,
    bytes: Vec<u8>,
    hash: Digest,
    leaf: Leaf,
}

/// A log that was made again: numbered, chained, signed.
#[derive(Default)]
pub(super) struct Log {
    pub(super) made: Vec<Made>,
    leaves: Vec<Hash>,
    /// Of one leaf, of two, and so on.
    roots: Vec<Hash>,
}

/// The log's key, from which the recorders' follow: all that the service signs with.
pub(super) fn key(app: &TestApp) -> anyhow::Result<LogKey> {
    let seed: [u8; 32] = std::fs::read(app.path("log.key"))?.try_into().ok().context("a log key has 32 bytes")?;
    Ok(LogKey::from_seed(&seed))
}

pub(super) async fn read(app: &TestApp) -> anyhow::Result<Stored> {
    let reader = handoff_store::open_reader(&app.database()).await?;
    let (mut rows, mut heads) = (Vec::new(), Vec::<Head>::new());
    loop {
        let page = reader.events_from(rows.len() as u64, 500).await?;
        if page.is_empty() {
            break;
        }
        for row in page {
            let (event, _) = decode(&row.bytes)?;
            rows.push(Row { kind: row.kind, event, was: row.hash });
        }
    }
    while let Some(head) = reader.tree_head_from(heads.last().map_or(1, |head| head.size + 1)).await? {
        heads.push(Head { size: head.size, root: head.root });
    }
    reader.close().await;
    Ok(Stored { rows, heads })
}

impl Log {
    /// Numbers, chains and signs the events anew, each with the key of the organisation it names. Whoever was checked
    /// against a registry whose event is another now names that one.
    pub(super) fn make(key: &LogKey, rows: &[Row]) -> anyhow::Result<Self> {
        let mut chains: HashMap<IncidentId, (u64, Digest)> = HashMap::new();
        let mut registries: BTreeMap<Digest, Digest> = BTreeMap::new();
        let (mut log, mut edge) = (Self::default(), Edge::new());
        for Row { kind, event, was } in rows {
            let (seq, prev) = chains.get(&event.incident).copied().unwrap_or((0, FIRST_PREV));
            let mut event = Event { seq: seq + 1, ..event.clone() };
            event.actor.reg = event.actor.reg.map(|reg| registries.get(&reg).copied().unwrap_or(reg));
            let bytes = encode(&event, &prev)?;
            let hash = hash(&bytes);
            if matches!(event.body, Body::RegistryUpdated(_)) {
                registries.insert(*was, hash);
            }
            chains.insert(event.incident, (event.seq, hash));
            let leaf = Leaf::sign(hash, &key.recorder(&event.actor.org));
            ensure!(edge.push(leaf.hash()).is_empty(), "the log is too long for this: it completes a tile");
            log.leaves.push(leaf.hash());
            log.roots.push(edge.root());
            log.made.push(Made { kind: *kind, event, bytes, hash, leaf });
        }
        Ok(log)
    }

    pub(super) fn size(&self) -> u64 {
        self.made.len() as u64
    }

    /// The head of so many entries, if there are so many.
    pub(super) fn head(&self, size: u64) -> Option<Head> {
        let root = self.roots.get(usize::try_from(size.checked_sub(1)?).ok()?)?;
        Some(Head { size, root: *root })
    }

    /// The newest head.
    pub(super) fn newest(&self) -> anyhow::Result<Head> {
        self.head(self.size()).context("a log without entries")
    }

    /// An entry with its way to the newest root.
    pub(super) fn logged(&self, index: usize) -> anyhow::Result<Logged> {
        let Made { bytes, leaf, .. } = self.made.get(index).context("no such entry")?;
        let tiles = BTreeMap::from([(TileId { level: 0, number: 0 }, self.leaves.clone())]);
        let path = inclusion(index as u64, self.size(), &tiles)?;
        Ok(Logged { bytes: bytes.clone(), index: index as u64, leaf: *leaf, path })
    }
}

/// Name of the service's database in the cluster, where it is PostgreSQL.
fn in_cluster(app: &TestApp) -> Option<String> {
    let url = app.database();
    url.strip_prefix("postgres").and_then(|rest| rest.rsplit_once('/')).map(|(_, name)| name.to_owned())
}

fn mark_file(app: &TestApp) -> String {
    format!("{}.mark", app.config_file())
}

/// Another service over a copy of a stopped one's database, with the same keys and the same mark.
pub(super) fn copy(of: &TestApp, name: &str) -> anyhow::Result<TestApp> {
    let mut copy = of.replica(name)?;
    let url = if let Some(database) = in_cluster(of) {
        let cluster = Cluster::shared();
        cluster.url(&cluster.copy_database(&database)?)
    } else {
        let (from, to) = (of.path("handoff.db"), of.path(&format!("{name}.db")));
        for part in ["", "-wal"] {
            let beside = |file: &std::path::Path| format!("{}{part}", file.display());
            if std::path::Path::new(&beside(&from)).exists() {
                std::fs::copy(beside(&from), beside(&to))?;
            }
        }
        format!("sqlite:{}", to.display())
    };
    copy.reach_database_by(url);
    std::fs::copy(mark_file(of), mark_file(&copy))?;
    Ok(copy)
}

/// The mark is made to say what the database says.
pub(super) fn mark(app: &TestApp, key: &LogKey, head: Head) -> anyhow::Result<()> {
    Ok(MarkFile::new(mark_file(app).into()).write(&Mark { origin: key.origin(), head })?)
}

pub(super) fn lose_mark(app: &TestApp) -> anyhow::Result<()> {
    Ok(std::fs::remove_file(mark_file(app))?)
}

/// Puts a log in the place of the one a stopped service has. Heads of the tree are noted anew where they are others;
/// witnesses' signatures under those cannot be made, and go.
pub(super) fn put(app: &TestApp, log: &Log, noted: &[Head]) -> anyhow::Result<()> {
    if let Some(database) = in_cluster(app) {
        let blob = |bytes: &[u8]| format!("'\\x{}'", hex(bytes));
        let sql = statements(log, noted, blob, |id| format!("'{}'", id.0))?;
        // In this role no trigger is asked.
        let sql = format!("SET session_replication_role = replica;\nBEGIN;\n{sql}COMMIT;\n");
        Cluster::shared().psql(&database, &sql)?;
        return Ok(());
    }
    let blob = |bytes: &[u8]| format!("x'{}'", hex(bytes));
    let sql = statements(log, noted, blob, |id| blob(id.0.as_bytes()))?;
    let tables = ["events", "tiles", "tree_heads", "cosignatures"];
    let dropped: String = tables.iter().map(|table| format!("DROP TRIGGER {table}_are_never_deleted;\n")).collect();
    let file = app.path("operator.sql");
    std::fs::write(&file, format!("BEGIN;\n{dropped}{sql}COMMIT;\n"))?;
    let script = "import sqlite3, sys\nbase = sqlite3.connect(sys.argv[1])\n\
                  base.executescript(open(sys.argv[2]).read())\nbase.close()\n";
    let database = app.database();
    let database = database.strip_prefix("sqlite:").context("a database of SQLite")?;
    let output = Command::new("python3").args(["-c", script, database]).arg(&file).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn statements(
    log: &Log,
    noted: &[Head],
    blob: impl Fn(&[u8]) -> String,
    id: impl Fn(IncidentId) -> String,
) -> anyhow::Result<String> {
    let mut sql = "DELETE FROM tiles;\nDELETE FROM events;\n".to_owned();
    for (position, made) in log.made.iter().enumerate() {
        let Made { kind, event, bytes, hash, leaf } = made;
        let (kind, incident, at, seq) = (kind.code(), id(event.incident), event.at.0, event.seq);
        let (name, hash, leaf, bytes) = (event.body.type_name(), blob(&hash.0), blob(&leaf.signature()), blob(bytes));
        writeln!(
            sql,
            "INSERT INTO events (position, first, kind, incident, seq, type, at, hash, leaf, bytes) VALUES \
             ({position}, {position}, {kind}, {incident}, {seq}, '{name}', {at}, {hash}, {leaf}, {bytes});"
        )?;
    }
    let last = log.made.last().context("a log without entries")?;
    let (size, at, hash) = (log.size(), last.event.at.0, blob(&last.hash.0));
    writeln!(sql, "UPDATE head SET position = {size}, last_at = {at}, last_hash = {hash} WHERE id = 1;")?;
    let (stays, goes): (Vec<Head>, Vec<Head>) =
        noted.iter().partition(|noted| log.head(noted.size).as_ref() == Some(*noted));
    for Head { size, .. } in &goes {
        writeln!(sql, "DELETE FROM cosignatures WHERE size = {size};\nDELETE FROM tree_heads WHERE size = {size};")?;
    }
    let newest = log.newest()?;
    let sizes: std::collections::BTreeSet<u64> = goes.iter().map(|head| head.size).chain([newest.size]).collect();
    for head in sizes.into_iter().filter_map(|size| log.head(size)).filter(|head| !stays.contains(head)) {
        let (size, root) = (head.size, blob(&head.root));
        writeln!(sql, "INSERT INTO tree_heads (size, root, at) VALUES ({size}, {root}, {at});")?;
    }
    Ok(sql)
}
