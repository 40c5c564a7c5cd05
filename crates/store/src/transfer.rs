//! Copies a whole database into an empty one, of either backend: every row of every table, so that log, hashes, feeds,
//! answers to repeated request ids and cursors are the same afterwards.
//!
//! **Read** in pages by primary key, all in one snapshot. **Written** page by page in one transaction, the head last,
//! which also compares the copy with the source before it commits. So a target is never half full: until the commit it
//! says position 0 and holds no row, and whatever ends the copy before, a lost connection or a lost machine, leaves it
//! empty; it can be used again at once. PostgreSQL drops what was not committed. On SQLite the transaction keeps a
//! rollback journal instead of a write-ahead log: of an empty file it is a few pages whatever comes in, and who opens
//! the file next, to write, rolls back with it.
//!
//! **A target that holds anything is refused**, whoever filled it; the error says what to do. A copy is never laid over
//! rows, nor continued.

mod page;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub(crate) use page::{CopiedParty, Key, Page, Part, Table, Tally};

use crate::contract::{Finding, Read};
use crate::error::StoreError;
use crate::rows::Head;
use crate::{Target, postgres, sqlite, target};

/// Most rows of one page of a copy; the next page holds the rest. Tables with large rows have fewer, see
/// [`COPY_BYTES_MAX`].
pub(crate) const COPY_ROWS_MAX: u32 = 4_096;
/// About the most content of one page of a copy, in bytes: so much stands in memory a few times over.
pub(crate) const COPY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How far a copy has come. Reported after every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The table being copied.
    pub table: &'static str,
    /// Rows of it that are copied.
    pub rows: u64,
    /// Rows the source has in it.
    pub of: u64,
}

/// What a move did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// Events in the log.
    pub events: u64,
    /// Rows of all tables but the head, events included.
    pub rows: u64,
    /// What [`check`](crate::check) finds in the new database. Faults of the source are copied like everything else,
    /// and stand here too.
    pub findings: Vec<Finding>,
}

/// One side of a copy: a connection inside its transaction, with the lock that keeps a service out.
pub(crate) trait Side: Send {
    /// Head, end of the log and number of rows.
    fn tally(&mut self) -> Read<'_, Tally>;

    /// At most so many rows of a table behind a key, in the order of the primary key.
    fn page(&mut self, table: Table, after: Option<Key>, rows: u32) -> Read<'_, Page>;

    /// Adds rows to a target.
    fn write(&mut self, page: Page) -> Read<'_, ()>;

    /// The last write to a target: what counts ids goes on behind the highest, and the head names the log's end.
    fn finish(&mut self, head: Head) -> Read<'_, ()>;

    /// Ends the transaction; keeps what was written or leaves nothing behind.
    fn end(&mut self, keep: bool) -> Read<'_, ()>;

    /// Closes the connection and gives the lock back.
    fn close(self: Box<Self>) -> Read<'static, ()>;
}

/// Moves a database: copies every row of the database at the URL `from` into the empty, migrated one at `to`, of the
/// same backend or the other. Neither is in service meanwhile, which the service's own lock sees to. The source is left
/// as it is; once the target serves, the source must not: two logs would go on from one end.
///
/// The head keeps its epoch. PostgreSQL's history of the server is not copied; the first service notes its own.
///
/// # Errors
/// When a URL names no database of this build's schema, a service, a migration or another move uses one of the two
/// ([`StoreError::Locked`], [`StoreError::InService`]), the target holds anything ([`StoreError::NotEmpty`]), a row
/// cannot be read or written, or the copy is not the same as the source ([`StoreError::CopyDiffers`]): nothing was
/// written then. When the commit fails, or the checks after it, the target is empty or complete; moving again tells, as
/// a complete one is refused.
pub async fn transfer(
    from: &str,
    to: &str,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Transferred, StoreError> {
    transfer_paged(from, to, COPY_ROWS_MAX, progress).await
}

async fn transfer_paged(
    from: &str,
    to: &str,
    rows_max: u32,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Transferred, StoreError> {
    let (source, new) = (target(from)?, target(to)?);
    let mut source = match &source {
        Target::Sqlite(path) => sqlite::transfer::source(path).await?,
        Target::Postgres(target) => postgres::transfer::source(target).await?,
    };
    let result = match &new {
        Target::Sqlite(path) => sqlite::transfer::target(path).await,
        Target::Postgres(target) => postgres::transfer::target(target).await,
    };
    let result = match result {
        Ok(mut new) => {
            let result = checked(&mut *source, &mut *new, to, rows_max, progress).await;
            let closed = new.close().await;
            result.and_then(|transferred| closed.map(|()| transferred))
        }
        Err(error) => Err(error),
    };
    let closed = source.close().await;
    result.and_then(|transferred| closed.map(|()| transferred))
}

/// Copies and checks, while both locks are held.
async fn checked(
    source: &mut dyn Side,
    new: &mut dyn Side,
    to: &str,
    rows_max: u32,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Transferred, StoreError> {
    let tally = copy(source, new, rows_max, progress).await?;
    let findings = crate::check(to).await?;
    Ok(Transferred { events: tally.rows_of(Table::Events), rows: tally.rows(), findings })
}

/// Fills an empty target from a source, compares, and commits. After an error nothing stands in the target, unless it
/// is the commit's.
pub(crate) async fn copy(
    source: &mut dyn Side,
    new: &mut dyn Side,
    rows_max: u32,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Tally, StoreError> {
    let filled = fill(source, new, rows_max, progress).await;
    let ended = new.end(filled.is_ok()).await;
    // What stopped the copy says more than the rollback after it.
    let tally = filled?;
    ended?;
    source.end(false).await?;
    Ok(tally)
}

async fn fill(
    source: &mut dyn Side,
    new: &mut dyn Side,
    rows_max: u32,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Tally, StoreError> {
    let tally = source.tally().await?;
    for table in Table::ALL {
        let limit = table.page_rows(rows_max);
        let (mut after, mut rows, of) = (None, 0, tally.rows_of(table));
        // A page that is not full is the last one.
        loop {
            let page = source.page(table, after, limit).await?;
            let found = page.rows();
            after = page.last();
            if found > 0 {
                new.write(page).await?;
                rows += found;
                progress(Progress { table: table.name(), rows, of });
            }
            if found < u64::from(limit) {
                break;
            }
        }
    }
    new.finish(tally.head).await?;
    tally.assert_same(&new.tally().await?)?;
    Ok(tally)
}
