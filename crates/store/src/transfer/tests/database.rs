//! Databases to copy, filled in every table, and what stands in them, read past every decoder of ours.

use crate::conformance::Story;
use crate::conformance::sample::*;
use crate::contract::{Options, Store};
use crate::error::AppendError;
use crate::rows::*;
use crate::{migrate, open};
use handoff_cluster::Cluster;
use handoff_domain::ids::{ClientId, DrillId, MapId, MapRef, OfficerId};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

pub(super) use Kind::{Postgres, Sqlite};

/// Every pair of backends.
pub(super) const PAIRS: [(Kind, Kind); 4] =
    [(Sqlite, Postgres), (Postgres, Sqlite), (Sqlite, Sqlite), (Postgres, Postgres)];

/// A migrated database to copy, made once.
static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
    let name = Cluster::shared().new_database().unwrap();
    let url = Cluster::shared().url(&name);
    let migrating = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(migrate(&url)).unwrap();
    });
    migrating.join().unwrap();
    name
});

/// One database; a file goes away with the value, the other with the test's cluster.
pub(super) enum Database {
    File(TempDir),
    Server(String),
}

/// Table by table: the names of the columns, and the rows as text, in an order of their own.
pub(super) type Dump = BTreeMap<String, (Vec<String>, Vec<String>)>;

impl Database {
    /// A new database without a schema.
    pub(super) fn bare(kind: Kind) -> Self {
        match kind {
            Sqlite => Self::File(tempfile::tempdir().unwrap()),
            Postgres => Self::Server(Cluster::shared().new_database().unwrap()),
        }
    }

    /// A new, migrated, empty one.
    pub(super) async fn empty(kind: Kind) -> Self {
        match kind {
            Sqlite => {
                let new = Self::bare(kind);
                migrate(&new.url()).await.unwrap();
                new
            }
            Postgres => Self::Server(Cluster::shared().copy_database(&TEMPLATE).unwrap()),
        }
    }

    /// One with rows of every kind in every table.
    pub(super) async fn filled(kind: Kind) -> (Self, Story) {
        let new = Self::empty(kind).await;
        let mut story = Story::default();
        let mut store = new.open().await;
        fill(&mut store, &mut story).await;
        close(store).await;
        (new, story)
    }

    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(folder) => folder.path().join("handoff.db"),
            Self::Server(name) => panic!("{name} is no file"),
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::File(_) => format!("sqlite:{}", self.path().display()),
            Self::Server(name) => Cluster::shared().url(name),
        }
    }

    pub(super) async fn open(&self) -> Store {
        open(&self.url(), Options::default()).await.unwrap()
    }

    /// Runs statements past every guard.
    pub(super) async fn harm(&self, statements: &str) {
        match self {
            Self::File(_) => {
                let mut conn = raw_sqlite(self.path()).await;
                conn.execute(AssertSqlSafe(statements)).await.unwrap();
                conn.close().await.unwrap();
            }
            Self::Server(name) => drop(Cluster::shared().psql(name, statements).unwrap()),
        }
    }

    /// All that stands in the database, but for what is the backend's own.
    pub(super) async fn dump(&self) -> Dump {
        match self {
            Self::File(_) => dump_file(self.path()).await,
            Self::Server(name) => dump_server(&Cluster::shared().url(name)).await,
        }
    }
}

/// Names the first row that differs: all of them would fill pages.
#[track_caller]
pub(super) fn assert_same(found: &Dump, wanted: &Dump) {
    assert!(found.keys().eq(wanted.keys()), "{:?} for {:?}", found.keys(), wanted.keys());
    for (table, (columns, rows)) in wanted {
        let (found_columns, found_rows) = &found[table];
        assert_eq!(found_columns, columns, "columns of {table}");
        let different = found_rows.iter().zip(rows).find(|(found, wanted)| found != wanted);
        let short = |row: &String| row.chars().take(600).collect::<String>();
        assert_eq!(different.map(|(found, wanted)| (short(found), short(wanted))), None, "{table} {columns:?}");
        assert_eq!(found_rows.len(), rows.len(), "rows of {table}");
    }
}

pub(super) async fn close(store: Store) {
    store.reader.close().await;
    store.writer.close().await.unwrap();
}

async fn raw_sqlite(path: PathBuf) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).connect().await.unwrap()
}

const NOT_OURS: &str = "_sqlx_migrations";

