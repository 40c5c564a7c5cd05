//! What is SQLite's own: files, locks, settings, schema versions, plans, housekeeping, backup. The contract itself is
//! tested by the suite.

use super::sql;
use crate::conformance::sample::of_evidence;
use crate::conformance::{Backend, Database, Story, incident};
use crate::contract::{Options, Pending, Store};
use crate::error::StoreError;
use crate::failpoint::Failpoint;
use crate::{backup, check, integrity, migrate, open, open_reader};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

struct Sqlite;

struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn migrated() -> Self {
        let folder = Self::new();
        migrate(&folder.url()).await.unwrap();
        folder
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data/handoff.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// A connection past every guard, to harm the database.
    async fn raw(&self) -> SqliteConnection {
        SqliteConnectOptions::new().filename(self.path()).foreign_keys(false).connect().await.unwrap()
    }

    async fn harm(&self, statements: &'static str) {
        let mut conn = self.raw().await;
        conn.execute(statements).await.unwrap();
        conn.close().await.unwrap();
    }
}

impl Backend for Sqlite {
    fn create(&self) -> Pending<'_, Box<dyn Database>> {
        Box::pin(async { Box::new(Folder::migrated().await) as Box<dyn Database> })
    }
}

impl Database for Folder {
    fn open(&self, options: Options) -> Pending<'_, Result<Store, StoreError>> {
        Box::pin(async move { open(&self.url(), options).await })
    }
}

crate::conformance_suite!(Sqlite);

async fn filled(folder: &Folder, incidents: u128) -> (Store, Story) {
    let mut store = open(&folder.url(), Options::default()).await.unwrap();
    let mut story = Story::default();
    for number in 1..=incidents {
        store.writer.append(&story.opening(number)).await.unwrap();
    }
    (store, story)
}

async fn close(store: Store) {
    store.reader.close().await;
    store.writer.close().await.unwrap();
}

#[tokio::test]
async fn a_second_writer_is_refused_while_readers_are_welcome() {
    let folder = Folder::migrated().await;
    let (store, _) = filled(&folder, 3).await;
    assert!(matches!(open(&folder.url(), Options::default()).await, Err(StoreError::Locked { .. })));
    assert!(matches!(migrate(&folder.url()).await, Err(StoreError::Locked { .. })));
    let beside = open_reader(&folder.url()).await.unwrap();
    assert_eq!(beside.head().await.unwrap().position, 3);
    beside.close().await;
    close(store).await;
    let again = open(&folder.url(), Options::default()).await.unwrap();
    close(again).await;
}

#[tokio::test]
async fn a_reader_opens_without_a_service_and_after_a_clean_end() {
    let folder = Folder::migrated().await;
    let (store, _) = filled(&folder, 3).await;
    close(store).await;
    let reader = open_reader(&folder.url()).await.unwrap();
    assert_eq!(reader.head().await.unwrap().position, 3);
    reader.close().await;
    assert_eq!(check(&folder.url()).await.unwrap(), []);
}

#[tokio::test]
async fn an_unclean_end_is_noticed_and_a_clean_one_is_not() {
    let folder = Folder::migrated().await;
    let store = open(&folder.url(), Options::default()).await.unwrap();
    assert!(!store.unclean, "after migrate");
    close(store).await;
    let store = open(&folder.url(), Options::default()).await.unwrap();
    assert!(!store.unclean, "after close");
    close(store).await;
    let (store, _) = filled(&folder, 1).await;
    // What a killed process leaves: the files as they are now.
    let copy = Folder::new();
    std::fs::create_dir(copy.path().parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        let name = |path: PathBuf| super::files::beside(&path, suffix);
        std::fs::copy(name(folder.path()), name(copy.path())).unwrap();
    }
    close(store).await;
    let killed = open(&copy.url(), Options::default()).await.unwrap();
    assert!(killed.unclean);
    assert_eq!(killed.reader.head().await.unwrap().position, 1);
    assert_eq!(integrity(&copy.url()).await.unwrap(), []);
    close(killed).await;
}

