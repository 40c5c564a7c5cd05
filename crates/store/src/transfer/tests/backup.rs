//! Backups of PostgreSQL: beside a writer, of every row, over nothing.

use super::database::*;
use crate::error::StoreError;
use crate::rows::Head;
use crate::{backup, check, open, open_reader, transfer};
use handoff_cluster::Cluster;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

fn file_of(folder: &TempDir) -> (std::path::PathBuf, String) {
    let path = folder.path().join("copies/backup.db");
    let url = format!("sqlite:{}", path.display());
    (path, url)
}

#[tokio::test]
async fn a_backup_beside_a_writer_is_whole_and_restores() {
    let (database, mut story) = Database::filled(Postgres).await;
    let mut store = database.open().await;
    let folder = tempfile::tempdir().unwrap();
    let (path, url) = file_of(&folder);
    let done = AtomicBool::new(false);
    let mut heads = vec![store.writer.head().await.unwrap()];
    let writing = async {
        for number in 100.. {
            heads.push(store.writer.append(&story.opening(number)).await.unwrap().head);
            if done.load(Ordering::SeqCst) {
                break;
            }
        }
    };
    let copying = async {
        let result = backup(&database.url(), &path).await;
        done.store(true, Ordering::SeqCst);
        result
    };
    let (result, ()) = tokio::join!(copying, writing);
    result.unwrap();
    assert!(heads.len() > 3, "nobody wrote meanwhile");
    assert_eq!(check(&url).await.unwrap(), []);
    let copy = open_reader(&url).await.unwrap();
    let head: Head = copy.head().await.unwrap();
    copy.close().await;
    assert!(heads.contains(&head), "{head:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let files: Vec<_> =
        std::fs::read_dir(path.parent().unwrap()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["backup.db"]);
    close(store).await;

    // A restore is a move from the file.
    let restored = Database::empty(Postgres).await;
    let transferred = transfer(&url, &restored.url(), &mut |_| ()).await.unwrap();
    assert_eq!((transferred.events, transferred.findings), (head.position, Vec::new()));
    assert_same(&restored.dump().await, &dump_file(path).await);
}

#[tokio::test]
async fn a_backup_of_a_server_has_every_row_and_overwrites_nothing() {
    let (database, _) = Database::filled(Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let (path, url) = file_of(&folder);
    // What a killed backup has left is not in the way.
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    for suffix in [".part", ".part-journal"] {
        std::fs::write(format!("{}{suffix}", path.display()), b"left over").unwrap();
    }
    backup(&database.url(), &path).await.unwrap();
    assert_same(&dump_file(path.clone()).await, &database.dump().await);
    let written = std::fs::read(&path).unwrap();
    assert!(matches!(backup(&database.url(), &path).await, Err(StoreError::File { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), written);
    // One that fails leaves nothing.
    database.harm("UPDATE obligations SET duty = 'no duty of ours'").await;
    let second = path.with_file_name("second.db");
    assert!(matches!(backup(&database.url(), &second).await, Err(StoreError::Malformed { .. })));
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1);
    // The file serves as it is.
    let copy = open(&url, crate::Options::default()).await.unwrap();
    close(copy).await;
}

/// A copy would otherwise read tables that change under it.
#[tokio::test]
async fn no_backup_is_made_beside_a_migration() {
    let (database, _) = Database::filled(Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = file_of(&folder);
    let Database::Server(name) = &database else { panic!() };
    let (name, url) = (name.clone(), database.url());
    let hold = "SELECT pg_advisory_lock(7521983762018723); SELECT 'held'; SELECT pg_sleep(60)";
    let migration = std::thread::spawn({
        let name = name.clone();
        move || Cluster::shared().psql(&name, hold).unwrap_err()
    });
    let held = "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
                AND database = (SELECT oid FROM pg_database WHERE datname = '{}')";
    Cluster::shared().wait_for("the migration's lock", &held.replace("{}", &name)).unwrap();
    assert!(matches!(backup(&url, &path).await, Err(StoreError::InService(_))));
    Cluster::shared().terminate(&format!("datname = '{name}' AND query LIKE '%pg_sleep%'")).unwrap();
    migration.join().unwrap();
    backup(&url, &path).await.unwrap();
}
