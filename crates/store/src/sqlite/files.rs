//! The files around a database: folder, lock, write-ahead log.

use crate::error::StoreError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the lock is looked for, and how many times: a fifth of a second in all.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOKS_MAX: u32 = 20;
/// A folder that is created is the service's alone.
const FOLDER_MODE: u32 = 0o700;
/// So is a file.
const FILE_MODE: u32 = 0o600;

/// File systems on which locks and syncs of several hosts do not hold.
const NETWORK_KINDS: &[&str] =
    &["nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2", "fuse.sshfs"];

/// The right to write a database, held as long as the value lives. The kernel takes it back from a dead process.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or says that another process has it and keeps it. For a moment anyone may have it: a program that
    /// is being started holds its parent's files until it has become itself.
    pub(super) async fn take(database: &Path) -> Result<Self, StoreError> {
        for _ in 1..LOOKS_MAX {
            match Self::take_now(database) {
                Err(StoreError::Locked { .. }) => tokio::time::sleep(LOOK_EVERY).await,
                other => return other,
            }
        }
        Self::take_now(database)
    }

    fn take_now(database: &Path) -> Result<Self, StoreError> {
        let path = beside(database, ".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|source| StoreError::File { action: "open", path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(StoreError::File { action: "lock", path, source }),
        }
    }
}

/// The name of a file beside the database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Bytes of the write-ahead log's file, 0 when there is none.
pub(super) fn wal_bytes(database: &Path) -> Result<u64, StoreError> {
    let path = beside(database, "-wal");
    match std::fs::metadata(&path) {
        Ok(found) => Ok(found.len()),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(0),
        Err(source) => Err(StoreError::File { action: "look at", path, source }),
    }
}

/// The database's folder, by its real name.
pub(super) fn folder_of(database: &Path) -> Result<PathBuf, StoreError> {
    let folder = parent(database);
    folder.canonicalize().map_err(|source| StoreError::File { action: "find", path: folder.to_owned(), source })
}

/// The database's folder, created if it is not there.
pub(super) fn create_folder(database: &Path) -> Result<PathBuf, StoreError> {
    let folder = parent(database);
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(|source| StoreError::File {
        action: "create",
        path: folder.to_owned(),
        source,
    })?;
    folder_of(database)
}

/// Creates an empty database file unless there is one; SQLite gives the files beside it the same mode.
pub(super) fn create(database: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(database) {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::File { action: "create", path: database.to_owned(), source }),
    }
}

/// Removes a file, unless there is none.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(StoreError::File { action: "remove", path: path.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a file's content durable, or the names in a folder. SQLite syncs its folder too and ignores the answer; here
/// an error counts.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|open| open.sync_all()).map_err(|source| StoreError::File {
        action: "sync",
        path: path.to_owned(),
        source,
    })
}

/// Refuses a folder on a network file system, as far as the kernel's list of mounts tells. Without such a list
/// nothing is refused.
pub(super) fn refuse_network(folder: &Path) -> Result<(), StoreError> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match file_system(&mounts, folder) {
        Some(kind) if NETWORK_KINDS.contains(&kind) => {
            Err(StoreError::NetworkFolder { path: folder.to_owned(), kind: kind.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

/// The file system of the innermost mount above a folder; of two at one place the later hides the earlier.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    mounts
        .lines()
        .filter_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            let place = unescape(place.split(' ').nth(4)?);
            folder.starts_with(&place).then(|| (place.as_os_str().len(), kind.split(' ').next()))
        })
        .max_by_key(|(length, _)| *length)
        .and_then(|(_, kind)| kind)
}

/// The kernel writes a blank in a path as `\040`, and tab, newline and backslash likewise.
fn unescape(text: &str) -> PathBuf {
    PathBuf::from(text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\"))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:40 / /mnt/share rw,relatime shared:2 - nfs4 server:/export rw
41 22 0:41 / /mnt/two\\040words rw - cifs //server/share rw
42 40 0:42 / /mnt/share/local rw - ext4 /dev/vdb rw
";

    #[test]
    fn the_innermost_mount_names_the_file_system() {
        for (folder, kind) in [
            ("/var/lib/handoff", "ext4"),
            ("/mnt/share/handoff", "nfs4"),
            ("/mnt/share/local/handoff", "ext4"),
            ("/mnt/two words", "cifs"),
            ("/mnt/sharelocal", "ext4"),
        ] {
            assert_eq!(file_system(MOUNTS, Path::new(folder)), Some(kind), "{folder}");
        }
    }
}
