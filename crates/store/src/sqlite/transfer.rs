//! A SQLite file as one side of a copy.

use super::files::{self, Lock};
use super::pack::{self, Packed, row};
use super::{READER_SETTINGS, assert_settings, connect, failed, reader_options, schema, sql, writer_options};
use crate::contract::Read;
use crate::error::{AppendError, StoreError};
use crate::rows::*;
use crate::transfer::sql::{TALLY, pages};
use crate::transfer::{CopiedParty, Key, Page, Part, Side, Table, Tally};
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use std::path::{Path, PathBuf};

/// What the filling connection must have: a journal that rolls back, since the file is empty and the log of a
/// transaction that writes all of it would be as large as the database; 2 is FULL.
const FILLING_SETTINGS: &[(&str, &str, &str)] =
    &[("journal_mode", "PRAGMA journal_mode", "delete"), ("synchronous", "PRAGMA synchronous", "2")];
/// Pages the filling connection keeps in memory, as negative KiB: 64 MiB. Indexes in no order of time are written at
/// random places, and what does not fit is written more than once.
const FILLING_CACHE: &str = "-65536";

/// One file, inside its transaction.
struct SqliteSide {
    conn: SqliteConnection,
    /// What to sync once the transaction is kept; none of a file that is synced when it gets its name.
    written: Option<PathBuf>,
    /// Last, so that the connection is gone before the lock is. None beside a file that nobody else knows yet.
    _lock: Option<Lock>,
}

/// A database to copy from, locked against a service.
pub(crate) async fn source(path: &Path) -> Result<Box<dyn Side>, StoreError> {
    let lock = lock(path).await?;
    let mut conn = connect(reader_options(path)).await?;
    assert_settings(&mut conn, READER_SETTINGS).await?;
    schema::assert_current(&mut conn).await?;
    sqlx::query(sql::transfer::SNAPSHOT).execute(&mut conn).await.map_err(failed("begin to read"))?;
    Ok(Box::new(SqliteSide { conn, written: None, _lock: Some(lock) }))
}

/// An empty database to copy into, locked against a service. Refused without a change unless it is empty.
pub(crate) async fn target(path: &Path) -> Result<Box<dyn Side>, StoreError> {
    let lock = lock(path).await?;
    // Not opened read-only: what a copy that was killed has left is rolled back here.
    let mut conn = connect(reader_options(path).read_only(false)).await?;
    assert_settings(&mut conn, READER_SETTINGS).await?;
    schema::assert_current(&mut conn).await?;
    let tally = tally(&mut conn).await?;
    conn.close().await.map_err(failed("close the database"))?;
    tally.assert_empty()?;
    let conn = begin_filling(filling(path).await?).await?;
    Ok(Box::new(SqliteSide { conn, written: Some(path.to_owned()), _lock: Some(lock) }))
}

async fn lock(path: &Path) -> Result<Lock, StoreError> {
    if !path.exists() {
        return Err(StoreError::NoSchema);
    }
    files::refuse_network(&files::folder_of(path)?)?;
    Lock::take(path).await
}

async fn filling(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = writer_options(path).pragma("journal_mode", "DELETE").pragma("cache_size", FILLING_CACHE);
    let mut conn = connect(options).await?;
    assert_settings(&mut conn, FILLING_SETTINGS).await?;
    Ok(conn)
}

async fn begin_filling(mut conn: SqliteConnection) -> Result<SqliteConnection, StoreError> {
    let begin = failed("begin to write");
    sqlx::query(sql::transfer::WITHOUT_REFERENCES).execute(&mut conn).await.map_err(&begin)?;
    sqlx::query(sql::transfer::BEGIN).execute(&mut conn).await.map_err(&begin)?;
    Ok(conn)
}

/// A new database under a name of its own, which gets the asked name once it is complete and durable.
pub(crate) struct NewFile {
    folder: PathBuf,
    part: PathBuf,
    to: PathBuf,
}

impl NewFile {
    /// Makes the file, for the service's user alone. Refuses a name that is taken.
    pub(crate) fn create(to: &Path) -> Result<Self, StoreError> {
        let folder = files::create_folder(to)?;
        if to.exists() {
            let source = std::io::ErrorKind::AlreadyExists.into();
            return Err(StoreError::File { action: "create", path: to.to_owned(), source });
        }
        let new = Self { folder, part: files::beside(to, ".part"), to: to.to_owned() };
        new.remove()?;
        files::create(&new.part)?;
        Ok(new)
    }

    /// The file as an empty, migrated side to copy into.
    pub(crate) async fn fill(&self) -> Result<Box<dyn Side>, StoreError> {
        let mut conn = filling(&self.part).await?;
        schema::migrate(&mut conn).await?;
        let conn = begin_filling(conn).await?;
        Ok(Box::new(SqliteSide { conn, written: None, _lock: None }))
    }

