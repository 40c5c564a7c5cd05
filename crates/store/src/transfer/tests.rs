//! Moves between all pairs of backends; refusals; copies that are cut off.

mod backup;
mod database;

use super::{COPY_ROWS_MAX, Page, Progress, Table, Transferred, transfer, transfer_paged};
use crate::conformance::sample::{answer, answer_id, incident};
use crate::conformance::{Story, sample};
use crate::error::{AppendError, StoreError};
use crate::{check, migrate, open, open_reader};
use database::*;
use handoff_cluster::Cluster;
use std::path::Path;

/// So that every table of the story has several pages, full and not.
const FEW_ROWS: u32 = 7;

async fn moved(from: &Database, to: &Database) -> Transferred {
    transfer_paged(&from.url(), &to.url(), FEW_ROWS, &mut |_| ()).await.unwrap()
}

/// Goes on where the log ends, and knows what was answered before.
async fn goes_on(database: &Database, story: &mut Story, number: u128) {
    let mut store = database.open().await;
    assert_eq!(store.writer.head().await.unwrap().position, story.position);
    assert_eq!(store.writer.head().await.unwrap().epoch, 2);
    let mut again = story.clone().opening(number);
    again.answers = vec![answer("A", "cad", 1), answer("C", "cad", 1)];
    match store.writer.append(&again).await {
        Err(AppendError::AnswersKnown(ids)) => assert_eq!(ids, [answer_id("A", "cad", 1), answer_id("C", "cad", 1)]),
        other => panic!("{other:?}"),
    }
    let denied = store.reader.audit(0, 1_000).await.unwrap().last().unwrap().0;
    let mut batch = story.opening(number);
    batch.audit.push(denial(2));
    let version = story.seq(incident(2));
    story.command(&mut batch, incident(2), 1, &["B"]);
    batch.cases.push(sample::case(2, version, version + 1));
    batch.parties.extend(store.reader.parties_of(incident(2)).await.unwrap());
    store.writer.append(&batch).await.unwrap();
    assert_eq!(store.reader.recent_answers(1).await.unwrap(), batch.answers);
    let added = store.reader.audit(denied, 1_000).await.unwrap();
    assert_eq!(added.len(), 1);
    close(store).await;
    assert_eq!(check(&database.url()).await.unwrap(), []);
}

async fn there_and_back(kind: Kind, other: Kind) {
    let (first, mut story) = Database::filled(kind).await;
    let dump = first.dump().await;
    assert_eq!(dump.len(), Table::ALL.len() + 1, "a table nobody copies");
    assert!(dump.values().all(|(_, rows)| !rows.is_empty()), "a table nobody fills");
    let second = Database::empty(other).await;
    let transferred = moved(&first, &second).await;
    assert_same(&second.dump().await, &dump);
    let rows = dump.values().map(|(_, rows)| rows.len() as u64).sum::<u64>() - 1;
    assert_eq!(transferred, Transferred { events: story.position, rows, findings: Vec::new() });
    // The source is as it was, and can be moved again.
    assert_same(&first.dump().await, &dump);
    let third = Database::empty(kind).await;
    moved(&second, &third).await;
    assert_same(&third.dump().await, &dump);

    goes_on(&second, &mut story.clone(), 70).await;
    goes_on(&third, &mut story, 70).await;
    let fourth = Database::empty(other).await;
    moved(&third, &fourth).await;
    assert_same(&fourth.dump().await, &third.dump().await);
    goes_on(&fourth, &mut story, 71).await;
}

#[tokio::test]
async fn a_file_moves_to_a_server_and_back_with_every_row_the_same() {
    there_and_back(Sqlite, Postgres).await;
}

#[tokio::test]
async fn a_server_moves_to_a_file_and_back_with_every_row_the_same() {
    there_and_back(Postgres, Sqlite).await;
}

#[tokio::test]
async fn a_move_keeps_to_one_backend_too() {
    for kind in [Sqlite, Postgres] {
        let (from, mut story) = Database::filled(kind).await;
        let to = Database::empty(kind).await;
        moved(&from, &to).await;
        assert_same(&to.dump().await, &from.dump().await);
        goes_on(&to, &mut story, 70).await;
    }
}

/// It is the server's, not the log's: the first service in the new place notes its own.
#[tokio::test]
async fn the_history_of_a_server_stays_behind() {
    let (from, _) = Database::filled(Postgres).await;
    let to = Database::empty(Postgres).await;
    for database in [&from, &to] {
        database.harm("UPDATE head SET timeline = 5").await;
    }
    moved(&from, &to).await;
    let mut store = to.open().await;
    assert_eq!(store.writer.lineage().await.unwrap().noted, None);
    close(store).await;
}

