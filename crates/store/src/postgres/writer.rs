//! The writer's connection: one batch, one statement, one transaction.

use super::connect::{self, ANSWER_MAX, Purpose, Target};
use super::reader::PostgresReader;
use super::{bind, failed, gate, lock, schema, sql};
use crate::batch::{Appended, Batch};
use crate::contract::{Durability, Lineage, Options, Pending, Read, WalState, Writer};
use crate::decode;
use crate::error::{AppendError, Source, StoreError};
use crate::failpoint::Failpoint;
use crate::rows::{AnswerId, Head};
use futures_util::TryStreamExt;
use handoff_domain::time::Millis;
use sqlx::postgres::{PgArguments, PgConnection, PgDatabaseError, PgRow, PgSeverity};
use sqlx::{Connection, Either, Executor, Row};
use std::sync::Arc;
use std::time::Duration;

/// SQLSTATEs of the migrations' functions: a request of the batch has an answer; rows did not fit.
const ANSWER_KNOWN: &str = "HO409";
const ROWS_DO_NOT_FIT: &str = "HO422";
/// Classes of errors that a row can cause: data, constraint, limits.
const OF_A_ROW: &[&str] = &["22", "23", "54"];
/// How long a batch may take before its session is looked for from another connection.
const PROBE_AFTER: Duration = Duration::from_secs(5);
/// Looks for a session in a row that may come to nothing before it counts as gone.
const BLIND_LOOKS_MAX: u32 = 2;
/// Looks at the head, 20 ms apart, that may find too few standbys: three seconds.
const SHORT_LOOKS_MAX: u32 = 150;
/// Timelines are written as hexadecimal digits at the head of a segment's name.
const TIMELINE_DIGITS: usize = 8;

/// Whether the connection may be used.
enum State {
    Ready,
    /// A transaction holds the head's lock.
    Held,
    /// Inside an append. Met at the start of a call it means that the call before was dropped.
    Writing,
    /// Failed at this step, until it is opened anew.
    Broken(&'static str),
}

pub(super) struct PostgresWriter {
    target: Target,
    durability: Durability,
    failpoint: Failpoint,
    conn: PgConnection,
    /// The session as the server knows it, to look for it from another connection.
    session: Known,
    state: State,
    /// The readers' connections, dropped when this one is opened anew.
    reader: Arc<PostgresReader>,
    /// Looks at the head in a row that found too few standbys.
    short: u32,
    /// What must not change behind the URL: the cluster's identity, and the highest epoch seen.
    system: String,
    epoch: u64,
}

impl PostgresWriter {
    pub(super) async fn open(
        target: Target,
        options: Options,
        reader: Arc<PostgresReader>,
    ) -> Result<Self, StoreError> {
        let Options { durability, failpoint } = options;
        let opened = tokio::time::timeout(ANSWER_MAX, connect_writer(&target, durability)).await;
        let Session { conn, session, system, epoch } = opened.unwrap_or(Err(StoreError::NoReply))?;
        let (state, short) = (State::Ready, 0);
        Ok(Self { target, durability, failpoint, conn, session, state, reader, short, system, epoch })
    }

    async fn append_once(&mut self, batch: &Batch) -> Result<Appended, AppendError> {
        let held = match self.state {
            State::Ready => false,
            State::Held => true,
            State::Writing => {
                self.state = State::Broken("append.dropped");
                let source = Source::from("the append before this one was dropped");
                return Err(AppendError::Unknown { step: "append.dropped", source });
            }
            State::Broken(step) => {
                return Err(AppendError::Io { step, source: Source::from("the writer failed before") });
            }
        };
        self.state = State::Writing;
        let result = self.transact(batch, held).await;
        self.state = match &result {
            Err(AppendError::Io { step, .. } | AppendError::Unknown { step, .. }) => State::Broken(step),
            Ok(_) | Err(AppendError::Moved { .. } | AppendError::AnswersKnown(_) | AppendError::Rejected { .. }) => {
                State::Ready
            }
        };
        result
    }