pub(super) async fn dump_file(path: PathBuf) -> Dump {
    let mut conn = raw_sqlite(path).await;
    let mut dump = Dump::new();
    let tables = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(&mut conn).await.unwrap();
    for table in tables.iter().map(|row| row.get::<String, _>(0)).filter(|table| table != NOT_OURS) {
        let columns = sqlx::query("SELECT name, type FROM pragma_table_info(?1) ORDER BY name").bind(&table);
        let columns: Vec<(String, String)> =
            columns.fetch_all(&mut conn).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
        let shown = columns.iter().map(|(name, kind)| match kind.as_str() {
            "BLOB" => format!("CASE WHEN {name} IS NULL THEN 'NULL' ELSE lower(hex({name})) END"),
            _ => format!("coalesce(CAST({name} AS TEXT), 'NULL')"),
        });
        let sql = format!("SELECT {} FROM {table}", shown.collect::<Vec<_>>().join(" || '|' || "));
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        rows.sort();
        dump.insert(table, (columns.into_iter().map(|(name, _)| name).collect(), rows));
    }
    conn.close().await.unwrap();
    dump
}

async fn dump_server(url: &str) -> Dump {
    let mut conn: PgConnection = PgConnectOptions::from_str(url).unwrap().connect().await.unwrap();
    let mut dump = Dump::new();
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let tables = sqlx::query(tables).fetch_all(&mut conn).await.unwrap();
    for table in tables.iter().map(|row| row.get::<String, _>(0)).filter(|table| table != NOT_OURS) {
        let columns = sqlx::query(
            "SELECT column_name::text, data_type::text FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name = $1 AND column_name <> 'timeline'
             ORDER BY column_name COLLATE \"C\"",
        );
        let columns: Vec<(String, String)> = columns
            .bind(&table)
            .fetch_all(&mut conn)
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        let shown = columns.iter().map(|(name, kind)| match (kind.as_str(), name.as_str()) {
            ("bytea", _) => format!("coalesce(encode({name}, 'hex'), 'NULL')"),
            // The one id that is nothing at all in the other backend.
            ("uuid", "scope") => format!("replace(coalesce(nullif({name}, '{}')::text, ''), '-', '')", Uuid::nil()),
            ("uuid", _) => format!("coalesce(replace({name}::text, '-', ''), 'NULL')"),
            ("boolean", _) => format!("coalesce({name}::int::text, 'NULL')"),
            _ => format!("coalesce({name}::text, 'NULL')"),
        });
        let sql = format!("SELECT {} FROM {table}", shown.collect::<Vec<_>>().join(" || '|' || "));
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        rows.sort();
        dump.insert(table, (columns.into_iter().map(|(name, _)| name).collect(), rows));
    }
    conn.close().await.unwrap();
    dump
}

/// A case with its optional columns set.
fn full_case(number: u128, was: u64, version: u64) -> CaseRow {
    CaseRow {
        severity: Some(Text::Borrowed("high")),
        drill: Some(DrillId(Uuid::from_u128(99))),
        alias_of: Some(incident(1)),
        closed_at: Some(Millis(BEGIN + 900)),
        updated_at: Millis(BEGIN + 901),
        custodian: station("B", "B-07"),
        tenure: 3,
        ..case(number, was, version)
    }
}

pub(super) fn denial(count: u64) -> AuditRow {
    AuditRow {
        at: Millis(BEGIN),
        org: Some(org("A")),
        client: ClientId::new("cad"),
        officer: OfficerId::new("a-7f3c"),
        method: Text::Borrowed("TakeOver"),
        reason: Text::Borrowed("ROLE_NOT_ALLOWED"),
        count,
    }
}

pub(super) fn map(id: u128, version: u64, bytes: usize) -> MapRow {
    let bytes = (0..bytes).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
    MapRow { map: MapRef { id: MapId(Uuid::from_u128(id)), version }, digest: digest(version), bytes }
}

/// Every table, every column with and without a value, more rows than one page of the tests.
async fn fill(store: &mut Store, story: &mut Story) {
    for number in 1..=23 {
        store.writer.append(&story.opening(number)).await.unwrap();
        if number % 5 == 0 {
            // A request that is known: PostgreSQL gives an id to it all the same, which leaves a gap.
            let mut again = story.batch();
            again.answers.push(answer("A", "cad", number));
            assert!(matches!(store.writer.append(&again).await, Err(AppendError::AnswersKnown(_))));
        }
    }
    store.writer.append(&changes(story)).await.unwrap();
    store.writer.append(&beside(story)).await.unwrap();
    store.writer.append(&tree(story)).await.unwrap();
    let mut batch = story.batch();
    batch.erase.push(PersonalId { incident: incident(2), seq: 2, path: "caller.phone".to_owned() });
    batch.forget_keys.push(answer_id("A", "cad", 4));
    batch.raise_epoch = true;
    store.writer.append(&batch).await.unwrap();
}

