//! A PostgreSQL database as one side of a copy.

use super::bind::{self, Bound, int};
use super::connect::{self, Purpose, Target};
use super::{failed, schema, sql};
use crate::batch::Batch;
use crate::contract::Read;
use crate::error::{AppendError, StoreError};
use crate::rows::*;
use crate::transfer::{CopiedParty, Key, Page, Part, Side, Table, Tally};
use handoff_domain::ids::{ClientId, OfficerId, OrgId};
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Connection, Row};
use uuid::Uuid;

/// How often a lock is looked for, a tenth of a second apart: one second in all. The server lets go of the lock of a
/// service that was just stopped in its own time.
const LOCK_LOOKS_MAX: u32 = 11;

/// One database, inside its transaction. The lock is the connection's and goes with it.
struct PostgresSide {
    conn: PgConnection,
}

/// A database to copy from, locked against every service.
pub(crate) async fn source(target: &Target) -> Result<Box<dyn Side>, StoreError> {
    let used = "a service, a migration or a backup uses the database to move from; stop it before the move";
    reading(target, sql::write::MIGRATE, used).await
}

/// A database to copy from beside its services. Only a migration is kept out, or keeps this out.
pub(super) async fn beside_services(target: &Target) -> Result<Box<dyn Side>, StoreError> {
    reading(target, sql::write::SERVE, "a migration or a move uses this database; wait until it is done").await
}

async fn reading(target: &Target, lock: &'static str, used: &'static str) -> Result<Box<dyn Side>, StoreError> {
    let mut conn = open(target, Purpose::Check, lock, used).await?;
    sqlx::query(sql::read::SNAPSHOT).execute(&mut conn).await.map_err(failed("begin to read"))?;
    Ok(Box::new(PostgresSide { conn }))
}

/// An empty database to copy into, locked against every service. Refused without a change unless it is empty.
pub(crate) async fn target(target: &Target) -> Result<Box<dyn Side>, StoreError> {
    let used = "a service, a migration or a backup uses the database to move into; stop it before the move";
    let mut conn = open(target, Purpose::Migrate, sql::write::MIGRATE, used).await?;
    sqlx::query(sql::write::BEGIN).execute(&mut conn).await.map_err(failed("begin to write"))?;
    let mut side = Box::new(PostgresSide { conn });
    match side.count().await.and_then(|tally| tally.assert_empty()) {
        Ok(()) => Ok(side),
        Err(refused) => {
            side.close().await?;
            Err(refused)
        }
    }
}

/// A connection that has the lock, to a database of this build's schema.
async fn open(
    target: &Target,
    purpose: Purpose,
    lock: &'static str,
    used: &'static str,
) -> Result<PgConnection, StoreError> {
    let mut conn = connect::open(target, purpose).await?;
    sqlx::query(sql::transfer::SETTINGS).execute(&mut conn).await.map_err(failed("prepare the copy"))?;
    if !take(&mut conn, lock).await? {
        return Err(StoreError::InService(used));
    }
    match schema::assert_current(&mut conn).await {
        Ok(()) => Ok(conn),
        Err(refused) => {
            release(conn).await?;
            Err(refused)
        }
    }
}

/// Takes a lock, or says that somebody has it and keeps it.
pub(super) async fn take(conn: &mut PgConnection, lock: &'static str) -> Result<bool, StoreError> {
    let failed = failed("take the database's lock");
    for _ in 1..LOCK_LOOKS_MAX {
        let taken = sqlx::query(lock).fetch_one(&mut *conn).await;
        if taken.and_then(|row| row.try_get(0)).map_err(&failed)? {
            return Ok(true);
        }
        sqlx::query(sql::transfer::WAIT).execute(&mut *conn).await.map_err(&failed)?;
    }
    sqlx::query(lock).fetch_one(conn).await.and_then(|row| row.try_get(0)).map_err(&failed)
}

/// Ends the connection, and gives its lock back before: the server notices an end in its own time, and whoever is
/// started next would still find the lock.
pub(super) async fn release(mut conn: PgConnection) -> Result<(), StoreError> {
    let closing = failed("close the database");
    // Without a transaction this is a notice; in one that failed nothing else is heard.
    sqlx::query(sql::write::ROLLBACK).execute(&mut conn).await.map_err(&closing)?;
    sqlx::query(sql::transfer::UNLOCK).execute(&mut conn).await.map_err(&closing)?;
    conn.close().await.map_err(&closing)
}

impl PostgresSide {
    async fn count(&mut self) -> Result<Tally, StoreError> {
        let counted = sqlx::query(sql::transfer::TALLY).fetch_one(&mut self.conn).await;
        Tally::decode(&counted.map_err(failed("count the rows"))?)
    }

    async fn read_page(&mut self, table: Table, after: Option<Key>, rows: u32) -> Result<Page, StoreError> {
        let pages = sql::transfer::pages(table);
        let mut query = sqlx::query(if after.is_some() { pages.next } else { pages.first }).bind(i64::from(rows));
        for part in after.unwrap_or_default() {
            query = match part {
                Part::Number(number) => query.bind(int(number)),
                Part::Text(text) => query.bind(text),
                Part::Id(id) => query.bind(id),
                Part::Scope(scope) => query.bind(scope.map_or(Uuid::nil(), |scope| scope.0)),
            };
        }
        let read = |error| StoreError::Copy { table: table.name(), source: Box::new(error) };
        let rows = query.fetch_all(&mut self.conn).await.map_err(read)?;
        Page::decode(table, &rows)
    }

