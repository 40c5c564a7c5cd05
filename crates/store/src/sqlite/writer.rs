//! The writer's connection: one batch, one transaction.

use super::files::Lock;
use super::hot::{self, Bound, Step, What};
use super::pack::{self, Packed};
use super::{failed, sql};
use crate::batch::{Appended, Batch, Verified};
use crate::contract::{Pending, Read, WalState, Writer};
use crate::decode;
use crate::error::{AppendError, Source, StoreError};
use crate::failpoint::Failpoint;
use crate::rows::{AnswerId, Head};
use futures_util::StreamExt;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Connection, Either, Executor, Row, SqlStr, query::Query};

/// The write-ahead log is moved into the database from this size on, as far as no reader holds it back.
const WAL_PASSIVE_BYTES: u64 = 4 * 1024 * 1024;
/// From this size on the log's file is cut as well, as soon as no reader holds it.
const WAL_TRUNCATE_BYTES: u64 = 64 * 1024 * 1024;
/// The log's size is looked up after this many batches …
const WAL_LOOK_BATCHES: u32 = 16;
/// … or this much content, in bytes: a row costs up to a page of log for every index it stands in.
const WAL_LOOK_PAYLOAD_BYTES: usize = 128 * 1024;
/// Bytes of one frame of the log: a page and its header.
const WAL_FRAME_BYTES: u64 = 4_096 + 24;
/// How long emptying the log waits for readers; commands wait behind it.
const TRUNCATE_WAIT: &str = "PRAGMA busy_timeout = 20";
/// Back to the writer's own wait.
const NORMAL_WAIT: &str = "PRAGMA busy_timeout = 5000";

/// Result codes (the low byte) after which a statement was refused and the connection is sound: ERROR, TOOBIG,
/// CONSTRAINT, MISMATCH, RANGE. Every other one is a failure of the database.
const REFUSED: &[i64] = &[1, 18, 19, 20, 25];

/// Whether the connection may be used.
enum State {
    Ready,
    /// Inside a transaction. Met at the start of a call it means that the call before was dropped.
    Writing,
    /// Failed at this step, for good.
    Broken(&'static str),
}

pub(super) struct SqliteWriter {
    conn: SqliteConnection,
    /// The text every batch runs first.
    hot: SqlStr,
    failpoint: Failpoint,
    state: State,
    batches_since_look: u32,
    payload_since_look: usize,
    wal: WalState,
    /// Last, so that the connection is gone before the lock is.
    _lock: Lock,
}

impl Writer for SqliteWriter {
    fn append<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a, Result<Appended, AppendError>> {
        Box::pin(self.append_once(batch))
    }

    fn head(&mut self) -> Read<'_, Head> {
        Box::pin(async {
            let row = sqlx::query(sql::read::HEAD).fetch_one(&mut self.conn).await.map_err(failed("read the head"))?;
            decode::head(&row)
        })
    }

    fn tidy(&mut self) -> Read<'_, WalState> {
        Box::pin(async {
            let due = self.batches_since_look >= WAL_LOOK_BATCHES || self.payload_since_look >= WAL_LOOK_PAYLOAD_BYTES;
            if !due {
                return Ok(self.wal);
            }
            let wal = self.checkpoint(sql::write::WAL_LOOK).await?;
            if wal.bytes >= WAL_TRUNCATE_BYTES {
                self.truncate().await
            } else if wal.pending_bytes >= WAL_PASSIVE_BYTES {
                self.move_into_database(sql::write::WAL_PASSIVE).await
            } else {
                Ok(wal)
            }
        })
    }

    fn idle(&mut self) -> Read<'_, WalState> {
        Box::pin(self.truncate())
    }

    fn close(mut self: Box<Self>) -> Read<'static, ()> {
        Box::pin(async move {
            if matches!(self.state, State::Ready) {
                self.truncate().await?;
            }
            self.conn.close().await.map_err(failed("close the database"))
        })
    }
}

