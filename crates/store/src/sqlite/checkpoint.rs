//! Moves the write-ahead log into the database beside the writer, on a connection of its own.
//!
//! On the writer's own connection each of these moves, a sync of the database included, stood in the way of whole
//! batches: one in ten commands waited for it. The race for which one connection used to do both is mended in the oldest
//! SQLite that is taken. What cuts the log's file is still the writer's, since it has to have the log for itself.

use super::files::Lock;
use super::{failed, sql};
use crate::error::StoreError;
use crate::failpoint::Failpoint;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Bytes of one frame of the log: a page and its header.
const WAL_FRAME_BYTES: u64 = 4_096 + 24;

/// What the log holds, as the last look at it said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// Bytes in the log.
    pub(super) all: u64,
    /// Bytes of it that are not in the database yet.
    pub(super) pending: u64,
}

/// The connection that moves the log, or the move that has it.
pub(super) struct Mover {
    conn: Option<SqliteConnection>,
    under_way: Option<JoinHandle<Result<SqliteConnection, StoreError>>>,
    failpoint: Failpoint,
    /// Nobody else opens the database while a move goes on.
    lock: Arc<Lock>,
}

impl Mover {
    pub(super) fn new(conn: SqliteConnection, failpoint: Failpoint, lock: Arc<Lock>) -> Self {
        Self { conn: Some(conn), under_way: None, failpoint, lock }
    }

    /// Begins to move what no reader holds back, unless a move is under way.
    pub(super) fn start(&mut self) {
        let Some(mut conn) = self.conn.take() else { return };
        let (failpoint, lock) = (self.failpoint.clone(), Arc::clone(&self.lock));
        self.under_way = Some(tokio::spawn(async move {
            let moved = move_log(&mut conn, &failpoint, sql::write::WAL_PASSIVE).await;
            drop(lock);
            moved.map(|_| conn)
        }));
    }

    /// Whether a move has ended since this was asked last; an error of it.
    pub(super) async fn ended(&mut self) -> Result<bool, StoreError> {
        match &self.under_way {
            Some(task) if task.is_finished() => self.wait().await.map(|()| true),
            Some(_) | None => Ok(false),
        }
    }

    /// Waits for the move that is under way, if one is.
    pub(super) async fn wait(&mut self) -> Result<(), StoreError> {
        let Some(task) = self.under_way.take() else { return Ok(()) };
        let action = "checkpoint the write-ahead log";
        let ended = task.await.map_err(|error| StoreError::Sql { action, source: Box::new(error) })?;
        self.conn = Some(ended?);
        Ok(())
    }

    pub(super) async fn close(mut self) -> Result<(), StoreError> {
        self.wait().await?;
        match self.conn {
            Some(conn) => conn.close().await.map_err(failed("close the database")),
            None => Ok(()),
        }
    }
}

/// Runs one of the statements that move the log.
pub(super) async fn move_log(
    conn: &mut SqliteConnection,
    failpoint: &Failpoint,
    sql: &'static str,
) -> Result<Frames, StoreError> {
    let step =
        |source: std::io::Error| StoreError::Sql { action: "checkpoint the write-ahead log", source: Box::new(source) };
    failpoint.hit("wal.checkpoint").map_err(step)?;
    let frames = frames(conn, sql).await?;
    failpoint.hit("wal.checkpointed").map_err(step)?;
    Ok(frames)
}

/// Runs a checkpoint statement and reads what it says of the log.
pub(super) async fn frames(conn: &mut SqliteConnection, sql: &'static str) -> Result<Frames, StoreError> {
    let checkpoint = failed("checkpoint the write-ahead log");
    let row = sqlx::query(sql).fetch_one(conn).await.map_err(&checkpoint)?;
    // -1 where there is no log.
    let frames = |index: usize| row.try_get::<i64, _>(index).map(|n| u64::try_from(n).unwrap_or(0));
    let (all, moved) = (frames(1).map_err(&checkpoint)?, frames(2).map_err(&checkpoint)?);
    Ok(Frames { all: all * WAL_FRAME_BYTES, pending: all.saturating_sub(moved) * WAL_FRAME_BYTES })
}
