//! A PostgreSQL database as one side of a copy.

use super::bind::{Bound, int};
use super::connect::{self, Purpose, Target};
use super::{failed, lock, record, schema, sql};
use crate::contract::Read;
use crate::error::{AppendError, StoreError};
use crate::rows::Head;
use crate::transfer::sql::{TALLY, pages};
use crate::transfer::{Key, Page, Part, Side, Table, Tally};
use sqlx::postgres::{PgArguments, PgConnection};
use uuid::Uuid;

/// One database, inside its transaction. The lock is the connection's and goes with it.
struct PostgresSide {
    conn: PgConnection,
}

/// A database to copy from, locked against every service.
pub(crate) async fn source(target: &Target) -> Result<Box<dyn Side>, StoreError> {
    let used = "a service, a migration or a backup uses the database to move from; stop it before the move";
    reading(target, lock::MIGRATE, used).await
}

/// A database to copy from beside its services. Only a migration is kept out, or keeps this out.
pub(super) async fn beside_services(target: &Target) -> Result<Box<dyn Side>, StoreError> {
    reading(target, lock::SERVE, "a migration or a move uses this database; wait until it is done").await
}

async fn reading(target: &Target, wanted: &'static str, used: &'static str) -> Result<Box<dyn Side>, StoreError> {
    let mut conn = open(target, Purpose::Check, wanted, used).await?;
    sqlx::query(sql::read::SNAPSHOT).execute(&mut conn).await.map_err(failed("begin to read"))?;
    Ok(Box::new(PostgresSide { conn }))
}

/// An empty database to copy into, locked against every service. Refused without a change unless it is empty.
pub(crate) async fn target(target: &Target) -> Result<Box<dyn Side>, StoreError> {
    let used = "a service, a migration or a backup uses the database to move into; stop it before the move";
    let mut conn = open(target, Purpose::Migrate, lock::MIGRATE, used).await?;
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
    wanted: &'static str,
    used: &'static str,
) -> Result<PgConnection, StoreError> {
    let mut conn = connect::open(target, purpose).await?;
    sqlx::query(sql::transfer::SETTINGS).execute(&mut conn).await.map_err(failed("prepare the copy"))?;
    if !lock::take(&mut conn, wanted).await? {
        return Err(StoreError::InService(used));
    }
    match schema::assert_current(&mut conn).await {
        Ok(()) => Ok(conn),
        Err(refused) => {
            lock::release(conn).await?;
            Err(refused)
        }
    }
}

impl PostgresSide {
    async fn count(&mut self) -> Result<Tally, StoreError> {
        let counted = sqlx::query(TALLY).fetch_one(&mut self.conn).await;
        Tally::decode(&counted.map_err(failed("count the rows"))?)
    }

    async fn read_page(&mut self, table: Table, after: Option<Key>, rows: u32) -> Result<Page, StoreError> {
        let pages = pages(table);
        let mut query = sqlx::query(if after.is_some() { pages.next } else { pages.first }).bind(i64::from(rows));
        for part in after.unwrap_or_default() {
            query = match part {
                Part::Number(number) => query.bind(int(number)),
                Part::Text(text) => query.bind(text),
                Part::Id(id) => query.bind(id),
                Part::Key(key) => query.bind(key.to_vec()),
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
        let arguments = arguments(&page).map_err(|error| copy(Box::new(error)))?;
        let done = sqlx::query_with(sql::transfer::insert(table), arguments).execute(&mut self.conn).await;
        let written = done.map_err(|error| copy(Box::new(error)))?.rows_affected();
        table.assert_whole(written, wanted)
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
        Box::pin(lock::release(self.conn))
    }
}

/// A page as the one argument of its statement.
fn arguments(page: &Page) -> Result<PgArguments, AppendError> {
    let mut bound = Bound::default();
    match page {
        Page::Events(rows) => bound.rows(rows.iter().map(record::Event::from)),
        Page::Feeds(rows) => bound.rows(rows.iter().map(record::FeedHead::from)),
        Page::Feed(rows) => bound.rows(rows.iter().map(record::Feed::from)),
        Page::Cases(rows) => bound.rows(rows.iter().map(record::Case::from)),
        Page::Parties(rows) => bound.rows(rows.iter().map(record::Party::from)),
        Page::Obligations(rows) => bound.rows(rows.iter().map(record::Obligation::from)),
        Page::Handoffs(rows) => bound.rows(rows.iter().map(record::Handoff::from)),
        Page::Answers(rows) => bound.rows(rows.iter().map(|(id, row)| record::Answer::with(Some(*id), row))),
        Page::Cursors(rows) => bound.rows(rows.iter().map(record::Cursor::from)),
        Page::Audit(rows) => bound.rows(rows.iter().map(|(id, row)| record::Denied::with(Some(*id), row))),
        Page::Personal(rows) => bound.rows(rows.iter().map(record::Personal::from)),
        Page::Maps(rows) => bound.rows(rows.iter().map(record::Map::from)),
        Page::Tiles(rows) => bound.rows(rows.iter().map(record::Tile::from)),
        Page::TreeHeads(rows) => bound.rows(rows.iter().map(record::TreeHead::from)),
        Page::Cosignatures(rows) => bound.rows(rows.iter().map(record::Cosignature::from)),
        Page::RegistryEntries(rows) => bound.rows(rows.iter().map(record::RegistryEntry::from)),
    }
    bound.finish()
}