#[tokio::test]
async fn an_empty_database_moves_too_and_its_first_ids_are_the_first() {
    for (from, to) in PAIRS {
        let (from, to) = (Database::empty(from).await, Database::empty(to).await);
        assert_eq!(moved(&from, &to).await, Transferred { events: 0, rows: 0, findings: Vec::new() });
        let mut store = to.open().await;
        let mut batch = Story::default().opening(1);
        batch.audit.push(denial(1));
        store.writer.append(&batch).await.unwrap();
        assert_eq!(store.reader.audit(0, 10).await.unwrap()[0].0, 1);
        close(store).await;
    }
}

/// The pages of the service, and what is told of them.
#[tokio::test]
async fn progress_counts_every_row_of_the_source() {
    let from = Database::empty(Sqlite).await;
    let mut story = Story::default();
    let mut store = from.open().await;
    let mut batch = story.batch();
    for number in 1..=20 {
        story.command(&mut batch, incident(number), 250, &["A"]);
        batch.cases.push(sample::case(number, 0, 250));
    }
    store.writer.append(&batch).await.unwrap();
    close(store).await;
    let to = Database::empty(Postgres).await;
    let mut told = Vec::new();
    let transferred = transfer(&from.url(), &to.url(), &mut |progress| told.push(progress)).await.unwrap();
    assert_eq!((transferred.events, transferred.rows), (5_000, 10_021));
    let step = |table, rows, of| Progress { table, rows, of };
    assert_eq!(
        told,
        [
            step("events", 2_048, 5_000),
            step("events", 4_096, 5_000),
            step("events", 5_000, 5_000),
            step("feeds", 1, 1),
            step("feed", 4_096, 5_000),
            step("feed", 5_000, 5_000),
            step("cases", 20, 20),
        ]
    );
    assert_same(&to.dump().await, &from.dump().await);
}

#[test]
fn a_page_has_rows_and_not_too_much_content() {
    for table in Table::ALL {
        assert_eq!(table.page_rows(3), 3);
        assert_eq!(table.page_rows(0), 1);
        assert!((1..=COPY_ROWS_MAX).contains(&table.page_rows(COPY_ROWS_MAX)));
        assert_eq!(Page::decode::<sqlx::sqlite::SqliteRow>(table, &[]).unwrap().last(), None);
    }
    assert_eq!(Table::Maps.page_rows(COPY_ROWS_MAX), 4);
    fn sent(_: impl Send) {}
    sent(transfer("", "", &mut |_| ()));
}

async fn refused(from: &Database, to: &Database) -> StoreError {
    transfer_paged(&from.url(), &to.url(), FEW_ROWS, &mut |_| ()).await.unwrap_err()
}

/// Whatever stands in the target, from a service or from somebody's own copying.
#[tokio::test]
async fn a_target_that_holds_anything_is_refused_and_left_alone() {
    let half = "INSERT INTO maps VALUES ({id}, 1, {digest}, {digest})";
    let file = half.replace("{id}", "zeroblob(16)").replace("{digest}", "zeroblob(32)");
    let server = half.replace("{id}", "'00000000-0000-0000-0000-000000000001'");
    let server = server.replace("{digest}", "decode(repeat('00', 32), 'hex')");
    for (from, to) in PAIRS {
        let (source, _) = Database::filled(from).await;
        let (full, _) = Database::filled(to).await;
        let raised = Database::empty(to).await;
        raised.harm("UPDATE head SET epoch = 2").await;
        let part = Database::empty(to).await;
        part.harm(if to == Sqlite { &file } else { &server }).await;
        for (target, named) in [(&full, "events"), (&raised, "head"), (&part, "maps")] {
            let before = (target.dump().await, source.dump().await);
            let error = refused(&source, target).await;
            assert!(matches!(error, StoreError::NotEmpty { table } if table == named), "{error:?}");
            assert!(error.to_string().contains("handoff db migrate"), "{error}");
            assert_same(&target.dump().await, &before.0);
            assert_same(&source.dump().await, &before.1);
        }
        // Nothing is locked any more.
        close(source.open().await).await;
        close(full.open().await).await;
    }
}

#[tokio::test]
async fn what_is_in_service_is_not_moved() {
    for (from, to) in PAIRS {
        let (source, mut story) = Database::filled(from).await;
        let target = Database::empty(to).await;
        let empty = target.dump().await;
        let in_service = |kind, error: &StoreError| match kind {
            Sqlite => matches!(error, StoreError::Locked { .. }),
            Postgres => matches!(error, StoreError::InService(_)),
        };
        let mut store = source.open().await;
        let error = refused(&source, &target).await;
        assert!(in_service(from, &error), "{error:?}");
        store.writer.append(&story.opening(60)).await.unwrap();
        close(store).await;
        let store = target.open().await;
        let error = refused(&source, &target).await;
        assert!(in_service(to, &error), "{error:?}");
        close(store).await;
        assert_same(&target.dump().await, &empty);
        // Not onto itself either.
        let error = refused(&source, &source).await;
        assert!(in_service(from, &error), "{error:?}");
        moved(&source, &target).await;
        assert_same(&target.dump().await, &source.dump().await);
    }
}

