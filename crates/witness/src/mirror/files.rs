//! The files around the mirror: folder, lock.

use super::MirrorError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the lock is looked for, and how many times: a fifth of a second in all.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOKS_MAX: u32 = 20;

/// The right to write a mirror, held as long as the value lives. The kernel takes it back from a dead process.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock. For a moment anyone may have it: a program that is being started holds its parent's files.
    pub(super) async fn take(mirror: &Path) -> Result<Self, MirrorError> {
        for _ in 1..LOOKS_MAX {
            match Self::take_now(mirror) {
                Err(MirrorError::Locked(_)) => tokio::time::sleep(LOOK_EVERY).await,
                other => return other,
            }
        }
        Self::take_now(mirror)
    }

    fn take_now(mirror: &Path) -> Result<Self, MirrorError> {
        let mut name = mirror.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(|source| MirrorError::File { action: "opened", path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(MirrorError::Locked(path)),
            Err(TryLockError::Error(source)) => Err(MirrorError::File { action: "locked", path, source }),
        }
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the mirror's folder, the witness's alone, if it is not there.
pub(super) fn create_folder(path: &Path) -> Result<(), MirrorError> {
    let folder = folder_of(path);
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| MirrorError::File { action: "made", path: folder.to_owned(), source })
}

/// Makes an empty file unless there is one; SQLite gives the files beside it the same mode.
pub(super) fn create(path: &Path) -> Result<(), MirrorError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(source) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(MirrorError::File { action: "made", path: path.to_owned(), source }),
    }
}

/// Makes the names in the mirror's folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), MirrorError> {
    let folder = folder_of(path);
    let synced = File::open(folder).and_then(|open| open.sync_all());
    synced.map_err(|source| MirrorError::File { action: "synced", path: folder.to_owned(), source })
}