#[tokio::test]
async fn files_and_folder_are_the_services_alone() {
    let folder = Folder::migrated().await;
    let (store, _) = filled(&folder, 1).await;
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.path().parent().unwrap().to_owned()), 0o700);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(super::files::beside(&folder.path(), suffix)), 0o600, "{suffix}");
    }
    close(store).await;
}

#[tokio::test]
async fn an_unsafe_setting_is_refused_by_name() {
    let folder = Folder::migrated().await;
    let path = folder.path();
    let cases = [
        ("synchronous", super::writer_options(&path).pragma("synchronous", "NORMAL")),
        ("foreign_keys", super::writer_options(&path).pragma("foreign_keys", "OFF")),
        ("wal_autocheckpoint", super::writer_options(&path).pragma("wal_autocheckpoint", "1000")),
        ("secure_delete", super::writer_options(&path).pragma("secure_delete", "OFF")),
        ("mmap_size", super::writer_options(&path).pragma("mmap_size", "1000000")),
        ("busy_timeout", super::writer_options(&path).pragma("busy_timeout", "0")),
        ("journal_mode", super::writer_options(&path).pragma("journal_mode", "DELETE")),
    ];
    for (wrong, options) in cases {
        let mut conn = super::connect(options).await.unwrap();
        match super::assert_settings(&mut conn, super::WRITER_SETTINGS).await {
            Err(StoreError::Setting { name, .. }) => assert_eq!(name, wrong),
            other => panic!("{wrong}: {other:?}"),
        }
        conn.close().await.unwrap();
    }
    let mut conn = super::connect(super::writer_options(&path)).await.unwrap();
    super::assert_settings(&mut conn, super::WRITER_SETTINGS).await.unwrap();
}

#[tokio::test]
async fn only_the_schema_of_this_version_is_served() {
    let folder = Folder::new();
    assert!(matches!(open(&folder.url(), Options::default()).await, Err(StoreError::NoSchema)));
    std::fs::create_dir(folder.path().parent().unwrap()).unwrap();
    std::fs::write(folder.path(), b"").unwrap();
    assert!(matches!(open(&folder.url(), Options::default()).await, Err(StoreError::NoSchema)));
    migrate(&folder.url()).await.unwrap();
    migrate(&folder.url()).await.unwrap();
    folder.harm("INSERT INTO _sqlx_migrations VALUES (9999, 'newer', 0, 1, x'00', 0)").await;
    for result in [open(&folder.url(), Options::default()).await.map(drop), migrate(&folder.url()).await] {
        assert!(matches!(result, Err(StoreError::NewerSchema { found: 9_999, .. })), "{result:?}");
    }
    folder
        .harm(
            "DELETE FROM _sqlx_migrations WHERE version >= 5;
             DROP TABLE registry_entries; DROP TABLE cosignatures; DROP TABLE tree_heads; DROP TABLE tiles",
        )
        .await;
    let older = open(&folder.url(), Options::default()).await.map(drop);
    assert!(matches!(older, Err(StoreError::OlderSchema { found: 4, needed: 6 })), "{older:?}");
    migrate(&folder.url()).await.unwrap();
    open(&folder.url(), Options::default()).await.unwrap();
    folder.harm("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 2").await;
    let changed = open(&folder.url(), Options::default()).await.map(drop);
    assert!(matches!(changed, Err(StoreError::ChangedSchema { version: 2 })), "{changed:?}");
}

/// The record cannot be rewritten through the service's own connection either.
#[tokio::test]
async fn what_is_recorded_is_never_changed_or_deleted() {
    let folder = Folder::migrated().await;
    let (mut store, story) = filled(&folder, 2).await;
    store.writer.append(&of_evidence(&story)).await.unwrap();
    let mut conn = folder.raw().await;
    conn.execute("INSERT INTO audit VALUES (1, 0, NULL, NULL, NULL, 'm', 'r', 1)").await.unwrap();
    for (table, column) in [
        ("events", "at"),
        ("feed", "number"),
        ("audit", "at"),
        ("tiles", "number"),
        ("tree_heads", "at"),
        ("cosignatures", "at"),
        ("registry_entries", "version"),
    ] {
        for statement in [format!("DELETE FROM {table}"), format!("UPDATE {table} SET {column} = 9")] {
            assert!(conn.execute(AssertSqlSafe(statement.clone())).await.is_err(), "{statement}");
        }
    }
    conn.close().await.unwrap();
    close(store).await;
}

