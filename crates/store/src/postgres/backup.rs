//! Backup: a consistent copy as a SQLite file.
//!
//! One format of backup for both backends. It is one file that can be carried away and read anywhere: `db check` looks
//! at it without a server, of whatever version, and without the roles and settings of the one it came from. A copy in
//! the server's own format could be checked only by restoring it first, and a backup that is not checked is none. It is
//! also a whole copy of the log in the form that the other backend serves: with no server left a station goes on from
//! the file itself.
//!
//! A restore is a move: `handoff db move` from the file into a new database. What the server's own tools back up stays
//! worth having for a restore to a point in time; this is the copy that says by itself whether it is whole.

use super::connect::Target;
use super::transfer;
use crate::error::StoreError;
use crate::sqlite::transfer::NewFile;
use crate::transfer::{COPY_ROWS_MAX, copy};
use std::path::Path;

/// Writes the copy beside running services, from one snapshot: whole batches, up to the head it finds at the start.
/// The file has its name once it is complete and durable.
pub(crate) async fn backup(target: &Target, to: &Path) -> Result<(), StoreError> {
    let file = NewFile::create(to)?;
    match fill(target, &file).await {
        Ok(()) => file.keep(),
        Err(error) => {
            file.remove()?;
            Err(error)
        }
    }
}

async fn fill(target: &Target, file: &NewFile) -> Result<(), StoreError> {
    let mut source = transfer::beside_services(target).await?;
    let filled = match file.fill().await {
        Ok(mut new) => {
            let copied = copy(&mut *source, &mut *new, COPY_ROWS_MAX, &mut |_| ()).await;
            let closed = new.close().await;
            copied.and(closed)
        }
        Err(error) => Err(error),
    };
    let closed = source.close().await;
    filled.and(closed)
}