/// While a move runs no service starts, on either side.
#[tokio::test]
async fn a_move_keeps_services_out() {
    for (from, to) in PAIRS {
        let (source, _) = Database::filled(from).await;
        let target = Database::empty(to).await;
        let urls = [source.url(), target.url()];
        let mut tries = 0;
        let mut started = 0;
        transfer_paged(&urls[0], &urls[1], 1_000, &mut |_| {
            if tries == 0 {
                tries = urls.len();
                started = urls.clone().into_iter().filter(|url| can_serve(url.clone())).count();
            }
        })
        .await
        .unwrap();
        assert_eq!((tries, started), (2, 0));
        assert!(urls.into_iter().all(can_serve));
    }
}

/// From a thread of its own: a progress report is no place to wait in.
fn can_serve(url: String) -> bool {
    let tried = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            match open(&url, crate::Options::default()).await {
                Ok(store) => {
                    close(store).await;
                    true
                }
                Err(StoreError::Locked { .. } | StoreError::InService(_)) => false,
                Err(other) => panic!("{other:?}"),
            }
        })
    });
    tried.join().unwrap()
}

#[tokio::test]
async fn both_sides_need_the_schema_of_this_version() {
    for (from, to) in PAIRS {
        let (source, target) = (Database::empty(from).await, Database::bare(to));
        assert!(matches!(refused(&source, &target).await, StoreError::NoSchema));
        assert!(matches!(refused(&target, &source).await, StoreError::NoSchema));
        migrate(&target.url()).await.unwrap();
        target.harm("DELETE FROM _sqlx_migrations WHERE version >= 5").await;
        assert!(matches!(refused(&source, &target).await, StoreError::OlderSchema { .. }));
    }
}

/// A row that cannot be read stops the copy far inside it; the target can be used again at once.
#[tokio::test]
async fn a_copy_that_fails_leaves_an_empty_target() {
    for (from, to) in PAIRS {
        let (source, _) = Database::filled(from).await;
        let target = Database::empty(to).await;
        let empty = target.dump().await;
        source.harm("UPDATE obligations SET duty = 'no duty of ours' WHERE due > 0").await;
        let error = refused(&source, &target).await;
        assert!(matches!(error, StoreError::Malformed { table: "obligations", column: "duty" }), "{error:?}");
        assert_same(&target.dump().await, &empty);
        let (whole, _) = Database::filled(from).await;
        moved(&whole, &target).await;
        assert_same(&target.dump().await, &whole.dump().await);
    }
}

#[tokio::test]
async fn a_lost_connection_leaves_an_empty_target() {
    for (from, to) in PAIRS {
        let (source, _) = Database::filled(from).await;
        let target = Database::empty(to).await;
        let empty = target.dump().await;
        for side in [&source, &target] {
            let Database::Server(name) = side else { continue };
            let mover = format!("datname = '{name}' AND application_name = 'handoff copy'");
            let mut ended = 0;
            let mut end = |progress: Progress| {
                if progress.table == "parties" && ended == 0 {
                    ended = Cluster::shared().terminate(&mover).unwrap();
                }
            };
            let error = transfer_paged(&source.url(), &target.url(), FEW_ROWS, &mut end).await.unwrap_err();
            assert!(matches!(error, StoreError::Copy { table: "parties", .. }), "{error:?}");
            assert_eq!(ended, 1);
            assert_same(&target.dump().await, &empty);
        }
        moved(&source, &target).await;
        assert_same(&target.dump().await, &source.dump().await);
    }
}

/// What a server of somebody else's making may do to rows on their way in.
#[tokio::test]
async fn a_copy_that_is_not_the_same_is_undone() {
    let (source, _) = Database::filled(Sqlite).await;
    for (table, when, change) in [
        ("maps", "BEFORE INSERT ON maps FOR EACH ROW", "RETURN NULL"),
        ("events", "BEFORE INSERT ON events FOR EACH ROW", "NEW.hash := decode(repeat('0', 64), 'hex'); RETURN NEW"),
        ("head", "BEFORE UPDATE ON head FOR EACH ROW", "NEW.epoch := 7; RETURN NEW"),
        ("cursors", "BEFORE UPDATE ON head FOR EACH ROW", "INSERT INTO cursors VALUES ('Z', 'z', 1); RETURN NEW"),
    ] {
        let target = Database::empty(Postgres).await;
        let empty = target.dump().await;
        let meddle = format!(
            "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {change}; END $$;
             CREATE TRIGGER meddles {when} EXECUTE FUNCTION meddle()"
        );
        target.harm(&meddle).await;
        let error = refused(&source, &target).await;
        assert!(matches!(&error, StoreError::CopyDiffers { table: found, .. } if *found == table), "{error:?}");
        assert_same(&target.dump().await, &empty);
    }
}

