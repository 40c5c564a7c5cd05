//! What is PostgreSQL's own: settings, gate, several writers, plans. The contract itself is tested by the suite.

use crate::conformance::sample::{of_evidence, witness};
use crate::conformance::{Backend, Database, Story, incident};
use crate::contract::{Durability, Options, Pending, Store};
use crate::error::{AppendError, StoreError};
use crate::{check, migrate, open, open_reader};
use handoff_cluster::{Cluster, Mode, Setup};
use std::sync::{Arc, LazyLock};

struct Postgres;

/// A migrated database to copy, made once.
static TEMPLATE: LazyLock<String> = LazyLock::new(|| {
    let cluster = Cluster::shared();
    let name = cluster.new_database().unwrap();
    let url = cluster.url(&name);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(migrate(&url)).unwrap();
    })
    .join()
    .unwrap();
    name
});

struct Copy {
    url: String,
    name: String,
}

impl Copy {
    fn new() -> Self {
        let cluster = Cluster::shared();
        let name = cluster.copy_database(&TEMPLATE).unwrap();
        Self { url: cluster.url(&name), name }
    }

    fn sql(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.name, sql).unwrap()
    }
}

impl Backend for Postgres {
    fn create(&self) -> Pending<'_, Box<dyn Database>> {
        Box::pin(async { Box::new(Copy::new()) as Box<dyn Database> })
    }

    fn steps(&self) -> Vec<&'static str> {
        vec!["append.begin", "append.commit", "append.committed"]
    }
}

impl Database for Copy {
    fn open(&self, options: Options) -> Pending<'_, Result<Store, StoreError>> {
        Box::pin(async move { open(&self.url, options).await })
    }
}

crate::conformance_suite!(Postgres);

async fn opened(url: &str) -> Store {
    open(url, Options::default()).await.unwrap()
}

async fn close(store: Store) {
    store.reader.close().await;
    store.writer.close().await.unwrap();
}

#[tokio::test]
async fn of_two_writers_the_second_is_told_that_the_log_moved() {
    let copy = Copy::new();
    let (mut one, mut two) = (opened(&copy.url).await, opened(&copy.url).await);
    let mut story = Story::default();
    let first = story.opening(1);
    one.writer.append(&first).await.unwrap();
    let moved = two.writer.append(&Story::default().opening(2)).await;
    assert!(matches!(moved, Err(AppendError::Moved { expected: 0 })), "{moved:?}");
    assert_eq!(two.reader.head().await.unwrap().position, 1);
    two.writer.append(&story.opening(2)).await.unwrap();
    assert_eq!(one.reader.events_from(0, 10).await.unwrap().len(), 2);
    close(one).await;
    close(two).await;
    assert_eq!(check(&copy.url).await.unwrap(), []);
}

#[tokio::test]
async fn who_holds_the_head_writes_next() {
    let copy = Copy::new();
    let (mut one, mut two) = (opened(&copy.url).await, opened(&copy.url).await);
    let mut story = Story::default();
    assert_eq!(one.writer.hold().await.unwrap().position, 0);
    let mine = story.opening(1);
    let theirs = Story::default().opening(2);
    let mut waiting = two.writer.append(&theirs);
    let sent =
        std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context).is_pending())).await;
    assert!(sent);
    one.writer.append(&mine).await.unwrap();
    let moved = waiting.await;
    assert!(matches!(moved, Err(AppendError::Moved { .. })), "{moved:?}");
    // Given back with nothing written, it is free.
    one.writer.hold().await.unwrap();
    one.writer.release().await.unwrap();
    two.writer.append(&story.opening(2)).await.unwrap();
    // A batch that does not fit leaves the head free too.
    one.writer.hold().await.unwrap();
    let rejected = one.writer.append(&mine).await;
    assert!(matches!(rejected, Err(AppendError::Moved { .. })), "{rejected:?}");
    two.writer.append(&story.opening(3)).await.unwrap();
    close(one).await;
    close(two).await;
}

/// A batch may be in the log though its answer was lost: the outcome is called unknown, and the request id tells.
#[tokio::test]
async fn a_terminated_writer_says_unknown_and_opens_anew() {
    let copy = Copy::new();
    let mut store = opened(&copy.url).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    let ended = format!("datname = '{}' AND application_name = 'handoff writer'", copy.name);
    assert_eq!(Cluster::shared().terminate(&ended).unwrap(), 1);
    let batch = story.opening(2);
    let lost = store.writer.append(&batch).await;
    assert!(matches!(lost, Err(AppendError::Unknown { .. })), "{lost:?}");
    assert!(matches!(store.writer.append(&batch).await, Err(AppendError::Io { .. })));
    assert!(store.writer.settle().await.is_err());
    store.writer.reopen().await.unwrap();
    if store.writer.settle().await.unwrap().position == 1 {
        store.writer.append(&batch).await.unwrap();
    }
    assert_eq!(store.reader.events_from(0, 10).await.unwrap().len(), 2);
    close(store).await;
}