    async fn write_page(&mut self, page: Page) -> Result<(), StoreError> {
        let (table, wanted) = (page.table(), page.rows());
        let copy = |source| StoreError::Copy { table: table.name(), source };
        let arguments = arguments(page).map_err(|error| copy(Box::new(error)))?;
        let done = sqlx::query_with(sql::transfer::insert(table), arguments).execute(&mut self.conn).await;
        let written = done.map_err(|error| copy(Box::new(error)))?.rows_affected();
        if written == wanted {
            return Ok(());
        }
        let detail = format!("{written} rows of a page instead of {wanted}");
        Err(StoreError::CopyDiffers { table: table.name(), detail })
    }

    async fn write_head(&mut self, head: Head) -> Result<(), StoreError> {
        let ids = sqlx::query(sql::transfer::IDS_GO_ON).execute(&mut self.conn).await;
        ids.map_err(failed("set the next ids"))?;
        let query = sqlx::query(sql::transfer::HEAD)
            .bind(int(head.position))
            .bind(int(head.epoch))
            .bind(head.last_at.0)
            .bind(head.last_hash.map(|hash| hash.0.to_vec()));
        let copy = |error| StoreError::Copy { table: "head", source: Box::new(error) };
        query.execute(&mut self.conn).await.map(drop).map_err(copy)
    }
}

impl Side for PostgresSide {
    fn tally(&mut self) -> Read<'_, Tally> {
        Box::pin(self.count())
    }

    fn page(&mut self, table: Table, after: Option<Key>, rows: u32) -> Read<'_, Page> {
        Box::pin(self.read_page(table, after, rows))
    }

    fn write(&mut self, page: Page) -> Read<'_, ()> {
        Box::pin(self.write_page(page))
    }

    fn finish(&mut self, head: Head) -> Read<'_, ()> {
        Box::pin(self.write_head(head))
    }

    fn end(&mut self, keep: bool) -> Read<'_, ()> {
        Box::pin(async move {
            let (sql, action) =
                if keep { (sql::write::COMMIT, "commit the copy") } else { (sql::write::ROLLBACK, "end the copy") };
            sqlx::query(sql).execute(&mut self.conn).await.map(drop).map_err(failed(action))
        })
    }

    fn close(self: Box<Self>) -> Read<'static, ()> {
        Box::pin(release(self.conn))
    }
}

/// The columns of a page. Those a batch has too are bound as a batch's, before the ones it lacks.
fn arguments(page: Page) -> Result<PgArguments, AppendError> {
    let mut bound = Bound::default();
    let batch = Batch::default();
    match page {
        Page::Events(events) => {
            let batch = Batch { events, ..batch };
            bind::events(&mut bound, &batch);
            bound.column(&batch.events, |row| int(row.position));
        }
        Page::Feeds(rows) => {
            bound.column(&rows, |row| row.org.as_str());
            bound.column(&rows, |row| int(row.was));
            bound.column(&rows, |row| int(row.number));
        }
        Page::Feed(rows) => {
            bound.column(&rows, |row| row.org.as_str());
            bound.column(&rows, |row| int(row.number));
            bound.column(&rows, |row| int(row.position));
            bound.column(&rows, |row| row.enters);
        }
        Page::Cases(cases) => bind::cases(&mut bound, &Batch { cases, ..batch }),
        Page::Parties(rows) => parties(&mut bound, rows),
        Page::Obligations(rows) => bind::obligations(&mut bound, &rows),
        Page::Handoffs(handoffs) => bind::handoffs(&mut bound, &Batch { handoffs, ..batch }),
        Page::Answers(rows) => {
            let (ids, answers): (Vec<u64>, _) = rows.into_iter().unzip();
            bind::answers(&mut bound, &Batch { answers, ..batch });
            bound.column(&ids, |id| int(*id));
        }
        Page::Cursors(rows) => {
            bound.column(&rows, |row| row.org.as_str());
            bound.column(&rows, |row| row.client.as_str());
            bound.column(&rows, |row| int(row.number));
        }
        Page::Audit(rows) => audit(&mut bound, &rows),
        Page::Personal(personal) => bind::personal(&mut bound, &Batch { personal, ..batch }),
        Page::Maps(rows) => {
            bound.column(&rows, |row| row.map.id.0);
            bound.column(&rows, |row| int(row.map.version));
            bound.column(&rows, |row| &row.digest.0[..]);
            bound.column(&rows, |row| &*row.bytes);
        }
    }
    bound.finish()
}

fn parties(bound: &mut Bound, rows: Vec<CopiedParty>) {
    let (copies, parties): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|row| ((row.open, row.updated_at.0), row.party)).unzip();
    bind::parties(bound, &Batch { parties, ..Batch::default() });
    bound.column(&copies, |(open, _)| *open);
    bound.column(&copies, |(_, updated_at)| *updated_at);
}

fn audit(bound: &mut Bound, rows: &[(u64, AuditRow)]) {
    bound.column(rows, |(id, _)| int(*id));
    bound.column(rows, |(_, row)| row.at.0);
    bound.column(rows, |(_, row)| row.org.as_ref().map(OrgId::as_str));
    bound.column(rows, |(_, row)| row.client.as_ref().map(ClientId::as_str));
    bound.column(rows, |(_, row)| row.officer.as_ref().map(OfficerId::as_str));
    bound.column(rows, |(_, row)| &*row.method);
    bound.column(rows, |(_, row)| &*row.reason);
    bound.column(rows, |(_, row)| int(row.count));
}