/// Several pages of tiles, one of them across two levels. Nobody adds the events they would need: the checks of the new
/// database say so.
#[tokio::test]
async fn the_tiles_of_a_long_log_move_level_by_level() {
    for (from, to) in PAIRS {
        let (source, story) = Database::filled(from).await;
        let mut store = source.open().await;
        let mut batch = story.batch();
        let places = (1..=9).map(|number| (0, number)).chain((0..8).map(|number| (1, number))).chain([(2, 0), (3, 0)]);
        batch.tiles = places.map(|(level, number)| sample::tile(level, number)).collect();
        store.writer.append(&batch).await.unwrap();
        close(store).await;
        let target = Database::empty(to).await;
        let findings = moved(&source, &target).await.findings;
        assert_same(&target.dump().await, &source.dump().await);
        assert_eq!(findings.len(), 19);
        assert!(findings.iter().all(|finding| finding.check == "tiles_of_log"), "{findings:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_read_meanwhile_is_no_target() {
    let (source, _) = Database::filled(Sqlite).await;
    let target = Database::empty(Sqlite).await;
    let empty = target.dump().await;
    let reader = open_reader(&target.url()).await.unwrap();
    reader.head().await.unwrap();
    let error = refused(&source, &target).await;
    assert!(matches!(error, StoreError::Sql { .. }), "{error:?}");
    reader.close().await;
    assert_same(&target.dump().await, &empty);
    moved(&source, &target).await;
}

/// Faults go with the rows, and the checks name them: a copy that refused them would lose everything else.
#[tokio::test]
async fn faults_of_the_source_are_copied_and_named() {
    for (from, to) in PAIRS {
        let (source, _) = Database::filled(from).await;
        source.harm("DELETE FROM cases WHERE version = 4; UPDATE head SET position = position + 1").await;
        let target = Database::empty(to).await;
        let findings = moved(&source, &target).await.findings;
        assert_same(&target.dump().await, &source.dump().await);
        for named in ["positions", "last_hash", "incident_case", "references", "party_copies"] {
            assert!(findings.iter().any(|finding| finding.check == named), "{named}: {findings:?}");
        }
    }
}

fn copy_files(from: &Path, to: &Path, suffixes: &[&str]) {
    for suffix in suffixes {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(from), name(to)).unwrap();
    }
}

/// The files as a killed mover leaves them: the database written to, its journal beside it.
#[tokio::test]
async fn a_file_whose_mover_was_killed_is_empty_again() {
    let (source, mut story) = Database::filled(Postgres).await;
    let mut store = source.open().await;
    for version in 1..=12 {
        let mut batch = story.batch();
        batch.maps.push(map(5, version, crate::batch::MAP_BYTES_MAX));
        store.writer.append(&batch).await.unwrap();
    }
    store.writer.append(&story.opening(60)).await.unwrap();
    close(store).await;
    let target = Database::empty(Sqlite).await;
    let (left, looked) = (Database::bare(Sqlite), Database::bare(Sqlite));
    let empty = target.dump().await;
    transfer(&source.url(), &target.url(), &mut |progress| {
        if progress.table == "maps" && progress.rows == progress.of {
            for killed in [&left, &looked] {
                copy_files(&target.path(), &killed.path(), &["", "-journal"]);
            }
        }
    })
    .await
    .unwrap();
    let written = std::fs::metadata(left.path()).unwrap().len();
    assert!(written > 16 * 1024 * 1024, "nothing was written yet: {written} bytes");
    // Who may only read cannot roll back, and is told nothing rather than half.
    assert!(check(&looked.url()).await.is_err());
    close(looked.open().await).await;
    assert_same(&looked.dump().await, &empty);
    // And the move can be begun again.
    moved(&source, &left).await;
    assert_same(&left.dump().await, &source.dump().await);
}

#[tokio::test]
async fn a_file_whose_service_was_killed_moves_with_its_log() {
    let (source, mut story) = Database::filled(Sqlite).await;
    let mut store = source.open().await;
    store.writer.append(&story.opening(60)).await.unwrap();
    let left = Database::bare(Sqlite);
    copy_files(&source.path(), &left.path(), &["", "-wal"]);
    close(store).await;
    let target = Database::empty(Postgres).await;
    moved(&left, &target).await;
    assert_same(&target.dump().await, &source.dump().await);
}