/// Streams of every kind, a command of several events, changed cases, parties that left, obligations, handoffs.
fn changes(story: &mut Story) -> crate::Batch {
    let mut batch = story.batch();
    for (stream, kind) in [(900, StreamKind::Log), (901, StreamKind::Directory), (902, StreamKind::Drill)] {
        story.command(&mut batch, incident(stream), 1, &["A", "C"]);
        batch.events.last_mut().unwrap().kind = kind;
    }
    for number in [2, 3] {
        story.command(&mut batch, incident(number), 3, &["A", "B"]);
        batch.cases.push(full_case(number, 1, 4));
    }
    let mut superior = party(2, "C", "");
    superior.station = None;
    let mut left = party(2, "B", "B-07");
    left.active = false;
    batch.parties.extend([superior, left, party(2, "A", "A-01"), party(3, "A", "A-01"), party(3, "B", "B-07")]);
    let owed = obligation(2, Duty::OfferSeen, 60);
    batch.obligations.extend([
        ObligationRow { scope: None, org: None, station: None, raise_at: None, rung: Rung::Superior, ..owed.clone() },
        ObligationRow { acknowledged: true, done: true, ..obligation(3, Duty::OfferSeen, 90) },
        ObligationRow { station: None, ..owed.clone() },
        owed,
    ]);
    batch.obligations.extend((4..=20).map(|number| obligation(number, Duty::OfferSeen, 5)));
    batch.handoffs.extend((0..=10).map(|number| handoff(number, 3)));
    batch.handoffs.push(HandoffRow { offered_at: None, ..handoff(50, 2) });
    batch
}

/// What stands beside the log.
fn beside(story: &Story) -> crate::Batch {
    let mut batch = story.batch();
    let refusal = AnswerRow { incident: Some(incident(2)), key: None, ..answer("B", "console", 7) };
    batch.answers.extend([AnswerRow { answer: Arc::from(&b""[..]), ..answer("C", "cad", 1) }, refusal]);
    for (seq, path, disclosure) in
        [(1, "caller.name", &b"a \0 \" \\ \xff"[..]), (2, "caller.phone", b"gone"), (3, "note", b"")]
    {
        let id = PersonalId { incident: incident(2), seq, path: path.to_owned() };
        batch.personal.push(PersonalRow { id, disclosure: disclosure.to_vec() });
    }
    let extra = (0..9).map(|n| PersonalId { incident: incident(3), seq: 1, path: format!("field.{n} ä|'") });
    batch.personal.extend(extra.map(|id| PersonalRow { id, disclosure: vec![b'v'; 40] }));
    for (name, client, number) in [("A", "cad", 9), ("A", "console", 0), ("B", "cad", 3)] {
        batch.cursors.push(CursorRow { org: org(name), client: ClientId::new(client).unwrap(), number });
    }
    batch.audit = (1..=15).map(denial).collect();
    batch.audit.push(AuditRow { org: None, client: None, officer: None, ..denial(500) });
    batch.maps = vec![map(1, 1, 200_000), map(1, 2, 0), map(0, 7, 9)];
    batch
}

/// Events for one tile, what is kept of the tree over them, and key registries.
fn tree(story: &mut Story) -> crate::Batch {
    let mut batch = story.batch();
    story.command(&mut batch, incident(903), crate::batch::COMMAND_EVENTS_MAX, &[]);
    batch.events.iter_mut().for_each(|event| event.kind = StreamKind::Directory);
    batch.tiles.push(tile(0, 0));
    batch.tree_heads = (1..=10).map(tree_head).collect();
    let signed = (1..=10).flat_map(|size| [(size, 1), (size, 2)]);
    batch.cosignatures = signed.map(|(size, number)| cosignature(size, number)).collect();
    // Pages of the tests end within an organisation and within a version.
    let entries = (1..=12).map(|n| ("A", 1 + n / 5, n)).chain((1..=4).map(|n| ("B", 9 + n / 3, n)));
    batch.registry = entries.map(|(org, version, n)| registry_entry(org, version, u8::try_from(n).unwrap())).collect();
    batch
}