impl SqliteWriter {
    pub(super) fn new(conn: SqliteConnection, lock: Lock, failpoint: Failpoint) -> Self {
        Self {
            conn,
            hot: hot::text(),
            failpoint,
            state: State::Ready,
            // The first housekeeping looks at what the process before left.
            batches_since_look: WAL_LOOK_BATCHES,
            payload_since_look: 0,
            wal: WalState::default(),
            _lock: lock,
        }
    }

    async fn append_once(&mut self, batch: &Batch) -> Result<Appended, AppendError> {
        match self.state {
            State::Ready => {}
            State::Writing => {
                self.state = State::Broken("append.dropped");
                let source = Source::from("the append before this one was dropped");
                return Err(AppendError::Unknown { step: "append.dropped", source });
            }
            State::Broken(step) => {
                return Err(AppendError::Io { step, source: Source::from("the writer failed before") });
            }
        }
        let verified = batch.verify()?;
        self.state = State::Writing;
        let result = self.transact(batch, &verified).await;
        self.state = match &result {
            Err(AppendError::Io { step, .. } | AppendError::Unknown { step, .. }) => State::Broken(step),
            Ok(_) | Err(AppendError::Moved { .. } | AppendError::AnswersKnown(_) | AppendError::Rejected { .. }) => {
                State::Ready
            }
        };
        self.batches_since_look += 1;
        self.payload_since_look += pack::payload(batch);
        result
    }

    /// One transaction: commits, or leaves nothing behind.
    async fn transact(&mut self, batch: &Batch, verified: &Verified) -> Result<Appended, AppendError> {
        let bound = Bound::of(batch, verified)?;
        self.hit("append.begin")?;
        let head = match self.write(batch, bound).await {
            Ok(head) => head,
            Err(AppendError::Io { step, source }) => return Err(AppendError::Io { step, source }),
            Err(refused) => {
                self.plain(sql::write::ROLLBACK, "append.rollback").await?;
                return Err(match refused {
                    AppendError::AnswersKnown(_) => AppendError::AnswersKnown(self.known_answers(batch).await?),
                    other => other,
                });
            }
        };
        let step = "append.commit";
        let unknown = |source| AppendError::Unknown { step, source };
        sqlx::query(sql::write::COMMIT).execute(&mut self.conn).await.map_err(|error| unknown(Box::new(error)))?;
        let step = "append.committed";
        self.failpoint.hit(step).map_err(|error| AppendError::Unknown { step, source: Box::new(error) })?;
        Ok(Appended { head })
    }

    async fn write(&mut self, batch: &Batch, bound: Bound) -> Result<Head, AppendError> {
        let head = self.write_hot(batch, bound).await?;
        self.write_beside(batch).await?;
        self.hit("append.commit")?;
        Ok(head)
    }

    /// Begins the transaction and writes the tables of every batch, in one call. The connection's thread may be ahead
    /// of what is judged here; what it has written by then is rolled back with the rest.
    async fn write_hot(&mut self, batch: &Batch, bound: Bound) -> Result<Head, AppendError> {
        let Self { conn, failpoint, hot, .. } = self;
        let mut results = conn.fetch_many(sqlx::query_with(hot.clone(), bound.arguments));
        let mut head = None;
        for (step, wanted) in hot::STEPS.iter().zip(bound.wanted) {
            let written = loop {
                match results.next().await {
                    Some(Ok(Either::Left(done))) => break done.rows_affected(),
                    Some(Ok(Either::Right(row))) => head = Some(row),
                    Some(Err(error)) => return Err(failed_at(step, error)),
                    None => {
                        let source = Source::from("the connection ended before the batch did");
                        return Err(AppendError::Io { step: "append.write", source });
                    }
                }
            };
            match step.what {
                What::Head if head.is_none() => return Err(AppendError::Moved { expected: batch.expected }),
                // Which ones are known is looked up after the rollback: here the batch's own rows would be seen too.
                What::Answers if wanted != Some(written) => return Err(AppendError::AnswersKnown(Vec::new())),
                What::Begin | What::Head | What::Answers => {}
                What::Rows => wanted.map_or(Ok(()), |wanted| expect(step.table, written, wanted))?,
            }
            if let Some(step) = step.then {
                failpoint.hit(step).map_err(|error| AppendError::Io { step, source: Box::new(error) })?;
            }
        }
        let io = |source| AppendError::Io { step: "append.head", source };
        let row = head.ok_or_else(|| io(Source::from("the head gave no row")))?;
        decode::head(&row).map_err(|error| io(Box::new(error)))
    }