#[tokio::test]
async fn readers_go_on_after_every_connection_was_ended() {
    let copy = Copy::new();
    let mut store = opened(&copy.url).await;
    store.writer.append(&Story::default().opening(1)).await.unwrap();
    assert_eq!(store.reader.head().await.unwrap().position, 1);
    let ended = format!("datname = '{}' AND application_name = 'handoff reader'", copy.name);
    assert!(Cluster::shared().terminate(&ended).unwrap() > 0);
    for _ in 0..10 {
        assert_eq!(store.reader.head().await.unwrap().position, 1);
    }
    close(store).await;
}

fn setting_of(error: Result<Store, StoreError>) -> (&'static str, String) {
    match error.map(drop) {
        Err(error @ StoreError::Setting { name, .. }) => (name, error.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unsafe_server_is_refused_with_what_to_change() {
    let copy = Copy::new();
    let name = &copy.name;
    for (setting, value) in
        [("synchronous_commit", "off"), ("synchronous_commit", "local"), ("default_transaction_read_only", "on")]
    {
        copy.sql(&format!("ALTER DATABASE {name} SET {setting} = '{value}'"));
        let (found, text) = setting_of(open(&copy.url, Options::default()).await);
        let shown = if setting == "synchronous_commit" { setting } else { "transaction_read_only" };
        assert_eq!(found, shown);
        assert!(text.contains("reset"), "{text}");
        copy.sql(&format!("SET default_transaction_read_only = off; ALTER DATABASE {name} RESET {setting}"));
    }
    close(opened(&copy.url).await).await;
    let replicated = Options { durability: Durability::Replicated { standbys: 1 }, ..Options::default() };
    let (found, _) = setting_of(open(&copy.url, replicated).await);
    assert_eq!(found, "synchronous_standby_names");
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_refused_with_what_to_look_at() {
    let copy = Copy::new();
    let refused = |url: String| async move {
        match open(&url, Options::default()).await.map(drop) {
            Err(StoreError::Connect { why, .. }) => why,
            other => panic!("{other:?}"),
        }
    };
    let url = copy.url.replace(&copy.name, "nothing_there");
    assert!(refused(url).await.contains("no database of that name"));
    let port = Cluster::shared().port().to_string();
    assert!(refused(copy.url.replace(&port, "1")).await.contains("host, port"));
    assert!(refused(copy.url.replace("handoff@", "nobody_known@")).await.contains("user or password"));
}

#[tokio::test]
async fn only_the_schema_of_this_version_is_served() {
    let cluster = Cluster::shared();
    let name = cluster.new_database().unwrap();
    let url = cluster.url(&name);
    assert!(matches!(open(&url, Options::default()).await.map(drop), Err(StoreError::NoSchema)));
    migrate(&url).await.unwrap();
    migrate(&url).await.unwrap();
    let store = opened(&url).await;
    migrate(&url).await.unwrap();
    let sql = |sql: &str| cluster.psql(&name, sql).unwrap();
    sql("INSERT INTO _sqlx_migrations VALUES (9999, 'newer', now(), true, '\\x00', 0)");
    for result in [open(&url, Options::default()).await.map(drop), migrate(&url).await] {
        assert!(matches!(result, Err(StoreError::NewerSchema { found: 9_999, .. })), "{result:?}");
    }
    sql("DELETE FROM _sqlx_migrations WHERE version >= 5");
    let in_service = migrate(&url).await;
    assert!(matches!(in_service, Err(StoreError::InService(_))), "{in_service:?}");
    close(store).await;
    let older = open(&url, Options::default()).await.map(drop);
    assert!(matches!(older, Err(StoreError::OlderSchema { found: 4, needed: 6 })), "{older:?}");
}

#[tokio::test]
async fn what_is_recorded_is_never_changed_or_deleted() {
    let copy = Copy::new();
    let mut store = opened(&copy.url).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    store.writer.append(&of_evidence(&story)).await.unwrap();
    copy.sql("INSERT INTO audit (at, method, reason, count) VALUES (0, 'm', 'r', 1)");
    for (table, column) in [
        ("events", "at"),
        ("feed", "number"),
        ("audit", "at"),
        ("tiles", "number"),
        ("tree_heads", "at"),
        ("cosignatures", "at"),
        ("registry_entries", "version"),
    ] {
        for statement in
            [format!("DELETE FROM {table}"), format!("UPDATE {table} SET {column} = 9"), format!("TRUNCATE {table}")]
        {
            assert!(Cluster::shared().psql(&copy.name, &statement).is_err(), "{statement}");
        }
    }
    close(store).await;
}

/// As on the other backend: what is written past every guard is named.
#[tokio::test]
async fn the_raw_checks_name_what_is_wrong_with_the_tree() {
    let zeros = |bytes: usize| format!("decode(repeat('00', {bytes}), 'hex')");
    let tile = |number: u64, level: u8| format!("INSERT INTO tiles VALUES ({number}, {level}, {})", zeros(8_192));
    let harms = [
        ("tiles", tile(1, 1)),
        ("tiles", tile(2, 0)),
        ("tiles_of_log", tile(1, 0)),
        ("tiles_of_log", tile(0, 1)),
        ("tiles_of_log", tile(0, 5)),
        ("tree_heads", format!("INSERT INTO tree_heads VALUES (512, 0, {})", zeros(32))),
        ("references", format!("INSERT INTO cosignatures VALUES (2, 0, 'x', {}, {})", zeros(32), zeros(64))),
    ];
    for (named, harm) in harms {
        let copy = Copy::new();
        let mut store = opened(&copy.url).await;
        let mut story = Story::default();
        let mut batch = story.batch();
        // One event less than the second tile needs.
        for (stream, events) in [(901, 256), (902, 255)] {
            story.command(&mut batch, incident(stream), events, &[]);
        }
        batch.events.iter_mut().for_each(|event| event.kind = crate::rows::StreamKind::Directory);
        store.writer.append(&batch).await.unwrap();
        store.writer.append(&of_evidence(&story)).await.unwrap();
        close(store).await;
        assert_eq!(check(&copy.url).await.unwrap(), []);
        copy.sql(&harm);
        let findings = check(&copy.url).await.unwrap();
        assert!(findings.iter().any(|finding| finding.check == named), "{named}: {findings:?}");
    }
}

/// Plans on a database with no statistics and on one with them: no table is walked from end to end, neither by a
/// reader nor inside the function that writes. The server counts it itself.
#[tokio::test]
async fn no_hot_statement_scans_a_table() {
    for analysed in [false, true] {
        let copy = Copy::new();
        let mut store = opened(&copy.url).await;
        let mut story = Story::default();
        for number in 1..=40 {
            store.writer.append(&story.opening(number)).await.unwrap();
            store.writer.append(&of_evidence(&story)).await.unwrap();
        }
        close(store).await;
        if analysed {
            copy.sql("ANALYZE");
        }
        copy.sql("SELECT pg_stat_reset()");
        use_everything(&copy, &mut story).await;
        let scanned = copy.sql(
            "SELECT pg_stat_force_next_flush(); SELECT relname, seq_scan FROM pg_stat_user_tables
             WHERE seq_scan > 0 AND relname NOT IN ('_sqlx_migrations', 'feeds')",
        );
        assert_eq!(scanned.trim(), "", "analysed: {analysed}");
        // Without sequential scans a missing index shows as a walk through another one.
        let of_witness = copy.sql(
            "SELECT pg_stat_force_next_flush(); SELECT idx_scan FROM pg_stat_user_indexes
             WHERE indexrelname = 'cosignatures_of_witness'",
        );
        assert_eq!(of_witness.trim(), "2", "analysed: {analysed}");
    }
}

async fn use_everything(copy: &Copy, story: &mut Story) {
    use crate::query::CaseFilter;
    use handoff_domain::ids::{ClientId, HandoffId, MapId, MapRef, OrgId};
    use handoff_domain::time::Millis;
    let mut store = opened(&copy.url).await;
    for number in 41..=60 {
        store.writer.append(&story.opening(number)).await.unwrap();
        store.writer.append(&of_evidence(story)).await.unwrap();
    }
    let read = &store.reader;
    let org = OrgId::new("A").unwrap();
    read.events_from(5, 10).await.unwrap();
    read.events_of(incident(3), 1, 10).await.unwrap();
    read.directory_events(0, 10).await.unwrap();
    read.feed_page(org.clone(), 3, 50, 10).await.unwrap();
    read.feed_hash_at(org.clone(), 3).await.unwrap();
    read.cursor(org.clone(), ClientId::new("cad").unwrap()).await.unwrap();
    read.recent_answers(10).await.unwrap();
    read.keyed_answers_of(incident(3), 10).await.unwrap();
    read.case(incident(3)).await.unwrap();
    for filter in [CaseFilter::default(), CaseFilter { org: Some(org.clone()), ..CaseFilter::default() }] {
        read.cases(filter, None, 10).await.unwrap();
    }
    read.parties_of(incident(3)).await.unwrap();
    read.handoff(HandoffId::default()).await.unwrap();
    read.due_obligations(Millis(i64::MAX), 10).await.unwrap();
    read.registry(org.clone()).await.unwrap();
    read.obligations_of(Some(org), None, None, 10).await.unwrap();
    read.obligations_in(incident(3)).await.unwrap();
    read.personal(incident(3), 1, 9).await.unwrap();
    read.holding_personal(Some(incident(3)), Millis(i64::MAX), 10).await.unwrap();
    read.audit(0, 10).await.unwrap();
    read.counts(Millis(0)).await.unwrap();
    read.map(MapRef { id: MapId(uuid::Uuid::nil()), version: 1 }).await.unwrap();
    read.tile(0, 0).await.unwrap();
    read.tiles(0, 0, 10).await.unwrap();
    read.tree_head(50).await.unwrap();
    read.tree_head_from(50).await.unwrap();
    read.cosignatures(50).await.unwrap();
    read.cosigned_from(witness(1), 1).await.unwrap();
    read.cosigned_up_to(witness(1), 50).await.unwrap();
    close(store).await;
}

/// The whole life of a synchronous standby: it is needed, it is lost, it becomes the primary.
#[tokio::test]
async fn nothing_is_acknowledged_that_the_standby_lacks() {
    let primary = Arc::new(Cluster::start(&Setup::default()).unwrap());
    let standby = primary.standby("s1").unwrap();
    primary.make_synchronous("FIRST 1 (s1)").unwrap();
    let name = primary.new_database().unwrap();
    let url = primary.url(&name);
    migrate(&url).await.unwrap();
    let replicated = Options { durability: Durability::Replicated { standbys: 1 }, ..Options::default() };
    let mut store = open(&url, replicated.clone()).await.unwrap();
    let lineage = store.writer.lineage().await.unwrap();
    assert_eq!((lineage.noted, lineage.changed()), (None, Some(1)));
    let mut story = Story::default();
    let mut first = story.opening(1);
    first.timeline = lineage.changed();
    store.writer.append(&first).await.unwrap();
    assert_eq!(store.writer.lineage().await.unwrap().changed(), None);
    assert_eq!(store.writer.settle().await.unwrap().position, 1);

    // The standby is gone, and somebody cancels the wait: the commit returns, and the gate does not let it out.
    standby.stop(Mode::Immediate).unwrap();
    let batch = story.opening(2);
    let canceller = std::thread::spawn({
        let primary = Arc::clone(&primary);
        move || cancel_the_wait(&primary)
    });
    let lost = store.writer.append(&batch).await;
    canceller.join().unwrap();
    assert!(matches!(lost, Err(AppendError::Unknown { step: "append.gate", .. })), "{lost:?}");
    // It stands in the primary, where it would have been read at once.
    let here = open_reader(&url).await.unwrap();
    assert_eq!(here.head().await.unwrap().position, 2);
    here.close().await;
    let (found, text) = match store.writer.reopen().await {
        Err(error @ StoreError::Setting { name, .. }) => (name, error.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, "pg_stat_replication (sync, quorum)", "{text}");
    // A standby is no place to write or to read.
    standby.start_again().unwrap();
    let (found, _) = setting_of(open(&standby.url(&name), Options::default()).await);
    assert_eq!(found, "pg_is_in_recovery()");
    drop(store);
    primary.stop(Mode::Immediate).unwrap();
    standby.promote().unwrap();
    let mut store = open(&standby.url(&name), Options::default()).await.unwrap();
    let lineage = store.writer.lineage().await.unwrap();
    assert_eq!((lineage.noted, lineage.changed()), (Some(1), Some(2)));
    // Whether the second batch reached the standby is not known; the first, which was acknowledged, is there.
    assert!(store.writer.settle().await.unwrap().position >= 1);
    close(store).await;
}

/// Waits until a commit waits for the standby, and cancels the wait: what the runbook forbids.
fn cancel_the_wait(primary: &Cluster) {
    let waits = "wait_event = 'SyncRep' AND application_name = 'handoff writer'";
    let sql = format!("SELECT count(*) = 1 FROM pg_stat_activity WHERE {waits}");
    primary.wait_for("a commit that waits for the standby", &sql).unwrap();
    assert_eq!(primary.cancel(waits).unwrap(), 1);
}
