//! A folder and files only their owner can read.

use super::DevCaError;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes the folder with mode 700, or finds one that others cannot enter.
pub(super) fn make_folder(folder: &Path) -> Result<(), DevCaError> {
    let failed = |verb| move |source| DevCaError::File { verb, path: folder.to_owned(), source };
    if !folder.exists() {
        return DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("make"));
    }
    let mode = folder.metadata().map_err(failed("read"))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(DevCaError::FolderOpen { folder: folder.to_owned(), mode });
    }
    Ok(())
}

/// Writes a file with mode 600 beside its name first, then puts it there in one step: what is read is never half.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), DevCaError> {
    let failed = |source| DevCaError::File { verb: "write", path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// The text of a file made here.
pub(super) fn read(path: &Path) -> Result<String, DevCaError> {
    crate::config::files::read_text(path, crate::config::files::SECRET_BYTES_MAX).map_err(|source| DevCaError::File {
        verb: "read",
        path: path.to_owned(),
        source,
    })
}