    /// The request ids of a batch that have an answer.
    async fn known_answers(&mut self, batch: &Batch) -> Result<Vec<AnswerId>, AppendError> {
        let (rows, fixed, _) = pack::answers(&batch.answers)?.into_parts()?;
        let step = "append.known";
        let known = bound(sql::write::ANSWERS_KNOWN, rows, fixed).fetch_all(&mut self.conn).await;
        let known = known.map_err(|error| AppendError::Io { step, source: Box::new(error) })?;
        let index = |row: &SqliteRow| usize::try_from(row.try_get::<i64, _>(0).ok()?).ok();
        let ids = known.iter().filter_map(|row| batch.answers.get(index(row)?)).map(|answer| answer.id.clone());
        Ok(ids.collect())
    }

    async fn write_beside(&mut self, batch: &Batch) -> Result<(), AppendError> {
        if !batch.erase.is_empty() {
            self.any("personal", sql::write::ERASE, pack::erase(&batch.erase)?).await?;
        }
        if !batch.forget_keys.is_empty() {
            self.any("answers", sql::write::FORGET_KEYS, pack::forget_keys(&batch.forget_keys)?).await?;
        }
        if !batch.cursors.is_empty() {
            self.any("cursors", sql::write::CURSORS, pack::cursors(&batch.cursors)?).await?;
        }
        if !batch.audit.is_empty() {
            self.all("audit", sql::write::AUDIT, pack::audit(&batch.audit)?).await?;
        }
        if !batch.maps.is_empty() {
            self.all("maps", sql::write::MAPS, pack::maps(&batch.maps)?).await?;
        }
        self.write_evidence(batch).await
    }

    async fn write_evidence(&mut self, batch: &Batch) -> Result<(), AppendError> {
        if !batch.tiles.is_empty() {
            self.any("tiles", sql::write::TILES, pack::tiles(&batch.tiles)?).await?;
        }
        if !batch.tree_heads.is_empty() {
            self.any("tree_heads", sql::write::TREE_HEADS, pack::tree_heads(&batch.tree_heads)?).await?;
        }
        if !batch.cosignatures.is_empty() {
            self.any("cosignatures", sql::write::COSIGNATURES, pack::cosignatures(&batch.cosignatures)?).await?;
        }
        if !batch.registry.is_empty() {
            let packed = pack::registry_entries(&batch.registry)?;
            self.all("registry_entries", sql::write::REGISTRY_ENTRIES, packed).await?;
        }
        Ok(())
    }

    /// Runs a statement that has to touch one row per row of the batch.
    async fn all(&mut self, table: &'static str, sql: &'static str, packed: Packed) -> Result<(), AppendError> {
        let wanted = packed.count;
        let written = self.any(table, sql, packed).await?;
        expect(table, written, wanted)
    }

    /// Runs a statement that may find rows gone or unchanged.
    async fn any(&mut self, table: &'static str, sql: &'static str, packed: Packed) -> Result<u64, AppendError> {
        let (rows, fixed, bytes) = packed.into_parts()?;
        self.run(table, bound(sql, rows, fixed).bind(bytes)).await
    }

    async fn run(
        &mut self,
        table: &'static str,
        query: Query<'_, sqlx::Sqlite, SqliteArguments>,
    ) -> Result<u64, AppendError> {
        let done =
            query.execute(&mut self.conn).await.map_err(|error| refused_or_failed(table, "append.write", error))?;
        Ok(done.rows_affected())
    }