    async fn transact(&mut self, batch: &Batch, held: bool) -> Result<Appended, AppendError> {
        let written = match batch.verify().and_then(|verified| bind::batch(batch, &verified)) {
            Ok(arguments) => match self.hit("append.begin").and_then(|()| self.hit("append.commit")) {
                Ok(()) => self.write(batch, arguments).await,
                Err(failed) => Err(failed),
            },
            Err(rejected) => Err(rejected),
        };
        // A session whose fate is not known has no transaction to end: it is opened anew.
        if held && !matches!(written, Err(AppendError::Unknown { .. })) {
            self.end(written.is_ok()).await?;
        }
        let head = match written {
            Ok(Some(head)) => head,
            Ok(None) => return Err(AppendError::Moved { expected: batch.expected }),
            Err(AppendError::AnswersKnown(_)) => return Err(AppendError::AnswersKnown(self.known(batch).await?)),
            Err(other) => return Err(other),
        };
        let unknown = |step, source| AppendError::Unknown { step, source };
        let step = "append.committed";
        self.failpoint.hit(step).map_err(|error| unknown(step, Box::new(error)))?;
        let gate = tokio::time::timeout(ANSWER_MAX, gate::pass(&mut self.conn, self.durability)).await;
        gate.unwrap_or(Err(StoreError::NoReply)).map_err(|error| unknown("append.gate", Box::new(error)))?;
        self.epoch = head.epoch;
        Ok(Appended { head })
    }

    /// Runs the batch's statement to the end of its answer, which comes after the commit: a row alone proves nothing.
    /// `None`: the log ends elsewhere.
    async fn write(&mut self, batch: &Batch, arguments: PgArguments) -> Result<Option<Head>, AppendError> {
        let sql = if bind::has_beside(batch) { sql::write::APPEND_BESIDE } else { sql::write::APPEND };
        let Self { conn, target, session, .. } = self;
        let run = async {
            let mut row = None;
            let mut results = conn.fetch_many(sqlx::query_with(sql, arguments));
            while let Some(result) = results.try_next().await? {
                if let Either::Right(found) = result {
                    row = Some(found);
                }
            }
            Ok(row)
        };
        let row = probed(target, session, "append.write", run).await?;
        let unknown = |error: StoreError| AppendError::Unknown { step: "append.head", source: Box::new(error) };
        row.as_ref().map(decode::head).transpose().map_err(unknown)
    }

    /// Ends a transaction that held the head.
    async fn end(&mut self, written: bool) -> Result<(), AppendError> {
        let Self { conn, target, session, .. } = self;
        if written {
            let commit = sqlx::query(sql::write::COMMIT).execute(conn);
            return probed(target, session, "append.commit", commit).await.map(drop);
        }
        let step = "append.rollback";
        let rollback = tokio::time::timeout(ANSWER_MAX, sqlx::query(sql::write::ROLLBACK).execute(conn)).await;
        match rollback {
            Ok(done) => done.map(drop).map_err(|error| judge(step, error)),
            Err(_) => Err(AppendError::Io { step, source: Source::from("no answer") }),
        }
    }

    /// The request ids of a batch that have an answer.
    async fn known(&mut self, batch: &Batch) -> Result<Vec<AnswerId>, AppendError> {
        let known = sqlx::query_with(sql::write::ANSWERS_KNOWN, bind::answer_ids(batch)?).fetch_all(&mut self.conn);
        let io = |source| AppendError::Io { step: "append.known", source };
        let rows = tokio::time::timeout(ANSWER_MAX, known).await.map_err(|_| io(Source::from("no answer")))?;
        let rows = rows.map_err(|error| io(Box::new(error)))?;
        let place = |row: &PgRow| usize::try_from(row.try_get::<i64, _>(0).ok()?.checked_sub(1)?).ok();
        Ok(rows.iter().filter_map(|row| batch.answers.get(place(row)?)).map(|answer| answer.id.clone()).collect())
    }

    fn hit(&self, step: &'static str) -> Result<(), AppendError> {
        self.failpoint.hit(step).map_err(|error| AppendError::Io { step, source: Box::new(error) })
    }

    fn assert_usable(&self) -> Result<(), StoreError> {
        match self.state {
            State::Ready | State::Held => Ok(()),
            State::Writing | State::Broken(_) => {
                let source = Source::from("the writer failed before");
                Err(StoreError::Sql { action: "use the writer's connection", source })
            }
        }
    }

    async fn settled(&mut self) -> Result<Head, StoreError> {
        self.assert_usable()?;
        let read = failed("read the head");
        let row = sqlx::query(sql::write::HEAD_AND_END).fetch_one(&mut self.conn).await.map_err(&read)?;
        let head = decode::head(&row)?;
        self.epoch = self.epoch.max(head.epoch);
        if let Durability::Replicated { standbys } = self.durability {
            let end: String = row.try_get("lsn").map_err(&read)?;
            gate::pass_at(&mut self.conn, standbys, &end).await?;
        }
        Ok(head)
    }

    async fn hold_head(&mut self) -> Result<Head, StoreError> {
        self.assert_usable()?;
        if matches!(self.state, State::Held) {
            return self.read_head().await;
        }
        self.state = State::Broken("hold");
        sqlx::query(sql::write::BEGIN).execute(&mut self.conn).await.map_err(failed("begin a transaction"))?;
        let row = sqlx::query(sql::write::HOLD).fetch_one(&mut self.conn).await.map_err(failed("lock the head"))?;
        let head = decode::head(&row)?;
        self.state = State::Held;
        Ok(head)
    }