    /// Where it stands until then.
    pub(crate) fn part(&self) -> &Path {
        &self.part
    }

    /// Makes the file durable and gives it its name.
    pub(crate) fn keep(self) -> Result<(), StoreError> {
        files::sync(&self.part)?;
        let named = std::fs::rename(&self.part, &self.to);
        named.map_err(|source| StoreError::File { action: "rename", path: self.part.clone(), source })?;
        files::sync(&self.folder)
    }

    /// Removes the file, or one that a killed process has left. Its journal first: a journal beside another file would
    /// be rolled back into that.
    pub(crate) fn remove(&self) -> Result<(), StoreError> {
        for suffix in ["-journal", "-wal", "-shm", ""] {
            files::remove(&files::beside(&self.part, suffix))?;
        }
        Ok(())
    }
}

async fn tally(conn: &mut SqliteConnection) -> Result<Tally, StoreError> {
    let row = sqlx::query(TALLY).fetch_one(conn).await.map_err(failed("count the rows"))?;
    Tally::decode(&row)
}

impl SqliteSide {
    async fn read_page(&mut self, table: Table, after: Option<Key>, rows: u32) -> Result<Page, StoreError> {
        let pages = pages(table);
        let mut query = sqlx::query(if after.is_some() { pages.next } else { pages.first }).bind(i64::from(rows));
        for part in after.unwrap_or_default() {
            query = match part {
                Part::Number(number) => query.bind(i64::try_from(number).unwrap_or(i64::MAX)),
                Part::Text(text) => query.bind(text),
                Part::Id(id) => query.bind(id.as_bytes().to_vec()),
                Part::Key(key) => query.bind(key.to_vec()),
                Part::Scope(scope) => query.bind(scope.map_or_else(Vec::new, |scope| scope.0.as_bytes().to_vec())),
            };
        }
        let read = |error| StoreError::Copy { table: table.name(), source: Box::new(error) };
        let rows = query.fetch_all(&mut self.conn).await.map_err(read)?;
        Page::decode(table, &rows)
    }

    async fn write_page(&mut self, page: Page) -> Result<(), StoreError> {
        let (table, wanted) = (page.table().name(), page.rows());
        let copy = |source| StoreError::Copy { table, source };
        let packed = packed(&page).and_then(|(sql, packed)| Ok((sql, packed.into_parts()?)));
        let (sql, (rows, fixed, bytes)) = packed.map_err(|error| copy(Box::new(error)))?;
        let done = sqlx::query(sql).bind(rows).bind(fixed).bind(bytes).execute(&mut self.conn).await;
        let written = done.map_err(|error| copy(Box::new(error)))?.rows_affected();
        page.table().assert_whole(written, wanted)
    }

    async fn write_head(&mut self, head: Head) -> Result<(), StoreError> {
        let copy = |source| StoreError::Copy { table: "head", source };
        let integer = |number| super::writer::integer("head", number).map_err(|error| copy(Box::new(error)));
        let query = sqlx::query(sql::transfer::HEAD)
            .bind(integer(head.position)?)
            .bind(integer(head.epoch)?)
            .bind(head.last_at.0)
            .bind(head.last_hash.map(|hash| hash.0.to_vec()));
        query.execute(&mut self.conn).await.map(drop).map_err(|error| copy(Box::new(error)))
    }

    async fn end_transaction(&mut self, keep: bool) -> Result<(), StoreError> {
        let (sql, action) =
            if keep { (sql::write::COMMIT, "commit the copy") } else { (sql::write::ROLLBACK, "end the copy") };
        sqlx::query(sql).execute(&mut self.conn).await.map_err(failed(action))?;
        match &self.written {
            Some(path) if keep => {
                files::sync(path)?;
                files::sync(&files::folder_of(path)?)
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Side for SqliteSide {
    fn tally(&mut self) -> Read<'_, Tally> {
        Box::pin(tally(&mut self.conn))
    }

    fn page(&mut self, table: Table, after: Option<Key>, rows: u32) -> Read<'_, Page> {
        Box::pin(self.read_page(table, after, rows))
    }

    fn write(&mut self, page: Page) -> Read<'_, ()> {
        Box::pin(self.write_page(page))
    }

    fn finish(&mut self, head: Head) -> Read<'_, ()> {
        // The next id of a table is one more than its highest.
        Box::pin(self.write_head(head))
    }

    fn end(&mut self, keep: bool) -> Read<'_, ()> {
        Box::pin(self.end_transaction(keep))
    }

    fn close(self: Box<Self>) -> Read<'static, ()> {
        // The lock outlives the connection: it is taken apart only once that is closed.
        Box::pin(async move {
            let Self { conn, _lock, .. } = *self;
            conn.close().await.map_err(failed("close the database"))
        })
    }
}