    /// BEGIN and ROLLBACK: whatever goes wrong with them is a failure of the database.
    async fn plain(&mut self, sql: &'static str, step: &'static str) -> Result<(), AppendError> {
        let done = sqlx::query(sql).execute(&mut self.conn).await;
        done.map(drop).map_err(|error| AppendError::Io { step, source: Box::new(error) })
    }

    fn hit(&self, step: &'static str) -> Result<(), AppendError> {
        self.failpoint.hit(step).map_err(|error| AppendError::Io { step, source: Box::new(error) })
    }

    async fn truncate(&mut self) -> Result<WalState, StoreError> {
        let wait = failed("set the wait for readers");
        sqlx::query(TRUNCATE_WAIT).execute(&mut self.conn).await.map_err(&wait)?;
        let result = self.move_into_database(sql::write::WAL_TRUNCATE).await;
        sqlx::query(NORMAL_WAIT).execute(&mut self.conn).await.map_err(&wait)?;
        result
    }

    async fn move_into_database(&mut self, sql: &'static str) -> Result<WalState, StoreError> {
        let step = |source: std::io::Error| StoreError::Sql {
            action: "checkpoint the write-ahead log",
            source: Box::new(source),
        };
        self.failpoint.hit("wal.checkpoint").map_err(step)?;
        let wal = self.checkpoint(sql).await?;
        self.failpoint.hit("wal.checkpointed").map_err(step)?;
        Ok(wal)
    }

    async fn checkpoint(&mut self, sql: &'static str) -> Result<WalState, StoreError> {
        let checkpoint = failed("checkpoint the write-ahead log");
        let row = sqlx::query(sql).fetch_one(&mut self.conn).await.map_err(&checkpoint)?;
        // -1 where there is no log.
        let frames = |index: usize| row.try_get::<i64, _>(index).map(|n| u64::try_from(n).unwrap_or(0));
        let all = frames(1).map_err(&checkpoint)?;
        let moved = frames(2).map_err(&checkpoint)?;
        self.wal =
            WalState { bytes: all * WAL_FRAME_BYTES, pending_bytes: all.saturating_sub(moved) * WAL_FRAME_BYTES };
        self.batches_since_look = 0;
        self.payload_since_look = 0;
        Ok(self.wal)
    }
}

fn bound<'q>(sql: &'static str, rows: String, fixed: Vec<u8>) -> Query<'q, sqlx::Sqlite, SqliteArguments> {
    sqlx::query(sql).bind(rows).bind(fixed)
}

pub(super) fn integer(table: &'static str, number: u64) -> Result<i64, AppendError> {
    i64::try_from(number).map_err(|_| AppendError::rejected(table, "a number does not fit"))
}

fn expect(table: &'static str, written: u64, wanted: u64) -> Result<(), AppendError> {
    if written == wanted {
        return Ok(());
    }
    Err(AppendError::rejected(table, format!("{written} rows were touched, {wanted} were to be")))
}

/// A failure of one of the statements of every batch.
fn failed_at(step: &Step, error: sqlx::Error) -> AppendError {
    match step.what {
        What::Begin => AppendError::Io { step: "append.begin", source: Box::new(error) },
        What::Head => refused_or_failed(step.table, "append.head", error),
        What::Answers | What::Rows => refused_or_failed(step.table, "append.write", error),
    }
}

/// A statement that was refused leaves the database sound; every other error does not.
fn refused_or_failed(table: &'static str, step: &'static str, error: sqlx::Error) -> AppendError {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i64>().ok());
    match (code, error.as_database_error()) {
        (Some(code), Some(database)) if REFUSED.contains(&(code & 0xff)) => {
            AppendError::rejected(table, database.message())
        }
        _ => AppendError::Io { step, source: Box::new(error) },
    }
}