/// Plans on a database with no statistics and on one with them: no table is walked from end to end.
#[tokio::test]
async fn no_hot_statement_scans_a_table() {
    let folder = Folder::migrated().await;
    explain(&folder, "young").await;
    let (store, _) = filled(&folder, 400).await;
    close(store).await;
    folder.harm("ANALYZE").await;
    explain(&folder, "analysed").await;
}

async fn explain(folder: &Folder, age: &str) {
    let mut conn = folder.raw().await;
    let names = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(&mut conn).await.unwrap();
    let tables: Vec<String> = names.iter().map(|row| row.get(0)).collect();
    // Every alias a statement gives to a table of ours.
    let aliases = ["a", "c", "e", "f"];
    for (name, statement) in sql::hot() {
        let statement = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = sqlx::query(statement).fetch_all(&mut conn).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        for step in &plan {
            let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            let ours = |scanned: &str| {
                tables.iter().any(|table| table == scanned) || (aliases.contains(&scanned) && scanned != "e")
            };
            // A partial index holds nothing but what is asked for.
            let counted = name == "read::COUNTS" && step.contains("USING COVERING INDEX obligations_of_org");
            assert!(!scanned.is_some_and(ours) || counted, "{name} on a {age} database: {plan:#?}");
            assert!(!step.contains("AUTOMATIC"), "{name} on a {age} database: {plan:#?}");
            let sorts = step.contains("TEMP B-TREE") && !name.starts_with("read::CASES_OF") && !name.contains("KNOWN");
            assert!(!sorts || name == "read::OBLIGATIONS_IN", "{name} on a {age} database: {plan:#?}");
        }
    }
    conn.close().await.unwrap();
}

#[tokio::test]
async fn housekeeping_moves_the_log_and_empties_it_when_idle() {
    let folder = Folder::migrated().await;
    let moved = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&moved);
    let failpoint = Failpoint::new(move |step| {
        counter.fetch_add(u32::from(step == "wal.checkpointed"), Ordering::SeqCst);
        Ok(())
    });
    let mut store = open(&folder.url(), Options { failpoint, ..Options::default() }).await.unwrap();
    let mut story = Story::default();
    let mut largest = 0;
    for _ in 0..60 {
        let mut batch = story.batch();
        for number in 0..100 {
            story.command(&mut batch, incident(number), 20, &["A"]);
        }
        store.writer.append(&batch).await.unwrap();
        largest = largest.max(store.writer.tidy().await.unwrap().pending_bytes);
    }
    assert!(moved.load(Ordering::SeqCst) >= 2, "nothing was moved");
    assert!(largest < 16 * 1024 * 1024, "the log grew to {largest} bytes");
    let idle = store.writer.idle().await.unwrap();
    assert_eq!((idle.bytes, super::files::wal_bytes(&folder.path()).unwrap()), (0, 0));
    close(store).await;
    assert_eq!(integrity(&folder.url()).await.unwrap(), []);
}

#[tokio::test]
async fn an_erased_value_is_in_no_file_after_idling() {
    let folder = Folder::migrated().await;
    let (mut store, mut story) = filled(&folder, 1).await;
    let canary = b"canary-5f2c-of-the-caller";
    let mut batch = story.opening(2);
    let id = crate::rows::PersonalId { incident: batch.cases[0].incident, seq: 1, path: "caller.phone".to_owned() };
    batch.personal.push(crate::rows::PersonalRow { id: id.clone(), disclosure: canary.to_vec() });
    store.writer.append(&batch).await.unwrap();
    let found = || {
        let files = std::fs::read_dir(folder.path().parent().unwrap()).unwrap();
        files
            .filter(|file| {
                let bytes = std::fs::read(file.as_ref().unwrap().path()).unwrap();
                bytes.windows(canary.len()).any(|window| window == canary)
            })
            .count()
    };
    assert!(found() > 0);
    store.writer.idle().await.unwrap();
    assert!(found() > 0);
    let mut erase = story.batch();
    erase.erase.push(id);
    store.writer.append(&erase).await.unwrap();
    store.writer.idle().await.unwrap();
    assert_eq!(found(), 0);
    close(store).await;
}