/// The statement of a page and its arguments.
fn packed(page: &Page) -> Result<(&'static str, Packed), AppendError> {
    Ok(match page {
        Page::Events(rows) => (sql::transfer::EVENTS, events(rows)?),
        Page::Feeds(rows) => (sql::transfer::FEEDS, pack::feeds(rows)?),
        Page::Feed(rows) => (sql::write::FEED, pack::feed(rows)?),
        Page::Cases(rows) => (sql::transfer::CASES, pack::cases(rows)?),
        Page::Parties(rows) => (sql::transfer::PARTIES, parties(rows)?),
        Page::Obligations(rows) => (sql::write::OBLIGATIONS, pack::obligations(rows)?),
        Page::Handoffs(rows) => (sql::write::HANDOFFS, pack::handoffs(rows)?),
        Page::Answers(rows) => (sql::transfer::ANSWERS, answers(rows)?),
        Page::Cursors(rows) => (sql::write::CURSORS, pack::cursors(rows)?),
        Page::Audit(rows) => (sql::transfer::AUDIT, audit(rows)?),
        Page::Personal(rows) => (sql::write::PERSONAL, pack::personal(rows)?),
        Page::Maps(rows) => (sql::write::MAPS, pack::maps(rows)?),
        Page::Tiles(rows) => (sql::write::TILES, pack::tiles(rows)?),
        Page::TreeHeads(rows) => (sql::write::TREE_HEADS, pack::tree_heads(rows)?),
        Page::Cosignatures(rows) => (sql::write::COSIGNATURES, pack::cosignatures(rows)?),
        Page::RegistryEntries(rows) => (sql::write::REGISTRY_ENTRIES, pack::registry_entries(rows)?),
    })
}

fn events(rows: &[EventRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 96, 112);
    packed.bytes.reserve(rows.iter().map(|event| event.bytes.len()).sum());
    for event in rows {
        let (offset, length) = packed.push_bytes(&event.bytes);
        packed.push_id(event.incident.0);
        packed.fixed.extend_from_slice(&event.hash.0);
        packed.fixed.extend_from_slice(&event.leaf);
        let (kind, name) = (event.kind.code(), &*event.type_name);
        row!(packed, "events", event.position, event.first, kind, event.seq, name, event.at.0, offset, length);
    }
    Ok(packed)
}

fn parties(rows: &[CopiedParty]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 48, 16);
    for CopiedParty { party, open, opened_at } in rows {
        packed.push_id(party.incident.0);
        let station = party.station.as_ref().map_or("", StationId::as_str);
        let (active, open) = (u8::from(party.active), u8::from(*open));
        row!(packed, "parties", party.org.as_str(), station, active, open, opened_at.0);
    }
    Ok(packed)
}

fn answers(rows: &[(u64, AnswerRow)]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 96, 64);
    for (id, answer) in rows {
        let (offset, length) = packed.push_bytes(&answer.answer);
        packed.push_id(answer.id.request);
        packed.fixed.extend_from_slice(&answer.mac);
        packed.fixed.extend_from_slice(&answer.key.unwrap_or_default());
        let AnswerId { org, client, .. } = &answer.id;
        let incident = pack::hex(answer.incident.map(|id| id.0));
        row!(
            packed,
            "answers",
            id,
            org.as_str(),
            client.as_str(),
            answer.key.is_some(),
            offset,
            length,
            answer.position,
            incident,
            answer.at.0,
        );
    }
    Ok(packed)
}

fn audit(rows: &[(u64, AuditRow)]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 96, 0);
    for (id, denied) in rows {
        row!(
            packed,
            "audit",
            id,
            denied.at.0,
            denied.org.as_ref().map(OrgId::as_str),
            denied.client.as_ref().map(ClientId::as_str),
            denied.officer.as_ref().map(OfficerId::as_str),
            &*denied.method,
            &*denied.reason,
            denied.count,
        );
    }
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AssertSqlSafe, Row};

    /// No page sorts, and none but the first begins at the table's begin: the whole copy is one walk.
    #[tokio::test]
    async fn pages_follow_the_primary_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("handoff.db");
        crate::sqlite::migrate(&path).await.unwrap();
        let mut conn = connect(reader_options(&path)).await.unwrap();
        for table in Table::ALL {
            let pages = pages(table);
            for statement in [pages.first, pages.next] {
                let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
                let plan = sqlx::query(explain).fetch_all(&mut conn).await.unwrap();
                let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
                assert_eq!(plan.len(), 1, "{statement}: {plan:?}");
                assert!(statement == pages.first || plan[0].starts_with("SEARCH"), "{statement}: {plan:?}");
            }
        }
        conn.close().await.unwrap();
    }
}