    async fn release_head(&mut self) -> Result<(), StoreError> {
        if matches!(self.state, State::Held) {
            self.state = State::Broken("release");
            let done = sqlx::query(sql::write::ROLLBACK).execute(&mut self.conn).await;
            done.map_err(failed("end a transaction"))?;
            self.state = State::Ready;
        }
        Ok(())
    }

    /// Looks at the head. With replicated durability a server whose standbys have left for long is not followed: it may
    /// be one that was deposed, whose readers would be shown what has long moved on.
    async fn read_head(&mut self) -> Result<Head, StoreError> {
        let read = failed("read the head");
        let Durability::Replicated { standbys } = self.durability else {
            let row = sqlx::query(sql::read::HEAD).fetch_one(&mut self.conn).await.map_err(&read)?;
            return decode::head(&row);
        };
        let look = sqlx::query(sql::write::HEAD_AND_STANDBYS).bind(i64::from(standbys));
        let row = look.fetch_one(&mut self.conn).await.map_err(&read)?;
        let enough: bool = row.try_get("enough").map_err(&read)?;
        self.short = if enough { 0 } else { self.short + 1 };
        if self.short > SHORT_LOOKS_MAX {
            return Err(StoreError::NotReplicated { standbys });
        }
        decode::head(&row)
    }

    async fn histories(&mut self) -> Result<Lineage, StoreError> {
        let read = failed("read the server's history");
        let row = sqlx::query(sql::read::LINEAGE).fetch_one(&mut self.conn).await.map_err(&read)?;
        let noted: Option<i64> = row.try_get("noted").map_err(&read)?;
        let segment: String = row.try_get("segment").map_err(&read)?;
        let digits = segment.get(..TIMELINE_DIGITS).unwrap_or_default();
        let now = u64::from_str_radix(digits, 16).map_err(|error| read(sqlx::Error::Decode(Box::new(error))))?;
        Ok(Lineage { noted: noted.and_then(|noted| u64::try_from(noted).ok()), now: Some(now) })
    }

    async fn clock(&mut self) -> Result<Option<Millis>, StoreError> {
        let row = sqlx::query(sql::write::TIME).fetch_one(&mut self.conn).await;
        let time: i64 = row.and_then(|row| row.try_get("time")).map_err(failed("read the server's clock"))?;
        Ok(Some(Millis(time)))
    }