#[tokio::test]
async fn a_backup_beside_the_service_is_whole_and_opens() {
    let folder = Folder::migrated().await;
    let (mut store, mut story) = filled(&folder, 20).await;
    let to = folder.folder.path().join("copies/backup.db");
    backup(&folder.url(), &to).await.unwrap();
    assert!(matches!(backup(&folder.url(), &to).await, Err(StoreError::File { .. })));
    store.writer.append(&story.opening(21)).await.unwrap();
    let url = format!("sqlite:{}", to.display());
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let mut copy = open(&url, Options::default()).await.unwrap();
    assert_eq!(copy.reader.head().await.unwrap().position, 20);
    let same = store.reader.events_from(0, 20).await.unwrap();
    assert_eq!(copy.reader.events_from(0, 100).await.unwrap(), same);
    let mut branch = story.batch();
    branch.expected = 20;
    copy.writer.append(&branch).await.unwrap();
    close(copy).await;
    assert_eq!(check(&url).await.unwrap(), []);
    close(store).await;
}

#[tokio::test]
async fn the_raw_checks_name_what_is_wrong() {
    let harms: &[(&str, &'static str)] = &[
        ("positions", "DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE position = 2"),
        ("last_hash", "UPDATE head SET last_hash = zeroblob(32)"),
        ("seq", "DROP TRIGGER events_are_never_changed; UPDATE events SET seq = 2 WHERE position = 1"),
        ("first", "DROP TRIGGER events_are_never_changed; UPDATE events SET first = 3 WHERE position = 4"),
        ("feed_numbers", "DROP TRIGGER feed_is_never_deleted; DELETE FROM feed WHERE number = 2"),
        ("feed_heads", "UPDATE feeds SET number = 9"),
        ("feed_events", "DROP TRIGGER events_are_never_deleted; DELETE FROM events WHERE position = 1"),
        ("case_version", "UPDATE cases SET version = 7"),
        ("incident_case", "DELETE FROM cases"),
        ("party_copies", "UPDATE parties SET open = 0"),
        ("references", "DELETE FROM cases"),
        ("references", "DROP TRIGGER tree_heads_are_never_deleted; DELETE FROM tree_heads"),
        ("tiles", "INSERT INTO tiles VALUES (1, 1, zeroblob(8192))"),
        ("tiles", "INSERT INTO tiles VALUES (0, 2, zeroblob(8192))"),
        ("tiles", "DROP TRIGGER tiles_are_never_changed; UPDATE tiles SET number = 1"),
        ("tiles_of_log", "INSERT INTO tiles VALUES (0, 1, zeroblob(8192))"),
        ("tiles_of_log", "INSERT INTO tiles VALUES (1, 0, zeroblob(8192))"),
        ("tiles_of_log", "INSERT INTO tiles VALUES (5, 0, zeroblob(8192))"),
        ("tree_heads", "INSERT INTO tree_heads VALUES (513, zeroblob(32), 0)"),
    ];
    for (check_name, statements) in harms {
        let folder = Folder::migrated().await;
        let (mut store, mut story) = filled(&folder, 2).await;
        let mut batch = story.opening(3);
        story.command(&mut batch, incident(3), 2, &[]);
        batch.events[1].first = 2;
        batch.events[2].first = 2;
        batch.cases[0].version = 3;
        store.writer.append(&batch).await.unwrap();
        // One event less than the second tile needs.
        let mut batch = story.batch();
        for (stream, events) in [(901, 256), (902, 511 - 256 - story.position)] {
            story.command(&mut batch, incident(stream), events, &[]);
        }
        batch.events.iter_mut().for_each(|event| event.kind = crate::rows::StreamKind::Directory);
        store.writer.append(&batch).await.unwrap();
        store.writer.append(&of_evidence(&story)).await.unwrap();
        close(store).await;
        assert_eq!(check(&folder.url()).await.unwrap(), []);
        folder.harm(statements).await;
        let findings = check(&folder.url()).await.unwrap();
        assert!(findings.iter().any(|finding| finding.check == *check_name), "{check_name}: {findings:?}");
    }
}
