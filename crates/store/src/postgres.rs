//! PostgreSQL: several replicas of the service on one database, any of which may write.
//!
//! The locked head row orders all writers. A batch is one statement, `handoff_append` of the migrations, and that
//! statement is the whole transaction: one round trip is one durable commit. With replicated durability a commit
//! counts only once the gate has seen its end on enough synchronous standbys (reliability, 5).

mod admin;
mod backup;
mod bind;
mod columns;
mod connect;
mod gate;
mod lock;
mod reader;
mod record;
mod schema;
mod sql;
pub(crate) mod transfer;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use admin::{check, integrity};
pub(crate) use backup::backup;
pub(crate) use connect::Target;

use crate::contract::{Options, Reader, Store};
use crate::error::{StoreError, failed};
use connect::Purpose;
use reader::PostgresReader;
use sqlx::Connection;
use std::sync::Arc;
use writer::PostgresWriter;

pub(crate) async fn open(target: &Target, options: Options) -> Result<Store, StoreError> {
    let reader = Arc::new(PostgresReader::new(target.clone()));
    let writer = PostgresWriter::open(target.clone(), options, reader.clone()).await?;
    Ok(Store { writer: Box::new(writer), reader, unclean: false, shared: true })
}

pub(crate) async fn open_reader(target: &Target) -> Result<Arc<dyn Reader>, StoreError> {
    let mut first = connect::open(target, Purpose::Read).await?;
    schema::assert_current(&mut first).await?;
    first.close().await.map_err(failed("close a reading connection"))?;
    Ok(Arc::new(PostgresReader::new(target.clone())))
}

pub(crate) async fn migrate(target: &Target) -> Result<(), StoreError> {
    let mut conn = connect::open(target, Purpose::Migrate).await?;
    let migrated = schema::migrate(&mut conn).await;
    lock::release(conn).await?;
    migrated
}