    async fn open_anew(&mut self) -> Result<(), StoreError> {
        self.state = State::Broken("reopen");
        let Session { conn, session, system, epoch } = connect_writer(&self.target, self.durability).await?;
        if system != self.system {
            return Err(StoreError::OtherDatabase { what: "system_identifier" });
        }
        if epoch < self.epoch {
            return Err(StoreError::OtherDatabase { what: "the epoch, which is lower than one seen," });
        }
        // The old connection is of no use any more; the server notices by itself. Nor are the readers', which may lead to
        // a server that is no longer the primary.
        (self.conn, self.session, self.epoch, self.short) = (conn, session, epoch, 0);
        self.reader.renew();
        self.state = State::Ready;
        Ok(())
    }
}

/// A connection fit to write, how the server knows it, the cluster's identity and the log's epoch.
struct Session {
    conn: PgConnection,
    session: Known,
    system: String,
    epoch: u64,
}

/// A session as the server knows it: its process, and when that began.
struct Known {
    process: i32,
    begun: String,
}

/// Waits for what may wait for a standby, and never gives it up while its session lives.
async fn probed<T>(
    target: &Target,
    session: &Known,
    step: &'static str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, AppendError> {
    let mut work = std::pin::pin!(work);
    let mut blind = 0;
    loop {
        if let Ok(done) = tokio::time::timeout(PROBE_AFTER, &mut work).await {
            return done.map_err(|error| judge(step, error));
        }
        match lives(target, session).await {
            Some(true) => blind = 0,
            None if blind < BLIND_LOOKS_MAX => blind += 1,
            Some(false) | None => {
                let source = Source::from("the server of this session is gone, or another one answers in its place");
                return Err(AppendError::Unknown { step: "append.lost", source });
            }
        }
    }
}

/// Whether a session is still there. The address is asked anew: after a failover it leads to a server that has no such
/// session. `None`: nobody could be asked.
async fn lives(target: &Target, session: &Known) -> Option<bool> {
    let look = async {
        let mut conn = connect::open(target, Purpose::Check).await.ok()?;
        let look = sqlx::query(sql::write::SESSION_LIVES).bind(session.process).bind(&session.begun);
        look.fetch_one(&mut conn).await.ok()?.try_get::<bool, _>("lives").ok()
    };
    tokio::time::timeout(ANSWER_MAX, look).await.ok().flatten()
}

async fn connect_writer(target: &Target, durability: Durability) -> Result<Session, StoreError> {
    let mut conn = connect::open(target, Purpose::Write).await?;
    if !lock::take(&mut conn, lock::SERVE).await? {
        return Err(StoreError::InService("a migration runs in this database; wait until it is done"));
    }
    schema::assert_current(&mut conn).await?;
    gate::assert_possible(&mut conn, durability).await?;
    let read = failed("read the server's identity");
    let row = sqlx::query(sql::read::SYSTEM).fetch_one(&mut conn).await.map_err(&read)?;
    let system: String = row.try_get("system").map_err(&read)?;
    let row = sqlx::query(sql::read::HEAD).fetch_one(&mut conn).await.map_err(failed("read the head"))?;
    let epoch = decode::head(&row)?.epoch;
    let row = sqlx::query(sql::write::SESSION).fetch_one(&mut conn).await.map_err(&read)?;
    let session =
        Known { process: row.try_get("process").map_err(&read)?, begun: row.try_get("begun").map_err(&read)? };
    Ok(Session { conn, session, system, epoch })
}

/// What an error says about the batch. The server's ERROR undoes the transaction; a connection that ends, by FATAL or
/// without a word, leaves open whether the commit was done.
fn judge(step: &'static str, error: sqlx::Error) -> AppendError {
    let Some(database) = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()) else {
        return AppendError::Unknown { step, source: Box::new(error) };
    };
    let code = database.code();
    // A proxy between may call the end of the connection an ERROR.
    let of_connection = code.starts_with("08") || code.starts_with("57P");
    if of_connection || matches!(database.severity(), PgSeverity::Fatal | PgSeverity::Panic) {
        return AppendError::Unknown { step, source: Box::new(error) };
    }
    if code == ANSWER_KNOWN {
        return AppendError::AnswersKnown(Vec::new());
    }
    let of_a_row = code == ROWS_DO_NOT_FIT || OF_A_ROW.contains(&code.get(..2).unwrap_or_default());
    if of_a_row {
        let table = TABLES.iter().find(|table| database.table() == Some(**table)).copied().unwrap_or("head");
        return AppendError::rejected(table, database.message());
    }
    AppendError::Io { step, source: Box::new(error) }
}

const TABLES: &[&str] = &[
    "head",
    "events",
    "feeds",
    "feed",
    "cases",
    "parties",
    "obligations",
    "handoffs",
    "answers",
    "cursors",
    "audit",
    "personal",
    "maps",
    "tiles",
    "tree_heads",
    "cosignatures",
    "registry_entries",
];

/// A call that gets no answer breaks the connection.
macro_rules! patient {
    ($self:ident, $call:expr) => {
        Box::pin(async move {
            let done = tokio::time::timeout(ANSWER_MAX, $call).await;
            done.unwrap_or_else(|_| {
                $self.state = State::Broken("no answer");
                Err(StoreError::NoReply)
            })
        })
    };
}

impl Writer for PostgresWriter {
    fn append<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a, Result<Appended, AppendError>> {
        Box::pin(self.append_once(batch))
    }

    fn head(&mut self) -> Read<'_, Head> {
        patient!(self, self.read_head())
    }

    fn settle(&mut self) -> Read<'_, Head> {
        patient!(self, self.settled())
    }

    fn hold(&mut self) -> Read<'_, Head> {
        patient!(self, self.hold_head())
    }

    fn release(&mut self) -> Read<'_, ()> {
        patient!(self, self.release_head())
    }

    fn lineage(&mut self) -> Read<'_, Lineage> {
        patient!(self, self.histories())
    }

    fn time(&mut self) -> Read<'_, Option<Millis>> {
        patient!(self, self.clock())
    }

    fn reopen(&mut self) -> Read<'_, ()> {
        patient!(self, self.open_anew())
    }

    /// The server looks after its own log.
    fn tidy(&mut self) -> Read<'_, WalState> {
        Box::pin(async { Ok(WalState::default()) })
    }

    fn idle(&mut self) -> Read<'_, WalState> {
        Box::pin(async { Ok(WalState::default()) })
    }

    fn close(self: Box<Self>) -> Read<'static, ()> {
        Box::pin(async move {
            match self.state {
                State::Ready | State::Held => self.conn.close().await.map_err(failed("close the database")),
                State::Writing | State::Broken(_) => Ok(()),
            }
        })
    }
}
