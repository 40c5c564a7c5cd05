//! Whether a database has exactly the schema of this build; the same rule for both backends.

use crate::error::StoreError;
use sqlx::migrate::Migrator;

/// Compares what was applied, version and checksum in order, with what this build holds.
pub(crate) fn assert_current(build: &Migrator, applied: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
    let known: Vec<_> = build.iter().collect();
    let needed = known.last().map_or(0, |migration| migration.version);
    let mut found = 0;
    for (version, checksum) in applied {
        found = *version;
        match known.iter().find(|migration| migration.version == found) {
            Some(migration) if *migration.checksum == **checksum => {}
            Some(_) => return Err(StoreError::ChangedSchema { version: found }),
            None => return Err(StoreError::NewerSchema { found, known: needed }),
        }
    }
    match applied.len() {
        0 => Err(StoreError::NoSchema),
        applied if applied < known.len() => Err(StoreError::OlderSchema { found, needed }),
        _ => Ok(()),
    }
}
